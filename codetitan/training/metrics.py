"""What a run shows and leaves: a console line, TensorBoard, and `metrics.jsonl` with one object a logged step."""

import contextlib
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch.distributed as dist

from codetitan import device
from codetitan.data.rows.loader import Served
from codetitan.errors import ConfigError
from codetitan.models.code.pipeline import is_v_shaped
from codetitan.titan import BaseLogger, MetricsProcessor, WandBLogger, _get_metrics_rank, get_peak_flops
from codetitan.training import compilation
from codetitan.training.console import StepLine, rate
from codetitan.training.evaluations import Evaluated
from codetitan.training.logs import MetricsFile, TensorBoardFile
from codetitan.training.validation import Validation

logger = logging.getLogger("codetitan.training.metrics")  # heard from any rank: codetitan/train.py

_SHOWN = ("rewards/margin", "rewards/accuracy")  # on the console, of what an objective measures
_A100_BF16 = 312e12  # what torchtitan assumes of a device that it does not know
# Part of a device's name → its dense FP8 peak in FLOP/s, the first that fits. Source: NVIDIA's data sheets of the H100,
# H200, GB200 NVL72 with HGX B200, and L40S, figures "with sparsity" halved; for the H20, twice torchtitan's bf16 peak.
_FP8_PEAKS = {
    "H100 PCIe": 1513e12,
    "H100 NVL": 1671e12,
    "H100": 1979e12,
    "H200 NVL": 1671e12,
    "H200": 1979e12,
    "H20": 296e12,
    "GB200": 5e15,
    "B200": 4.5e15,
    "L40S": 733e12,
}


def known_peak_flops(device_name: str, precision: Literal["bf16", "fp8"] = "bf16") -> float | None:
    """Returns the device's dense peak in FLOP/s, or None where it is not known: no peak is invented."""
    if precision == "fp8":
        return next((peak for name, peak in _FP8_PEAKS.items() if name in device_name), None)
    if "H20" in device_name and "H200" not in device_name:
        return 148e12  # torchtitan asks lspci, which calls an H20 "GH100", and takes that for an H100
    peak = float(get_peak_flops(device_name))
    return None if peak == _A100_BF16 and "A100" not in device_name else peak


def duration(seconds: float) -> str:
    """Returns e.g. `4s`, `3m 05s`, `2h 10m` or `12d 4h`."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days}d {h}h"
    return f"{h}h {m:02d}m" if h else f"{m}m {s:02d}s" if m else f"{s}s"


class CodeMetrics(MetricsProcessor):
    """torchtitan's metrics with a console for people; times are wall-clock seconds since the last logged step.

    One rank writes: the first that knows the loss (rank 0 but under pipeline parallelism).
    """

    @dataclass(kw_only=True, slots=True)
    class Config(MetricsProcessor.Config):
        enable_tensorboard: bool = True
        """Whether to write TensorBoard events."""

    def __init__(self, config: Config, **kwargs: Any) -> None:
        if is_v_shaped(kwargs["pp_schedule"]):
            # The stages of both go forth and back, so rank 0 has the last one, too. torchtitan knows it of one of them,
            # by this name, and logs the other's -1 for a loss.
            kwargs["pp_schedule"] = "ZBVZeroBubble"
        super().__init__(config, **kwargs)
        run = kwargs["config_dict"]
        self._folder = Path(kwargs["dump_folder"])
        self._steps: int = run["training"]["steps"]
        self.writes = dist.get_rank() == _get_metrics_rank(
            parallel_dims=self.parallel_dims, pp_schedule=kwargs["pp_schedule"]
        )
        on_cpu = device.device_type() == "cpu"
        float8 = run["float8"]
        # Emulated FP8 multiplies in bfloat16.
        self.precision: Literal["bf16", "fp8"] = "bf16" if float8["recipe"] == "none" or float8["emulate"] else "fp8"
        name = self.device_memory_monitor.device_name
        self.peak_flops = None if on_cpu else known_peak_flops(name, self.precision)
        self._file: MetricsFile | None = None
        self._tensorboard: TensorBoardFile | None = None
        self._failing: set[str] = set()  # logs that could not be written when that was last tried
        self.first_step: int | None = None  # of this process's life; None before the first
        self.served: Callable[[], Served] | None = None  # a collective over the data-parallel ranks; set by the trainer
        self.measured: Callable[[], dict[str, float]] = dict  # by the objective, since it was last asked; a collective
        self.before_log: Callable[[], None] = lambda: None  # called on every rank; what it raises ends the run
        self.evaluated: Callable[[], Sequence[Evaluated]] = lambda: ()  # since it was last asked; set by the trainer
        self.skipped: Callable[[], int] = lambda: 0  # steps whose update was not made; set by the trainer
        self._last_step = 0
        self._kept_before = 0  # step from which on a file that is opened loses what an earlier life wrote
        self._line = StepLine()

    def _build_metric_logger(self, **kwargs: Any) -> Any:
        """Starts Weights & Biases where it is wanted. TensorBoard is ours: torchtitan's is a new curve at each start.

        Raises:
            ConfigError: it can't be started; torchtitan would train on without it.
        """
        config, dims = kwargs["config"], kwargs["parallel_dims"]
        if not config.enable_wandb or dist.get_rank() != _get_metrics_rank(
            parallel_dims=dims, pp_schedule=kwargs["pp_schedule"]
        ):
            return BaseLogger()
        os.environ.setdefault("WANDB_PROJECT", "codetitan")
        try:
            folder = str(Path(kwargs["dump_folder"]))  # it makes a folder wandb in it
            return WandBLogger(folder, config_dict=kwargs["config_dict"], tag=kwargs.get("tag"))
        except Exception as error:  # of a library with many
            why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise ConfigError(
                f"metrics.enable_wandb = true: Weights & Biases can't be started: {why}; or set WANDB_MODE=offline, or "
                "the key to false"
            ) from error

    def _try(self, log: str, write: Callable[[], object]) -> None:
        """Writes to a log. A failure is one warning, until it has succeeded again: a helper must not end a run."""
        try:
            write()
            self._failing.discard(log)
        except Exception as error:  # also of a library that talks to a server
            if log not in self._failing:
                logger.warning("%s can't be written: %s; the training goes on", log, error)
            self._failing.add(log)

    def start(self, first_step: int) -> None:
        """Opens the files and starts the clock; called when the checkpoint is loaded, before `first_step`."""
        self.first_step = self._kept_before = first_step
        self._last_step = first_step - 1
        if self.writes:
            self._try("metrics.jsonl", self._open_file)
            if self.config.enable_tensorboard:
                self._try("TensorBoard", self._open_tensorboard)
        self._reset_clock()

    def _open_file(self) -> MetricsFile:
        """Returns `metrics.jsonl`, which is opened now where it could not be before."""
        if self._file is None:
            self._file = MetricsFile(self._folder / "metrics.jsonl", first_step=self._kept_before)
        return self._file

    def _open_tensorboard(self) -> None:
        self._tensorboard = TensorBoardFile(self._folder / self.config.save_tb_folder, first_step=self._kept_before)

    def _reset_clock(self) -> None:
        self.ntokens_since_last_log = 0
        self.data_loading_times.clear()
        self.device_memory_monitor.reset_peak_stats()
        self.time_last_log = time.perf_counter()

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """Within it, no time passes for what is said of the steps."""
        start = time.perf_counter()
        yield
        self.time_last_log += time.perf_counter() - start

    def log_validation(self, step: int, values: Mapping[str, float], validation: Validation) -> None:
        """Writes a round everywhere.

        Args:
            step: after which it was.
            values: of `Validation.round`.
            validation: which knows what they cost.
        """
        if not self.writes:
            return
        numbers = {f"validation/{name}": value for name, value in values.items()}
        numbers["validation/share_of_time"] = round(validation.share_of_time, 4)
        record = {"kind": "validation", "step": step, **numbers, "validation/set": validation.digest}
        self._try("metrics.jsonl", lambda: self._open_file().write(record))
        if self._tensorboard is not None:
            tensorboard = self._tensorboard
            self._try("TensorBoard", lambda: tensorboard.write(numbers, step))
        self._try("Weights & Biases", lambda: self.logger.log(numbers, step))
        logger.info(validation.line(step, values, len(str(self._steps))))

    def log_evaluations(self) -> None:
        """Writes what evaluations beside the training have found since it was last called, each at its own step.

        Not to Weights & Biases, which takes nothing of a step that has passed.
        """
        for found in self.evaluated() if self.writes else ():
            numbers = {f"evaluation/{name}": value for name, value in found.numbers.items()}
            record = {
                "kind": "evaluation", "step": found.step, **numbers,
                "evaluation/seconds": found.seconds, "evaluation/set": found.set,
            }  # fmt: skip
            self._try("metrics.jsonl", lambda record=record: self._open_file().write(record))  # type: ignore[misc]
            if self._tensorboard is None and self.config.enable_tensorboard:
                self._try("TensorBoard", self._open_tensorboard)
            if (tensorboard := self._tensorboard) is not None:
                scores = {name: value for name, value in numbers.items() if not name.endswith("/standard_error")}
                self._try("TensorBoard", lambda t=tensorboard, s=scores, f=found: t.write(s, f.step))  # type: ignore[misc]
            logger.info("eval  %*d  %s", len(str(self._steps)), found.step, found.line())

    def should_log(self, step: int) -> bool:
        """Steps 1, every `log_freq`-th and the last are logged."""
        return step == self._steps or bool(super().should_log(step))

    def log(
        self,
        step: int,
        global_avg_loss: float,
        global_max_loss: float,
        grad_norm: float,
        extra_metrics: dict[str, Any] | None = None,
    ) -> None:
        """Writes one step everywhere. `extra_metrics` holds the learning rates."""
        assert self.served is not None, "the trainer sets it"
        self.before_log()
        served, measured = self.served(), self.measured()
        if not self.writes:
            self._reset_clock()
            return
        extra = dict(extra_metrics or {})
        elapsed_s = time.perf_counter() - self.time_last_log
        steps, self._last_step = step - self._last_step, step
        tok_per_s_per_device = self.ntokens_since_last_log / elapsed_s / self.parallel_dims.non_data_parallel_size
        tok_per_s = tok_per_s_per_device * self.parallel_dims.world_size
        flop_per_s = self.num_flops_per_token * tok_per_s_per_device
        mfu = None if self.peak_flops is None else flop_per_s / self.peak_flops
        memory = self.device_memory_monitor.get_peak_stats()
        *_, lr = (value for name, value in extra.items() if name.startswith("lr/"))  # the last group is the general one
        compiled = compilation.counts()
        left_s = elapsed_s / steps * (self._steps - step)
        record = {
            "step": step,
            "loss": global_avg_loss,
            # torchtitan divides by each rank's labels: one that was served padding alone, or no pair, has none.
            "max_loss": None if math.isnan(global_max_loss) and not math.isnan(global_avg_loss) else global_max_loss,
            "grad_norm": grad_norm,
            "lr": lr,
            "tokens_seen": served.positions,
            "tok_per_s": round(tok_per_s, 1),
            "tok_per_s_per_device": round(tok_per_s_per_device, 1),
            "tflop_per_s_per_device": round(flop_per_s / 1e12, 4),
            "mfu": None if mfu is None else round(mfu, 4),
            "mfu_peak": None if mfu is None else self.precision,
            "memory_gib": round(memory.max_reserved_gib, 3),
            "step_s": round(elapsed_s / steps, 4),
            "data_share": round(sum(self.data_loading_times) / elapsed_s, 4),
            "graphs": compiled.graphs,
            "graph_breaks": compiled.graph_breaks,
            "skipped_steps": self.skipped(),
            "padding": served.padding,
            **measured,
            **{f"sources/{name}": tokens for name, tokens in served.sources.items()},
            **{f"languages/{name}": tokens for name, tokens in served.languages.items()},
        }
        self._try("metrics.jsonl", lambda: self._open_file().write(record))
        numbers = {
            name: value for name, value in record.items() if name not in ("step", "mfu_peak") and value is not None
        }
        if self._tensorboard is not None:
            tensorboard = self._tensorboard
            self._try("TensorBoard", lambda: tensorboard.write(numbers, step))
        self._try("Weights & Biases", lambda: self.logger.log(numbers, step))
        world = self.parallel_dims.world_size
        share = "" if mfu is None else f"MFU {100 * mfu:.1f} %{' of FP8' if self.precision == 'fp8' else ''}"
        parts = [
            (0, f"step {step:{len(str(self._steps))}d}/{self._steps}"),
            (0, f"loss {global_avg_loss:.4f}"),
            (1, f"norm {grad_norm:.3f}"),
            *((2, f"{name.rpartition('/')[2]} {value:.4f}") for name, value in measured.items() if name in _SHOWN),
            (3, f"lr {lr:.2e}"),
            (0, f"{rate(tok_per_s)} tok/s"),
            (5, f"{rate(tok_per_s_per_device)} each" if world > 1 else ""),
            (2 if share else 6, share or f"{flop_per_s / 1e12:.2f} TFLOP/s"),
            (4, f"{memory.max_reserved_gib:.2f} GiB"),
            (0, f"left {duration(left_s)}"),
        ]
        logger.info(self._line.text(parts))
        self.log_evaluations()
        self._reset_clock()

    def close(self) -> None:
        """Closes every file; what is logged after it opens them again, and takes nothing from them."""
        self._try("Weights & Biases", super().close)
        for file in (self._file, self._tensorboard):
            if file is not None:
                file.close()
        self._file = self._tensorboard = None
        self._kept_before = self._steps + 1
