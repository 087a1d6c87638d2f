"""A run is measured while it trains: on what, when, and how the model's losses are added up on any mesh.

A round computes the loss of each label by the training's own forward pass, without gradients, and adds it to the cell
that the label carries (data/validation/samples.py). Where a sequence or a batch is cut over ranks, each adds up what it
has; the sums of all ranks are the same numbers on every mesh, but for the rounding of float32.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from codetitan.config.values import number_of_tokens
from codetitan.data.sources.open import SourceConfig
from codetitan.data.validation.config import ValidationData
from codetitan.data.validation.find import Found, documents, find
from codetitan.data.validation.gold import read_gold
from codetitan.data.validation.samples import CELL_SHIFT, Samples, make, summarise
from codetitan.models.code.pipeline import forward_only
from codetitan.titan import IGNORE_INDEX, ChunkedLossWrapper, DTensor, FSDPModule, compute_logprobs, logger
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from codetitan.training.console import StepLine

if TYPE_CHECKING:
    from codetitan.training.trainer import CodeTrainer


@dataclass(kw_only=True, slots=True)
class ValidationConfig(ValidationData):
    """When a run is measured, and what follows from it."""

    interval: int | None = None
    """Steps between two rounds; also after the last step. None: never."""

    patience: int | None = None
    """End the run, with exit code 0, after so many rounds that are no better than the best: by the value of
    `checkpoint.keep_best`, or by the loss. None: never."""


def look(config: ValidationConfig, training: Sequence[SourceConfig]) -> Found | None:
    """Finds the held-out documents; None where there are none to look for.

    Raises:
        ConfigError: nothing is held out, or all of it has a copy in the training data.
    """
    if not config.share and not config.sources:
        return None
    return find(config, training, tokens=number_of_tokens(config.tokens, "validation.tokens"))


def read_samples(
    config: ValidationConfig, training: Sequence[SourceConfig], tokenizer: CodeTokenizer, *, holes: bool, seq_len: int
) -> tuple[Samples, Found | None]:
    """Makes the samples of a round, the same on every rank.

    Raises:
        ConfigError: nothing is held out, or there are no such gold solutions.
    """
    found = look(config, training)
    samples = make(
        [] if found is None else documents(config, training, found),
        [] if config.gold is None else read_gold(config.gold),
        tokenizer,
        tokens=number_of_tokens(config.tokens, "validation.tokens"),
        holes=holes,
        seq_len=seq_len,
    )
    return samples, found


@dataclass
class Progress:
    """How a run has done so far.

    Attributes:
        best: the lowest value of `checkpoint.keep_best`, or of the loss; None before the first round.
        best_step: of that round.
        since_best: rounds since then.
        seconds: that all rounds of this process's life took.
    """

    best: float | None = None
    best_step: int = 0
    since_best: int = 0
    seconds: float = 0.0

    def take(self, value: float, step: int) -> None:
        """Takes a round's value."""
        if math.isfinite(value) and (self.best is None or value < self.best):
            self.best, self.best_step, self.since_best = value, step, 0
        else:
            self.since_best += 1


class Validation:
    """Measures the trainer's model.

    Args:
        trainer: complete but for its checkpoint.
    """

    def __init__(self, trainer: "CodeTrainer") -> None:
        config = trainer.config
        self._trainer, self._config = trainer, config.validation
        self.progress = Progress()
        self._metric = (config.checkpoint.keep_best or "validation/loss").removeprefix("validation/")
        samples, self.found = read_samples(
            config.validation,
            config.dataloader.sources,
            trainer.tokenizer,
            holes=config.dataloader.fim.rate > 0,
            seq_len=config.training.seq_len,
        )
        self.digest, self._cells, self._counts = samples.digest, samples.cells, samples.counts
        self.tokens = samples.tokens
        mesh = trainer.parallel_dims.get_optional_mesh("batch")
        rank, ranks = (0, 1) if mesh is None else (mesh.get_local_rank(), mesh.size())
        self._samples = samples.part(rank, ranks, config.training.local_batch_size)
        self._started = time.perf_counter()
        self._line = StepLine()
        self._has_gone_on = False

    def due(self, step: int) -> bool:
        """Whether a round follows this step."""
        interval, steps = self._config.interval, self._trainer.config.training.steps
        return interval is not None and (step % interval == 0 or step == steps)

    def described(self) -> dict[str, Any]:
        """Returns what a checkpoint keeps of it."""
        config, progress = self._config, self.progress
        return {
            "set": self.digest, "metric": self._metric, "share": config.share, "by": config.by, "tokens": self.tokens,
            "best": progress.best, "best_step": progress.best_step, "since_best": progress.since_best,
        }  # fmt: skip

    def go_on(self, described: Mapping[str, Any]) -> None:
        """Goes on, once, from what a checkpoint keeps; where it was measured on other tokens, it begins anew and says
        so."""
        if self._has_gone_on or not described:
            return
        self._has_gone_on = True
        if described["set"] != self.digest:
            logger.warning(
                "validation: other tokens than before (set %s, was %s): losses before and after don't compare",
                self.digest, described["set"],
            )  # fmt: skip
            return
        if described["metric"] != self._metric:
            return
        self.progress.best = described["best"]
        self.progress.best_step, self.progress.since_best = described["best_step"], described["since_best"]

    def line(self, step: int, values: Mapping[str, float], width: int) -> str:
        """Returns a round's line for the console."""
        parts = [
            (0, f"valid {step:{width}d}"),
            *((0, f"loss {values[name]:.4f}") for name in ("loss",) if name in values),
            *((1, f"bits/byte {values[name]:.4f}") for name in ("bits_per_byte",) if name in values),
            *((2, f"fim {values[name]:.4f}") for name in ("bits_per_byte/fim",) if name in values),
            *((2, f"gold {values[name]:.4f}") for name in ("bits_per_byte/gold",) if name in values),
            (3, f"in {values['seconds']:.1f} s"),
            (4, f"{100 * self.share_of_time:.1f} % of the time"),
            (0, "best so far" if self.progress.best_step == step and self.progress.best is not None else ""),
        ]
        return self._line.text(parts)

    def summary(self) -> str:
        """Returns what the run is measured on, for the console."""
        of = "" if self.found is None else f"; {self.found.summary(self._config)}"
        return f"{self.tokens:,} tokens every {self._config.interval} steps (set {self.digest}){of}"

    @property
    def out_of_patience(self) -> bool:
        """Whether the run has not got better for so long that it ends."""
        return self._config.patience is not None and self.progress.since_best >= self._config.patience

    @property
    def share_of_time(self) -> float:
        """Of this process's life since the samples were made."""
        return self.progress.seconds / max(1e-9, time.perf_counter() - self._started)

    def round(self, step: int) -> dict[str, float]:
        """Measures the model after a step; a collective of all ranks, who return the same numbers."""
        start = time.perf_counter()
        nats = torch.zeros(len(self._cells), dtype=torch.float64, device=self._trainer.device)
        with self._beside_the_training(nats):
            for group in self._groups():
                self._forward(group)
        dims = self._trainer.parallel_dims
        for name in ("loss", "pp"):  # cut over data and sequence; and only a pipeline's last stage has losses
            if (mesh := dims.get_optional_mesh(name)) is not None:
                dist.all_reduce(nats, group=mesh.get_group())
        values = summarise(self._cells, self._counts, nats.tolist())  # waits for the device
        self.progress.seconds += time.perf_counter() - start
        if self._metric in values:
            self.progress.take(values[self._metric], step)
        return values | {"seconds": time.perf_counter() - start}

    def _groups(self) -> Iterator[list[tuple[dict[str, torch.Tensor], torch.Tensor]]]:
        """Yields what one forward pass takes: a microbatch, or those of a pipeline."""
        config, device = self._trainer.config, self._trainer.device
        rows = config.training.local_batch_size
        each = config.parallelism.pipeline_parallel_microbatch_size if self._trainer.parallel_dims.pp_enabled else rows
        arrays = self._samples.input_NL, self._samples.positions_NL, self._samples.labels_NL
        for first in range(0, len(self._samples), rows):
            group = []
            for at in range(first, first + rows, each):
                inputs, positions, labels = (torch.from_numpy(array[at : at + each]).to(device) for array in arrays)
                group.append(({"input": inputs, "positions": positions}, labels))
            yield group

    def _forward(self, group: list[tuple[dict[str, torch.Tensor], torch.Tensor]]) -> None:
        trainer = self._trainer
        done = [trainer.post_dataloading_process(inputs, labels) for inputs, labels in group]
        with trainer.train_context():
            if not trainer.parallel_dims.pp_enabled:
                ((inputs, labels, arguments),) = done
                trainer.loss_fn(trainer.model_parts[0](inputs, **arguments), labels)
                return
            with forward_only(trainer.pp_schedule):
                trainer.pp_schedule.eval(
                    arg_mbs=[(inputs,) for inputs, _, _ in done] if trainer.pp_has_first_stage else None,
                    kwarg_mbs=[arguments for _, _, arguments in done],
                    target_mbs=[labels for _, labels, _ in done] if trainer.pp_has_last_stage else None,
                    losses=[] if trainer.pp_has_last_stage else None,
                )

    @contextlib.contextmanager
    def _beside_the_training(self, nats: torch.Tensor) -> Iterator[None]:
        """Within it, the loss function adds up by cell; behind it, the training goes on as if nothing had been."""
        trainer = self._trainer
        loss = trainer.loss_fn.loss_fn if isinstance(trainer.loss_fn, ChunkedLossWrapper) else trainer.loss_fn
        train_fn, seen = loss.fn, trainer.ntokens_seen
        loss.fn = _by_cell(nats)
        try:
            with torch.no_grad():
                yield
        finally:
            loss.fn, trainer.ntokens_seen = train_fn, seen
            for part in trainer.model_parts:
                for module in part.modules():
                    if isinstance(module, FSDPModule):
                        # Without a backward pass the root's weights stay gathered, and the next step would begin with
                        # them, whatever the optimizer has done since.
                        module.reshard()


def _by_cell(nats: torch.Tensor) -> Callable[..., torch.Tensor]:
    """Returns a loss function that adds each label's loss to its cell.

    Args:
        nats: float64 (cells,), added to.
    """

    def add(pred: torch.Tensor, labels: torch.Tensor, **_: Any) -> torch.Tensor:
        if isinstance(labels, DTensor):
            labels = labels.to_local()
        ids = torch.where(labels >= 0, labels & ((1 << CELL_SHIFT) - 1), IGNORE_INDEX)
        losses = -compute_logprobs(pred, ids)
        nats.index_add_(0, (labels.clamp(min=0) >> CELL_SHIFT).flatten(), losses.flatten().double())
        total: torch.Tensor = losses.sum()
        return total

    return add
