"""`codetitan prepare` at its command line: slips, help, Ctrl-C before and after its stages begin."""

from pathlib import Path

import pytest

from codetitan.cli import main
from codetitan.prepare.engine.run import TOLD


@pytest.mark.parametrize(
    ("word", "meant"), [("wy", '; did you mean "why"?'), ("dif", '; did you mean "diff"?'), ("starcoder", "")]
)
def test_a_slip_in_a_command_of_it(capsys: pytest.CaptureFixture[str], word: str, meant: str) -> None:
    assert main(["prepare", word, "--output", "corpus", "a"]) == 2
    assert capsys.readouterr().err == (
        f'codetitan: error: prepare "{word}": no such command; prepare has why, diff, or options{meant}\n'
    )


@pytest.mark.parametrize("command", ["prepare", "prepare why", "prepare diff"])
def test_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    said = capsys.readouterr().out
    assert "{None}" not in said and "(default: )" not in said
    if command == "prepare":
        assert all(name in said for name in ("report.html", "prepare why", "prepare diff"))


@pytest.mark.parametrize(
    ("where", "words", "told", "said"),
    [
        ("config.read_config", [], False, "stopped; the same command goes on\n"),
        ("run.prepare", [], False, "stopped; the same command goes on\n"),
        ("run.prepare", [], True, ""),
        ("dry_run.dry_run", ["--dry-run"], True, "stopped; a dry run leaves nothing behind\n"),
    ],
)
def test_ctrl_c_is_one_line_wherever_it_comes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    where: str, words: list[str], told: bool, said: str,
) -> None:  # fmt: skip
    def interrupt(*_: object, **__: object) -> None:
        error = KeyboardInterrupt()
        if told:
            error.add_note(TOLD)
        raise error

    monkeypatch.setattr(f"codetitan.prepare.{where}", interrupt)
    assert main(["prepare", "--config", "starcoder", "--output", str(tmp_path / "out"), *words]) == 130
    assert capsys.readouterr().out == said
