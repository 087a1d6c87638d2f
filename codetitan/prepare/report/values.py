"""How what rules found in dropped files is distributed, and where the thresholds lie."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codetitan.prepare.report.charts import Bar, histogram, short
from codetitan.prepare.report.output import batches

_A_SHARE = 50  # classes between 0 and 1
_AN_OCTAVE = 8  # classes between a number and its double
_MOST_BARS = 30
_ZERO = -(1 << 20)  # class of numbers that have no logarithm
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?$"

Numbers = npt.NDArray[np.float64]


@dataclass
class Distribution:
    """Values of the files that one rule dropped for one reason.

    Attributes:
        thresholds: threshold → files; some rules have one a language.
        shares: class → files where all lies between 0 and 1, a fiftieth each.
        octaves: class → files; class c begins at 2^(c/8).
    """

    thresholds: Counter[float] = field(default_factory=Counter)
    shares: Counter[int] = field(default_factory=Counter)
    octaves: Counter[int] = field(default_factory=Counter)
    in_shares: bool = True

    @property
    def files(self) -> int:
        """How many there are."""
        return sum(self.octaves.values())


def distributions(dropped: Iterable[Path]) -> dict[tuple[str, str], Distribution]:
    """Returns (rule, reason) → the values of its files, of those that have numbers; names of languages and the like
    have none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found: dict[tuple[str, str], Distribution] = defaultdict(Distribution)
    for file in dropped:
        for batch in batches(file, ["rule", "reason", "value", "threshold"]):
            both = pc.and_(*(pc.match_substring_regex(batch.column(name), _NUMBER) for name in ("value", "threshold")))
            rows = batch.filter(pc.fill_null(both, False))
            if not len(rows):
                continue
            numbers = [pc.cast(rows.column(name), pa.float64()).to_numpy() for name in ("value", "threshold")]
            names = list(zip(rows.column("rule").to_pylist(), rows.column("reason").to_pylist(), strict=True))
            codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
            code_of = np.array([codes[name] for name in names])
            for name, code in codes.items():
                _add(found[name], *(number[code_of == code] for number in numbers))
    return dict(sorted(found.items()))


def _add(of: Distribution, values: Numbers, thresholds: Numbers) -> None:
    of.thresholds.update(thresholds.tolist())
    of.in_shares &= bool(((values >= 0) & (values <= 1) & (thresholds <= 1)).all())
    of.shares.update(np.clip(values * _A_SHARE, 0, _A_SHARE - 1).astype(int).tolist())
    with np.errstate(divide="ignore", invalid="ignore"):
        classes = np.floor(np.log2(values) * _AN_OCTAVE)
    of.octaves.update(np.where(values > 0, classes, _ZERO).astype(int).tolist())


def drawn(name: str, of: Distribution) -> str:
    """Returns the histogram of a distribution, with its thresholds; of many the most frequent three."""
    thresholds = [threshold for threshold, _ in of.thresholds.most_common(3)]
    if of.in_shares:
        bars = [
            Bar((of.shares[i],), f"{i / _A_SHARE:g} to {(i + 1) / _A_SHARE:g}: {of.shares[i]:,} files")
            for i in range(_A_SHARE)
        ]
        ticks = [(_A_SHARE * i / 4, f"{i / 4:g}") for i in range(5)]
        return histogram(name, bars, ticks, [(t * _A_SHARE, f"{t:g}") for t in thresholds])
    classes = [c for c in of.octaves if c != _ZERO]
    zero = [Bar((of.octaves[_ZERO],), f"0: {of.octaves[_ZERO]:,} files")] if of.octaves[_ZERO] else []
    ends = [math.log2(t) * _AN_OCTAVE for t in thresholds if t > 0]
    low, high = math.floor(min([*classes, *ends])), math.ceil(max([*classes, *ends])) + 1
    step = next(s for s in (1 << i for i in range(20)) if (high - low) <= s * _MOST_BARS)
    low -= low % step
    n = -(-(high - low) // step)
    merged = Counter[int]()
    for c in classes:
        merged[(c - low) // step] += of.octaves[c]

    def at(i: float) -> float:
        return 2 ** ((low + i * step) / _AN_OCTAVE)

    bars = zero + [Bar((merged[i],), f"{short(at(i))} to {short(at(i + 1))}: {merged[i]:,} files") for i in range(n)]
    ticks = [(len(zero) + n * i / 4, short(at(n * i / 4))) for i in range(5)]
    marks = [(len(zero) + (math.log2(t) * _AN_OCTAVE - low) / step, short(t)) for t in thresholds if t > 0]
    return histogram(name, bars, ticks, marks)
