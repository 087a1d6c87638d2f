"""To which file of a repository an import leads, language by language."""

import pytest

from codetitan.data.language import language_of
from codetitan.prepare.dependencies.order import dependencies, imports_in_file


def found(files: dict[str, str]) -> set[str]:
    edges = dependencies([imports_in_file(path, language_of(path, text), text) for path, text in files.items()])
    return {f"{a} > {b}" for a, b in edges if a != b}


def needs(files: dict[str, str], path: str) -> set[str]:
    return {edge.partition(" > ")[2] for edge in found(files) if edge.startswith(f"{path} > ")}


def test_python_packages() -> None:
    files = {
        "src/pkg/__init__.py": "from .core import run\n", "src/pkg/core.py": "from . import util\nfrom pkg.sub import deep\n",
        "src/pkg/util.py": "import json\nfrom ..outside import x\n", "src/pkg/json.py": "x = 1\n",
        "src/pkg/sub/deep.py": "from ..util import *\nimport pkg\n",
        "tests/test_core.py": "import pkg.core\nfrom pkg import util\nfrom helpers import help_me\n", "tests/helpers.py": "x = 1\n",
        "examples/run.py": "import os.path, numpy\nimport pkg.sub.deep as deep\nfrom pkg import nothing\n",
    }  # fmt: skip
    assert needs(files, "src/pkg/__init__.py") == {"src/pkg/core.py"}
    assert needs(files, "src/pkg/core.py") == {"src/pkg/util.py", "src/pkg/sub/deep.py"}
    assert needs(files, "src/pkg/util.py") == set()  # json is the standard library's
    assert needs(files, "src/pkg/sub/deep.py") == {"src/pkg/util.py", "src/pkg/__init__.py"}
    assert needs(files, "tests/test_core.py") == {"src/pkg/core.py", "src/pkg/util.py", "tests/helpers.py"}
    assert needs(files, "examples/run.py") == {"src/pkg/sub/deep.py", "src/pkg/__init__.py"}


def test_python_packages_whose_init_is_empty_and_so_no_document() -> None:
    """What says that app is a package: that a file in it imports relatively, or another names it."""
    files = {"app/a.py": "import json\nfrom .b import x\n", "app/b.py": "import types\n", "app/json.py": "x = 1\n"}
    assert needs(files, "app/a.py") == {"app/b.py"}
    files = {"app/a.py": "import json\nimport app.b\n", "app/b.py": "import types\n", "app/json.py": "x = 1\n"}
    assert needs(files, "app/a.py") == {"app/b.py"}
    assert needs({"bin/a.py": "import shared\n", "bin/shared.py": "x = 1\n"}, "bin/a.py") == {"bin/shared.py"}


def test_python_of_several_projects() -> None:
    """The nearest package of a name is meant."""
    files = {
        f"libs/{name}/src/common/{file}.py": "from . import b\n" if file == "a" else "x = 1\n"
        for name in ("one", "two") for file in ("a", "b")
    } | {"libs/two/tests/test_a.py": "from common import a\n", "tools/x.pyx": "import common.a\n"}  # fmt: skip
    assert needs(files, "libs/two/tests/test_a.py") == {"libs/two/src/common/a.py"}
    assert needs(files, "tools/x.pyx") >= {"libs/one/src/common/a.py"}


def test_javascript() -> None:
    files = {
        "package.json": '{"name": "root"}', "packages/core/package.json": '{"name": "@me/core"}',
        "packages/core/src/index.ts": "export * from './a'\nexport * from './lib'\n", "packages/core/src/a.ts": "export const a = 1\n",
        "packages/core/src/lib/index.tsx": "import { a } from '../a.js'\nimport './gone'\nimport '../../../../../x'\n",
        "web/src/main.js": "import { a } from '@me/core'\nimport b from '@/b'\nimport c from '@me/core/src/a'\nimport d from 'react'\n"
                           "import e from './e?raw'\n",
        "web/src/b/index.jsx": "module.exports = require('..')\n", "web/src/e.js": "x\n", "web/src/index.mjs": "x\n", "react.js": "x\n",
    }  # fmt: skip
    assert needs(files, "packages/core/src/index.ts") == {"packages/core/src/a.ts", "packages/core/src/lib/index.tsx"}
    assert needs(files, "packages/core/src/lib/index.tsx") == {"packages/core/src/a.ts"}
    assert needs(files, "web/src/main.js") == {
        "packages/core/src/index.ts", "packages/core/src/a.ts", "web/src/b/index.jsx", "web/src/e.js",
    }  # fmt: skip
    assert needs(files, "web/src/b/index.jsx") == {"web/src/index.mjs"}


def test_a_declaration_beside_its_code() -> None:
    files = {"a.d.ts": "x", "a.js": "x", "b.js": "require('./a')", "b.d.ts": "import './a'", "c.ts": "import './a.js'"}
    assert (needs(files, "b.js"), needs(files, "b.d.ts")) == ({"a.js"}, {"a.d.ts"})
    assert needs(files, "c.ts") == {"a.js"}


def test_java() -> None:
    start = "core/src/main/java/org/me"
    files = {
        f"{start}/A.java": "package org.me;\nimport org.me.util.Text;\nimport org.me.util.Text.Inner;\nimport java.util.List;\n",
        f"{start}/util/Text.java": "package org.me.util;\n", f"{start}/util/More.java": "package org.me.util;\n",
        f"{start}/B.java": "package org.me;\nimport org.me.util.*;\n",
        "core/src/test/java/org/me/ATest.java": "package org.me;\nimport static org.me.util.Text.join;\nimport static org.me.util.More.*;\n",
        "other/src/main/java/org/me/util/Text.java": "package org.me.util;\n", "List.java": "class List {}\n",
    }  # fmt: skip
    assert needs(files, f"{start}/A.java") == {f"{start}/util/Text.java"}
    assert needs(files, f"{start}/B.java") == {f"{start}/util/*.java"}
    assert needs(files, f"{start}/util/*.java") == {f"{start}/util/Text.java", f"{start}/util/More.java"}
    assert needs(files, "core/src/test/java/org/me/ATest.java") == {
        f"{start}/util/Text.java",
        f"{start}/util/More.java",
    }


@pytest.mark.parametrize("module", [True, False])
def test_go(module: bool) -> None:
    files = {
        "cmd/main.go": 'package main\nimport (\n "fmt"\n "example.com/me/proj/log"\n "example.com/me/proj/store/disk"\n)\n',
        "log/log.go": "package log\n", "log/level.go": "package log\n", "log/log_test.go": 'package log\nimport "testing"\n',
        "store/disk/disk.go": 'package disk\nimport "example.com/me/proj/log"\nimport "example.com/other/log"\n',
        "testing/x.go": "package testing\n",
    }  # fmt: skip
    if module:
        files["go.mod"] = "module example.com/me/proj\n"
    assert needs(files, "cmd/main.go") == {"log/*.go", "store/disk/*.go"}
    assert needs(files, "log/*.go") == {"log/log.go", "log/level.go"}
    assert needs(files, "store/disk/disk.go") == needs(files, "log/log_test.go") == {"log/*.go"}


def test_rust() -> None:
    files = {
        "Cargo.toml": '[package]\nname = "my-crate"\n', "src/lib.rs": "mod a;\npub mod b;\nmod inner { mod deep; }\n",
        "src/a.rs": "use crate::b::{c::Thing, other};\nuse std::fmt;\nmod part;\n", "src/a/part.rs": "use super::super::b;\nuse crate::Error;\n",
        "src/b/mod.rs": "pub mod c;\nuse self::c::Thing;\n", "src/b/c.rs": "use super::helper;\nmod tests { use super::*; use super::super::b; }\n",
        "src/inner/deep.rs": "x!();\n", "tests/run.rs": "use my_crate::b::c;\nmod common;\n", "tests/common/mod.rs": "use my_crate::Error;\n",
        "helper/src/lib.rs": "#[path = \"odd/place.rs\"]\nmod place;\n", "helper/src/odd/place.rs": "x!();\n",
        "src/main.rs": "use helper::place;\nuse my_crate::a;\n",
    }  # fmt: skip
    assert needs(files, "src/lib.rs") == {"src/a.rs", "src/b/mod.rs", "src/inner/deep.rs"}
    assert needs(files, "src/a.rs") == {"src/b/c.rs", "src/b/mod.rs", "src/a/part.rs"}
    assert needs(files, "src/a/part.rs") == {"src/b/mod.rs", "src/lib.rs"}
    assert needs(files, "src/b/mod.rs") == {"src/b/c.rs"}
    assert needs(files, "src/b/c.rs") == {"src/b/mod.rs"}
    assert needs(files, "tests/run.rs") == {"src/b/c.rs", "tests/common/mod.rs"}
    assert needs(files, "tests/common/mod.rs") == {"src/lib.rs"}
    assert needs(files, "helper/src/lib.rs") == {"helper/src/odd/place.rs"}
    assert needs(files, "src/main.rs") == {"helper/src/lib.rs", "src/a.rs"}


def test_c() -> None:
    files = {
        "src/main.c": '#include "util.h"\n#include "proj/api.h"\n#include <proj/api.h>\n#include <stdio.h>\n#include "../inc.h"\n#include "no.h"\n',
        "src/util.h": "int x;\n", "lib/util.h": "int x;\n", "include/proj/api.h": '#include "types.h"\n#include <vector>\n',
        "include/proj/types.h": "int x;\n", "include/stdio.h": "int x;\n", "inc.h": "int x;\n", "lib/kernel.cu": '#include "util.h"\n',
    }  # fmt: skip
    assert needs(files, "src/main.c") == {"src/util.h", "include/proj/api.h", "inc.h"}
    assert needs(files, "include/proj/api.h") == {"include/proj/types.h"}
    assert needs(files, "lib/kernel.cu") == {"lib/util.h"}


def test_imports_that_lead_out_of_the_repository() -> None:
    files = {
        "a.py": "from .... import b\nfrom ....b import c\n", "b.js": "import '../../../b'\nimport '/a.py'\nimport ''\nimport '.'\n",
        "c.c": '#include "../../c.h"\n#include ""\n#include "/c.h"\n', "c.h": "int x;\n", "d.rs": "use super::super::super::d;\nuse ::e;\n",
        "E.java": "import F;\n", "f.go": 'package f\nimport ""\nimport "./g"\n',
    }  # fmt: skip
    assert found(files) == {"c.c > c.h"}  # by the end of its path
