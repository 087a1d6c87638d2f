"""What a server can do, found out by a few requests of one token each: servers differ, and most ignore what they lack.

Each field is tried by itself and believed only where the answer shows it. What is sent beyond OpenAI's fields switches
off what servers do by themselves: llama.cpp's top-k 40 and min-p 0.05, llama-cpp-python's repetition penalty 1.1,
vLLM's and SGLang's sampling of the model's generation_config.json, transformers' greedy search at any temperature.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from codetitan.data.pieces.dialects import Sentinels
from codetitan.engine.answers import Answer, GarbageError, read
from codetitan.engine.wire import Body, Wire, WireError
from codetitan.errors import ConfigError
from codetitan.tokenizer.encoding import Encoding

_TEXT = "def add(first, second):\n    return first + second\n\n\ndef"
# OpenAI's own server takes four stops, protocols have up to a dozen.
_STOPS = ("\nclass ", "\nif ", "\nprint", "\n@", "\n```", "<file_sep>", "\nimport ", "\nassert ")


def _extras(top_k: int, ends: Sequence[int]) -> Body:
    """Returns what open servers take beyond OpenAI's fields; one that does not know a field ignores it."""
    return {
        "top_k": top_k,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "repeat_penalty": 1.0,
        "add_special_tokens": False,
        "stop_token_ids": list(ends),
        "include_stop_str_in_output": True,
        "no_stop_trim": True,
        "return_token_ids": True,
        "return_tokens_as_token_ids": True,
    }


def near(one: float, other: float) -> bool:
    """Whether two log-probabilities may be of one token in one place, by half-precision kernels of another shape."""
    return abs(one - other) < 0.1 + 0.02 * abs(one)


@dataclass(frozen=True)
class Abilities:
    """What a server takes and gives.

    Attributes:
        takes_ids: prompts as ids; False: as text, with the sentinels as text.
        top_k: what switches it off; None: the server takes no fields beyond OpenAI's.
        generation_config: it is transformers', which takes its sampling as JSON in this field.
        log_probabilities: of what it generates.
        stops: it takes many.
        keeps_stops: it leaves the one that it found in the text.
        scores: it gives log-probabilities of the prompt, and they are those that it generates with. llama-cpp-python's
            (0.3.36) are each of the next place.
        begins: ids that it puts before each text.
    """

    takes_ids: bool
    top_k: int | None
    generation_config: bool
    log_probabilities: bool
    stops: bool
    keeps_stops: bool
    scores: bool
    begins: int

    def __str__(self) -> str:
        before = f", of which each gets {self.begins} more before it" if self.begins and not self.takes_ids else ""
        ids = "token ids" if self.takes_ids else f"text, sentinels as text{before}"
        log = "log-probabilities" if self.log_probabilities else "no log-probabilities"
        score = "of prompts too" if self.scores else "none of prompts"
        return f"prompts as {ids}; {log}{f', {score}' if self.log_probabilities else ''}"

    def fields(self, ends: Sequence[int], pad: int, sampling: Body) -> Body:
        """Returns a request's sampling in the server's fields.

        Args:
            ends: ids that end a completion.
            pad: the id that fills.
            sampling: max_tokens, temperature and, where something is drawn, top_p and seed.
        """
        if self.generation_config:
            temperature = sampling["temperature"]
            drawn = {"do_sample": True, "temperature": temperature, "top_p": sampling.get("top_p", 1.0), "top_k": 0}
            config = {
                "max_new_tokens": sampling["max_tokens"],
                "eos_token_id": list(ends),
                "pad_token_id": pad,
                **(drawn if temperature > 0 else {"do_sample": False}),
            }
            seed = {"seed": sampling["seed"]} if "seed" in sampling else {}
            return {"max_tokens": sampling["max_tokens"], "generation_config": json.dumps(config), **seed}
        return sampling | (_extras(self.top_k, ends) if self.top_k is not None else {})


def find_out(
    wire: Wire, model: str, encoding: Encoding, sentinels: Sentinels, ends: Sequence[int]
) -> tuple[Abilities, list[float]]:
    """Asks a server a few questions.

    Returns:
        what it can do, and what tells its weights from others: the log-probability of the likeliest token after a text,
        and those of the text's tokens; as many of them as it gives.

    Raises:
        ConfigError: it does not complete text, or its tokenizer is another.
    """
    ids = encoding.encode(_TEXT).tolist()
    greedy: Body = {"max_tokens": 1, "temperature": 0}
    trial = Abilities(False, None, False, False, False, False, False, 0)

    def ask(prompt: Any, **more: Any) -> Answer:
        body = trial.fields(ends, sentinels.pad, greedy) | {"model": model, "prompt": prompt} | more
        try:
            return read(wire.ask(body))
        except GarbageError as error:
            raise WireError(f"--server {wire.url} is no OpenAI-compatible server: of an answer, {error}") from None

    def tried(prompt: Any, **more: Any) -> Answer | None:
        body = trial.fields(ends, sentinels.pad, greedy) | {"model": model, "prompt": prompt} | more
        try:
            return read(wire.ask(body, patient=False))
        except WireError as error:
            if not error.refused:
                raise
        except GarbageError:
            pass
        return None

    for top_k, generation_config in ((-1, False), (0, False), (None, True)):
        trial = Abilities(False, top_k, generation_config, False, False, False, False, 0)
        plain = tried(_TEXT)
        if plain is not None:
            break
    else:
        trial = Abilities(False, None, False, False, False, False, False, 0)
        plain = ask(_TEXT)

    by_ids = tried(ids)
    takes_ids = by_ids is not None and (
        by_ids.prompt_tokens == len(ids) if by_ids.prompt_tokens is not None else by_ids.text == plain.text
    )
    begins = 0 if plain.prompt_tokens is None else plain.prompt_tokens - len(ids)
    if begins not in (0, 1):
        raise ConfigError(
            f"--server {wire.url}: its tokenizer is not --model's: of a text of {len(ids)} tokens it makes "
            f"{plain.prompt_tokens}; give the folder of the model that it serves"
        )
    prompt = ids if takes_ids else _TEXT
    logged = tried(prompt, logprobs=1)
    n_before = 0 if takes_ids else begins

    def scored() -> list[float]:
        """Returns the prompt's log-probabilities, where a token that was generated has the same one in a prompt."""
        if logged is None or not logged.log_probabilities:
            return []
        more = logged.ids[:1] if takes_ids and logged.ids else encoding.encode(plain.text).tolist()
        echoed = tried([*ids, *more] if takes_ids else _TEXT + plain.text, logprobs=1, echo=True)
        given = (echoed.log_probabilities or [])[n_before:] if echoed is not None else []
        if len(more) != 1 or len(given) not in (len(ids) + 1, len(ids) + 2):
            return []
        alone, in_prompt = logged.log_probabilities[0], given[len(ids)]
        agrees = alone is not None and in_prompt is not None and near(alone, in_prompt)
        return [p for p in given[1 : len(ids)] if p is not None] if agrees else []

    first = plain.text[:1]
    stopped = tried(prompt, stop=[*_STOPS, first] if first else list(_STOPS))
    of_prompt = scored()
    alone = (logged.log_probabilities or [])[:1] if logged is not None else []
    abilities = Abilities(
        takes_ids=takes_ids,
        top_k=trial.top_k,
        generation_config=trial.generation_config,
        log_probabilities=logged is not None and bool(logged.log_probabilities),
        stops=stopped is not None,
        keeps_stops=stopped is not None and bool(first) and first in stopped.text,
        scores=bool(of_prompt),
        begins=begins,
    )
    return abilities, [round(p, 4) for p in (*alone, *of_prompt) if p is not None]
