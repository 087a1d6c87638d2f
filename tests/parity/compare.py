"""Runs cases and compares them with a single process; the table of what came out."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.parity import conversations
from tests.parity.mesh import Curve, MeshFailure, run
from tests.parity.meshes import CASES, Case, Settings
from tests.tokenizer.small import written


@dataclass(frozen=True)
class Outcome:
    """What came of a case: its differences, or the line that says why it failed."""

    loss: float | None
    grad_norm: float | None
    validated: float | None
    failure: str | None


def as_overrides(settings: Settings) -> list[str]:
    """Settings as they stand on a command line."""
    shown = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in settings.items()}
    return [word for key, value in shown.items() for word in (f"--{key}", value)]


def worst(values: Sequence[float], expected: Sequence[float]) -> float:
    """Returns the largest relative difference."""
    return max(abs(value - other) / abs(other) for value, other in zip(values, expected, strict=True))


@dataclass(eq=False)
class Bench:
    """The runs of a session: the configuration, the references that there are by now, and the outcomes."""

    folder: Path
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    _references: dict[tuple[str, ...], Curve | str] = field(default_factory=dict)
    _runs: int = 0

    def __post_init__(self) -> None:
        tokenizer = written("qwen", self.folder / "tokenizer")
        self.config = self.folder / "parity.toml"
        there = Path(__file__).parent / "parity.toml"
        conversations.write(self.folder)
        self.config.write_text(f'extends = "{there}"\nhf_assets_path = "{tokenizer}"\n')

    def new_folder(self) -> Path:
        """Returns a folder for one run."""
        self._runs += 1
        return self.folder / f"run-{self._runs}"

    def train(self, nproc: int, settings: Settings, folder: Path | None = None, *, cache: Path | None = None) -> Curve:
        """Runs on `nproc` processes, with a cache of its own where one is named. Raises MeshFailure."""
        words = [word.replace("{folder}", str(self.folder)) for word in as_overrides(settings)]
        more = {} if cache is None else {"CODETITAN_CACHE": str(cache)}
        return run(self.config, folder or self.new_folder(), nproc, words, more=more)

    def reference(self, variant: Settings) -> Curve:
        """Returns the curve of a single process, run once a session. Raises MeshFailure."""
        key = tuple(as_overrides(variant))
        if key not in self._references:
            try:
                self._references[key] = self.train(1, variant)
            except MeshFailure as failure:
                self._references[key] = str(failure)
        found = self._references[key]
        if isinstance(found, str):
            raise MeshFailure(found)
        return found

    def check(self, case: Case) -> None:
        """Runs a case and compares it; what came out is kept for the table.

        Raises:
            MeshFailure: a run failed.
            AssertionError: it served other data, or its numbers differ by more than the tolerance.
        """
        self.outcomes[case.name] = Outcome(None, None, None, "interrupted")
        try:
            # Each mesh measures the reference of preferences by itself.
            cache = self.new_folder() if case.settings.get("objective.name") == "dpo" else None
            expected, curve = self.reference(case.variant), self.train(case.nproc, case.settings, cache=cache)
        except MeshFailure as failure:
            self.outcomes[case.name] = Outcome(None, None, None, str(failure).splitlines()[0])
            raise
        loss, grad_norm = worst(curve.losses, expected.losses), worst(curve.grad_norms[:1], expected.grad_norms[:1])
        wrong = []
        pairs = list(zip(curve.validated, expected.validated, strict=True))
        if [(a["step"], a["validation/set"]) for a, _ in pairs] != [(b["step"], b["validation/set"]) for _, b in pairs]:
            wrong.append("its validation was on other tokens")
        names = [name for name, value in expected.validated[0].items() if isinstance(value, float)]
        first, *later = (worst([a[name] for name in names], [b[name] for name in names]) for a, b in pairs)
        # A round on weights that are still the same to some 1e-8. What rounding moves grows with each step of Adam, on
        # every mesh: gradient norms differ by 1e-6 at step 4, and by 5e-5 to 8e-4 at step 8 (TP2, CP2, with YaRN or
        # without), and there the last round is a matter of the weights, like the losses.
        if not first <= (1e-6 if case.tolerance <= 1e-5 else case.tolerance):
            wrong.append(f"its validation differs by {first:.1e}")
        if not all(difference <= case.tolerance for difference in later):
            wrong.append(f"its last validation differs by {later[-1]:.1e}")
        if curve.served != expected.served:
            wrong.append("it served other tokens")
        if not loss <= case.tolerance:
            wrong.append("its losses differ")
        if not grad_norm <= case.grad_tolerance:
            wrong.append("its first gradient norm differs")
        self.outcomes[case.name] = Outcome(loss, grad_norm, first, " and ".join(wrong) or None)
        assert not wrong, (
            f"{case.name}: {' and '.join(wrong)}: losses by {loss:.1e}, the gradient norm by {grad_norm:.1e}; "
            f"{case.tolerance:.0e} is allowed\n{curve}\n{expected}"
        )


def _versions() -> str:
    from importlib.metadata import version

    import codetitan
    from codetitan.device import cpu_name

    return (
        f"codetitan {codetitan.__version__}, torchtitan {version('torchtitan')}, torch {version('torch')}, torchao "
        f"{version('torchao')}; {len(os.sched_getaffinity(0))} cores of {cpu_name()}, gloo"
    )


def table(outcomes: dict[str, Outcome]) -> str:
    """Returns docs/parity.md."""
    passed = sum(outcome.failure is None for outcome in outcomes.values())
    lines = [
        "# Parity: the same losses on every mesh",
        "",
        "Written by `pytest -m parity`, when all of its cases have run; do not edit.",
        "",
        f"{_versions()}.",
        "",
        "Each case trains [parity.toml](../tests/parity/parity.toml) for 8 steps of 12 × 256 tokens of the Python "
        "standard library (fill-in-the-middle, metadata headers and best-fit packing on; 4 layers, width 64, 4 heads, "
        "2 K/V heads; fp32 where nothing else is said) and is compared with one plain process that trains the same "
        "model: the largest relative difference of the losses over the steps, and that of the gradient norm at step 1 "
        "(which shows a gradient that is off by a factor, where Adam hides it). Losses must be within the tolerance, "
        "and so must the norm (ten times it below fp32); the tokens served must be the same. Validation: the largest "
        "relative difference of what is measured after step 4, losses and bits per byte of all languages, kinds of "
        "text and holes, within 1e-6 in fp32; after step 8 within the tolerance. Compiled runs, activation "
        "checkpointing and chunked losses are compared with a process that has none of them. The first two rows are "
        "one process with other microbatches: the difference that another order of the same additions makes; FP8 has "
        "such rows of its own.",
        "",
        f"{passed} of {len(outcomes)} passed.",
        "",
        "| case | processes | losses | gradient norm | validation | tolerance | result |",
        "| --- | --: | --: | --: | --: | --: | --- |",
    ]
    for case in CASES:
        outcome = outcomes[case.name]
        differences = outcome.loss, outcome.grad_norm, outcome.validated
        numbers = " | ".join("" if number is None else f"{number:.1e}" for number in differences)
        failure = "" if outcome.failure is None else ": " + outcome.failure.replace("|", "\\|")
        result = "passed" if outcome.failure is None else f"**failed**{failure}"
        lines.append(f"| {case.name} | {case.nproc} | {numbers} | {case.tolerance:.0e} | {result} |")
    return "\n".join(lines) + "\n"
