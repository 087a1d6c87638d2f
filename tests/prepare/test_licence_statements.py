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
from codetitan.prepare.licences.debian import licence_words, stanzas
from codetitan.prepare.licences.header import said_by_file
from codetitan.prepare.licences.metadata import said
from codetitan.prepare.licences.spdx import both, normalised, parsed
from codetitan.prepare.licences.words import _NAMES, licence_of_words

TEXTS = dict(LICENSES)
MIT, GPL = TEXTS["MIT"], TEXTS["GPL-3.0"]
IN_MIT, IN_GPL = collect([("LICENSE", MIT)]), collect([("COPYING", GPL)])


def judged(text: str, facts: Facts, store: str | None = None, **rule: object) -> Verdict:
    return Licences(**rule).judge(File("s", "o/n", "src/a.py", text, licence=store), Repository(facts))  # type: ignore[arg-type]


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
    assert why(judged("x", IN_MIT, store="NOASSERTION")) is None
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
    "a snippet": f"int a;\n/* SPDX-SnippetBegin\n * {TAG}MIT\n * SPDX-SnippetEnd */\n",
}


@pytest.mark.parametrize("head", [*IN_STRINGS.values(), *IN_PASSING.values()], ids=[*IN_STRINGS, *IN_PASSING])
def test_words_for_other_things_make_no_gpl_permissive(head: str) -> None:
    assert why(judged(head, IN_GPL)) == "copyleft licence"
    assert why(judged(head, IN_MIT)) is None


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


def test_ones_own_licence_can_be_allowed_where_a_head_names_it() -> None:
    head = f"// {TAG}LicenseRef-ours\n"
    assert why(judged(head, IN_MIT)) == "licence not known"
    assert why(judged(head, IN_MIT, allow=["LicenseRef-ours"])) is None


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
    assert licence_words(found, "a/deep/x.c") == licence_words(found, "b/[x].c") == "GPL-2"
    before = time.process_time()
    assert licence_words(found, "c" + "a" * 2000) is None and licence_words(found, "aaaaaaaaab") == "MIT"
    assert time.process_time() - before < 2


def test_trees_that_are_shared_are_not_changed() -> None:
    tree = parsed("MIT AND (MIT OR ISC)")
    assert both(["MIT AND (MIT OR ISC)", "MIT"]) == "MIT"
    assert str(parsed("MIT AND (MIT OR ISC)")) == str(tree) == "MIT AND (MIT OR ISC)"
