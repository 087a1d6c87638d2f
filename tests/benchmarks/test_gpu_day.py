import dataclasses
import gzip
import json
import math
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import gpu_day
import gpu_day_checks
import gpu_day_items
import gpu_day_report
import gpu_day_rows
from codetitan.device import driver_version
from gpu_day_bench import Bench, Check, Failed, Run, ask, compare
from gpu_day_environment import shortcomings
from gpu_day_items import Item, Record, expected_s, in_order, why_not
from gpu_day_trace import ON_GPU, Gaps, gaps
from tests.benchmarks.test_throughput import H100, row
from tests.conftest import REPOSITORY, environment
from throughput_points import Checked, Point

RUN = {
    "command": "python benchmarks/gpu_day.py", "device": H100, "processes": 1, "gpu": "h100", "warm_up": 5, "steps": 4,
    "versions": {"torch": "2.14.1"}, "minutes": 30, "tiny": False, "date": "2026-01-01 12:00",
    "environment": {"driver": "580.65.06"},
}  # fmt: skip
FACTS = {
    "driver": "580.65.06", "CUDA of torch": "13.0", "CUDA available": True, "C compiler": "gcc 12",
    "Python.h": "/usr/include/Python.h",
}  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--minuts", "3"], '--minuts: unknown option; did you mean "--minutes"?'),
        (["--minutes", "0"], "--minutes 0 must be at least 1"),
        (["--groups", "chekcs"], "argument --groups: invalid choice: 'chekcs'"),
        ([], "gpu_day.py needs a GPU: there is none; --check tries the program itself, on a CPU too"),
    ],
)
def test_slips_are_one_line(
    arguments: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_day, "device_here", lambda: {"type": "cpu", "name": "Xeon", "cores": 2})
    monkeypatch.setattr(gpu_day.gpu_day_environment, "facts", lambda: FACTS | {"driver": None, "CUDA available": False})
    assert gpu_day.main([*arguments, "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"codetitan: error: {line}") and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_old_driver_is_the_reason_that_there_is_no_gpu(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_day, "device_here", lambda: {"type": "cpu", "name": "Xeon", "cores": 2})
    old = FACTS | {"driver": "550.54.15", "CUDA available": False}
    monkeypatch.setattr(gpu_day.gpu_day_environment, "facts", lambda: old)
    assert gpu_day.main([]) == 2
    assert "needs a GPU: driver 550.54.15: it is older than the 580 that torch" in capsys.readouterr().err


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shortcomings(FACTS) == []
    assert shortcomings(FACTS | {"driver": None}) == []  # a container may not show it
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    hidden = FACTS | {"CUDA available": False}
    header = f"{sysconfig.get_path('include')}/Python.h"
    assert [line.split(";")[0] for line in shortcomings(hidden | {"C compiler": None, "Python.h": None})] == [
        "driver 580.65.06: torch.cuda.is_available() is False",
        "no C compiler for Triton's launchers",
        f"{header} is not there, which Triton compiles against",
    ]
    closed = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version: 12"
    opened = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (root)"
    assert [driver_version(text) for text in (closed, opened, "")] == ["550.54.15", "580.65.06", None]


def kernel(start_us: float, duration_us: float, **more: Any) -> dict[str, Any]:
    return {"ph": "X", "cat": "kernel", "ts": start_us, "dur": duration_us} | more


def test_gaps_of_a_trace(tmp_path: Path) -> None:
    events = [
        kernel(1000, 400), kernel(1100, 100), kernel(1450, 250, cat="gpu_memcpy"), kernel(2000, 1000),
        kernel(0, 9000, cat="cpu_op"), {"ph": "M", "name": "process_name"},
    ]  # fmt: skip
    assert gaps(events, ON_GPU) == Gaps(span_ms=2.0, idle_ms=0.35, longest_ms=0.3, n_long=1)
    file = tmp_path / "rank0_trace.json.gz"

    def judge(*events: dict[str, Any]) -> str:
        with gzip.open(file, "wt") as trace:
            json.dump({"traceEvents": events}, trace)
        return gpu_day_checks.judge_gaps(file, on_gpu=True)

    with pytest.raises(Failed, match=r"idle 17.5% of 2 ms, 1 gaps of more than 0.1 ms, the longest 0.30 ms; 5% is"):
        judge(*events)
    assert judge(kernel(0, 1000), kernel(1010, 990)) == (
        "idle 0.5% of 2 ms, 0 gaps of more than 0.1 ms, the longest 0.01 ms"
    )
    with pytest.raises(Failed, match="no event of gpu_memcpy, gpu_memset, kernel"):
        judge(kernel(0, 5, cat="cpu_op"))
    file.write_bytes(b"torn")
    with pytest.raises(Failed, match="Not a gzipped file"):
        gpu_day_checks.judge_gaps(file, on_gpu=True)


def test_compare() -> None:
    assert compare([2.0, 1.0], [2.0, 1.0], 0) == "losses equal, bit for bit"
    assert compare([2.0, 1.001], [2.0, 1.0], 1e-2) == "losses at most 1.0e-03 apart; 1e-02 is allowed"
    for losses, reason in (
        ([2.0, 1.1], "losses 1.0e-01 apart at step 2 of 2; 1e-02 is allowed"),
        ([math.nan, 1.0], "the losses are nan at step 1 of 2"),
        ([2.0], "1 losses against 2"),
    ):
        with pytest.raises(Failed) as failed:
            compare(losses, [2.0, 1.0], 1e-2)
        assert str(failed.value) == reason
    with pytest.raises(Failed, match="the losses of the reference are inf at step 1 of 1"):
        compare([1.0], [math.inf], 1e-2)


def test_judge_graphs() -> None:
    recompile = "DEBUG torch._dynamo.guards.__recompiles: Recompiling function forward in model.py:42\n"
    settled = "INFO codetitan.training.metrics: step  2/12  loss 9.7\n"

    def judge(graphs: list[int], breaks: int = 0, log: str = recompile + settled) -> str:
        records = [{"graphs": n, "graph_breaks": breaks} for n in graphs]
        return gpu_day_checks.judge_graphs(Run(Path("run"), records), log)

    assert judge([20, 25, 25, 25]) == "25 graphs, 0 breaks, 1 recompiles, none after step 2"
    with pytest.raises(Failed, match="3 graphs compiled after step 2, the first at step 4"):
        judge([20, 25, 25, 28, 28])
    with pytest.raises(Failed, match="1 graph breaks"):
        judge([20, 25, 25], breaks=1)
    with pytest.raises(Failed, match="TORCH_LOGS tells of 2 recompiles after step 2"):
        judge([20, 20, 20], log=settled + 2 * recompile)
    with pytest.raises(Failed, match="no line of step 2"):
        judge([20, 20, 20], log="")
    with pytest.raises(Failed, match="counts no graph"):
        judge([0, 0, 0])


def test_judge_float8() -> None:
    bf16 = [10 - i / 10 for i in range(50)]
    assert "1.8e-03 apart" in gpu_day_checks.judge_float8([loss + 0.01 for loss in bf16], bf16)
    with pytest.raises(Failed, match=r"3\.6e-02 apart; 1e-02 is allowed"):
        gpu_day_checks.judge_float8([loss + 0.2 for loss in bf16], bf16)
    with pytest.raises(Failed, match="nan at step 3 of 50"):
        gpu_day_checks.judge_float8([*bf16[:2], math.nan, *bf16[3:]], bf16)


def bench(folder: Path, **changes: Any) -> Bench:
    base = Bench(folder / "checks" / "one", folder / "shared", 1, False, True, (), time.monotonic() + 100)
    return dataclasses.replace(base, **changes)


def test_a_check_gives_a_verdict_whatever_happens(tmp_path: Path) -> None:
    def answer(question: Callable[[Bench], str]) -> Record:
        return ask(Check("one", "?", question, 10), bench(tmp_path))

    def saves(bench: Bench) -> str:
        (bench.folder / "run" / "checkpoint").mkdir(parents=True)
        return "3 of 3"

    def refuses(bench: Bench) -> str:
        raise Failed("the losses differ")

    def is_wrong(bench: Bench) -> str:
        return str({}["loss"])

    assert answer(saves) == {"verdict": "pass", "detail": "3 of 3"}
    assert not (tmp_path / "checks" / "one" / "run" / "checkpoint").exists()
    assert answer(refuses)["verdict"] == "fail: the losses differ"
    assert answer(is_wrong)["verdict"] == "fail: the check itself: KeyError: 'loss'"
    assert "is_wrong" in (tmp_path / "checks" / "one" / "check.log").read_text()


def test_a_run_of_a_check_has_its_reason_and_its_time(tmp_path: Path) -> None:
    one = bench(tmp_path, tiny=False)
    one.folder.mkdir(parents=True)
    with pytest.raises(Failed, match=r"^wrong: train_configs/nowhere\.toml: no such file"):
        one.train("wrong", "nowhere", 1)
    with pytest.raises(Failed, match="slow: timed out after"):
        late = dataclasses.replace(one, deadline=time.monotonic() + 0.2)
        late.run("slow", [sys.executable, "-c", "import time; time.sleep(60)"], dict(os.environ))
    with pytest.raises(Failed, match="late: no time left"):
        dataclasses.replace(one, deadline=time.monotonic() - 1).train("late", "debug", 1)


def test_a_reference_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []

    def train(self: Bench, label: str, config: str, steps: int, words: Any = (), **_: Any) -> Run:
        trained.append(label)
        return Run(self.folder / label, [{"loss": 3.0}] * steps)

    monkeypatch.setattr(Bench, "train", train)
    one = bench(tmp_path)
    assert one.reference("a", "debug", 2).losses == one.reference("b", "debug", 2).losses == [3.0, 3.0]
    one.reference("c", "debug", 2, ("--optimizer.lr", "1"))
    assert trained == ["a", "c"]


def item(kind: str = "row", name: str = "one", came: Record | None = None, **changes: Any) -> Item:
    """A made-up item that passes, or is measured, at once."""
    about: Record = {"kind": kind, "name": name, "tiny": False, "device": H100["name"]}
    if kind == "check":
        about |= {"question": "?"}
        good = {"verdict": "pass", "detail": ""}
    else:
        about |= {"group": "sweep", "trainer": "codetitan", "turn": None, "model": "code_350m", "gpus": 1}
        good = {name: value for name, value in row().items() if name in ("status", "settings", "measured")}
    return dataclasses.replace(Item(name, about, 1, 180, 900, lambda limit_s: came or good), **changes)


def test_budget() -> None:
    one = item()
    assert why_not(one, 1, 179, []) == "time" and why_not(one, 1, 181, []) is None
    assert why_not(dataclasses.replace(one, gpus=8), 1, 1e6, []) == "needs 8 GPUs"
    assert why_not(dataclasses.replace(one, refused="unknown key"), 1, 1e6, []) == "unknown key"
    records = [
        one.about | {"name": "earlier", "wall_s": wall_s, "ended": ended} for wall_s, ended in ((60, 2), (90, 1))
    ]
    assert expected_s(one, records) == 60  # the last similar one, whatever its name
    assert why_not(one, 1, 61, records) is None and why_not(one, 1, 59, records) == "time"
    assert expected_s(item(name="1_3b", about=one.about | {"model": "code_1_3b"}), records) == 180
    check = item("check", "compile", expected_s=100)
    assert expected_s(check, [check.about | {"name": "resume", "wall_s": 5, "ended": 3}]) == 100
    assert expected_s(check, [check.about | {"wall_s": 5, "ended": 3}]) == 5
    for other in ({"tiny": True}, {"device": "NVIDIA H200"}):  # say nothing of this machine
        assert expected_s(check, [check.about | {"wall_s": 5, "ended": 3} | other]) == 100


def test_what_failed_is_run_again_a_row_after_all_others() -> None:
    items = [item("check", name) for name in "ab"] + [item(name=name) for name in "cdef"]
    records = {
        "a": {"verdict": "fail: x"}, "b": {"verdict": "pass"}, "c": {"status": "failed"}, "d": {"status": "ok"},
    }  # fmt: skip
    assert [one.key for one in in_order(items, records)] == ["a", "e", "f", "c"]


def day(folder: Path, *items: Item, minutes: float = 30) -> gpu_day.Day:
    folder.mkdir(exist_ok=True)
    return gpu_day.Day(folder, RUN | {"gpu": None}, items, time.monotonic() + 60 * minutes)


def test_a_second_start_goes_on(tmp_path: Path) -> None:
    counted: list[str] = []

    def counting(name: str, **changes: Any) -> Item:
        one = item(name=name, **changes)
        return dataclasses.replace(one, perform=lambda limit_s: counted.append(name) or one.perform(limit_s))

    out_of_memory = {"status": "failed", "reason": "out of memory", "settings": row()["settings"]}
    first = [counting("a"), counting("b", came=out_of_memory), counting("8", gpus=8)]
    day(tmp_path, *first, first[1]).work()  # one that is asked for twice is run once
    with (tmp_path / "results.jsonl").open("a") as results:
        results.write('{"key": "c", "sta')  # killed while it was written
    second = [*first, dataclasses.replace(counting("a"), key="a of another commit"), counting("c")]
    again = day(tmp_path, *second)
    again.work()
    assert counted == ["a", "b", "a", "c", "b"]
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert [(one["name"], one["status"], one.get("reason")) for one in rows] == [
        ("a", "ok", None), ("b", "failed", "out of memory"), ("8", "not run", "needs 8 GPUs"), ("a", "ok", None),
        ("c", "ok", None),
    ]  # fmt: skip
    assert again.code() == 0


def test_the_report_is_there_after_every_item(tmp_path: Path) -> None:
    def ends(limit_s: float) -> Record:
        raise KeyboardInterrupt

    today = day(tmp_path, item("check", "a"), item(name="b"), item(name="c", perform=ends))
    with pytest.raises(KeyboardInterrupt):
        today.work()
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["checks"][0]["verdict"] == "pass" and [one["status"] for one in found["rows"]] == ["ok", "not run"]
    assert (tmp_path / "by-setting.png").exists()


def test_the_budget_ends_what_takes_longer_than_expected(tmp_path: Path) -> None:
    limits = []

    def slow(limit_s: float) -> Record:
        limits.append(limit_s)
        time.sleep(limit_s)
        return {"verdict": f"fail: timed out after {limit_s} s", "detail": ""}

    late, left = item("check", "slow", expected_s=0.1, perform=slow), item("check", "left", expected_s=0.1)
    today = day(tmp_path, late, left, minutes=0.5 / 60)
    today.work()
    assert len(limits) == 1 and limits[0] < 0.5
    assert [today.record_of(one)["verdict"] for one in (late, left)] == ["not run: time"] * 2
    assert not (tmp_path / "results.jsonl").exists() and today.code() == 1
    # its own limit is another matter
    today = day(tmp_path, dataclasses.replace(late, limit_s=0.1))
    today.work()
    assert today.record_of(late)["verdict"].startswith("fail: timed out") and today.code() == 1


def test_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def ends(limit_s: float) -> Record:
        raise KeyboardInterrupt

    monkeypatch.setattr(gpu_day, "check_items", lambda *_: [item("check", "a"), item("check", "b", perform=ends)])
    assert gpu_day.main(["--check", "--groups", "checks", "--output", str(tmp_path)]) == 130
    assert "stopped; the same command goes on" in capsys.readouterr().err
    table = (tmp_path / "results.md").read_text()
    assert "| a | ? | pass |" in table and "| b | ? | not run: time |" in table


def switch(name: str, tok_per_s: float, turn: int | None = None) -> Record:
    return row(tok_per_s=tok_per_s) | {"group": "switches", "name": name, "turn": turn}


def test_switches_are_compared_with_the_default_around_them(tmp_path: Path) -> None:
    point = Checked(Point("", "codetitan", Path("a.toml"), ()), key="k")
    rows = [(gpu_day_rows.Row("switches", name, "code_350m", ()), point) for name in "abc"]
    rows[1] = rows[1][0], dataclasses.replace(point, refused="unknown key", key="")
    ordered = gpu_day_rows.take_turns(rows, lambda turn: (gpu_day_rows.default(turn), point))
    assert [one.name for one, _ in ordered] == ["default, turn 1", "a", "c", "default, turn 2", "b"]
    assert gpu_day_rows.take_turns(rows[1:2], lambda turn: (gpu_day_rows.default(turn), point)) == rows[1:2]
    same = gpu_day_rows.without_default(rows, "k")
    assert [checked.refused for _, checked in same] == ["is the default", "unknown key", "is the default"]

    measured = [
        switch("default", 100, 1), switch("a", 110), switch("b", 101), switch("default", 102, 2), switch("c", 90),
        switch("d", 50) | {"status": "failed", "reason": "x"}, switch("default", 98, 3),
    ]  # fmt: skip
    measured = gpu_day_report.throughput_report.summarized(measured, H100)
    assert gpu_day_report.drift(measured) == pytest.approx(0.04)
    assert [(one["name"], round(one["ratio"], 3), one["verdict"]) for one in gpu_day_report.compared(measured)] == [
        ("a", 1.089, "faster"), ("b", 1.0, "within the drift of 4.0%"), ("c", 0.9, "slower"),
    ]  # fmt: skip
    gpu_day_report.plot_switches(measured, tmp_path / "switches.png")
    assert (tmp_path / "switches.png").stat().st_size > 0


def test_report(tmp_path: Path) -> None:
    checks = [
        item("check", "compile").about | {"verdict": "pass", "detail": "25 graphs | 0 breaks", "wall_s": 61.2},
        item("check", "TP 2", gpus=2).not_run("needs 2 GPUs"),
    ]
    named = {
        "1_3b, bf16": row(flavor="1_3b", tok_per_s=40_000, devices=1),
        "1_3b, FP8 tensorwise": row(flavor="1_3b", tok_per_s=47_000, devices=1, precision="FP8", peak="fp8"),
        "350m, none, codetitan": row(tok_per_s=150_000, devices=1),
        "350m, none, torchtitan": row("torchtitan", tok_per_s=140_000, devices=1),
        "fast": row(tok_per_s=200_000, devices=1, attention="sdpa"),
    }
    rows = [one | {"name": name, "group": "sweep", "turn": None} for name, one in named.items()]
    rows[2]["measured"]["data_share"] = [0.002] * 4
    rows += [switch("default", 100, 1), switch("a", 110), item(name="8", gpus=8).not_run("needs 8 GPUs")]
    files = gpu_day_report.write(tmp_path, RUN, checks, rows, plots=True)
    assert [file.name for file in files] == [
        "results.json", "results.md", "by-setting.png", "by-size.png", "switches.png",
    ]  # fmt: skip
    text = (tmp_path / "results.md").read_text()
    assert "| compile | ? | pass | 25 graphs \\| 0 breaks | 61 |" in text and "| TP 2 | ? | needs 2 GPUs |" in text
    assert "| 1_3b, FP8 tensorwise × bf16 | 1.175 | ≥ 1.150 | yes |" in text
    assert "| 350m × torchtitan | 1.071 | ≥ 1.050 | yes |" in text
    assert "| 350m × pytorch | not measured | ≥ 1.000 | – |" in text
    assert "| share of a step that waits for data, worst row | 0.20% | < 1.00% | yes |" in text
    assert "| 350m, best MFU, document masks (350m, none, codetitan) | 49.4% | ≥ 50.0% | no |" in text
    assert "## Goals" not in gpu_day_report.markdown(RUN | {"tiny": True}, checks, rows[-1:])
    assert "not run: needs 8 GPUs (8)" in text and "driver: 580.65.06" in text and RUN["command"] in text
    assert {name: len(json.loads((tmp_path / "results.json").read_text())[name]) for name in ("checks", "rows")} == {
        "checks": 2, "rows": 8,
    }  # fmt: skip


def test_unknown_keys_become_rows_with_their_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    there = gpu_day_rows.Row("switches", "dataloader.prefetch = 8", "code_350m", ("--dataloader.prefetch", "8"))
    unknown = gpu_day_rows.Row("switches", "dataloader.pin = true", "code_350m", ("--dataloader.pin", "true"))
    monkeypatch.setitem(gpu_day_rows.MAKERS, "switches", lambda: [unknown, there])
    options, overrides = gpu_day.parse(["--check"])
    items = gpu_day_items.row_items("switches", options, overrides, RUN | {"tiny": True})
    assert [one.about["name"] for one in items] == [
        "default, turn 1", "dataloader.prefetch = 8", "default, turn 2", "dataloader.pin = true",
    ]  # fmt: skip
    assert len({one.key for one in items}) == 4
    assert items[-1].not_run(str(items[-1].refused))["status"] == "refused"
    assert str(items[-1].refused).startswith("dataloader.pin (command line): unknown key")


def test_rows_and_checks_have_names_of_their_own_and_configurations_that_are_there() -> None:
    rows = [row for make in gpu_day_rows.MAKERS.values() for row in make()]
    assert len({row.name for row in rows}) == len(rows) and len({c.name for c in gpu_day_checks.CHECKS}) == 19
    assert set(gpu_day_rows.MAKERS) == set(gpu_day_rows.GROUPS) == {row.group for row in rows}
    assert all((REPOSITORY / "train_configs" / f"{row.config}.toml").is_file() for row in rows)


@pytest.mark.slow
def test_a_check_on_this_cpu_and_then_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One real check from the command line to the report: it trains, profiles, and reads the trace."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("NGPU", "1")
    chosen = [check for check in gpu_day_checks.CHECKS if check.name in ("profile", "TP 2", "driver gate")]
    monkeypatch.setattr(gpu_day_items, "CHECKS", chosen)
    arguments = ["--check", "--groups", "checks", "--output", str(tmp_path)]
    assert gpu_day.main(arguments) == 0, capsys.readouterr()
    found = {one["name"]: one for one in json.loads((tmp_path / "results.json").read_text())["checks"]}
    assert {name: one["verdict"] for name, one in found.items()} == {
        "profile": "pass", "TP 2": "needs 2 GPUs", "driver gate": "needs a GPU",
    }  # fmt: skip
    assert found["profile"]["detail"].startswith("idle ") and found["profile"]["wall_s"] > 0
    monkeypatch.setattr(Bench, "train", lambda *_, **__: pytest.fail("it was trained again"))
    assert gpu_day.main(arguments) == 0


def run_gpu_day(output: Path, nproc: int, *words: str) -> Record:
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "gpu_day.py"), "--check", "--output", str(output)]
    command += ["--minutes", "90", *words]
    done = subprocess.run(command, env=environment(nproc), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found: Record = json.loads((output / "results.json").read_text())
    return found


@pytest.mark.slow
def test_every_check_on_four_cpu_processes(tmp_path: Path) -> None:
    found = run_gpu_day(tmp_path, 4, "--groups", "checks")
    verdicts = {check["name"]: check["verdict"] for check in found["checks"]}
    assert verdicts.pop("driver gate") == "needs a GPU"
    assert set(verdicts.values()) == {"pass"}, verdicts


@pytest.mark.slow
def test_every_row_on_one_cpu_process(tmp_path: Path) -> None:
    found = run_gpu_day(tmp_path, 1, "--groups", *gpu_day_rows.GROUPS)
    by_status: dict[str, list[str]] = {}
    for one in found["rows"]:
        by_status.setdefault(one["status"], []).append(one["name"])
    assert set(by_status) <= {"ok", "refused", "not run"}, by_status
    assert all(" on 8, " in name for name in by_status["not run"])
    assert all(" = " in name for name in by_status.get("refused", []))
    assert (tmp_path / "switches.png").exists() and found["switches"]
    assert not any("pytorch" in one["name"] and "summary" not in one for one in found["rows"])
