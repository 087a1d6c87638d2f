"""What `codetitan complete` and `codetitan infill` write: transformers samples, the text appears as its tokens come."""

import codecs
import contextlib
import math
from dataclasses import dataclass
from typing import Any, TextIO

import torch

from codetitan.data.pieces.dialects import Sentinels
from codetitan.engine.cursor import LINE_END
from codetitan.engine.model import Model, not_finite
from codetitan.tokenizer.encoding import Encoding


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How a text is written.

    Attributes:
        temperature: 0 takes the likeliest token each time.
        top_p: of the likeliest tokens, as many as have this probability together.
        max_new_tokens: at most.
        max_lines: at most; None: as many as come.
        seed: of the draws.
    """

    temperature: float = 0.2
    top_p: float = 0.95
    max_new_tokens: int = 128
    max_lines: int | None = None
    seed: int = 0


class Printer:
    """Writes text as its tokens come; a character whose bytes are not all there waits for them.

    It is both a streamer of transformers (`put`, `end`) and what stops it (`__call__`).
    """

    def __init__(self, encoding: Encoding, sentinels: Sentinels, max_lines: int | None, to: TextIO) -> None:
        self._encoding, self._to = encoding, to
        self._silent = {*sentinels.ids.values(), *encoding.special_tokens.values()}
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._lines_left = max_lines
        self._prompt = True
        self._after_return = False
        self.text = ""

    def put(self, value: torch.Tensor) -> None:
        """Takes token ids; the first are the prompt's."""
        if self._prompt:
            self._prompt = False
            return
        for number in value.flatten().tolist():
            with contextlib.suppress(KeyError):  # an id between others that is no token
                data = b"" if number in self._silent else self._encoding.decode_bytes([number])
                self._write(self._decoder.decode(data))

    def _write(self, text: str) -> None:
        if self._lines_left is not None:
            # A \n behind a \r that came before is of the same line end.
            ends = list(LINE_END.finditer(text, 1 if self._after_return and text[:1] == "\n" else 0))
            self._after_return = text.endswith("\r") if text else self._after_return
            if len(ends) >= self._lines_left:
                text = text[: ends[self._lines_left - 1].start()] if self._lines_left else ""
            self._lines_left = max(0, self._lines_left - len(ends))
        self.text += text
        self._to.write(text)
        self._to.flush()

    def end(self) -> None:
        """Writes what is left."""
        self._write(self._decoder.decode(b"", final=True))

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Returns bool (1,): whether there are lines enough."""
        return torch.tensor([self._lines_left == 0], device=input_ids.device)


def stream(model: Model, prompt: list[int], writing: Writing, to: TextIO) -> str:
    """Writes what follows a prompt, as it comes, up to a sentinel; returns it.

    Raises:
        ConfigError: the model's weights are not finite.
    """
    import transformers

    transformers.set_seed(writing.seed)
    chosen: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    if writing.temperature > 0:
        chosen = {"do_sample": True, "temperature": writing.temperature, "top_p": writing.top_p, "top_k": 0}

    def finite(_: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        highest = logits.max().item()
        if not math.isfinite(highest):
            raise not_finite(model.network, highest)
        return logits

    sentinels = model.prompts.sentinels
    printer = Printer(model.prompts.encoding, sentinels, writing.max_lines, to)
    ids = torch.tensor([prompt], device=model.network.device)
    with torch.inference_mode():
        model.network.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            streamer=printer,
            stopping_criteria=[printer],
            max_new_tokens=writing.max_new_tokens,
            eos_token_id=list(model.ends),
            pad_token_id=sentinels.pad,
            suppress_tokens=list(model.no_tokens) or None,
            logits_processor=transformers.LogitsProcessorList([finite]),
            num_beams=1,  # whatever the folder's generation_config.json has
            repetition_penalty=1.0,
            **chosen,
        )
    return printer.text
