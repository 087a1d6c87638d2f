"""Tokens a second, MFU and memory over a sweep or a list of settings, with torchtitan and plain PyTorch beside them.

    python benchmarks/throughput.py --config train_configs/code_350m.toml --output results/350m \\
        --seq-lens 2048 4096 --ac none selective --float8 none tensorwise --microbatches 4 8

Every combination is a point; --points FILE takes a list instead: tables [[point]] with a `config` and `overrides`, one
string as on a command line. Any other --section.key VALUE holds for all points. NGPU sets the processes, as for
run_train.sh. Everything is checked before anything runs. Each point then trains in processes of its own, so that an
out-of-memory is a row. The same command again skips what it has measured with the same code on the same device.

throughput_points.py makes the points, throughput_run.py runs one, throughput_report.py writes the table,
throughput_plots.py draws;
throughput_worker.py, torchtitan_llama3.py and plain_pytorch.py are the baselines.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args, get_type_hints

import torch
from tqdm import tqdm

import codetitan
from codetitan import device
from codetitan.errors import ConfigError, did_you_mean, fail
from codetitan.launch import processes
from codetitan.models.code.flavors import FLAVORS
from codetitan.models.code.float8 import Float8Config
from throughput_points import AXES, TRAINERS, Checked, activation_checkpoint_choice, check, expand, read_list
from throughput_report import one_line, write_report
from throughput_run import REPOSITORY, planned_gpu, predict, run_point

_PLAIN_KEYS = ("--hf_assets_path",)  # keys of a configuration that stand in no section


class Parser(argparse.ArgumentParser):
    """One line instead of argparse's usage."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)

    def parse_with_overrides(self, arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """Splits the command line into options and --section.key VALUE.

        Raises:
            ConfigError: an option or a value that does not exist.
        """
        options, overrides = self.parse_known_args(arguments)
        ours = [name for action in self._actions for name in action.option_strings]
        for word in overrides:
            name = word.partition("=")[0]
            if name.startswith("--") and "." not in name and name not in _PLAIN_KEYS:
                raise ConfigError(f"{name}: unknown option{did_you_mean(name, ours)}")
        return options, overrides


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Splits the command line into options and overrides.

    Raises:
        ConfigError: an option or a value that does not exist.
    """
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    recipes = get_args(get_type_hints(Float8Config)["recipe"])
    parser.add_argument("--config", type=Path, nargs="+", default=[], help="default: train_configs/code_350m.toml")
    parser.add_argument("--points", type=Path, help="a TOML list of points")
    parser.add_argument("--trainers", nargs="+", choices=TRAINERS, help="default: all; pytorch for one process only")
    axes = parser.add_argument_group("axes of the sweep; default: as the configuration")
    axes.add_argument("--flavors", nargs="+", choices=list(FLAVORS), metavar="NAME")
    axes.add_argument("--seq-lens", nargs="+", type=int, metavar="T")
    axes.add_argument("--meshes", nargs="+", metavar="MESH", help="e.g. fsdp=8 tp=2,fsdp=4; also replicate, pp, cp")
    axes.add_argument("--ac", nargs="+", choices=list(activation_checkpoint_choice().options))
    axes.add_argument("--compile", nargs="+", choices=["true", "false"])
    axes.add_argument("--float8", nargs="+", choices=recipes)
    axes.add_argument("--microbatches", nargs="+", type=int, metavar="ROWS")
    parser.add_argument("--steps", type=int, default=20, help="steps measured; default: %(default)s")
    parser.add_argument("--warm-up", type=int, default=10, help="steps before them; default: %(default)s")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds a point; default: %(default)s")
    parser.add_argument("--retry-failed", action="store_true", help="run again what failed before")
    parser.add_argument("--gpu", help="the name for `codetitan plan`; default: this machine's GPU")
    parser.add_argument("--output", type=Path, default=Path("outputs/throughput"), help="default: %(default)s")
    options, overrides = parser.parse_with_overrides(arguments)
    for name, value, least in (("steps", options.steps, 2), ("warm-up", options.warm_up, 1)):
        if value < least:
            raise ConfigError(f"--{name} {value} must be at least {least}")
    if not options.config and options.points is None:
        options.config = [REPOSITORY / "train_configs" / "code_350m.toml"]
    return options, overrides


def code_version(repository: Path) -> str:
    """Returns the commit; where files differ from it, or there is no git, a digest of what runs beside it."""
    git = ["git", "-C", str(repository), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip() or "no git"
    if commit != "no git" and not commit.endswith("-dirty"):
        return commit
    digest = hashlib.sha256()
    for pattern in ("codetitan/**/*.py", "benchmarks/*.py", "train_configs/*.toml"):
        for file in sorted(repository.glob(pattern)):
            digest.update(file.read_bytes())
    return f"{commit}, files {digest.hexdigest()[:8]}"


def versions() -> dict[str, str]:
    """Returns what may change a figure beside the settings."""
    return {
        "torch": torch.__version__,
        "torchao": importlib.metadata.version("torchao"),
        "torchtitan": importlib.metadata.version("torchtitan"),
        "codetitan": f"{codetitan.__version__} ({code_version(REPOSITORY)})",
        "Python": platform.python_version(),
    }


def device_here() -> dict[str, Any]:
    """Returns the type and name of this machine's devices, and the cores on a CPU."""
    if device.device_type() == "cuda":
        return {"type": "cuda", "name": torch.cuda.get_device_name()}
    return {"type": "cpu", "name": device.cpu_name(), "cores": len(os.sched_getaffinity(0))}


def checked_points(options: argparse.Namespace, overrides: Sequence[str], run: dict[str, Any]) -> list[Checked]:
    """Returns every point once, the refused ones too; two may be the same for a baseline that has no such setting.

    Raises:
        ConfigError: every point is refused.
    """
    world_size: int = run["processes"]
    bases: list[tuple[Path, Sequence[str]]] = [(config, []) for config in options.config]
    if options.points is not None:
        bases += read_list(options.points)
    trainers = options.trainers or (TRAINERS if world_size == 1 else TRAINERS[:-1])
    points = expand(bases, {name: getattr(options, name) for name in AXES}, trainers, overrides)
    identity = {name: run[name] for name in ("device", "versions", "gpu", "warm_up")}
    checked = [check(point, world_size, options.warm_up + options.steps, identity) for point in points]
    if all(point.refused is not None for point in checked):
        raise ConfigError(checked[0].refused)
    unique: dict[str, Checked] = {}
    for point in checked:
        unique.setdefault(point.key or point.point.name, point)
    return list(unique.values())


def read_results(file: Path) -> dict[str, dict[str, Any]]:
    """Returns the last record of each key; a line torn by a kill is left out, and ended so that others can follow."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    if text and not text.endswith("\n"):
        with file.open("a", encoding="utf-8") as results:
            results.write("\n")
    records = {}
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        records[record["key"]] = record
    return records


def sweep(options: argparse.Namespace, todo: Sequence[Checked], run: dict[str, Any], file: Path) -> None:
    """Runs the points one after the other, and appends each one's record to `file`."""
    logs = options.output / "logs"
    logs.mkdir(exist_ok=True)
    bar = tqdm(todo, unit="point", dynamic_ncols=True)
    for checked in bar:
        bar.set_postfix_str(checked.point.name)
        start = time.perf_counter()
        record = {"key": checked.key, "name": checked.point.name, "trainer": checked.point.trainer}
        record |= {"settings": checked.settings, "notes": checked.notes, "date": time.strftime("%Y-%m-%d")}
        record |= run_point(
            checked, world_size=run["processes"], warm_up=options.warm_up, steps=options.steps,
            timeout_s=options.timeout, log=logs / f"{checked.key}.log",
        )  # fmt: skip
        record["wall_s"] = round(time.perf_counter() - start, 1)
        if checked.point.trainer == "codetitan" and run["gpu"] is not None:
            record["prediction"] = predict(checked.point, run["gpu"], run["processes"])
        with file.open("a", encoding="utf-8") as results:
            results.write(json.dumps(record) + "\n")
        bar.write(one_line(record))


def main(arguments: Sequence[str]) -> int:
    """Measures; returns the exit code: 2 for a slip, 1 where no point has a figure, 130 after Ctrl-C."""
    try:
        options, overrides = parse(arguments)
        here = device_here()
        world_size = processes(os.environ, device.visible_gpus())
        run = {
            "command": f"NGPU={world_size} " + shlex.join(["python", "benchmarks/throughput.py", *arguments]),
            "device": here,
            "processes": world_size,
            "gpu": options.gpu or (planned_gpu(here["name"]) if here["type"] == "cuda" else None),
            "versions": versions(),
            "warm_up": options.warm_up,
            "steps": options.steps,
        }
        points = checked_points(options, overrides, run)
        options.output.mkdir(parents=True, exist_ok=True)
    except ConfigError as error:
        return fail(error)
    except OSError as error:
        return fail(ConfigError(f"--output {options.output}: {error.strerror}"))
    file = options.output / "results.jsonl"
    records = read_results(file)
    done = {key for key, record in records.items() if record["status"] == "ok" or not options.retry_failed}
    runnable = [point for point in points if point.refused is None]
    todo = [point for point in runnable if point.key not in done]
    for note in sorted({note for point in points for note in point.notes}):
        print(f"note: {note}")
    before = [records[point.key]["status"] for point in runnable if point.key in done]
    print(
        f"{len(points)} points: {len(points) - len(runnable)} refused, {before.count('ok')} measured before, "
        f"{before.count('failed')} failed before (again with --retry-failed), {len(todo)} to run"
    )
    # A scheduler's SIGTERM ends the sweep as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    interrupted = False
    try:
        sweep(options, todo, run, file)
    except KeyboardInterrupt:
        interrupted = True
        print("stopped; the same command goes on", file=sys.stderr)
    records = read_results(file)
    rows = [
        {"name": point.point.name, "trainer": point.point.trainer, "status": "refused", "reason": point.refused}
        if point.refused is not None
        else records[point.key]
        for point in points
        if point.refused is not None or point.key in records
    ]
    print("\n".join(["wrote", *(f"  {path}" for path in write_report(options.output, run, rows))]))
    if interrupted:
        return 130
    return 0 if any(row["status"] == "ok" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
