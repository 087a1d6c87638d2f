"""What was read wrongly of licences: exceptions that take away, tags in strings, mentions, notices in words of their own.

Where a reading errs, it must err towards leaving a file out.
"""

import itertools
import json
import time

import pytest
from identify.vendor.licenses import LICENSES

from codetitan.prepare.file import File
from codetitan.prepare.licences import Facts, Licences, Repository, Verdict, collect, is_interesting, merge
from codetitan.prepare.licences.debian import common, stanza_of, stanzas, texts
from codetitan.prepare.licences.header import said_by_file
from codetitan.prepare.licences.metadata import said
from codetitan.prepare.licences.spdx import both, normalised, parsed
from codetitan.prepare.licences.words import _NAMES, licence_of_words

TEXTS = dict(LICENSES)
MIT, GPL = TEXTS["MIT"], TEXTS["GPL-3.0"]
INMIT, IN_GPL = collect([("LICENSE", MIT)]), collect([("COPYING", GPL)])


def judged(text: str, facts: Facts, store: str | None = None, path: str = "src/a.py", **rule: object) -> Verdict:
    return Licences(**rule).judge(File("s", "o/n", path, text, licence=store), Repository(facts))  # type: ignore[arg-type]


def why(verdict: Verdict) -> str | None:
    return verdict.drop.reason if verdict.drop else None


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("Apache-2.0 WITH LLVM-exception", None), ("MIT WITH Commons-Clause", "licence not known"),
        ("Apache-2.0 WITH LicenseRef-scancode-commons-clause", "licence not known"),
        ("MIT with restrictions", "licence not known"), ("MIT WITH LicenseRef-x OR ISC", None),
        ("()", "licence not known"), ("( OR", "licence not known"), ("(" * 3000 + "MIT" + ")" * 3000, None), ("MIT+", None), ("LLVM-exception", "licence not known"),
        ("MIT/Apache-2.0 and GPL-3.0", "copyleft licence"), ("(MIT License or GPLv2) and GPLv3", "copyleft licence"),
        ("(MIT License or GPLv2) and Expat", None), ("(MIT License or", "licence not known"),
        ("NOASSERTION", "licence not known"),
    ],
)  # fmt: skip
def test_what_is_added_joined_and_bracketed(expression: str, reason: str | None) -> None:
    """WITH takes away as well; brackets and the slash bind; what is no expression ends no run."""
    assert why(judged("x", {"statements": {}, "texts": {}}, store=expression)) == reason


def test_a_store_that_asserts_nothing_says_nothing() -> None:
    assert why(judged("x", INMIT, store="NOASSERTION")) is None
    assert why(judged("x", IN_GPL, store="noassertion")) == "copyleft licence"
    nothing: Facts = {"statements": {}, "texts": {}}
    assert why(judged("x", nothing, store="NOASSERTION", keep_unlicensed=True)) == "licence not known"


def test_names_of_licences_are_spdxs() -> None:
    assert [name for name in _NAMES.values() if normalised(name) is None] == []
    for words, licence in {
        "ISC License (ISCL)": "ISC", "The Unlicense (Unlicense)": "Unlicense", "MIT (with restrictions)": None,
        "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0", "MIT No Attribution License (MIT-0)": "MIT-0",
        "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0", "Unlicensed": "LicenseRef-proprietary",
        "University of Illinois/NCSA Open Source License": "NCSA", "MIT License (GPL)": None,
    }.items():  # fmt: skip
        assert licence_of_words(words) == licence, words


TAG = "SPDX-License-Identifier: "
IN_STRINGS = {
    "a string": f'import re\nTAG = "{TAG}MIT"\n',
    "a list of strings": f"x = [\n    '# {TAG}MIT',\n]\n",
    "a function's docstring": f'def f():\n    """Reads::\n\n    {TAG}MIT\n    """\n',
    "an example in the module's docstring": f'"""Reads tags::\n\n    # {TAG}MIT\n"""\n',
    "a template": f'#!/usr/bin/env python\nHEAD = """\\\n/* {TAG}MIT */\n"""\n',
    "a template literal": f"const head = `\n// {TAG}MIT\n`\n",
    "quotes in a comment": f"# looks for '{TAG}MIT' at the head\n",
}
IN_PASSING = {
    "a bundle": "# This file bundles jquery, which is licensed under the MIT License.\n",
    "a part": "# Parts of this were released under the MIT license; the rest is not.\n",
    "an archive": "# Brings lib, which is Licensed under the Apache License, Version 2.0, in vendor/.\n",
    "a snippet": f"int a;\n/* SPDX-SnippetBegin\n * {TAG}MIT\n * SPDX-SnippetEnd */\n",
}


@pytest.mark.parametrize("head", [*IN_STRINGS.values(), *IN_PASSING.values()], ids=[*IN_STRINGS, *IN_PASSING])
def test_words_for_other_things_make_no_gpl_permissive(head: str) -> None:
    assert why(judged(head, IN_GPL)) == "copyleft licence"
    assert why(judged(head, INMIT)) is None


@pytest.mark.parametrize(
    ("head", "licence"),
    [
        (f'"""A module.\n\n{TAG}GPL-3.0-or-later\n"""\n', "GPL-3.0-or-later"),
        (f"// {TAG}GPL-2.0\rint x;\r", "GPL-2.0-only"), (f"// {TAG}GPL-2.0\r\nint x;\r\n", "GPL-2.0-only"),
        (f"\ufeff// {TAG}GPL-2.0\n", "GPL-2.0-only"), (f"// {TAG.lower()}GPL-2.0\n", "GPL-2.0-only"),
        (f"// Copyright Us. All Rights Reserved. {TAG}MIT-0\n", "MIT-0"),
        ("/*\n * This program and the accompanying materials are made available under the\n * terms of the Eclipse "
         "Public License 2.0 which is available at\n * http://www.eclipse.org/legal/epl-2.0\n */\n", "EPL-2.0"),
        ("# This work is licensed under the Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International "
         "License.\n", "CC-BY-NC-SA-4.0"),
        ("/* The contents of this file are subject to the terms of the Common Development and\n * Distribution License "
         "(the License). */\n", "CDDL-1.0"),
        ("# Use of this software is governed by the Business Source License.\n", "BUSL-1.1"),
        ("# Released under the MIT license. Some parts are under the GNU General Public License v3.\n",
         "GPL-3.0-only AND MIT"),
        ("# Licensed under the MIT license or, at your choice, under the GPL.\n", "MIT OR GPL-1.0-or-later"),
        ("/*!\n * jQuery v3.5.1\n *\n * Released under the MIT license\n * https://jquery.org/license\n */\n", "MIT"),
        ("# Licensed under the terms of the PolyForm Noncommercial License 1.0.0\n", None),
    ],
)  # fmt: skip
def test_what_a_head_names(head: str, licence: str | None) -> None:
    found = said_by_file(head)
    assert found is not None and found.licence == licence and found.alone
    if licence in ("MIT", "MIT-0"):
        assert why(judged(head, IN_GPL)) is None


@pytest.mark.parametrize(
    "text",
    [
        "import a\n" * 5 + f"# {TAG}GPL-3.0\n", "import a\n" * 5 + "# Under the terms of the GNU GPL.\n",
        "# words\n" * 30 + f"# {TAG}GPL-3.0\n",
    ],
)  # fmt: skip
def test_what_stands_too_far_below_is_no_head(text: str) -> None:
    """A tag in the first 30 lines; a notice before the fifth line of code."""
    assert said_by_file(text) is None
    near = text.replace("import a\n", "", 1).replace("# words\n", "", 1)
    assert said_by_file(near) is not None


def test_a_text_that_points_to_another_is_short() -> None:
    points = "The licence of this project is in the file COPYING. " * 6
    assert judged("x", collect([("LICENSE", points), ("COPYING", MIT)])).licence == "MIT"
    assert why(judged("x", collect([("LICENSE", points * 3), ("COPYING", MIT)]))) == "licence not known"


def test_ones_own_licence_can_be_allowed_where_a_head_names_it() -> None:
    head = f"// {TAG}LicenseRef-ours\n"
    assert why(judged(head, INMIT)) == "licence not known"
    assert why(judged(head, INMIT, allow=["LicenseRef-ours"])) is None


def test_versions_of_a_licence_hold_together_in_any_order() -> None:
    """A store may have a path twice: no version's conditions are lost, whichever task saw it first."""
    ours = "Do as you like, but not for commercial use. " * 20
    parts = [collect([("LICENSE", text)]) for text in (MIT, GPL, ours, "See COPYING")]
    parts += [collect([("package.json", f'{{"license": "{name}"}}')]) for name in ("MIT", "ISC")]
    merged = set()
    for order in itertools.permutations(parts):
        whole = order[0]
        for part in order[1:]:
            whole = merge(whole, part)
        merged.add(json.dumps(merge(whole, whole)))
    assert len(merged) == 1
    facts = merge(merge(parts[0], parts[2]), parts[4])
    assert why(judged("x", facts)) == "licence not known"
    assert len(judged("x", facts).texts) == 2


def test_descriptions_of_php_and_ruby() -> None:
    for name, text, licence in (
        ("composer.json", '{"license": ["MIT", "GPL-2.0-only"]}', "MIT OR GPL-2.0-only"),
        ("composer.json", '{"license": "proprietary"}', "LicenseRef-proprietary"),
        ("x.gemspec", 'Gem::Specification.new do |s|\n  s.license = "GPL-3.0"\nend\n', "GPL-3.0-only"),
        ("x.gemspec", 's.licenses = ["MIT", "GPL-2.0"]\n', "MIT OR GPL-2.0-only"),
    ):
        assert is_interesting(name)
        assert judged("x", collect([(name, text)])).licence == licence


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pom.xml", "<license><name>" * 20_000), ("PKG-INFO", " \n" * 200_000),
        ("pyproject.toml", "0.0." * 100_000), ("Cargo.toml", "a.b." * 100_000), ("setup.cfg", " \n" * 200_000),
    ],
)  # fmt: skip
def test_a_description_takes_no_minute(name: str, text: str) -> None:
    before = time.process_time()
    assert said(name, text) is None
    assert time.process_time() - before < 5


def test_debians_patterns() -> None:
    found = stanzas(
        "\ufeff\nformat: x\n\nfiles: a/*, b/[x].c\nlicense: GPL-2\n\nFiles: *a*a*a*a*a*a*a*a*b\nLicense: MIT\n"
    )
    assert found is not None
    its = [[patterns, words, None] for patterns, words in found]
    assert stanza_of(its, "a/deep/x.c") == stanza_of(its, "b/[x].c") == ("GPL-2", None)
    before = time.process_time()
    assert stanza_of(its, "c" + "a" * 2000) is None and stanza_of(its, "aaaaaaaaab") == ("MIT", None)
    assert time.process_time() - before < 2


def test_a_maintainers_own_word_for_a_licence() -> None:
    """Its text says which it is: in the paragraph, in one of its own, or in what that points to."""
    mit = "".join(f" {line or '.'}\n" for line in MIT.splitlines())
    text = (
        f"Format: 1.0\n\nFiles: *\nLicense: MIT-demo\n\nFiles: gpl/*\nLicense: GPL-demo\n\nFiles: m/*\nLicense: MPL-demo\n"
        f" See /usr/share/common-licenses/MPL-2.0.\n\nFiles: no/*\nLicense: permissive\n Do what you like.\n\nLicense: MIT-demo\n{mit}"
        "\nLicense: GPL-demo\n This is free software under the terms of the GNU General Public License version 2.\n"
    )
    assert list(texts(text)) == ["MPL-demo", "permissive", "MIT-demo", "GPL-demo"]
    assert common("/usr/share/common-licenses/GPL-2, and /usr/share/common-licenses/GPL-2.") == ["GPL-2"]
    facts = collect([("debian/copyright", text)])
    found = [Licences().judge(File("", None, path, "x"), Repository(facts)) for path in ("a", "gpl/a", "m/a", "no/a")]
    assert [verdict.licence for verdict in found] == ["MIT", "GPL-2.0-only", "MPL-2.0", "permissive"]
    assert [why(verdict) for verdict in found] == [None, "copyleft licence", "copyleft licence", "licence not known"]


def test_a_page_of_the_documentation_that_names_no_licence() -> None:
    """docs/license.rst, which includes the text above it: that one holds."""
    page = "License\n=======\n\n.. include:: ../LICENSE.txt\n"
    assert (
        judged("x", collect([("docs/license.rst", page), ("LICENSE.txt", MIT)]), path="docs/conf.py").licence == "MIT"
    )
    assert why(judged("x", collect([("docs/license.rst", page)]), path="docs/conf.py")) == "licence not known"
    gpl = collect([("docs/license.rst", "See the GPL."), ("LICENSE.txt", MIT)])
    assert why(judged("x", gpl, path="docs/conf.py")) == "licence not known"


def test_not_known_as_a_whole_but_copyleft_for_all_that_is_known() -> None:
    """TinyMCE: its text is a line about the GPL, its description names it; "not known" would let it through."""
    facts = collect(
        [("license.md", "GPL or ask us for a commercial licence"), ("package.json", '{"license": "GPL-2.0+"}')]
    )
    verdict = judged("x", facts, keep_unknown=True)
    assert why(verdict) == "copyleft licence" and Licences(keep_unknown=True).would_drop(verdict)
    assert why(judged("x", facts, keep_unknown=True, keep_copyleft=True)) is None


def test_pythons_licence_beside_ones_own() -> None:
    """Django's LICENSE.python: it tells of the GPL, and asks for nothing more."""
    python = (
        "Django has code of Python:\n\nA. HISTORY OF THE SOFTWARE\n\nnot GPL-compatible\n\nCWI LICENSE AGREEMENT FOR PYTHON 0.9\n\n"
        + "It comes as it is. " * 150
    )
    facts = collect([("LICENSE", MIT), ("LICENSE.python", python)])
    verdict = judged("x", facts)
    assert (verdict.licence, why(verdict)) == ("MIT AND Python-2.0", None)
    unknown = collect([("LICENSE", "Under the GPL, but:\n" + python), ("package.json", '{"license": "MIT"}')])
    verdict = judged("x", unknown)
    assert why(verdict) == "licence not known"
    assert verdict.drop is not None and verdict.drop.value == "MIT; not known: LICENSE"  # not "MIT" as if that were it


def test_trees_that_are_shared_are_not_changed() -> None:
    tree = parsed("MIT AND (MIT OR ISC)")
    assert both(["MIT AND (MIT OR ISC)", "MIT"]) == "MIT"
    assert str(parsed("MIT AND (MIT OR ISC)")) == str(tree) == "MIT AND (MIT OR ISC)"


def test_a_field_that_is_the_licences_text_is_no_name() -> None:
    text = "Somebody grants you a number of rights, all of which are listed below. " * 3
    metadata = f"Metadata-Version: 2.1\nLicense: {text}\nClassifier: License :: OSI Approved :: MIT License\n\nbody"
    assert len(text) > 200 and said("METADATA", metadata) == ["MIT License"]
    assert said("METADATA", metadata.replace(text, text[:150])) == [text[:150].strip()]
