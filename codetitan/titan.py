"""The seam to torchtitan 0.3.0: every torchtitan and private torch name that codetitan uses, and why.

Nothing else in the package imports torchtitan, so a new torchtitan is a change to this file (and to what
tests/test_titan.py then shows). Importing it takes about five seconds: import it late.
"""

# ruff: noqa: E402  (the device must be known to torchtitan before anything else of it is imported)
import logging

from codetitan import device

device.install()
# torchao 0.18 registers two enums in a way that torch 2.14 warns about on every start; no fault of the user's.
logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)

import torch
import torchtitan.distributed.utils as dist_utils
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.pipelining.schedules import (
    PipelineScheduleSingle,
    ScheduleDualPipeV,
    ScheduleZBVZeroBubble,
    get_schedule_class,
)
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.nn.attention.flex_attention import BlockMask, and_masks, create_block_mask, create_mask
from torchtitan.components.checkpoint import CheckpointManager
from torchtitan.components.checkpointer.dcp import AsyncMode
from torchtitan.components.checkpointer.utils import canonical_fqn  # a parameter's name without wrappers
from torchtitan.components.dataloader import BaseDataLoader
from torchtitan.components.loss import IGNORE_INDEX, BaseLoss, ChunkedLossWrapper, CrossEntropyLoss
from torchtitan.components.metrics import MetricsProcessor, _get_metrics_rank  # the rank that knows the loss
from torchtitan.components.optimizer import LRSchedulersContainer, OptimizersContainer, ParamGroupConfig
from torchtitan.components.tokenizer import BaseTokenizer
from torchtitan.config import (
    DebugConfig,
    TrainingConfig,
)
from torchtitan.distributed.activation_checkpoint import FullAC, MemoryBudgetAC, SelectiveAC
from torchtitan.distributed.pipeline_parallel import pipeline_llm  # splits any Decoder into stages
from torchtitan.models.common import CosSinRoPE, Embedding, Linear, RMSNorm
from torchtitan.models.common.attention import FlexAttention
from torchtitan.models.common.config_utils import get_attention_config, make_ffn_config, make_gqa_config
from torchtitan.models.common.param_init import skip_param_init
from torchtitan.models.llama3.model import Llama3Model, Llama3TransformerBlock  # the block that we build on
from torchtitan.models.llama3.parallelize import parallelize_llama
from torchtitan.observability import structured_logger
from torchtitan.protocols.model_spec import ModelSpec
from torchtitan.tools import filesystem
from torchtitan.tools.utils import get_peak_flops
from torchtitan.trainer import Trainer

if device.device_type() == "cpu":
    dist_utils.set_pg_timeouts = device.set_pg_timeouts
    torch.nn.utils.get_total_norm = device.get_total_norm  # where torchtitan's clip_grad_norm_ looks it up

logger = logging.getLogger("codetitan")

__all__ = [
    "IGNORE_INDEX",
    "AsyncMode",
    "BaseDataLoader",
    "BaseLoss",
    "BaseTokenizer",
    "BlockMask",
    "CheckpointManager",
    "ChunkedLossWrapper",
    "CosSinRoPE",
    "CrossEntropyLoss",
    "DTensor",
    "DebugConfig",
    "DeviceMesh",
    "Embedding",
    "FSDPModule",
    "FlexAttention",
    "FullAC",
    "LRSchedulersContainer",
    "Linear",
    "Llama3Model",
    "Llama3TransformerBlock",
    "MemoryBudgetAC",
    "MetricsProcessor",
    "ModelSpec",
    "OptimizersContainer",
    "ParamGroupConfig",
    "PipelineScheduleSingle",
    "RMSNorm",
    "Replicate",
    "ScheduleDualPipeV",
    "ScheduleZBVZeroBubble",
    "SelectiveAC",
    "Shard",
    "Trainer",
    "TrainingConfig",
    "_get_metrics_rank",
    "and_masks",
    "canonical_fqn",
    "create_block_mask",
    "create_mask",
    "filesystem",
    "get_attention_config",
    "get_peak_flops",
    "get_schedule_class",
    "logger",
    "make_ffn_config",
    "make_gqa_config",
    "parallelize_llama",
    "pipeline_llm",
    "skip_param_init",
    "structured_logger",
]
