"""A run is measured while it trains: on what, when, and how the model's losses are added up on any mesh.

A round computes the loss of each label by the training's own forward pass, without gradients, and adds it to the cell
that the label carries (data/validation/cells.py). Where a sequence or a batch is cut over ranks, each adds up what it
has; the sums of all ranks are the same numbers on every mesh, but for the rounding of float32.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from codetitan.config.values import number_of_tokens
from codetitan.data.rows.references import References
from codetitan.data.sources.open import SourceConfig
from codetitan.data.turns import Conversations
from codetitan.data.validation.cells import summarise
from codetitan.data.validation.config import ValidationData
from codetitan.data.validation.corpus import Found
from codetitan.data.validation.find import documents, find
from codetitan.data.validation.gold import read_gold
from codetitan.data.validation.samples import Samples, make
from codetitan.errors import ConfigError
from codetitan.models.code.attention import CAUSAL
from codetitan.objectives.preferences import METRICS, compared, rewards
from codetitan.titan import logger
from codetitan.tokenizer.code_tokenizer import CodeTokenizer
from codetitan.training.console import StepLine
from codetitan.training.measuring import Microbatch, add_up, forward, measuring
from codetitan.training.progress import Best, Progress

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
    """Finds the held-out documents, in the cache or by reading the corpus; None where there are none to look for.

    Raises:
        ConfigError: nothing is held out, or all of it has a copy in the training data.
    """
    if not config.share and not config.sources:
        return None
    return find(config, training, tokens=number_of_tokens(config.tokens, "validation.tokens"))


def read_samples(
    config: ValidationConfig,
    training: Sequence[SourceConfig],
    tokenizer: CodeTokenizer,
    *,
    holes: bool,
    seq_len: int,
    packed: bool,
    conversations: Conversations | None,
) -> tuple[Samples, Found | None]:
    """Makes the samples of a round (`samples.make`), and says where they come from.

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
        packed=packed,
        conversations=conversations,
    )
    return samples, found


Made = tuple[Samples, Found | None]


def _read_on_one_rank(read: Callable[[], Made]) -> Made:
    """Has rank 0 make the samples and gives them to all: what one of them read otherwise would be another round."""
    if dist.get_world_size() == 1:
        return read()
    made: list[Made | ConfigError | None] = [None]
    if dist.get_rank() == 0:
        try:
            made = [read()]
        except ConfigError as error:
            made = [error]
    dist.broadcast_object_list(made)
    if isinstance(made[0], ConfigError):
        raise made[0]
    assert made[0] is not None, "rank 0 has made them"
    return made[0]


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
        samples, self.found = _read_on_one_rank(
            lambda: read_samples(
                config.validation,
                config.dataloader.sources,
                trainer.tokenizer,
                holes=config.dataloader.fim.rate > 0,
                seq_len=config.training.seq_len,
                packed=config.model.attention != CAUSAL,
                conversations=config.dataloader.conversations,
            )
        )
        self.digest, self._cells, self._counts = samples.digest, samples.cells, samples.counts
        self._pairs = samples.pairs
        self._references: torch.Tensor | None = None  # (P, 2), of the pairs
        self.tokens = samples.tokens
        mesh = trainer.parallel_dims.get_optional_mesh("batch")
        rank, ranks = (0, 1) if mesh is None else (mesh.get_local_rank(), mesh.size())
        self._samples = samples.part(rank, ranks, config.training.local_batch_size)
        self._started = time.perf_counter()
        self._line = StepLine()
        self._has_gone_on = False
        self.seconds = 0.0  # that all rounds of this process's life took

    def due(self, step: int) -> bool:
        """Whether a round follows this step."""
        interval, steps = self._config.interval, self._trainer.config.training.steps
        return interval is not None and (step % interval == 0 or step == steps)

    def described(self) -> dict[str, Any]:
        """Returns what a checkpoint keeps of it."""
        config, progress = self._config, self.progress
        return {
            "set": self.digest, "metric": self._metric, "share": config.share, "by": config.by, "tokens": self.tokens,
            "best": asdict(progress.best), "saved": asdict(progress.saved), "since_best": progress.since_best,
        }  # fmt: skip

    def go_on(self, described: Mapping[str, Any]) -> None:
        """Goes on, once, from what a checkpoint keeps; where it was measured on other tokens, it begins anew and says
        so."""
        if self._has_gone_on or not described:
            return
        self._has_gone_on = True
        if (described["share"], described["by"]) != (self._config.share, self._config.by):
            logger.warning(
                "validation: share and by were %s and %s when the run was saved: what is held out now may have been "
                "trained on", described["share"], described["by"],
            )  # fmt: skip
        if described["set"] != self.digest:
            logger.warning(
                "validation: other tokens than before (set %s, was %s): losses before and after don't compare",
                self.digest, described["set"],
            )  # fmt: skip
            return
        if described["metric"] != self._metric:
            return
        self.progress.best, self.progress.saved = Best(**described["best"]), Best(**described["saved"])
        self.progress.since_best = described["since_best"]

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
            (0, "best so far" if self.progress.best.step == step else ""),
        ]
        return self._line.text(parts)

    def summary(self) -> str:
        """Returns what the run is measured on, for the console."""
        of = "" if self.found is None else f"; {self.found.summary(self._config)}"
        return f"{self.tokens:,} tokens every {self._config.interval} steps (set {self.digest}){of}"

    @property
    def out_of_patience(self) -> str | None:
        """Why the run ends, for it has not got better for so long; None: it goes on."""
        rounds, best = self.progress.since_best, self.progress.best
        if self._config.patience is None or rounds < self._config.patience:
            return None
        than = "that is finite" if best.value is None else f"than {best.value:.4f} at step {best.step}"
        return (
            f"{rounds} round{'s' if rounds > 1 else ''} of validation without a better one {than} (validation.patience)"
        )

    @property
    def share_of_time(self) -> float:
        """Of this process's life since the samples were made."""
        return self.seconds / max(1e-9, time.perf_counter() - self._started)

    def round(self, step: int) -> dict[str, float]:
        """Measures the model after a step; a collective of all ranks, who return the same numbers."""
        start = time.perf_counter()
        nats = self._nats()
        values = summarise(self._cells, self._counts, nats.tolist()) | self._compared(nats)  # waits for the device
        self.seconds += time.perf_counter() - start
        if self._metric in values:
            self.progress.take(values[self._metric], step)
        return values | {"seconds": time.perf_counter() - start}

    def measure_pairs(self) -> dict[int, tuple[float, float]]:
        """Returns digest of a pair → log-probabilities of its answers, by the model as it is; a collective."""
        if not self._pairs:
            return {}
        return dict(zip(self._pairs, map(tuple, self._answers(-self._nats()).tolist()), strict=True))

    def compare_with(self, references: References) -> None:
        """Says what the reference says of the pairs."""
        self._references = torch.tensor([references.of_digest(pair) for pair in self._pairs], dtype=torch.float64)

    def _answers(self, of_cells: torch.Tensor) -> torch.Tensor:
        """Returns float64 (P, 2) of what there is of each cell."""
        return of_cells[: 2 * len(self._pairs)].view(-1, 2).cpu()

    def _compared(self, nats: torch.Tensor) -> dict[str, float]:
        """Returns the loss of the pairs and what else their objective measures; {} where there are none."""
        if self._references is None or not self._pairs:
            return {}
        objective = self._trainer.config.objective
        tokens_P2 = self._answers(torch.tensor([count.tokens for count in self._counts], dtype=torch.float64))
        loss_P, reward_P2 = compared(self._answers(-nats) - self._references, tokens_P2, objective)
        means = rewards(reward_P2).mean(0).tolist()
        return {"loss": float(loss_P.mean()), **dict(zip(METRICS, means, strict=True))}

    def _nats(self) -> torch.Tensor:
        """Returns float64 (cells,): the sum of the losses of each; a collective of all ranks, who return the same."""
        nats = torch.zeros(len(self._cells), dtype=torch.float64, device=self._trainer.device)
        with measuring(self._trainer, nats):
            for group in self._groups():
                forward(self._trainer, group)
        add_up(self._trainer, nats)
        return nats

    def _groups(self) -> Iterator[list[Microbatch]]:
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
