"""All rules: as tables of a TOML file, each asked alone, on the library, and on input that is out to break them."""

import dataclasses
import inspect
import time
from typing import Any

import pytest

from codetitan.config import schema
from codetitan.config.load import Setting, Tree
from codetitan.errors import ConfigError
from codetitan.prepare.rules import RULES, TEXT_RULES
from tests.prepare.rules.made import library, made

Prepare = dataclasses.make_dataclass(
    "Prepare",
    [(name, rule, dataclasses.field(default_factory=rule)) for name, rule in RULES.items()],
    kw_only=True,
)


def build(tables: dict[str, dict[str, Any]]) -> Any:
    tree: Tree = {
        name: {key: Setting(value, "a.toml", 0) for key, value in table.items()} for name, table in tables.items()
    }
    return schema.build(Prepare, {"prepare": tree}["prepare"], "prepare", Prepare)


def test_each_table_is_one_class_with_a_source() -> None:
    for name, rule in RULES.items():
        assert name == rule.NAME and dataclasses.is_dataclass(rule)
        assert isinstance(rule().enable, bool)
        assert "Source:" in (inspect.getdoc(rule) or ""), name
    assert {name for name, rule in RULES.items() if not rule().enable} == {"syntax", "copyright", "quality", "balance"}


def test_notices_go_before_the_rules_of_text() -> None:
    """Else a short header with a long licence is mostly comments."""
    names = list(RULES)
    assert names[:2] == ["paths", "copyright"] and names[-1] == "balance"
    assert set(TEXT_RULES) < set(names)
    header = made(
        "/*\n" + " * Permission is hereby granted, free of charge.\n" * 20 + " */\nint f(int x);\n", "c", "a.h"
    )
    comments, notices = RULES["comments"](), RULES["copyright"](enable=True)
    assert comments.judge(header) is not None
    text, _ = notices.change(header)
    assert text == "int f(int x);\n" and comments.judge(made(text, "c", "a.h")) is None


def test_tables_are_read() -> None:
    config = build({"long_lines": {"max_longest": 500, "loose_languages": []}, "digits": {"enable": False}})
    assert config.long_lines.max_longest == 500 and config.long_lines.max_mean == 100
    assert not config.digits.enable and config.paths.max_bytes == 1_000_000
    assert build({"data_files": {"max_lines": "none"}}).data_files.max_lines is None
    assert build({"balance": {"shares": {"python": 1}}}).balance.shares == {"python": 1.0}


@pytest.mark.parametrize(
    ("table", "key", "value", "line"),
    [
        ("long_lines", "max_longst", 5,
         '.max_longst (a.toml): unknown key; did you mean "prepare.long_lines.max_longest"?'),
        ("long_lines", "max_longest", 0, ".max_longest = 0 must be at least 1, and finite"),
        ("long_lines", "max_mean", float("inf"), ".max_mean = inf must be at least 1, and finite"),
        ("long_lines", "loose_languages", ["jsn"],
         '.loose_languages has "jsn", which is no language; did you mean "json"?'),
        ("alphabetic", "min_share", 25, ".min_share = 25.0 must lie between 0 and 1"),
        ("digits", "max_share_of", {"sql": 2}, ".max_share_of has sql = 2.0, which must lie between 0 and 1"),
        ("duplicate_lines", "max_share", -0.1, ".max_share = -0.1 must lie between 0 and 1"),
        ("syntax", "languages", ["pyton"],
         '.languages has "pyton", of which there is no grammar; did you mean "python"?'),
        ("paths", "keep", ["!a"], '.keep has "!a": write what is kept into keep, without the "!"'),
        ("quality", "enable", True,
         '.function is missing; name one, such as "my_scores:educational", or set enable = false'),
        ("quality", "use", "wieght",
         '.use = "wieght" (a.toml) must be one of threshold, weight; did you mean "weight"?'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_with_its_key(table: str, key: str, value: object, line: str) -> None:
    with pytest.raises(ConfigError) as error:
        build({table: {key: value}})
    assert str(error.value) == f"prepare.{table}{line}"


def test_each_rule_says_its_own_name_and_is_asked_alone() -> None:
    rules = {name: rule() for name, rule in TEXT_RULES.items()}
    empty, data = made(""), made("0" * 5000)
    for file in (empty, data):
        drops = {name: drop for name, rule in rules.items() if (drop := rule.judge(file)) is not None}
        assert all(drop.rule == name for name, drop in drops.items())
        alone = {name: rule.judge(made(file.text)) for name, rule in rules.items()}  # on a file nobody has looked at
        assert drops == {name: drop for name, drop in alone.items() if drop is not None}
    assert set(drops) == {"long_lines", "alphabetic", "digits", "encoded_data"}


# Of 1,790 files. A rule that drops far more than this of reviewed code is wrong; one that drops nothing is not there.
BOUNDS = {
    "paths": (0.3, 0.8), "replacement": (0.0005, 0.01), "short_files": (0.01, 0.08), "line_count": (0, 0),
    "long_lines": (0.0005, 0.01), "short_lines": (0.001, 0.05), "generated": (0.002, 0.02), "xml": (0, 0),
    "data_files": (0, 0), "html": (0, 0), "alphabetic": (0.001, 0.05), "digits": (0.002, 0.03),
    "white_space": (0, 0.01), "encoded_data": (0.0005, 0.01), "duplicate_lines": (0.001, 0.02),
    "comments": (0.002, 0.03), "asserts": (0.005, 0.05),
}  # fmt: skip


@pytest.mark.parametrize("name", ["paths", *TEXT_RULES])
def test_how_much_of_the_library_each_drops(name: str) -> None:
    rule = RULES[name]()
    dropped = [file.path for file in library() if rule.judge(file) is not None]
    low, high = BOUNDS[name]
    assert low <= len(dropped) / len(library()) <= high, dropped[:20]


PIECES = ["x", "\n", "#", "//", "/*", '"', "'", '"""', "0x41,", "41 ", "\\u0041", "41   ", "A", "=\n", "<!--", "é",
          "\r", "assert ", "\\", "\ufffd", "`", "; ", "-- ", "# Copyright 2020\n", "/* (c) 2020 */\n"]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_a_megabyte_of_the_same_takes_no_minute(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    start = time.process_time()
    for language, path in (("python", "a.py"), ("javascript", "a.js"), ("sql", "a.sql")):
        file = made(text, language, path)
        for rule in [RULES["paths"](), *(rule() for rule in TEXT_RULES.values())]:
            rule.judge(file)
        RULES["copyright"]().change(file)
    assert time.process_time() - start < 20
