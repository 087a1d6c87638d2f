"""Notices of copyright: what goes, what stays, and that a second time changes nothing."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codetitan.prepare.rules.copyright import Copyright
from tests.prepare.rules.made import library, made

MIT = """// Copyright (c) 2020 Somebody
//
// Permission is hereby granted, free of charge, to any person obtaining a copy
// of this software, to deal in the Software without restriction.
//
// THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND.

"""
APACHE = """/*
 * Licensed to the Apache Software Foundation (ASF) under one or more
 * contributor license agreements.  See the NOTICE file for additional information
 *
 *    http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law, distributed on an "AS IS" BASIS.
 * Copyright 2014 ASF
 */
"""


def changed(text: str, language: str) -> str:
    new, counts = Copyright().change(made(text, language))
    assert bool(counts) == (new != text)
    if counts:
        assert counts["copyright notices"] > 0
        assert counts["lines of them"] == text.count("\n") - new.count("\n")
    return new


@pytest.mark.parametrize(
    ("language", "before", "after"),
    [
        ("c++", MIT + "int x;\n", "int x;\n"),
        ("c", "/* Copyright Intel Corporation (C) 2014-2016 */\n\nint x;\n", "int x;\n"),
        ("python",
         "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n# Copyright 2020 A\n# All rights reserved.\n\nx = 1\n",
         "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\nx = 1\n"),
        ("python", "# A module that does x.\n#\n# Copyright 2020 A\n# Licensed under the MIT licence\nx = 1\n",
         "# A module that does x.\n#\nx = 1\n"),
        ("c", "/*\n * a.c - does x\n *\n * Copyright 2020 A\n *\n * It does it well.\n */\nint x;\n",
         "/*\n * a.c - does x\n *\n * It does it well.\n */\nint x;\n"),
        ("c", "/* Copyright 2020 A\n *\n * It does x.\n */\nint x;\n", "/*\n * It does x.\n */\nint x;\n"),
        ("c", "/* It does x.\n *\n * Copyright 2020 A */\nint x;\n", "/* It does x.\n *\n */\nint x;\n"),
        ("php", "<?php\n// Copyright 2020 A\n$x = 1;\n", "<?php\n$x = 1;\n"),
        ("html", "<!DOCTYPE html>\n<!-- Copyright 2020 A -->\n<p>\n", "<!DOCTYPE html>\n<p>\n"),
        ("rust", "// SPDX-License-Identifier: MIT\n\n//! A crate.\n", "//! A crate.\n"),
        ("go", "// Copyright 2009 The Go Authors. All rights reserved.\r\n\r\npackage a\r\n", "package a\r\n"),
        ("c", "/* Copyright 2020 A\r\n *\r\n * It does x.\r\n */\r\nint x;\r\n",
         "/*\r\n * It does x.\r\n */\r\nint x;\r\n"),
        ("c", "/* It does x.\n *\n * Copyright 2020 A */", "/* It does x.\n *\n */"),
        ("python", "# Copyright 2020 A\n\f\nx = 1\n", "x = 1\n"),
        ("lua", "-- Copyright 2020 A\nx = 1\n", "x = 1\n"),
        ("java", "/* One. */\n/* Copyright 2020 A */\nclass A {}\n", "/* One. */\nclass A {}\n"),
        ("sql", "-- (c) 2019 A\nSELECT 1;\n", "SELECT 1;\n"),
    ],
)  # fmt: skip
def test_what_goes(language: str, before: str, after: str) -> None:
    assert changed(before, language) == after
    assert changed(after, language) == after


def test_a_whole_licence_goes() -> None:
    text = APACHE.replace("Licensed to the", "Licensed under an agreement with the")
    assert changed(text + "class A {}\n", "java") == "class A {}\n"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("python", "# Reads licences and permissions.\nx = 1\n"),  # no notice of its own
        ("python", "x = 1\n# Copyright 2020 A\n"),  # not at the head
        ("python", '"""Copyright 2020 A"""\nx = 1\n'),  # a docstring
        ("c", "/* Copyright 2020 A */ int x;\n"),  # with code in its line
        ("c", "/* Copyright 2020 A\nint x;\n"),  # never closed
        ("json", '{"copyright": "2020 A"}\n'),
        ("other", "# Copyright 2020 A\n"),
        ("c", ""),
    ],
)
def test_what_stays(language: str, text: str) -> None:
    assert changed(text, language) == text


PIECES = st.sampled_from(
    ["/* Copyright 2020 A\n", " * licensed under x\n", " *\n", " * words\n", " */\n", "// (c) 2020\n", "//\n",
     "// words\n", "\n", "int x;\n", "#!/bin/sh\n", "/* one */\n", "// warranty\r\n", "*/ x\n", "/*", "© 2020"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join))
def test_a_second_time_changes_nothing_and_no_line_is_made_up(text: str) -> None:
    once = changed(text, "c")
    assert changed(once, "c") == once
    rest = iter(text.split("\n"))
    made_up = [line for line in once.split("\n") if line.strip(" /*\r") and line not in rest]
    assert made_up == []


@pytest.mark.slow
def test_the_library_means_the_same_without_notices() -> None:
    n = 0
    for file in library():
        text, counts = Copyright().change(file)
        if counts:
            n += 1
            assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(file.text)), file.path
    assert n > 40


@pytest.mark.parametrize(
    ("language", "before", "after"),
    [
        ("go", "// Copyright X\n// +build linux\n\npackage a\n", "// +build linux\n\npackage a\n"),
        ("ruby", "# frozen_string_literal: true\n# Copyright X\nx\n", "# frozen_string_literal: true\nx\n"),
        ("javascript", "// @flow\n// Copyright X\n// All rights reserved.\nx\n", "// @flow\nx\n"),
        ("python", "# Copyright X\n# pylint: disable=x\nimport a\n", "# pylint: disable=x\nimport a\n"),
        ("c", "/* -*- mode: C -*-\n * Copyright X\n */\nint x;\n", "/* -*- mode: C -*-\n */\nint x;\n"),
    ],
)
def test_what_tools_read_stays(language: str, before: str, after: str) -> None:
    assert changed(before, language) == after
