"""Ranks stand where torchtitan's mesh puts them, and links are what reaches over nodes."""

import pytest

from codetitan.config.resolve import resolve
from codetitan.errors import ConfigError
from codetitan.plan.estimate import topology_of
from codetitan.plan.gpus import GPUS, find
from codetitan.plan.topology import Topology
from codetitan.plan.tracing.dry_run import build
from tests.conftest import REPOSITORY

OF_64 = Topology({"pp": 2, "dp_replicate": 2, "dp_shard": 2, "cp": 2, "tp": 4}, nodes_of=8)


@pytest.mark.parametrize("rank", [0, 13, 63])
def test_coordinates_are_torchtitans(rank: int) -> None:
    options = [
        f"--parallelism.{key} {value}"
        for key, value in {
            "pipeline_parallel_degree": 2, "data_parallel_replicate_degree": 2, "data_parallel_shard_degree": 2,
            "context_parallel_degree": 2, "tensor_parallel_degree": 4,
        }.items()
    ]  # fmt: skip
    words = [word for option in options for word in option.split()]
    file = REPOSITORY / "train_configs" / "debug.toml"
    config = resolve(file, words, world_size=64, here=False).config
    assert topology_of(config, 64, 8) == OF_64
    with build(config, rank=rank, world_size=64) as trainer:
        place = {name: trainer.parallel_dims.get_mesh(name).get_local_rank() for name in OF_64.degrees}
    assert OF_64.coordinates(rank) == place and OF_64.rank(place) == rank


def test_links() -> None:
    assert [OF_64.group_of_0(name) for name in ("tp", "cp", "pp")] == [[0, 1, 2, 3], [0, 4], [0, 32]]
    assert OF_64.group_of_0("fsdp") == [0, 4, 8, 12]  # FSDP shards over context-parallel ranks, too
    links = [OF_64.link(name, GPUS["h100"]) for name in ("tp", "cp", "fsdp", "pp")]
    assert links == ["NVLink", "NVLink", "network", "network"]
    assert OF_64.link("tp", GPUS["l40s"]) == "PCIe"
    straddling = Topology({"pp": 1, "dp_replicate": 1, "dp_shard": 3, "cp": 1, "tp": 4}, nodes_of=6)
    assert straddling.link("tp", GPUS["h100"]) == "network"  # ranks 4 to 7
    assert OF_64.varying([0, 4, 8]) == {"cp", "dp_shard"}


def test_seconds() -> None:
    """A ring inside a node takes as long as its bytes; over nodes, all adapters of a group share what crosses."""
    gpu = GPUS["h100"]
    inside = Topology({"pp": 1, "dp_replicate": 1, "dp_shard": 8, "cp": 1, "tp": 1}, nodes_of=8)
    across = Topology({"pp": 1, "dp_replicate": 1, "dp_shard": 64, "cp": 1, "tp": 1}, nodes_of=8)
    alone = Topology({"pp": 1, "dp_replicate": 1, "dp_shard": 8, "cp": 1, "tp": 8}, nodes_of=8)
    size = 8e9
    assert inside.seconds("fsdp", size * 7 / 8, 1, gpu) == pytest.approx(size * 7 / 8 / (0.8 * 450e9), rel=0.01)
    assert across.seconds("fsdp", size * 63 / 64, 1, gpu) == pytest.approx(size * 7 / 8 / 8 / (0.9 * 50e9), rel=0.01)
    assert alone.seconds("fsdp", size * 7 / 8, 1, gpu) == pytest.approx(size * 7 / 8 / (0.9 * 50e9), rel=0.01)
    assert inside.seconds("tp", size, 1, gpu) == 0.0


def test_gpus() -> None:
    assert find("H100") is GPUS["h100"]
    assert find("h100", memory=94 * 2**30).memory == 94 * 2**30
    with pytest.raises(ConfigError, match=r'--gpu "h10" must be one of a100, a100-40, h100, .*; did you mean "h100"'):
        find("h10")
    with pytest.raises(ConfigError, match="it has no bf16"):
        find("V100-SXM2-16GB")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("A100-40GB", "a100-40"), ("a100 80gb", "a100"), ("A100-SXM4-40GB", "a100-40"), ("a100-80", "a100"),
        ("H100 SXM", "h100"), ("h100_pcie", "h100-pcie"), ("NVIDIA H100 NVL", "h100-nvl"), ("H200-141GB", "h200"),
        ("NVIDIA GeForce RTX 4090", "rtx4090"), ("3090", "rtx3090"), ("rtx-5090", "rtx5090"), ("MI300X", "mi300x"),
    ],
)  # fmt: skip
def test_names_of_gpus(name: str, key: str) -> None:
    assert find(name) is GPUS[key]


def test_peaks_are_those_of_the_metrics() -> None:
    """A plan's MFU and a run's have the same peaks."""
    from codetitan.training.metrics import known_peak_flops

    names = {
        "a100": "NVIDIA A100-SXM4-80GB",
        "h100": "NVIDIA H100 80GB HBM3",
        "h200": "NVIDIA H200",
        "b200": "NVIDIA B200",
        "a100-40": "NVIDIA A100-SXM4-40GB",
        "h100-pcie": "NVIDIA H100 PCIe",
        "h100-nvl": "NVIDIA H100 NVL",
        "gb200": "NVIDIA GB200",
    }
    for short, name in names.items():
        assert GPUS[short].bf16_flops == known_peak_flops(name)
        assert (GPUS[short].fp8_flops or None) == known_peak_flops(name, "fp8")
