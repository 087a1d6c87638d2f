"""Where each rank stands: coordinates in the mesh, the groups of each degree, the links between them. No torch here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from codetitan.plan.gpus import GPU

# torchtitan's order (ParallelDims.build_mesh): neighbours in the last dimension are neighbours in rank.
DIMENSIONS = ("pp", "dp_replicate", "dp_shard", "cp", "tp")
# What communicates → the dimensions over which its group reaches. FSDP shards over context-parallel ranks too.
DEGREES = {
    "pp": ("pp",),
    "replicate": ("dp_replicate",),
    "fsdp": ("dp_shard", "cp"),
    "cp": ("cp",),
    "tp": ("tp",),
}
# Shares of the links' peaks that large messages reach (nccl-tests on H100s print about 360 of 450 GB/s over NVLink, and
# 45 of 50 GB/s over InfiniBand), a collective's start, and a ring's step from node to node. Assumed.
_NVLINK_SHARE, _NETWORK_SHARE = 0.8, 0.9
_NVLINK_START_S, _NETWORK_START_S, _NODE_S = 10e-6, 25e-6, 5e-6


@dataclass(frozen=True)
class Topology:
    """A mesh of `degrees` (every one of DIMENSIONS) on nodes of `nodes_of` GPUs, ranks dealt in order."""

    degrees: Mapping[str, int]
    nodes_of: int

    @property
    def world_size(self) -> int:
        """Processes in all."""
        return prod(self.degrees.values())

    @property
    def data_parallel(self) -> int:
        """Ranks that train on different rows."""
        return self.degrees["dp_replicate"] * self.degrees["dp_shard"]

    def size(self, degree: str) -> int:
        """Ranks in a group of this degree."""
        return prod(self.degrees[dimension] for dimension in DEGREES[degree])

    def coordinates(self, rank: int) -> dict[str, int]:
        """Returns a rank's place in each dimension."""
        place = {}
        for dimension in reversed(DIMENSIONS):
            rank, place[dimension] = divmod(rank, self.degrees[dimension])
        return {dimension: place[dimension] for dimension in DIMENSIONS}

    def rank(self, place: Mapping[str, int]) -> int:
        """Returns the rank at a place; dimensions that are left out are 0."""
        number = 0
        for dimension in DIMENSIONS:
            number = number * self.degrees[dimension] + place.get(dimension, 0)
        return number

    def varying(self, ranks: Sequence[int]) -> set[str]:
        """Returns the dimensions in which these ranks differ."""
        places = [self.coordinates(rank) for rank in (ranks[0], *ranks)]
        return {name for name in DIMENSIONS if len({place[name] for place in places}) > 1}

    def nodes(self, degree: str) -> int:
        """Nodes over which a group of this degree reaches; the most where they differ, for a step waits for all."""
        return self._nodes[degree]

    @cached_property
    def _nodes(self) -> dict[str, int]:
        reach: dict[tuple[str, tuple[int, ...]], set[int]] = {}
        for rank in range(self.world_size):
            place = self.coordinates(rank)
            for degree, dimensions in DEGREES.items():
                group = (degree, tuple(place[name] for name in DIMENSIONS if name not in dimensions))
                reach.setdefault(group, set()).add(rank // self.nodes_of)
        return {degree: max(len(nodes) for (name, _), nodes in reach.items() if name == degree) for degree in DEGREES}

    def group_of_0(self, degree: str) -> list[int]:
        """Returns the ranks of rank 0's group of this degree, in order."""
        places: list[dict[str, int]] = [{}]
        for dimension in DEGREES[degree]:
            places = [place | {dimension: i} for place in places for i in range(self.degrees[dimension])]
        return [self.rank(place) for place in places]

    def link(self, degree: str, gpu: GPU) -> str:
        """Returns e.g. "NVLink", or "network"; a group that reaches over nodes waits for the network."""
        return "network" if self.nodes(degree) > 1 else gpu.inside

    def seconds(self, degree: str, received: float, calls: float, gpu: GPU) -> float:
        """Returns how long collectives of a degree take, alone on the links.

        Args:
            degree: one of DEGREES.
            received: bytes that a rank receives in all, as a ring moves them.
            calls: collectives among which these are spread.
            gpu: whose links.
        """
        size, nodes = self.size(degree), self.nodes(degree)
        if size == 1 or not calls:
            return 0.0
        if degree == "pp" and nodes > 1:  # a message between neighbours
            return received / (_NETWORK_SHARE * gpu.network) + calls * _NETWORK_START_S
        if nodes == 1:
            return received / (_NVLINK_SHARE * gpu.nvlink) + calls * _NVLINK_START_S
        # Each node's share crosses once, over the adapters of all its ranks in the group; the rest stays inside.
        whole = received * size / (size - 1)
        crossing = whole * (nodes - 1) / nodes / (size / nodes)
        inside = max(0.0, received - crossing) / (_NVLINK_SHARE * gpu.nvlink)
        return max(crossing / (_NETWORK_SHARE * gpu.network), inside) + calls * (_NETWORK_START_S + nodes * _NODE_S)
