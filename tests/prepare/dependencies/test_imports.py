"""What files import, as it is written; the beginning of a file says as much as the whole."""

import sysconfig
import time
from pathlib import Path

import pytest

from codetitan.data.pieces.grammars import parse
from codetitan.prepare.dependencies.imports import LANGUAGES, grammar_of, imports_in, imports_of, read_tree
from codetitan.prepare.dependencies.order import dependencies, imports_in_file


@pytest.mark.parametrize(
    ("path", "language", "text", "expected"),
    [
        ("a.py", "python", "import a.b as c, d\nfrom . import e\nfrom ..f.g import (h as i,\n    j)\nfrom k import *\n",
         ["..f.g:h", "..f.g:j", ".:e", "a.b", "d", "k:*"]),
        ("a.py", "python", 'def f():\n    try: import a\n    except ImportError: from b import c\n    "import d"\n',
         ["a", "b:c"]),
        ("a.py", "python", '"""\nimport a\n"""\nx = 1\n', []),
        ("a.py", "python", 'import b\n\ndef f():\n    """says\n    import a\n    and more\n    """\n', ["b"]),
        ("a.js", "javascript", "import a from './a'\nimport {\n  b,\n} from '../b.js'\nexport * from \"./c\"\n"
         "const d = require('./d'), e = await import('./e')\nf.require('./g')\nimport './h'\n",
         ["../b.js", "./a", "./c", "./d", "./e", "./h"]),
        ("a.js", "javascript", "import a from './a'\n/* an example:\nconst b = require('./b')\n */\n", ["./a"]),
        ("a.tsx", "typescript", "import type { A } from './a'\nimport b = require('./b')\nconst c = <D>e</D>\n",
         ["./a", "./b"]),
        ("a.vue", "vue", "<template><p>import x from './x'</p></template>\n<script setup lang=\"ts\">\n"
         "import a from './a.vue'\n</script>\n", ["./a.vue"]),
        ("a.vue", "vue", '<script setup lang="ts" generic="T extends A<B>">\nimport a from "./a"\n</script>\n', ["./a"]),
        ("A.java", "java", "package p;\nimport a.b.C;\nimport static a.D.e;\nimport f.*;\nclass A {}\n",
         ["a.D.e", "a.b.C", "f.*"]),
        ("a.go", "go", 'package a\nimport "b"\nimport (\n\t_ "c/d"\n\te `f`\n)\nfunc f() {}\n', ["b", "c/d", "f"]),
        ("go.mod", "text", "// a\nmodule example.com/a // b\n\ngo 1.22\n", ["example.com/a"]),
        ("Cargo.toml", "toml", '[workspace]\nname = "no"\n[package]\nedition = "2021"\nname = "yes-it-is"\n',
         ["yes-it-is"]),
        ("Cargo.toml", "toml", '[package]\n\nauthors = ["a"]\nname="b"\n[[bin]]\nname = "c"\n', ["b"]),
        ("package.json", "json", '{"author": {"name": "Jane"}, "name": "a"}', ["a"]),
        ("package.json", "json", '{"author": {"name": "Jane"}}', []),
        ("package.json", "json", '{"name": "@a/b", "dependencies": {}}', ["@a/b"]),
        ("a.rs", "rust", "pub mod a;\nuse crate::{b::C, d::{self, e::*}, f as g};\nextern crate h;\n"
         '#[path = "i/j.rs"]\nmod k;\nmod l {\n    use super::m;\n    mod n;\n}\npub(crate) use r#type::o;\n',
         ["mod  a", "mod l n", "path  i/j.rs", "use  crate::b::C", "use  crate::d", "use  crate::d::e", "use  crate::f",
          "use  h", "use  type::o", "use l super::m"]),
        ("a.c", "c", '#include "a.h"\n# include <b/c.h>\n#ifdef D\n  #include "e.h"\n#endif\n// #include "f.h"\n',
         ['"a.h"', '"e.h"', "<b/c.h>"]),
        ("a.h", "c++", "#ifndef A\n#define A\n#include <vector>\nnamespace a {\n#include \"b.inc\"\n}\n#endif\n",
         ['"b.inc"', "<vector>"]),
    ],
)  # fmt: skip
def test_imports(path: str, language: str, text: str, expected: list[str]) -> None:
    assert imports_of(path, language, text.encode()) == expected


@pytest.mark.parametrize(
    ("language", "ending", "folder"),
    [
        ("python", ".py", "sympy/core"), ("python", ".py", "torch/utils"), ("c++", ".h", "torch/include/c10"),
        ("c", ".h", "numpy/_core/include"), ("javascript", ".js", "notebook"), ("javascript", ".js", "torch/utils"),
    ],
)  # fmt: skip
def test_the_beginning_says_as_much_as_the_whole(language: str, ending: str, folder: str) -> None:
    files = sorted((Path(sysconfig.get_path("purelib")) / folder).rglob(f"*{ending}"))[:150]
    how, name = LANGUAGES[language], grammar_of(f"a{ending}", language)
    different = []
    for file in files:
        data = file.read_bytes()
        if imports_in(data, how, name) != read_tree(parse(data, name), how, name):
            different.append(file)
    assert len(different) <= len(files) // 50, different


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"vue", "svelte"}))
@pytest.mark.parametrize(
    "text",
    [
        "{" * 100_000, "(" * 100_000 + "import a", "import a.b\n" * 50_000, "use " + "a::{" * 20_000,
        "mod a {\n" * 3_000 + "use super::b;\n", "import (" + "\n" * 500_000, '#include "' * 50_000, "from " * 100_000,
        "/*" * 100_000 + "import a;\n", "\x00import a\n\ufffd\n", "import\\\n" * 5_000,
        "import" + " " * 200_000, "import (\n" * 20_000, "import " + "a." * 100_000 + "b;", "// a\n" * 50_000 + "mod a;\n",
    ],
    ids=range(15),
)  # fmt: skip
def test_no_text_takes_long(language: str, text: str) -> None:
    start = time.process_time()
    imports_of("a", language, text.encode())
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("go.mod", "\n" * 200_000), ("Cargo.toml", "[package]" + "\n" * 200_000), ("package.json", '"name"' + " " * 200_000),
        ("a.vue", "<script>\n" * 100_000), ("a.vue", "<script " * 100_000),
    ],
    ids=range(5),
)  # fmt: skip
def test_no_file_around_code_takes_long(path: str, text: str) -> None:
    start = time.process_time()
    assert imports_of(path, "vue", text.encode()) == []
    assert time.process_time() - start < 2  # without limits: minutes


@pytest.mark.parametrize(
    ("path", "language", "text"),
    [
        ("src/lib.rs", "rust", "use crate::" + "a::" * 40_000 + "b;"), ("a/B.java", "java", "import " + "a." * 60_000 + "b;"),
        ("x/y/z.py", "python", "import " + "a." * 60_000 + "b"), ("src/lib.rs", "rust", "use " + "a::{b," * 9_000 + "c" + "}" * 9_000 + ";"),
    ],
    ids=range(4),
)  # fmt: skip
def test_no_name_is_looked_for_long(path: str, language: str, text: str) -> None:
    start = time.process_time()
    assert dependencies([imports_in_file(path, language, text)]) == []
    assert time.process_time() - start < 2  # a name of so many parts: 10 s and more
