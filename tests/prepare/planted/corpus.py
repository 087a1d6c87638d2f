"""Raw code in which it is known what must go: planted into pieces of the standard library, which must stay."""

import json
import re
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from identify.vendor.licenses import LICENSES

from codetitan.data.order import key, uniform
from codetitan.data.validation.gold import Gold, read_gold
from codetitan.prepare.config import Prepare
from codetitan.prepare.file import File
from codetitan.prepare.rules import TEXT_RULES, Judge
from tests.data.helpers import plain_grams
from tests.prepare.planted.secrets import DECOYS, SECRETS

_REPOS = 20
_LINES = 130
_EACH = 8  # of a kind of secret, and of what only looks like one
_LICENCES = dict(LICENSES)
_GPL_HEAD = """# This file is part of Gnarl.
#
# Gnarl is free software: you can redistribute it and/or modify it under the
# terms of the GNU General Public License as published by the Free Software
# Foundation, either version 3 of the License, or (at your option) any later
# version.

"""
_APACHE_HEAD = "# SPDX-FileCopyrightText: 2022 The Gnarl Authors\n# SPDX-License-Identifier: Apache-2.0\n\n"


@dataclass
class Planted:
    """What was written, by repository/path.

    Attributes:
        files: what the raw code has.
        secrets: (file, kind, line with the secret, secret).
        decoys: (file, kind, line).
        contaminated: file → how.
        pairs: two files → their Jaccard similarity.
        copies: two files that are the same.
        copyleft: file → how.
        permissive: files under another licence than their repository's that are permissive, or that only speak of one.
    """

    files: dict[str, str] = field(default_factory=dict)
    secrets: list[tuple[str, str, str, str]] = field(default_factory=list)
    decoys: list[tuple[str, str, str]] = field(default_factory=list)
    contaminated: dict[str, str] = field(default_factory=dict)
    pairs: dict[tuple[str, str], float] = field(default_factory=dict)
    copies: list[tuple[str, str]] = field(default_factory=list)
    copyleft: dict[str, str] = field(default_factory=dict)
    permissive: list[str] = field(default_factory=list)

    def add(self, text: str, path: str = "", repo: int | None = None) -> str:
        """Adds a file; returns its name."""
        number = len(self.files)
        name = f"repo{number % _REPOS if repo is None else repo:02}/{path or 'src'}/f{number:04}.py"
        self.files[name] = text
        return name

    def write(self, root: Path) -> None:
        """Writes the files, and the MIT licence of each repository."""
        for repo in range(_REPOS):
            (root / f"repo{repo:02}").mkdir(parents=True)
            (root / f"repo{repo:02}" / "LICENSE").write_text(_LICENCES["MIT"])
        for name, text in self.files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")


@cache
def _pieces() -> list[str]:
    """Pieces of files of the standard library, each from another place, that no rule of text drops: what is planted into
    them is to be measured."""
    config = Prepare()
    rules: list[Judge] = [getattr(config, name) for name in TEXT_RULES if getattr(config, name).enable]
    root = Path(sysconfig.get_paths()["stdlib"])
    skipped = {"site-packages", "encodings", "lib2to3", "__pycache__", "idlelib", "pydoc_data"}
    found = []
    for path in sorted(root.rglob("*.py")):
        if skipped & set(path.relative_to(root).parts):
            continue
        lines = path.read_text("utf-8", "replace").split("\n")
        for first in range(0, len(lines) - _LINES, _LINES):
            text = "\n".join(lines[first : first + _LINES]) + "\n"
            if 3000 < len(text) < 9000 and not re.search(r"[^\x00-\x7f]|[Ll]icen[cs]e|[Cc]opyright|\\[ux]", text):
                file = File("s", "r", "a.py", text, "python")
                if all(rule.judge(file) is None for rule in rules):
                    found.append(text)
    return found[:: max(1, len(found) // 700)]


def _with(text: str, number: int, lines: list[str]) -> str:
    """Puts lines into a text, at places drawn by lot."""
    into = text.split("\n")
    for i, line in enumerate(lines):
        into.insert(int(uniform(key("place", number), i) * len(into)), line)
    return "\n".join(into)


def plant() -> Planted:
    """Returns all of it."""
    planted, pieces = Planted(), iter(_pieces())
    secrets, decoys = list(_secrets()), list(_decoys())
    for i in range(0, len(secrets), 2):
        own, others = secrets[i : i + 2], decoys[i : i + 2]
        name = planted.add(_with(next(pieces), i, [line for _, line, _ in own] + [line for _, line in others]))
        planted.secrets += [(name, kind, line, secret) for kind, line, secret in own]
        planted.decoys += [(name, kind, line) for kind, line in others]
    _contaminate(planted, pieces)
    _copies(planted, pieces)
    _licences(planted, pieces)
    return planted


def _secrets() -> Iterator[tuple[str, str, str]]:
    for number, (kind, (line, make)) in enumerate(SECRETS.items()):
        for i in range(_EACH):
            secret = make(1000 * number + i)
            yield kind, line.format(secret), secret


def _decoys() -> Iterator[tuple[str, str]]:
    for kind, make in DECOYS.items():
        yield from ((kind, make(i)) for i in range(_EACH))


# How benchmarks get into repositories, beside the ways that the rule's own test has.
_WAYS: dict[str, Callable[[Gold], str]] = {
    "a record of JSON Lines": lambda p: json.dumps({"prompt": p.prompt.replace("\n", " "), "id": p.prompt[:9]}),
    "tabs, and another quote": lambda p: (p.prompt + p.solution).replace("    ", "\t").replace('"""', "'''"),
    "a comment of C": lambda p: "".join(f"// {line.strip()}\n" for line in p.prompt.splitlines()),
    "solution alone, indented": lambda p: "if True:\n" + "".join(f"    {line}\n" for line in p.solution.splitlines()),
    "with remarks between the lines": lambda p: "".join(f"{line}  # line\n" for line in p.prompt.splitlines()),
}  # fmt: skip


def _contaminate(planted: Planted, pieces: Iterator[str]) -> None:
    problems = read_gold("humaneval")
    for i in range(50):
        way = list(_WAYS)[i % len(_WAYS)]
        problem = problems[int(uniform(key("problem"), i) * len(problems))]
        planted.contaminated[planted.add(_with(next(pieces), i, [_WAYS[way](problem)]))] = way


def _copies(planted: Planted, pieces: Iterator[str]) -> None:
    """100 pairs of real code, of which one has lines of a third file in place of its last ones; and 20 true copies."""
    for i in range(100):
        text, other = next(pieces), next(pieces)
        near, similarity = _nearly(text, other, 0.5 + 0.45 * i / 99)
        planted.pairs[planted.add(text), planted.add(near)] = similarity
    for _ in range(20):
        text = next(pieces)
        planted.copies.append((planted.add(text), planted.add(text)))


def _nearly(text: str, other: str, wanted: float) -> tuple[str, float]:
    """Returns a text that is as similar as is wanted, by bisection, and how similar that is."""
    lines, strange, grams = text.split("\n"), other.split("\n"), plain_grams(text)

    def mixed(n: int) -> tuple[str, float]:
        new = "\n".join([*lines[: len(lines) - n], *strange[:n]])
        found = plain_grams(new)
        return new, len(grams & found) / len(grams | found)

    low, high = 0, len(lines)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if mixed(middle)[1] >= wanted else (low, middle)
    return min((mixed(n) for n in (low, high)), key=lambda pair: abs(pair[1] - wanted))


def _licences(planted: Planted, pieces: Iterator[str]) -> None:
    """GPL in a repository under the MIT licence: vendored, in a folder of its own, by a file's head; and what is not."""
    for i in range(10):
        repo = i % 5
        planted.copyleft[planted.add(next(pieces), "third_party/gnarl", repo)] = "vendored"
        planted.copyleft[planted.add(next(pieces), "src/gnarl/core", repo)] = "a folder with its COPYING"
        planted.copyleft[planted.add(_GPL_HEAD + next(pieces), "src", repo)] = "a file's head"
        planted.permissive.append(planted.add(_APACHE_HEAD + next(pieces), "src", repo))
        planted.permissive.append(planted.add(next(pieces), "src/brisk", repo))
        spoken = "# TODO: the GPL'd parser can't be used here, write our own\n"
        planted.permissive.append(planted.add(next(pieces) + spoken, "src", repo))
    for repo in range(5):
        planted.files[f"repo{repo:02}/third_party/gnarl/COPYING"] = _LICENCES["GPL-3.0"]
        planted.files[f"repo{repo:02}/src/gnarl/COPYING"] = _LICENCES["GPL-2.0"]
        planted.files[f"repo{repo:02}/src/brisk/LICENSE"] = _LICENCES["BSD-3-Clause"]
