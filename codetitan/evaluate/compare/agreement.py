"""Whether numbers of several runs compare: measured on the same tokens, asked in the same way; and if not, why not."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from codetitan.errors import ConfigError
from codetitan.evaluate.compare.runs import EVALUATIONS, Run

# Of a run's configuration, what decides on which tokens it is measured.
_DECIDE = ("validation", "dataloader.sources", "dataloader.fim.rate", "hf_assets_path", "tokenizer", "training.seq_len")
# When and what for, not on what.
_NOT_DECIDE = ("validation.interval", "validation.patience")
_SHOWN = 3


def check(runs: Sequence[Run]) -> None:
    """Raises ConfigError where something that several runs have is measured in different ways."""
    if differences := differing(runs):
        raise ConfigError(f"{'; '.join(differences)}; these numbers don't compare, and --anyway shows them")


def differing(runs: Sequence[Run]) -> list[str]:
    """Returns a sentence for each thing that several runs have and that is measured in different ways."""
    found = []
    measured = [run for run in runs if "validation" in run.sets]
    for other in measured[1:]:
        if other.sets["validation"] != measured[0].sets["validation"]:
            found.append(_other_tokens(measured[0], other))
            break
    for task in dict.fromkeys(task for run in runs for task in run.tasks):
        asked = [run for run in runs if task in run.tasks]
        for other in asked[1:]:
            ways = asked[0].tasks[task].protocol, other.tasks[task].protocol
            if names := _differences(*map(_flat, ways)):
                found.append(f"{task} was asked in different ways: {_list(names, asked[0], other)}")
                break
    evaluated = [run for run in runs if run.asked() is not None]
    for one, other in itertools.combinations(evaluated, 2):
        gone = next((run for run in (one, other) if not run.tasks), None)
        if gone and one.evaluated() & other.evaluated() and one.asked() != other.asked():
            found.append(
                f"{one.name} and {other.name} were evaluated in different ways, or were asked different tasks; which, "
                f"is gone with the folder {gone.path / EVALUATIONS}"
            )
            break
    return found


def _other_tokens(a: Run, b: Run) -> str:
    """Says that two runs are measured on different tokens, and which keys of their configurations differ."""
    text = (
        f"{a.name} and {b.name} are measured on different tokens (sets {a.sets['validation']}, {b.sets['validation']})"
    )
    names = _differences(_of_validation(a), _of_validation(b))
    if names:
        return f"{text}: {_list(names, a, b)}"
    return f"{text}: the documents differ"


def _of_validation(run: Run) -> dict[str, Any]:
    return {
        # Holes are measured in the same way, whatever their rate is above 0.
        name: value if name != "dataloader.fim.rate" else value > 0
        for name, value in _flat(run.config).items()
        if any(name == key or name.startswith(f"{key}.") for key in _DECIDE) and name not in _NOT_DECIDE
    }


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Returns nested dictionaries as one, with dots in its names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return flat


def _differences(a: dict[str, Any], b: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    return [(name, a.get(name), b.get(name)) for name in dict.fromkeys([*a, *b]) if a.get(name) != b.get(name)]


def _list(names: list[tuple[str, Any, Any]], a: Run, b: Run) -> str:
    shown: Iterable[str] = (f"{name} {_word(x)} ({a.name}), {_word(y)} ({b.name})" for name, x, y in names[:_SHOWN])
    more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return "; ".join([*shown, *more])


def _word(value: Any) -> str:
    if value in (None, "", []):
        return "none"
    text = ", ".join(map(repr, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
