"""Initial values are the same bits on every mesh (contract 6): every full parameter, by name."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from tests.parity.compare import Bench, as_overrides
from tests.parity.mesh import start
from tests.parity.meshes import ARCHITECTURES, ONE_KV_HEAD, TIED, Settings, mesh, pipeline


def write_digests(arguments: list[str]) -> int:
    """A rank: builds the trainer and writes a digest of each parameter that it holds a part of."""
    import hashlib
    import os

    from torch.distributed.tensor import DTensor

    from codetitan.config.resolve import resolve
    from codetitan.titan import canonical_fqn

    config, folder, *overrides = arguments
    rank, world_size = os.environ["RANK"], int(os.environ["WORLD_SIZE"])
    trainer = resolve(Path(config), ["--dump_folder", folder, *overrides], world_size=world_size).config.build()
    digests = {}
    for part in trainer.model_parts:
        for name, parameter in part.named_parameters():
            full = parameter.full_tensor() if isinstance(parameter, DTensor) else parameter
            digests[canonical_fqn(name)] = hashlib.sha256(full.detach().numpy().tobytes()).hexdigest()
    (Path(folder) / f"digests-{rank}.json").write_text(json.dumps(digests))
    trainer.close()
    return 0


def digests(bench: Bench, nproc: int, settings: Settings) -> list[dict[str, str]]:
    """The digests of every rank."""
    folder = bench.new_folder()
    start(folder, nproc, [str(bench.config), str(folder), *as_overrides(settings)], function=write_digests)
    return [json.loads((folder / f"digests-{rank}.json").read_text()) for rank in range(nproc)]


@functools.cache
def expected_digests(bench: Bench, variant: tuple[tuple[str, Any], ...]) -> dict[str, str]:
    """Those of a single process."""
    [expected] = digests(bench, 1, dict(variant))
    return expected


MESHES: dict[str, tuple[int, Settings, Settings]] = {
    "FSDP2": (2, mesh(fsdp=2), {}),
    "FSDP3": (3, mesh(fsdp=3), {}),
    "TP2": (2, mesh(tp=2), {}),
    "TP4, 1 K/V head": (4, mesh(tp=4), ONE_KV_HEAD),
    "PP2": (2, pipeline("1F1B"), {}),
    "PP2 ZBVZeroBubble": (2, pipeline("ZBVZeroBubble"), {}),
    "CP2": (2, mesh(cp=2), {}),
    "FSDP2·TP2": (4, mesh(fsdp=2, tp=2), {}),
    "tied, FSDP2": (2, mesh(fsdp=2), TIED),
    "tied, PP2": (2, pipeline("1F1B"), TIED),
    "StarCoder2, tied, TP4, 2 K/V heads": (4, mesh(tp=4), ARCHITECTURES["StarCoder2"]),
    "StarCoder2, tied, PP2·TP2": (4, pipeline("1F1B", tp=2), ARCHITECTURES["StarCoder2"]),
    "Qwen3, FSDP2": (2, mesh(fsdp=2), ARCHITECTURES["Qwen3"]),
}
QUICK = ("FSDP2·TP2", "PP2")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.parity) for name in MESHES]
)
def test_initial_values_are_the_same_bits(bench: Bench, name: str) -> None:
    nproc, plan, variant = MESHES[name]
    expected = expected_digests(bench, tuple(variant.items()))
    seen: dict[str, str] = {}
    for of_rank in digests(bench, nproc, variant | plan):
        for parameter, digest in of_rank.items():
            assert seen.setdefault(parameter, digest) == digest, f"ranks disagree on {parameter}"
    if "model.tie_embeddings" in variant and "lm_head.weight" in seen:
        assert seen.pop("lm_head.weight") == expected["tok_embeddings.weight"]  # a stage of its own holds it
    assert seen == expected
    weights = {name for name in expected if name.endswith(".weight") and "norm" not in name}
    assert len({expected[name] for name in weights}) == len(
        weights
    )  # norms are ones and biases zeros; no two weights are
