"""Whose licence a file is under, and who said so: texts as people keep them, real packages, vendored copyleft."""

import json
import random
import sysconfig
from pathlib import Path

import pytest
from identify.vendor.licenses import LICENSES

from codetitan.errors import ConfigError
from codetitan.prepare.file import File
from codetitan.prepare.licences import Licences, Repository, Verdict, collect, is_interesting, merge, versions
from codetitan.prepare.licences.header import said_by_file
from codetitan.prepare.licences.permissive import permissive_identifiers
from codetitan.prepare.licences.spdx import both, normalised
from codetitan.prepare.licences.words import licence_of_words

TEXTS = dict(LICENSES)
MIT, APACHE, GPL, BSD = (TEXTS[name] for name in ("MIT", "Apache-2.0", "GPL-3.0", "BSD-3-Clause"))
GPL_NOTICE = """This program is free software; you can redistribute it and/or modify
it under the terms of the GNU General Public License as published by
the Free Software Foundation; either version 2 of the License, or
(at your option) any later version.
"""
GPL_HEAD = "# Copyright (C) 2001 Somebody\n#\n" + "".join(f"# {line}\n" for line in GPL_NOTICE.splitlines())
APACHE_HEAD = """/*
 * Copyright 2020 Somebody
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * You may obtain a copy of the License at
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 */
package somewhere;
"""
Tree = dict[str, str]


def judged(tree: Tree, path: str, text: str = "x = 1\n", store: str | None = None, **rule: object) -> Verdict:
    file = File("s", "o/n", path, text, licence=store)
    return Licences(**rule).judge(file, Repository(collect(tree.items())))  # type: ignore[arg-type]


def why(verdict: Verdict) -> str | None:
    return verdict.drop.reason if verdict.drop else None


def test_the_list_is_blue_oaks() -> None:
    assert len(permissive_identifiers()) == 150  # of 152, four under their names of now; and Python-2.0.1
    assert {"MIT", "Apache-2.0", "BSD-3-Clause", "ISC", "BlueOak-1.0.0", "Zlib"} <= permissive_identifiers()
    assert not {"GPL-3.0-only", "MPL-2.0", "LGPL-2.1-or-later", "CC-BY-SA-4.0"} & permissive_identifiers("lead")
    assert permissive_identifiers("gold") < permissive_identifiers("silver") < permissive_identifiers()


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("MIT", None), ("mit/apache-2.0", None), ("MIT AND ISC", None), ("MIT OR GPL-3.0", None),
        ("Apache-2.0 WITH LLVM-exception", None), ("(MIT OR GPL-2.0) AND ISC", None),
        ("MIT AND GPL-3.0", "copyleft licence"), ("GPL-2.0+ WITH Classpath-exception-2.0", "copyleft licence"),
        ("MPL-2.0 OR LGPL-2.1", "copyleft licence"), ("MIT AND CC-BY-NC-4.0", "not permissive"),
        ("GPL-3.0 OR CC-BY-NC-4.0", "not permissive"), ("GPL-3.0 AND CC-BY-NC-4.0", "copyleft licence"),
        ("UNLICENSED", "not permissive"), ("Fancy-1.0", "licence not known"), 
        ("MIT AND Fancy-1.0", "licence not known"),
        ("MIT OR Fancy-1.0", None), ("MIT and", "licence not known"), ("no_license", "no licence"),
    ],
)  # fmt: skip
def test_expressions(expression: str, reason: str | None) -> None:
    """Of AND all parts, of OR one; what the store says is read so too."""
    assert why(judged({}, "a.py", store=expression)) == reason


def test_people_add_and_take_away() -> None:
    assert why(judged({}, "a", store="MPL-2.0 AND MIT", allow=["mpl-2.0"])) is None
    assert why(judged({}, "a", store="MIT", deny=["MIT"])) == "not permissive"
    assert why(judged({}, "a", store="GPL-3.0", keep_copyleft=True)) is None
    assert why(judged({}, "a", store="Fancy", keep_unknown=True)) is None
    assert why(judged({}, "a", keep_unlicensed=True)) is None
    assert why(judged({}, "a", store="CC-BY-NC-4.0", keep_unknown=True, keep_copyleft=True)) == "not permissive"
    assert why(judged({}, "a", store="BSD-3-Clause", permissive="gold")) == "not permissive"
    assert why(judged({}, "a", store="MIT", permissive="none")) == "not permissive"
    assert judged({}, "a", enable=False).drop is None
    Licences(allow=["MPL-2.0", "LicenseRef-ours"]).check()
    with pytest.raises(ConfigError) as error:
        Licences(allow=["MPL2.0"]).check()
    assert str(error.value) == (
        'prepare.licences.allow: "MPL2.0" is no SPDX licence identifier; did you mean "MPL-2.0"?'
    )
    with pytest.raises(ConfigError, match='both name "MIT"; remove it from one of them'):
        Licences(allow=["mit"], deny=["MIT"]).check()


@pytest.mark.parametrize(
    ("words", "licence"),
    [
        ("Apache License, Version 2.0", "Apache-2.0"), ("The MIT License (MIT)", "MIT"), ("MIT License", "MIT"),
        ("Expat", "MIT"), ("GPLv3", "GPL-3.0-only"), ("GPL-2+", "GPL-2.0-or-later"), ("LGPL 2.1 or later",
        "LGPL-2.1-or-later"), ("GNU General Public License v3 or later (GPLv3+)", "GPL-3.0-or-later"),
        ("GNU Affero General Public License v3", "AGPL-3.0-only"), ("BSD", None), ("Apache", None),
        ("GPL-2+ and Expat", "(GPL-2.0-or-later) AND MIT"), ("MIT/Apache-2.0", "MIT OR Apache-2.0"),
        ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"), ("", None), ("See LICENSE", None),
    ],
)  # fmt: skip
def test_words(words: str, licence: str | None) -> None:
    found = licence_of_words(words)
    assert (normalised(found) if found else None) == (normalised(licence) if licence else None)


@pytest.mark.parametrize(
    ("head", "licence"),
    [
        ("// SPDX-License-Identifier: MIT\n", "MIT"),
        ("/* SPDX-License-Identifier: GPL-2.0-or-later */\nint x;", "GPL-2.0-or-later"),
        ("<!-- SPDX-License-Identifier: Apache-2.0 -->", "Apache-2.0"),
        ("# SPDX-License-Identifier: (MIT OR GPL-2.0)\n", "MIT OR GPL-2.0-only"),
        ("# SPDX-License-Identifier: MIT\n# SPDX-License-Identifier: ISC\n", "ISC AND MIT"),
        (GPL_HEAD + "import os\n", "GPL-2.0-or-later"),
        (f"<?php\n/**\n * A thing.\n *\n * {GPL_NOTICE}*/\n", "GPL-2.0-or-later"),
        (f'"""A module.\n\n{GPL_NOTICE}"""\n', "GPL-2.0-or-later"),
        (APACHE_HEAD, "Apache-2.0"),
        ("/*\n" + "".join(f" * {line}\n" for line in MIT.splitlines()) + " */\n", "MIT"),
        ("// Distributed under the Boost Software License, Version 1.0.\n", "BSL-1.0"),
        ("# Under the terms of the GNU Lesser General Public License, in short.\n", "LGPL-2.0-or-later"),
        ("// Proprietary and confidential.\n", "LicenseRef-proprietary"),
    ],
)
def test_what_a_file_says_of_itself(head: str, licence: str) -> None:
    found = said_by_file(head)
    assert found is not None and found[1] == licence


@pytest.mark.parametrize(
    "text",
    [
        "import os\n",
        "# Use of this source code is governed by a BSD-style license that can be\n# found in the LICENSE file.\n",
        "import a\nimport b\nimport c\nimport d\nimport e\nTEMPLATE = '''\n" + GPL_NOTICE + "'''\n",
        "a = 1\n" * 200 + "# SPDX-License-Identifier: GPL-3.0\n",
    ],
)
def test_what_says_nothing_of_the_file(text: str) -> None:
    assert said_by_file(text) is None


def test_a_tag_that_is_no_licence_is_not_known() -> None:
    verdict = judged({"LICENSE": MIT}, "a.py", "# SPDX-License-Identifier: Fancy\n")
    assert why(verdict) == "licence not known" and verdict.licence == "Fancy"


@pytest.mark.parametrize(
    ("tree", "licence", "reason"),
    [
        ({"LICENSE": MIT}, "MIT", None),
        ({"LICENSE": MIT, "src/COPYING": GPL}, "GPL-3.0-only", "copyleft licence"),  # a.py lies in src
        ({"COPYING": GPL, "LICENSE": MIT}, "GPL-3.0-only AND MIT", "copyleft licence"),
        ({"LICENSE-MIT": MIT, "LICENSE-APACHE": APACHE}, "Apache-2.0 AND MIT", None),
        ({"LICENSE-MIT": MIT, "LICENSE-APACHE": APACHE, "Cargo.toml": '[package]\nlicense = "MIT OR Apache-2.0"'},
         "MIT OR Apache-2.0", None),
        ({"LICENSE": "Under either of LICENSE-MIT or LICENSE-GPL.", "LICENSE-MIT": MIT, "LICENSE-GPL": GPL},
         "GPL-3.0-only OR MIT", None),
        ({"LICENSE": f"You may use this under either the MIT licence or the GPL. {'Both follow. ' * 50}",
          "package.json": '{"license": "(MIT OR GPL-3.0)"}'}, "MIT OR GPL-3.0-only", None),
        ({"LICENSE": "See the GPL.", "package.json": '{"license": "MIT"}'}, "MIT", "licence not known"),
        ({"LICENSE": "See COPYING.", "package.json": '{"license": "MIT"}'}, "MIT", None),
        ({"LICENSE": "Do as you like, dear reader. " * 30, "package.json": '{"license": "MIT"}'}, "MIT", None),
        ({"LICENSE": "Not for commercial use. " * 30, "package.json": '{"license": "MIT"}'}, "MIT",
         "licence not known"),
        ({"LICENSE": MIT, "package.json": '{"license": "GPL-3.0"}'}, "GPL-3.0-only AND MIT", "copyleft licence"),
        ({"COPYING": GPL, "package.json": '{"license": "GPL-3.0-or-later"}'}, "GPL-3.0-or-later", "copyleft licence"),
        ({"package.json": '{"license": "UNLICENSED"}'}, "LicenseRef-proprietary", "not permissive"),
        ({"package.json": '{"licenses": [{"type": "MIT"}, {"type": "GPL-2.0"}]}'}, "MIT OR GPL-2.0-only", None),
        ({"package.json": '{"type": "module"}'}, None, "no licence"),
        ({"package.json": "{"}, None, "no licence"),
        ({"pyproject.toml": '[project]\nlicense = "BSD-3-Clause"\n'}, "BSD-3-Clause", None),
        ({"pyproject.toml": '[project]\nlicense = {text = "MIT License"}\n'}, "MIT", None),
        ({"pyproject.toml": '[project]\nclassifiers = ["License :: OSI Approved :: BSD License"]\n'}, "BSD License",
         "licence not known"),
        ({"setup.cfg": "[metadata]\nlicense = GPLv3\n"}, "GPL-3.0-only", "copyleft licence"),
        ({"setup.py": "setup(name='x', license='MIT')"}, "MIT", None),
        ({"PKG-INFO": "Metadata-Version: 2.4\nName: x\nLicense-Expression: ISC\n\nGPL\n"}, "ISC", None),
        ({"Cargo.toml": '[package]\nlicense = "MIT/Apache-2.0"\n'}, "MIT OR Apache-2.0", None),
        ({"pom.xml": "<project><licenses><license><name>Apache License, Version 2.0</name></license></licenses>"},
         "Apache-2.0", None),
        ({"LICENSES/MIT.txt": MIT, "LICENSES/GPL-3.0-only.txt": GPL}, "GPL-3.0-only AND MIT", "copyleft licence"),
        ({"LICENSE": MIT, "LICENSE.third-party": GPL, "NOTICE": "by us"}, "MIT", None),
    ],
)  # fmt: skip
def test_what_a_repository_says(tree: Tree, licence: str | None, reason: str | None) -> None:
    assert all(map(is_interesting, tree))
    verdict = judged(tree, "src/a.py")
    assert (verdict.licence, why(verdict)) == (licence, reason)
    assert {origin["file"] for origin in verdict.provenance} <= tree.keys()


def test_debian_speaks_of_single_files() -> None:
    copyright_file = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2000 Somebody
License: Expat

Files: src/gnu/* tools/x.?
Copyright: 2000 Somebody
License: GPL-2+

License: GPL-2+
 On Debian systems …
"""
    tree = {"debian/copyright": copyright_file, "COPYING": GPL}
    assert judged(tree, "src/a.c").licence == "MIT"
    assert judged(tree, "src/gnu/deep/a.c").licence == judged(tree, "tools/x.c").licence == "GPL-2.0-or-later"
    assert judged({"debian/copyright": "It is by me.", "COPYING": GPL}, "a.c").licence == "GPL-3.0-only"


def test_the_store_and_the_files_all_hold() -> None:
    assert judged({"LICENSE": MIT}, "a.py", store="MIT").licence == "MIT"
    assert why(judged({"LICENSE": MIT}, "a.py", store="MIT AND GPL-2.0")) == "copyleft licence"
    assert why(judged({}, "a.py", GPL_HEAD, store="MIT")) == "copyleft licence"
    assert judged({"LICENSE": "Do as you like. " * 50}, "a.py", store="MIT").licence == "MIT"


def test_provenance_and_texts_travel_with_the_file() -> None:
    tree = {
        "LICENSE": MIT,
        "NOTICE": "Parts are by others.",
        "v/LICENSE": BSD,
        "v/package.json": '{"license": "BSD-3-Clause"}',
    }
    facts = collect(tree.items())
    verdict = Licences().judge(File("s", "o/n", "v/a.js", ""), Repository(facts))
    assert verdict.provenance == (
        {"file": "v/LICENSE", "by": "licence text", "says": "BSD-3-Clause"},
        {"file": "v/package.json", "by": "package metadata", "says": "BSD-3-Clause"},
    )
    assert {facts["texts"][digest] for digest in verdict.texts} == {BSD, tree["NOTICE"]}
    own = Licences().judge(File("s", "o/n", "b.js", "// SPDX-License-Identifier: ISC\n"), Repository(facts))
    assert own.provenance == ({"file": "b.js", "by": "its head", "says": "ISC"},)


def test_what_a_state_is_named_by() -> None:
    assert versions().keys() == {"blue oak", "license-expression", "licenseclassifier"}


def test_facts_are_json_and_merge_in_any_order() -> None:
    tree = {"LICENSE": MIT, "a/LICENSE": MIT, "b/COPYING": GPL, "b/package.json": '{"license": "MIT"}', "NOTICE": "x"}
    whole = json.dumps(collect(tree.items()))
    for seed in range(5):
        parts = [collect([item]) for item in tree.items()]
        random.Random(seed).shuffle(parts)
        merged = parts[0]
        for part in parts[1:]:
            merged = merge(json.loads(json.dumps(part)), merged)
        assert json.dumps(merged) == whole
    assert len(collect(tree.items())["texts"]) == 3  # one MIT
    twice = merge(collect([("LICENSE", MIT)]), collect([("LICENSE", GPL)]))
    assert Repository(twice).says("a.py").licence == both(["GPL-3.0-only", "MIT"])  # type: ignore[union-attr]


def test_vendored_copyleft_neither_spreads_nor_is_covered(capsys: pytest.CaptureFixture[str]) -> None:
    """40 repositories: a permissive one with vendored GPL in one of six ways, and the other way round."""
    ways: list[tuple[str, Tree, str]] = [
        ("own LICENSE", {"lib/gnu/LICENSE": GPL}, ""), ("own COPYING", {"lib/gnu/COPYING": GPL}, ""),
        ("metadata", {"lib/gnu/package.json": '{"license": "GPL-3.0"}'}, ""), 
        ("tag", {}, "// SPDX-License-Identifier: GPL-2.0\n"),
        ("notice", {}, GPL_HEAD), ("LICENSES folder", {"lib/gnu/LICENSES/GPL-3.0-only.txt": GPL}, ""),
    ]  # fmt: skip
    found = planted = wrong = clean = 0
    for i in range(40):
        _, extra, head = ways[i % len(ways)]
        outer = [MIT, APACHE, BSD, TEXTS["ISC"]][i % 4]
        repository = Repository(collect({"LICENSE": outer, **extra}.items()))
        for path in ("lib/gnu/a.js", "lib/gnu/deep/b.js"):
            planted += 1
            found += why(Licences().judge(File("s", "r", path, head + "x\n"), repository)) == "copyleft licence"
        for path in ("main.js", "lib/own.js", "lib/gnu2/a.js", "lib/a/b/c.js"):
            clean += 1
            wrong += Licences().judge(File("s", "r", path, "x\n"), repository).drop is not None
        inside_gpl = Repository(collect({"COPYING": GPL, "third/mit/LICENSE": outer}.items()))
        clean += 1
        wrong += Licences().judge(File("s", "r", "third/mit/a.js", "x\n"), inside_gpl).drop is not None
        planted += 1
        found += why(Licences().judge(File("s", "r", "third/a.js", "x\n"), inside_gpl)) == "copyleft licence"
    recall, precision = found / planted, found / (found + wrong)
    with capsys.disabled():
        print(f"\nvendored copyleft: {planted} files, recall {recall:.3f}; {clean} clean, precision {precision:.3f}")
    assert recall == precision == 1


def test_real_packages_as_they_are_installed() -> None:
    """A wheel's dist-info speaks for what it installed beside it."""
    root = Path(sysconfig.get_paths()["purelib"])
    paths = [path for dist in root.glob("*.dist-info") for path in dist.rglob("*") if path.is_file()]
    paths += root.glob("*/LICENSE*")
    names = {path: path.relative_to(root).as_posix() for path in paths}
    facts = collect((n, p.read_text("utf-8", "replace")) for p, n in names.items() if is_interesting(n) and p.is_file())
    repository = Repository(facts)
    expected = {"pytest": "MIT", "click": "BSD-3-Clause", "tqdm": "MPL-2.0 AND MIT", "pathspec": "MPL-2.0",
                "datasets": "Apache-2.0", "hypothesis": "MPL-2.0"}  # fmt: skip
    for package, licence in expected.items():
        verdict = Licences().judge(File("s", None, f"{package}/main.py", "x = 1\n"), repository)
        assert verdict.licence == licence and verdict.texts, package
        assert (verdict.drop is None) == ("MPL" not in licence)
