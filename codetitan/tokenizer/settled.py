"""What a tokenizer.json says beside its ids: what is of chance or stands around a text is taken off before it is used.

BPE dropout draws other merges each time that a text is encoded, from a generator that no seed reaches; it is a way to
train with, and people save it unawares. `tokenizers` 0.23 neither writes nor reads the sampling of a Unigram model; a
version that does must change nothing here.
"""

from collections.abc import Iterator
from typing import Any

_OF_CHANCE = ("dropout", "alpha", "nbest_size")


def steps(part: dict[str, Any] | None, inner: str) -> list[dict[str, Any]]:
    """Returns the steps of a normalizer and the like, sequences in it taken apart; `inner` is their key."""
    if not part:
        return []
    if part.get("type") == "Sequence":
        return [step for one in part[inner] for step in steps(one, inner)]
    return [part]


def settled(name: str, spec: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Returns the contents of a tokenizer.json without what is not used, and a sentence that says so; None where
    nothing was.

    Args:
        name: of the tokenizer, for people.
        spec: with a model.
    """
    chance = {option: value for option in _OF_CHANCE if (value := spec["model"].get(option))}
    without = [f"its {option} {value} (other tokens at each start)" for option, value in chance.items()]
    without += [f"its {key}" for key in ("truncation", "padding") if spec.get(key)]
    around = dict.fromkeys(_added_around(spec))
    if around:
        without.append(f"{', '.join(around)} around a text")
    plain = spec | {"model": spec["model"] | dict.fromkeys(chance), "truncation": None, "padding": None}
    return plain, f"the tokenizer {name} is used without {', '.join(without)}" if without else None


def _added_around(spec: dict[str, Any]) -> Iterator[str]:
    """Yields the tokens that a post-processor puts around a text."""
    for step in steps(spec.get("post_processor"), "processors"):
        if step.get("type") == "TemplateProcessing":
            yield from (part["SpecialToken"]["id"] for part in step.get("single", []) if "SpecialToken" in part)
        elif step.get("type") in ("BertProcessing", "RobertaProcessing"):
            yield from (step["cls"][0], step["sep"][0])
