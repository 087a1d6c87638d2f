"""The cases of the parity tests, as data: a mesh, or another way to compute the same, beside one plain process."""

from dataclasses import dataclass, field
from typing import Any

Settings = dict[str, Any]

ROWS = 12  # training.global_batch_size of parity.toml


@dataclass(frozen=True)
class Case:
    """One run to compare with a single process.

    Attributes:
        name: unique.
        nproc: processes.
        plan: what this run sets and its reference does not: the mesh, the schedule, the compiler, …
        variant: what both runs set: the model, the precision, the sequence length.
        tolerance: largest relative difference of a step's loss; of the first gradient norm too in fp32, and ten times
            that in lower precision, where its rounding is not averaged over a batch.
        quick: whether plain `pytest` runs it.
    """

    name: str
    nproc: int
    plan: Settings
    variant: Settings = field(default_factory=dict)
    tolerance: float = 1e-5
    quick: bool = False

    @property
    def grad_tolerance(self) -> float:
        """Largest relative difference of the first gradient norm."""
        return self.tolerance if self.tolerance <= 1e-5 else 10 * self.tolerance

    @property
    def settings(self) -> Settings:
        """Everything that this run sets."""
        return self.variant | self.plan


def mesh(*, replicate: int = 1, fsdp: int = 1, tp: int = 1, cp: int = 1, pp: int = 1, **more: Any) -> Settings:
    """Returns the settings of a mesh; `more` are keys of [parallelism].

    One data-parallel rank accumulates three microbatches of four rows. Several share a microbatch, or accumulate three
    of two rows each where there are two of them.
    """
    dp = replicate * fsdp
    degrees = {
        "data_parallel_replicate_degree": replicate,
        "data_parallel_shard_degree": fsdp,
        "tensor_parallel_degree": tp,
        "context_parallel_degree": cp,
        "pipeline_parallel_degree": pp,
    }
    local = {1: 4, 2: 2}.get(dp, ROWS // dp)
    settings = {f"parallelism.{name}": degree for name, degree in degrees.items() if degree > 1}
    return (
        settings | {f"parallelism.{name}": value for name, value in more.items()} | {"training.local_batch_size": local}
    )


def pipeline(schedule: str, **degrees: int) -> Settings:
    """Returns the settings of a mesh with a pipeline schedule."""
    return mesh(**({"pp": 2} | degrees), pipeline_parallel_schedule=schedule)


COMPILE = {"compile.enable": True}
LAST = {"training.gradient_sync": "last-microbatch"}
FUSED_FFN = {"model.fused_ffn": True}
THREE_QKV = {"model.fused_qkv": False}
CHUNKED = {"loss.name": "chunked-cross-entropy"}
TIED = {"model.tie_embeddings": True}
ONE_KV_HEAD = {"model.n_kv_heads": 1}
# Six heads, and a sequence that three ranks can share.
BY_THREE = {"model.dim": 96, "model.n_heads": 6, "model.n_kv_heads": 3, "training.seq_len": 384}
YARN = {"model.rope.scaling": "yarn", "model.rope.factor": 4, "model.rope.original_seq_len": 64}
SDPA = {"model.attention": "sdpa"}

# Blocks of other architectures; those of debug are Llama's. With two K/V heads, and a window that two context-parallel
# ranks' documents are longer than.
ARCHITECTURES: dict[str, Settings] = {
    "Qwen2": {"model.qkv_bias": True} | TIED,
    "Qwen3": {"model.qk_norm": True, "model.head_dim": 32},
    "StarCoder2": TIED | {
        "model.norm": "layernorm", "model.mlp": "gelu", "model.qkv_bias": True, "model.out_bias": True,
        "model.mlp_bias": True, "model.sliding_window": 64,
    },
    "Mistral": {"model.sliding_window": 64},
    "Llama with biases": {"model.qkv_bias": True, "model.out_bias": True, "model.mlp_bias": True},
}  # fmt: skip

# Objectives; what they learn of is of tests/parity/conversations.py.
_CHAT = {"tokenizer.chat": "alpaca", "training.seq_len": 768, "validation.share": 0.1}
OBJECTIVES: dict[str, Settings] = {
    "SFT": _CHAT | {"objective.name": "sft", "dataloader.sources": "jsonl:{folder}/sft.jsonl"},
    "DPO": _CHAT | {"objective.name": "dpo", "dataloader.sources": "jsonl:{folder}/dpo.jsonl", "optimizer.lr": 5e-4},
}
BF16 = {"training.mixed_precision_param": "bfloat16"}


def fp8(recipe: str) -> Settings:
    """Returns the settings of emulated FP8.

    The learning rate is a usual one: at that of `debug` a difference of 1e-8 that moves one value to the next of FP8's
    grows to 2e-3 within the 8 steps, on one process with other microbatches too.
    """
    return {
        "float8.recipe": recipe,
        "float8.emulate": True,
        "float8.skip_small_layers": False,
        "optimizer.lr": 5e-4,
    }


def _ac(name: str) -> Settings:
    return {"activation_checkpoint.name": name} | (COMPILE if name == "memory-budget" else {})


PP2CP2TP2 = mesh(pp=2, cp=2, tp=2)
_INTERLEAVED, _ZERO_BUBBLE, _ZBV, _DUAL = "Interleaved1F1B", "InterleavedZeroBubble", "ZBVZeroBubble", "DualPipeV"

PLAN = CHUNKED | COMPILE | _ac("full")
PLAN_15B = pipeline(_INTERLEAVED, cp=2, tp=2) | PLAN
FSDP2_INTERLEAVED = pipeline(_INTERLEAVED, fsdp=2) | {"training.local_batch_size": 6}
HSDP = mesh(replicate=2, fsdp=2)

STARCODER2 = ARCHITECTURES["StarCoder2"]
_QUICK = (("StarCoder2", "TP4, 2 K/V heads"), ("Qwen3", "TP4, 2 K/V heads"))

CASES = [
    # The floor: what another order of the same additions changes.
    Case("one process, microbatches of 1", 1, {"training.local_batch_size": 1}),
    Case("one process, one microbatch of 12", 1, {"training.local_batch_size": 12}),
    # One dimension
    Case("FSDP2", 2, mesh(fsdp=2)),
    Case("FSDP3", 3, mesh(fsdp=3), quick=True),
    Case("replicate 2", 2, mesh(replicate=2)),
    Case("HSDP2×2", 4, mesh(replicate=2, fsdp=2)),
    Case("TP2", 2, mesh(tp=2)),
    Case("TP2 without sequence parallelism", 2, mesh(tp=2, enable_sequence_parallel=False)),
    Case("TP3", 3, mesh(tp=3), BY_THREE),
    Case("TP4, 2 K/V heads", 4, mesh(tp=4)),
    Case("TP4, 1 K/V head", 4, mesh(tp=4), ONE_KV_HEAD),
    Case("TP2, 1 K/V head", 2, mesh(tp=2), ONE_KV_HEAD),
    Case("PP2 1F1B", 2, pipeline("1F1B")),
    Case("PP2 GPipe", 2, pipeline("GPipe")),
    Case("PP3 1F1B", 3, pipeline("1F1B", pp=3)),
    Case("PP2 Interleaved1F1B", 2, pipeline(_INTERLEAVED)),
    Case("PP2 LoopedBFS", 2, pipeline("LoopedBFS")),
    Case("PP2 InterleavedZeroBubble", 2, pipeline(_ZERO_BUBBLE), quick=True),
    Case("PP2 ZBVZeroBubble", 2, pipeline(_ZBV)),
    Case("PP2 DualPipeV", 2, pipeline(_DUAL)),
    Case("CP2 headtail", 2, mesh(cp=2)),
    Case("CP2 ptrr", 2, mesh(cp=2, context_parallel_load_balancer="ptrr")),
    Case("CP2 unbalanced", 2, mesh(cp=2, context_parallel_load_balancer="none")),
    Case("CP3", 3, mesh(cp=3), {"training.seq_len": 384}),
    Case("CP2, 1 K/V head", 2, mesh(cp=2), ONE_KV_HEAD),
    # Several
    Case("FSDP2·TP2", 4, mesh(fsdp=2, tp=2)),
    Case("FSDP2·PP2", 4, pipeline("1F1B", fsdp=2)),
    Case("TP2·PP2", 4, pipeline("1F1B", tp=2)),
    Case("CP2·TP2", 4, mesh(cp=2, tp=2), quick=True),
    Case("FSDP2·TP2·PP2 ZBVZeroBubble", 8, pipeline(_ZBV, fsdp=2, tp=2) | {"training.local_batch_size": 6}),
    Case("CP2·PP2 InterleavedZeroBubble", 4, pipeline(_ZERO_BUBBLE, cp=2)),
    Case("CP2·PP2", 4, pipeline("1F1B", cp=2)),
    Case("replicate 2·TP2", 4, mesh(replicate=2, tp=2)),
    Case("HSDP2×2·TP2", 8, mesh(replicate=2, fsdp=2, tp=2)),
    Case("FSDP2·CP2·TP2", 8, mesh(fsdp=2, cp=2, tp=2)),
    Case("PP2·CP2·TP2", 8, PP2CP2TP2),
    # When gradients are reduced, and how many matmuls there are
    Case("gradients reduced in each microbatch, one process", 1, {"training.gradient_sync": "each-microbatch"}),
    Case("gradients reduced in the last, FSDP2, tied, chunks", 2, mesh(fsdp=2) | LAST | CHUNKED, TIED, quick=True),
    Case("gradients reduced in the last, FSDP2", 2, mesh(fsdp=2) | LAST),
    Case(
        "gradients reduced in the last, FSDP2, FP8 tensorwise",
        2, mesh(fsdp=2) | LAST, fp8("tensorwise"), tolerance=1e-3,
    ),
    Case("gradients reduced in the last, HSDP2×2", 4, mesh(replicate=2, fsdp=2) | LAST),
    Case("gradients reduced in the last, CP2·TP2", 4, mesh(cp=2, tp=2) | LAST),
    Case("w1 and w3 as one matmul, one process", 1, FUSED_FFN),
    Case("w1 and w3 as one matmul, FSDP2·TP2", 4, mesh(fsdp=2, tp=2) | FUSED_FFN),
    Case("w1 and w3 as one matmul, CP2·TP2", 4, mesh(cp=2, tp=2) | FUSED_FFN),
    Case("w1 and w3 as one matmul, TP2 compiled", 2, mesh(tp=2) | FUSED_FFN | COMPILE),
    Case("q, k and v as three matmuls, one process", 1, THREE_QKV),
    Case("q, k and v as three matmuls, TP4, 1 K/V head", 4, mesh(tp=4) | THREE_QKV, ONE_KV_HEAD),
    # Compiled, beside a process that is not
    Case("compiled, one process", 1, COMPILE),
    Case("compiled, FSDP2", 2, mesh(fsdp=2) | COMPILE),
    Case("compiled, TP2", 2, mesh(tp=2) | COMPILE),
    Case("compiled, PP2", 2, pipeline("1F1B") | COMPILE),
    Case("compiled, CP2", 2, mesh(cp=2) | COMPILE),
    Case("compiled, PP2·CP2·TP2", 8, PP2CP2TP2 | COMPILE),
    # Tied embeddings
    Case("tied, FSDP2", 2, mesh(fsdp=2), TIED),
    Case("tied, TP2", 2, mesh(tp=2), TIED),
    Case("tied, PP2", 2, pipeline("1F1B"), TIED),
    Case("tied, PP2 ZBVZeroBubble", 2, pipeline(_ZBV), TIED),
    Case("tied, PP2 DualPipeV", 2, pipeline(_DUAL), TIED),
    Case("tied, PP2 Interleaved1F1B", 2, pipeline(_INTERLEAVED), TIED),
    Case("tied, PP2·TP2", 4, pipeline("1F1B", tp=2), TIED),
    Case("tied, FSDP2·PP2", 4, pipeline("1F1B", fsdp=2), TIED),
    # Activation checkpointing, beside a process that keeps everything
    *(Case(f"{name} AC, one process", 1, _ac(name)) for name in ("selective", "full", "memory-budget")),
    *(
        Case(f"{name} AC, {where}", nproc, plan | _ac(name))
        for name in ("selective", "full", "memory-budget")
        for where, nproc, plan in (("FSDP2·TP2", 4, mesh(fsdp=2, tp=2)), ("PP2", 2, pipeline("1F1B")))
    ),
    Case("full AC, PP2 InterleavedZeroBubble", 2, pipeline(_ZERO_BUBBLE) | _ac("full")),
    # Lower precision, beside one process in the same
    Case("bf16, FSDP2·TP2", 4, mesh(fsdp=2, tp=2), BF16, tolerance=1e-2),
    *(
        Case(f"FP8 {recipe}, {where}", nproc, plan, fp8(recipe), tolerance=1e-3)
        for recipe in ("tensorwise", "rowwise")
        for where, nproc, plan in (
            ("one process, microbatches of 1", 1, {"training.local_batch_size": 1}), ("FSDP2", 2, mesh(fsdp=2)),
            ("TP2", 2, mesh(tp=2)), ("PP2", 2, pipeline("1F1B")), ("CP2", 2, mesh(cp=2)),
            ("FSDP2·TP2", 4, mesh(fsdp=2, tp=2)), ("PP2 ZBVZeroBubble", 2, pipeline(_ZBV)),
        )
    ),
    # Longer contexts
    Case("YaRN, TP2", 2, mesh(tp=2), YARN),
    Case("YaRN, CP2", 2, mesh(cp=2), YARN),
    Case("NTK, CP2", 2, mesh(cp=2), YARN | {"model.rope.scaling": "ntk"}),
    # Without document masks
    Case("sdpa, TP2", 2, mesh(tp=2), SDPA),
    Case("sdpa, FSDP2·PP2", 4, pipeline("1F1B", fsdp=2), SDPA),
    # The loss in chunks, beside the whole
    Case("chunked loss, one process", 1, CHUNKED),
    Case("chunked loss, TP2", 2, mesh(tp=2) | CHUNKED),
    Case("chunked loss, PP2", 2, pipeline("1F1B") | CHUNKED),
    Case("chunked loss, CP2", 2, mesh(cp=2) | CHUNKED),
    Case("chunked loss, FSDP2·PP2", 4, pipeline("1F1B", fsdp=2) | CHUNKED),
    Case("chunked loss, FSDP2·PP2 Interleaved1F1B", 4, FSDP2_INTERLEAVED | CHUNKED),
    Case("chunked loss, tied, FSDP2·PP2", 4, pipeline("1F1B", fsdp=2) | CHUNKED, TIED),
    # Other architectures
    *(
        Case(f"{name}, {where}", nproc, plan, blocks, quick=(name, where) in _QUICK)
        for name, blocks in ARCHITECTURES.items()
        for where, nproc, plan in (
            ("FSDP2", 2, mesh(fsdp=2)), ("TP2", 2, mesh(tp=2)), ("TP4, 2 K/V heads", 4, mesh(tp=4)),
            ("PP2", 2, pipeline("1F1B")), ("CP2", 2, mesh(cp=2)), ("PP2·CP2·TP2", 8, PP2CP2TP2),
            ("one process, compiled", 1, COMPILE), ("TP2, compiled", 2, mesh(tp=2) | COMPILE),
        )
    ),
    Case("StarCoder2, TP2 without sequence parallelism", 2, mesh(tp=2, enable_sequence_parallel=False), STARCODER2),
    Case("StarCoder2, TP4, three matmuls for q, k and v", 4, mesh(tp=4) | THREE_QKV, STARCODER2),
    Case("StarCoder2, TP2, chunked loss, full AC, compiled", 2, mesh(tp=2) | PLAN, STARCODER2),
    Case("StarCoder2, bf16, FSDP2·TP2", 4, mesh(fsdp=2, tp=2), STARCODER2 | BF16, tolerance=1e-2),
    *(
        Case(f"{name}, FP8 tensorwise, {where}", nproc, plan, blocks | fp8("tensorwise"), tolerance=1e-3)
        for name, blocks in ARCHITECTURES.items()
        for where, nproc, plan in (("FSDP2", 2, mesh(fsdp=2)), ("TP4, 2 K/V heads", 4, mesh(tp=4)))
    ),
    *(
        Case(f"{name}, {where}", nproc, plan, objective, quick=(name, where) == ("DPO", "CP2·TP2"))
        for name, objective in OBJECTIVES.items()
        for where, nproc, plan in (
            ("microbatches of 1", 1, {"training.local_batch_size": 1}), ("FSDP2", 2, mesh(fsdp=2)),
            ("TP2", 2, mesh(tp=2)), ("PP2", 2, pipeline("1F1B")), ("PP2 Interleaved1F1B", 2, pipeline(_INTERLEAVED)),
            ("CP2", 2, mesh(cp=2)), ("CP2·TP2", 4, mesh(cp=2, tp=2)), ("PP2·CP2·TP2", 8, PP2CP2TP2),
            ("chunked loss", 1, CHUNKED), ("TP2, chunked loss, full AC, compiled", 2, mesh(tp=2) | PLAN),
            ("FSDP3", 3, mesh(fsdp=3)),
        )
    ),
    *(
        Case(f"last blocks alone, {where}", nproc, plan, {"training.train_layers": "last:3"} | tied)
        for where, nproc, plan, tied in (
            ("FSDP2", 2, mesh(fsdp=2), {}), ("TP2", 2, mesh(tp=2), {}), ("PP2·TP2", 4, pipeline("1F1B", tp=2), {}),
            ("tied, PP2", 2, pipeline("1F1B"), TIED),
            ("CP2, full AC, chunked loss", 2, mesh(cp=2) | CHUNKED | _ac("full"), {}),
        )
    ),
    Case("first blocks alone, tied, FSDP2", 2, mesh(fsdp=2), {"training.train_layers": "first:2"} | TIED),
    Case("Qwen3, YaRN, CP2", 2, mesh(cp=2), ARCHITECTURES["Qwen3"] | YARN),
    # What the plans of train_configs/ are made of
    Case("TP4·FSDP2, 1 K/V head, chunked loss, full AC, compiled", 8, mesh(fsdp=2, tp=4) | PLAN, ONE_KV_HEAD),
    Case("PP2 Interleaved1F1B·CP2·TP2, 1 K/V head, chunked loss, full AC, compiled", 8, PLAN_15B, ONE_KV_HEAD),
    Case("HSDP2×2, tied, chunked loss, selective AC, compiled", 4, HSDP | COMPILE | CHUNKED | _ac("selective"), TIED),
    Case("HSDP2×2, 1 K/V head, TP2", 8, mesh(replicate=2, fsdp=2, tp=2), ONE_KV_HEAD),
]  # fmt: skip
