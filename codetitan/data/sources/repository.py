"""What a folder of code says about itself: its repository's name, its licence, what git ignores in it."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.base import GitIgnorePatternError

from codetitan.data.sources.licences import licence_of_text

_LICENCE = re.compile(r"(?:un)?licen[sc]e|copying", re.IGNORECASE)
_LICENCE_ALONE = re.compile(r"(?:(?:un)?licen[sc]e|copying)(?:\.(?:txt|md|rst))?", re.IGNORECASE)
_MAX_LICENCE_BYTES = 100_000  # the GPL has 35 kB
_CHOICE_CHARS = 500
_SCP = re.compile(r"(?:[^/@:]+@)?([^/:]+):(?!//)(.+)")

_known: dict[bytes, str | None] = {}  # digest of a licence's text → SPDX identifier: most repositories share a few


def repository_name(folder: Path) -> str | None:
    """Returns `owner/name` of the origin of the checkout in `folder`; None where it has none on a server.

    `.git` may be a folder, or a file that points to one, as submodules and worktrees have.
    """
    git = folder / ".git"
    try:
        if git.is_file():
            git = folder / git.read_text("utf-8").removeprefix("gitdir:").strip()
            if (git / "commondir").is_file():
                git = git / (git / "commondir").read_text("utf-8").strip()
        lines = (git / "config").read_text("utf-8").splitlines()
    except (OSError, ValueError):  # also not UTF-8, or a NUL in a path
        return None
    section = ""
    for line in map(str.strip, lines):
        key, _, value = line.partition("=")
        if line.startswith("["):
            section = line
        elif section == '[remote "origin"]' and key.strip() == "url":
            return _name_in_url(value.strip().strip('"'))
    return None


def _name_in_url(url: str) -> str | None:
    """`https://host/owner/name.git`, `git@host:owner/name` → `owner/name`; a path on this machine → None."""
    if "://" in url:
        parts = urlsplit(url)
        path = parts.path if parts.scheme != "file" else ""
    else:
        scp = _SCP.fullmatch(url)
        path = scp[2] if scp else ""
    name = "/".join(path.strip("/").removesuffix(".git").split("/")[-2:])
    return name if name and name.isprintable() else None


def is_licence(name: str) -> bool:
    """Whether a file name is that of a licence: LICENSE, LICENCE.txt, LICENSE-MIT, COPYING, UNLICENSE, …"""
    return _LICENCE.match(name) is not None and not name.endswith((".py", ".js", ".ts", ".go", ".html", ".json"))


def licence(folder: Path, names: list[str]) -> str | None:
    """Returns the SPDX identifier of a folder's licence files; None where the text is unknown."""
    return licence_of_files({name: _read(folder / name) for name in names})


def licence_of_files(texts: Mapping[str, str | None]) -> str | None:
    """Returns the SPDX identifier of licence files that lie beside each other; None where the text is unknown.

    A file that is called LICENSE or COPYING alone decides; else LICENSE-MIT and LICENSE-APACHE leave the choice: both,
    joined with " OR ". So do they where that file is not a licence but names them.

    Args:
        texts: name → text; None where it can't be read.
    """
    alone = sorted(name for name in texts if _LICENCE_ALONE.fullmatch(name))
    if not alone:
        return _any_of(texts)
    found = identified(texts[alone[0]])
    others = {name: text for name, text in texts.items() if name not in alone}
    if found is None and others and leaves_choice(texts[alone[0]], list(others)):
        return _any_of(others)
    return found


def _any_of(texts: Mapping[str, str | None]) -> str | None:
    """Returns the licences of several files, of which one may choose; None where one of them is not known."""
    found = [identified(texts[name]) for name in sorted(texts)]
    # "A AND B" binds tighter than OR: no brackets are needed.
    return " OR ".join(dict.fromkeys(one for one in found if one)) if texts and all(found) else None


def leaves_choice(text: str | None, names: list[str]) -> bool:
    """Whether a short text leaves the choice between files that it names, as `packaging`'s LICENSE does."""
    text = text or ""
    return len(text) < _CHOICE_CHARS and "either" in text.lower() and all(name in text for name in names)


def identified(text: str | None) -> str | None:
    """Returns what `licence_of_text` does; each text is looked at once in a process."""
    if text is None:
        return None
    digest = hashlib.sha256(text.encode()).digest()
    if digest not in _known:
        _known[digest] = licence_of_text(text)
    return _known[digest]


def _read(path: Path) -> str | None:
    """Returns the text of a file that may be a licence; an old one's `©` need not be UTF-8."""
    try:
        if path.stat().st_size > _MAX_LICENCE_BYTES:
            return None
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return None


class Ignore:
    """The .gitignore files from the top of a tree down to one folder; the deepest that decides wins.

    Args:
        above: those of the folder above; None at the top.
        folder: the folder that has a .gitignore, "" or with a slash at its end.
        text: its content.
    """

    def __init__(self, above: "Ignore | None", folder: str, text: bytes) -> None:
        self._above = above
        self._folder = folder
        patterns = text.decode("utf-8", "surrogateescape").removeprefix("\ufeff").splitlines()
        self._spec = GitIgnoreSpec.from_lines(line for line in patterns if _is_pattern(line))

    def ignores(self, path: str) -> bool:
        """Whether git ignores `path`, below the top of the tree; a folder's ends with a slash."""
        decision = self._spec.check_file(path.removeprefix(self._folder)).include
        if decision is None:
            return self._above is not None and self._above.ignores(path)
        return decision


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except GitIgnorePatternError:  # a lone "!" or a backslash at the end: git takes no notice either
        return False
    return True
