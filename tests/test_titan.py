"""The seam: every name that codetitan uses of torchtitan, with what we rely on. A new torchtitan shows here first."""

import dataclasses
import inspect
import re
from importlib.metadata import version

import pytest

from codetitan import titan
from tests.conftest import REPOSITORY

PARAMETERS: dict[str, set[str]] = {
    "make_gqa_config": {"dim", "n_heads", "n_kv_heads", "wqkv_param_init", "wo_param_init", "inner_attention",
                        "fuse_qkv", "rope"},
    "make_ffn_config": {"dim", "hidden_dim", "w1_param_init", "w2w3_param_init"},
    "get_attention_config": {"backend"},
    "get_peak_flops": {"device_name"},
    "_get_metrics_rank": {"parallel_dims", "pp_schedule"},
    "parallelize_llama": {"model", "parallel_dims", "training", "parallelism", "compile_config", "ac_config"},
    "pipeline_llm": {"model", "parallel_dims", "parallelize_fn", "loss_fn"},
    "canonical_fqn": {"name"},
    "create_mask": {"mod_fn", "B", "H", "Q_LEN", "KV_LEN", "device"},
    "create_block_mask": {"mask_mod", "B", "H", "Q_LEN", "KV_LEN", "device"},
    "get_schedule_class": {"schedule_name"},
    "skip_param_init": {"param"},
}  # fmt: skip

CONFIG_FIELDS: dict[str, set[str]] = {
    "Trainer": {"model_spec", "hf_assets_path", "dump_folder", "metrics", "tokenizer", "dataloader", "optimizer",
                "lr_scheduler", "training", "parallelism", "checkpoint", "activation_checkpoint", "compile", "comm",
                "validator", "debug", "override", "loss", "profiler"},
    "CheckpointManager": {"enable", "folder", "interval", "keep_latest_k", "last_save_model_only", "load_step",
                          "exclude_from_loading", "async_mode"},
    "MetricsProcessor": {"log_freq", "enable_tensorboard", "save_tb_folder"},
    "OptimizersContainer": {"param_groups", "implementation"},
    "LRSchedulersContainer": {"warmup_steps", "total_steps", "decay_ratio", "decay_type", "min_lr_factor"},
    "BaseDataLoader": {"dataset", "dataset_path"},
    "ChunkedLossWrapper": {"num_chunks", "loss_fn"},
    "CrossEntropyLoss": {"global_vocab_size"},
    "CosSinRoPE": {"dim", "max_seq_len", "theta"},
    "Llama3Model": {"dim", "vocab_size", "lm_head", "tok_embeddings", "norm", "layers", "enable_weight_tying"},
    "Llama3TransformerBlock": {"attention", "feed_forward", "attention_norm", "ffn_norm"},
    "Embedding": {"num_embeddings", "embedding_dim"},
    "Linear": {"in_features", "out_features"},
    "RMSNorm": {"normalized_shape", "eps"},
    "FlexAttention": {"block_size"},
    "SelectiveAC": set(), "FullAC": set(), "MemoryBudgetAC": {"memory_budget"}, "BaseLoss": set(),
    "BaseTokenizer": set(),
}  # fmt: skip

ATTRIBUTES: dict[str, set[str]] = {
    "Trainer": {"batch_generator", "should_continue_training", "train", "close", "init_distributed"},
    "CheckpointManager": {"dcp_save", "dcp_load"},
    "MetricsProcessor": {"_build_metric_logger", "should_log", "log", "close"},
    "OptimizersContainer": {"_build_param_groups"},
    "Llama3Model": {"init_states", "_create_flex_attention_mask"},
    "FSDPModule": {"set_force_sum_reduction_for_comms"},
    "filesystem": {"is_remote", "rmtree"},
    "structured_logger": {"init_structured_logger"},
    "dist_utils": {"set_pg_timeouts"},
    "AsyncMode": {"DISABLED"},
    "DTensor": {"from_local", "to_local"},
}

DATACLASS_FIELDS: dict[str, set[str]] = {
    "ParamGroupConfig": {"pattern", "optimizer_name", "optimizer_kwargs"},
    "ModelSpec": {"name", "flavor", "model", "parallelize_fn", "pipelining_fn", "post_optimizer_build_fn",
                  "state_dict_adapter"},
    "TrainingConfig": {"local_batch_size", "global_batch_size", "seq_len", "max_norm", "steps", "disable_cuda_graphs",
                       "mixed_precision_param"},
    "DebugConfig": {"seed", "enable_structured_logging"},
}  # fmt: skip

USED_AS_THEY_ARE = {
    "IGNORE_INDEX", "BlockMask", "DeviceMesh", "PipelineScheduleSingle", "Replicate", "ScheduleDualPipeV",
    "ScheduleZBVZeroBubble", "Shard", "and_masks", "logger",
}  # fmt: skip


def test_version() -> None:
    assert version("torchtitan") == "0.3.0"


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_parameters(name: str) -> None:
    assert PARAMETERS[name] <= set(inspect.signature(getattr(titan, name)).parameters)


@pytest.mark.parametrize("name", sorted(CONFIG_FIELDS))
def test_config_fields(name: str) -> None:
    assert CONFIG_FIELDS[name] <= {field.name for field in dataclasses.fields(getattr(titan, name).Config)}


@pytest.mark.parametrize("name", sorted(DATACLASS_FIELDS))
def test_dataclass_fields(name: str) -> None:
    assert DATACLASS_FIELDS[name] <= {field.name for field in dataclasses.fields(getattr(titan, name))}


@pytest.mark.parametrize("name", sorted(ATTRIBUTES))
def test_attributes(name: str) -> None:
    assert all(hasattr(getattr(titan, name), attribute) for attribute in ATTRIBUTES[name])


def test_every_name_has_a_contract() -> None:
    tested = {*PARAMETERS, *CONFIG_FIELDS, *DATACLASS_FIELDS, *ATTRIBUTES} - {"dist_utils"}
    assert set(titan.__all__) == tested | USED_AS_THEY_ARE


def test_nothing_else_imports_torchtitan() -> None:
    for path in (REPOSITORY / "codetitan").rglob("*.py"):
        if path.name not in ("titan.py", "device.py"):
            assert not re.search(r"^\s*(from|import) torchtitan", path.read_text(), re.MULTILINE), path


def test_import_codetitan_is_cheap() -> None:
    import subprocess
    import sys

    code = "import sys, codetitan; print(*({'torch', 'torchtitan', 'numpy'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "\n"), result.stderr


def test_no_peak_is_invented() -> None:
    from codetitan.metrics import known_peak_flops

    assert known_peak_flops("NVIDIA H100 80GB HBM3") == 989e12
    assert known_peak_flops("NVIDIA A100-SXM4-80GB") == 312e12
    assert known_peak_flops("Intel(R) Xeon(R) Processor") is None
    assert known_peak_flops("NVIDIA GeForce RTX 4090") is None
