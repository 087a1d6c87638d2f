"""An engine over any OpenAI-compatible server: vLLM, SGLang, llama.cpp, llama-cpp-python, `transformers serve`.

The wire format is OpenAI's /v1/completions; `abilities` finds out what a server makes of it, `answers` reads what it
says. The tokenizer and the dialect are those of a folder on this machine, so prompts are the same as in-process.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from codetitan.engine import Completion, Sampling
from codetitan.engine.abilities import Abilities, find_out
from codetitan.engine.answers import GarbageError, Maker, read
from codetitan.engine.wire import Body, Wire, WireError
from codetitan.errors import ConfigError, did_you_mean
from codetitan.hf.generate import _sentinels
from codetitan.tokenizer.encoding import open_encoding


class Server:
    """A served model.

    Args:
        url: its address, such as http://localhost:8000/v1.
        folder: of the same model in Hugging Face form: tokenizer.json, tokenizer_config.json, config.json are read, no
            weights. None: the path under which the server serves it, where that is a folder on this machine.
        model: what the server calls it; None: the only one that it serves.
        concurrency: requests at once.
        timeout_s: for an answer.
        retries: of a request.

    Raises:
        ConfigError: the server is down or none, the model is not the folder's, or nothing says which it is.
    """

    weights_version = 0

    def __init__(
        self,
        url: str,
        folder: Path | None = None,
        *,
        model: str | None = None,
        concurrency: int = 16,
        timeout_s: float = 600.0,
        retries: int = 6,
    ) -> None:
        self._wire = Wire(url, concurrency=concurrency, timeout_s=timeout_s, retries=retries)
        try:
            entry = _entry(self._wire.models(), model, self._wire.url)
            self._model = str(entry["id"])
            folder = folder or _local(entry, self._wire.url)
            self.encoding = open_encoding(str(folder))
            self.sentinels = _sentinels(folder, self.encoding)
            self._own_ends, self.context = _ends_and_context(folder, entry)
            self._ends = sorted({*self.sentinels.ids.values(), *self._own_ends})
            self.abilities: Abilities = find_out(
                self._wire, self._model, self.encoding, self.sentinels, self._ends
            )
        except BaseException:
            self._wire.close()
            raise
        self._maker = Maker(self.encoding, self.sentinels, frozenset(self._ends), self.abilities.keeps_stops)
        self.name = f"{self._model} at {self._wire.url} ({self.abilities})"
        self._texts = {
            **{number: text for text, number in self.encoding.special_tokens.items()},
            **{number: text for text, number in self.sentinels.ids.items()},
        }
        self._special = re.compile("|".join(map(re.escape, sorted(self._texts.values(), key=len, reverse=True))))

    def complete(self, prompts: Sequence[Sequence[int]], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        """Yields, as they are done, (a prompt's index, its `sampling.n` completions).

        Each completion is a request with a seed of its own, of (seed, the prompt's ids, the completion's number):
        `n` is not a field of every server. Without log-probabilities of the server's theirs are empty; without its ids
        theirs are those of the text.

        Raises:
            ConfigError: a prompt leaves no room in the context or can't be sent as text, before anything is asked; or
                the server failed, after what is done was given.
        """
        greedy = sampling.temperature == 0
        bodies = [
            ((index, number), self._body(index, prompt, number, sampling))
            for index, prompt in enumerate(prompts)
            for number in range(1 if greedy else sampling.n)
        ]
        waiting: dict[int, dict[int, Completion]] = {}
        n_done = 0
        try:
            for (index, number), contents in self._wire.ask_all(bodies):
                parts = waiting.setdefault(index, {})
                parts[number] = self._maker.completion(read(contents), sampling.stops)
                if len(parts) == (1 if greedy else sampling.n):
                    del waiting[index]
                    n_done += 1
                    yield index, [parts[0]] * sampling.n if greedy else [parts[i] for i in range(sampling.n)]
        except (WireError, GarbageError) as error:
            raise self._failed(error, n_done, len(prompts), "prompts") from None

    def score(self, sequences: Sequence[Sequence[int]]) -> Iterator[tuple[int, list[float]]]:
        """Yields, as they are done, (a sequence's index, the log-probability in nats of each id but the first).

        Raises:
            ConfigError: a sequence is longer than the context, or the server gives no log-probabilities of prompts.
        """
        if not self.abilities.scores:
            raise ConfigError(
                f"--server {self._wire.url} gives no log-probabilities of a prompt (logprobs with echo), which this task "
                "needs; give --model without --server, or a server that does: vLLM, SGLang"
            )
        # One token is generated: llama-cpp-python takes 0 for "as many as there is room for".
        fields = self._fields({"max_tokens": 1, "temperature": 0})
        bodies = []
        for index, ids in enumerate(sequences):
            if len(ids) >= self.context:
                raise ConfigError(
                    f"sequence {index} has {len(ids)} tokens, and a server scores at most {self.context - 1} of the "
                    f"context's {self.context}: it generates one"
                )
            bodies.append((index, fields | {"prompt": self._prompt(index, ids), "logprobs": 1, "echo": True}))
        n_done = 0
        try:
            for index, contents in self._wire.ask_all(bodies):
                yield index, self._scores(index, sequences[index], contents)
                n_done += 1
        except (WireError, GarbageError) as error:
            raise self._failed(error, n_done, len(sequences), "sequences") from None

    def close(self) -> None:
        """Closes the connections."""
        self._wire.close()

    def _body(self, index: int, prompt: Sequence[int], number: int, sampling: Sampling) -> Body:
        room = self.context - len(prompt)
        if room < 1:
            raise ConfigError(f"prompt {index} has {len(prompt)} tokens and leaves no room in a context of {self.context}")
        asked: Body = {"max_tokens": min(sampling.max_new_tokens, room), "temperature": sampling.temperature}
        if sampling.temperature > 0:
            key = f"{sampling.seed} {number} {' '.join(map(str, prompt))}"
            seed = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest()) >> 1
            asked |= {"top_p": sampling.top_p, "seed": seed}
        body = self._fields(asked) | {"prompt": self._prompt(index, prompt)}
        if self.abilities.log_probabilities:
            body["logprobs"] = 1
        if self.abilities.stops and sampling.stops:
            body["stop"] = list(sampling.stops)
        return body

    def _fields(self, sampling: Body) -> Body:
        return {"model": self._model} | self.abilities.fields(self._ends, self.sentinels.pad, sampling)

    def _prompt(self, index: int, ids: Sequence[int]) -> list[int] | str:
        """Returns a prompt as the server takes it.

        Raises:
            ConfigError: as text it would be other tokens: its end is part of a character, or a sentinel is in its text.
        """
        if self.abilities.takes_ids:
            return list(ids)
        parts = [self._texts[i].encode() if i in self._texts else self.encoding.decode_bytes([i]) for i in ids]
        try:
            text = b"".join(parts).decode()
        except UnicodeDecodeError:
            raise ConfigError(
                f"prompt {index} can't be sent to --server {self._wire.url}, which takes text only: it begins or ends "
                "inside a character"
            ) from None
        if len(self._special.findall(text)) != sum(number in self._texts for number in ids):
            raise ConfigError(
                f"prompt {index} can't be sent to --server {self._wire.url}, which takes text only: its text has a "
                f"sentinel in it ({', '.join(sorted(set(self._special.findall(text))))})"
            )
        return text

    def _scores(self, index: int, ids: Sequence[int], contents: dict[str, Any]) -> list[float]:
        answer = read(contents)
        given = (answer.log_probabilities or [])[0 if self.abilities.takes_ids else self.abilities.begins :]
        scores = [p for p in given[1 : len(ids)] if p is not None]
        if len(scores) != len(ids) - 1 or len(given) > len(ids) + 1:
            raise GarbageError(f"of the {len(ids)} tokens of sequence {index} it gives {len(given)} log-probabilities")
        if answer.ids is not None and self.abilities.takes_ids and answer.ids[: len(ids)] != list(ids):
            raise GarbageError(f"the tokens of sequence {index} come back as others")
        return scores

    def _failed(self, error: Exception, n_done: int, n: int, what: str) -> ConfigError:
        text = str(error)
        if isinstance(error, GarbageError):
            text = f"--server {self._wire.url} answers what can't be used: {error}"
        return ConfigError(f"{text}; {n_done} of {n} {what} are done and kept")


def _entry(entries: list[dict[str, Any]], model: str | None, url: str) -> dict[str, Any]:
    """Returns what a server says of the model that is meant."""
    names = [entry["id"] for entry in entries]
    listed = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    if not names:
        raise ConfigError(f"--server {url} serves no model")
    if model is None and len(names) > 1:
        raise ConfigError(f"--server {url} serves several models ({listed}); say which with --server-model NAME")
    if model is not None and model not in names:
        raise ConfigError(f'--server-model "{model}": {url} serves {listed}{did_you_mean(model, names)}')
    return entries[names.index(model)] if model is not None else entries[0]


def _local(entry: dict[str, Any], url: str) -> Path:
    """Returns the folder that a server says it serves: vLLM's root, transformers' id."""
    for said in (entry.get("root"), entry["id"]):
        if isinstance(said, str) and (Path(said) / "tokenizer.json").is_file():
            return Path(said)
    raise ConfigError(
        f"--server {url} needs --model FOLDER beside it: the model's folder in Hugging Face form, for its tokenizer (its "
        "weights are not read)"
    )


def _ends_and_context(folder: Path, entry: dict[str, Any]) -> tuple[list[int], int]:
    """Returns the ids that end a text of the model, and the smallest context of those that are named."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("config.json", "generation_config.json"):
        file = folder / name
        try:
            contents = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        except (OSError, ValueError) as error:
            raise ConfigError(f"{file}: can't be read as JSON ({error})") from None
        found[name] = contents if isinstance(contents, dict) else {}
    ends = found["generation_config.json"].get("eos_token_id", found["config.json"].get("eos_token_id"))
    meta = entry.get("meta") if isinstance(entry.get("meta"), dict) else {}
    assert meta is not None
    contexts = (found["config.json"].get("max_position_embeddings"), entry.get("max_model_len"), meta.get("n_ctx"))
    known = [value for value in contexts if type(value) is int and value > 0]
    if not known:
        raise ConfigError(f"{folder} has no config.json with max_position_embeddings, and the server names no context")
    return ends if isinstance(ends, list) else [ends] if type(ends) is int else [], min(known)
