"""What a run shows and leaves: a console line, TensorBoard, and `metrics.jsonl` with one object a logged step."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch.distributed as dist
from torch.utils.tensorboard import SummaryWriter

from codetitan import device
from codetitan.data.rows.loader import Served
from codetitan.models.code.pipeline import is_v_shaped
from codetitan.titan import MetricsProcessor, _get_metrics_rank, get_peak_flops
from codetitan.training import compilation
from codetitan.training.console import StepLine, rate

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


class MetricsFile:
    """`metrics.jsonl`: a line a logged step, written at once, so that a kill loses at most the line under way."""

    def __init__(self, path: Path, *, first_step: int) -> None:
        kept = []
        if path.exists():
            # A run that goes on from a checkpoint repeats the steps after it: their lines, and a torn last one, go.
            for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
                try:
                    if line.endswith("\n") and json.loads(line)["step"] < first_step:
                        kept.append(line)
                except (json.JSONDecodeError, KeyError, TypeError):
                    continue
            rewritten = path.with_suffix(".tmp")
            rewritten.write_text("".join(kept), encoding="utf-8")
            rewritten.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def write(self, record: dict[str, Any]) -> None:
        """Appends one object."""
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


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
        # Counted from the step, not from what this rank saw: the same number after a resume on another mesh.
        self._tokens_per_step: int = run["training"]["global_batch_size"] * run["training"]["seq_len"]
        self._writes = dist.get_rank() == _get_metrics_rank(
            parallel_dims=self.parallel_dims, pp_schedule=kwargs["pp_schedule"]
        )
        on_cpu = device.device_type() == "cpu"
        float8 = run["float8"]
        # Emulated FP8 multiplies in bfloat16.
        self.precision: Literal["bf16", "fp8"] = "bf16" if float8["recipe"] == "none" or float8["emulate"] else "fp8"
        name = self.device_memory_monitor.device_name
        self.peak_flops = None if on_cpu else known_peak_flops(name, self.precision)
        self._file: MetricsFile | None = None
        self._tensorboard: SummaryWriter | None = None
        self.first_step: int | None = None  # of this process's life; None before the first
        self.served: Callable[[], Served] | None = None  # a collective over the data-parallel ranks; set by the trainer
        self._last_step = 0
        self._line = StepLine()

    def _build_metric_logger(self, **kwargs: Any) -> Any:
        # torchtitan's TensorBoard log goes to a new folder at each start, so that a resumed run is two curves; ours
        # goes on in one (start). Weights & Biases stays torchtitan's.
        kwargs["config"] = replace(kwargs["config"], enable_tensorboard=False)
        return super()._build_metric_logger(**kwargs)

    def start(self, first_step: int) -> None:
        """Opens the files and starts the clock; called when the checkpoint is loaded, before `first_step`."""
        self.first_step = first_step
        self._last_step = first_step - 1
        if self._writes:
            self._file = MetricsFile(self._folder / "metrics.jsonl", first_step=first_step)
            if self.config.enable_tensorboard:
                folder = self._folder / self.config.save_tb_folder
                self._tensorboard = SummaryWriter(str(folder), purge_step=first_step, flush_secs=10)
        self._reset_clock()

    def _reset_clock(self) -> None:
        self.ntokens_since_last_log = 0
        self.data_loading_times.clear()
        self.device_memory_monitor.reset_peak_stats()
        self.time_last_log = time.perf_counter()

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
        served = self.served()
        if not self._writes:
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
            "max_loss": global_max_loss,
            "grad_norm": grad_norm,
            "lr": lr,
            "tokens_seen": step * self._tokens_per_step,
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
            "padding": served.padding,
            **{f"sources/{name}": tokens for name, tokens in served.sources.items()},
            **{f"languages/{name}": tokens for name, tokens in served.languages.items()},
        }
        assert self._file is not None, "start() comes before the first step"
        self._file.write(record)
        numbers = {
            name: value for name, value in record.items() if name not in ("step", "mfu_peak") and value is not None
        }
        if self._tensorboard is not None:
            for name, value in numbers.items():
                self._tensorboard.add_scalar(name, value, step)
        self.logger.log(numbers, step)
        world = self.parallel_dims.world_size
        share = "" if mfu is None else f"MFU {100 * mfu:.1f} %{' of FP8' if self.precision == 'fp8' else ''}"
        parts = [
            (0, f"step {step:{len(str(self._steps))}d}/{self._steps}"),
            (0, f"loss {global_avg_loss:.4f}"),
            (1, f"norm {grad_norm:.3f}"),
            (3, f"lr {lr:.2e}"),
            (0, f"{rate(tok_per_s)} tok/s"),
            (5, f"{rate(tok_per_s_per_device)} each" if world > 1 else ""),
            (2 if share else 6, share or f"{flop_per_s / 1e12:.2f} TFLOP/s"),
            (4, f"{memory.max_reserved_gib:.2f} GiB"),
            (0, f"left {duration(left_s)}"),
        ]
        logging.getLogger("codetitan.training.metrics").info(self._line.text(parts))
        self._reset_clock()

    def close(self) -> None:
        """Closes every file."""
        super().close()
        if self._file is not None:
            self._file.close()
        if self._tensorboard is not None:
            self._tensorboard.close()
