"""Kinds of text: against Python's own parser and tokenizer, by form in each language, and of real files' tokens."""

import ast
import io
import sysconfig
import tokenize
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from codetitan.data.document import Document
from codetitan.data.language import LANGUAGES, language_of
from codetitan.data.pieces.dialects import DIALECTS, resolve
from codetitan.data.pieces.fim import FimConfig, SpanConfig
from codetitan.data.pieces.grammars import GRAMMARS
from codetitan.data.pieces.kinds import Kind, kind_of_each, kinds
from codetitan.data.pieces.maker import PieceMaker
from codetitan.data.pieces.metadata import MetadataConfig
from codetitan.data.pieces.piece import Piece, Role
from codetitan.data.sources.open import PythonStdlib, open_source
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from codetitan.tokenizer.encoding import Encoding, open_encoding
from tests.tokenizer.small import written

PACKAGES = Path(sysconfig.get_path("purelib"))


def found(data: bytes, language: str) -> list[tuple[Kind, bytes]]:
    ranges = kinds(data, language)
    assert b"".join(data[start:stop] for start, stop, _ in ranges) == data
    assert all(a[2] != b[2] for a, b in pairwise(ranges))
    return [(kind, data[start:stop]) for start, stop, kind in ranges if kind != Kind.CODE]


def by_python(text: str) -> tuple[set[int], set[tuple[int, int]]]:
    """Where comments begin, and docstrings begin and end, as Python's own modules see them."""
    lines = text.encode().split(b"\n")
    line_starts = np.cumsum([0] + [len(line) + 1 for line in lines]).tolist()
    docstrings = set()
    with warnings.catch_warnings(action="ignore"):
        tree = ast.parse(text)
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            string = node.body[0]
            docstrings.add(
                (line_starts[string.lineno - 1] + string.col_offset,
                 line_starts[string.end_lineno - 1] + string.end_col_offset)
            )  # fmt: skip
    comments = {
        line_starts[token.start[0] - 1] + len(token.line[: token.start[1]].encode())
        for token in tokenize.tokenize(io.BytesIO(text.encode()).readline)
        if token.type == tokenize.COMMENT
    }
    return comments, docstrings


def test_python_as_python_reads_it() -> None:
    source = open_source(PythonStdlib())
    n_comments = n_docstrings = 0
    for i in range(0, len(source), 9):
        text = source.read(i).text
        ranges = kinds(text.encode(), "python")
        comments, docstrings = by_python(text)
        assert {start for start, _, kind in ranges if kind == Kind.COMMENT} == comments
        assert {(start, stop) for start, stop, kind in ranges if kind == Kind.DOCSTRING} == docstrings
        n_comments, n_docstrings = n_comments + len(comments), n_docstrings + len(docstrings)
    assert n_comments > 4000 and n_docstrings > 700


def test_python_strings_that_document_nothing() -> None:
    body = b"    %s\n"
    functions = [b'f"no {1}"', b'b"no"', b'x = "no"', b'"no" + "no"', b'"no", "no"', b'pass; "no"']
    code = b"".join(b"def f():\n" + body % statement for statement in functions)
    assert found(b'import a\n"no"\n' + code + b'if x:\n    "no"\n', "python") == []
    assert found(b"#!/bin/python\n# c\nr'''d'''\nclass A: 'd' 'e'", "python") == [
        (Kind.COMMENT, b"#!/bin/python"), (Kind.COMMENT, b"# c"), (Kind.DOCSTRING, b"r'''d'''"),
        (Kind.DOCSTRING, b"'d' 'e'"),
    ]  # fmt: skip


C, D = Kind.COMMENT, Kind.DOCSTRING


@pytest.mark.parametrize(
    ("language", "code", "expected"),
    [
        ("javascript", b"#!/usr/bin/env node\n/** d */ let a = `// ${ /* c */ 1}`; /*** r */ // c\r\n",
         [(C, b"#!/usr/bin/env node"), (D, b"/** d */"), (C, b"/* c */"), (C, b"/*** r */"), (C, b"// c")]),
        ("typescript", b"/** d */ interface A { x: number } // c\n/**/",
         [(D, b"/** d */"), (C, b"// c"), (C, b"/**/")]),
        ("typescript", b"const a = <p>http://x.y</p>; // c\n/** d */", [(C, b"// c"), (D, b"/** d */")]),
        ("java", b'/** d */ class A { String s = "// no"; // c\n /* c */ }',
         [(D, b"/** d */"), (C, b"// c"), (C, b"/* c */")]),
        ("go", b"// Package a\npackage a /* c */", [(C, b"// Package a"), (C, b"/* c */")]),
        ("rust", b"//! d\r\n/// e\n//// r\n// c\nfn f() /* c */ {} /** d */ /*! e */ /**/ /*** r */",
         [(D, b"//! d"), (D, b"/// e"), (C, b"//// r"), (C, b"// c"), (C, b"/* c */"), (D, b"/** d */"),
          (D, b"/*! e */"), (C, b"/**/"), (C, b"/*** r */")]),
        ("c", b"/** c */\n#include <a.h> // c\nint x; // a \\\n b\n",
         [(C, b"/** c */"), (C, b"// c"), (C, b"// a \\\n b")]),
        ("c++", b"/// c\nauto s = R\"(// no)\";", [(C, b"/// c")]),
        ("c#", b"/// <summary>\nclass A { /* c */ } //// r", [(D, b"/// <summary>"), (C, b"/* c */"), (C, b"//// r")]),
        ("shell", b"# c\necho", []),
    ],
)  # fmt: skip
def test_forms(language: str, code: bytes, expected: list[tuple[Kind, bytes]]) -> None:
    assert found(code, language) == expected


def test_every_grammar_has_its_comments() -> None:
    assert set(GRAMMARS) - set(LANGUAGES) == {"tsx"}
    for language in GRAMMARS:
        assert found(b"# c" if language == "python" else b"/* c */", language) != []
        assert kinds(b"", language) == []


def test_comments_are_known_where_a_text_does_not_parse() -> None:
    assert found(b'extern "C" {\nA_MACRO(x) y z\n/* c */ int (; // d\n', "c") == [(C, b"/* c */"), (C, b"// d")]


def test_a_token_is_of_the_kind_of_most_of_its_bytes() -> None:
    ranges = [(0, 4, Kind.CODE), (4, 6, Kind.COMMENT), (6, 7, Kind.CODE), (7, 12, Kind.DOCSTRING)]
    # aligned; half and half; one inside; comment 2 of 3; code twice, 3 bytes in all, around a comment of 2
    for start, sizes, expected in (
        (0, [4, 2, 1, 5], [0, 1, 0, 2]),
        (2, [4, 1, 2], [0, 0, 2]),
        (3, [3, 2, 4], [1, 0, 2]),
        (2, [5, 5], [0, 2]),
        (5, [3, 0, 4], [1, 2, 2]),
    ):
        assert kind_of_each(ranges, start, np.array(sizes)).tolist() == expected
    assert kind_of_each([], 0, np.array([], np.int64)).tolist() == []


def maker_of(encoding: Encoding, *, annotate: bool, seq_len: int, fim: FimConfig | None = None) -> PieceMaker:
    metadata = MetadataConfig(repo=0.5, path=0.5, stars=0.5)
    sentinels = resolve(DIALECTS["starcoder"], encoding)
    return PieceMaker(encoding, sentinels, metadata, fim or FimConfig(), seq_len=seq_len, seed=3, annotate=annotate)


def check(made: list[Piece], documents: list[Document], encoding: Encoding) -> int:
    """Compares each token with a plain count over its bytes; returns the tokens that are not code."""
    datas = [encoding.normalize(document.text).encode() for document in documents]
    kind_of_byte = np.concatenate([
        np.repeat(np.array([kind for _, _, kind in ranges], np.uint8), [stop - start for start, stop, _ in ranges])
        for ranges in (kinds(data, document.language) for data, document in zip(datas, documents, strict=True))
    ])  # fmt: skip
    data = b"".join(datas)
    at = 0
    for piece in made:
        assert piece.kinds is not None and piece.n_bytes is not None
        assert piece.kinds.dtype == np.uint8 and piece.n_bytes.dtype == np.uint32
        assert len(piece.kinds) == len(piece.n_bytes) == len(piece.ids)
        roles = piece.role_of_each()
        of_text = ~np.isin(roles, [Role.METADATA, Role.SENTINEL])
        assert ((piece.n_bytes > 0) == of_text).all()
        # in the order of the text: what stands before a hole, the hole, what stands behind; file by file
        files = np.cumsum(np.isin(roles, [Role.METADATA])[1:] & ~np.isin(roles, [Role.METADATA])[:-1], dtype=np.int64)
        place = np.array(
            [{Role.PREFIX: 0, Role.MIDDLE: 1, Role.CODE: 1, Role.SUFFIX: 2}.get(role, 0) for role in roles]
        )
        order = np.lexsort((np.arange(len(roles)), place, np.array([0, *files.tolist()])))
        for i in order[of_text[order]].tolist():
            token = encoding.decode_bytes([int(piece.ids[i])])
            assert data[at : at + len(token)] == token and piece.n_bytes[i] == len(token)
            counts = np.bincount(kind_of_byte[at : at + len(token)], minlength=3)
            most = np.flatnonzero(counts == counts.max())
            first = next(kind for kind in kind_of_byte[at : at + len(token)] if kind in most)
            assert piece.kinds[i] == first
            at += len(token)
    assert at == len(data)
    return sum(int((piece.kinds[piece.n_bytes > 0] > 0).sum()) for piece in made)


FILES = [
    *(PACKAGES / "torch" / "include" / "c10" / "util" / name for name in ("CallOnce.h", "DimVector.h")),  # C++
    PACKAGES / "numpy" / "_core" / "include" / "numpy" / "npy_cpu.h",  # C
    PACKAGES / "matplotlib" / "backends" / "web_backend" / "js" / "nbagg_mpl.js",
    *(PACKAGES / "rich" / name for name in ("control.py", "_export_format.py")),
]
HARD = ["", "# é中😀\n", "# e\u0301 A\u030a\n" * 20, '"""👩‍👩‍👧"""\n' * 3, "x = 1  # ½\r\n" * 40, "# a" + "b" * 3000]


def documents() -> list[Document]:
    made = [
        Document("s", file.name, text := file.read_text(), "o/r", language_of(file.name, text), stars=3)
        for file in FILES
    ]
    assert {"c", "c++", "javascript", "python"} <= {document.language for document in made}
    return made + [Document("s", f"{i}.py", text, "o/r", "python") for i, text in enumerate(HARD)]


def test_each_token_of_real_files_has_its_kind_and_its_bytes(tokenizer: CodeTokenizer, tmp_path: Path) -> None:
    others = [open_encoding(str(written(kind, tmp_path / kind))) for kind in ("llama2", "qwen")]
    assert others[0].token_bytes is None  # by `tokenizers`, which has no table of them
    assert others[1].normalize("e\u0301") == "é"
    fims = {
        "none": None,
        "psm": FimConfig(rate=1.0, spm=0.0, spans=SpanConfig(random=1, line=1, syntax=1)),
        "spm": FimConfig(rate=0.9, spm=1.0),
    }
    n_text = dict.fromkeys(fims, 0)
    for i, document in enumerate(documents()):
        for name, fim in fims.items():
            for encoding in (tokenizer.encoding, *(others if name == "spm" else ())):
                seq_len = 2048 if i % 2 else 64
                plain, annotated = (
                    maker_of(encoding, annotate=annotate, seq_len=seq_len, fim=fim).pieces(
                        document, epoch=0, source=0, index=i
                    )
                    for annotate in (False, True)
                )
                for a, b in zip(plain, annotated, strict=True):
                    assert (a.ids == b.ids).all() and (a.roles, a.name, a.holes) == (b.roles, b.name, b.holes)
                    assert a.kinds is None and a.n_bytes is None
                n_text[name] += check(annotated, [document], encoding)
    assert min(n_text.values()) > 1000


def test_files_of_a_repository(tokenizer: CodeTokenizer) -> None:
    files = documents()[-len(HARD) - 3 :]
    maker = maker_of(tokenizer.encoding, annotate=True, seq_len=4096)
    made = maker.repository(list(enumerate(files)), epoch=0, source=0)
    assert len(made) < len(files)
    sizes = sum(int(piece.n_bytes.sum()) for piece in made)
    assert sizes == sum(len(document.text.encode()) for document in files)
    assert check(made, files, tokenizer.encoding) > 100
