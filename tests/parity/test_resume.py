"""A run goes on on another mesh: losses and data are those of a single process that was never interrupted."""

import pytest

from tests.parity.compare import Bench, worst
from tests.parity.meshes import (
    ARCHITECTURES,
    BY_THREE,
    CHUNKED,
    COMPILE,
    OBJECTIVES,
    ONE_KV_HEAD,
    TIED,
    Settings,
    mesh,
    pipeline,
)

Where = tuple[int, Settings]
ONE: Where = (1, {})
FSDP2, FSDP3, TP2, CP2 = (2, mesh(fsdp=2)), (3, mesh(fsdp=3)), (2, mesh(tp=2)), (2, mesh(cp=2))
TP4, PP2 = (4, mesh(tp=4)), (2, pipeline("1F1B"))

# name → (saved on, goes on on, what both set)
PAIRS: dict[str, tuple[Where, Where, Settings]] = {
    "one process → FSDP2": (ONE, FSDP2, {}),
    "FSDP2 → one process": (FSDP2, ONE, {}),
    "TP2 → FSDP3": (TP2, FSDP3, {}),
    "FSDP3 → TP3": (FSDP3, (3, mesh(tp=3)), BY_THREE),
    "PP2 → TP2": (PP2, TP2, {}),
    "CP2 → PP2": (CP2, PP2, {}),
    "FSDP2·TP2 → CP2·PP2": ((4, mesh(fsdp=2, tp=2)), (4, pipeline("1F1B", cp=2)), {}),
    "HSDP2×2 → TP2·PP2": ((4, mesh(replicate=2, fsdp=2)), (4, pipeline("1F1B", tp=2)), {}),
    "PP2 Interleaved1F1B → one process": ((2, pipeline("Interleaved1F1B")), ONE, {}),
    "PP2 ZBVZeroBubble → PP2 1F1B": ((2, pipeline("ZBVZeroBubble")), PP2, {}),
    "PP3 → FSDP2": ((3, pipeline("1F1B", pp=3)), FSDP2, {}),
    "TP4 → one process, 1 K/V head": (TP4, ONE, ONE_KV_HEAD),
    "FSDP2 → TP4, 1 K/V head": (FSDP2, TP4, ONE_KV_HEAD),
    "tied, one process → PP2": (ONE, PP2, TIED),
    "tied, PP2 → TP2": (PP2, TP2, TIED),
    "tied, FSDP2 → one process": (FSDP2, ONE, TIED),
    "one process → compiled FSDP2 with full AC": (
        ONE,
        (2, mesh(fsdp=2) | COMPILE | {"activation_checkpoint.name": "full"}),
        {},
    ),
    "StarCoder2, tied, TP4 → PP2": (TP4, PP2, ARCHITECTURES["StarCoder2"]),
    "Qwen3, PP2 → TP4": (PP2, TP4, ARCHITECTURES["Qwen3"]),
    "Qwen2, tied, FSDP2 → TP4": (FSDP2, TP4, ARCHITECTURES["Qwen2"]),
    "FSDP2 → TP2 with chunked loss": (FSDP2, (2, mesh(tp=2) | CHUNKED), {}),
    "SFT, FSDP3 → PP2": (FSDP3, PP2, OBJECTIVES["SFT"]),
    "DPO, one process → FSDP2": (ONE, FSDP2, OBJECTIVES["DPO"]),
    "DPO, PP2 → CP2": (PP2, CP2, OBJECTIVES["DPO"]),
}
QUICK = ("TP2 → FSDP3", "FSDP2 → one process", "DPO, one process → FSDP2")
SAVED_AT = 4
CHECKPOINTS = {"checkpoint.enable": True, "checkpoint.interval": SAVED_AT}


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.parity) for name in PAIRS]
)
def test_resume(bench: Bench, name: str) -> None:
    (nproc, plan), (nproc_after, plan_after), variant = PAIRS[name]
    expected, folder = bench.reference(variant), bench.new_folder()
    steps = len(expected.losses)
    until = {"training.steps": SAVED_AT, "lr_scheduler.total_steps": steps}  # the schedule is that of the whole run
    first = bench.train(nproc, variant | plan | CHECKPOINTS | until, folder)
    assert len(first.losses) == SAVED_AT
    curve = bench.train(nproc_after, variant | plan_after | CHECKPOINTS, folder)
    # Without the checkpoint the second run would begin at step 1 and give the same curve.
    assert f"goes on from step {SAVED_AT} of" in (folder / "logs" / "rank-0.log").read_text()
    assert worst(curve.losses, expected.losses) <= 1e-5, f"{curve.losses}\n{expected.losses}"
    # Later norms part faster than losses do: one process with other microbatches differs from itself by 1e-4.
    assert worst(curve.grad_norms, expected.grad_norms) <= 1e-3, f"{curve.grad_norms}\n{expected.grad_norms}"
    assert curve.served == expected.served
