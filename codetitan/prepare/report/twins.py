"""A copy beside the file that is kept in its place: where they first differ."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from codetitan.prepare.examples.collect import Examples
from codetitan.prepare.report.output import batches, row_at

_BEFORE, _AFTER, _MOST = 3, 3, 10  # lines around what differs, and of it

Lines = Sequence[tuple[bool, str]]
"""(whether it is not in the other, line)."""


def twins_of(examples: Iterable[Mapping[str, Any]], corpus: Iterable[Path]) -> dict[str, str]:
    """Returns name → beginning of the text, without secrets, of the files that are kept in place of examples."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = {example["twin"] for example in examples if example.get("twin")}
    found: dict[str, str] = {}
    if not wanted:
        return found
    collector, names = Examples(), pa.array(sorted(wanted), pa.string())
    for file in corpus:
        at = 0
        for batch in batches(file, ["repo", "path"]):
            repo = pc.if_else(pc.equal(batch.column("repo"), ""), None, batch.column("repo"))
            name = pc.binary_join_element_wise(repo, batch.column("path"), "/", null_handling="skip")
            for i in pc.indices_nonzero(pc.is_in(name, names)).to_pylist():
                text = row_at(file, at + i, ["content"])["content"]
                found.setdefault(name[i].as_py(), collector.beginning(text).get("found", ""))
            at += len(batch)
    return found


def first_difference(text: str, twin: str) -> tuple[int, Lines, int, Lines]:
    """Returns the lines around the first difference, and of each text the number of the first of them, from 1."""
    a, b = text.split("\n"), twin.split("\n")
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    _, a1, a2, b1, b2 = next((block for block in blocks if block[0] != "equal"), ("", 0, 0, 0, 0))
    return (*_around(a, a1, a2), *_around(b, b1, b2))


def _around(lines: Sequence[str], start: int, stop: int) -> tuple[int, Lines]:
    first, stop = max(0, start - _BEFORE), min(stop, start + _MOST)
    return first + 1, [(start <= i < stop, lines[i]) for i in range(first, min(len(lines), stop + _AFTER))]
