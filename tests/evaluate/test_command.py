"""The command, on a real model of random weights; and the line of each thing that can be wrong with it."""

import json
import os
import signal
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest

from codetitan.cli import main
from codetitan.cli.evaluate import EvaluateCommand
from codetitan.engine.local import Local
from codetitan.evaluate import results
from codetitan.evaluate.protocols import PROTOCOLS
from codetitan.sandbox import Sandbox, SandboxError
from tests.conftest import REPOSITORY
from tests.hf.conftest import TRANSFORMERS_4, Install


def samples(folder: Path, task: str) -> dict[tuple[str, int], dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / f"{task}.samples.jsonl").read_text().splitlines()]
    return {(line["task_id"], line["sample"]): line for line in lines}


def test_what_a_model_writes_does_not_depend_on_the_batch(saved: Path, tmp_path: Path) -> None:
    """A checkpoint and its export, in batches of one and of many: the same samples and the same results."""
    options = ["--tasks", "humaneval,humaneval-infilling-single-line,gold", "--limit", "2", "--max-new-tokens", "8"]
    options += ["--samples", "2", "--temperature", "0.9", "--seed", "3"]
    found = []
    for name, model, batch in (("a", "model", "1"), ("b", "step-7", "100000")):
        words = ["--model", str(saved / model), "--output", str(tmp_path / name), "--batch-tokens", batch]
        assert main(["evaluate", *words, *options]) == 0
        found.append(results.read(tmp_path / name))
    first, second = found
    assert (first.model["step"], second.model["step"]) == (None, 7)
    assert first.model["fingerprint"] == second.model["fingerprint"]
    assert (first.engine["batch_tokens"], second.engine["batch_tokens"]) == ([1], [100000])
    for task in ("humaneval", "humaneval-infilling-single-line"):
        of_first, of_second = samples(tmp_path / "a", task), samples(tmp_path / "b", task)
        assert len(of_first) == 4 and of_first.keys() == of_second.keys()
        for key, sample in of_first.items():
            assert sample["completion"] == of_second[key]["completion"]
            assert sample["log_probability"] == pytest.approx(of_second[key]["log_probability"], abs=1e-3)
        assert first.tasks[task] == second.tasks[task]
    assert len({sample["completion"] for sample in samples(tmp_path / "a", "humaneval").values()}) == 4
    bits = [result.tasks["gold"].scores["bits_per_byte"].value for result in found]
    assert bits[0] == pytest.approx(bits[1], abs=1e-6) and 2 < bits[0] < 8


def test_the_command_has_every_protocol() -> None:
    hints = typing.get_type_hints(EvaluateCommand)
    assert list(typing.get_args(hints["protocol"])) == list(PROTOCOLS)


@pytest.mark.slow
def test_transformers_4(saved: Path, tmp_path: Path, install: Install) -> None:
    """The older transformers gives the same samples."""
    found = []
    for name, path in (("older", [str(install(*TRANSFORMERS_4))]), ("newer", [])):
        words = ["--model", str(saved / "model"), "--output", name, "--tasks", "humaneval", "--limit", "4"]
        done = subprocess.run(
            [sys.executable, "-m", "codetitan.cli", "evaluate", *words, "--max-new-tokens", "12", "--samples", "2"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([*path, str(REPOSITORY)])},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        found.append({key: line["completion"] for key, line in samples(tmp_path / name, "humaneval").items()})
    assert found[0] == found[1] and len(found[0]) == 8
    versions = [results.read(tmp_path / name).engine["versions"]["transformers"] for name in ("older", "newer")]
    assert versions[0].startswith("4.") and versions[1].startswith("5.")


def test_ctrl_c(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Local, "score", interrupted)
    words = ["--model", str(saved / "model"), "--output", str(tmp_path / "out"), "--tasks", "gold", "--limit", "2"]
    assert main(["evaluate", *words]) == 130
    out, err = capsys.readouterr()
    assert (out, err) == ("", "codetitan: gold: stopped; 0 of 2 problems are done; the same command goes on\n")


def test_an_export_does_not_stay(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a command that SIGTERM ends, nor of one that was killed while it exported: it is below the output."""
    out = tmp_path / "out"
    words = ["--model", str(saved / "step-7"), "--output", str(out), "--tasks", "gold", "--limit", "1"]

    def terminated(*_: object) -> None:
        assert (out / ".model" / "model" / "config.json").exists()
        signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as caught:
        patch.setattr(Local, "score", terminated)
        main(["evaluate", *words])
    assert caught.value.code == 128 + signal.SIGTERM and signal.getsignal(signal.SIGTERM) == before
    assert capsys.readouterr().err == "codetitan: gold: stopped; 0 of 1 problems are done; the same command goes on\n"
    assert not (out / ".model").exists()
    (out / ".model" / ".model.host-1.partial").mkdir(parents=True)
    (out / "evaluation.json").unlink()
    (out / "gold.samples.jsonl").unlink()
    assert main(["evaluate", *words]) == 0
    assert not (out / ".model").exists() and results.read(out).tasks["gold"].problems == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--tasks humanevl", '--tasks "humanevl": no such task; there are humaneval, '),
        ("--tasks gold --temperature -1", "--temperature -1.0 must be 0, or a number from 0.01 on"),
        ("--tasks gold --temperature 0.001", "--temperature 0.001 must be 0, or a number from 0.01 on"),
        ("--tasks gold --top-p 0", "--top-p 0.0 must lie above 0 and up to 1"),
        ("--tasks gold --samples 0", "--samples 0 must be at least 1"),
        ("--tasks gold --samples 5 --k 1,10", "--k 10 needs --samples of at least 10, and there are 5"),
        ("--tasks gold --k 1,x", "--k 1,x must be whole numbers from 1 on, such as 1,10"),
        ("--tasks gold --samples 5 --protocol evalplus", "--samples 5 needs --temperature: the protocol evalplus is "),
        ("--tasks gold --protocol bigcod", "--protocol bigcod must be one of bigcode, evalplus, deepseek; did you mean"),
        ("--tasks mbpp", "--tasks mbpp needs a file: --data mbpp=PATH"),
        ("--tasks mbpp --data nowhere", "--data mbpp=nowhere: No such file or directory"),
        ("--tasks gold --limit 2 --seed -1", "--seed -1 must be a whole number from 0 to 2147483647"),
        ("--tasks gold --limit 2 --output taken", "--output taken holds something other than an evaluation; choose a new"),
        ("--tasks gold --limit 2 --output s3://bucket/x", "--output s3:/bucket/x is not on this machine; copy it from"),
        ("--tasks gold --limit 2 --model nowhere", "nowhere: no such folder"),
        ("--tasks gold --limit 2 --model taken", "taken is no checkpoint, and has none: a folder such as "),
        ("--tasks humaneval --limit 2 --max-new-tokens 600", "--max-new-tokens 600 must leave the prompt half"),
        ("--tasks gold --limit 2 --model other-tokenizer", "--model other-tokenizer has no tokenizer.json"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(
    saved: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for place, file in (("taken", "x"), ("other-tokenizer", "config.json")):
        Path(place).mkdir()
        (Path(place) / file).write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    given = words.split()
    for option, value in (("--model", str(saved / "model")), ("--output", "out")):
        if option not in given:
            given += [option, value]
    assert main(["evaluate", *given]) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"codetitan: error: {line}") and err.count("\n") == 1 and out == ""
    assert sorted(tmp_path.rglob("*")) == before, "nothing is left behind"


def test_a_machine_without_a_sandbox(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is refused before the model is loaded; where nothing is run, no sandbox is asked for."""

    def refuses(self: Sandbox) -> None:
        raise SandboxError("this kernel has no Landlock; --unsafe")

    monkeypatch.setattr(Sandbox, "__enter__", refuses)
    words = ["evaluate", "--model", str(saved / "model"), "--output", str(tmp_path / "out"), "--limit", "1"]
    with monkeypatch.context() as patch:
        patch.setattr(Local, "__init__", lambda *_: pytest.fail("the model was loaded"))
        assert main([*words, "--tasks", "humaneval"]) == 2
    assert capsys.readouterr().err == "codetitan: error: this kernel has no Landlock; --unsafe\n"
    assert not (tmp_path / "out").exists()
    assert main([*words, "--tasks", "gold"]) == 0
