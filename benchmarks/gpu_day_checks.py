"""The checks of gpu_day.py, in the order in which they tell most.

Each is a function of a Bench that returns its figures, or raises Failed with the reason.
"""

import re
import statistics
import sys
from pathlib import Path

import gpu_day_environment
from gpu_day_bench import Bench, Check, Failed, Run, compare
from gpu_day_trace import ON_CPU, ON_GPU, read_gaps
from throughput_points import mesh_overrides
from throughput_run import REPOSITORY, own_environment

# Relative differences of losses.
_SAME_KERNELS = 1e-4  # fp32 in another order: 7e-7 over 30 steps on a CPU (benchmarks/README.md), with room for kernels
_BF16 = 2e-3  # bfloat16 in another order
_FP8 = 1e-2  # means of ten steps; FP8 differs from fp32 by 2e-3 at a high learning rate (docs/float8.md)
_OTHER_WEIGHTS = 3e-2  # CUDA draws other initial values; two seeds on a CPU: up to 1.3e-2 in ten steps
_IDLE = 0.05  # of a step; a plan for 350m on an H100 expects 1 to 2 %

# 350m with two microbatches of 32k tokens a step, so that gradients accumulate.
_TWO_MICROBATCHES = ("--training.local_batch_size", "8", "--training.global_batch_size", "16")
_DEBUG_STEPS = 10


def environment(bench: Bench) -> str:
    """Driver, CUDA, C compiler and headers; then a kernel, compiled and run."""
    found = gpu_day_environment.facts()
    wrong = gpu_day_environment.shortcomings(found)
    if wrong:
        raise Failed("; ".join(wrong))
    program = str(REPOSITORY / "benchmarks" / "gpu_day_environment.py")
    log = bench.run("kernel", [sys.executable, program], own_environment())
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1]
    return f"{said}; driver {found['driver'] or 'unknown'}, CUDA {found['CUDA of torch']}, {found['C compiler']}"


def flex_one(bench: Bench) -> str:
    """Uncompiled flex attention on one device, beside the CPU's dense mask."""
    steps = bench.steps(_DEBUG_STEPS)
    run = bench.reference("one", "debug", steps)
    cpu = bench.train("cpu", "debug", steps, CUDA_VISIBLE_DEVICES="")
    return f"{compare(run.losses, cpu.losses, _OTHER_WEIGHTS)}; CUDA draws other initial values than a CPU"


def _mesh(bench: Bench, mesh: str, gpus: int, words: tuple[str, ...] = (), both: tuple[str, ...] = ()) -> str:
    """Compares a mesh, which `words` are for, with one GPU; `both` are for either."""
    steps = bench.steps(_DEBUG_STEPS)
    one = bench.reference("one", "debug", steps, both)
    run = bench.train("mesh", "debug", steps, (*both, *mesh_overrides(mesh), *words), gpus=gpus)
    return f"{compare(run.losses, one.losses, _SAME_KERNELS)}; {gpus} processes"


def flex_all(bench: Bench) -> str:
    """The same on as many GPUs as share debug's sixteen rows."""
    gpus = max(n for n in (2, 4, 8) if n <= bench.gpus)
    return _mesh(bench, f"fsdp={gpus}", gpus)


def compile_once(bench: Bench) -> str:
    """Twelve steps of 350m: everything is compiled by the second, and no graph breaks."""
    steps = bench.steps(12)
    words = (*_TWO_MICROBATCHES, "--compile.enable", "true")
    run = bench.train("train", "code_350m", steps, words, TORCH_LOGS="recompiles,graph_breaks")
    log = (run.folder / "logs" / "rank-0.log").read_text(encoding="utf-8", errors="replace")
    return judge_graphs(run, log)


def judge_graphs(run: Run, log: str) -> str:
    """Says how many graphs a run has compiled.

    Args:
        run: with `graphs` and `graph_breaks` in its metrics.
        log: of rank 0, with what TORCH_LOGS asked for between the lines of the steps.

    Raises:
        Failed: none, one after the second step, or a break.
    """
    graphs, breaks = ([record[name] for record in run.metrics] for name in ("graphs", "graph_breaks"))
    where = f"see {run.folder / 'logs'}"
    if breaks[-1]:
        raise Failed(f"{breaks[-1]} graph breaks; {where}")
    late = next((i for i in range(2, len(graphs)) if graphs[i] != graphs[i - 1]), None)
    if late is not None:
        raise Failed(f"{graphs[-1] - graphs[1]} graphs compiled after step 2, the first at step {late + 1}; {where}")
    # The log beside the counters: these have not seen the recompiles of a block that is compiled with fullgraph.
    settled = re.search(r"step +2/.*", log, re.DOTALL)
    if settled is None:
        raise Failed(f"no line of step 2 in the log; {where}")
    recompiles = [text.count("Recompiling function") for text in (log, settled.group())]
    if recompiles[1]:
        raise Failed(f"TORCH_LOGS tells of {recompiles[1]} recompiles after step 2; {where}")
    if not graphs[-1]:
        raise Failed("compile.enable = true, and metrics.jsonl counts no graph")
    return f"{graphs[-1]} graphs, 0 breaks, {recompiles[0]} recompiles, none after step 2"


def _resume(bench: Bench, words: tuple[str, ...], tolerance: float, *, gpus: int = 1, then: int = 1) -> str:
    """Trains with a checkpoint half-way, goes on from that in another folder, and compares the second half."""
    steps = bench.steps(12)
    half = steps // 2
    words = (*words, "--checkpoint.enable", "true", "--checkpoint.interval", str(half))
    whole = bench.train("whole", "code_350m", steps, words, gpus=gpus)
    saved = whole.folder / "checkpoint" / f"step-{half}"
    if not (saved / ".metadata").is_file():
        raise Failed(f"no complete checkpoint of step {half} in {saved.parent}")
    goes_on = bench.folder / "resumed" / "checkpoint" / saved.name
    goes_on.parent.mkdir(parents=True)
    saved.rename(goes_on)
    resumed = bench.train("resumed", "code_350m", steps, words, gpus=then)
    first = resumed.metrics[0]["step"]
    if first != half + 1:
        raise Failed(f"the resumed run began with step {first}, not {half + 1}")
    return f"steps {half + 1} to {steps}: {compare(resumed.losses, whole.losses[half:], tolerance)}"


def resume(bench: Bench) -> str:
    """Save and resume on one GPU."""
    return _resume(bench, _TWO_MICROBATCHES, _SAME_KERNELS)


def resume_on_half(bench: Bench) -> str:
    """Save on all GPUs that share sixteen rows, resume on half of them."""
    gpus = max(n for n in (2, 4, 8) if n <= bench.gpus)
    words = ("--training.local_batch_size", "2", "--training.global_batch_size", "16")
    return f"{gpus} to {gpus // 2}: {_resume(bench, words, _BF16, gpus=gpus, then=gpus // 2)}"


def _float8(bench: Bench, recipe: str) -> str:
    steps = bench.steps(50)
    words = _TWO_MICROBATCHES
    float8 = (*words, "--float8.recipe", recipe, "--float8.skip_small_layers", "false")
    run = bench.train("fp8", "code_350m", steps, float8)
    bf16 = bench.reference("bf16", "code_350m", steps, words)
    return judge_float8(run.losses, bf16.losses)


def judge_float8(losses: list[float], bf16: list[float]) -> str:
    """Compares the means of the last ten losses. Raises Failed: one is not finite, or they are too far apart."""
    compare(losses, bf16, float("inf"))  # every loss is a number
    ends = [statistics.fmean(curve[-10:]) for curve in (losses, bf16)]
    apart = abs(ends[0] - ends[1]) / ends[1]
    said = f"mean of the last {len(bf16[-10:])} losses {ends[0]:.4f}, bf16 {ends[1]:.4f}"
    if apart > _FP8:
        raise Failed(f"{said}: {apart:.1e} apart; {_FP8:.0e} is allowed")
    return f"{said}: {apart:.1e} apart; {_FP8:.0e} is allowed"


def cuda_graphs(bench: Bench) -> str:
    """The same losses with forward and backward captured in CUDA graphs."""
    steps = bench.steps(12)
    without = bench.train("without", "code_350m", steps, _TWO_MICROBATCHES)
    captured = bench.train(
        "captured", "code_350m", steps, (*_TWO_MICROBATCHES, "--training.disable_cuda_graphs", "false")
    )
    times = [statistics.median(record["step_s"] for record in run.metrics[2:]) for run in (without, captured)]
    ratio = times[0] / times[1]
    return f"{compare(captured.losses, without.losses, _SAME_KERNELS)}; {ratio:.3f} × as fast with them"


def profile(bench: Bench) -> str:
    """The idle share of two profiled steps of four microbatches each."""
    steps = bench.steps(20)
    words = ("--training.local_batch_size", "8", "--training.global_batch_size", "32")
    # Two steps at the end of each half; logged seldom, because a logged step waits for the GPU.
    freq = ("--profiler.enable_profiling", "true", "--profiler.profile_freq", str(steps // 2))
    words = (*words, *freq, "--profiler.profiler_active", "1" if bench.tiny else "2")
    words = (*words, "--profiler.profiler_warmup", "1", "--metrics.log_freq", "1000")
    run = bench.train("profiled", "code_350m", steps, words)
    traces = sorted(
        run.folder.glob("profiling/traces/*/*.json.gz"), key=lambda file: int(file.parent.name.rpartition("_")[2])
    )
    if not traces:
        raise Failed(f"the profiler left no trace in {run.folder / 'profiling'}")
    return judge_gaps(traces[-1], on_gpu=bench.on_gpu)


def judge_gaps(trace: Path, *, on_gpu: bool) -> str:
    """Says how idle the device is in a trace. Raises Failed: no event, or a GPU that waits too much."""
    try:
        found = read_gaps(trace, ON_GPU if on_gpu else ON_CPU)
    except (OSError, ValueError, KeyError) as error:
        raise Failed(f"{trace.name}: {error}") from error
    said = (
        f"idle {found.share:.1%} of {found.span_ms:.0f} ms, {found.n_long} gaps of more than 0.1 ms, the longest "
        f"{found.longest_ms:.2f} ms"
    )
    if on_gpu and found.share > _IDLE:
        raise Failed(f"{said}; {_IDLE:.0%} is allowed")
    return said


def tp(bench: Bench) -> str:
    """TP 2 over NCCL."""
    return _mesh(bench, "tp=2", 2)


def cp(bench: Bench) -> str:
    """CP 2 over NCCL."""
    return _mesh(bench, "cp=2", 2, both=("--training.seq_len", "256"))  # two blocks of the mask, of 128


def pp(bench: Bench) -> str:
    """PP 4 over NCCL, a microbatch of one row for each stage."""
    return _mesh(bench, "pp=4", 4, ("--training.local_batch_size", "4"))


def hsdp(bench: Bench) -> str:
    """Two replicas of two shards over NCCL."""
    return _mesh(bench, "replicate=2,fsdp=2", 4)


def asynchronous(bench: Bench) -> str:
    """Saving in the background, from pinned memory on a GPU, with exports; the state saved is that of its step."""
    mode = "async_with_pinned_mem" if bench.on_gpu else "async"
    words = (*_TWO_MICROBATCHES, "--checkpoint.async_mode", mode, "--checkpoint.export_every_k", "1")
    said = _resume(bench, words, _SAME_KERNELS)
    exports = sorted(
        folder.name
        for folder in (bench.folder / "whole" / "export").glob("step-*")
        if any(folder.glob("*.safetensors"))
    )
    if len(exports) != 2:
        raise Failed(f"2 exports were due, {len(exports)} are there; {said}")
    return f"{mode}, exports of {' and '.join(exports)}; {said}"


def validation(bench: Bench) -> str:
    """Rounds between steps that are compiled change no loss, and all GPUs measure what one does."""
    steps = bench.steps(12)
    held_out = ("--validation.share", "0.03", "--validation.by", "document")
    held_out += ("--validation.tokens", "4K" if bench.tiny else "64K")
    rounds = ("--validation.interval", str(steps // 2))
    without = bench.train("without", "code_350m", steps, (*_TWO_MICROBATCHES, *held_out))
    one = bench.train("rounds", "code_350m", steps, (*_TWO_MICROBATCHES, *held_out, *rounds))
    said = f"with and without rounds {compare(one.losses, without.losses, _SAME_KERNELS)}"
    if bench.gpus > 1:
        mesh = bench.train("two", "code_350m", steps, (*_TWO_MICROBATCHES, *held_out, *rounds), gpus=2)
        measured, expected = ([record["validation/loss"] for record in run.rounds] for run in (mesh, one))
        said += f"; two processes measure: {compare(measured, expected, _SAME_KERNELS)}"
    last = one.rounds[-1]
    return f"{said}; a round takes {last['validation/seconds']:.2f} s, a step {one.metrics[-2]['step_s']:.2f} s"


def not_finite(bench: Bench) -> str:
    """After a first step that makes weights of 1e30 no gradient is finite: the device skips every update."""
    words = ("--optimizer.lr", "1e30", "--lr_scheduler.warmup_steps", "0", "--training.max_norm", "1e30")
    skip = ("--training.on_nonfinite", "skip", "--training.max_skipped_steps", "100")
    steps = bench.steps(_DEBUG_STEPS)
    run = bench.train("skip", "debug", steps, (*words, *skip))
    # On a GPU a step is counted when the next one is, and the last when the run ends.
    skipped = run.metrics[-1]["skipped_steps"]
    if len(run.metrics) != steps or skipped < steps - 2:
        raise Failed(f"{skipped} of {steps - 1} updates were skipped, in {len(run.metrics)} steps")
    try:
        bench.train("stop", "debug", steps, words)
    except Failed as failed:
        if "the norm of the gradients is" in str(failed):
            return f"{skipped} updates skipped; or stopped: {str(failed).removeprefix('stop: ')}"
        raise
    raise Failed('training.on_nonfinite = "stop" did not stop')


def driver_gate(bench: Bench) -> str:
    """A driver without a usable GPU: the launcher must refuse, not train on the CPU of a GPU node."""
    # An index that no machine has hides every GPU, as a driver that is too old does; empty would ask for the CPU.
    try:
        bench.train("hidden", "debug", 1, CUDA_VISIBLE_DEVICES="1000")
    except Failed as failed:
        if "driver" in str(failed):
            return f"refused: {str(failed).removeprefix('hidden: ')}"
        raise
    raise Failed("with a driver and no usable GPU it trained on the CPU, without a word")


CHECKS = (
    Check(
        "environment", "Are driver, CUDA, C compiler and Python.h there, and does a kernel compile?", environment, 30
    ),
    Check("flex, one GPU", "Does uncompiled flex train as the CPU does?", flex_one, 60),
    Check("flex, all GPUs", "Does FSDP over all GPUs have the losses of one?", flex_all, 60, gpus=2),
    Check("compile", "Does 350m compile once, without a graph break?", compile_once, 100),
    Check("resume", "Does a run that goes on from a checkpoint repeat its losses?", resume, 90),
    Check("resume on half", "Does it on half of the GPUs that wrote it?", resume_on_half, 120, gpus=2),
    Check(
        "FP8 tensorwise", "Is it finite, and as good as bf16 after 50 steps?", lambda b: _float8(b, "tensorwise"), 140
    ),
    Check("FP8 rowwise", "Is it, too?", lambda b: _float8(b, "rowwise"), 80),
    Check("FP8 rowwise_with_gw_hp", "And it?", lambda b: _float8(b, "rowwise_with_gw_hp"), 80),
    Check("CUDA graphs", "Are the losses the same with and without?", cuda_graphs, 90),
    Check("profile", "How long does the GPU wait between microbatches?", profile, 60),
    Check("TP 2", "Are the losses of tensor parallelism those of one GPU?", tp, 60, gpus=2),
    Check("CP 2", "Those of context parallelism?", cp, 60, gpus=2),
    Check("PP 4", "Those of a pipeline?", pp, 60, gpus=4),
    Check("HSDP 2 × 2", "Those of replicated shards?", hsdp, 60, gpus=4),
    Check("saving in the background", "Is a pinned asynchronous save whole, with exports?", asynchronous, 120),
    Check("validation", "Do rounds of validation change no loss, and measure the same on two GPUs?", validation, 150),
    Check("not finite", "Do gradients that are not finite change no weight?", not_finite, 60),
    Check("driver gate", "Is a GPU node without a usable GPU refused?", driver_gate, 15, only_gpu=True),
)
