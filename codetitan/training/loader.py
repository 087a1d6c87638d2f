"""The loader in the form that torchtitan's trainer builds, and whose state the distributed checkpoint shards by row."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist

from codetitan.data.rows.loader import Batch, CodeDataLoader, State
from codetitan.titan import BaseDataLoader, DeviceMesh, DTensor, Shard
from codetitan.tokenizer.code_tokenizer import CodeTokenizer


class Pinned(torch.Tensor):
    """A tensor in page-locked memory whose copy to the GPU nobody waits for.

    torchtitan copies each microbatch by a plain `.to(device)` when its turn comes (trainer.py, train_step). That waits
    until the GPU has done all there is: it then idles while the next microbatch's kernels are launched. One such wait a
    step is left, for the count of its tokens. The caching allocator keeps pinned memory until the copy is done.
    """

    # Every other operation is that of a plain tensor, and gives one.
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    def to(self, device: torch.device) -> torch.Tensor:  # type: ignore[override]
        """Returns a plain tensor on the device."""
        return super().to(device, non_blocking=True)


def pinned(tensor: torch.Tensor) -> Pinned:
    """Returns the same values as a `Pinned`."""
    return tensor.as_subclass(Pinned)


class TrainerDataLoader(CodeDataLoader, BaseDataLoader):
    """`CodeDataLoader` with torchtitan's interface.

    Every entry of a batch but "input" becomes an argument of the model, which takes positions and masks, and no other.

    Args:
        config: what to serve, and G.
        dp_world_size: R, the data-parallel degree.
        dp_rank: r.
        tokenizer: text to ids, and the dialect.
        seq_len: L, tokens a sample.
        local_batch_size: B, rows a microbatch.
        snapshot_every_n_steps: torchtitan passes it; the state here is always at hand.
    """

    @dataclass(kw_only=True, slots=True)
    class Config(CodeDataLoader.Config, BaseDataLoader.Config):
        rows: int | None = None
        """G, the rows of the global batch; filled in from `training.global_batch_size`."""

    def __init__(
        self,
        config: Config,
        *,
        dp_world_size: int,
        dp_rank: int,
        tokenizer: CodeTokenizer,
        seq_len: int,
        local_batch_size: int,
        snapshot_every_n_steps: int | None = None,
    ) -> None:
        super().__init__(
            config,
            dp_world_size=dp_world_size,
            dp_rank=dp_rank,
            tokenizer=tokenizer,
            seq_len=seq_len,
            local_batch_size=local_batch_size,
            rows=config.rows,
        )
        self._mesh: DeviceMesh | None = None

    def place(self, batch_mesh: DeviceMesh | None, device: torch.device) -> None:
        """Says where the batches go.

        Args:
            batch_mesh: over which `state_dict` shards the rows; None where there is one data-parallel rank.
            device: this rank's.
        """
        self._mesh, self.pin_for = batch_mesh, device
        self.agree = None if batch_mesh is None else self._maximum

    def __iter__(self) -> Iterator[Batch]:
        for inputs, labels in super().__iter__():
            if self.pins:
                yield {name: pinned(tensor) for name, tensor in inputs.items()}, pinned(labels)
            else:
                yield inputs, labels

    def state_dict(self) -> State:
        """Returns `rows`: int64 (G, n), a RowState a line, sharded over the batch mesh; and what it belongs to."""
        state = super().state_dict()
        if self._mesh is None:
            return state
        table = DTensor.from_local(state["rows"], self._mesh, [Shard(0)], run_check=False)
        return {"rows": table, "identity": state["identity"]}

    def load_state_dict(self, state_dict: State) -> None:
        """Goes on from a saved state, saved at any data-parallel degree.

        Raises:
            ConfigError: the corpus, the seed, the tokenizer or another part of what makes the tokens is not the saved.
        """
        table = state_dict["rows"]
        local = table.to_local() if isinstance(table, DTensor) else table
        super().load_state_dict({"rows": local, "identity": state_dict["identity"]})

    def _maximum(self, numbers: list[int]) -> list[int]:
        """Returns the maximum of each number over the data-parallel ranks; a collective."""
        assert self._mesh is not None, "one rank has the state of all rows"
        tensor = torch.tensor(numbers, device=self.pin_for)
        dist.all_reduce(tensor, dist.ReduceOp.MAX, group=self._mesh.get_group())
        return tensor.tolist()
