"""Near-deduplication: speed beside datatrove's, memory at 1, 4 and 16 times the input.

    python benchmarks/prepare_duplicates.py --datatrove /path/to/python/with/datatrove
    python benchmarks/prepare_duplicates.py by-stage 1000000 FOLDER      # memory of each stage

The input is the standard library, and this Python's site-packages: all .py files, every fourth, every sixteenth.
Speeds are by CPU seconds of one process, the best of --rounds, by turns; the whole reads JSON Lines
and writes what stays.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHARD_BYTES = 20_000_000
MEMORY_MB = 64
SMALL_A_SHARD, SMALL_MEMORY_MB = 12_500, 8


def files(folder: Path, every: int) -> Iterator[tuple[str, str]]:
    """Yields (path, text) of Python files, in order."""
    for path in sorted(folder.rglob("*.py"))[::every]:
        if path.is_file() and ("site-packages" in folder.parts or "site-packages" not in path.parts):
            yield str(path.relative_to(folder)), path.read_text("utf-8", "replace")


def write_shards(folder: Path, out: Path, every: int = 1) -> int:
    """Writes JSON Lines as datatrove reads them; returns the bytes of their texts."""
    out.mkdir()
    total = shard_bytes = shards = 0
    file = None
    for name, text in files(folder, every):
        if file is None or shard_bytes > SHARD_BYTES:
            if file:
                file.close()
            file, shard_bytes, shards = (out / f"{shards:05}.jsonl").open("w", encoding="utf-8"), 0, shards + 1
        file.write(json.dumps({"text": text, "id": name}) + "\n")
        shard_bytes += len(text)
        total += len(text.encode())
    if file:
        file.close()
    return total


def rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield line, json.loads(line)


def signatures(source: str, _: str) -> None:
    """Prints the CPU seconds from texts to signatures, and to the hashes of their bands."""
    from codetitan.data.minhash import band_hashes
    from codetitan.data.shingles import sorted_set, word_grams_of

    texts = [row["text"] for path in sorted(Path(source).iterdir()) for _, row in rows(path)]
    start = time.process_time()
    batch: list[str] = []
    for number, text in enumerate(texts, 1):
        batch.append(text)
        if sum(map(len, batch)) > 500_000 or number == len(texts):
            grams = [sorted_set(grams) for grams in word_grams_of(batch) if len(grams)]
            if grams:
                band_hashes(grams, 25, 10)
            batch = []
    print(time.process_time() - start)


def whole(source: str, output: str) -> None:
    """Exact and near-duplicates, and what stays, in one process."""
    from codetitan.prepare.duplicates.config import ExactDuplicates, NearDuplicates
    from codetitan.prepare.duplicates.drops import read_drops
    from codetitan.prepare.duplicates.hashes import Text
    from codetitan.prepare.duplicates.order import order_key
    from codetitan.prepare.duplicates.stages import run
    from codetitan.prepare.duplicates.work import Work

    shards = sorted(Path(source).iterdir())

    def read(_: Path, shard: int) -> Iterator[Text]:
        for _, row in rows(shards[shard]):
            repo, _, path = row["id"].partition("/")
            key = order_key(permissive=True, stars=None, date=None, repo=repo, path=path, source="")
            yield Text(key, (row["text"],))

    settings = {"exact": ExactDuplicates(), "near": NearDuplicates(), "tasks": 4, "memory_mb": MEMORY_MB}
    statistics = run(Work(read=read, shards=len(shards), **settings), Path(output))
    counts = {
        kind: sum(each[kind] for each in statistics["duplicates-drops"])
        for kind in ("exact_duplicates", "near_duplicates")
    }
    counts["kept"] = 0
    for shard, path in enumerate(shards):
        drops = dict(read_drops(Path(output) / "duplicates-drops" / f"{shard:05}", 0.7))
        with (Path(output) / path.name).open("w", encoding="utf-8") as file:
            for index, (line, _) in enumerate(rows(path)):
                if index not in drops:
                    file.write(line)
                    counts["kept"] += 1
    print(json.dumps(counts))


def small(documents: int, n_words: int = 60) -> Any:
    """Returns the work on small documents of which each second is nearly another."""
    from codetitan.prepare.duplicates.config import ExactDuplicates, NearDuplicates
    from codetitan.prepare.duplicates.hashes import Text
    from codetitan.prepare.duplicates.order import order_key
    from codetitan.prepare.duplicates.work import Work

    def read(_: Path, shard: int) -> Iterator[Text]:
        for number in range(shard * SMALL_A_SHARD, (shard + 1) * SMALL_A_SHARD):
            words = [f"w{number // 2}x{i}" for i in range(n_words)]
            path = f"directory/of/files/{number}.py"
            key = order_key(permissive=True, stars=number % 100, date=None, repo="owner/name", path=path, source="")
            yield Text(key, (" ".join([*words, f"end{number}"]),))

    settings = {"exact": ExactDuplicates(), "near": NearDuplicates(), "tasks": 4, "memory_mb": SMALL_MEMORY_MB}
    return Work(read=read, shards=documents // SMALL_A_SHARD, **settings)


def generated(documents: str, output: str) -> None:
    """As `whole`, of small documents: what memory a document takes."""
    from codetitan.prepare.duplicates.stages import run

    statistics = run(small(int(documents)), Path(output))
    print(json.dumps({"near_duplicates": sum(each["near_duplicates"] for each in statistics["duplicates-drops"])}))


def by_stage(documents: str, output: str) -> None:
    """As `generated`, a process a stage: its peak of memory, beside that of a process that has imported all."""
    from codetitan.prepare.duplicates.stages import stages

    folder = Path(output)
    for stage in [None, *stages(small(int(documents), 30))]:
        start = time.perf_counter()
        if (child := os.fork()) == 0:
            for task in range(stage.tasks if stage else 0):
                place = folder / stage.name / f"{task:05}"
                place.mkdir(parents=True)
                stage.run(task, place)
            os._exit(0)
        _, status, usage = os.wait4(child, 0)
        assert status == 0
        name = stage.name if stage else "nothing"
        print(f"{name}: peak {usage.ru_maxrss / 1024:.0f} MiB, {time.perf_counter() - start:.0f} s", flush=True)
    print(f"on disk: {size_of(folder):.0f} MB")


def measured(command: list[str], log: Path) -> tuple[float, float, float, str]:
    """Returns CPU seconds, seconds, peak MiB resident, and what was printed."""
    start = time.perf_counter()
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}\n{log.read_text()[-2000:]}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start, usage.ru_maxrss / 1024, printed


def size_of(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def compare(label: str, source: Path, megabytes: float, datatrove: str | None, rounds: int, temporary: Path) -> None:
    """Prints the rows of one input."""
    ours = [sys.executable, __file__]
    theirs = [datatrove, str(Path(__file__).with_name("prepare_duplicates_datatrove.py"))] if datatrove else None
    for what in ("signatures", "whole"):
        best: dict[str, float] = {}
        said: dict[str, str] = {}
        for _ in range(rounds):
            for name, command in (("ours", ours), ("datatrove", theirs)):
                if command is None:
                    continue
                output = temporary / "output"
                cpu, _, _, printed = measured([*command, what, str(source), str(output)], temporary / "log")
                shutil.rmtree(output, ignore_errors=True)
                seconds = float(printed) if what == "signatures" else cpu
                best[name] = min(seconds, best.get(name, seconds))
                said[name] = "" if what == "signatures" else printed.strip()
        speeds = ", ".join(f"{name} {megabytes / seconds:.1f} MB/s" for name, seconds in best.items())
        ratio = f"; {best['datatrove'] / best['ours']:.1f} ×" if theirs else ""
        print(f"{label}, {megabytes:.0f} MB, {what}: {speeds}{ratio} {said}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datatrove", help="a Python that has datatrove; without it, only ours is measured")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    library, packages = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))
    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        sizes = {1: 0, 4: 0, 16: 0}
        for every in sizes:
            sizes[every] = write_shards(packages, temporary / f"packages-{every}", every)
        megabytes = write_shards(library, temporary / "library") / 1e6
        compare("standard library", temporary / "library", megabytes, arguments.datatrove, arguments.rounds, temporary)
        compare(
            "a fourth of site-packages",
            temporary / "packages-4",
            sizes[4] / 1e6,
            arguments.datatrove,
            arguments.rounds,
            temporary,
        )
        for every in (16, 4, 1):
            output = temporary / "output"
            command = [sys.executable, __file__, "whole", str(temporary / f"packages-{every}"), str(output)]
            cpu, seconds, peak, printed = measured(command, temporary / "log")
            print(
                f"1/{every} of site-packages, {sizes[every] / 1e6:.0f} MB, memory_mb = {MEMORY_MB}: "
                f"peak {peak:.0f} MiB, "
                f"{sizes[every] / 1e6 / cpu:.1f} MB/s by CPU seconds, {seconds:.0f} s, "
                f"on disk {size_of(output) / sizes[every] * 1e6:.2f} × the text {printed.strip()}",
                flush=True,
            )
            shutil.rmtree(output)
        for documents in (25_000, 100_000, 400_000):
            output = temporary / "output"
            command = [sys.executable, __file__, "generated", str(documents), str(output)]
            cpu, seconds, peak, printed = measured(command, temporary / "log")
            print(
                f"{documents:,} small documents, memory_mb = {SMALL_MEMORY_MB}: peak {peak:.0f} MiB, "
                f"{cpu / documents * 1e6:.0f} µs a document, {seconds:.0f} s {printed.strip()}",
                flush=True,
            )
            shutil.rmtree(output)


if __name__ == "__main__":
    workers = {
        "signatures": signatures,
        "whole": whole,
        "generated": generated,
        "by-stage": by_stage,
    }
    if sys.argv[1:] and sys.argv[1] in workers:
        workers[sys.argv[1]](*sys.argv[2:])
    else:
        main()
