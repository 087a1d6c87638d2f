"""Blocks placed on pipeline stages by cost."""

from itertools import combinations_with_replacement

import pytest

from codetitan.models.code.flavors import FLAVORS
from codetitan.models.code.shape import Flavor
from codetitan.models.code.stages import blocks_per_stage, costs, modules_per_stage


def slowest(flavor: Flavor, counts: list[int]) -> float:
    embedding, block, head = costs(flavor, 4096)
    cost = [block * count for count in counts]
    cost[0] += embedding
    cost[-1] += head
    return max(cost)


@pytest.mark.parametrize("name", FLAVORS)
def test_costs_are_those_of_the_model(name: str) -> None:
    flavor = FLAVORS[name]
    _, block, head = costs(flavor, 4096)
    assert flavor.n_layers * block + head == pytest.approx(flavor.flops_per_token(4096))


@pytest.mark.parametrize("name", ["debug", "20m", "350m", "15b"])
@pytest.mark.parametrize("n_stages", [2, 3, 4, 5])
def test_no_other_placement_is_faster(name: str, n_stages: int) -> None:
    flavor = FLAVORS[name]
    counts = blocks_per_stage(flavor, 4096, n_stages)
    assert sum(counts) == flavor.n_layers and len(counts) == n_stages
    for cuts in combinations_with_replacement(range(flavor.n_layers + 1), n_stages - 1):
        other = [b - a for a, b in zip((0, *cuts), (*cuts, flavor.n_layers), strict=True)]
        assert slowest(flavor, counts) <= slowest(flavor, other) * (1 + 1e-9)


def test_real_placements() -> None:
    assert blocks_per_stage(FLAVORS["15b"], 8192, 4) == [10, 10, 10, 10]
    assert blocks_per_stage(FLAVORS["15b"], 8192, 8) == [5, 5, 5, 5, 5, 5, 5, 5]
    assert blocks_per_stage(FLAVORS["15b"], 8192, 16) == [*7 * [2], *8 * [3], 2]
    assert blocks_per_stage(FLAVORS["7b"], 4096, 3) == [11, 11, 10]
    assert blocks_per_stage(FLAVORS["debug"], 256, 3) == [2, 2, 0]  # the head costs as much as 16 of its blocks


def test_every_stage_holds_something() -> None:
    assert blocks_per_stage(FLAVORS["debug"], 256, 6) == [0, 1, 1, 1, 1, 0]
    with pytest.raises(ValueError):
        blocks_per_stage(FLAVORS["debug"], 256, 7)


def test_module_names() -> None:
    assert modules_per_stage([1, 2, 0]) == [
        ["tok_embeddings", "layers.0"],
        ["layers.1", "layers.2"],
        ["norm", "lm_head"],
    ]
