"""The seam: every name that codetitan uses of torchtitan, with what we rely on. A new torchtitan shows here first."""

import dataclasses
import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest

from codetitan import titan
from codetitan.data.rows import packing

PARAMETERS: dict[str, set[str]] = {
    "dense_activation_placement": {"tp"},
    "dense_param_placement": {"tp"},
    "dense_sequence_parallel_placement": set(),
    "get_dense_model_nparams_and_flops": {"model", "n_layers", "n_heads", "head_dims", "seq_len",
                                          "enable_weight_tying"},
    "get_sliding_window_mask_mod": {"window_size"},
    "set_decoder_sharding_config": {"config", "enable_sp"},
    "set_gqa_attention_sharding": {"attention_cfg", "enable_sp"},
    "set_gqa_inner_attention_local_map": {"inner_attention_cfg"},
    "get_peak_flops": {"device_name"},
    "_get_metrics_rank": {"parallel_dims", "pp_schedule"},
    "parallelize_llama": {"model", "parallel_dims", "training", "parallelism", "compile_config", "ac_config"},
    "pipeline_llm": {"model", "parallel_dims", "parallelize_fn", "loss_fn"},
    "canonical_fqn": {"name"},
    "create_mask": {"mod_fn", "B", "H", "Q_LEN", "KV_LEN", "device"},
    "create_block_mask": {"mask_mod", "B", "H", "Q_LEN", "KV_LEN", "device"},
    "get_schedule_class": {"schedule_name"},
    "skip_param_init": {"param"},
    "WeightWithDynamicFloat8CastTensor": {"tensor", "linear_mm_config", "dtype"},
    "assert_type_like": {"tensor", "source"},
    "precompute_float8_dynamic_scale_for_fsdp": {"module"},
    "_patch_inductor_min_max_codegen": set(),
    "_Action": {"stage_index", "computation_type", "microbatch_index", "sub_actions"},
    "_clear_sharding_prop_cache": set(),
    "aot_autograd": {"kwargs"},
    "get_aten_target": {"node"},
    "get_default_op_list": set(),
    "is_fake": {"x"},
    "init_optim_state": {"optim"},
    "min_cut_rematerialization_partition": {"joint_module", "compiler"},
    "WandBLogger": {"log_dir", "config_dict", "tag"},
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
    "CosSinRoPE": {"dim", "max_seq_len", "theta", "scaling", "rope_factor", "original_seq_len", "beta_fast",
                   "beta_slow"},
    "GQAttention": {"n_heads", "n_kv_heads", "dim", "head_dim", "qk_norm", "qkv_linear", "wo", "inner_attention",
                    "rope"},
    "QKVLinear": {"head_dim", "wq", "wkv"},
    "ScaledDotProductAttention": set(), "VarlenAttention": {"window_size"},
    "Decoder": {"dim", "vocab_size", "lm_head", "tok_embeddings", "norm", "layers", "enable_weight_tying"},
    "Llama3TransformerBlock": {"attention", "feed_forward", "attention_norm", "ffn_norm"},
    "Embedding": {"num_embeddings", "embedding_dim"},
    "Linear": {"in_features", "out_features", "param_init", "sharding_config"},
    "TitanFloat8Linear": {"in_features", "out_features", "_torchao_config"},
    "MXFP8Linear": {"in_features", "out_features"},
    "RMSNorm": {"normalized_shape", "eps"}, "LayerNorm": {"normalized_shape", "eps"},
    "FlexAttention": {"block_size", "kernel_options"}, "FeedForward": {"w1", "w2", "w3"},
    "SelectiveAC": set(), "FullAC": set(), "MemoryBudgetAC": {"memory_budget"}, "BaseLoss": set(),
    "BaseTokenizer": set(),
}  # fmt: skip

ATTRIBUTES: dict[str, set[str]] = {
    "Trainer": {"batch_generator", "should_continue_training", "train", "close", "init_distributed",
                "train_step", "post_dataloading_process", "pp_forward_backward_step"},
    "BaseLogger": {"log", "close"},
    "_LossParallelCrossEntropy": {"apply"},
    "CheckpointManager": {"dcp_save", "dcp_load", "_save", "_load", "_find_load_step", "_flattened_model_states_sd",
                          "_purge_stale_checkpoints", "_should_purge", "_create_checkpoint_id"},
    "MetricsProcessor": {"_build_metric_logger", "should_log", "log", "close"},
    "OptimizersContainer": {"_build_param_groups", "_validate_params", "register_step_post_hook", "step",
                            "load_state_dict"},
    "Decoder": {"init_states", "_create_flex_attention_mask"},
    "FSDPModule": {"set_force_sum_reduction_for_comms", "set_is_last_backward", "set_requires_gradient_sync",
                   "set_reshard_after_backward", "_get_fsdp_state"},
    "FakeTensorMode": {"__enter__"},
    "Module": {"parallelize"},
    "_ComputationType": {"FORWARD", "FULL_BACKWARD", "BACKWARD_INPUT", "BACKWARD_WEIGHT"},
    "filesystem": {"is_remote", "rmtree"},
    "structured_logger": {"init_structured_logger"},
    "dist_utils": {"set_pg_timeouts", "clip_grad_norm_"},
    "AsyncMode": {"DISABLED"},
    "DTensor": {"from_local", "to_local"},
    "spmd_types": {"R", "S", "local_map"},
    "inductor_config": {"emulate_precision_casts"},
    "TitanFloat8Linear": {"parallelize", "_save_to_state_dict"},
}  # fmt: skip

DATACLASS_FIELDS: dict[str, set[str]] = {
    "ParamGroupConfig": {"pattern", "optimizer_name", "optimizer_kwargs"},
    "ModelSpec": {"name", "flavor", "model", "parallelize_fn", "pipelining_fn", "post_optimizer_build_fn",
                  "state_dict_adapter"},
    "TrainingConfig": {"local_batch_size", "global_batch_size", "seq_len", "max_norm", "steps", "disable_cuda_graphs",
                       "mixed_precision_param"},
    "DebugConfig": {"seed", "enable_structured_logging"},
    "CommConfig": {"init_timeout_seconds", "train_timeout_seconds", "mode"},
    "ParallelismConfig": {"data_parallel_replicate_degree", "data_parallel_shard_degree", "tensor_parallel_degree",
                          "context_parallel_degree", "pipeline_parallel_degree", "pipeline_parallel_schedule",
                          "pipeline_parallel_layers_per_stage", "module_fqns_per_model_part",
                          "enable_sequence_parallel", "expert_parallel_degree", "context_parallel_ptrr_mask_key",
                          "pipeline_parallel_first_stage_less_layers", "pipeline_parallel_last_stage_less_layers"},
    "ShardingConfig": {"state_shardings", "out_src_shardings"},
    "Float8LinearConfig": {"emulate", "enable_fsdp_float8_all_gather", "cast_config_weight"},
}  # fmt: skip

USED_AS_THEY_ARE = {
    "IGNORE_INDEX", "BlockMask", "DeviceMesh", "PipelineScheduleSingle", "Replicate", "ScheduleDualPipeV",
    "ScheduleZBVZeroBubble", "Shard", "_resolve_process_group", "and_masks", "dynamo_counters", "logger",
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
    tested = {*PARAMETERS, *CONFIG_FIELDS, *DATACLASS_FIELDS, *ATTRIBUTES}
    assert set(titan.__all__) == tested | USED_AS_THEY_ARE


def test_losses_of_each_label() -> None:
    """Of validation, which puts a function of its own in place of the loss's."""
    assert "reduction" in inspect.signature(titan._LossParallelCrossEntropy.forward).parameters
    assert callable(titan.CrossEntropyLoss.Config().build().fn)


def test_labels_that_are_passed_over() -> None:
    """The data has a constant of its own, for it does without torchtitan."""
    assert packing.IGNORE_INDEX == titan.IGNORE_INDEX


def test_import_codetitan_is_cheap() -> None:
    import subprocess
    import sys

    code = "import sys, codetitan; print(*({'torch', 'torchtitan', 'numpy'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "\n"), result.stderr


def test_no_peak_is_invented() -> None:
    from codetitan.training.metrics import known_peak_flops

    assert known_peak_flops("NVIDIA H100 80GB HBM3") == 989e12
    assert known_peak_flops("NVIDIA A100-SXM4-80GB") == 312e12
    assert known_peak_flops("Intel(R) Xeon(R) Processor") is None
    assert known_peak_flops("NVIDIA GeForce RTX 4090") is None
    fp8 = {
        "NVIDIA H100 80GB HBM3": 1979e12, "NVIDIA H100 PCIe": 1513e12, "NVIDIA H100 NVL": 1671e12,
        "NVIDIA H200": 1979e12, "NVIDIA H200 NVL": 1671e12, "NVIDIA GH200 480GB": 1979e12, "NVIDIA H20": 296e12,
        "NVIDIA B200": 4.5e15,
        "NVIDIA GB200": 5e15, "NVIDIA L40S": 733e12, "NVIDIA A100-SXM4-80GB": None, "NVIDIA GeForce RTX 4090": None,
        "NVIDIA B300": None,
    }  # fmt: skip
    assert {name: known_peak_flops(name, "fp8") for name in fp8} == fp8


def test_the_seam_leaves_datasets_alone() -> None:
    """A start without Hugging Face's datasets and pandas, which are then there for whoever asks."""
    code = (
        "import gc, sys, codetitan.titan; assert not {'datasets', 'pandas'} & sys.modules.keys() and gc.isenabled(); "
        "import datasets; assert datasets.Dataset.from_dict({'a': [1]}).num_rows == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
