"""The cells of a notebook, of nbformat 3 and 4: Markdown and code with its output as text."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from codetitan.data.language import canonical_language
from codetitan.prepare.documents.values import lines_of

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_NAME = 100  # characters of a language's name
_TEXTS = ("text", "text/plain")
_SHOWN = ("image/", "png", "jpeg", "svg", "pdf")  # what is shown in place of its text, such as "<Figure size 640x480>"


class NotANotebook(ValueError):
    """A text that is no notebook; the message says why."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell with something in it.

    Attributes:
        is_code: Markdown where it is not.
        text: without white space around it.
        output: what the code printed and returned, as text; "" where that is nothing, or nothing but an image.
    """

    is_code: bool
    text: str
    output: str = ""


@dataclass(frozen=True, slots=True)
class Notebook:
    """What a notebook holds.

    Attributes:
        language: of the kernel, one of `codetitan.data.language.LANGUAGES`; "other" where it is not known.
        cells: those that are not empty, in order; raw ones are left out.
    """

    language: str
    cells: tuple[Cell, ...]


def parse(text: str) -> Notebook:
    """Returns what a file of Jupyter's holds.

    Args:
        text: of an .ipynb; as the nbformat project documents it, 3 with worksheets, 4 without.

    Raises:
        NotANotebook: "no JSON", or "no notebook" for JSON of another form.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise NotANotebook("no JSON") from None
    if not isinstance(data, dict):
        raise NotANotebook("no notebook")
    cells = data.get("cells")
    if not isinstance(cells, list):
        sheets = data.get("worksheets")
        if not isinstance(sheets, list) or not all(isinstance(sheet, dict) for sheet in sheets):
            raise NotANotebook("no notebook")
        cells = [cell for sheet in sheets for cell in _list(sheet.get("cells"))]
    cells = [cell for cell in cells if isinstance(cell, dict)]
    return Notebook(_language(data.get("metadata"), cells), tuple(_cells(cells)))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _joined(value: object) -> str:
    """A text, or its lines."""
    if isinstance(value, list):
        value = "".join(line for line in value if isinstance(line, str))
    return lines_of(value)


def _language(metadata: object, cells: list[dict[str, Any]]) -> str:
    said: list[object] = []
    if isinstance(metadata, dict):
        for table, keys in (("kernelspec", ("language", "name", "display_name")), ("language_info", ("name",))):
            if isinstance(found := metadata.get(table), dict):
                said += [found.get(key) for key in keys]
        said.append(metadata.get("language"))
    said += [cell["language"] for cell in cells if cell.get("cell_type") == "code" and "language" in cell][:1]
    names = (canonical_language(word[:_NAME].rstrip("0123456789. ")) for word in said if isinstance(word, str))
    return next((name for name in names if name != "other"), "other")


def _cells(cells: list[dict[str, Any]]) -> Iterator[Cell]:
    for cell in cells:
        kind = cell.get("cell_type")
        text = _joined(cell.get("source", cell.get("input"))).strip()
        if kind == "heading":
            level = cell.get("level")
            text = f"{'#' * (level if type(level) is int and 1 <= level <= 6 else 1)} {text}"
        if kind not in ("markdown", "heading", "code") or not text:
            continue
        outputs = "".join(map(_output, _list(cell.get("outputs")))) if kind == "code" else ""
        yield Cell(kind == "code", text, _ANSI.sub("", outputs).strip())


def _output(output: object) -> str:
    """What is printed or returned; warnings and tracebacks are left out: they tell of a machine, not of the code."""
    if not isinstance(output, dict) or output.get("output_type") in ("error", "pyerr"):
        return ""
    if output.get("output_type") == "stream":
        return "" if "stderr" in (output.get("name"), output.get("stream")) else _joined(output.get("text"))
    found = output.get("data")  # nbformat 4 has it here, 3 in the output itself
    shown: Mapping[str, Any] = found if isinstance(found, dict) else output
    if any(name.startswith(_SHOWN) for name in shown):
        return ""
    text = next((_joined(shown[name]) for name in _TEXTS if name in shown), "")
    return text if not text or text.endswith("\n") else f"{text}\n"
