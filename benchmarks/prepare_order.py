"""What the order of dependencies costs and does: MB/s a core by language, and which files stand behind their imports.

    python benchmarks/prepare_order.py [FOLDER…] [--window 8] [--rounds 3]

takes each folder for a repository (installed packages, unless others are named). "MB/s" is of reading the imports, on
the CPU, of the best round; the rest (to resolve them, to order) is told in seconds. "behind" is the share of pairs of a
file and one that it imports in which it comes later; "window" the share of files, of those that import any, with at
least one of their imports before them in the same window, as `dataloader.metadata.files_per_repository` cuts a
repository.
"""

import argparse
import os
import sysconfig
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from codetitan.data.language import language_of
from codetitan.prepare.dependencies.imports import LANGUAGES, imports_of
from codetitan.prepare.dependencies.order import arranged, dependencies, imports_in_file

File = tuple[str, str, str]


def read(folder: Path) -> list[File]:
    """Returns (path, language, text) of the files of a folder that a corpus might have."""
    files = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and 0 < path.stat().st_size <= 1_000_000:
            try:
                text = path.read_text("utf-8")
            except UnicodeDecodeError:
                continue
            name = path.relative_to(folder).as_posix()
            files.append((name, language_of(name, text), text))
    return files


def shares(order: Sequence[str], edges: Sequence[tuple[str, str]], window: int) -> str:
    """Returns the columns "behind" and "window"; a package stands for its files."""
    place = {path: number for number, path in enumerate(order)}
    members = defaultdict(list)
    for package, file in edges:
        if package not in place:
            members[package].append(file)
    pairs = {(a, b) for a, to in edges if a in place for b in ([to] if to in place else members[to]) if a != b}
    behind = sum(place[b] < place[a] for a, b in pairs)
    near = {a for a, b in pairs if place[b] < place[a] and place[b] // window == place[a] // window}
    return f"{behind / max(1, len(pairs)):.1%} | {len(near) / max(1, len({a for a, _ in pairs})):.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    packages = [Path(sysconfig.get_path("purelib")) / name for name in ("networkx", "torchtitan", "torch")]
    parser.add_argument("folders", nargs="*", type=Path, default=packages)
    parser.add_argument("--window", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    n_bytes: dict[str, int] = defaultdict(int)
    seconds: dict[str, list[float]] = defaultdict(lambda: [0.0] * arguments.rounds)
    print(
        "| repository | files | imports | resolve and order, s | behind, by path | window | behind, ordered | window |"
    )
    print("| --- | --: | --: | --: | --: | --: | --: | --: |")
    for folder in arguments.folders:
        files = read(folder)
        for number in range(arguments.rounds):
            for path, language, text in files:
                if language in LANGUAGES:
                    data = text.encode()
                    start = time.process_time()
                    imports_of(path, language, data)
                    seconds[language][number] += time.process_time() - start
                    n_bytes[language] += len(data) if not number else 0
        imports = [imports_in_file(*file) for file in files]
        start = time.process_time()
        order = [files[place][0] for place in arranged(imports)]
        rest = time.process_time() - start
        edges = dependencies(imports)
        by_path = shares([path for path, _, _ in files], edges, arguments.window)
        in_order = shares(order, edges, arguments.window)
        print(f"| {folder.name} | {len(files):,} | {len(edges):,} | {rest:.1f} | {by_path} | {in_order} |")
    print(f"\nload of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; best of {arguments.rounds}\n")
    print("| language | MB | MB/s a core |\n| --- | --: | --: |")
    for language, size in sorted(n_bytes.items(), key=lambda pair: -pair[1]):
        print(f"| {language} | {size / 1e6:.1f} | {size / 1e6 / min(seconds[language]):.0f} |")


if __name__ == "__main__":
    main()
