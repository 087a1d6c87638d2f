"""Languages: by name, by content, by the words that stores use."""

import sysconfig
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetitan.data.language import HEAD_BYTES, LANGUAGES, canonical_language, language_by_name, language_of
from codetitan.data.sources.listing import INCLUDE, SCRIPTS


def test_the_names() -> None:
    assert LANGUAGES[0] == "other"
    assert len(LANGUAGES) == len(set(LANGUAGES)) <= 64
    assert all(name == name.lower() and " " not in name for name in LANGUAGES)
    assert [canonical_language(name) for name in LANGUAGES] == list(LANGUAGES)


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("a/b.py", "python"),
        ("a.pyi", "python"), ("a.pyx", "python"), ("x.tsx", "typescript"), ("x.jsx", "javascript"),
        ("k.cu", "cuda"), ("k.cuh", "cuda"), ("v.hpp", "c++"), ("v.cc", "c++"), ("v.c", "c"), ("P.cs", "c#"),
        ("n.ipynb", "jupyter"), ("CMakeLists.txt", "cmake"), ("Makefile", "makefile"), ("Dockerfile", "dockerfile"),
        ("notes.txt", "text"), ("a.R", "r"), ("a.scss", "css"), ("Cargo.toml", "toml"), ("main.tf", "hcl"),
        ("a.el", "lisp"), ("run.sh", "shell"), ("q.sql", "sql"), ("i.html", "html"), ("p.php", "php"),
        ("a.mm", "objective-c"),
        ("x.vue", "vue"), ("a.svg", "xml"), ("a.yml", "yaml"), ("photo.png", "other"), ("a.proto", "protobuf"),
        ("dgemm.f", "fortran"), ("A.F90", "fortran"), ("a.mts", "typescript"), ("Rakefile", "ruby"),
    ],
)  # fmt: skip
def test_by_name(path: str, language: str) -> None:
    assert language_by_name(path) == language_of(path) == language
    assert language in LANGUAGES


def test_what_is_served_of_a_folder_has_a_language() -> None:
    """But for what only the content tells: headers, and what MATLAB and Objective-C share."""
    names = [pattern.replace("*", "x") for pattern in INCLUDE if pattern != SCRIPTS]
    assert [name for name in names if (language_by_name(name) or "other") == "other"] == ["x.h", "x.m"]


@pytest.mark.parametrize(
    ("path", "head", "language"),
    [
        ("a.h", "#ifndef A_H\n#ifdef __cplusplus\nextern \"C\" {\n#endif\nint f(struct class_of *x);\n", "c"),
        ("a.h", "/* a class of\n * class x\n */\nvoid f(void);\n", "c"),
        ("a.h", "#pragma once\nnamespace a::b {\nint f();\n}\n", "c++"),
        ("a.h", "#include <vector>\nint f();\n", "c++"),
        ("a.h", "#include <stdio.h>\nint f();\n", "c"),
        ("a.h", "template <typename T> T f(T);\n", "c++"),
        ("a.h", "class A : public B {\n public:\n};\n", "c++"),
        ("a.h", "#import <Foundation/Foundation.h>\n@interface A\n@end\n", "objective-c"),
        ("a.m", "#import \"a.h\"\n@implementation A\n@end\n", "objective-c"),
        ("a.m", "function y = f(x)\n% squares\ny = x.^2;\nend\n", "matlab"),
        ("run", "#!/bin/sh\nls\n", "shell"),
        ("run", "#!/usr/bin/env python3\n", "python"),
        ("run", "#!/usr/bin/env -S FOO=1 python3 -u\n", "python"),
        ("run", "#!/usr/bin/perl -w\n", "perl"),
        ("run", "#!\n", "other"),
        ("run", "#!\"\n", "other"), ("", "", "other"), ("", "#!/usr/bin/env node", "javascript"),
        ("run.in", b"\xef\xbb\xbf#!/bin/bash\n", "shell"),
    ],
)  # fmt: skip
def test_by_content(path: str, head: str | bytes, language: str) -> None:
    assert language_by_name(path) is None
    assert language_of(path, head) == language


@pytest.mark.parametrize(
    ("word", "language"),
    [
        ("C#", "c#"), ("csharp", "c#"), ("c-sharp", "c#"), ("C++", "c++"), ("cpp", "c++"), ("JavaScript", "javascript"),
        ("js", "javascript"), ("Jupyter Notebook", "jupyter"), ("jupyter-notebook", "jupyter"), ("Python", "python"),
        ("Visual Basic", "visual-basic"), ("visual-basic", "visual-basic"), ("Batchfile", "batchfile"), ("TeX", "tex"),
        ("F#", "f#"), ("Objective-C", "objective-c"), ("Objective-C++", "objective-c"), ("golang", "go"), ("Go", "go"),
        ("Protocol Buffer", "protobuf"), ("reStructuredText", "restructuredtext"), ("Common Lisp", "lisp"),
        ("PLpgSQL", "sql"), ("SystemVerilog", "verilog"), ("Shell", "shell"), ("en", "other"), ("", "other"),
        ("assembly", "assembly"), ("CMake", "cmake"), ("Dockerfile", "dockerfile"), ("R", "r"), ("C", "c"),
    ],
)  # fmt: skip
def test_what_stores_write(word: str, language: str) -> None:
    assert canonical_language(word) == language


def test_headers_of_this_machine() -> None:
    """CPython's headers are C, torch's are C++, which macros alone do not tell."""
    include = Path(sysconfig.get_path("include"))
    c = Counter(language_of(path.name, path.read_bytes()[:HEAD_BYTES]) for path in include.glob("*.h"))
    torch = Path(sysconfig.get_path("purelib")) / "torch" / "include" / "c10"
    cpp = Counter(language_of(path.name, path.read_bytes()[:HEAD_BYTES]) for path in torch.rglob("*.h"))
    assert c["c"] >= 0.97 * c.total() and c.total() > 50
    assert cpp["c++"] >= 0.8 * cpp.total() and cpp.total() > 100


@given(st.text(max_size=60), st.binary(max_size=200))
def test_any_name_and_content_has_a_language(path: str, head: bytes) -> None:
    assert language_of(path, head) in LANGUAGES
    assert canonical_language(path) in LANGUAGES


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300))
def test_text_and_bytes_agree(text: str) -> None:
    for path in ("", "a.h", "a.m"):
        assert language_of(path, "#!" + text * 100) == language_of(path, ("#!" + text * 100).encode())
