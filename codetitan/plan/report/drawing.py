"""The mesh and the stages, drawn."""

from codetitan.plan.gpus import GPU
from codetitan.plan.report.tables import columns, count, ranges
from codetitan.plan.stage import Stage
from codetitan.plan.topology import DEGREES, DIMENSIONS, Topology

NAMES = {"pp": "PP", "dp_replicate": "replicate", "dp_shard": "FSDP", "cp": "CP", "tp": "TP"}


def draw(topology: Topology, gpu: GPU) -> list[str]:
    """Draws the first node (at most 16 ranks a line), a cell a rank, and says where each degree's groups reach."""
    active = [name for name in DIMENSIONS if topology.degrees[name] > 1]
    shape = " · ".join(f"{NAMES[name]} {topology.degrees[name]}" for name in active) or "one process"
    nodes = -(-topology.world_size // topology.nodes_of)
    ranks = list(range(min(topology.world_size, topology.nodes_of)))
    lines = [f"mesh    {shape} = {count(topology.world_size, 'GPU')} on {count(nodes, 'node')} of {topology.nodes_of}"]
    if active:
        cells = [["rank", *map(str, ranks)]]
        for name in active:
            cells.append([NAMES[name], *(str(topology.coordinates(rank)[name]) for rank in ranks)])
        lines.append("  node 0" + ("; the other nodes go on in this order" if nodes > 1 else ""))
        for first in range(1, len(ranks) + 1, 16):
            lines += columns([[row[0], *row[first : first + 16]] for row in cells], "    ")
    for degree, dimensions in DEGREES.items():
        size = topology.size(degree)
        if size == 1 or (degree == "cp" and topology.degrees["cp"] == 1):
            continue
        reach, group = topology.nodes(degree), topology.group_of_0(degree)
        where = "inside a node" if reach == 1 else f"over {reach} nodes"
        name = " · ".join(NAMES[d] for d in dimensions if topology.degrees[d] > 1)
        label = f"{name} (sharded weights)" if degree == "fsdp" and topology.degrees["cp"] > 1 else name
        lines.append(f"  {label}: groups of {size} {where}, {topology.link(degree, gpu)} (ranks {ranges(group)})")
    return lines


def contents(stage: Stage) -> str:
    blocks = [int(name.split(".")[1]) for name in stage.modules if name.startswith("layers.")]
    parts = ["embedding"] * stage.first
    if blocks:
        parts.append(f"blocks {ranges(blocks)}" if len(blocks) > 1 else f"block {blocks[0]}")
    parts += ["norm and head"] * stage.last
    return ", ".join(parts)
