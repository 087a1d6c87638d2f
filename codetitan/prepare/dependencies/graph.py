"""An order of nodes in which each stands behind those that it needs, as far as there is such an order.

Source: DeepSeek-Coder (arXiv 2401.14196, Algorithm 1), part by part of the graph the node that needs the fewest of
those not yet placed. Differs in two things. There a node outside of a circle may come before what it needs, if it needs
fewer than the nodes of the circle; here a circle (a strongly connected component) is placed as a whole, and the fewest
count within it. And of several nodes that need as few, the one comes first that those placed last have brought so far,
not the first by name: so that what is used and who uses it lie close together (docs/prepare.md has what that is worth).
"""

import heapq
from collections.abc import Iterable, Sequence


def dependencies_first(n: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    """Returns the nodes in order; O((n + m) log n) time.

    Args:
        n: nodes, numbered in the order that decides where nothing else does.
        edges: m pairs of (a node, one that it needs); that a node needs itself means nothing.
    """
    needs: list[list[int]] = [[] for _ in range(n)]
    users: list[list[int]] = [[] for _ in range(n)]
    for user, needed in sorted(set(edges)):
        if user != needed:
            needs[user].append(needed)
            users[needed].append(user)
    part, circle = _parts(needs), _circles(needs)
    members: dict[int, list[int]] = {}
    for node in range(n):
        members.setdefault(circle[node], []).append(node)
    missing = dict.fromkeys(members, 0)
    for user in range(n):
        missing[circle[user]] += sum(circle[needed] != circle[user] for needed in needs[user])
    # (part, minus when it became ready, its first node, circle): the last that became ready first
    ready = [(part[nodes[0]], 0, nodes[0], name) for name, nodes in members.items() if not missing[name]]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        *_, name = heapq.heappop(ready)
        for node in _within(members[name], needs, users):
            order.append(node)
            for user in users[node]:
                other = circle[user]
                if other != name:
                    missing[other] -= 1
                    if not missing[other]:
                        first = members[other][0]
                        heapq.heappush(ready, (part[first], -len(order), first, other))
    return order


def _within(nodes: list[int], needs: Sequence[Sequence[int]], users: Sequence[Sequence[int]]) -> list[int]:
    """Returns the nodes of a circle, always one next that needs the fewest of those in it that are not yet placed."""
    if len(nodes) == 1:
        return nodes
    inside = set(nodes)
    missing = {node: sum(needed in inside for needed in needs[node]) for node in nodes}
    left = [(count, 0, node) for node, count in missing.items()]
    heapq.heapify(left)
    order: list[int] = []
    while left:
        count, _, node = heapq.heappop(left)
        if missing.get(node) != count:
            continue  # an entry from before it needed fewer, or of a node that is placed
        del missing[node]
        order.append(node)
        for user in users[node]:
            if user in missing:
                missing[user] -= 1
                heapq.heappush(left, (missing[user], -len(order), user))
    return order


def _parts(needs: Sequence[Sequence[int]]) -> list[int]:
    """Returns for each node the first node of the part of the graph that it hangs together with."""
    above = list(range(len(needs)))

    def first(node: int) -> int:
        while above[node] != node:
            above[node] = above[above[node]]
            node = above[node]
        return node

    for user, of_user in enumerate(needs):
        for needed in of_user:
            one, other = first(user), first(needed)
            above[max(one, other)] = min(one, other)
    return [first(node) for node in range(len(needs))]


def _circles(needs: Sequence[Sequence[int]]) -> list[int]:
    """Returns for each node a name that it shares with those that it needs and that need it, over others too.

    Source: R. Tarjan, "Depth-first search and linear graph algorithms", 1972; without recursion.
    """
    number, low, circle = ([-1] * len(needs) for _ in range(3))
    open_nodes: list[int] = []
    n_seen = 0
    for start in range(len(needs)):
        path = [(start, 0)] if number[start] < 0 else []
        while path:
            node, at = path.pop()
            if at == 0:
                number[node] = low[node] = n_seen
                n_seen += 1
                open_nodes.append(node)
            else:
                low[node] = min(low[node], low[needs[node][at - 1]])
            of_node = needs[node]
            while at < len(of_node) and number[of_node[at]] >= 0:
                if circle[of_node[at]] < 0:
                    low[node] = min(low[node], number[of_node[at]])
                at += 1
            if at < len(of_node):
                path += [(node, at + 1), (of_node[at], 0)]
            elif low[node] == number[node]:
                while circle[node] < 0:
                    circle[open_nodes.pop()] = node
    return circle
