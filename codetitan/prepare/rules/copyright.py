"""Notices of copyright and licence at the head of a file: the same words in a seventh of all files.

The licence itself is not lost: it is found before, and goes with the document.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from codetitan.prepare.file import File
from codetitan.prepare.rules.comments import LINE_MARKS, WITH_BLOCKS

# What makes a paragraph a notice, and what makes the one after a notice another part of it.
_NOTICE = re.compile(
    r"copyright|©|\(c\)\s*(?:19|20)\d\d|all rights reserved|spdx-|licensed under|permission is hereby granted"
    r"|released (?:in)?to the public domain",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"licen[sc]e|warrant|\bas is\b|\"as is\"|liab|redistribut|disclaimer|permission|provided that|neither the name"
    r"|free software|\bgnu\b",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"#!|\s*#.*coding[:=]|\s*<\?(?:php|xml)\b|\s*<!doctype\b|\s*$", re.IGNORECASE)
# What tools read stays, wherever it stands: `// +build linux`, `# frozen_string_literal: true`.
_DIRECTIVE = re.compile(
    r"@flow|@jsx|@ts-|ts-check|\+build |go:build|frozen_string_literal|pylint:|mypy:|flake8:|noqa|eslint|js[hl]int|-\*-"
    r"|vim?:|cython:|distutils:|clang-format|shellcheck|coding[:=]|swift-tools-version",
    re.IGNORECASE,
)
_DECORATION = " \t\r\n*#/;%-=!<>~_+"
_OPENING = re.compile(r"\s*(?:/\*+!?|<!--)")
_MARKUP = ("html", "xml", "vue", "svelte", "markdown")


@dataclass(kw_only=True, slots=True)
class Copyright:
    """Takes notices of copyright and licence out of the comments before a file's first line of code.

    A paragraph of such a comment goes if it has a notice's words, and with it those after it that go on with the
    licence; what else the comment says stays, as do "#!" and the declaration of an encoding. A comment of which nothing
    is left goes with the blank lines after it. Docstrings are not touched.

    Source: OpenCoder (arXiv 2411.04905, "Transformation" of its raw code), which takes them out, in over 15 % of its
    files, and publishes no expression for it. RedPajama's takes out a whole first comment, whatever it says.
    """

    NAME: ClassVar[str] = "copyright"

    enable: bool = False

    def change(self, file: File) -> tuple[str, Mapping[str, int]]:
        """Returns the text without notices, and {"copyright notices": …, "lines of them": …}; {} where it has none."""
        mark = "%" if file.language == "tex" else LINE_MARKS.get(file.language)
        opening, closing = ("<!--", "-->") if file.language in _MARKUP else ("/*", "*/")
        blocks = file.language in _MARKUP or file.language in WITH_BLOCKS
        if mark is None and not blocks:
            return file.text, {}
        *ended, last = file.text.split("\n")
        lines = [f"{line}\n" for line in ended] + ([last] if last else [])
        kept: list[str] = []
        at = n_notices = 0
        while at < len(lines):
            if _BEFORE.match(lines[at]):
                kept.append(lines[at])
                at += 1
                continue
            if blocks and lines[at].lstrip().startswith(opening):
                end = _end_of_block(lines, at, opening, closing)
            else:
                end = _end_of_run(lines, at, mark)
            if end == at:
                break
            left = _without_notices(lines[at:end], closing if lines[at].lstrip().startswith(opening) else None)
            if left != lines[at:end]:
                n_notices += 1
            kept += left
            at = end
            if not left:
                while at < len(lines) and not lines[at].strip():
                    at += 1
        if not n_notices:
            return file.text, {}
        kept += lines[at:]
        return "".join(kept), {"copyright notices": n_notices, "lines of them": len(lines) - len(kept)}


def _end_of_block(lines: list[str], at: int, opening: str, closing: str) -> int:
    """The line after a block comment; `at` itself where it does not end, or code follows it in its last line."""
    for end in range(at, len(lines)):
        line = lines[end]
        begin = line.find(opening) + len(opening) if end == at else 0
        found = line.find(closing, begin)
        if found >= 0:
            return end + 1 if not line[found + len(closing) :].strip() else at
    return at


def _end_of_run(lines: list[str], at: int, mark: str | None) -> int:
    end = at
    while mark is not None and end < len(lines) and lines[end].lstrip().startswith(mark):
        end += 1
    return end


def _without_notices(lines: list[str], closing: str | None) -> list[str]:
    """What is left of a comment's lines; `closing` is what ends a block, None for lines that are one each."""
    said = [line.strip(_DECORATION) for line in lines]
    paragraphs: list[list[int]] = []
    for i, words in enumerate(said):
        if _DIRECTIVE.search(lines[i]):
            continue
        if words and i and said[i - 1] and paragraphs and paragraphs[-1][-1] == i - 1:
            paragraphs[-1].append(i)
        elif words:
            paragraphs.append([i])
    gone: set[int] = set()
    follows = False
    for paragraph in paragraphs:
        words = " ".join(said[i] for i in paragraph)
        follows = bool(_NOTICE.search(words)) or (follows and bool(_MORE.search(words)))
        if follows:
            gone.update(paragraph)
    if not gone:
        return lines
    if all(i in gone or not words for i, words in enumerate(said)):
        return []
    left: list[str] = []
    for i, line in enumerate(lines):
        if i not in gone and (said[i] or i - 1 not in gone or i == len(lines) - 1):
            left.append(line)
        elif closing is not None and i == 0 and (opened := _OPENING.match(line)):
            left.append(opened[0] + _end_of(line))
        elif closing is not None and i == len(lines) - 1:
            left.append(f"{line[: len(line) - len(line.lstrip())]}{closing}{_end_of(line)}")
    return left


def _end_of(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]
