"""An engine in this process: transformers' model with its cache, on the CPU or a GPU.

R rows are decoded together, V is the vocabulary, L a length. What a row gets does not depend on the rows beside it but
for rounding, which on a CPU in fp32 is some 1e-6 of a log-probability (tests/engine/test_local.py).
"""

import contextlib
import inspect
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import groupby
from typing import Any

import torch

from codetitan.data.order import uniform
from codetitan.engine import Completion, Sampling
from codetitan.engine.draws import choose, key_of
from codetitan.engine.model import Model, fingerprint, not_finite
from codetitan.engine.text import Growing
from codetitan.errors import ConfigError

_CPU_BATCH_TOKENS = 8192
_MOST_BATCH_TOKENS = 1 << 18
_SCORED_LOGITS = 1 << 26  # of one pass, in float32: 256 MiB
_REPACK = 0.75  # rows that are left of a batch, at which the cache is cut down to them


@dataclass
class _Row:
    """A completion under way."""

    prompt: int
    number: int
    draws: int
    most: int
    text: Growing


class Local:
    """An engine of a loaded model.

    Args:
        model: what `engine.model.load` gave.
        batch_tokens: tokens, prompts and completions together, that are decoded at once; None: 8,192 on a CPU, and what
            fits into two fifths of the memory that a GPU has left.
    """

    def __init__(self, model: Model, batch_tokens: int | None = None) -> None:
        self.weights_version = 0
        self.encoding, self.sentinels = model.prompts.encoding, model.prompts.sentinels
        self.context = self.scored_context = model.prompts.context
        self.name = str(model.folder)
        self._network: Any = model.network
        self._device = model.network.device
        self._ends = frozenset(model.ends)
        # transformers 5 has renamed it
        takes = inspect.signature(type(self._network).forward).parameters
        self._cache_name = "cache" if "cache" in takes else "past_key_values"
        self._no_tokens = torch.tensor(model.no_tokens, dtype=torch.int64, device=self._device)
        self.batch_tokens = batch_tokens or self._fitting()
        self.facts: Mapping[str, object] = {
            "back_end": "transformers",
            "model": str(model.folder),
            "fingerprint": fingerprint(model.folder),
            "device": torch.cuda.get_device_name() if self._device.type == "cuda" else "cpu",
            "dtype": str(self._network.dtype).removeprefix("torch."),
            "attention": str(self._network.config._attn_implementation),
            "versions": {name: version(name) for name in ("torch", "transformers")},
        }

    def _fitting(self) -> int:
        if self._device.type != "cuda":
            return _CPU_BATCH_TOKENS
        config = self._network.config
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        each = int(2 * config.num_hidden_layers * heads * width * self._network.dtype.itemsize)
        free, _ = torch.cuda.mem_get_info(self._device)
        return max(self.context, min(_MOST_BATCH_TOKENS, int(0.4 * free) // each))

    def complete(self, prompts: Sequence[Sequence[int]], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        """Yields, as they are done, (a prompt's index, its `sampling.n` completions). See `Engine`."""
        for prompt in prompts:
            if not 0 < len(prompt) < self.context:
                raise ConfigError(
                    f"a prompt of {len(prompt)} tokens leaves no room in the model's context of {self.context}"
                )
        n = sampling.n if sampling.temperature > 0 else 1  # greedy ones are all the same
        done: dict[int, dict[int, Completion]] = defaultdict(dict)
        for batch in self._batches(prompts, replace(sampling, n=n)):
            for row, completion in self._decode(batch, prompts, sampling):
                done[row.prompt][row.number] = completion
                if len(done[row.prompt]) == n:
                    of_prompt = done.pop(row.prompt)
                    yield row.prompt, [of_prompt[number % n] for number in range(sampling.n)]

    def _batches(self, prompts: Sequence[Sequence[int]], sampling: Sampling) -> Iterator[list[_Row]]:
        """Yields rows that are decoded together: of like lengths, the longest first, so that memory fails at once."""
        stops = tuple(stop.encode() for stop in sampling.stops)
        batch: list[_Row] = []
        width = 0
        for index in sorted(range(len(prompts)), key=lambda index: -len(prompts[index])):
            prompt = prompts[index]
            most = min(sampling.max_new_tokens, self.context - len(prompt))
            for number in range(sampling.n):
                if not batch:
                    width = len(prompt) + sampling.max_new_tokens
                text = Growing(self.encoding, self.sentinels, stops)
                batch.append(_Row(index, number, key_of(sampling, prompt, number), most, text))
                if (len(batch) + 1) * width > self.batch_tokens:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def _decode(
        self, rows: list[_Row], prompts: Sequence[Sequence[int]], sampling: Sampling
    ) -> Iterator[tuple[_Row, Completion]]:
        """Yields each row with its completion, as it ends."""
        with self._memory():
            cache, mask_RL, logits_RV = self._prefill(rows, prompts)
        places = list(range(len(rows)))  # of each row in the tensors
        while rows:
            with self._memory():
                ids, log_probabilities = self._next(logits_RV, rows, places, sampling)
            left = []
            for row, place, number, log_probability in zip(rows, places, ids, log_probabilities, strict=True):
                if number in self._ends:
                    yield row, row.text.done("end")
                elif row.text.add(number, log_probability):
                    yield row, row.text.done("stop")
                elif len(row.text) == row.most:
                    yield row, row.text.done("length")
                else:
                    left.append((row, place, number))
            if not left:
                return
            rows, places = [row for row, _, _ in left], [place for _, place, _ in left]
            last = [self.sentinels.end] * len(mask_RL)
            for _, place, number in left:
                last[place] = number
            with self._memory():
                if len(rows) <= _REPACK * len(mask_RL):
                    cache, mask_RL = self._repacked(cache, mask_RL, places)
                    last, places = [last[place] for place in places], list(range(len(rows)))
                mask_RL, logits_RV = self._step(cache, mask_RL, last)

    def _new_cache(self) -> Any:
        import transformers

        return transformers.DynamicCache(config=self._network.config)

    @torch.inference_mode()
    def _prefill(self, rows: list[_Row], prompts: Sequence[Sequence[int]]) -> tuple[Any, torch.Tensor, torch.Tensor]:
        """Returns the cache, the mask bool (R, L) and the logits float32 (R, V) of what follows the prompts.

        A prompt with several rows is computed once.
        """
        # The rows of a prompt stand together.
        counts = [(index, sum(1 for _ in group)) for index, group in groupby(rows, key=lambda row: row.prompt)]
        length = max(len(prompts[index]) for index, _ in counts)
        ids = torch.full((len(counts), length), self.sentinels.end, dtype=torch.int64)
        mask = torch.zeros((len(counts), length), dtype=torch.int64)
        for place, (index, _) in enumerate(counts):
            ids[place, length - len(prompts[index]) :] = torch.tensor(prompts[index])
            mask[place, length - len(prompts[index]) :] = 1
        mask, cache = mask.to(self._device), self._new_cache()
        out = self._network(
            input_ids=ids.to(self._device),
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            logits_to_keep=1,
            **{self._cache_name: cache},
        )
        logits_RV = out.logits[:, -1].float()
        if len(counts) < len(rows):
            places = torch.repeat_interleave(torch.tensor([count for _, count in counts])).to(self._device)
            cache.batch_select_indices(places)
            mask, logits_RV = mask[places], logits_RV[places]
        return cache, mask, logits_RV

    @torch.inference_mode()
    def _next(
        self, logits_RV: torch.Tensor, rows: list[_Row], places: list[int], sampling: Sampling
    ) -> tuple[list[int], list[float]]:
        """Returns the token of each row, and the model's log-probability of it."""
        if len(places) < len(logits_RV):
            logits_RV = logits_RV[torch.tensor(places, device=self._device)]
        choices_RV = logits_RV.index_fill(-1, self._no_tokens, -torch.inf) if len(self._no_tokens) else logits_RV
        chosen_R = choose(choices_RV, sampling, [uniform(row.draws, len(row.text)) for row in rows])
        of_chosen_R = logits_RV.gather(-1, chosen_R[:, None])[:, 0] - logits_RV.logsumexp(-1)
        return chosen_R.tolist(), self._finite(of_chosen_R.tolist())

    @torch.inference_mode()
    def _repacked(self, cache: Any, mask_RL: torch.Tensor, places: list[int]) -> tuple[Any, torch.Tensor]:
        """Returns the cache and the mask of some rows alone."""
        kept = torch.tensor(places, device=self._device)
        cache.batch_select_indices(kept)
        return cache, mask_RL[kept]

    @torch.inference_mode()
    def _step(self, cache: Any, mask_RL: torch.Tensor, last: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the mask with the last tokens in it, and the logits float32 (R, V) of what follows them."""
        mask_RL = torch.nn.functional.pad(mask_RL, (0, 1), value=1)
        out = self._network(
            input_ids=torch.tensor(last, device=self._device)[:, None],
            attention_mask=mask_RL,
            position_ids=mask_RL.sum(-1, keepdim=True) - 1,
            **{self._cache_name: cache},
        )
        return mask_RL, out.logits[:, -1].float()

    def score(self, sequences: Sequence[Sequence[int]]) -> Iterator[tuple[int, list[float]]]:
        """Yields, as they are done, (a sequence's index, log-probabilities of its ids but the first). See `Engine`."""
        for sequence in sequences:
            if len(sequence) > self.context + 1:
                raise ConfigError(
                    f"a sequence of {len(sequence)} tokens is longer than the model's context of {self.context} and one"
                )
        batch: list[int] = []
        for index in sorted(range(len(sequences)), key=lambda index: -len(sequences[index])):
            if len(sequences[index]) < 2:
                yield index, []
                continue
            if batch and (len(batch) + 1) * len(sequences[batch[0]]) > self.batch_tokens:
                yield from zip(batch, self._scores([sequences[index] for index in batch]), strict=True)
                batch = []
            batch.append(index)
        if batch:
            yield from zip(batch, self._scores([sequences[index] for index in batch]), strict=True)

    @torch.inference_mode()
    def _scores(self, sequences: list[Sequence[int]]) -> list[list[float]]:
        """Returns the log-probabilities of sequences of two or more ids, the longest first."""
        length = len(sequences[0]) - 1
        # What fills a row up stands behind it, where nothing of the row looks.
        ids = torch.full((len(sequences), length + 1), self.sentinels.end, dtype=torch.int64)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = torch.tensor(sequence)
        ids = ids.to(self._device)
        width = max(1, _SCORED_LOGITS // (len(sequences) * int(self._network.config.vocab_size)))
        parts, cache = [], self._new_cache()
        with self._memory():
            for start in range(0, length, width):
                stop = min(start + width, length)
                out = self._network(input_ids=ids[:, start:stop], **{self._cache_name: cache})
                logits_RLV = out.logits.float()
                of_next_RL = logits_RLV.gather(-1, ids[:, start + 1 : stop + 1, None])[..., 0]
                parts.append((of_next_RL - logits_RLV.logsumexp(-1)).cpu())
        scores_RL = torch.cat(parts, 1)
        return [self._finite(scores_RL[row, : len(sequence) - 1].tolist()) for row, sequence in enumerate(sequences)]

    def _finite(self, log_probabilities: list[float]) -> list[float]:
        """Returns log-probabilities as they are; they are looked at here, where a GPU is not waited for once more.

        Raises:
            ConfigError: one is not finite.
        """
        for log_probability in log_probabilities:
            if not math.isfinite(log_probability):
                raise not_finite(self._network, log_probability)
        return log_probabilities

    @contextlib.contextmanager
    def _memory(self) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError:
            raise ConfigError(
                f"--batch-tokens {self.batch_tokens} does not fit into the GPU's memory; --batch-tokens "
                f"{max(1, self.batch_tokens // 2)} takes half"
            ) from None

    def close(self) -> None:
        """Gives the model's memory back."""
        self._network = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
