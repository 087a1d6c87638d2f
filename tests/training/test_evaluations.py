"""Evaluations beside the training: one runs and one waits, and neither outlives the run."""

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from codetitan.evaluate import results
from codetitan.evaluate.results import Results, TaskResult
from codetitan.evaluate.scores import Score
from codetitan.training.evaluations import NICE, Asked, Evaluated, Evaluations, environment
from tests.conftest import run_train

# In place of `codetitan evaluate`: it waits for a word of the test, and does what that says.
EVALUATE = """
import os, shutil, sys, time
from pathlib import Path
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
model, output, here = Path(options["--model"]), Path(options["--output"]), Path(sys.argv[0]).parent
assert (model / "weights").read_text() == model.name and not output.exists()
output.mkdir(parents=True)
nice, group = os.nice(0), os.getpgid(0) == os.getpid()
(here / f"{model.name}.started").write_text(f"{os.getpid()} {nice} {group} {sorted(options.items())[0]}")
while not (word := here / f"{model.name}.go").exists():
    time.sleep(0.01)
if word.read_text() == "export":
    (output / ".model").mkdir()
    (here / "exported").touch()
    time.sleep(600)
if word.read_text() == "garbage":
    os.write(2, b"\\xff\\n")
    sys.exit(3)
if word.read_text() == "fail":
    sys.exit("warning: x\\ncodetitan: error: there is no more memory")
if word.read_text() == "write":
    shutil.copy(here / "results.json", output)
"""


class Beside:
    """Evaluations of checkpoints that a test makes and lets go."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.warned = folder, list[str]()
        (folder / "evaluate.py").write_text(EVALUATE)
        scores = {"pass@1": Score(0.125, 0.025, 164), "syntax": Score(1.0, None, 1)}
        task = TaskResult(protocol={"name": "bigcode"}, problems=164, completions=164, scores=scores)
        found = Results(model={}, engine={}, tasks={"humaneval": task}, codetitan="0")
        (folder / "results.json").write_text(results.to_json(found))
        command = (sys.executable, str(folder / "evaluate.py"))
        self.running = Evaluations(folder / "evaluation", Asked(tasks=["humaneval"]), self.warned.append, command)

    def save(self, step: int, saving: "Future[object] | None" = None) -> None:
        checkpoint = self.folder / "checkpoint" / f"step-{step}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "weights").write_text(checkpoint.name)
        self.running.start(checkpoint, saving)
        (checkpoint / "weights").unlink()  # the trainer keeps the latest alone

    def go(self, step: int, word: str = "write") -> None:
        part = self.folder / "word"
        part.write_text(word)
        part.rename(self.folder / f"step-{step}.go")

    def started(self, step: int) -> list[str]:
        file = self.folder / f"step-{step}.started"
        self.until(lambda: file.exists() and file.read_text() != "")
        return file.read_text().split(maxsplit=3)

    @staticmethod
    def until(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.01)


@pytest.fixture
def beside(tmp_path: Path) -> Beside:
    return Beside(tmp_path)


def test_one_runs_and_one_waits(beside: Beside) -> None:
    beside.save(1)
    _, nice, group, asked = beside.started(1)
    assert (int(nice), group, asked) == (
        min(19, os.nice(0) + NICE),
        "True",
        str(("--model", f"{beside.folder}/evaluation/.checkpoints/step-1")),
    )
    assert not beside.warned and beside.running.under_way() and beside.running.finished() == []
    beside.save(2)
    beside.save(3)
    assert beside.warned == [
        "step-2 was not evaluated: step-3 came before its turn; raise checkpoint.evaluate_every_k, or ask less"
    ]
    assert not (beside.folder / "step-3.started").exists()
    beside.go(1)
    beside.started(3)
    (first,) = beside.running.finished()
    assert (first.step, len(first.set)) == (1, 12)
    assert first.numbers == {
        "humaneval/pass@1": 0.125,
        "humaneval/pass@1/standard_error": 0.025,
        "humaneval/syntax": 1.0,
    }
    assert first.line().startswith("humaneval/pass@1 0.1250 ± 0.0250, humaneval/syntax 1.0000 in ")
    beside.go(3)
    beside.running.close()
    assert [found.step for found in beside.running.finished()] == [3] and not beside.running.under_way()
    assert sorted(path.name for path in (beside.folder / "evaluation").iterdir()) == ["step-1", "step-3"]


def test_what_fails_is_said(beside: Beside) -> None:
    saving: Future[object] = Future()
    failed: Future[object] = Future()
    beside.running.start(beside.folder / "checkpoint" / "step-9", failed)
    failed.set_exception(OSError())  # the trainer says so
    beside.running.start(beside.folder / "checkpoint" / "step-8", None)
    (beside.folder / "evaluation" / "step-1" / "of an earlier run").mkdir(parents=True)
    beside.save(1, saving)
    assert not beside.running.under_way(), "it waits until the checkpoint is saved"
    (beside.folder / "checkpoint" / "step-1" / "weights").write_text("step-1")
    saving.set_result(None)
    beside.go(1, "fail")
    beside.until(lambda: not beside.running.under_way())
    beside.save(2)
    beside.go(2, "nothing")
    beside.until(lambda: not beside.running.under_way())
    beside.save(3)
    beside.go(3, "garbage")
    beside.running.close()
    folder = beside.folder
    assert beside.warned == [
        f"{folder}/checkpoint/step-8 was not evaluated: No such file or directory",
        "step-1 was not evaluated: there is no more memory",
        f"step-2 was not evaluated: {folder}/evaluation/step-2/results.json: [Errno 2] No such file or directory: "
        f"'{folder}/evaluation/step-2/results.json'",
        "step-3 was not evaluated: \ufffd",
    ]
    assert beside.running.finished() == []


@pytest.mark.parametrize(
    ("error", "why"), [(OSError(errno.EAGAIN, "no more"), "no more"), (ValueError("what is this"), "what is this")]
)
def test_one_that_can_not_be_started_is_said(
    beside: Beside, monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", fails)
        beside.save(1)
        beside.until(lambda: not beside.running.under_way())
    assert beside.warned == [f"step-1 was not evaluated: {why}"]
    beside.save(2)
    beside.go(2)
    beside.running.close()
    assert [found.step for found in beside.running.finished()] == [2]
    assert not (beside.folder / "evaluation" / ".checkpoints").exists()


def test_an_export_that_is_left_is_removed(beside: Beside) -> None:
    """Of an evaluation that is ended, and of a run that was killed with it."""
    beside.save(1)
    beside.go(1, "export")
    export = beside.folder / "evaluation" / "step-1" / ".model"
    beside.until((beside.folder / "exported").exists)
    assert export.exists()
    beside.running.close(unless=lambda: True)
    assert not export.exists() and export.parent.exists()
    export.mkdir()
    Beside(beside.folder).running.close()
    assert not export.exists()


def test_a_run_that_stops_ends_them(beside: Beside) -> None:
    beside.save(1)
    pid = int(beside.started(1)[0])
    beside.save(2)
    beside.running.close(unless=lambda: True)
    assert not Path(f"/proc/{pid}").exists() and not beside.warned and beside.running.finished() == []
    assert not (beside.folder / "step-2.started").exists()
    assert not (beside.folder / "evaluation" / ".checkpoints").exists()


def test_a_process_that_is_killed_takes_it_along(tmp_path: Path) -> None:
    """With the real command's way of ending with its parent."""
    script = (
        "import sys; from pathlib import Path; from codetitan.training.evaluations import *\n"
        "boot = 'import os, sys, time; from codetitan import stop; stop.end_with(int(os.environ[stop.PARENT])); '\n"
        "boot += 'print(os.getpid(), file=open(sys.argv[1], \"w\", buffering=1)); time.sleep(600)'\n"
        "folder = Path(sys.argv[1]); checkpoint = folder / 'step-1'; checkpoint.mkdir()\n"
        "command = (sys.executable, '-c', boot, str(folder / 'pid'))\n"
        "running = Evaluations(folder / 'evaluation', Asked(tasks=['gold']), print, command)\n"
        "running.start(checkpoint, None); running.close()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    file = tmp_path / "pid"
    Beside.until(lambda: file.exists() and file.read_text().endswith("\n"))
    parent.kill()
    parent.wait()
    pid = int(file.read_text())
    # A zombie waits for whoever adopted it.
    Beside.until(lambda: not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text())


def test_what_it_is_asked_and_where() -> None:
    asked = Asked(tasks=["humaneval", "infill-exact=a/b=c"], limit=20)
    assert asked.words() == [
        "--tasks", "humaneval,infill-exact", "--data", "infill-exact=a/b=c", "--limit", "20",
    ]  # fmt: skip
    rank = {"RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8", "TORCHELASTIC_RUN_ID": "x", "HOME": "/h"}
    on_cpu = environment("cpu", rank)
    assert on_cpu.items() >= {"HOME": "/h", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}.items()
    assert not on_cpu.keys() & {"RANK", "LOCAL_RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID"}
    assert environment("cuda", rank)["CUDA_VISIBLE_DEVICES"] == "1"
    assert environment("cuda", rank | {"CUDA_VISIBLE_DEVICES": "4, 6"})["CUDA_VISIBLE_DEVICES"] == "6"


def test_another_way_of_asking_is_another_set(tmp_path: Path) -> None:
    sets = set()
    for n in (1, 20):
        task = TaskResult(protocol={"samples": n}, problems=1, completions=1, scores={"exact": Score(1.0, None, 1)})
        found = Results(model={"path": str(n)}, engine={}, tasks={"infill-exact": task}, codetitan="0")
        (tmp_path / "results.json").write_text(results.to_json(found))
        sets.add(Evaluated.read(tmp_path, 1, 2.0).set)
    assert len(sets) == 2


@pytest.mark.slow
def test_a_run_has_the_scores_of_its_checkpoints(tiny: Path, tmp_path: Path) -> None:
    options = ["--checkpoint.interval", "2", "--training.steps", "5", "--checkpoint.keep_latest_k", "2"]
    evaluate = ["--checkpoint.evaluate_every_k", "2", "--checkpoint.evaluate_tasks", '["gold"]']
    done = run_train(tiny, *options, *evaluate, "--checkpoint.evaluate_limit", "3")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "run"
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    of_evaluations = [line for line in lines if line.get("kind") == "evaluation"]
    assert [line["step"] for line in of_evaluations] in ([4, 5], [5])  # 4 gives way where 5 is faster than its start
    found = results.read(folder / "evaluation" / "step-5")
    assert of_evaluations[-1]["evaluation/gold/bits_per_byte"] == found.tasks["gold"].scores["bits_per_byte"].value
    events = EventAccumulator(str(folder / "tb")).Reload()
    points = [(point.step, point.value) for point in events.Scalars("evaluation/gold/bits_per_byte")]
    assert points[-1] == (5, pytest.approx(of_evaluations[-1]["evaluation/gold/bits_per_byte"], rel=1e-6))
    assert [point.step for point in events.Scalars("loss")][-1] == 5
    assert found.model["step"] == 5 and "eval  5  gold/bits_per_byte " in done.stdout
    assert [line["step"] for line in lines if "kind" not in line][-1] == 5
