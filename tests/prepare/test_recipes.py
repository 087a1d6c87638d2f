"""The shipped recipes: found by name, complete, and with thresholds that are the published ones."""

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from codetitan.config import load
from codetitan.errors import ConfigError
from codetitan.prepare.config import Prepare, read_config
from codetitan.prepare.rules import RULES
from tests.conftest import REPOSITORY

FILES = sorted((REPOSITORY / "prepare_configs").glob("*.toml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_is_a_configuration(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no data there, and none is asked for before it runs
    config = read_config(Path(file.stem))
    assert config.sources and config.tokenizer == "code-32k"


def test_no_name_is_of_two_kinds() -> None:
    names = [{file.name for file in folder.glob("*.toml")} for folder in load.SHIPPED]
    assert all(names) and not set.intersection(*names)


def test_they_are_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = REPOSITORY / "prepare_configs" / "starcoder.toml"
    for name in ("starcoder", "starcoder.toml", "prepare_configs/starcoder.toml"):
        assert load.find(Path(name)) == shipped
        assert capsys.readouterr().err == f"codetitan: note: {name}: taken from the package: {shipped}\n"
    with pytest.raises(ConfigError, match=r'^train_configs/starcoder: no such file; did you mean "starcoder"\?$'):
        load.find(Path("train_configs/starcoder"))
    with pytest.raises(ConfigError, match=r'^starcodr: no such file; did you mean "starcoder"\?$'):
        load.find(Path("starcodr"))
    (tmp_path / "mine.toml").write_text('extends = "starcoder.toml"\n[prepare.alphabetic]\nmin_share = 0.3\n')
    mine = read_config(tmp_path / "mine.toml")
    assert (mine.alphabetic.min_share, mine.long_lines.max_longest) == (0.3, 1000)


def test_the_package_has_them() -> None:
    """The files that a wheel takes: codetitan/prepare_configs leads to prepare_configs."""
    found = {path.name for path in (REPOSITORY / "codetitan" / "prepare_configs").glob("*.toml")}
    assert found == {path.name for path in FILES} and "starcoder.toml" in found


def test_starcoders_has_every_rule() -> None:
    """A rule that is not written there would be in force by its default, which may be somebody else's."""
    table = tomllib.loads((REPOSITORY / "prepare_configs" / "starcoder.toml").read_text())["prepare"]
    rules = {field.name for field in fields(Prepare) if hasattr(getattr(Prepare(), field.name), "enable")}
    assert {*RULES, "licences", "secrets", "near_duplicates"} < rules <= set(table)
    # What is on has the default's thresholds, for these are StarCoder2's; `balance` has none.
    config = read_config(Path("starcoder"))
    for rule in rules - {"balance"}:
        mine, default = getattr(config, rule), getattr(Prepare(), rule)
        same = {f.name for f in fields(mine) if getattr(mine, f.name) == getattr(default, f.name)}
        assert {f.name for f in fields(mine)} - same <= ({"enable"} if not mine.enable else {"markers", "tests"}), rule
