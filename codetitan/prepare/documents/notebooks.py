"""[prepare.notebooks]: Jupyter notebooks, as their cells or as scripts.

A table of its own and no type of source: notebooks lie among code in folders, archives and rows, and are taken wherever
they are found. It comes before other rules look at a file: 1 MB of JSON is mostly images, which no document gets.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import ClassVar, Literal

from codetitan.prepare.documents.cells import Cell, NotANotebook, parse
from codetitan.prepare.file import Drop, File, Refused
from codetitan.prepare.rules.checks import check_at_least, check_languages
from codetitan.prepare.rules.comments import LINE_MARKS

_CUT = "[...]"
# What IPython alone understands: `%matplotlib inline`, `!ls`, `?len`, `len?`; no `% (x, y)` that goes on with a line.
_MAGIC = re.compile(r"%[A-Za-z]|[\w., ]+=\s*%[A-Za-z]{3}|(?:\s*|[\w., ]+=\s*)!(?!=)|\?|[\w.]+\?{1,2}$")


@dataclass(kw_only=True, slots=True)
class Notebooks:
    """Makes a document in parts of each notebook, or a script, and drops those that are damaged or in no such language.

    "structured": `jupyter_start`, then `jupyter_text`, `jupyter_code` and `jupyter_output`, again and again: Markdown
    cells that follow each other are one text, code cells one code, whose output is that of the last; `empty_output`
    stands for none. "script": one file in the kernel's language, with Markdown as comments, and with magics as comments
    too; its language is that one's.

    Source: StarCoder2 §2.4.1 and §5.4, which keep Markdown as it is; bigcode-dataset, preprocessing/jupyter-structured:
    `max_output`, "[...]", Python alone. Differs: code before the first text stays, with what it imports, as text after
    the last code does; of all outputs of a cell the printed and returned text is taken, not the first alone; scripts
    have no header of Jupytext's.
    """

    NAME: ClassVar[str] = "notebooks"

    enable: bool = True

    form: Literal["structured", "script"] = "structured"
    """What becomes of a notebook: a document in parts, or a script."""

    languages: list[str] = field(default_factory=lambda: ["python"])
    """Of the kernels whose notebooks are taken; []: any that is known."""

    max_output: int = 1000
    """Characters of an output; of a longer one the first are taken, and "[...]" says so."""

    def __post_init__(self) -> None:
        check_languages("languages", self.languages)
        check_at_least("max_output", self.max_output, 0)

    def takes(self, file: File) -> bool:
        """Whether a file is a notebook as Jupyter writes it."""
        return self.enable and file.language == "jupyter" and not file.parts

    def change(self, file: File) -> File | Refused:
        """Returns the document that a notebook is."""
        try:
            notebook = parse(file.text)
        except NotANotebook as error:
            return Refused(file, Drop(self.NAME, f"damaged notebook: {error}"))
        kernel = notebook.language
        if kernel == "other":
            return Refused(file, Drop(self.NAME, "no known language of a kernel"))
        if self.languages and kernel not in self.languages:
            return Refused(file, Drop(self.NAME, "kernel of another language", kernel, ", ".join(self.languages)))
        if not any(cell.is_code for cell in notebook.cells):
            return Refused(file, Drop(self.NAME, "no code in it"))
        if self.form == "structured":
            if all(cell.is_code for cell in notebook.cells):
                return Refused(file, Drop(self.NAME, "no text in it"))
            return file.with_parts(self._parts(notebook.cells))
        if kernel not in LINE_MARKS:
            return Refused(file, Drop(self.NAME, "language whose comments are not known", kernel))
        return replace(file, text=_script(notebook.cells, kernel), language=kernel)

    def _parts(self, cells: tuple[Cell, ...]) -> Iterator[tuple[str, str]]:
        yield "jupyter_start", ""
        for is_code, group in groupby(cells, key=lambda cell: cell.is_code):
            together = list(group)
            if not is_code:
                yield "jupyter_text", "\n\n".join(cell.text for cell in together)
                continue
            yield "jupyter_code", "\n".join(cell.text for cell in together)
            output = together[-1].output
            cut = output[: self.max_output] + _CUT if len(output) > self.max_output else output
            yield "jupyter_output", cut
            if not cut:
                yield "empty_output", ""


def _script(cells: tuple[Cell, ...], language: str) -> str:
    mark = LINE_MARKS[language]
    return "\n".join(
        _without_magic(cell.text, mark, language) if cell.is_code else _commented(cell.text, mark) for cell in cells
    )


def _commented(text: str, mark: str) -> str:
    # For compilers a carriage return ends a line, too: what stands behind it would be code.
    return "".join(f"{mark} {line}".rstrip() + "\n" for line in re.split(r"[\n\r]", text))


def _without_magic(text: str, mark: str, language: str) -> str:
    """A cell whose lines for IPython, or all of it where they are for another program, are comments."""
    if text.startswith("%%"):
        return _commented(text, mark)
    if language != "python":
        return f"{text}\n"
    lines, goes_on = [], False
    for line in text.split("\n"):
        is_magic = goes_on or _MAGIC.match(line) is not None
        goes_on = is_magic and line.endswith("\\")  # a command of several lines
        lines.append(f"{mark} {line}" if is_magic else line)
    return "\n".join(lines) + "\n"
