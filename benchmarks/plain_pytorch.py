"""A Llama in plain PyTorch, as one would write it for one GPU without any framework: the second baseline.

Weights in fp32, bf16 autocast with a residual stream in bf16 too, causal SDPA, fused AdamW and, where the configuration
compiles, one `torch.compile` over model and loss. It reads random tokens: no document masks, no data loader.

Shapes: `B` batch, `L` sequence, `D` model, `N` query heads, `K` key/value heads, `H` head, `V` vocabulary.
"""

import time

import torch
import torch.nn.functional as F
from torch import nn

from codetitan.models.code.shape import Flavor
from codetitan.training.trainer import CodeTrainer


def rotate(x_BLNH: torch.Tensor, cos_LH: torch.Tensor, sin_LH: torch.Tensor) -> torch.Tensor:
    """Applies rotary positions to queries or keys."""
    first, second = x_BLNH.chunk(2, dim=-1)
    rotated = x_BLNH * cos_LH[:, None] + torch.cat((-second, first), dim=-1) * sin_LH[:, None]
    return rotated.type_as(x_BLNH)


class RMSNorm(nn.RMSNorm):
    """With its weight in the type of what it norms: torch's own is fused only then, and returns fp32 otherwise."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight.type_as(x), self.eps)


class Block(nn.Module):
    """Attention and SwiGLU, each behind an RMSNorm."""

    def __init__(self, shape: Flavor) -> None:
        super().__init__()
        self.head_dim = shape.head_width
        kv_dim = shape.n_kv_heads * shape.head_width
        self.attention_norm = RMSNorm(shape.dim, eps=1e-5)
        self.wq = nn.Linear(shape.dim, shape.dim, bias=False)
        self.wk = nn.Linear(shape.dim, kv_dim, bias=False)
        self.wv = nn.Linear(shape.dim, kv_dim, bias=False)
        self.wo = nn.Linear(shape.dim, shape.dim, bias=False)
        self.ffn_norm = RMSNorm(shape.dim, eps=1e-5)
        self.w1 = nn.Linear(shape.dim, shape.ffn_dim, bias=False)
        self.w2 = nn.Linear(shape.ffn_dim, shape.dim, bias=False)
        self.w3 = nn.Linear(shape.dim, shape.ffn_dim, bias=False)

    def forward(self, x_BLD: torch.Tensor, cos_LH: torch.Tensor, sin_LH: torch.Tensor) -> torch.Tensor:
        h_BLD = self.attention_norm(x_BLD)
        q_BLNH, k_BLKH, v_BLKH = (w(h_BLD).unflatten(-1, (-1, self.head_dim)) for w in (self.wq, self.wk, self.wv))
        q_BLNH, k_BLKH = rotate(q_BLNH, cos_LH, sin_LH), rotate(k_BLKH, cos_LH, sin_LH)
        attended_BNLH = F.scaled_dot_product_attention(
            q_BLNH.transpose(1, 2), k_BLKH.transpose(1, 2), v_BLKH.transpose(1, 2),
            is_causal=True, enable_gqa=q_BLNH.shape[2] != k_BLKH.shape[2],
        )  # fmt: skip
        x_BLD = x_BLD + self.wo(attended_BNLH.transpose(1, 2).flatten(2))
        h_BLD = self.ffn_norm(x_BLD)
        return x_BLD + self.w2(F.silu(self.w1(h_BLD)) * self.w3(h_BLD))


class Llama(nn.Module):
    """Maps tokens int64 (B, L + 1) to the mean cross-entropy of each token after the first."""

    def __init__(self, shape: Flavor, seq_len: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(shape.vocab_size, shape.dim)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.n_layers))
        self.norm = RMSNorm(shape.dim, eps=1e-5)
        self.head = nn.Linear(shape.dim, shape.vocab_size, bias=False)
        for weight in self.parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02)
        if shape.tie_embeddings:
            self.head.weight = self.embedding.weight
        inverse = shape.rope_theta ** -(torch.arange(0, shape.head_width, 2) / shape.head_width)
        angles_LH = torch.outer(torch.arange(seq_len), inverse).repeat(1, 2)
        self.register_buffer("cos_LH", angles_LH.cos())
        self.register_buffer("sin_LH", angles_LH.sin())

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x_BLD = self.embedding(tokens[:, :-1])
        if torch.is_autocast_enabled(x_BLD.device.type):
            # Autocast leaves an embedding in fp32, and what is added to that is fp32: twice the bytes of codetitan's.
            x_BLD = x_BLD.to(torch.get_autocast_dtype(x_BLD.device.type))
        for block in self.blocks:
            x_BLD = block(x_BLD, self.cos_LH, self.sin_LH)
        logits_BLV = self.head(self.norm(x_BLD))
        return F.cross_entropy(logits_BLV.flatten(0, 1).float(), tokens[:, 1:].flatten())


class PlainTrainer:
    """Trains a Llama of a configuration's shape, batch and learning rate on one device."""

    def __init__(self, config: CodeTrainer.Config) -> None:
        training = config.training
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = Llama(config.model.shape(), training.seq_len).to(self.device)
        self.loss = torch.compile(self.model) if config.compile.enable else self.model
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.optimizer.lr, betas=tuple(config.optimizer.betas),
            weight_decay=config.optimizer.weight_decay, fused=True,
        )  # fmt: skip
        self.autocast = torch.autocast(
            self.device, torch.bfloat16, enabled=training.mixed_precision_param == "bfloat16"
        )
        self.accumulation_steps = training.global_batch_size // training.local_batch_size
        self.batch = (training.local_batch_size, training.seq_len + 1)
        self.vocab_size = config.model.shape().vocab_size
        self.max_norm = training.max_norm

    def steps(self, n: int) -> float:
        """Runs n steps; returns seconds a step."""
        start = time.perf_counter()
        for _ in range(n):
            for _ in range(self.accumulation_steps):
                tokens = torch.randint(self.vocab_size, self.batch, device=self.device)
                with self.autocast:
                    loss = self.loss(tokens) / self.accumulation_steps
                loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.max_norm)
            self.optimizer.step()
            self.optimizer.zero_grad()
            loss.item()  # waits for the GPU, as a logged step does
        return (time.perf_counter() - start) / n
