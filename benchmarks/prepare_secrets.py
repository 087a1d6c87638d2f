"""How fast secrets are found: each part of `[prepare.secrets]` by itself, and all, on real files.

    python benchmarks/prepare_secrets.py [FOLDER…] [--files N]

reads N files below the folders (Python's library where none is named) and prints MB of text a second, by the clock and
by the processor's time of all threads (betterleaks has some of its own), the best of five; and the seconds that the
first scan takes, in which its 460 rules are compiled.
"""

import argparse
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

from codetitan.data.language import language_by_name
from codetitan.prepare.file import File
from codetitan.prepare.secrets import Secrets
from codetitan.prepare.secrets.addresses import addresses_in
from codetitan.prepare.secrets.keys import secrets_in
from codetitan.prepare.secrets.people import emails_in, names_in

REPEATS = 5
NOT_TEXT = (None, "other")


def read(folders: list[str], n: int) -> list[File]:
    """Returns up to n files of code, evenly spread over what is there."""
    paths = [path for folder in folders for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    paths = [path for path in paths if language_by_name(path.name) not in NOT_TEXT and path.stat().st_size < 1_000_000]
    paths = paths[:: max(1, len(paths) // n)]
    return [File("benchmark", None, str(path), path.read_text("utf-8", "replace")) for path in paths]


def speeds(work: Callable[[File], object], files: list[File]) -> tuple[float, float]:
    """Returns MB/s by the clock and by the processor's time, each the best of the repeats."""
    clock, processor = [], []
    for _ in range(REPEATS):
        start, used = time.perf_counter(), time.process_time()
        for file in files:
            work(file)
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    n_mb = sum(len(file.data) for file in files) / 1e6
    return n_mb / min(clock), n_mb / min(processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", default=[sysconfig.get_paths()["stdlib"]])
    parser.add_argument("--files", type=int, default=1000)
    args = parser.parse_args()
    start = time.perf_counter()
    list(secrets_in("x"))
    print(f"first scan: {time.perf_counter() - start:.2f} s")
    files = read(args.folders, args.files)
    whole = Secrets()
    parts: dict[str, Callable[[File], object]] = {
        "keys and passwords": lambda file: list(secrets_in(file.text)),
        "e-mail addresses": lambda file: list(emails_in(file.text)),
        "names": lambda file: list(names_in(file.text, [])),
        "IP addresses": lambda file: list(addresses_in(file.text)),
        "all, redacted": whole.change,
    }
    print(f"{len(files)} files, {sum(len(file.data) for file in files) / 1e6:.1f} MB\n")
    print("| part | MB/s | MB/s of processor time |\n| --- | --: | --: |")
    for name, work in parts.items():
        clock, processor = speeds(work, files)
        print(f"| {name} | {clock:,.0f} | {processor:,.0f} |")


if __name__ == "__main__":
    main()
