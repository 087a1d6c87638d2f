"""Commands as people type them: what is wrong is one line that names the option; and where files are found."""

import dataclasses
import shutil
import subprocess
import sys
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import codetitan
from codetitan.cli import COMMANDS, main
from codetitan.cli.options import _type_of
from codetitan.config import load
from tests.conftest import REPOSITORY

ALL = ", ".join(COMMANDS)
WRONG: dict[Any, list[str]] = {
    int: ["x", "1.5", "1e3", "", str(2**70), "-5"],
    float: ["x", "1,5", "", "inf", "nan", "-5"],
    Path: ["", " "],
    str: [""],
}


def options(command: type) -> dict[str, Any]:
    """Option → type, as `codetitan COMMAND --help` lists them."""
    hints = typing.get_type_hints(command)
    return {f"--{field.name.replace('_', '-')}": _type_of(hints[field.name]) for field in dataclasses.fields(command)}


def required(command: type) -> list[str]:
    missing = dataclasses.MISSING
    fields = [f for f in dataclasses.fields(command) if f.default is missing and f.default_factory is missing]
    return [f"--{field.name.replace('_', '-')}" for field in fields]


def wrong_commands() -> Iterator[tuple[list[str], str]]:
    """(words, what the line must name): each option missing, misspelt, without a value and with a wrong one."""
    for name, command in COMMANDS.items():
        if name == "train":
            continue
        needed = required(command)
        complete = [word for option in needed for word in (option, "x")]
        for option in needed:
            rest = [word for other in needed if other != option for word in (other, "x")]
            yield [*name.split(), *rest], option
        for option, kind in options(command).items():
            slip = option[:3] + option[2:]
            yield [*name.split(), *complete, slip, "1"], slip
            if kind is bool:
                yield [*name.split(), *complete, f"{option}=yes"], option
                continue
            yield [*name.split(), *complete, option], option
            if typing.get_origin(kind) is tuple:
                continue
            for text in WRONG.get(kind, ["no such word", ""]):
                yield [*name.split(), *complete, option, text], option
                yield [*name.split(), *complete, f"{option}={text}"], option
        yield [f"{name.split()[0]}x"], f'"{name.split()[0]}x"'


def test_every_wrong_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    lost, cases = [], list(wrong_commands())
    for words, named in cases:
        code = main(words)
        out, err = capsys.readouterr()
        if code != 2 or out or err.count("\n") != 1 or not err.startswith("codetitan: error: ") or named not in err:
            lost.append((words, code, out, err))
    assert lost == [] and len(cases) >= 200


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("confg", f'"confg": no such command; there are {ALL}; did you mean "config"?'),
        ("data insepct", f'"data insepct": no such command; there are {ALL}; did you mean "data inspect"?'),
        ("--confg x", f'"--confg": no such command; there are {ALL}; did you mean "config"?'),
        ("export --chekpoint x", '--chekpoint: unknown option; did you mean "--checkpoint"?'),
        ("export --checkpoint x", "--output: missing; codetitan export --output PATH; see codetitan export --help"),
        ("flavors --seq-len 0", "--seq-len 0 must be at least 1"),
        ("infill --model x --order fim", "--order fim must be one of psm, spm"),
        ("flavors all", '"all": flavors takes options only; see codetitan flavors --help'),
        ("config --config nothing.toml", "nothing.toml: no such file; there are x.toml"),
        ("config --config x.toml oops", '"oops": expected --section.key VALUE, for example --training.steps 100'),
        ("config --config debgu", 'debgu: no such file; did you mean "debug"?'),
        ("config --config ~nobody-of-that-name/x.toml", '--config: "~nobody-of-that-name/x.toml": there is no user '
         '"nobody-of-that-name"; write the whole path'),
        ("tokenizer train --output x --source stdlib",
         '--source "stdlib" must be python-stdlib, directory:PATH, jsonl:PATH, parquet:PATH or huggingface:NAME; did you '
         'mean "python-stdlib"?'),
        ("train --confg x.toml", "--config: missing; for example codetitan train --config train_configs/debug.toml; did "
         'you mean "--config"?'),
    ],
)  # fmt: skip
def test_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.toml").write_text("")
    assert main(words.split()) == 2
    assert capsys.readouterr().err == f"codetitan: error: {line}\n"


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"codetitan {codetitan.__version__}\n"
    for words in ([], ["--help"], ["data"]):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 0 and all(name in capsys.readouterr().out for name in ["tokenizer train"])
    assert main(["train", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: codetitan train --config FILE")


@pytest.mark.parametrize("name", ["code_350m", "code_350m.toml", "train_configs/code_350m.toml"])
def test_shipped_configurations_are_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = REPOSITORY / "train_configs" / "code_350m.toml"
    assert load.find(Path(name)) == shipped
    assert capsys.readouterr().err == f"codetitan: note: {name}: taken from the package: {shipped}\n"
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")  # one's own of that name comes first, in silence
    assert load.find(Path(name)) == tmp_path / name and capsys.readouterr().err == ""


def test_the_recipe_can_be_extended_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('extends = "base.toml"')
    base = tomllib.loads((REPOSITORY / "train_configs" / "base.toml").read_text())
    assert set(load.load(tmp_path / "mine.toml")) == set(base)
    (tmp_path / "base.toml").write_text("[training]\nsteps = 3")
    assert set(load.load(tmp_path / "mine.toml")) == {"training"}


def test_a_home_folder_is_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(REPOSITORY / "train_configs" / "base.toml", tmp_path / "b.toml")
    (tmp_path / "a.toml").write_text('extends = "~/b.toml"')
    assert load.find(Path("~/a.toml")) == tmp_path / "a.toml"
    assert "dataloader" in load.load(Path("~/a.toml"))


def test_the_package_has_the_configurations() -> None:
    """The files that a wheel takes: codetitan/train_configs leads to train_configs."""
    files = {path.name for path in (REPOSITORY / "codetitan" / "train_configs").glob("*.toml")}
    assert files == {path.name for path in (REPOSITORY / "train_configs").glob("*.toml")} and "base.toml" in files


def test_a_full_disk_behind_the_output_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "codetitan.cli", "flavors"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr == "codetitan: error: the output can't be written: No space left on device\n"
