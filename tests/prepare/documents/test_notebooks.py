"""Notebooks of nbformat 3 and 4: cells, outputs as text, scripts, and what is none."""

import json
from typing import Any

import pytest

from codetitan.prepare.documents.notebooks import Notebooks
from codetitan.prepare.file import File, Refused

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}


def code(source: str | list[str], *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": 1, "metadata": {}, "source": source, "outputs": list(outputs)}


def markdown(source: str | list[str]) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def stream(text: str | list[str], name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def notebook(*cells: dict[str, Any], metadata: object = KERNEL) -> File:
    text = json.dumps({"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})
    return File("source", "me/repo", "a/study.ipynb", text, "jupyter", "MIT")


def made(file: File, **options: Any) -> File:
    result = Notebooks(**options).change(file)
    assert isinstance(result, File)
    return result


def reason(file: File, **options: Any) -> str:
    result = Notebooks(**options).change(file)
    assert isinstance(result, Refused) and result.drop.rule == "notebooks" and result.file == file
    return result.drop.reason


def pairs(file: File) -> list[tuple[str, str]]:
    assert "".join(file.texts) == file.text
    return [(kind, text) for (kind, _), text in zip(file.parts, file.texts, strict=True)]


def test_cells_become_parts() -> None:
    image = {
        "output_type": "display_data",
        "data": {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure size 640x480>"},
    }
    error = {"output_type": "error", "ename": "E", "evalue": "x", "traceback": ["\x1b[0;31mE\x1b[0m: x"]}
    result = {"output_type": "execute_result", "data": {"text/plain": ["\x1b[1m4\x1b[0m"], "text/html": "<b>4</b>"}}
    file = made(
        notebook(
            code("import os\n"),
            markdown(["# Title\n", "of it"]),
            markdown("More."),
            code(["x = 2\n", "print(x)"], stream(["2\n"]), stream("careful\n", "stderr")),
            code("x + x", stream("adds\n"), result),
            markdown("  "),
            markdown("A picture:"),
            code("plot(x)", image, error),
            {"cell_type": "raw", "source": "raw"},
            markdown("The end."),
        )
    )
    assert pairs(file) == [
        ("jupyter_start", ""),
        ("jupyter_code", "import os"),
        ("jupyter_output", ""),
        ("empty_output", ""),
        ("jupyter_text", "# Title\nof it\n\nMore."),
        ("jupyter_code", "x = 2\nprint(x)\nx + x"),
        ("jupyter_output", "adds\n4"),
        ("jupyter_text", "A picture:"),
        ("jupyter_code", "plot(x)"),
        ("jupyter_output", ""),
        ("empty_output", ""),
        ("jupyter_text", "The end."),
    ]
    assert (file.path, file.language, file.licence, file.document) == ("a/study.ipynb", "jupyter", "MIT", "notebook")


def test_long_outputs_are_cut() -> None:
    file = made(notebook(markdown("t"), code("f()", stream("x" * 1001))))
    assert pairs(file)[-1] == ("jupyter_output", "x" * 1000 + "[...]")
    file = made(notebook(markdown("t"), code("f()", stream("x" * 1000))))
    assert pairs(file)[-1] == ("jupyter_output", "x" * 1000)
    assert pairs(made(notebook(markdown("t"), code("f()", stream("xyz"))), max_output=1))[-1][1] == "x[...]"


def test_nbformat_3() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Sum"},
        {
            "cell_type": "code",
            "language": "python",
            "input": ["1 + 1"],
            "outputs": [
                {"output_type": "stream", "stream": "stderr", "text": "careful"},
                {"output_type": "pyout", "prompt_number": 1, "text": ["2"]},
                {"output_type": "display_data", "png": "iVBORw0KGgo=", "text": "<Figure>"},
                {"output_type": "pyerr", "ename": "E", "evalue": "x", "traceback": []},
            ],
        },
    ]
    text = json.dumps({"metadata": {"name": ""}, "nbformat": 3, "worksheets": [{"cells": cells}]})
    file = made(File("source", None, "a.ipynb", text, "jupyter"))
    assert pairs(file) == [
        ("jupyter_start", ""), ("jupyter_text", "## Sum"), ("jupyter_code", "1 + 1"), ("jupyter_output", "2"),
    ]  # fmt: skip


def test_as_a_script() -> None:
    file = made(
        notebook(
            markdown("# Title\n\nWords."),
            code(
                "%matplotlib inline\n!ls \\\n    -l\nt = %time f()\nx = (1\n     % 2)\nif x != 3:\n    len?\nlen?\nq = '''\nid = %s'''"
            ),
            code("%%bash\nls"),
        ),
        form="script",
    )
    assert file.text == (
        "# # Title\n#\n# Words.\n\n# %matplotlib inline\n# !ls \\\n#     -l\n# t = %time f()\nx = (1\n     % 2)\nif x != 3:\n    len?\n# len?\nq = '''\nid = %s'''\n\n"
        "# %%bash\n# ls\n"
    )
    assert (file.parts, file.language, file.path) == ((), "python", "a/study.ipynb")
    rust = notebook(markdown("t"), code("let x = 1;"), metadata={"kernelspec": {"language": "rust", "name": "evcxr"}})
    assert made(rust, form="script", languages=[]).text == "// t\n\nlet x = 1;\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "damaged notebook: no JSON"),
        ("[" * 100_000, "damaged notebook: no JSON"),
        ('{"cells": [], "n": ' + "1" * 5000 + "}", "damaged notebook: no JSON"),
        ("[]", "damaged notebook: no notebook"),
        ('{"cells": null, "worksheets": [1]}', "damaged notebook: no notebook"),
        ('{"cells": [1, null, {"cell_type": "code", "source": 3}]}', "no known language of a kernel"),
    ],
)
def test_what_is_damaged(text: str, expected: str) -> None:
    assert reason(File("source", None, "a.ipynb", text, "jupyter")) == expected


def test_what_is_not_taken() -> None:
    r = {"kernelspec": {"language": "R", "name": "ir"}}
    assert reason(notebook(markdown("t"), code("x <- 1"), metadata=r)) == "kernel of another language"
    assert made(notebook(markdown("t"), code("x <- 1"), metadata=r), languages=["r"]).document == "notebook"
    assert reason(notebook(markdown("t"))) == "no code in it"
    assert reason(notebook(code("x = 1"))) == "no text in it"
    assert made(notebook(code("x = 1")), form="script").text == "x = 1\n"
    plain = File("source", None, "a.py", "x = 1\n", "python")
    assert not Notebooks().takes(plain) and not Notebooks(enable=False).takes(notebook())
    assert not Notebooks().takes(made(notebook(markdown("t"), code("x = 1")))), "it is one already"


def test_a_carriage_return_ends_no_comment() -> None:
    cells = markdown(["Run\r\n", "it:\rimport os"]), code("x = 1\r\ny = 2")
    assert made(notebook(*cells), form="script").text == "# Run\n# it:\n# import os\n\nx = 1\ny = 2\n"
    assert [text for _, text in pairs(made(notebook(*cells)))][1:3] == ["Run\nit:\rimport os", "x = 1\ny = 2"]


def test_lone_surrogates_are_replaced() -> None:
    file = made(notebook(markdown("a\ud800b"), code("x = 1")))
    assert pairs(file)[1] == ("jupyter_text", "a?b")
