"""An engine over any OpenAI-compatible server: vLLM, SGLang, llama.cpp, llama-cpp-python, `transformers serve`.

The wire format is OpenAI's /v1/completions; `abilities` finds out what a server makes of it, `answers` reads what it
says. The tokenizer and the dialect are those of a folder on this machine, so prompts are the same as in-process.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from codetitan.engine import Completion, Sampling
from codetitan.engine.abilities import find_out
from codetitan.engine.answers import GarbageError, Maker, read
from codetitan.engine.draws import key_of
from codetitan.engine.model import fingerprint, open_prompts, weights
from codetitan.engine.wire import Body, Wire, WireError
from codetitan.errors import ConfigError, did_you_mean


class Server:
    """A served model.

    Args:
        url: its address, such as http://localhost:8000/v1.
        folder: of the same model in Hugging Face form: tokenizer.json, tokenizer_config.json, config.json are read, and
            weights, where there are some, for their fingerprint. None: the path under which the server serves it, where
            that is a folder on this machine.
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
            prompts = open_prompts(folder)
            self.encoding, self.sentinels = prompts.encoding, prompts.sentinels
            known = (number for text, number in self.sentinels.ids.items() if text not in self.sentinels.appended)
            self._ends = sorted({*known, *_own_ends(folder)})
            self.abilities, probe = find_out(self._wire, self._model, self.encoding, self.sentinels, self._ends)
            of_folder = fingerprint(folder) if weights(folder) else None
        except BaseException:
            self._wire.close()
            raise
        self.context = _context(entry, prompts.context)
        # One token is generated behind what is scored: with two places less, what is as long as this and one, which
        # Engine.score allows, fits.
        self.scored_context = self.context - 2
        self._maker = Maker(self.encoding, self.sentinels, frozenset(self._ends), self.abilities.keeps_stops)
        self.name = f"{self._model} at {self._wire.url} ({self.abilities})"
        self.facts: Mapping[str, object] = {
            "back_end": "server",
            "model": self._model,
            # No server tells of its weights: the folder's, which should be the same, and what a text gets from them.
            "fingerprint": of_folder,
            "probe": probe,
            "tokenizer": self.encoding.fingerprint,
            "server": self._wire.url,
            "owner": entry.get("owned_by"),
            "prompts_as": "token ids" if self.abilities.takes_ids else "text",
            "versions": {"openai": version("openai")},
        }
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
        self.check_scores()
        # One token is generated: some servers take 0 for "as many as there is room for".
        fields = self._fields({"max_tokens": 1, "temperature": 0})
        bodies = []
        for index, ids in enumerate(sequences):
            if len(ids) < 2:
                yield index, []
                continue
            if len(ids) > self.scored_context + 1:
                raise ConfigError(
                    f"a sequence of {len(ids)} tokens is longer than the context of {self.scored_context} and one"
                )
            bodies.append((index, fields | {"prompt": self._prompt(index, ids), "logprobs": 1, "echo": True}))
        n_done = 0
        try:
            for index, contents in self._wire.ask_all(bodies):
                yield index, self._scores(index, sequences[index], contents)
                n_done += 1
        except (WireError, GarbageError) as error:
            raise self._failed(error, n_done, len(sequences), "sequences") from None

    def check_scores(self) -> None:
        """The server can score.

        Raises:
            ConfigError: it gives no log-probabilities of prompts, or wrong ones.
        """
        if not self.abilities.scores:
            raise ConfigError(
                f"--server {self._wire.url} gives no log-probabilities of a prompt (logprobs with echo), which "
                "bits per byte need; give --model without --server, or a server that does: vLLM, SGLang"
            )

    def close(self) -> None:
        """Closes the connections."""
        self._wire.close()

    def _body(self, index: int, prompt: Sequence[int], number: int, sampling: Sampling) -> Body:
        room = self.context - len(prompt)
        if not 0 < len(prompt) < self.context:
            raise ConfigError(
                f"a prompt of {len(prompt)} tokens leaves no room in the model's context of {self.context}"
            )
        asked: Body = {"max_tokens": min(sampling.max_new_tokens, room), "temperature": sampling.temperature}
        if sampling.temperature > 0:
            # 31 bits: llama.cpp takes no more. It depends neither on the other prompts nor on their order.
            asked |= {"top_p": sampling.top_p, "seed": key_of(sampling, prompt, number) >> 33}
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
        f"--server {url} needs --model FOLDER beside it: the model's folder in Hugging Face form, for its tokenizer "
        "(it needs no weights)"
    )


def _own_ends(folder: Path) -> list[int]:
    """Returns the ids that end a text of the model, as its folder names them."""
    for name in ("generation_config.json", "config.json"):
        file = folder / name
        try:
            contents = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        except (OSError, ValueError) as error:
            raise ConfigError(f"{file}: can't be read as JSON ({error})") from None
        ends = contents.get("eos_token_id") if isinstance(contents, dict) else None
        if ends is not None:
            return [end for end in (ends if isinstance(ends, list) else [ends]) if type(end) is int]
    return []


def _context(entry: dict[str, Any], of_folder: int) -> int:
    """Returns the smallest context of the model's and what the server has room for, as vLLM and llama-server say it."""
    meta = entry.get("meta")
    said = (of_folder, entry.get("max_model_len"), meta.get("n_ctx") if isinstance(meta, dict) else None)
    known = [value for value in said if type(value) is int and value > 0]
    if not known:
        raise ConfigError("--model: its config.json has no max_position_embeddings, and the server names no context")
    return min(known)
