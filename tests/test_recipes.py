"""The commands and files of docs/recipes.md are accepted; what they do was tried when they were written."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from codetitan.config.load import find
from codetitan.config.resolve import resolve
from codetitan.launch import parse
from tests.config.test_plans import tokenizer
from tests.conftest import REPOSITORY

TEXT = (REPOSITORY / "docs" / "recipes.md").read_text(encoding="utf-8")
COMMANDS = [
    command.partition("codetitan train")[2].strip()
    for block in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
    for command in block.replace("\\\n", " ").splitlines()
    if "codetitan train" in command
]
FILES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder where somebody has a run, and none of the shipped files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.toml").write_text('extends = "code_350m.toml"')


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_accepted(command: str) -> None:
    config, overrides = parse(shlex.split(command))
    resolved = resolve(find(config), [*overrides, *tokenizer(config)], world_size=8, here=False)
    assert resolved.config.model.flavor in ("350m", "qwen2.5-coder-1.5b", "starcoder2-3b")


@pytest.mark.parametrize("text", FILES)
def test_a_file_is_accepted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "its.toml"
    file.write_text(text)
    config = resolve(file, [], world_size=8, here=False).config
    assert config.dump_folder == tomllib.loads(text)["dump_folder"]


def test_there_are_recipes() -> None:
    assert len(COMMANDS) >= 8 and len(FILES) >= 2
