"""MB/s a core of each rule of `codetitan prepare` that looks at lines and text, and of all of them together.

    python benchmarks/prepare_rules.py [FOLDER…] [--megabytes 64] [--rounds 5]

reads the files below the folders (Python's own library and the installed packages, unless others are named) whose
language is known, and judges them again and again in one process. Its own time on the CPU counts, of the best round.
A rule by itself pays for what it looks at (the encoded text, its histogram, its lines), together they share it: so they
cost less than their sum. Where datatrove is installed, those of its filters that come nearest judge the same texts in
the same rounds.
"""

import argparse
import os
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from codetitan.data.language import language_of
from codetitan.prepare.file import File
from codetitan.prepare.rules import RULES, TEXT_RULES, Judge

Row = Callable[[File], object]


def read(folders: Sequence[str], megabytes: float) -> list[File]:
    """Returns files of known languages below the folders, an even part of them where they are more than that."""
    found = []
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            if path.suffix and path.is_file() and not path.is_symlink() and path.stat().st_size <= 1_000_000:
                found.append((path, str(path.relative_to(folder)), path.stat().st_size))
    total = sum(size for _, _, size in found)
    step = max(1, round(total / (megabytes * 1e6)))
    files = []
    for path, name, _ in found[::step]:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        language = language_of(name, text)
        if language != "other":
            files.append(File("benchmark", None, name, text, language))
    return files


def seconds(row: Row, files: Sequence[File]) -> float:
    """Returns the CPU time for files that nobody has looked at, each with its text just read."""
    taken = 0.0
    for file in files:
        fresh = File(file.source, file.repo, file.path, file.data.decode(), file.language)
        start = time.process_time()
        row(fresh)
        taken += time.process_time() - start
    return taken


def all_of(rules: Sequence[Judge]) -> Row:
    """Returns what the pipeline does: the first rule that drops a file ends it."""

    def judge(file: File) -> object:
        return next((drop for rule in rules if (drop := rule.judge(file)) is not None), None)

    return judge


def every_one_of(rules: Sequence[Judge]) -> Row:
    """Returns what the report needs, too: what each rule would drop alone."""
    return lambda file: [rule.judge(file) for rule in rules]


def datatrove_rows() -> dict[str, Row]:
    """Returns datatrove's filters that look at lines, characters and words; {} without it.

    Their thresholds let everything pass, for each ends at the first that does not: so all of each is measured. Words
    are split at white space, which none of its ways is as fast as; counts of n-grams, most of its time, are left out.
    """
    try:
        from datatrove.data import Document
        from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherRepetitionFilter
        from datatrove.utils.word_tokenizers import WordTokenizer
    except ImportError:
        return {}

    class AtWhiteSpace(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

        def sent_tokenize(self, text: str) -> list[str]:
            return text.splitlines()

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            raise NotImplementedError

    words = AtWhiteSpace()
    filters = {
        "C4 quality": C4QualityFilter(
            split_paragraph=True, remove_citations=False, filter_no_terminal_punct=False, min_num_sentences=-1,
            min_words_per_line=0, max_word_length=1000, filter_lorem_ipsum=False, filter_javascript=False,
            filter_curly_bracket=False, filter_policy=False,
        ),
        "FineWeb quality": FineWebQualityFilter(
            line_punct_thr=0, short_line_thr=1, char_duplicates_ratio=9, new_line_ratio=9e9, language=words
        ),
        "Gopher repetition, no n-grams": GopherRepetitionFilter(
            dup_line_frac=1, dup_para_frac=1, dup_line_char_frac=9, dup_para_char_frac=9, top_n_grams=(),
            dup_n_grams=(), language=words,
        ),
    }  # fmt: skip

    def row(names: Sequence[str]) -> Row:
        chosen = [filters[name] for name in names]

        def judge(file: File) -> object:
            document = Document(text=file.text, id=file.path)
            return [each.filter(document) for each in chosen]

        return judge

    return {f"datatrove: {name}": row([name]) for name in filters} | {"datatrove: these three": row(list(filters))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", default=[sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")])
    parser.add_argument("--megabytes", type=float, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--syntax", action="store_true", help="also tree-sitter's, which is slow")
    arguments = parser.parse_args()

    files = read(arguments.folders, arguments.megabytes)
    mb = sum(len(file.data) for file in files) / 1e6
    rules = {name: rule() for name, rule in TEXT_RULES.items()}
    rows: dict[str, Row] = {name: rule.judge for name, rule in rules.items()}
    rows["paths"] = RULES["paths"]().judge
    rows["copyright"] = RULES["copyright"](enable=True).change
    if arguments.syntax:
        rows["syntax"] = RULES["syntax"](enable=True).judge
    rows["line and text rules, first drop"] = all_of(list(rules.values()))
    rows["line and text rules, every one"] = every_one_of(list(rules.values()))
    rows |= datatrove_rows()

    languages = Counter(file.language for file in files)
    print(f"{len(files):,} files, {mb:.1f} MB: {', '.join(f'{n:,} {name}' for name, n in languages.most_common(8))}")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; best of {arguments.rounds}\n")
    best: dict[str, float] = {}
    for _ in range(arguments.rounds):
        for name, row in rows.items():
            best[name] = min(best.get(name, 1e9), seconds(row, files))
    print("| rule | MB/s a core | dropped |\n| --- | --: | --: |")
    for name in rows:
        dropped = f"{sum(rules[name].judge(file) is not None for file in files):,}" if name in rules else ""
        print(f"| {name} | {mb / best[name]:,.0f} | {dropped} |")


if __name__ == "__main__":
    main()
