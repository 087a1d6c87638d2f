"""How long a kernel takes: the larger of its arithmetic and its memory traffic, at assumed shares of the GPU's peaks.

The shares are what large kernels reach on an H100 by publications, not measurements of ours; they are assumed of every
GPU here. `benchmarks/plan_against_published.py` compares what follows from them with published training runs.
"""

from dataclasses import dataclass

from codetitan.plan.gpus import GPU

# bf16 and FP8 matmuls: cuBLAS on an H100 SXM sustains 600 to 750 of 989 TFLOP/s in bf16, less of the peak in FP8.
MATMUL_SHARE, FP8_SHARE = 0.70, 0.60
# (forward, backward) of attention with heads of 128: FlashAttention-3, arXiv 2407.08608, figures 5 and 6 (FA2 about 350
# and 300 TFLOP/s, FA3 and cuDNN about 620 and 500, causal, long sequences); FlexAttention, arXiv 2412.05496: near FA2.
ATTENTION_SHARES = {
    "flex": (0.34, 0.28),
    "flex_flash": (0.50, 0.40),
    "varlen": (0.55, 0.45),
    "sdpa": (0.60, 0.48),
}
MEMORY_SHARE = 0.80
KERNEL_S = 4e-6  # a launch, and the tail of a kernel that fills the GPU only in part


@dataclass(frozen=True)
class Roofline:
    """Kernel times on a GPU for an attention kernel of ATTENTION_SHARES."""

    gpu: GPU
    attention: str

    def seconds(self, kind: str, flops: float, traffic: float) -> float:
        """Returns the seconds of one kernel of `flops` FLOPs that reads and writes `traffic` bytes."""
        forward, backward = ATTENTION_SHARES[self.attention]
        rate = {
            "fp32": MATMUL_SHARE * self.gpu.fp32_flops,  # torch leaves TF32 off
            "matmul": MATMUL_SHARE * self.gpu.bf16_flops,
            "fp8": FP8_SHARE * (self.gpu.fp8_flops or self.gpu.bf16_flops),
            "attention": forward * self.gpu.bf16_flops,
            "attention_backward": backward * self.gpu.bf16_flops,
            "memory": float("inf"),
        }[kind]
        return max(flops / rate, traffic / (MEMORY_SHARE * self.gpu.memory_bandwidth)) + KERNEL_S
