"""Files for rules: made by hand, or Python's own library."""

import sysconfig
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from codetitan.prepare.file import File


def made(text: str, language: str = "python", path: str = "src/a.py") -> File:
    return File("made", "owner/repo", path, text, language)


@cache
def library() -> list[File]:
    """Python's own library: 1,700 files."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = [path for path in sorted(root.rglob("*.py")) if "site-packages" not in path.parts]
    return [
        File("stdlib", None, path.relative_to(root).as_posix(), path.read_text("utf-8", "replace"), "python")
        for path in paths
    ]


# What formulae trip over: ends of lines of all kinds, white space and digits beyond ASCII, letters without case.
LETTERS = st.sampled_from(
    [*"abAB09 \t\n\r,}{#\"'/*\\ux_", "\x1c", "\x85", "\xa0", "\u2028", "é", "中", "²", "٣", "Ⅷ", "\ufffd"]
)
TEXTS = st.text(LETTERS, max_size=200)
