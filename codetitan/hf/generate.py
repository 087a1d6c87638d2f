"""`codetitan complete` and `codetitan infill`: transformers samples, the dialect says how to ask and when to stop.

The prompt is laid out as in training (data/pieces/maker.py), its text encoded with special tokens as plain text.
"""

import codecs
import contextlib
import json
import logging
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import torch

from codetitan.data.pieces.dialects import DIALECTS, Sentinels, dialect_of, resolve
from codetitan.data.pieces.fim import Order
from codetitan.data.pieces.metadata import Headers
from codetitan.data.pieces.units import LINE_END, character_start
from codetitan.errors import ConfigError
from codetitan.hf.tokenizer import DIALECT
from codetitan.tokenizer.encoding import Encoding, open_encoding
from codetitan.training.checkpoint_error import reason

_LINE_END = re.compile(LINE_END.pattern.decode())  # lines and characters are those of training


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How tokens are chosen.

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


def cursor(text: str, line: int, column: int) -> tuple[str, str]:
    """Cuts a text at a cursor.

    Args:
        text: the file's.
        line: from 1.
        column: from 1, in characters: what stands before the cursor is one shorter.

    Raises:
        ConfigError: there is no such place, or it is inside a character that people see as one.
    """
    ends = list(_LINE_END.finditer(text))
    if not 1 <= line <= len(ends) + 1:
        raise ConfigError(f"--cursor {line}:{column}: the file has {len(ends) + 1} lines")
    start = ends[line - 2].end() if line > 1 else 0
    width = (ends[line - 1].start() if line <= len(ends) else len(text)) - start
    if not 1 <= column <= width + 1:
        raise ConfigError(f"--cursor {line}:{column}: line {line} has columns 1 to {width + 1}")
    at = start + column - 1
    whole = _character_start(text, at)
    if whole != at:
        raise ConfigError(
            f"--cursor {line}:{column} stands inside a character of several code points; it begins at column "
            f"{column - (at - whole)}"
        )
    return text[:at], text[at:]


def _character_start(text: str, at: int) -> int:
    """Moves a place in a text back to where a hole may be cut."""
    data, byte = text.encode(), len(text[:at].encode())
    return at - len(data[character_start(data, byte) : byte].decode())


class _Printer:
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
            ends = list(_LINE_END.finditer(text, 1 if self._after_return and text[:1] == "\n" else 0))
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


class Coder:
    """A model that writes code.

    Args:
        folder: in Hugging Face form, ours or another Llama-architecture model's.

    Raises:
        ConfigError: there is no such model there, or it has no tokenizer or no sentinels.
    """

    def __init__(self, folder: Path) -> None:
        for name in ("config.json", "tokenizer.json"):
            if not (folder / name).is_file():
                raise ConfigError(f"--model {folder} has no {name}")
        self.encoding = open_encoding(str(folder))
        self.sentinels = _sentinels(folder, self.encoding)
        logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)  # torchao, which transformers imports
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        try:
            model, info = transformers.AutoModelForCausalLM.from_pretrained(
                folder, dtype="auto", output_loading_info=True, ignore_mismatched_sizes=True
            )
            self.context = int(model.config.max_position_embeddings)
        except Exception as error:  # of many classes, from many libraries
            raise ConfigError(f"--model {folder} can't be loaded: {reason(error)}") from error
        for what, names in (("lacks", info["missing_keys"]), ("has another size of", info["mismatched_keys"])):
            if names:  # transformers draws random numbers for them
                raise ConfigError(f"--model {folder} is damaged: it {what} {sorted(map(str, names))[0]}")
        self.model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        n_rows = int(self.model.config.vocab_size)
        n_tokens = max(self.encoding.n_ids, 1 + max(self.sentinels.ids.values()))
        self._no_tokens = list(range(n_tokens, n_rows))  # rows that fill the vocabulary up

    def _encode(self, text: str) -> list[int]:
        if not self.encoding.can_encode(text):
            raise ConfigError(f"the tokenizer {self.encoding.name} can't encode the text")
        ids: list[int] = self.encoding.encode(self.encoding.normalize(text)).tolist()
        return ids

    def completion_prompt(self, prefix: str, max_new_tokens: int) -> list[int]:
        """Returns the ids of a text to go on with; of a long one its end, of an empty one what ends a document."""
        head = Headers(self.sentinels, self._encode).no_path()
        room = self._room(max_new_tokens, len(head))
        prompt = head + self._last(prefix, self._encode(prefix), room)
        if not prompt and self.sentinels.dialect.end in self.sentinels.appended:
            raise ConfigError("the text is empty, and the model's tokenizer has nothing that begins one")
        return prompt or [self.sentinels.end]

    def infill_prompt(self, prefix: str, suffix: str, order: Order, max_new_tokens: int) -> list[int]:
        """Returns the ids of a text with a hole; of long texts what is next to the hole.

        Args:
            prefix, suffix: what stands before and behind.
            order: psm (prefix, suffix, middle) or spm (suffix, prefix, middle).
            max_new_tokens: what the middle may take of the context.

        Raises:
            ConfigError: the tokenizer lacks the dialect's sentinels, or the hole stands inside a line end or a
                character.
        """
        dialect, ids = self.sentinels.dialect, self.sentinels.ids
        if self.sentinels.appended:
            raise ConfigError(
                f"the model's tokenizer has no {', '.join(self.sentinels.appended)}: it was not trained to infill; use "
                "codetitan complete"
            )
        head = Headers(self.sentinels, self._encode).no_path()
        room = self._room(max_new_tokens, len(head) + 3)
        before, after = self._encode(prefix), self._encode(suffix)
        if _character_start(prefix + suffix, len(prefix)) != len(prefix):
            raise ConfigError(
                "the hole stands inside a character of several code points, or between \\r and \\n, where none was in "
                "training; begin the suffix with all of it"
            )
        # What is short leaves its half to the other.
        n_after = min(len(after), max(room // 2, room - len(before)))
        before = self._last(prefix, before, room - n_after)
        after = after[: self._whole(suffix, after, n_after, -1)]
        prefix_id, suffix_id, middle_id = (ids[s] for s in (dialect.fim_prefix, dialect.fim_suffix, dialect.fim_middle))
        if order == "spm":
            return [*head, prefix_id, suffix_id, *after, middle_id, *before]
        return [*head, prefix_id, *before, suffix_id, *after, middle_id]

    def _last(self, text: str, ids: list[int], n: int) -> list[int]:
        """Returns at most the last `n` of the ids of a text, from the beginning of a character on."""
        return ids[self._whole(text, ids, max(0, len(ids) - n), 1) :]

    def _whole(self, text: str, ids: list[int], at: int, step: int) -> int:
        """Moves a place among the ids of a text, on or back, to where no character is cut."""
        data = self.encoding.normalize(text).encode()
        byte = len(self.encoding.decode_bytes(ids[:at]))
        while 0 < at < len(ids) and character_start(data, byte) != byte:
            byte += step * len(self.encoding.decode_bytes([ids[at if step > 0 else at - 1]]))
            at += step
        return at

    def _room(self, max_new_tokens: int, sentinels: int) -> int:
        """Returns how many tokens of text a prompt may have."""
        if max_new_tokens > self.context // 2:
            raise ConfigError(
                f"--max-new-tokens {max_new_tokens} must leave the prompt half of the model's {self.context} tokens: "
                f"at most {self.context // 2}"
            )
        room = self.context - max_new_tokens - sentinels
        if room < 1:
            raise ConfigError(f"the model's context of {self.context} tokens leaves no room for a text")
        return room

    def stream(self, prompt: list[int], sampling: Sampling, to: TextIO) -> str:
        """Writes what follows a prompt, as it comes, up to a sentinel; returns it."""
        import transformers

        transformers.set_seed(sampling.seed)
        chosen: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if sampling.temperature > 0:
            chosen = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        ends = self.model.generation_config.eos_token_id
        own_ends = ends if isinstance(ends, list) else [ends] if ends is not None else []
        printer = _Printer(self.encoding, self.sentinels, sampling.max_lines, to)
        ids = torch.tensor([prompt], device=self.model.device)
        with torch.inference_mode():
            self.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                streamer=printer,
                stopping_criteria=[printer],
                max_new_tokens=sampling.max_new_tokens,
                # No sentinel stands in code: whichever comes, the text is at its end.
                eos_token_id=sorted({*self.sentinels.ids.values(), *own_ends}),
                pad_token_id=self.sentinels.pad,
                suppress_tokens=self._no_tokens or None,
                num_beams=1,  # whatever the folder's generation_config.json has
                repetition_penalty=1.0,
                **chosen,
            )
        return printer.text


def _sentinels(folder: Path, encoding: Encoding) -> Sentinels:
    """Returns the folder's dialect: the one that it names, else the one whose sentinels its tokenizer has."""
    file = folder / "tokenizer_config.json"
    try:
        contents = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: can't be read as JSON ({error})") from None
    named = contents.get(DIALECT) if isinstance(contents, dict) else None
    if named is not None and named not in list(DIALECTS):
        raise ConfigError(f'{file}: {DIALECT} = "{named}" must be one of {", ".join(DIALECTS)}')
    return resolve(dialect_of(encoding) if named is None else DIALECTS[named], encoding)


@contextlib.contextmanager
def opened(model: Path, tokenizer_path: str | None) -> Iterator[Coder]:
    """Opens a model: a folder in Hugging Face form, or a checkpoint, which is exported to a temporary one first.

    Raises:
        ConfigError: it is neither.
    """
    if (model / "config.json").is_file():
        yield Coder(model)
        return
    from codetitan.hf.export import export

    with tempfile.TemporaryDirectory(prefix="codetitan-") as folder:
        exported = Path(folder) / "model"
        export(model, exported, tokenizer_path=tokenizer_path, called="the temporary folder (TMPDIR)")
        yield Coder(exported)
