"""What a simulated step was made of: graphs and kernels, from the process that saw them to the test that asks."""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SHARED_LIMIT = 227 << 10
"""Bytes of shared memory that a block may opt into on an H100 (CUDA C Programming Guide, compute capability 9.0)."""


@dataclass(frozen=True)
class Kernel:
    """One Triton kernel in one of the shapes that inductor would choose from.

    Attributes:
        name: inductor's.
        config: block sizes, warps and stages.
        target: that PTX names, "sm_90a".
        shared: bytes a block.
        cubin: bytes that ptxas made.
        stores_float8: converts to an FP8 type.
        max_nan: has the NaN-propagating maximum or minimum that Triton miscompiles beside FP8 stores (issue 11111).
        error: why it was not compiled; None: it was.
    """

    name: str
    config: str
    target: str = ""
    shared: int = 0
    cubin: int = 0
    stores_float8: bool = False
    max_nan: bool = False
    error: str | None = None

    @property
    def complaint(self) -> str | None:
        """What is wrong with it, in one line; None: nothing."""
        if self.error is not None:
            return f"{self.name} ({self.config}): {self.error}"
        if self.target != "sm_90a" or not self.cubin:
            return f"{self.name} ({self.config}): {self.cubin} bytes for {self.target}, not for sm_90a"
        if self.shared > SHARED_LIMIT:
            return f"{self.name} ({self.config}): {self.shared:,} bytes of shared memory, {SHARED_LIMIT:,} are allowed"
        return None


@dataclass(frozen=True)
class Value:
    """A tensor that a forward graph keeps for its backward: what computed it, shape, type and size."""

    operator: str
    shape: list[int]
    dtype: str
    bytes: int


@dataclass(frozen=True)
class Graph:
    """A graph that inductor compiled.

    Attributes:
        name: in the order in which they were compiled.
        backward: whether it is the backward of another.
        operators: operator → how often it occurs.
        saved: what a forward keeps and computed itself; weights and inputs are not among it.
        kernels: of its generated code.
        error: why inductor generated no code; None: it did.
    """

    name: str
    backward: bool
    operators: dict[str, int]
    saved: list[Value]
    kernels: list[Kernel] = field(default_factory=list)
    error: str | None = None


@dataclass(frozen=True)
class Report:
    """What a worker saw.

    Attributes:
        graphs: that inductor compiled.
        unique_graphs: that dynamo had captured after each microbatch.
        graph_breaks: reason → how often.
        gradients: parameters that got one, and parameters.
        inner_attention: class of the attention that ran.
        adapted: key → why codetitan set it.
    """

    graphs: list[Graph]
    unique_graphs: list[int]
    graph_breaks: dict[str, int]
    gradients: tuple[int, int]
    inner_attention: str
    adapted: dict[str, str]

    @staticmethod
    def read(file: Path) -> "Report":
        """Reads what `write` wrote."""
        fields = json.loads(file.read_text())
        fields["gradients"] = tuple(fields["gradients"])
        fields["graphs"] = [
            Graph(
                **graph
                | {
                    "saved": [Value(**value) for value in graph["saved"]],
                    "kernels": [Kernel(**kernel) for kernel in graph["kernels"]],
                }
            )
            for graph in fields["graphs"]
        ]
        return Report(**fields)

    def write(self, file: Path) -> None:
        """Writes it as JSON."""
        file.write_text(json.dumps(dataclasses.asdict(self)))

    @property
    def kernels(self) -> Iterator[Kernel]:
        """Those of all graphs."""
        return (kernel for graph in self.graphs for kernel in graph.kernels)

    def count(self, operator: str, *, backward: bool) -> int:
        """How often an operator occurs in the forward or the backward graphs."""
        return sum(graph.operators.get(operator, 0) for graph in self.graphs if graph.backward is backward)

    def complaints(self) -> list[str]:
        """What would fail, or be compiled again and again, on an H100; one line each."""
        found = [f"graph break, {n} times: {reason}" for reason, n in self.graph_breaks.items()]
        if len(set(self.unique_graphs)) != 1:
            found.append(f"recompiled: {self.unique_graphs} graphs after each microbatch")
        with_gradient, parameters = self.gradients
        if with_gradient != parameters:
            found.append(f"{parameters - with_gradient} of {parameters} parameters have no gradient")
        found += [f"{graph.name}: no code: {graph.error}" for graph in self.graphs if graph.error is not None]
        return found + [kernel.complaint for kernel in self.kernels if kernel.complaint is not None]
