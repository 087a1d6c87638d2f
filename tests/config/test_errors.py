"""What a person can get wrong, and the exact line that they get."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from codetitan.config.data import check_sources
from codetitan.config.machine import check_dump_folder, check_float8
from codetitan.config.resolve import resolve
from codetitan.data.pieces import dialects
from codetitan.data.sources.open import SOURCE_TYPES
from codetitan.errors import ConfigError
from codetitan.evaluate import tasks
from codetitan.hf.architectures.table import ARCHITECTURES
from codetitan.models.code import flavors
from codetitan.models.code.float8 import Float8Config
from codetitan.training.trainer import CodeTrainer
from tests.conftest import REPOSITORY, as_arguments, run_train_sh

DEBUG = REPOSITORY / "train_configs" / "debug.toml"
# Lists of names, which grow: what is tested is that they are shown.
TASKS = ", ".join([*tasks.TASKS, *tasks.GROUPS])
CLASSES = ", ".join(ARCHITECTURES)
FLAVORS, DIALECTS, SOURCES = ", ".join(flavors.OWN), ", ".join(dialects.DIALECTS), ", ".join(sorted(SOURCE_TYPES))

FP8 = {"float8.recipe": "tensorwise", "float8.skip_small_layers": "false", "training.mixed_precision_param": "bfloat16"}

# (overrides of debug.toml, processes, the line)
ON_THE_COMMAND_LINE: list[tuple[dict[str, Any], int, str]] = [
    # keys
    ({"training.step": 3}, 1, 'training.step (command line): unknown key; did you mean "training.steps"?'),
    ({"training.lr": 3}, 1, 'training.lr (command line): unknown key; did you mean "optimizer.lr"?'),
    ({"trainig.steps": 3}, 1, 'trainig: unknown key; did you mean "training"?'),
    ({"lr": 3}, 1, 'lr (command line): unknown key; did you mean "optimizer.lr"?'),
    ({"optimizer.foo": 1}, 1, "optimizer.foo (command line): unknown key; optimizer has param_groups, implementation, "
     "name, lr, betas, eps, weight_decay"),
    ({"dataloader.rows": 8}, 1, "dataloader.rows (command line): unknown key; dataloader has sources, on_growth, "
     "seed, packing, block, metadata, fim, workers, prefetch, pin_memory"),
    ({".steps": 3}, 1, '"--.steps": expected --section.key VALUE, for example --training.steps 100'),
    ({"training..steps": 3}, 1, '"--training..steps": expected --section.key VALUE, for example --training.steps 100'),
    ({"training": "x", "training.steps": 3}, 1, "training = x (command line) must be a table"),
    # types
    ({"optimizer.betas": "[" * 500}, 1, "optimizer.betas.0 = " + "[" * 500 + " (command line) must be a number"),
    ({"training.steps": "1\nseed = 2"}, 1, "training.steps = 1\\nseed = 2 (command line) must be a whole number"),
    ({"optimizer.betas.1": "x"}, 1, "optimizer.betas.1 = x (command line) must be a number"),
    ({"checkpoint.load_step": "latest"}, 1, "checkpoint.load_step = latest (command line) must be a whole number, or "
     'latest-good; did you mean "latest-good"?'),
    ({"training.steps": "many"}, 1, "training.steps = many (command line) must be a whole number"),
    ({"training.steps": "1e3"}, 1, "training.steps = 1e3 (command line) must be a whole number; write 1000"),
    ({"training.steps": "true"}, 1, "training.steps = true (command line) must be a whole number"),
    ({"optimizer.lr": "fast"}, 1, "optimizer.lr = fast (command line) must be a number"),
    ({"compile.enable": "yes"}, 1, "compile.enable = yes (command line) must be true or false"),
    ({"debug.seed": "x"}, 1, 'debug.seed = x (command line) must be a whole number; or "none"'),
    ({"training.dtype": "bf16"}, 1, 'training.dtype = bf16 (command line) must be one of bfloat16, float32; did you mean "bfloat16"?'),
    ({"lr_scheduler.decay_type": "cos"}, 1, 'lr_scheduler.decay_type = cos (command line) must be one of linear, sqrt, cosine; did you mean "cosine"?'),
    ({"model": "debug"}, 1, "model = debug (command line) must be a table"),
    # components by name
    ({"optimizer.name": "adamw"}, 1,
     'optimizer.name = adamw (command line) must be one of AdamW, Adam; did you mean "AdamW"?'),
    ({"activation_checkpoint.name": "selectiv"}, 1,
     "activation_checkpoint.name = selectiv (command line) must be one of full, memory-budget, none, selective; "
     'did you mean "selective"?'),
    ({"activation_checkpoint": "full"}, 1, 'activation_checkpoint = full (command line) must be a table with the key "name"'),
    ({"activation_checkpoint.debug": "true"}, 1,
     'activation_checkpoint.debug: not used where activation_checkpoint.name = "none"; remove it'),
    ({"activation_checkpoint.name": "full", "activation_checkpoint.memory_budget": 0.5}, 1,
     'activation_checkpoint.memory_budget: not used where activation_checkpoint.name = "full"; remove it'),
    ({"activation_checkpoint.name": "memory-budget"}, 1,
     'activation_checkpoint.name = "memory-budget" needs compile.enable = true, with model among compile.components; '
     'compile, or use "selective"'),
    ({"activation_checkpoint.name": "memory-budget", "activation_checkpoint.memory_budget": 7, "compile.enable": "true"}, 1,
     "activation_checkpoint.memory_budget = 7.0 must lie between 0 and 1"),
    ({"optimizer.param_groups": '[{pattern = "tok_embedings", optimizer_name = "AdamW"}]'}, 1,
     'optimizer.param_groups.0.pattern = "tok_embedings" matches no parameter; there are tok_embeddings.weight, '
     "layers.0.attention.qkv_linear.wq.weight, lm_head.weight, …"),
    ({"optimizer.param_groups": '[{pattern = "(", optimizer_name = "AdamW"}]'}, 1,
     'optimizer.param_groups.0.pattern = "(" is no regular expression: missing ), unterminated subpattern at position 0'),
    ({"optimizer.param_groups": '[{pattern = ".", optimizer_name = "adamw"}]'}, 1,
     'optimizer.param_groups.0.optimizer_name = "adamw" must be one of AdamW, Adam; did you mean "AdamW"?'),
    ({"optimizer.param_groups": '[{pattern = ".", optimizer_name = "AdamW", optimizer_kwargs = {weight_dcay = 1}}]'}, 1,
     'optimizer.param_groups.0.optimizer_kwargs.weight_dcay: unknown key; did you mean "weight_decay"?'),
    ({"loss.name": "mse"}, 1, "loss.name = mse (command line) must be one of chunked-cross-entropy, cross-entropy"),
    # ranges
    ({"training.steps": 0}, 1, "training.steps = 0 must be at least 1"),
    ({"training.steps": -5}, 1, "training.steps = -5 must be at least 1"),
    ({"optimizer.lr": 0}, 1, "optimizer.lr = 0.0 must be above 0"),
    ({"optimizer.betas": "[0.9]"}, 1,
     "optimizer.betas = [0.9] must be two numbers from 0 to below 1, such as [0.9, 0.95]"),
    ({"optimizer.betas": "[0.9, 1.0]"}, 1,
     "optimizer.betas = [0.9, 1.0] must be two numbers from 0 to below 1, such as [0.9, 0.95]"),
    ({"lr_scheduler.warmup_ratio": 2}, 1, "lr_scheduler.warmup_ratio = 2.0 must lie between 0 and 1"),
    ({"checkpoint.keep_latest_k": 1}, 1,
     "checkpoint.keep_latest_k = 1 must be at least 2, or 0 to keep all"),
    ({"checkpoint.interval": 0}, 1, "checkpoint.interval = 0 must be at least 1"),
    ({"checkpoint.folder": ""}, 1, "checkpoint.folder must not be empty"),
    ({"checkpoint.exclude_from_loading": "model"}, 1,
     'checkpoint.exclude_from_loading: "model" must be one of optimizer, lr_scheduler, dataloader, train_state'),
    ({"optimizer.lr": "nan"}, 1, "optimizer.lr = nan (command line) must be a number"),
    ({"model.n_layers": 10**9}, 1, "model.n_layers = 1000000000 must be at most 4096"),
    ({"dump_folder": ""}, 1, "dump_folder must not be empty"),
    ({"activation_checkpoint.mode": "full"}, 1,
     'activation_checkpoint.mode (command line): unknown key; did you mean "activation_checkpoint.name"?'),
    ({"loss.type": "cross-entropy"}, 1, 'loss.type (command line): unknown key; did you mean "loss.name"?'),
    ({"compile.enable_async_tensor_parallel": "true"}, 1,
     "compile.enable_async_tensor_parallel = true needs compile.enable = true, with model among compile.components; set "
     "it to false, or compile"),
    ({"parallelism.pipeline_parallel_degree": 2, "parallelism.pipeline_parallel_microbatch_size": 3}, 2,
     "training.local_batch_size = 2 must be a multiple of parallelism.pipeline_parallel_microbatch_size = 3"),
    ({"profiler.enable_profiling": "true", "profiler.profile_freq": 3}, 1,
     "profiler.profile_freq = 3 must be at least profiler.profiler_warmup + profiler.profiler_active = 4"),
    ({"optimizer.param_groups": '[{pattern = ".", optimizer_name = "AdamW", optimizer_kwargs = {lr = -1.0}}]'}, 1,
     "optimizer.param_groups.0.optimizer_kwargs = {'lr': -1.0}: Invalid learning rate: -1.0"),
    ({"training.global_batch_size": 0}, 1, "training.global_batch_size = 0 must be at least 1, or -1 to have it worked out"),
    ({"debug.seed": "none"}, 1, "debug.seed: must be a whole number: the same TOML gives the same weights"),
    ({"lr_scheduler.total_steps": 10}, 1, "lr_scheduler.total_steps = 10 must be at least training.steps = 100"),
    ({"optimizer.lr": "inf"}, 1, "optimizer.lr = inf must be finite"),
    ({"checkpoint.exclude_from_loading": "datloader"}, 1,
     'checkpoint.exclude_from_loading: "datloader" must be one of optimizer, lr_scheduler, dataloader, train_state; did '
     'you mean "dataloader"?'),
    ({"compile.components": "[\"modle\"]"}, 1,
     'compile.components: "modle" must be one of model, loss; did you mean "model"?'),
    ({"parallelism.context_parallel_load_balancer": "foo"}, 1,
     'parallelism.context_parallel_load_balancer: "foo" must be one of headtail, ptrr, none'),
    ({"training.tokens": "7X"}, 1,
     'training.tokens = "7X" must be a number of tokens, such as "7B", "400M" or 1.5e12'),
    ({"training.tokens": "7B", "training.steps": 3}, 1,
     "training.steps = 3 and training.tokens = 7B (command line): give one of them"),
    # model
    ({"model.flavor": "350M"}, 1, f'model.flavor = "350M" must be one of {FLAVORS}, or a published model of `codetitan flavors`; did you mean "350m"?'),
    ({"model.flavor": "qwen2.5-coder-2b"}, 1, f'model.flavor = "qwen2.5-coder-2b" must be one of {FLAVORS}, or a published '
     'model of `codetitan flavors`; did you mean "qwen2.5-coder-32b"?'),
    ({"model.n_heads": 3}, 1, "model.dim = 128 must be an even multiple of model.n_heads = 3: heads of even width; or "
     "set model.head_dim"),
    ({"model.head_dim": 33}, 1, "model.head_dim = 33 must be even: the rotation turns pairs"),
    ({"model.head_dim": 0}, 1, "model.head_dim = 0 must be at least 2"),
    ({"model.sliding_window": -1}, 1, "model.sliding_window = -1 must be at least 1, or 0 to attend to all"),
    ({"model.sliding_window": 64, "model.attention": "sdpa"}, 1,
     'model.attention = "sdpa" has no model.sliding_window = 64, which training.seq_len = 256 exceeds; use "flex"'),
    ({"model.mlp": "gelu", "model.fused_ffn": "true"}, 1,
     'model.fused_ffn = true has no effect where model.mlp = "gelu" has one projection; remove it'),
    ({"model.mlp": "gelu", "checkpoint.export_every_k": 1}, 1,
     'model.mlp = "gelu": no class of transformers that codetitan exports to has such blocks; LlamaForCausalLM '
     'would, with model.mlp = "swiglu"'),
    ({"model.export_as": "Qwen2"}, 1, f'model.export_as = "Qwen2" must be one of {CLASSES}'),
    ({"model.export_as": "Qwen2ForCausaLM"}, 1,
     f'model.export_as = "Qwen2ForCausaLM" must be one of {CLASSES}; did you mean "Qwen2ForCausalLM"?'),
    ({"model.export_as": ""}, 1, "model.export_as must not be empty"),
    ({"model.norm": "layer"}, 1,
     'model.norm = layer (command line) must be one of rmsnorm, layernorm; did you mean "layernorm"?; or "none"'),
    ({"model.flavor": "starcoder2-3b", "model.attention": "sdpa", "training.seq_len": 8192}, 1,
     'model.attention = "sdpa" has no model.sliding_window = 4096, which training.seq_len = 8192 exceeds; use "flex"'),
    ({"model.flavor": "qwen2.5-coder-0.5b", "parallelism.tensor_parallel_degree": 4}, 4,
     "parallelism.tensor_parallel_degree = 4 must divide model.n_heads = 14 of qwen2.5-coder-0.5b; fitting: 1, 2"),
    ({"model.flavor": "starcoder2-3b", "parallelism.tensor_parallel_degree": 3}, 3,
     "parallelism.tensor_parallel_degree = 3 must divide, or be a multiple of, model.n_kv_heads = 2 of starcoder2-3b; "
     "fitting: 1, 2, 4, 6, 8, 12, 24"),
    ({"model.qk_norm": "true", "model.export_as": "LlamaForCausalLM", "checkpoint.export_every_k": 1}, 1,
     'model.export_as = "LlamaForCausalLM" has no model.qk_norm = true; it needs model.qk_norm = false'),
    ({"model.n_kv_heads": 3}, 1, "model.n_kv_heads = 3 must divide model.n_heads = 4; fitting: 1, 2, 4"),
    ({"model.vocab_size": 1000}, 1, "model.vocab_size = 1000 must hold the 32768 ids of the tokenizer code-32k; set it to 32768"),
    ({"model.flex_options": "{ USE_TNA = true }"}, 1,
     'model.flex_options.USE_TNA: unknown key; did you mean "USE_TMA"?'),
    ({"model.flex_options": "{ USE_TMA = 1 }"}, 1, "model.flex_options.USE_TMA = 1 must be true or false"),
    ({"model.flex_options": "{ bwd_BLOCK_M1 = -3 }"}, 1,
     "model.flex_options.bwd_BLOCK_M1 = -3 must be a whole number of at least 1"),
    ({"model.flex_options": "{ USE_TMA = true }", "model.attention": "sdpa"}, 1,
     'model.flex_options has no effect where model.attention = "sdpa"; remove it'),
    ({"training.gradient_sync": "last-microbatch", "parallelism.pipeline_parallel_degree": 2}, 2,
     'training.gradient_sync = "last-microbatch" has no effect with parallelism.pipeline_parallel_degree = 2, which '
     "reduces once a step; remove it"),
    ({"training.gradient_sync": "last-microbatch", "training.disable_cuda_graphs": "false"}, 1,
     'training.gradient_sync = "last-microbatch" does not work with training.disable_cuda_graphs = false: one graph '
     "stands for every microbatch; set one of them to its default"),
    ({"checkpoint.async_mode": "async_with_pinned_mem"}, 1,
     'checkpoint.async_mode = "async_with_pinned_mem" needs a GPU, and there is none'),
    ({"model.fused_ffn": "true", "float8.recipe": "rowwise", "float8.emulate": "true",
      "float8.skip_small_layers": "false"}, 1,
     'model.fused_ffn = true has no effect where float8.recipe = "rowwise" converts w1 and w3; remove it'),
    ({"model.attention": "flash"}, 1,
     "model.attention = flash (command line) must be one of flex, flex_flash, varlen, sdpa; did you mean "
     '"flex_flash"?'),
    ({"hf_assets_path": "code32k"}, 1,
     'hf_assets_path = "code32k" is no folder with a tokenizer.json, no .json or .tiktoken file, no shipped tokenizer '
     '(code-32k) and none of tiktoken\'s (gpt2, r50k_base, p50k_base, p50k_edit, cl100k_base, o200k_base, '
     'o200k_harmony); did you mean "code-32k"?'),
    # the mesh
    ({"parallelism.tensor_parallel_degree": 3}, 1,
     "parallelism: the degrees (tensor_parallel_degree 3) multiply to 3, which must divide the 1 process; start NGPU=3 "
     "processes or change a degree (parallelism.data_parallel_shard_degree = -1 takes what is left)"),
    ({"parallelism.data_parallel_shard_degree": 4, "parallelism.tensor_parallel_degree": 2}, 4,
     "parallelism: the degrees (tensor_parallel_degree 2 · data_parallel_shard_degree 4) multiply to 8, which must be the "
     "4 processes; start NGPU=8 processes or change a degree (parallelism.data_parallel_shard_degree = -1 takes what is left)"),
    ({"parallelism.context_parallel_degree": 2, "training.seq_len": 510}, 2,
     "training.seq_len = 510 must divide by 256 (128·cp); nearest: 512"),
    ({"parallelism.context_parallel_degree": 2, "parallelism.tensor_parallel_degree": 2, "training.seq_len": 4100}, 4,
     "training.seq_len = 4100 must divide by 256 (128·cp and tp); nearest: 4096"),
    ({"training.seq_len": 500, "loss.name": "chunked-cross-entropy"}, 1,
     "training.seq_len = 500 must divide by loss.num_chunks = 8; nearest: 496; or loss.num_chunks = 4"),
    ({"parallelism.tensor_parallel_degree": 8}, 8,
     "parallelism.tensor_parallel_degree = 8 must divide model.n_heads = 4 of debug; fitting: 1, 2, 4"),
    ({"model.n_heads": 16, "model.n_kv_heads": 4, "parallelism.tensor_parallel_degree": 3, "model.ffn_dim": 384}, 3,
     "parallelism.tensor_parallel_degree = 3 must divide model.n_heads = 16 of debug; fitting: 1, 2, 4, 8, 16"),
    ({"model.dim": 192, "model.n_heads": 12, "model.n_kv_heads": 4, "model.vocab_size": 32784,
      "parallelism.tensor_parallel_degree": 6}, 6,
     "parallelism.tensor_parallel_degree = 6 must divide, or be a multiple of, model.n_kv_heads = 4 of debug; "
     "fitting: 1, 2, 4, 12"),
    ({"parallelism.tensor_parallel_degree": 3, "model.dim": 96, "model.n_heads": 3, "model.n_kv_heads": 3}, 3,
     "parallelism.tensor_parallel_degree = 3 must divide model.vocab_size = 32768 of debug; fitting: 1"),
    ({"compile.enable": "true", "compile.enable_async_tensor_parallel": "true"}, 1,
     "compile.enable_async_tensor_parallel = true has no effect with parallelism.tensor_parallel_degree = 1; set it to "
     "false"),
    ({"parallelism.pipeline_parallel_degree": 8, "training.local_batch_size": 8}, 8,
     "parallelism.pipeline_parallel_degree = 8 with 1F1B makes 8 stages of the 4 blocks, the embedding and the head of "
     "debug: too many; fitting: 2, 3, 4, 5, 6"),
    ({"parallelism.pipeline_parallel_degree": 4, "parallelism.pipeline_parallel_schedule": "Interleaved1F1B"}, 4,
     "parallelism.pipeline_parallel_degree = 4 with Interleaved1F1B makes 8 stages of the 4 blocks, the embedding and "
     "the head of debug: too many; fitting: 2, 3"),
    ({"parallelism.pipeline_parallel_degree": 2, "parallelism.pipeline_parallel_layers_per_stage": 1}, 2,
     "parallelism.pipeline_parallel_layers_per_stage = 1 makes 4 stages; 1F1B on 2 ranks needs 1 a rank"),
    ({"parallelism.pipeline_parallel_degree": 2, "parallelism.pipeline_parallel_schedule": "ZBVZeroBubble",
      "model.n_layers": 6, "parallelism.pipeline_parallel_layers_per_stage": 1}, 2,
     "parallelism.pipeline_parallel_layers_per_stage = 1 makes 6 stages; ZBVZeroBubble on 2 ranks needs 2 a rank"),
    ({"parallelism.pipeline_parallel_degree": 2,
      "parallelism.module_fqns_per_model_part": '[["tok_embeddings", "layers.0"], ["layers.2", "norm", "lm_head"]]'}, 2,
     "parallelism.module_fqns_per_model_part: layers.2 stands where layers.1 must; the stages together are "
     "tok_embeddings, layers.0, …, layers.3, norm, lm_head"),
    ({"parallelism.pipeline_parallel_degree": 2, "parallelism.pipeline_parallel_schedule": "ZBVZeroBubble",
      "training.local_batch_size": 4, "compile.enable": "true"}, 2,
     "compile.enable = true does not work with the schedule ZBVZeroBubble, which splits the backward pass; set it to "
     "false, or use Interleaved1F1B"),
    ({"parallelism.pipeline_parallel_degree": 2, "parallelism.pipeline_parallel_schedule": "InterleavedZeroBubble",
      "training.local_batch_size": 4, "loss.name": "chunked-cross-entropy"}, 2,
     'loss.name = "chunked-cross-entropy" does not work with the schedule InterleavedZeroBubble, which splits the '
     'backward pass; set it to "cross-entropy", or use Interleaved1F1B'),
    ({"parallelism.pipeline_parallel_degree": 2, "parallelism.pipeline_parallel_schedule": "DualPipeV",
      "training.local_batch_size": 4, "activation_checkpoint.name": "selective"}, 2,
     'activation_checkpoint.name = "selective" does not work with the schedule DualPipeV, which splits the backward '
     'pass; set it to "full" or "none", or use Interleaved1F1B'),
    ({"parallelism.pipeline_parallel_degree": 2, "parallelism.pipeline_parallel_schedule": "ZBVZeroBubble",
      "training.local_batch_size": 4, "objective.name": "dpo", "tokenizer.chat": "alpaca"}, 2,
     'objective.name = "dpo" does not work with the schedule ZBVZeroBubble, which splits the backward pass; use '
     "Interleaved1F1B"),
    ({"training.train_layers": "4"}, 1, 'training.train_layers = "4" must be "last:N" or "first:N", such as "last:4"'),
    ({"training.train_layers": "last:4"}, 1,
     'training.train_layers = "last:4": the model has 4 blocks; name fewer, or remove it to train the whole model'),
    ({"training.train_layers": "last:1", "parallelism.pipeline_parallel_degree": 2,
      "parallelism.module_fqns_per_model_part":
      '[["tok_embeddings", "layers.0"], ["layers.1", "layers.2", "layers.3", "norm", "lm_head"]]'}, 2,
     'training.train_layers = "last:1" leaves pipeline stage 0 nothing to train, which torch\'s schedules can\'t do; name '
     "more blocks, or shard by another degree"),
    ({"objective.name": "sft"}, 1,
     'objective.name = "sft" needs a chat format: set tokenizer.chat to one of chatml, deepseek-coder, alpaca, '
     "starcoder2-instruct, codellama"),
    ({"tokenizer.chat": "alpaca"}, 1,
     'tokenizer.chat = "alpaca" has no effect with objective.name = "next-token", which takes no conversations; set '
     'objective.name = "sft", or remove it'),
    ({"objective.name": "sft", "tokenizer.chat": "alpaca", "dataloader.packing": "concatenate"}, 1,
     'dataloader.packing = "concatenate" would cut conversations, which objective.name = "sft" learns whole; set it to '
     '"best-fit"'),
    ({"objective.name": "dpo", "tokenizer.chat": "alpaca", "model.attention": "sdpa"}, 1,
     'model.attention = "sdpa" has no document masks, so that a rejected answer would see the chosen one; set it to '
     '"flex", or "varlen" on a GPU'),
    ({"objective.name": "dpo", "tokenizer.chat": "alpaca", "objective.loss": "ipo", "objective.label_smoothing": 0.1}, 1,
     'objective.label_smoothing = 0.1 has no effect with objective.loss = "ipo"; set it to 0, or objective.loss to '
     '"sigmoid"'),
    ({"objective.name": "dpo", "tokenizer.chat": "alpaca", "objective.beta": 0}, 1,
     "objective.beta = 0.0 must be above 0"),
    ({"objective.name": "sftt"}, 1,
     'objective.name = sftt (command line) must be one of dpo, next-token, sft; did you mean "sft"?'),
    ({"parallelism.spmd_backend": "partial_dtensor", "parallelism.tensor_parallel_degree": 2}, 2,
     'parallelism.spmd_backend = "partial_dtensor" does not work with parallelism.tensor_parallel_degree = 2; use '
     '"spmd_types"'),
    ({"compile.backend": "eager"}, 1, 'compile.backend: "eager" must be one of inductor, aot_eager; did you mean '
     '"aot_eager"?'),
    ({"parallelism.pipeline_parallel_degree": 2, "parallelism.pipeline_parallel_schedule": "Interleaved1F1B",
      "training.local_batch_size": 5, "training.global_batch_size": 20}, 2,
     "training.local_batch_size = 5 makes 5 pipeline microbatches, which Interleaved1F1B can't deal out to 2 ranks in "
     "equal rounds; set it to 4"),
    ({"parallelism.pipeline_parallel_degree": 2, "parallelism.module_fqns_per_model_part":
      '[["tok_embeddings", "layers.0", "layers.1", "layers.2", "layers.3", "norm"], ["lm_head"]]'}, 2,
     "parallelism.module_fqns_per_model_part: norm must be on the stage of lm_head; move it there"),
    ({"model.rope.scaling": "yarn", "model.rope.original_seq_len": 64, "model.rope.beta_fast": 1}, 1,
     "model.rope.beta_fast = 1.0 must be above model.rope.beta_slow = 1.0"),
    ({"model.rope.scaling": "ntk", "model.rope.original_seq_len": 64, "model.n_heads": 64, "model.n_kv_heads": 64}, 1,
     'model.rope.scaling = "ntk" needs heads at least 4 wide, not 2; lower model.n_heads'),
    ({"training.enable_cpu_offload": "true", "optimizer.implementation": "fused_opt_states_bf16"}, 1,
     'optimizer.implementation = "fused_opt_states_bf16" does not work with training.enable_cpu_offload = true, whose '
     'optimizer runs on the CPU; use "fused"'),
    ({**FP8, "training.enable_cpu_offload": "true"}, 1,
     "float8.fsdp_all_gather = true does not work with training.enable_cpu_offload = true; set it to false"),
    ({"model.attention": "flex_flash", "parallelism.context_parallel_degree": 2}, 2,
     'model.attention = "flex_flash" does not work under parallelism.context_parallel_degree = 2; use "flex"'),
    ({"model.attention": "sdpa", "parallelism.context_parallel_degree": 2}, 2,
     'model.attention = "sdpa" does not work under parallelism.context_parallel_degree = 2; use "flex"'),
    ({"model.rope.scaling": "yarn"}, 1,
     'model.rope.original_seq_len: missing; model.rope.scaling = "yarn" needs the sequence length of the pre-training, '
     "such as 4096"),
    ({"model.rope.factor": 4}, 1, 'model.rope.factor has no effect where model.rope.scaling = "none"; remove it'),
    ({"model.rope.scaling": "ntk", "model.rope.original_seq_len": 64, "model.rope.factor": 2}, 1,
     "model.rope.factor = 2.0 · original_seq_len = 64 must reach training.seq_len = 256; set it to 4 or more, or leave "
     "it out"),
    ({"model.rope.scaling": "yarn", "model.rope.original_seq_len": 4096}, 1,
     "model.rope.original_seq_len = 4096 must not exceed training.seq_len = 256; for a shorter context set "
     "model.rope.factor to that of the pre-training"),
    ({"model.rope.scaling": "dynamic"}, 1, "model.rope.scaling = dynamic (command line) must be one of none, ntk, yarn, linear, llama3"),
    ({"parallelism.pipeline_parallel_degree": 2, "training.local_batch_size": 1}, 2,
     "training.local_batch_size = 1 makes fewer pipeline microbatches of 1 than the 2 stages of 1F1B; set it to 2 or more"),
    ({"parallelism.pipeline_parallel_schedule": "1F2B"}, 1,
     'parallelism.pipeline_parallel_schedule = "1F2B" must be one of 1F1B, GPipe, Interleaved1F1B, '
     'InterleavedZeroBubble, LoopedBFS, ZBVZeroBubble, DualPipeV; did you mean "1F1B"?'),
    ({"training.global_batch_size": 12, "training.local_batch_size": 8}, 1,
     "training.global_batch_size = 12 must be a multiple of training.local_batch_size · data-parallel degree = 8 · 1 = 8; "
     "nearest: 16; or training.local_batch_size = 4"),
    ({"model.attention": "varlen", "parallelism.context_parallel_degree": 2}, 2,
     'model.attention = "varlen" does not work under parallelism.context_parallel_degree = 2; use "flex"'),
    ({"training.enable_cpu_offload": "true"}, 1, "training.enable_cpu_offload = true needs a GPU, and there is none"),
    ({"optimizer.implementation": "fused_opt_states_bf16"}, 1,
     'optimizer.implementation = "fused_opt_states_bf16" needs a GPU, and there is none'),
    ({"comm.mode": "local_tensor"}, 1,
     'comm.mode = "local_tensor" is for torchtitan\'s own dry runs; must be one of default, torchcomms'),
    # FP8
    ({"float8.recipe": "tensor"}, 1,
     'float8.recipe = tensor (command line) must be one of none, tensorwise, rowwise, rowwise_with_gw_hp, mxfp8; did you '
     'mean "tensorwise"?'),
    ({"float8.recipe": "tensorwise"}, 1,
     'float8.recipe = "tensorwise": every layer of debug is too small to gain; set it to "none", or '
     "float8.skip_small_layers = false to have FP8 all the same"),
    ({"float8.recipe": "rowwise", "float8.skip_small_layers": "false", "model.dim": 120, "model.ffn_dim": 360}, 1,
     'float8.recipe = "rowwise": no layer of debug has widths that are multiples of 16; set it to "none"'),
    ({**FP8, "training.mixed_precision_param": "float32"}, 1,
     'training.mixed_precision_param = "float32" must be "bfloat16" with float8.recipe = "tensorwise": FP8 matmuls have '
     "bfloat16 results"),
    ({**FP8}, 1,
     'float8.recipe = "tensorwise" needs a GPU of compute capability 8.9 or higher, and there is none; set float8.emulate '
     "= true to try it slowly"),
    ({**FP8, "float8.recipe": "mxfp8"}, 1,
     'float8.recipe = "mxfp8" needs a GPU of compute capability 10.0 or higher, and there is none; use float8.recipe = '
     '"tensorwise"'),
    ({**FP8, "float8.recipe": "mxfp8", "float8.emulate": "true"}, 1,
     'float8.emulate = true: mxfp8 has no emulation; set it to false, or float8.recipe = "rowwise"'),
    ({**FP8, "float8.emulate": "true", "compile.enable": "true"}, 1,
     "float8.emulate = true does not work with compile.enable = true (torchao emulates in eager mode only); set one of "
     "them to false"),
    ({**FP8, "training.seq_len": 252, "training.local_batch_size": 1}, 1,
     'training.seq_len = 252 makes 252 tokens a matmul; float8.recipe = "tensorwise" needs a multiple of 16; nearest: 256'),
    ({**FP8, "model.ffn_dim": 336, "parallelism.tensor_parallel_degree": 2}, 2,
     "parallelism.tensor_parallel_degree = 2 leaves a rank 168 of the 336 features of layers.0.feed_forward.w1; "
     'float8.recipe = "tensorwise" needs a multiple of 16: lower the degree'),
    ({**FP8, "model.mlp": "gelu", "model.ffn_dim": 336, "parallelism.tensor_parallel_degree": 2}, 2,
     "parallelism.tensor_parallel_degree = 2 leaves a rank 168 of the 336 features of layers.0.feed_forward.w1; "
     'float8.recipe = "tensorwise" needs a multiple of 16: lower the degree'),
    ({**FP8, "model.head_dim": 24, "parallelism.tensor_parallel_degree": 4}, 4,
     "parallelism.tensor_parallel_degree = 4 leaves a rank 24 of the 96 features of layers.0.attention.qkv_linear.wq; "
     'float8.recipe = "tensorwise" needs a multiple of 16: lower the degree'),
    # checkpoints
    ({"checkpoint.last_save_in_hf": "true", "checkpoint.last_save_model_only": "true"}, 1,
     "checkpoint.last_save_in_hf = true is not supported; set it to false, and export the checkpoint: "
     "checkpoint.export_every_k, or codetitan export"),
    ({"checkpoint.initial_load_in_hf": "true"}, 1,
     "checkpoint.initial_load_in_hf = true is not supported; set it to false, and import the model first: codetitan "
     "import"),
    ({"validation.interval": "10"}, 1,
     "validation.interval = 10: there is nothing to measure on; hold a share of the repositories out "
     "(--validation.share 0.01), or name validation.sources or validation.gold"),
    ({"validation.share": "0.7"}, 1, "validation.share = 0.7 must lie between 0 and 0.5"),
    ({"validation.share": "0.1", "validation.sources": "python-stdlib"}, 1,
     "validation.share = 0.1 and validation.sources: the run is measured on one of them; remove the other"),
    ({"validation.near_duplicates": "true", "validation.find_copies": "false"}, 1,
     "validation.near_duplicates = true has no effect with validation.find_copies = false; remove one of them"),
    ({"validation.tokens": "many"}, 1,
     'validation.tokens = "many" must be a number of tokens, such as "7B", "400M" or 1.5e12'),
    ({"validation.interval": "10", "validation.gold": "no.jsonl"}, 1,
     'validation.gold = "no.jsonl" can\'t be read: No such file or directory; it is "humaneval" or a JSONL file'),
    ({"validation.patience": "3"}, 1, "validation.patience = 3 has no effect without validation.interval; set it"),
    ({"validation.patience": "3", "validation.interval": "10", "validation.gold": "humaneval"}, 1,
     'validation.patience = 3 asks for a loss; set validation.share, or checkpoint.keep_best = '
     '"validation/bits_per_byte/gold"'),
    ({"checkpoint.keep_best": "validation/loss"}, 1,
     'checkpoint.keep_best = "validation/loss" has no effect without validation.interval; set it'),
    ({"checkpoint.keep_best": "validation/loss", "validation.interval": "10", "validation.gold": "humaneval"}, 1,
     'checkpoint.keep_best = "validation/loss" needs held-out documents; set validation.share or validation.sources'),
    ({"checkpoint.keep_best": "validation/bits_per_byte/gold", "validation.interval": "10", "validation.share": "0.1"},
     1, 'checkpoint.keep_best = "validation/bits_per_byte/gold" needs validation.gold; set it to "humaneval"'),
    ({"checkpoint.keep_best": "validation/loss", "validation.interval": "30", "validation.share": "0.1"}, 1,
     'checkpoint.keep_best = "validation/loss": each checkpoint must have been measured, so checkpoint.interval = 25 '
     "must be a multiple of validation.interval = 30"),
    ({"checkpoint.evaluate_every_k": "2", "checkpoint.enable": "false"}, 1,
     "checkpoint.evaluate_every_k = 2 has no effect where no checkpoint is saved; set checkpoint.enable = true"),
    ({"checkpoint.evaluate_every_k": "2", "dump_folder": "s3://a"}, 1,
     "checkpoint.evaluate_every_k = 2 needs checkpoints on a disk of this machine; remove it, or set another dump_folder"),
    ({"checkpoint.evaluate_every_k": "2", "checkpoint.evaluate_tasks": "[]"}, 1,
     'checkpoint.evaluate_tasks must not be empty; for example ["humaneval"]'),
    ({"checkpoint.evaluate_every_k": "2", "checkpoint.evaluate_tasks": '["gold", "humanevl"]'}, 1,
     f'checkpoint.evaluate_tasks: "humanevl": no such task; there are {TASKS}; did you mean "humaneval"?'),
    ({"checkpoint.evaluate_every_k": "2", "checkpoint.evaluate_tasks": '["infill-exact"]'}, 1,
     'checkpoint.evaluate_tasks: "infill-exact" takes a file or a folder: write "infill-exact=PATH"'),
    ({"checkpoint.evaluate_every_k": "2", "checkpoint.evaluate_tasks": '["infill-exact=no/such"]'}, 1,
     "checkpoint.evaluate_tasks: infill-exact=no/such: No such file or directory"),
    ({"checkpoint.evaluate_every_k": "2", "checkpoint.evaluate_tasks": '["humaneval-infilling=x"]'}, 1,
     "checkpoint.evaluate_tasks: humaneval-infilling=x: humaneval-infilling stands for humaneval-infilling-single-line, "
     "humaneval-infilling-multi-line, humaneval-infilling-random-span-light: name one of them"),
    ({"checkpoint.evaluate_every_k": "2", "checkpoint.evaluate_tasks": f'["own={REPOSITORY}/pyproject.toml"]'}, 1,
     f"checkpoint.evaluate_tasks: own={REPOSITORY}/pyproject.toml: is no JSON array (Expecting value: line 1 column 2 (char 1))"),
    ({"checkpoint.evaluate_every_k": "2", "checkpoint.evaluate_tasks": '["gold=x"]'}, 1,
     "checkpoint.evaluate_tasks: gold=x: gold takes no file"),
    ({"checkpoint.export_every_k": "2", "checkpoint.enable": "false"}, 1,
     "checkpoint.export_every_k = 2 has no effect where checkpoint.enable = false; remove it"),
    ({"model.flavor": "mine", "model.dim": "64", "model.n_heads": "2", "model.vocab_size": "32768"}, 1,
     'model.flavor = "mine" is none of ' + FLAVORS + ", so its whole shape must be set; missing: model.n_layers, "
     "model.n_kv_heads, model.ffn_dim, model.tie_embeddings"),
    ({"model.rope.scaling": "llama3", "model.rope.original_seq_len": "64", "model.rope.low_freq_factor": "4"}, 1,
     "model.rope.high_freq_factor = 4.0 must be above model.rope.low_freq_factor = 4.0"),
    ({"checkpoint.load_step": 7, "dump_folder": "no/such"}, 1,
     "checkpoint.load_step = 7: no complete checkpoint of that step in no/such/checkpoint; there are: none; -1 takes the last, latest-good the last that is not damaged"),
    ({"checkpoint.initial_load_path": "/no/such", "checkpoint.enable": "false"}, 1,
     'checkpoint.initial_load_path = "/no/such" is not read where checkpoint.enable = false; set it to true, or remove '
     "the path"),
    ({"checkpoint.initial_load_path": "/no/such"}, 1,
     'checkpoint.initial_load_path = "/no/such" is no complete checkpoint: a folder such as …/checkpoint/step-1000, with '
     "a file .metadata, or a run's folder that has some"),
    ({"checkpoint.create_seed_checkpoint": "true"}, 1,
     "checkpoint.create_seed_checkpoint (command line): unknown key; checkpoint has enable, folder, interval, "
     "initial_load_path, initial_load_model_only, initial_load_in_hf, initial_load_in_hf_quantized, last_save_model_only, "
     "last_save_in_hf, export_dtype, keep_latest_k, load_step, exclude_from_loading, enable_first_step_checkpoint, "
     "load_only, async_mode, export_every_k, evaluate_every_k, evaluate_tasks, evaluate_limit, evaluate_device, keep_best, "
     "verify"),
    # data and folders
    ({"dataloader.sources": "python_stdlib"}, 1,
     f"dataloader.sources.0.type = python_stdlib (command line) must be one of {SOURCES}; did you mean "
     '"python-stdlib"?'),
    ({"dataloader.sources": "directory"}, 1, "dataloader.sources.0.path: missing; must be a string"),
    ({"dataloader.sources": "[]"}, 1,
     "dataloader.sources: missing; name a corpus, for example --dataloader.sources python-stdlib or "
     "--dataloader.sources directory:PATH"),
    ({"dataloader.sources": "directory:no/such"}, 1,
     'dataloader.sources: directory "no/such" does not exist; create it, or train on the Python standard library with '
     "--dataloader.sources python-stdlib"),
    ({"dataloader.sources": '[{type = "python-stdlib"}]', "dataloader.sources.0.languages.pyton": 1}, 1,
     'dataloader.sources.0.languages.pyton: unknown language; did you mean "python"?'),
    ({"dataloader.sources.0.pth": "x"}, 1,
     'dataloader.sources.0.pth: item 0 is the word "python-stdlib", which has no keys; write a table in its place'),
    ({"dataloader.packing": "bestfit"}, 1,
     'dataloader.packing = bestfit (command line) must be one of best-fit, concatenate; did you mean "best-fit"?'),
    ({"dataloader.fim.rte": 0.5}, 1, 'dataloader.fim.rte (command line): unknown key; did you mean "dataloader.fim.rate"?'),
    ({"dataloader.fim.rate": 1.5}, 1, "dataloader.fim.rate = 1.5 must lie between 0 and 1"),
    ({"dataloader.fim.spans.syntax": -1}, 1, "dataloader.fim.spans.syntax = -1.0 must not be negative"),
    ({"dataloader.fim.spans.random": 0}, 1, "dataloader.fim.spans: one of random, line, syntax must be above 0"),
    ({"dataloader.metadata.path": -0.1}, 1, "dataloader.metadata.path = -0.1 must lie between 0 and 1"),
    ({"dataloader.metadata.repository_level": 0.5}, 1,
     'dataloader.metadata.repository_level = 0.5: the dialect "starcoder" has no layout for several files of a repository; '
     'set it to 0, or tokenizer.dialect = "starcoder2"'),
    ({"dataloader.workers": -1}, 1, "dataloader.workers = -1 must not be negative"),
    ({"dataloader.block": 0}, 1, "dataloader.block = 0 must be at least 1"),
    ({"tokenizer.dialect": "qwen2.5"}, 1,
     f'tokenizer.dialect = "qwen2.5" must be one of {DIALECTS}; did you '
     'mean "qwen2.5-coder"?'),
    ({"tokenizer.dialect": "starcoder2"}, 1,
     "model.vocab_size = 32768 must hold the 32768 ids of the tokenizer code-32k and the 2 sentinels of starcoder2; set it "
     "to 32896"),
    ({"dump_folder": "/proc/nowhere"}, 1,
     'dump_folder = "/proc/nowhere" can\'t be written: No such file or directory; choose another with --dump_folder DIR'),
]  # fmt: skip


def message(config: Path, overrides: dict[str, Any], world_size: int = 1) -> str:
    with pytest.raises(ConfigError) as error:
        resolved = resolve(config, as_arguments(overrides), world_size=world_size)
        check_sources(resolved.config)
        check_dump_folder(resolved.config)
    return str(error.value)


@pytest.mark.parametrize(("overrides", "world_size", "line"), ON_THE_COMMAND_LINE, ids=lambda value: str(value)[:40])
def test_command_line(overrides: dict[str, Any], world_size: int, line: str) -> None:
    assert message(DEBUG, overrides, world_size) == line


@pytest.mark.parametrize(
    ("recipe", "capability", "line"),
    [
        ("tensorwise", (8, 9), None),
        ("tensorwise", (8, 6), "8.9 or higher, not A GPU (8.6); set float8.emulate = true to try it slowly"),
        ("mxfp8", (10, 0), None),
        ("mxfp8", (9, 0), '10.0 or higher, not A GPU (9.0); use float8.recipe = "tensorwise"'),
    ],
)
def test_float8_on_a_gpu(
    recipe: Any, capability: tuple[int, int], line: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codetitan.device.device_type", lambda: "cuda")
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: capability)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "A GPU")
    config = CodeTrainer.Config(float8=Float8Config(recipe=recipe))
    if line is None:
        check_float8(config)
        return
    with pytest.raises(ConfigError) as error:
        check_float8(config)
    assert str(error.value) == f'float8.recipe = "{recipe}" needs a GPU of compute capability {line}'


def test_a_disk_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10**9))
    assert message(DEBUG, {"model.flavor": "350m", "dump_folder": tmp_path}) == (
        f'dump_folder = "{tmp_path}" has 1.0 GB free; 4 more checkpoints of 350m need 16.9 GB: free some, choose another '
        "with --dump_folder DIR, lower checkpoint.keep_latest_k, or set checkpoint.enable = false"
    )


# (content of run.toml, the line); base.toml and the circle's other half lie beside it
IN_A_FILE = [
    ("[training]\nsteps = \n", "run.toml: not valid TOML: Invalid value (at line 2, column 9)"),
    ("[training]\nsteps = 1\nsteps = 2\n", "run.toml: not valid TOML: Cannot overwrite a value (at line 3, column 10)"),
    ("a = " + "[" * 500 + "]" * 500,
     "run.toml: not valid TOML: TOML inline arrays/tables are nested more than the allowed 400 levels"),
    ("extends = ''", "run.toml: extends = '' must be a string, such as \"base.toml\""),
    ('extends = "bas.toml"', 'bas.toml: no such file; did you mean "base.toml"?'),
    ("extends = 3", 'run.toml: extends = 3 must be a string, such as "base.toml"'),
    ('extends = "circle.toml"', "extends goes round in a circle: run.toml → circle.toml → run.toml; remove one of them"),
    ("[training]\nsteps = '10'", 'training.steps = "10" (run.toml) must be a whole number'),
    ("[training]\nsteps = 10.0", "training.steps = 10.0 (run.toml) must be a whole number; write 10"),
    ("training = 3", "training = 3 (run.toml) must be a table"),
    ("[training]\nsteps = {a = 1}", "training.steps: must be a whole number, not a table"),
    ("[optimizer]\nbetas = 0.9", "optimizer.betas = 0.9 (run.toml) must be a list of numbers"),
    ("[optimizer]\nbetas = ['a', 'b']", 'optimizer.betas.0 = "a" (run.toml) must be a number'),
    ("[[dataloader.sources]]\npath = 'x'", f"dataloader.sources.0.type: missing; must be one of {SOURCES}"),
    ("[[dataloader.sources]]\ntype = 'directory'\npath = 3", "dataloader.sources.0.path = 3 (run.toml) must be a string"),
    ("[[dataloader.sources]]\ntype = 'directory'\npaht = 'x'",
     'dataloader.sources.0.paht (run.toml): unknown key; did you mean "dataloader.sources.0.path"?'),
    ("[[dataloader.sources]]\ntype = 'python-stdlib'\nweight = 1\n[[dataloader.sources]]\ntype = 'python-stdlib'",
     "dataloader.sources.1.weight: missing, but others have one; give every source a weight (its share of the tokens), or "
     "none (shares as the sources' sizes)"),
    ("[[dataloader.sources]]\ntype = 'python-stdlib'\nepochs = 0", "dataloader.sources.0.epochs = 0 must be at least 1"),
    ("[[dataloader.sources]]\ntype = 'python-stdlib'\nlanguages = { pyton = 1 }",
     'dataloader.sources.0.languages.pyton: unknown language; did you mean "python"?'),
    ("[[dataloader.sources]]\ntype = 'python-stdlib'\nlanguages = { python = 'all' }",
     'dataloader.sources.0.languages.python = "all" (run.toml) must be a number'),
    ("[[dataloader.sources]]\ntype = 'jsonl'\npath = 'x'\nfields = { text = 3 }",
     "dataloader.sources.0.fields.text = 3 (run.toml) must be a string"),
    ("[[dataloader.sources]]\ntype = 'huggingface'\nname = 'a/b'\nstreaming = true\nepochs = 2",
     "dataloader.sources.0.epochs: not possible with streaming = true, which reads a corpus once, in its own order; set "
     "streaming = false"),
    ("[dataloader.sources]\ntype = 'directory'",
     "dataloader.sources: must be a list of tables; write [[dataloader.sources]]"),
    ("[[dataloader.sources]]\ntype = ['directory']",
     f"dataloader.sources.0.type = ['directory'] (run.toml) must be one of {SOURCES}; did you mean "
     '"directory"?'),
    ("[activation_checkpoint]\nname = ['full']",
     "activation_checkpoint.name = ['full'] (run.toml) must be one of full, memory-budget, none, selective; did you mean \"full\"?"),
    ("[dataloader]\nsources = 3", "dataloader.sources = 3 (run.toml) must be a list of tables"),
    ("[model]\nflavour = '20m'", 'model.flavour (run.toml): unknown key; did you mean "model.flavor"?'),
    ("[[optimizer.param_groups]]\npattern = 'x'", "optimizer.param_groups.0.optimizer_name: missing; must be a string"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "line"), IN_A_FILE, ids=lambda value: value[:40])
def test_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.toml").write_text("")
    (tmp_path / "circle.toml").write_text('extends = "run.toml"')
    (tmp_path / "run.toml").write_text(content)
    assert message(Path("run.toml"), {}) == line


def test_one_line_exit_2_within_ten_seconds() -> None:
    """The whole command: nothing but the line on stderr, no traceback, nothing started."""
    result = run_train_sh(DEBUG, "--training.step", "3", timeout_s=30)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        'codetitan: error: training.step (command line): unknown key; did you mean "training.steps"?\n'
    )
