"""What a single value may be, key by key: ranges of numbers, words of a list, what is not supported.

Asked by `schema` as each value is read, so before torchtitan's own dataclasses are built, whose words name no key. The
data's keys have most of their rules in `config.data`. No torch here.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

from codetitan import stop
from codetitan.errors import ConfigError, did_you_mean


class RefusedError(ConfigError):
    """A value of the right type that is refused: what its key may be besides, such as none, is no help."""


_LARGE = (1 << 31) - 1


@dataclass(frozen=True)
class Range:
    """Numbers from `low` (above it, where `open`) to `high`, or one of `also`, which the rule's words explain."""

    low: float
    high: float = _LARGE
    open: bool = False
    also: tuple[float, ...] = ()
    words: str = ""

    def rule(self, value: float) -> str | None:
        """Returns the rule that a number breaks, in words; None: it breaks none."""
        if value in self.also or (self.low < value <= self.high) or (value == self.low and not self.open):
            return None
        if isinstance(value, float) and math.isinf(value):
            return "must be finite"
        if value > self.high > 1:
            return f"must be at most {self.high:.0f}"
        if self.words:
            return self.words
        if self.high == 1 and not self.open:
            return "must lie between 0 and 1"
        return (
            f"must be above {self.low:g}"
            if self.open
            else "must not be negative"
            if self.low == 0
            else f"must be at least {self.low:g}"
        )


_COUNT = Range(1)
_NOT_NEGATIVE = Range(0)
_DEGREE = Range(1, 1 << 20)
_POSITIVE = Range(0, 1.7e308, open=True)  # finite
_WEIGHT = Range(0, 1.7e308)
_SHARE = Range(0, 1)
_SEED = Range(0, (1 << 63) - 1)

# key → its range; every number of the configuration has one here or in config.data (tests/config/test_wrong.py).
RANGES: dict[str, Range] = {
    "training.steps": _COUNT,
    "training.tokens": Range(1, 1e18),
    "training.epochs": _COUNT,
    "training.seq_len": Range(2, 1 << 27),
    "training.local_batch_size": Range(1, 1 << 24),
    "training.global_batch_size": Range(
        1, 1 << 24, also=(-1,), words="must be at least 1, or -1 to have it worked out"
    ),
    "training.max_norm": Range(0, math.inf, open=True),  # inf: the norm is measured, and nothing is clipped
    "training.gc_freq": _COUNT,
    "training.max_skipped_steps": _COUNT,
    "optimizer.lr": _POSITIVE,
    "optimizer.eps": _POSITIVE,
    "optimizer.weight_decay": _WEIGHT,
    "lr_scheduler.warmup_steps": _NOT_NEGATIVE,
    "lr_scheduler.warmup_ratio": _SHARE,
    "lr_scheduler.total_steps": _COUNT,
    "lr_scheduler.decay_ratio": _SHARE,
    "lr_scheduler.min_lr_factor": _SHARE,
    "metrics.log_freq": _COUNT,
    "checkpoint.interval": _COUNT,
    # torchtitan keeps the one before until the next is whole.
    "checkpoint.keep_latest_k": Range(2, also=(0,), words="must be at least 2, or 0 to keep all"),
    "checkpoint.load_step": Range(0, also=(-1,), words="must be a step, -1 for the last, or latest-good"),
    "checkpoint.export_every_k": _COUNT,
    "checkpoint.evaluate_every_k": _COUNT,
    "checkpoint.evaluate_limit": _COUNT,
    "parallelism.data_parallel_replicate_degree": _DEGREE,
    "parallelism.data_parallel_shard_degree": Range(
        1, 1 << 20, also=(-1,), words="must be at least 1, or -1 to have it worked out"
    ),
    "parallelism.tensor_parallel_degree": _DEGREE,
    "parallelism.pipeline_parallel_degree": _DEGREE,
    "parallelism.context_parallel_degree": _DEGREE,
    "parallelism.pipeline_parallel_layers_per_stage": _COUNT,
    "parallelism.pipeline_parallel_microbatch_size": _COUNT,
    "model.rope.theta": _POSITIVE,
    "model.rope.factor": Range(1, 1.7e308),
    "model.rope.original_seq_len": _COUNT,
    "model.rope.beta_fast": _POSITIVE,
    "model.rope.beta_slow": _POSITIVE,
    "model.rope.low_freq_factor": _POSITIVE,
    "model.rope.high_freq_factor": _POSITIVE,
    "model.dim": Range(1, 1 << 20),
    "model.n_layers": Range(1, 1 << 12),
    "model.n_heads": Range(1, 1 << 16),
    "model.n_kv_heads": Range(1, 1 << 16),
    "model.ffn_dim": Range(1, 1 << 22),
    "model.vocab_size": Range(1, 1 << 26),
    "model.norm_eps": _POSITIVE,
    "model.head_dim": Range(2, 1 << 16),
    "model.sliding_window": Range(1, 1 << 27, also=(0,), words="must be at least 1, or 0 to attend to all"),
    "loss.num_chunks": _COUNT,
    "activation_checkpoint.memory_budget": _SHARE,
    "comm.init_timeout_seconds": Range(1, 1 << 25),  # a year
    "comm.train_timeout_seconds": Range(1, 1 << 25),
    "comm.trace_buf_size": _NOT_NEGATIVE,
    "debug.seed": _SEED,
    "profiler.profile_freq": _COUNT,
    "profiler.profiler_repeat": _NOT_NEGATIVE,
    "profiler.profiler_skip_first": _NOT_NEGATIVE,
    "profiler.profiler_skip_first_wait": _NOT_NEGATIVE,
    "profiler.profiler_active": _COUNT,
    "profiler.profiler_warmup": _NOT_NEGATIVE,
    "profiler.memory_snapshot_freq": _COUNT,
    "profiler.memory_snapshot_max_entries": _COUNT,
    "validation.share": Range(0, 0.5, words="must lie between 0 and 0.5"),
    "validation.interval": _COUNT,
    "validation.patience": _COUNT,
    "validation.tokens": Range(1, 1e18),
    "validation.sources.*.epochs": _COUNT,
    "validation.sources.*.max_documents": _COUNT,
    "validation.sources.*.max_file_bytes": _COUNT,
    "validation.sources.*.max_bytes": _COUNT,
    "validation.sources.*.repo_depth": _NOT_NEGATIVE,
    "objective.beta": _POSITIVE,
    "objective.label_smoothing": Range(0, 0.5, words="must lie between 0 and 0.5"),
    "dataloader.seed": _SEED,
    "dataloader.block": Range(1, 1 << 24),
    "dataloader.workers": Range(0, 1 << 12),
    "dataloader.prefetch": Range(1, 1 << 16),
    "dataloader.metadata.files_per_repository": _COUNT,
    "dataloader.fim.spans.random": _WEIGHT,
    "dataloader.fim.spans.line": _WEIGHT,
    "dataloader.fim.spans.syntax": _WEIGHT,
    "dataloader.sources.*.epochs": _COUNT,
    "dataloader.sources.*.max_documents": _COUNT,
    "dataloader.sources.*.max_file_bytes": _COUNT,
    "dataloader.sources.*.max_bytes": _COUNT,
    "dataloader.sources.*.repo_depth": _NOT_NEGATIVE,
}

# key → the words that it may be; what a rule of torchtitan's knows, but its type does not say.
_WORDS: dict[str, tuple[str, ...]] = {
    "checkpoint.exclude_from_loading": ("optimizer", "lr_scheduler", "dataloader", "train_state"),
    "compile.components": ("model", "loss"),
    "compile.backend": ("inductor", "aot_eager"),
    "parallelism.context_parallel_load_balancer": ("headtail", "ptrr", "none"),
    "activation_checkpoint.determinism_check": ("default", "none"),
}

_IMPORT = "import the model first: codetitan import"
_NOT_SUPPORTED = {
    "checkpoint.last_save_in_hf": "export the checkpoint: checkpoint.export_every_k, or codetitan export",
    "checkpoint.initial_load_in_hf": _IMPORT,
    "checkpoint.initial_load_in_hf_quantized": _IMPORT,
}

# Paths of the user's, in which ~ is written out; the sources write out their own.
PATHS = {"dump_folder", "hf_assets_path", "checkpoint.initial_load_path", "debug.save_config_file"}

_MAY_BE_EMPTY = {"comm.save_traces_file_prefix"}


def check(key: str, value: Any) -> None:
    """Asks what a single value must be; an item of a list comes with its number, as `compile.components.0`.

    Raises:
        RefusedError: the value is outside its range, none of the words, or not supported.
    """
    general = re.sub(r"\.\d+(?=\.|$)", ".*", key)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and (range_ := RANGES.get(general)):
        if rule := range_.rule(value):
            raise RefusedError(f"{key} = {value} {rule}")
    elif isinstance(value, str) and (known := _WORDS.get(general.removesuffix(".*"))) is not None:
        if value not in known:
            hint = did_you_mean(value, known)
            raise RefusedError(
                f'{key.removesuffix(".0") if general.endswith(".*") else key}: "{value}" must be one of '
                f"{', '.join(known)}{hint}"
            )
    elif isinstance(value, str) and general == "training.max_time":
        try:
            stop.seconds(value)
        except ValueError as error:
            raise RefusedError(f"{key} = {error}") from None
    elif isinstance(value, str) and not value.strip() and general not in _MAY_BE_EMPTY:
        raise RefusedError(f"{key} must not be empty")
    elif value is True and (instead := _NOT_SUPPORTED.get(key)):
        raise RefusedError(f"{key} = true is not supported; set it to false, and {instead}")


def number_of_tokens(value: str | float, key: str = "training.tokens") -> int:
    """Returns e.g. 7_000_000_000 of "7B", "7e9" or a number, the value of a key; units are K, M, B and T, of a thousand
    each.

    Raises:
        ConfigError: it is no such number.
    """
    units = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
    written = re.fullmatch(r"([\d_.]+(?:e\+?\d+)?)\s*([KMBT]?)", str(value).strip(), re.IGNORECASE)
    try:
        n = round(float(written[1]) * units[written[2].upper()]) if written else 0
    except (ValueError, OverflowError):
        n = 0
    if not 1 <= n <= 1e18:
        shown = f'"{value}"' if isinstance(value, str) else value
        raise ConfigError(f'{key} = {shown} must be a number of tokens, such as "7B", "400M" or 1.5e12')
    return n
