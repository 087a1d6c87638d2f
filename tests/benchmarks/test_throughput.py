import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import throughput
import throughput_plots
import throughput_report as report
import throughput_run
from codetitan.config.resolve import resolve
from codetitan.errors import ConfigError
from codetitan.models.code.flavors import FLAVORS
from codetitan.models.code.shape import Flavor
from plain_pytorch import Llama
from tests.conftest import REPOSITORY, environment
from throughput_points import check, expand, mesh_overrides, read_list
from torchtitan_llama3 import llama3_spec

H100 = {"type": "cuda", "name": "NVIDIA H100 80GB HBM3"}
RUN = {
    "command": "NGPU=8 python benchmarks/throughput.py", "device": H100, "processes": 8, "gpu": "h100",
    "versions": {"torch": "2.14.1"}, "warm_up": 10, "steps": 4,
}  # fmt: skip


def row(trainer: str = "codetitan", flavor: str = "350m", tok_per_s: float = 100_000.0, **settings: Any) -> report.Row:
    """A made-up measured row."""
    shape, seq_len = FLAVORS[flavor], settings.get("seq_len", 4096)
    full = shape.flops_per_token(seq_len)
    base = {
        "flavor": flavor, "n_params": shape.n_params, "shape": flavor, "attention": "flex", "precision": "BF16",
        "mixed_precision": "BF16", "peak": "bf16", "devices": 8, "global_batch": 128, "micro_batch": 8, "seq_len": 4096,
        "replicate": 1, "fsdp": 8, "tp": 1, "pp": 1, "cp": 1, "ac": "selective", "compile": True,
        "flops_per_token": full, "causal_flops_per_token": full - 6 * shape.n_layers * shape.dim * seq_len,
    }  # fmt: skip
    speeds = [tok_per_s * factor for factor in (0.98, 1.0, 1.0, 1.02)]
    measured = {"tok_per_s_per_device": speeds, "step_s": [524288 / 8 / speed for speed in speeds], "memory_gib": 40.0}
    return {
        "name": f"{trainer} · {flavor}", "trainer": trainer, "status": "ok", "settings": base | settings,
        "measured": measured, "date": "2026-01-01",
    }  # fmt: skip


def many_rows() -> list[report.Row]:
    """Twenty rows of four sizes, each with a prediction."""
    rows = []
    for flavor, speed in (("350m", 2e5), ("700m", 1e5), ("1_3b", 6e4), ("3b", 2.5e4)):
        rows += [
            row("codetitan", flavor, speed, seq_len=seq_len, precision=precision, peak=peak)
            for seq_len in (2048, 8192)
            for precision, peak in (("BF16", "bf16"), ("FP8 rowwise_with_gw_hp", "fp8"))
        ]
        rows.append(row("torchtitan", flavor, speed, seq_len=2048))
    for one in rows:
        one["prediction"] = {"memory_gib": 36.0, "step_s": 0.6, "tok_per_s_per_device": 1e5}
    return rows


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--flavor", "350m"], '--flavor: unknown option; did you mean "--flavors"?'),
        (["--flavors", "351m"], "argument --flavors: invalid choice: '351m'"),
        (["--ac", "ful"], "argument --ac: invalid choice: 'ful'"),
        (["--steps", "1"], "--steps 1 must be at least 2"),
        (["--meshes", "tpp=2"], '--meshes tpp=2: "tpp=2" must be one of fsdp, replicate, tp, pp, cp = DEGREE; did you'),
        (["--meshes", "tp=0"], '--meshes tp=0: "tp=0" must be one of'),
        (["--training.lr", "1"], 'training.lr (command line): unknown key; did you mean "optimizer.lr"?'),
        (["--points", "/nowhere.toml"], "--points /nowhere.toml: "),
    ],
)
def test_slips_are_one_line(
    arguments: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert throughput.main([*arguments, "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"codetitan: error: {line}") and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_expand() -> None:
    axes = {"flavors": ["20m", "70m"], "seq_lens": None, "float8": ["none", "tensorwise"], "microbatches": [4]}
    points = expand([(Path("a.toml"), ["--training.seq_len", "64"])], axes, ["codetitan", "torchtitan"], ["--x.y", "1"])
    assert [point.name for point in points[:2]] == [
        "codetitan · a · 20m · no FP8 · micro 4 · seq_len 64",
        "torchtitan · a · 20m · micro 4 · seq_len 64",
    ]
    assert len(points) == 8
    assert points[2].overrides == (
        "--x.y", "1", "--model.flavor", "20m", "--float8.recipe", "tensorwise", "--training.local_batch_size", "4",
        "--training.seq_len", "64",
    )  # fmt: skip


def test_mesh_states_every_degree() -> None:
    words = mesh_overrides("tp=2")
    degrees = dict(zip(words[::2], words[1::2], strict=True))
    assert degrees["--parallelism.tensor_parallel_degree"] == "2"
    assert degrees["--parallelism.data_parallel_shard_degree"] == "-1"
    assert degrees["--parallelism.pipeline_parallel_degree"] == "1"


def test_list(tmp_path: Path) -> None:
    file = tmp_path / "points.toml"
    file.write_text('[[point]]\nconfig = "a.toml"\noverrides = "--x.y \'[1, 2]\'"\n[[point]]\nconfig = "b.toml"\n')
    assert read_list(file) == [(Path("a.toml"), ["--x.y", "[1, 2]"]), (Path("b.toml"), [])]
    file.write_text('[[point]]\nconfg = "a.toml"\n')
    with pytest.raises(ConfigError, match=r'point.0.confg: unknown; did you mean "config"\?'):
        read_list(file)


def test_key_changes_with_what_may_change_the_speed(tiny: Path) -> None:
    def key(trainer: str, *overrides: str, **identity: str) -> str:
        [point] = expand([(tiny, [])], {}, [trainer], overrides)
        return check(point, 1, 4, identity).key

    assert key("codetitan") == key("codetitan", "--dump_folder", "elsewhere")
    fp8 = ("--float8.recipe", "tensorwise", "--float8.skip_small_layers", "false", "--float8.emulate", "true")
    different = {
        key("codetitan"), key("codetitan", "--training.seq_len", "32"), key("codetitan", torch="2.15"),
        key("codetitan", *fp8), key("torchtitan"), key("pytorch"),
    }  # fmt: skip
    assert len(different) == 6
    # a baseline has no activation checkpointing to be measured twice with
    assert key("pytorch") == key("pytorch", "--activation_checkpoint.name", "full")
    assert key("torchtitan") != key("torchtitan", "--activation_checkpoint.name", "full")


def test_settings_and_sources(tiny: Path) -> None:
    [point] = expand([(tiny, [])], {}, ["codetitan"], ["--dataloader.sources", "directory:/nowhere"])
    assert check(point, 1, 4, {}).notes == ()  # the user's own word stays
    tiny.write_text(tiny.read_text() + '[dataloader]\nsources = ["directory:/nowhere"]\n')
    [point] = expand([(tiny, [])], {}, ["codetitan"], [])
    checked = check(point, 4, 4, {})
    assert checked.notes == (f"{tiny}: there is no folder /nowhere; trained on the Python standard library",)
    assert checked.settings["fsdp"] == checked.settings["devices"] == 4
    full, causal = (checked.settings[name] for name in ("flops_per_token", "causal_flops_per_token"))
    assert full - causal == 6 * 2 * 64 * 64  # half of the attention: 6 · layers · D · T


def test_code_that_is_in_no_commit_has_a_version_too(tmp_path: Path) -> None:
    """Else a sweep would go on with what other code measured."""

    def git(*words: str) -> None:
        me = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
        subprocess.run(["git", "-C", str(tmp_path), *me, *words], check=True, capture_output=True)

    file = tmp_path / "codetitan" / "models" / "one.py"
    file.parent.mkdir(parents=True)
    file.write_text("1")
    without_git = throughput.code_version(tmp_path)
    assert without_git.startswith("no git, files ")
    git("init")
    git("add", "-A")
    git("commit", "-m", "one")
    committed = throughput.code_version(tmp_path)
    assert "," not in committed
    file.write_text("2")
    dirty = throughput.code_version(tmp_path)
    assert dirty.startswith(f"{committed}-dirty, files ") and dirty[-8:] != without_git[-8:]
    file.write_text("3")
    assert throughput.code_version(tmp_path) != dirty


@pytest.mark.parametrize(
    ("output", "code", "why"),
    [
        (
            "Traceback (most recent call last):\nValueError: first\n"
            "[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n",
            1,
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        ),
        ("step 1\ncodetitan: error: training.steps: bad\n", 2, "training.steps: bad"),
        ("Traceback:\n  File\nRuntimeError: shapes\nChildFailedError: \n", 1, "RuntimeError: shapes"),
        ("about to\n", -9, "killed by signal 9: about to"),
        ("", 3, "exit code 3: no output"),
        ("x" * 300, 1, "exit code 1: " + "x" * 186 + "…"),
    ],
)
def test_reason(output: str, code: int, why: str) -> None:
    assert throughput_run.reason(output, code) == why


def test_a_child_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(100)"]
    assert throughput_run.run_command(command, dict(os.environ), tmp_path / "log", 1) == "timed out after 1 s"


def test_planned_gpu() -> None:
    assert throughput_run.planned_gpu("NVIDIA H200") == "h200"
    assert throughput_run.planned_gpu("NVIDIA A100-SXM4-80GB") == "a100"
    for other in ("NVIDIA GeForce RTX 4090", "NVIDIA GH200 480GB", "NVIDIA H100 PCIe", "NVIDIA A100-PCIE-40GB"):
        assert throughput_run.planned_gpu(other) is None


def test_torn_line(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    assert throughput.read_results(file) == {}
    file.write_text('{"key": "a", "status": "failed"}\n{"key": "a", "status": "ok"}\n{"key": "b", "sta')
    assert throughput.read_results(file) == {"a": {"key": "a", "status": "ok"}}
    with file.open("a") as results:
        results.write('{"key": "c"}\n')
    assert list(throughput.read_results(file)) == ["a", "c"]


def test_summary_and_ratios() -> None:
    rows = [
        row(tok_per_s=150_000, precision="FP8 tensorwise", peak="fp8"),
        row(tok_per_s=120_000),
        row(tok_per_s=120_000, seq_len=2048),
        row("torchtitan", tok_per_s=100_000),
        row("pytorch", tok_per_s=80_000, ac="none"),
    ]
    for one in rows:
        one["summary"] = report.summarize(one, H100)
    report.add_ratios(rows)
    assert [one.get("ratios") for one in rows[:3]] == [
        {"torchtitan": 1.5, "pytorch": 1.875}, {"torchtitan": 1.2, "pytorch": 1.5}, {},
    ]  # fmt: skip
    fp8, bf16 = rows[0]["summary"], rows[1]["summary"]
    assert (fp8["mfu_peak"], fp8["peak_flop_per_s"]) == ("fp8", 1979e12)
    assert bf16["mfu_full"] == pytest.approx(120_000 * FLAVORS["350m"].flops_per_token(4096) / 989e12)
    assert bf16["mfu_causal"] < bf16["mfu_full"]
    assert report.summarize(rows[1], {"type": "cpu", "name": "Xeon"})["mfu_full"] is None


def test_report(tmp_path: Path) -> None:
    rows = many_rows()
    rows += [
        row() | {"status": "failed", "reason": "CUDA out of memory"},
        {"name": "codetitan · 15b", "trainer": "codetitan", "status": "refused", "reason": "does | not fit"},
    ]
    files = report.write_report(tmp_path, RUN, rows)
    assert [file.name for file in files] == [
        "results.json", "results.md", "by-setting.png", "by-size.png", "predicted.png",
    ]  # fmt: skip
    assert all(file.stat().st_size > 0 for file in files)
    table = [line for line in (tmp_path / "results.md").read_text().splitlines() if line.startswith("|")]
    assert len(table) == 2 + 22 and len({line.replace("\\|", "").count("|") for line in table}) == 1
    assert "of FP8" in table[3] and "failed: CUDA out of memory" in table[-2] and "refused: does" in table[-1]
    assert len(json.loads((tmp_path / "results.json").read_text())["rows"]) == 22


def test_labels_say_what_differs() -> None:
    assert throughput_plots.labels([row(), row(seq_len=8192)]) == ["codetitan · T 4096", "codetitan · T 8192"]
    named = [row(label="pinned"), row(seq_len=8192)]
    assert throughput_plots.labels(named) == ["pinned", "codetitan · T 8192"]
    sizes = [row(), row(flavor="700m", micro_batch=4)]
    assert throughput_plots.labels(sizes, by_size=True) == ["codetitan", "codetitan"]


def test_plain_model_has_the_shape_and_is_causal() -> None:
    shape = Flavor(32, 2, 4, 2, 48, 64, True)
    torch.manual_seed(0)
    model = Llama(shape, seq_len=8)
    assert sum(weight.numel() for weight in model.parameters()) == shape.n_params
    tokens = torch.randint(64, (2, 9))
    x_BLD = model.embedding(tokens[:, :-1])
    changed_BLD = x_BLD.clone()
    changed_BLD[:, -1] += 1
    out, changed = (model.blocks[0](x, model.cos_LH, model.sin_LH) for x in (x_BLD, changed_BLD))
    torch.testing.assert_close(out[:, :-1], changed[:, :-1])
    assert not torch.allclose(out[:, -1], changed[:, -1])


def test_plain_model_keeps_its_residual_stream_in_the_compute_type() -> None:
    """As codetitan's is: in fp32, which autocast makes of an embedding in fp32, it would move twice the bytes."""
    model = Llama(Flavor(32, 2, 4, 2, 48, 64, True), seq_len=8)
    seen: list[torch.dtype] = []
    for block in model.blocks:
        for module in (block, block.ffn_norm):
            module.register_forward_hook(lambda _, __, out: seen.append(out.dtype))
    for enabled in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            model(torch.randint(64, (2, 9))).backward()
    assert seen == [torch.bfloat16] * 4 + [torch.float32] * 4


def test_torchtitan_has_no_sdpa(tiny: Path) -> None:
    """A point of a baseline that can't be built is left out with its reason; codetitan's own stays."""
    points = expand([(tiny, [])], {}, ["codetitan", "torchtitan"], ["--model.attention", "sdpa"])
    ours, theirs = (check(point, 1, 4, {}) for point in points)
    assert ours.refused is None
    assert theirs.refused is not None and 'torchtitan\'s Llama-3 has no model.attention = "sdpa"' in theirs.refused
    with pytest.raises(ValueError, match="sdpa is no longer supported"):
        llama3_spec(resolve(tiny, ["--model.attention", "sdpa"], world_size=1).config)


@pytest.mark.parametrize("trainer", ["torchtitan", "pytorch"])
def test_the_baselines_are_llamas(tiny: Path, trainer: str) -> None:
    for key, value, shown in (
        ("qkv_bias", "true", "true"),
        ("norm", "layernorm", '"layernorm"'),
        ("head_dim", "64", "64"),
    ):
        (point,) = expand([(tiny, [])], {}, [trainer], [f"--model.{key}", value])
        refused = check(point, 1, 4, {}).refused
        assert refused == f"model.{key} = {shown}: the baselines have Llama's blocks; compare a flavor that has them"


def run_throughput(config: Path, output: Path, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "throughput.py"), "--config", str(config)]
    command += ["--output", str(output), "--warm-up", "1", "--steps", "2", *words]
    return subprocess.Popen(
        command, env=environment(1), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=config.parent
    )


@pytest.mark.slow
def test_sweep(tiny: Path, tmp_path: Path) -> None:
    """Every trainer, a refused point and a failing one; then the same command again."""
    output = tmp_path / "out"
    points = tmp_path / "points.toml"
    points.write_text(f'[[point]]\nconfig = "{tiny}"\noverrides = "--dataloader.sources directory:/nowhere"\n')
    sweep = ["--microbatches", "2", "3", "--training.global_batch_size", "4"]
    child = run_throughput(tiny, output, *sweep, "--points", str(points), "--trainers", "codetitan")
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err
    assert "4 points: 2 refused, 0 measured before, 0 failed before (again with --retry-failed), 2 to run" in out
    result = json.loads((output / "results.json").read_text())
    ok, failed = result["rows"][0], result["rows"][2]
    assert [one["status"] for one in result["rows"]] == ["ok", "refused", "failed", "refused"]
    assert len(ok["measured"]["step_s"]) == 2 and ok["measured"]["memory_gib"] > 0 and ok["summary"]["mfu_full"] is None
    assert 'directory "/nowhere" does not exist' in failed["reason"]
    assert len(list((output / "logs").iterdir())) == 1
    # the same again with the baselines: what has been measured is not measured again
    words = ["--trainers", "codetitan", "torchtitan", "pytorch"]
    child = run_throughput(tiny, output, *sweep[3:], *words)
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err
    assert "3 points: 0 refused, 1 measured before" in out
    rows = json.loads((output / "results.json").read_text())["rows"]
    assert [one["trainer"] for one in rows if one["status"] == "ok"] == words[1:]
    assert set(rows[0]["ratios"]) == {"torchtitan", "pytorch"}


@pytest.mark.slow
def test_ctrl_c_leaves_what_is_done(tiny: Path, tmp_path: Path) -> None:
    child = run_throughput(tiny, tmp_path / "out", "--trainers", "codetitan", "--training.seq_len", "2048")
    logs = tmp_path / "out" / "logs"
    while not any("plan " in log.read_text() for log in logs.glob("*.log")):  # its ranks are at work
        assert child.poll() is None, child.communicate()
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=120)
    assert child.returncode == 130 and "stopped; the same command goes on" in err
    assert (tmp_path / "out" / "results.md").exists()
    assert str(tiny) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
