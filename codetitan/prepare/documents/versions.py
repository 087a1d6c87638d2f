"""Files before and after a change: which of them are shown, and their diffs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from codetitan.data.sources.records import word
from codetitan.prepare.documents.changes import Span, changed
from codetitan.prepare.documents.values import text_of

_FILE, _FILE_LINES, _MEAN_LINE, _LONGEST_LINE, _ALPHANUMERIC = 1_000_000, 100_000, 100, 1000, 0.25
_ALPHANUMERICS = bytes(c for c in range(128) if chr(c).isalnum())
# What is longer is shown as replaced: finding what both share may take the cube of it, 12 s for 5000 lines.
_DIFF_LINES = 2000


@dataclass(frozen=True, slots=True)
class Version:
    """A file before and after, in lines."""

    path: str
    base: list[str]
    head: list[str]


def versions_of(files: object) -> list[Version]:
    """Returns the files that are shown: changed ones whose lines before look like code.

    Source: StarCoder2 §2.3 ("File filters").

    Args:
        files: records of path, base and head; what is none is left out.
    """
    found = []
    for file in files if isinstance(files, list) else ():
        if not isinstance(file, dict) or (path := word(file.get("path"))) is None:
            continue
        base, head = text_of(file.get("base")), text_of(file.get("head"))
        lines = base.split("\n")
        if base and head and base != head and max(len(base), len(head)) <= _FILE and _looks_like_code(base, lines):
            found.append(Version(path, lines, head.split("\n")))
    return found


def _alphanumerics(text: str) -> int:
    if not text.isascii():
        return sum(map(str.isalnum, text))
    return len(text) - len(text.encode().translate(None, _ALPHANUMERICS))


def _looks_like_code(text: str, lines: list[str]) -> bool:
    n = len(lines) - (not lines[-1])
    return (
        n <= _FILE_LINES
        and sum(map(len, lines)) / n <= _MEAN_LINE
        and max(map(len, lines)) <= _LONGEST_LINE
        and _alphanumerics(text) >= _ALPHANUMERIC * len(text)
    )


Group = list[tuple[str, int, int, int, int]]


def _groups(old: list[str], new: list[str], context: int) -> Iterable[Group]:
    if max(len(old), len(new)) <= _DIFF_LINES:
        return SequenceMatcher(None, old, new).get_grouped_opcodes(context)
    a, b = changed(old, new)
    n, m = len(old), len(new)
    return [[("equal", 0, a.start, 0, b.start), ("replace", *_pair(a), *_pair(b)), ("equal", a.stop, n, b.stop, m)]]


def _pair(span: Span) -> tuple[int, int]:
    return span.start, span.stop


def hunks(version: Version, context: int) -> Iterator[str]:
    """Yields what is changed as a unified diff has it, without the lines that name the file."""
    spans = changed(version.base, version.head)
    start = max(0, spans[0].start - context)  # so much of what both begin with is the same in both
    old, new = (
        lines[start : span.stop + context] for lines, span in zip((version.base, version.head), spans, strict=True)
    )
    for group in _groups(old, new, context):
        (_, old_start, _, new_start, _), (_, _, old_stop, _, new_stop) = group[0], group[-1]
        lines = [
            f"@@ -{start + old_start + 1},{old_stop - old_start} +{start + new_start + 1},{new_stop - new_start} @@"
        ]
        for tag, a, b, c, d in group:
            if tag == "equal":
                lines += [f" {line}" for line in old[a:b]]
                continue
            lines += [f"-{line}" for line in old[a:b]]
            lines += [f"+{line}" for line in new[c:d]]
        yield "\n".join(lines)
