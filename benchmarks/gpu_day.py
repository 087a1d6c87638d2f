"""A day with a GPU: first the checks, each pass or the reason, then the rows of benchmarks/README.md, best first.

    python benchmarks/gpu_day.py --minutes 30 --output outputs/gpu-day

Within the minutes: a check or a row is started only if the time that it is expected to take is left. Every run has
processes of its own. After each check and row the output has results.md, results.json and plots of all that is known by
then, so a machine that goes away takes the one under way with it and nothing else. The same command again, at the same
commit on the same device, goes on: what has passed or been measured is skipped, what failed is run again, a failed row
after all others. NGPU sets how many GPUs are used; checks and rows that need more are rows that say so. Any
--section.key VALUE holds for every run. --check makes every run tiny, to try the program itself; it needs no GPU.

gpu_day_checks.py has the checks (gpu_day_bench.py runs them, gpu_day_environment.py looks at the machine,
gpu_day_trace.py reads a profile), gpu_day_rows.py the rows, gpu_day_report.py writes; throughput_*.py measures a row.
"""

import argparse
import json
import math
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

import gpu_day_environment
import gpu_day_report
import gpu_day_rows
from codetitan import device
from codetitan.errors import ConfigError, fail
from codetitan.launch import processes
from gpu_day_items import Item, Record, check_items, good, in_order, row_items, why_not
from throughput import Parser, device_here, read_results, versions
from throughput_report import one_line
from throughput_run import planned_gpu, predict

_PREDICTION_S = 30  # what `codetitan plan` takes of a machine that is slow


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Splits the command line into options and overrides.

    Raises:
        ConfigError: an option or a value that does not exist.
    """
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--minutes", type=float, default=30, help="for all of it; default: %(default)s")
    parser.add_argument("--output", type=Path, default=Path("outputs/gpu-day"), help="default: %(default)s")
    names = ("checks", *gpu_day_rows.GROUPS)
    parser.add_argument("--groups", nargs="+", choices=names, default=names, help="which, in this order; default: all")
    parser.add_argument("--steps", type=int, default=10, help="steps measured of a row; default: %(default)s")
    parser.add_argument("--warm-up", type=int, default=5, help="steps before them; default: %(default)s")
    parser.add_argument("--gpu", help="the name for `codetitan plan`; default: this machine's GPU")
    parser.add_argument("--check", action="store_true", help="make every run tiny, to try this program")
    options, overrides = parser.parse_with_overrides(arguments)
    least = (("minutes", options.minutes, 1), ("steps", options.steps, 2), ("warm-up", options.warm_up, 1))
    for name, value, at_least in least:
        if value < at_least:
            raise ConfigError(f"--{name} {value:g} must be at least {at_least}")
    if options.check:
        options.steps, options.warm_up = min(options.steps, 2), min(options.warm_up, 1)
    return options, overrides


def look_around(options: argparse.Namespace, arguments: Sequence[str]) -> Record:
    """Returns what the results state of this start: machine, versions, command, date.

    Raises:
        ConfigError: no GPU and no --check, or NGPU is wrong.
    """
    here, facts = device_here(), gpu_day_environment.facts()
    if here["type"] != "cuda" and not options.check:
        wrong = gpu_day_environment.shortcomings(facts) if facts["driver"] is not None else []
        why = wrong[0] if wrong else "there is none"
        raise ConfigError(f"gpu_day.py needs a GPU: {why}; --check tries the program itself, on a CPU too")
    gpus = processes(os.environ, device.visible_gpus())
    return {
        "command": f"NGPU={gpus} " + shlex.join(["python", "benchmarks/gpu_day.py", *arguments]),
        "device": here,
        "processes": gpus,
        "gpu": options.gpu or (planned_gpu(here["name"]) if here["type"] == "cuda" else None),
        "versions": versions(),
        "warm_up": options.warm_up,
        "steps": options.steps,
        "minutes": options.minutes,
        "tiny": options.check,
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "environment": facts,
    }


class Day:
    """The list of items, what came of them, and the clock.

    Args:
        folder: gets results.jsonl, to which every record is appended, and the report.
        run: what `look_around` found.
        items: in the order in which they are to be run.
        deadline: of `time.monotonic`.
    """

    def __init__(self, folder: Path, run: Record, items: Sequence[Item], deadline: float) -> None:
        self._folder, self._run, self._items = folder, run, items
        self._file = folder / "results.jsonl"
        self._records = read_results(self._file)  # those of other commits and devices too: they say how long it takes
        self._deadline = deadline

    def _left_s(self) -> float:
        return self._deadline - time.monotonic()

    def _keep(self, key: str, record: Record) -> None:
        self._records[key] = record
        with self._file.open("a", encoding="utf-8") as results:
            results.write(json.dumps(record) + "\n")

    def record_of(self, item: Item) -> Record:
        """Returns what came of an item, by its own name; items that ask for the same share a run."""
        kept = self._records.get(item.key)
        if kept is None:
            return item.not_run(why_not(item, self._run["processes"], math.inf, []) or "time")
        named = kept | item.about
        return named | {"settings": kept["settings"] | {"label": item.about["name"]}} if "settings" in kept else named

    def step(self, item: Item) -> str:
        """Runs an item, or says why not; returns a line for the console."""
        left_s = self._left_s()
        why = why_not(item, self._run["processes"], left_s, list(self._records.values()))
        if why is None:
            start = time.monotonic()
            came = item.perform(min(item.limit_s, left_s))
            wall_s = time.monotonic() - start
            record = item.about | came | {"key": item.key, "wall_s": round(wall_s, 1), "ended": time.time()}
            record["date"] = time.strftime("%Y-%m-%d")
            if good(record) or wall_s < left_s:
                self._keep(item.key, record)
            else:
                why = "time"  # it was ended by the budget, and says nothing
        self.write(plots=why is None and not item.is_check)
        record = self.record_of(item)
        if item.is_check:
            return f"{record['name']}: {record['verdict']} {record['detail'] and '(' + record['detail'] + ')'}".rstrip()
        return one_line(record)

    def work(self) -> None:
        """Runs what is to be run, then predicts with what time is left."""
        todo = in_order(self._items, self._records)
        bar, done = tqdm(todo, unit="item", dynamic_ncols=True), set()
        for item in bar:
            if item.key in done:
                continue  # another item asked for the same
            done.add(item.key)
            bar.set_postfix_str(item.about["name"])
            bar.write(self.step(item))
        for item in self._items:
            record = self._records.get(item.key)
            wanted = record is not None and record.get("status") == "ok" and "prediction" not in record
            if not wanted or item.about["trainer"] != "codetitan" or self._run["gpu"] is None:
                continue
            if self._left_s() > _PREDICTION_S and item.point is not None and record is not None:
                prediction = predict(item.point, self._run["gpu"], item.gpus)
                self._keep(item.key, record | {"prediction": prediction})

    def write(self, *, plots: bool) -> list[Path]:
        """Writes the report of all that is known; returns its files."""
        records = [self.record_of(item) for item in self._items]
        checks, rows = ([record for record in records if record["kind"] == kind] for kind in ("check", "row"))
        return gpu_day_report.write(self._folder, self._run, checks, rows, plots=plots)

    def code(self) -> int:
        """Returns the exit code: 0 where no check failed and something is known, else 1."""
        records = [self.record_of(item) for item in self._items]
        failed = any(record.get("verdict", "").startswith("fail") for record in records)
        return 1 if failed or not any(map(good, records)) else 0


def main(arguments: Sequence[str]) -> int:
    """Checks and measures; returns the exit code: 2 for a slip, 1 where a check failed, 130 after Ctrl-C."""
    start = time.monotonic()
    # A scheduler's SIGTERM ends the day as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        options, overrides = parse(arguments)
        run = look_around(options, arguments)
        items: list[Item] = []
        for group in options.groups:
            more = check_items if group == "checks" else lambda *known, group=group: row_items(group, *known)
            items += more(options, overrides, run)
        options.output.mkdir(parents=True, exist_ok=True)
    except ConfigError as error:
        return fail(error)
    except OSError as error:
        return fail(ConfigError(f"--output {options.output}: {error.strerror}"))
    except KeyboardInterrupt:
        return 130
    day, interrupted = Day(options.output, run, items, start + 60 * options.minutes), False
    try:
        day.work()
    except KeyboardInterrupt:
        interrupted = True
        print("stopped; the same command goes on", file=sys.stderr)
    print("\n".join(["wrote", *(f"  {path}" for path in day.write(plots=True))]))
    return 130 if interrupted else day.code()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
