"""What gpu_day.py measures after its checks: groups of rows, the most telling first, as points of throughput.py."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gpu_day_bench import SOURCES, TINY
from throughput_points import Checked, Point, check, mesh_overrides
from throughput_run import REPOSITORY

GROUPS = ("sweep", "switches", "attention", "sizes", "baselines", "eight")
# 8 microbatches of 32k tokens: a step of 350m takes 2 s, and the gradients of several are added up.
_TOKENS_A_STEP = 1 << 18
_32K, _64K = 1 << 15, 1 << 16
_TINY_BATCH = (
    "--training.seq_len", "256", "--training.local_batch_size", "2", "--training.global_batch_size", "16",
    "--compile.enable", "false",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One thing to measure.

    Attributes:
        group: one of GROUPS.
        name: unique.
        config: of train_configs.
        words: overrides.
        trainer: codetitan or a baseline.
        gpus: how many it needs.
        turn: of the default that switches are compared with, counted from 1; 0 only to know its key; None for others.
    """

    group: str
    name: str
    config: str
    words: tuple[str, ...]
    trainer: str = "codetitan"
    gpus: int = 1
    turn: int | None = None


def _batch(seq_len: int, microbatch_tokens: int = _32K) -> tuple[str, ...]:
    sizes = {
        "seq_len": seq_len,
        "local_batch_size": microbatch_tokens // seq_len,
        "global_batch_size": _TOKENS_A_STEP // seq_len,
    }
    return tuple(word for name, size in sizes.items() for word in (f"--training.{name}", str(size)))


def _ac(name: str) -> tuple[str, str]:
    return "--activation_checkpoint.name", name


def _sweep() -> list[Row]:
    settings = [
        (seq_len, ac, tokens)
        for ac in ("none", "selective")
        for tokens in (_32K, _64K)
        for seq_len in (4096, 2048, 8192)
    ]
    return [
        Row(
            "sweep",
            f"350m T {seq_len}, {ac}, {tokens >> 10}k tokens",
            "code_350m",
            (*_batch(seq_len, tokens), *_ac(ac)),
        )
        for seq_len, ac, tokens in settings
    ]


def _flex(**options: bool) -> tuple[str, str]:
    written = ", ".join(f"{name} = {str(value).lower()}" for name, value in options.items())
    return "model.flex_options", f"{{ {written} }}"


# key and value of each switch; those that say what the default says anyway are left out
_SWITCHES = (
    ("activation_checkpoint.name", "none"),
    ("activation_checkpoint.name", "selective"),
    ("dataloader.pin_memory", "true"),
    ("dataloader.pin_memory", "false"),
    ("training.gradient_sync", "each-microbatch"),  # the last is what auto takes on one GPU
    ("model.fused_ffn", "true"),
    ("model.fused_ffn", "false"),
    ("model.fused_qkv", "true"),
    ("model.fused_qkv", "false"),
    _flex(PRESCALE_QK=True, USE_TMA=True),
    _flex(PRESCALE_QK=True),
    _flex(USE_TMA=True),
    _flex(ROWS_GUARANTEED_SAFE=False),  # true by default
    ("parallelism.fsdp_reshard_after_forward", "never"),
    ("training.disable_cuda_graphs", "false"),
)
_DEFAULT = _batch(4096)


def default(turn: int) -> Row:
    """Returns the configuration as it is, for the n-th time."""
    return Row("switches", f"default, turn {turn}", "code_350m", _DEFAULT, turn=turn)


def switches() -> list[Row]:
    """Returns each switch alone."""
    return [
        Row("switches", f"{key} = {value}", "code_350m", (*_DEFAULT, f"--{key}", value)) for key, value in _SWITCHES
    ]


def _attention() -> list[Row]:
    rows = [
        Row("attention", f"350m, {name}", "code_350m", (*_DEFAULT, *_ac("none"), "--model.attention", name))
        for name in ("flex_flash", "varlen", "sdpa")
    ]
    sdpa = ("--model.attention", "sdpa")
    words = (*_batch(2048, _64K), *_ac("none"), *sdpa)
    return [*rows, Row("attention", "350m, sdpa, T 2048, 64k tokens", "code_350m", words)]


def _sizes() -> list[Row]:
    words = (*_batch(4096), *_ac("selective"))
    whole = (*_batch(4096, 1 << 14), *_ac("full"))
    return [
        Row("sizes", "1_3b, bf16", "code_1_3b", words),
        Row("sizes", "1_3b, FP8 tensorwise", "code_1_3b", (*words, "--float8.recipe", "tensorwise")),
        Row("sizes", "1_3b, FP8 rowwise", "code_1_3b", (*words, "--float8.recipe", "rowwise")),
        Row("sizes", "3b, bf16", "code_3b", whole),
    ]


def _baselines() -> list[Row]:
    # With codetitan's own at the same settings, which the sweep has measured if it was run.
    words = (*_DEFAULT, *_ac("none"))
    trainers = ("codetitan", "torchtitan", "pytorch")
    return [Row("baselines", f"350m, none, {trainer}", "code_350m", words, trainer) for trainer in trainers]


def _eight() -> list[Row]:
    meshes = ("fsdp=8", "replicate=2,fsdp=4", "tp=2,fsdp=4", "cp=2,fsdp=4")
    # The same step on each mesh: 128 rows of 4,096 tokens, in two microbatches a rank, or in four under TP and CP.
    batch = (*_batch(4096), "--training.global_batch_size", "128")
    rows = [Row("eight", f"350m on 8, {mesh}", "code_350m", (*batch, *mesh_overrides(mesh)), gpus=8) for mesh in meshes]
    for gathered in ("true", "false"):
        words = ("--training.global_batch_size", "128", "--float8.fsdp_all_gather", gathered)
        rows.append(Row("eight", f"1_3b on 8, FP8 all-gather {gathered}", "code_1_3b_8gpu_fp8", words, gpus=8))
    return [
        *rows,
        Row("eight", "1_3b on 8, bf16", "code_1_3b_8gpu_fp8", (*words[:2], "--float8.recipe", "none"), gpus=8),
    ]


MAKERS: dict[str, Callable[[], list[Row]]] = {
    "sweep": _sweep,
    "switches": switches,
    "attention": _attention,
    "sizes": _sizes,
    "baselines": _baselines,
    "eight": _eight,
}


def checked(
    row: Row, steps: int, identity: dict[str, object], overrides: Sequence[str], *, tiny: bool, on_gpu: bool
) -> Checked:
    """Asks the rules about a row; `steps` are those of a run.

    Rows with the same settings have the same key, but each turn of the default and each switch has its own: these are
    compared with what was measured just before and after.
    """
    words, config = (*SOURCES, *row.words, *overrides), row.config
    if tiny:
        words, config = (*words, *TINY, *_TINY_BATCH), "debug"
        if "--float8.recipe" in words and not on_gpu:
            words = (*words, "--float8.emulate", "true", "--float8.skip_small_layers", "false")
    point = Point(row.name, row.trainer, REPOSITORY / "train_configs" / f"{config}.toml", words)
    turn = {"turn": row.turn or 0} if row.group == "switches" else {}
    return check(point, row.gpus, steps, identity | turn)


def take_turns(
    rows: Sequence[tuple[Row, Checked]], turn: Callable[[int], tuple[Row, Checked]]
) -> list[tuple[Row, Checked]]:
    """Puts the default before, between and after pairs of switches, so that a drift of the machine shows.

    Refused switches cost no turn and come last.
    """
    run = [pair for pair in rows if pair[1].refused is None]
    if not run:
        return list(rows)
    ordered = [turn(1)]
    for i in range(0, len(run), 2):
        ordered += [*run[i : i + 2], turn(i // 2 + 2)]
    return [*ordered, *(pair for pair in rows if pair[1].refused is not None)]


def without_default(rows: Sequence[tuple[Row, Checked]], default_key: str) -> list[tuple[Row, Checked]]:
    """Refuses the switches that change nothing."""
    return [
        (row, dataclasses.replace(point, refused="is the default", key=""))
        if point.key == default_key
        else (row, point)
        for row, point in rows
    ]
