"""Files of data, plain text, and XML under another name."""

import pytest

from codetitan.prepare.file import Drop
from codetitan.prepare.rules.data_files import DataFiles
from codetitan.prepare.rules.xml import Xml
from tests.prepare.rules.made import made


@pytest.mark.parametrize(
    ("language", "path"),
    [("json", "a.json"), ("yaml", "a.yml"), ("text", "README.txt"), ("other", "a.owl"), ("other", "a.DOT"),
     ("other", "a.gv")],
)  # fmt: skip
def test_512_lines(language: str, path: str) -> None:
    assert DataFiles().judge(made("x\n" * 512, language, path)) is None
    assert DataFiles().judge(made("x\n" * 513, language, path)) == Drop("data_files", "long data file", 513, 512)
    assert DataFiles(max_lines=None).judge(made("x\n" * 513, language, path)) is None


def test_other_languages_are_not_data() -> None:
    assert DataFiles().judge(made("x\n" * 513, "python")) is None


def test_characters_if_one_asks_for_them() -> None:
    rule = DataFiles(min_characters=50, max_characters=5000)
    assert rule.judge(made("x" * 50, "json")) is None and rule.judge(made("x" * 5000, "json")) is None
    assert rule.judge(made("x" * 49, "json")) == Drop("data_files", "small data file", 49, 50)
    assert rule.judge(made("x" * 5001, "json")) == Drop("data_files", "large data file", 5001, 5000)


@pytest.mark.parametrize(
    "name", ["README", "readme.txt", "docs/NOTES.txt", "TODO", "description.txt", "dev-Requirements.txt"]
)
def test_text_that_is_kept(name: str) -> None:
    assert DataFiles().judge(made("x", "text", name)) is None


@pytest.mark.parametrize("name", ["words.txt", "readme.old.txt", "log", "requirement/a.txt"])
def test_text_that_is_not(name: str) -> None:
    drop = DataFiles().judge(made("x", "text", name))
    assert drop == Drop("data_files", "text of another name", name.rpartition("/")[2])
    assert DataFiles(text_names=[], text_words=[]).judge(made("x", "text", name)) is None


def test_xml_under_another_name() -> None:
    text = '\ufeff<?xml version="1.0"?>\n<TS language="de">'
    assert Xml().judge(made(text, "typescript")) == Drop("xml", "XML under another name", "typescript", "xml")
    assert Xml().judge(made(text, "xml")) is None
    assert Xml(except_languages=[]).judge(made(text, "xml")) is not None
    assert Xml().judge(made(" " * 100 + text, "typescript")) is None
    assert Xml().judge(made(" " * 86 + "<?xml version=", "typescript")) is not None  # the first hundred characters
    assert Xml().judge(made(" " * 87 + "<?xml version=", "typescript")) is None
