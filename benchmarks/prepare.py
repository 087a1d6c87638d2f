"""`codetitan prepare` end to end beside datatrove's own filters and MinHash, on the same files, in turn.

    python benchmarks/prepare.py [FOLDER…] [--megabytes 100] [--rounds 3] [--workers 2] [--only NAME…]
    python benchmarks/prepare.py --times 1 4 16 --megabytes 40 [--prepare.memory_mb=256 …]

reads the files below the folders (Python's own library and the installed packages, unless others are named) whose
language is known, writes them as JSON Lines, and runs in processes of their own, one after the other:

- codetitan, comparable: the rules of which datatrove has a counterpart, exact and near-duplicates
- datatrove: its filters C4 quality, FineWeb quality and Gopher repetition (no counts of n-grams, most of its time) and
  its four steps of MinHash with as many bands and rows, from words that a regular expression finds; one pass filters,
  writes and signs, another reads that and leaves out the duplicates: fewer passes than its own examples have
- codetitan, default: all rules that are on by default, licences, secrets and benchmarks too

The best of the rounds counts. Memory is the largest resident set of the parent and of a worker (VmHWM). `--times`
copies the input so many times with its letters exchanged, so that no copy is another's duplicate, and asks what memory
and time become: codetitan alone.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from string import ascii_letters, ascii_lowercase, ascii_uppercase
from typing import Any

from prepare_rules import read

_FILES = 16
_TICKS = os.sysconf("SC_CLK_TCK")
# Rules without a counterpart among datatrove's filters for lines, characters and words.
_NO_COUNTERPART = (
    "paths", "licences", "generated", "xml", "html", "data_files", "encoded_data", "comments", "asserts",
    "contamination", "secrets", "dependency_order",
)  # fmt: skip


@dataclass
class Run:
    """What a run took. `stages`: name → (seconds by the clock, seconds of processors, largest resident set in MB of a
    worker meanwhile)."""

    wall_s: float
    cpu_s: float = 0.0
    parent_mb: float = 0.0
    worker_mb: float = 0.0
    kept: int = 0
    stages: dict[str, tuple[float, float, float]] = field(default_factory=dict)


def write_input(folder: Path, folders: Sequence[str], megabytes: float, times: int) -> tuple[int, float]:
    """Writes the files as JSON Lines; returns how many, and megabytes of text."""
    files = read(folders, megabytes)
    n_bytes = 0
    outs = [(folder / f"{number:02}.jsonl").open("w", encoding="utf-8") for number in range(_FILES)]
    for copy in range(times):
        letters = str.maketrans(ascii_letters, _turned(ascii_lowercase, copy) + _turned(ascii_uppercase, copy))
        for number, file in enumerate(files):
            text = file.text.translate(letters) if copy else file.text
            n_bytes += len(text.encode())
            row = {
                "id": f"{copy}/{file.path}",
                "repo": f"{copy}/{file.path.partition('/')[0]}",
                "path": file.path,
                "content": text,
            }
            outs[number % _FILES].write(json.dumps(row | {"language": file.language}) + "\n")
    for out in outs:
        out.close()
    return times * len(files), n_bytes / 1e6


def _turned(letters: str, copy: int) -> str:
    by = copy % 25 + 1
    return letters[by:] + letters[:by]


def ours(source: Path, output: Path, workers: int, words: Sequence[str]) -> dict[str, Any]:
    """Runs codetitan in this process and its workers; returns the stages' times and how many files stay."""
    from codetitan.prepare.config import read_config
    from codetitan.prepare.run import prepare

    config = output.with_suffix(".toml")
    config.write_text(f'[[prepare.sources]]\ntype = "jsonl"\npath = "{source}"\n')
    ends: dict[str, tuple[float, float, float]] = {"": (time.monotonic(), _cpu_s(), 0.0)}

    def say(line: str) -> None:
        if match := re.search(r"([\w-]+): (\d+) of \2 tasks", line):
            ends[match[1]] = (time.monotonic(), _cpu_s(), max(map(_peak_since, _family(os.getpid())[1:]), default=0.0))

    words = [*words, "--prepare.executor.workers", str(workers)]
    tally = prepare(read_config(config, words), output, say)
    names = list(ends)
    stages = {
        name: (ends[name][0] - ends[last][0], ends[name][1] - ends[last][1], ends[name][2])
        for last, name in pairwise(names)
    }
    return {"kept": tally.kept[0], "stages": stages}


def datatrove(source: Path, output: Path, workers: int) -> dict[str, Any]:
    """Runs datatrove in this process and its workers; returns how many files stay."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherRepetitionFilter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    from prepare_duplicates_datatrove import CONFIG, Words

    words = Words()
    filters = [
        C4QualityFilter(
            split_paragraph=True, remove_citations=False, filter_no_terminal_punct=False, min_num_sentences=-1,
            min_words_per_line=0, max_word_length=1000, filter_lorem_ipsum=False, filter_javascript=False,
            filter_curly_bracket=False, filter_policy=False,
        ),
        FineWebQualityFilter(
            line_punct_thr=0, short_line_thr=1, char_duplicates_ratio=9, new_line_ratio=9e9, language=words
        ),
        GopherRepetitionFilter(
            dup_line_frac=0.7, dup_para_frac=1, dup_line_char_frac=9, dup_para_char_frac=9, top_n_grams=(),
            dup_n_grams=(), language=words,
        ),
    ]  # fmt: skip
    left, signed, buckets, remove, kept = (f"{output}/{name}" for name in ("left", "signed", "buckets", "remove", "k"))
    steps: list[tuple[list[Any], int]] = [
        ([JsonlReader(str(source), text_key="content"), *filters, JsonlWriter(left, compression=None),
          MinhashDedupSignature(signed, CONFIG, language=words)], _FILES),
        ([MinhashDedupBuckets(signed, buckets, config=CONFIG)], CONFIG.num_buckets),
        ([MinhashDedupCluster(buckets, remove, config=CONFIG)], 1),
        ([JsonlReader(left), MinhashDedupFilter(remove), JsonlWriter(kept, compression=None)], _FILES),
    ]  # fmt: skip
    for number, (pipeline, tasks) in enumerate(steps):
        LocalPipelineExecutor(
            pipeline, tasks, workers, logging_dir=f"{output}/logs/{number}", start_method="spawn"
        ).run()
    return {"kept": sum(len(path.read_bytes().splitlines()) for path in Path(kept).glob("*.jsonl"))}


def _family(root: int) -> list[int]:
    """Returns a process and all below it."""
    found = [root]
    for pid in found:
        try:
            found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        except OSError:  # it has ended
            continue
    return found


def _cpu_s() -> float:
    """Returns what this process and its children have taken so far, ended ones too."""
    total = 0
    for pid in _family(os.getpid()):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / _TICKS


def _peak_since(pid: int) -> float:
    """Returns the largest resident set of a process since the last call, in MB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew: proc(5)
    except OSError:  # it has ended
        return 0.0
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(match[1]) * 1024 / 1e6 if match else 0.0


def _peaks(root: int, peaks: dict[int, float], end: threading.Event) -> None:
    """Keeps the largest resident set of a process and each below it, in MB."""
    while not end.wait(0.2):
        for pid in _family(root):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            if match := re.search(r"VmHWM:\s+(\d+) kB", status):
                peaks[pid] = max(peaks.get(pid, 0.0), int(match[1]) * 1024 / 1e6)


def measured(what: str, source: Path, scratch: Path, workers: int, words: Sequence[str]) -> Run:
    """Runs one of them in a process of its own."""
    output = scratch / "out"
    shutil.rmtree(output, ignore_errors=True)
    before, start = os.times(), time.monotonic()
    process = subprocess.Popen(
        [sys.executable, __file__, "--child", what, str(source), str(output), str(workers), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    peaks: dict[int, float] = {}
    end = threading.Event()
    thread = threading.Thread(target=_peaks, args=(process.pid, peaks, end))
    thread.start()
    said, errors = process.communicate()
    wall = time.monotonic() - start
    end.set()
    thread.join()
    if process.returncode:
        sys.exit(f"{what} ended with {process.returncode}: {errors[-2000:]}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    workers_mb = [mb for pid, mb in peaks.items() if pid != process.pid]
    found = json.loads(said.splitlines()[-1])
    return Run(wall, cpu, peaks.get(process.pid, 0.0), max(workers_mb, default=0.0), **found)


def child(what: str, source: str, output: str, workers: str, *words: str) -> None:
    """One run, in this process: prints what it says of itself."""
    run: Callable[[], dict[str, Any]] = {
        "ours": lambda: ours(Path(source), Path(output), int(workers), words),
        "datatrove": lambda: datatrove(Path(source), Path(output), int(workers)),
    }[what]
    print("\n" + json.dumps(run()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", default=[sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")])
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--times", type=int, nargs="*", default=[])
    parser.add_argument("--only", nargs="*", help="of comparable, datatrove, default")
    parser.add_argument("--json", type=Path, help="where all figures go, too")
    arguments, words = parser.parse_known_args()

    # What the licences' rule would drop would not be compared with anything: these files come without their own.
    default = ["--prepare.licences.keep_unlicensed", "true", "--prepare.licences.keep_unknown", "true", *words]
    comparable = [word for rule in _NO_COUNTERPART for word in (f"--prepare.{rule}.enable", "false")]
    kinds: dict[str, tuple[str, list[str]]] = {
        "comparable": ("ours", [*comparable, *words]),
        "datatrove": ("datatrove", []),
        "default": ("ours", default),
    }
    names = arguments.only or (["default"] if arguments.times else list(kinds))
    scratch = Path(tempfile.mkdtemp(prefix="prepare-"))
    results: dict[str, Any] = {}
    try:
        for times in arguments.times or [1]:
            source = scratch / "source"
            shutil.rmtree(source, ignore_errors=True)
            source.mkdir()
            n, mb = write_input(source, arguments.folders, arguments.megabytes, times)
            print(
                f"\n{n:,} files, {mb:.1f} MB, {arguments.workers} workers; load {os.getloadavg()[0]:.1f}\n", flush=True
            )
            best: dict[str, Run] = {}
            for _ in range(arguments.rounds):
                for name in names:
                    run = measured(*kinds[name][:1], source, scratch, arguments.workers, kinds[name][1])
                    best[name] = min(best.get(name, run), run, key=lambda run: run.wall_s)
            _print(best, mb)
            results[f"{mb:.1f} MB"] = {"files": n, "runs": {name: asdict(run) for name, run in best.items()}}
    finally:
        shutil.rmtree(scratch)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


def _print(best: dict[str, Run], mb: float) -> None:
    print("| run | wall, s | MB/s | CPU, s | MB a CPU second | parent, MB | worker, MB | files kept |")
    print("| --- | --: | --: | --: | --: | --: | --: | --: |")
    for name, run in best.items():
        print(
            f"| {name} | {run.wall_s:.1f} | {mb / run.wall_s:.1f} | {run.cpu_s:.1f} | {mb / run.cpu_s:.1f} "
            f"| {run.parent_mb:.0f} | {run.worker_mb:.0f} | {run.kept:,} |"
        )
    if "datatrove" in best:
        for name, run in best.items():
            print(f"\n{name}: {best['datatrove'].wall_s / run.wall_s:.2f} × datatrove's speed", end="")
    stages = {name: run.stages for name, run in best.items() if run.stages}
    print("\n\n| stage | " + " | ".join(f"{name}: wall, s | CPU, s | worker, MB" for name in stages) + " |")
    print("| --- |" + " --: | --: | --: |" * len(stages))
    for stage in dict.fromkeys(stage for each in stages.values() for stage in each):
        took = [each.get(stage, (0.0, 0.0, 0.0)) for each in stages.values()]
        print(
            f"| {stage} | " + " | ".join(f"{wall:.2f} | {cpu:.2f} | {mb:.0f}" for wall, cpu, mb in took) + " |",
            flush=True,
        )


if __name__ == "__main__":
    child(*sys.argv[2:]) if sys.argv[1:2] == ["--child"] else main()
