"""Which blocks a pipeline stage holds: placed by cost, embedding and head counted. No torch here."""

from codetitan.models.code.shape import Flavor

EMBEDDING, NORM, HEAD = "tok_embeddings", "norm", "lm_head"

# A look-up reads and writes D values a token, forward and backward, where a matmul computes: 4 values of 2 bytes at
# the ~300 FLOP that a GPU does in the time of a byte (H100: 989 TFLOP/s over 3.35 TB/s).
_FLOPS_PER_LOOKED_UP_VALUE = 4 * 2 * 300


def costs(flavor: Flavor, seq_len: int) -> tuple[float, float, float]:
    """Returns the FLOPs a token, forward and backward, of the embedding, of one block and of the head."""
    head = 6 * flavor.vocab_size * flavor.dim
    return (
        _FLOPS_PER_LOOKED_UP_VALUE * flavor.dim,
        (flavor.flops_per_token(seq_len) - head) / flavor.n_layers,
        head,
    )


def blocks_per_stage(flavor: Flavor, seq_len: int, n_stages: int) -> list[int]:
    """Returns how many blocks each stage holds so that the slowest one is as fast as it can be.

    Each block goes to the stage that has least to do with it, the later one of equals: early stages keep more
    activations. That is optimal, since all blocks cost the same.

    Raises:
        ValueError: a stage between the first and the last would hold nothing.
    """
    if flavor.n_layers < n_stages - 2:
        raise ValueError(f"{flavor.n_layers} blocks for {n_stages} stages")
    embedding, block, head = costs(flavor, seq_len)
    cost = [0.0] * n_stages
    cost[0] += embedding
    cost[-1] += head
    counts = [0] * n_stages
    for _ in range(flavor.n_layers):
        stage = min(reversed(range(n_stages)), key=cost.__getitem__)
        cost[stage] += block
        counts[stage] += 1
    return counts


def modules_per_stage(counts: list[int]) -> list[list[str]]:
    """Returns the module names of each stage, as torchtitan splits by them, for the blocks of `blocks_per_stage`."""
    stages, first = [], 0
    for count in counts:
        stages.append([f"layers.{i}" for i in range(first, first + count)])
        first += count
    stages[0].insert(0, EMBEDDING)
    stages[-1] += [NORM, HEAD]
    return stages
