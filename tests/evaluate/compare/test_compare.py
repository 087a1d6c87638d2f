"""`codetitan compare` on folders as training and evaluation write them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codetitan.cli import main
from codetitan.evaluate import results
from codetitan.evaluate.compare import runs
from codetitan.evaluate.compare.runs import Point, read, tokens_at
from codetitan.evaluate.results import Results, TaskResult
from codetitan.evaluate.scores import Score
from codetitan.training.evaluations import Evaluated

# A round as training writes it, its groups among them, and a step's record, shortened.
ROUND = {
    "validation/loss": 9.5264, "validation/bits_per_byte": 4.7706, "validation/bits_per_byte/python": 4.7706,
    "validation/bits_per_byte/docstring": 2.9105, "validation/bits_per_byte/code": 5.1215,
    "validation/loss/fim": 9.2279, "validation/bits_per_byte/comment": 3.6041, "validation/bits_per_byte/fim": 3.8193,
    "validation/bits_per_byte/fim/psm/syntax": 2.8278, "validation/bits_per_byte/gold": 4.1586,
    "validation/seconds": 39.8, "validation/share_of_time": 0.7171, "validation/set": "92ff6ff74acc",
}  # fmt: skip
CONFIG = """
hf_assets_path = "code-32k"

[validation]
interval = 2
share = {share}
tokens = "4K"

[training]
seq_len = 256
"""
Round = dict[str, Any]


def training_step(step: int) -> Round:
    return {"step": step, "loss": 10.4, "lr": 0.0025, "tokens_seen": 4096 * step, "mfu": None, "padding": 195}


def validation_round(step: int, factor: float = 1.0, **changes: Any) -> Round:
    numbers = {name: value * factor if isinstance(value, float) else value for name, value in ROUND.items()}
    return {"kind": "validation", "step": step, **numbers, **changes}


def evaluation(step: int, value: float, error: float = 0.02) -> Round:
    name = "evaluation/humaneval/pass@1"
    return {"kind": "evaluation", "step": step, name: value, f"{name}/standard_error": error, "evaluation/set": "abc"}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, records: list[Round] | str, *, share: float = 0.1) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        lines = records if isinstance(records, str) else "".join(json.dumps(record) + "\n" for record in records)
        (folder / "metrics.jsonl").write_text(lines)
        (folder / "config.toml").write_text(CONFIG.format(share=share))
        return folder

    return write


def two_rounds(factor: float, **changes: Any) -> list[Round]:
    rounds = [validation_round(4, factor, **changes), validation_round(8, 0.9 * factor, **changes)]
    return [training_step(1), training_step(3), rounds[0], training_step(6), training_step(8), rounds[1]]


@pytest.fixture
def evaluated(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, tasks: dict[str, dict[str, Score]], **changes: Any) -> Path:
        protocol = {
            "harness": "codetitan 0.1.0", "data": {"name": "HumanEval", "sha256": "e0c4"}, "name": "bigcode",
            "stops": ["\nclass", "\ndef"], "samples": 1, "temperature": 0.0, "seed": None, "limit": None,
            "sandbox": {"wall_s": 5.0, "unsafe": False},
        }  # fmt: skip
        found = Results(
            model={"path": "outputs/a/checkpoint/step-8", "step": 8, "fingerprint": "f"},
            engine={"back_end": "transformers", "device": "cpu", "dtype": "float32", "versions": {"torch": "2.14.1"}}
            | changes.pop("engine", {}),
            tasks={
                task: TaskResult(protocol=protocol | changes, problems=164, completions=164, scores=scores)
                for task, scores in tasks.items()
            },
            codetitan="0.1.0",
        )
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(results.to_json(found))
        return folder

    return write


def pass_at_1(value: float) -> dict[str, dict[str, Score]]:
    return {"humaneval": {"pass@1": Score(value, 0.026, 164), "syntax": Score(0.9, 0.01, 164)}}


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """The lines that a comparison prints, which must succeed."""

    def compare(*words: Any) -> list[str]:
        code = main(["compare", *map(str, words)])
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        return [line for line in out.splitlines() if line]

    return compare


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def compare(*words: Any) -> str:
        code = main(["compare", *map(str, words)])
        out, err = capsys.readouterr()
        assert (code, out, err.count("\n")) == (2, "", 1)
        return err.removeprefix("codetitan: error: ").removesuffix("\n")

    return compare


def test_two_runs(run: Callable[..., Path], said: Callable[..., list[str]], tmp_path: Path) -> None:
    a, b, output = run("a", two_rounds(1.0)), run("b", two_rounds(0.95)), tmp_path / "out"
    lines = said(a, b, "--output", output)
    assert lines == [
        "|  | a | b |",
        "| --- | --: | --: |",
        "| step | 8 | 8 |",
        "| tokens | 32,768 | 32,768 |",
        "| loss | 8.5738 | **8.1451** |",
        "| lowest loss | 8.5738 at step 8 | 8.1451 at step 8 |",
        "| bits per byte | 4.2935 | **4.0789** |",
        "| bits per byte, code | 4.6094 | **4.3789** |",
        "| bits per byte, comment | 3.2437 | **3.0815** |",
        "| bits per byte, docstring | 2.6195 | **2.4885** |",
        "| bits per byte, python | 4.2935 | **4.0789** |",
        "| bits per byte, fim | 3.4374 | **3.2655** |",
        "| loss, fim | 8.3051 | **7.8899** |",
        "| bits per byte, fim psm syntax | 2.5450 | **2.4178** |",
        "| bits per byte, gold | 3.7427 | **3.5556** |",
        f"{output}: comparison.md, curves.png",
    ]
    written = (output / "comparison.md").read_text()
    assert written.startswith("\n".join(lines[:-1])) and written.endswith("\n![curves](curves.png)\n")
    assert (output / "curves.png").read_bytes().startswith(b"\x89PNG") and not (output / "scores.png").exists()
    # Again, into the same folder; with another order of the words.
    assert said("--anyway", b, "--output", output, a)[0] == "|  | b | a |"


def test_runs_and_evaluations(
    run: Callable[..., Path],
    evaluated: Callable[..., Path],
    said: Callable[..., list[str]],
    refused: Callable[..., str],
    tmp_path: Path,
) -> None:
    looped = [*two_rounds(1.0), evaluation(4, 0.01), evaluation(8, 0.03)]
    a, b = run("x/run", looped), run("y/run", two_rounds(1.0))
    c = evaluated("x/eval", pass_at_1(0.128), engine={"dtype": "bfloat16"})
    evaluated("x/run/evaluation/step-4", pass_at_1(0.01))
    evaluated("x/run/evaluation/step-8", pass_at_1(0.03))
    (tmp_path / "x/run/evaluation/step-12").mkdir()  # under way
    lines = said(a, b, c, "--output", tmp_path)
    assert lines[0] == "|  | x/run | y/run | eval |"
    assert lines[2:5] == ["| step | 8 | 8 | 8 |", "| tokens | 32,768 | 32,768 |  |", "| loss | 8.5738 | 8.5738 |  |"]
    assert lines[-5:] == [
        "| humaneval pass@1 (164 problems) | 3.0 ± 2.6 % |  | **12.8 ± 2.6 %** |",
        "| humaneval syntax (164 problems) | 90.0 ± 1.0 % |  | 90.0 ± 1.0 % |",
        "± is one standard error over programs or files; the best of a row is bold, whether or not it is beyond it.",
        "The engines differ, which moves scores a little (x/run: transformers, cpu, float32; eval: transformers, cpu, "
        "bfloat16).",
        f"{tmp_path}: comparison.md, curves.png, scores.png",
    ]
    # Where the evaluations' folders are gone, the metrics have the scores.
    for folder in (tmp_path / "x/run/evaluation").glob("step-*"):
        for file in folder.iterdir():
            file.unlink()
    assert refused(a, b, c) == (
        f"x/run and eval were evaluated in different ways, or were asked different tasks; which, is gone with the "
        f"folder {a}/evaluation; these numbers don't compare, and --anyway shows them"
    )
    same = Evaluated.read(c, 8, 0.0).set  # as the training writes it
    records = (a / "metrics.jsonl").read_text().replace('"abc"', f'"{same}"')
    (a / "metrics.jsonl").write_text(records)
    lines = said(a, b, c)
    assert "| humaneval pass@1 | 3.0 ± 2.0 % |  | **12.8 ± 2.6 %** |" in lines
    # One alone is shown, too.
    assert said(c)[2:4] == ["| step | 8 |", "| humaneval pass@1 (164 problems) | 12.8 ± 2.6 % |"]
    assert said(c)[-1] == "± is one standard error over programs or files."


def test_scores_of_one_checkpoint(
    run: Callable[..., Path], evaluated: Callable[..., Path], said: Callable[..., list[str]]
) -> None:
    a = run("a", [*two_rounds(1.0), evaluation(4, 0.01)])
    gold = {"gold": {"bits_per_byte": Score(1.5, 0.1, 164)}}
    evaluated("a/evaluation/step-4", pass_at_1(0.01) | gold)
    under_way = evaluated("a/evaluation/step-8", gold)
    (under_way / "evaluation.json").write_text('{"model": {}, "tasks": {"gold": {}, "humaneval": {}}}')
    lines = said(a)
    assert lines[2] == "| step | 8 |" and "a: scores are of step 4." in lines
    assert "| humaneval pass@1 (164 problems) | 1.0 ± 2.6 % |" in lines
    (under_way / "evaluation.json").write_text('{"model": {}, "tasks": {"gold": {}}}')  # one task is all of it
    assert "| gold bits per byte (164 problems) | 1.500 ± 0.100 |" in (lines := said(a))
    assert not [line for line in lines if line.startswith("a: ")]


def test_names_that_matplotlib_would_read(run: Callable[..., Path], said: Callable[..., list[str]]) -> None:
    output = (a := run("$x_{$", two_rounds(1.0))).parent / "out"
    assert said(a, run("_b", two_rounds(0.9)), "--output", output)[-1] == f"{output}: comparison.md, curves.png"


def test_other_tokens_are_refused(
    run: Callable[..., Path], refused: Callable[..., str], said: Callable[..., list[str]]
) -> None:
    a, b = run("a", two_rounds(1.0)), run("b", two_rounds(1.0, **{"validation/set": "31aa"}), share=0.2)
    why = "a and b are measured on different tokens (sets 92ff6ff74acc, 31aa): validation.share 0.1 (a), 0.2 (b)"
    assert refused(a, b) == f"{why}; these numbers don't compare, and --anyway shows them"
    assert said(a, b, "--anyway")[-1] == f"Compared anyway: {why}."
    c = run("c", two_rounds(1.0, **{"validation/set": "31aa"}))
    assert ": the documents differ; these" in refused(a, c)


def test_other_protocols_are_refused(
    evaluated: Callable[..., Path], refused: Callable[..., str], said: Callable[..., list[str]]
) -> None:
    a = evaluated("a", pass_at_1(0.1))
    b = evaluated(
        "b", pass_at_1(0.2), temperature=0.2, samples=20, stops=[], data={"name": "HumanEval", "sha256": "ff"}
    )
    why = (
        "humaneval was asked in different ways: data.sha256 e0c4 (a), ff (b); stops '\\nclass', '\\ndef' (a), none "
        "(b); samples 1 (a), 20 (b); and 1 more"
    )
    assert refused(a, b) == f"{why}; these numbers don't compare, and --anyway shows them"
    lines = said(a, b, "--anyway")
    assert "Compared anyway: humaneval was asked" in lines[-2]
    assert (
        "**" not in "".join(lines) and lines[-1] == "± is one standard error over programs or files."
    )  # none is the best
    # What only one of them has does not matter.
    c = evaluated("c", pass_at_1(0.1) | {"gold": {"bits_per_byte": Score(1.5, 0.1, 164)}})
    assert "| gold bits per byte (164 problems) |  | 1.500 ± 0.100 |" in said(a, c)


def test_loops_with_other_protocols(run: Callable[..., Path], refused: Callable[..., str]) -> None:
    a = run("a", [evaluation(4, 0.01)])
    b = run("b", [evaluation(4, 0.01) | {"evaluation/set": "def"}])
    assert refused(a, b).startswith("a and b were evaluated in different ways, or were asked different tasks; ")


def test_mistakes(
    run: Callable[..., Path], evaluated: Callable[..., Path], refused: Callable[..., str], tmp_path: Path
) -> None:
    a, c = run("a", two_rounds(1.0)), evaluated("c", pass_at_1(0.1))
    assert refused() == "compare: no run is named; codetitan compare outputs/a outputs/b"
    assert refused(a, a.parent / "b") == f"{tmp_path}/b: No such file or directory"
    assert refused(a / "metrics.jsonl") == f"{a}/metrics.jsonl: Not a directory"
    assert refused(a, f"{a}/") == f"{a} is named twice"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused(empty) == f"{empty} has no metrics.jsonl of a run and no results.json of codetitan evaluate"
    (empty / ".metadata").touch()
    assert refused(empty).startswith(f"{empty} is a checkpoint; name its run's folder, or what codetitan evaluate")
    trained = run("trained", [training_step(1)])
    assert refused(trained) == (
        f"{trained}/metrics.jsonl has no validation round and no evaluation; set validation.interval, or compare what "
        "codetitan evaluate wrote"
    )
    torn = run("torn", json.dumps(training_step(1)) + "\n{oops\n" + json.dumps(validation_round(2)) + "\n")
    assert refused(torn) == f"{torn}/metrics.jsonl: line 2 is no record of a step"
    (c / "results.json").write_text("{}")
    assert refused(c).startswith(f"{c}/results.json is not what codetitan evaluate writes")
    file = tmp_path / "file"
    file.touch()
    assert refused(a, "--output", file) == f"--output {file} is no folder"
    assert (
        refused(a, "--output")
        == "--output: its value is missing; codetitan compare --output PATH; see codetitan compare --help"
    )
    assert refused(a, "--outptu", "x") == '--outptu: unknown option; did you mean "--output"?'


def test_a_run_that_is_writing_and_one_that_went_on(run: Callable[..., Path]) -> None:
    lines = [validation_round(2, 2.0, **{"validation/set": "old"}), *two_rounds(1.0), validation_round(8, 0.5)]
    lines += [validation_round(10) | {"validation/loss": None}]
    text = "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 11, "lo'
    found = read(run("a", text), "a")
    points = found.curves["validation/loss"]
    assert [(point.step, point.value) for point in points] == [(4, 9.5264), (8, 4.7632)]  # not finite: no point
    assert points[0] == Point(4, 4096 * 4, 9.5264)  # between the logged steps 3 and 6
    assert found.notes == ["a: 1 earlier validation rounds were on another set, and are left out"]
    assert found.step == 10 and "validation/seconds" not in found.curves


@pytest.mark.parametrize(
    ("step", "tokens"), [(0, 0), (1, 100), (5, 500), (10, 1000), (15, 2000), (20, 3000), (25, 4000)]
)
def test_tokens_at_a_step(step: int, tokens: int) -> None:
    assert tokens_at(step, [(10, 1000), (20, 3000)]) == tokens
    assert tokens_at(step, []) is None
    assert tokens_at(3, [(2, 200)]) == 300


def test_names_are_as_short_as_they_can_be() -> None:
    paths = map(Path, ("/o/a/run", "/o/b/run", "/o/c", "/p/c"))
    assert runs.names(list(paths)) == ["a/run", "b/run", "o/c", "p/c"]
    assert runs.names([Path("/a"), Path("/b/a")]) == ["a", "b/a"]
