"""The order of a graph's nodes, beside graphlib's and networkx's words on it, and in linear time."""

import graphlib
import random
import time

import networkx
from hypothesis import given
from hypothesis import strategies as st

from codetitan.prepare.dependencies.graph import dependencies_first

N = 30
EDGES = st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, N - 1)), max_size=80)


@given(EDGES)
def test_what_is_in_no_circle_is_behind_what_it_needs(edges: list[tuple[int, int]]) -> None:
    order = dependencies_first(N, edges)
    assert sorted(order) == list(range(N))
    place = {node: at for at, node in enumerate(order)}
    graph = networkx.DiGraph(edges)
    circle = {node: number for number, of in enumerate(networkx.strongly_connected_components(graph)) for node in of}
    assert all(place[needed] < place[user] for user, needed in edges if circle[user] != circle[needed])
    parts = [sorted(place[node] for node in part) for part in networkx.weakly_connected_components(graph)]
    assert all(part == list(range(part[0], part[-1] + 1)) for part in parts)  # one part after another


@given(EDGES, st.permutations(range(N)))
def test_graphlib_takes_it_for_an_order(edges: list[tuple[int, int]], names: list[int]) -> None:
    edges = [(names[max(a, b)], names[min(a, b)]) for a, b in edges if a != b]  # of which there is no circle
    sorter = graphlib.TopologicalSorter({node: set[int]() for node in range(N)})
    for user, needed in edges:
        sorter.add(user, needed)
    sorter.prepare()
    ready = set(sorter.get_ready())
    for node in dependencies_first(N, edges):
        assert node in ready
        sorter.done(node)
        ready |= set(sorter.get_ready())
    assert not sorter.is_active()


def test_in_a_circle_the_one_that_needs_the_fewest_comes_first() -> None:
    """1 needs only 0 of the circle of four, each of the others two; outside of it 4 needs one, and comes behind."""
    edges = [(0, 1), (0, 2), (1, 0), (2, 3), (2, 0), (3, 2), (3, 1), (4, 3)]
    assert dependencies_first(5, edges) == [1, 0, 2, 3, 4]


def test_who_uses_a_node_comes_right_behind_it() -> None:
    edges = [(3, 0), (4, 1), (5, 2), (6, 3), (6, 4), (6, 5)]
    assert dependencies_first(7, edges) == [0, 3, 1, 4, 2, 5, 6]


def test_the_order_of_the_edges_does_not_matter() -> None:
    draw = random.Random(0)
    edges = [(draw.randrange(200), draw.randrange(200)) for _ in range(500)]
    first = dependencies_first(200, edges)
    for _ in range(5):
        draw.shuffle(edges)
        assert dependencies_first(200, edges + edges[:50]) == first


def test_it_is_linear() -> None:
    """A chain, stars, a circle and many edges, at 20,000 nodes: none has a quadratic loop, or a deep recursion."""
    n = 20_000
    draw = random.Random(1)
    shapes = {
        "chain": [(i + 1, i) for i in range(n - 1)],
        "star": [(i, 0) for i in range(1, n)],
        "all need many": [(0, i) for i in range(1, n)],
        "circle": [(i, (i + 1) % n) for i in range(n)],
        "star of circles": [edge for i in range(1, n) for edge in ((0, i), (i, 0))],
        "random": [(draw.randrange(n), draw.randrange(n)) for _ in range(2 * n)],
    }
    for name, edges in shapes.items():
        start = time.process_time()
        assert len(dependencies_first(n, edges)) == n
        assert time.process_time() - start < 5, name
