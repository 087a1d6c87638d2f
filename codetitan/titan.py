"""The seam to torchtitan 0.3.0: every torchtitan and private torch name that codetitan uses; mends are in patches.py.

Nothing else in the package imports torchtitan, so a new torchtitan is a change to this file (and to what
tests/test_titan.py then shows). Importing it takes about three seconds: import it late.
"""

# ruff: noqa: E402  (the device must be known to torchtitan before anything else of it is imported)
import logging
import time
from types import SimpleNamespace

from codetitan import starts

_collected = starts.pause()

from codetitan import device, patches

device.install()
with patches.without_datasets():
    import torchtitan.components.validate  # noqa: F401  (what imports datasets; torchtitan.trainer imports it)
# torchao 0.18 registers two enums in a way that torch 2.14 warns about on every start; no fault of the user's.
logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)

import spmd_types  # placements by axis: R replicated (its gradient is partial), S(dim) sharded
import torch
import torch.distributed.tensor.experimental._context_parallel._attention as context_parallel
import torchtitan.distributed.utils as dist_utils
import torchtitan.trainer as trainer_module
from spmd_types import assert_type_like  # gives a tensor the annotations of another; FSDP reads those of parameters
from torch._C._distributed_c10d import _resolve_process_group
from torch._dynamo.backends.common import aot_autograd
from torch._dynamo.utils import counters as dynamo_counters
from torch._functorch.compile_utils import get_aten_target
from torch._functorch.partitioners import (  # how inductor splits a graph: codetitan plan splits it alike
    get_default_op_list,
    min_cut_rematerialization_partition,
)
from torch._inductor import config as inductor_config
from torch._subclasses.fake_tensor import FakeTensorMode, is_fake  # a plan's tensors
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.pipelining.schedules import (
    PipelineScheduleSingle,
    ScheduleDualPipeV,
    ScheduleZBVZeroBubble,
    _Action,
    _ComputationType,
    get_schedule_class,
)
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.distributed.tensor.debug import _clear_sharding_prop_cache  # it knows the meshes of other process groups
from torch.nn.attention.flex_attention import BlockMask, and_masks, create_block_mask, create_mask

# Reverts a code generation of inductor that Triton miscompiles next to FP8 stores (NaN in gradients: triton issue
# 11111). torchao calls it where it converts modules; torchtitan converts configurations, and goes without.
from torchao.float8._inductor_patch import _patch_inductor_min_max_codegen
from torchao.float8.config import Float8LinearConfig
from torchao.float8.fsdp_utils import WeightWithDynamicFloat8CastTensor, precompute_float8_dynamic_scale_for_fsdp
from torchtitan.components.checkpoint import CheckpointManager
from torchtitan.components.checkpointer.dcp import AsyncMode
from torchtitan.components.checkpointer.utils import canonical_fqn  # a parameter's name without wrappers
from torchtitan.components.dataloader import BaseDataLoader
from torchtitan.components.loss import (
    IGNORE_INDEX,
    BaseLoss,
    ChunkedLossWrapper,
    CrossEntropyLoss,
    _LossParallelCrossEntropy,  # of logits that are sharded over tensor-parallel ranks
)
from torchtitan.components.metrics import (
    BaseLogger,
    MetricsProcessor,
    WandBLogger,
    _get_metrics_rank,  # the rank that knows the loss
)
from torchtitan.components.optimizer import LRSchedulersContainer, OptimizersContainer, ParamGroupConfig
from torchtitan.components.optimizer.utils import init_optim_state
from torchtitan.components.quantization import Float8Linear as TitanFloat8Linear
from torchtitan.components.quantization import MXFP8Linear
from torchtitan.components.tokenizer import BaseTokenizer
from torchtitan.config import (
    CommConfig,
    DebugConfig,
    ParallelismConfig,
    TrainingConfig,
)
from torchtitan.distributed.activation_checkpoint import FullAC, MemoryBudgetAC, SelectiveAC
from torchtitan.distributed.pipeline_parallel import pipeline_llm  # splits any Decoder into stages
from torchtitan.models.common import CosSinRoPE, Embedding, LayerNorm, Linear, RMSNorm
from torchtitan.models.common.attention import (
    FlexAttention,
    GQAttention,
    QKVLinear,
    ScaledDotProductAttention,
    VarlenAttention,
    get_sliding_window_mask_mod,
)
from torchtitan.models.common.decoder import Decoder
from torchtitan.models.common.decoder_sharding import (
    dense_activation_placement,
    dense_param_placement,
    dense_sequence_parallel_placement,
    set_decoder_sharding_config,
    set_gqa_attention_sharding,
    set_gqa_inner_attention_local_map,
)
from torchtitan.models.common.feed_forward import FeedForward
from torchtitan.models.common.param_init import skip_param_init
from torchtitan.models.llama3.model import Llama3TransformerBlock  # the block that we build on
from torchtitan.models.llama3.parallelize import parallelize_llama
from torchtitan.models.utils import get_dense_model_nparams_and_flops
from torchtitan.observability import structured_logger
from torchtitan.protocols.model_spec import ModelSpec
from torchtitan.protocols.module import Module
from torchtitan.protocols.sharding import ShardingConfig
from torchtitan.tools import filesystem
from torchtitan.tools.utils import get_peak_flops
from torchtitan.trainer import Trainer

# torchtitan's rank 0 sleeps two seconds at the end, for the others to finish; ours wait for each other (run.py).
trainer_module.time = SimpleNamespace(perf_counter=time.perf_counter, sleep=lambda _: None)

patches.flex_without_autotuning(FlexAttention)
patches.keep_attention_outputs()

if device.device_type() == "cpu":
    dist_utils.set_pg_timeouts = device.set_pg_timeouts
    torch.nn.utils.get_total_norm = device.get_total_norm  # where torchtitan's clip_grad_norm_ looks it up
    # torch compiles it when it splits a mask over context-parallel ranks: 15 s a process, and no gain on a CPU.
    context_parallel._compiled_create_block_mask = create_block_mask  # type: ignore[assignment]

starts.go_on(_collected)
logger = logging.getLogger("codetitan")

__all__ = [
    "IGNORE_INDEX",
    "AsyncMode",
    "BaseDataLoader",
    "BaseLogger",
    "BaseLoss",
    "BaseTokenizer",
    "BlockMask",
    "CheckpointManager",
    "ChunkedLossWrapper",
    "CommConfig",
    "CosSinRoPE",
    "CrossEntropyLoss",
    "DTensor",
    "DebugConfig",
    "Decoder",
    "DeviceMesh",
    "Embedding",
    "FSDPModule",
    "FakeTensorMode",
    "FeedForward",
    "FlexAttention",
    "Float8LinearConfig",
    "FullAC",
    "GQAttention",
    "LRSchedulersContainer",
    "LayerNorm",
    "Linear",
    "Llama3TransformerBlock",
    "MXFP8Linear",
    "MemoryBudgetAC",
    "MetricsProcessor",
    "ModelSpec",
    "Module",
    "OptimizersContainer",
    "ParallelismConfig",
    "ParamGroupConfig",
    "PipelineScheduleSingle",
    "QKVLinear",
    "RMSNorm",
    "Replicate",
    "ScaledDotProductAttention",
    "ScheduleDualPipeV",
    "ScheduleZBVZeroBubble",
    "SelectiveAC",
    "Shard",
    "ShardingConfig",
    "TitanFloat8Linear",
    "Trainer",
    "TrainingConfig",
    "VarlenAttention",
    "WandBLogger",
    "WeightWithDynamicFloat8CastTensor",
    "_Action",
    "_ComputationType",
    "_LossParallelCrossEntropy",
    "_clear_sharding_prop_cache",
    "_get_metrics_rank",
    "_patch_inductor_min_max_codegen",
    "_resolve_process_group",
    "and_masks",
    "aot_autograd",
    "assert_type_like",
    "canonical_fqn",
    "create_block_mask",
    "create_mask",
    "dense_activation_placement",
    "dense_param_placement",
    "dense_sequence_parallel_placement",
    "dist_utils",
    "dynamo_counters",
    "filesystem",
    "get_aten_target",
    "get_default_op_list",
    "get_dense_model_nparams_and_flops",
    "get_peak_flops",
    "get_schedule_class",
    "get_sliding_window_mask_mod",
    "inductor_config",
    "init_optim_state",
    "is_fake",
    "logger",
    "min_cut_rematerialization_partition",
    "parallelize_llama",
    "pipeline_llm",
    "precompute_float8_dynamic_scale_for_fsdp",
    "set_decoder_sharding_config",
    "set_gqa_attention_sharding",
    "set_gqa_inner_attention_local_map",
    "skip_param_init",
    "spmd_types",
    "structured_logger",
]
