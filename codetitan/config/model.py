"""What the model's own sections ask: its shape, its rotation, its FP8 layers.

Each rule raises ConfigError with the key, its value, the rule and a fix.
"""

from dataclasses import MISSING, fields
from typing import get_args, get_type_hints

from torch.nn.attention.flex_attention import FlexKernelOptions

from codetitan.errors import ConfigError, did_you_mean
from codetitan.models.code.flavors import FLAVORS, OWN
from codetitan.models.code.float8 import block_size
from codetitan.models.code.float8_linear import linear_layers
from codetitan.models.code.shape import Flavor
from codetitan.models.code.spec import model_config
from codetitan.titan import Linear
from codetitan.training.trainer import CodeTrainer

Config = CodeTrainer.Config


def check_model(config: Config) -> None:
    """The flavor exists, and its shape (with the changes of [model]) is one that can be built."""
    flavor, set_ = config.model.flavor, config.model.changes()
    if flavor not in FLAVORS:
        missing = [field.name for field in fields(Flavor) if field.default is MISSING and field.name not in set_]
        if not set_:
            raise ConfigError(
                f'model.flavor = "{flavor}" must be one of {", ".join(OWN)}, or a published model of '
                f"`codetitan flavors`{did_you_mean(flavor, FLAVORS)}"
            )
        if missing:
            raise ConfigError(
                f'model.flavor = "{flavor}" is none of {", ".join(OWN)}, so its whole shape must be set; '
                f"missing: {', '.join(f'model.{name}' for name in missing)}"
            )
    shape = config.model.shape()
    if shape.head_dim is None and (shape.dim % shape.n_heads or shape.head_width % 2):
        raise ConfigError(
            f"model.dim = {shape.dim} must be an even multiple of model.n_heads = {shape.n_heads}: heads of even "
            "width; or set model.head_dim"
        )
    if shape.head_width % 2:
        raise ConfigError(f"model.head_dim = {shape.head_dim} must be even: the rotation turns pairs")
    if shape.n_heads % shape.n_kv_heads:
        fitting = [n for n in range(1, shape.n_heads + 1) if shape.n_heads % n == 0]
        raise ConfigError(
            f"model.n_kv_heads = {shape.n_kv_heads} must divide model.n_heads = {shape.n_heads}; "
            f"fitting: {', '.join(map(str, fitting))}"
        )


def check_blocks(config: Config) -> None:
    """What is set of the blocks has an effect, and the attention's kernel has a window where one is asked for."""
    model, shape = config.model, config.model.shape()
    if model.fused_ffn and shape.mlp == "gelu":
        raise ConfigError('model.fused_ffn = true has no effect where model.mlp = "gelu" has one projection; remove it')
    window, seq_len = shape.sliding_window, config.training.seq_len
    if window is not None and window < seq_len and model.attention == "sdpa":
        raise ConfigError(
            f'model.attention = "sdpa" has no model.sliding_window = {window}, which training.seq_len = {seq_len} '
            'exceeds; use "flex"'
        )


def check_flex_options(config: Config) -> None:
    """The options are ones of flex's kernels, and flex is there to have them."""
    options = config.model.flex_options
    if options and config.model.attention != "flex":
        raise ConfigError(
            f'model.flex_options has no effect where model.attention = "{config.model.attention}"; remove it'
        )
    # BACKEND is another kernel, which model.attention chooses.
    known = {name: get_args(hint)[0] for name, hint in get_type_hints(FlexKernelOptions, include_extras=True).items()}
    del known["BACKEND"]
    for name, value in options.items():
        kind = known.get(name.removeprefix("fwd_") if name.startswith("fwd_") else name.removeprefix("bwd_"))
        if kind is None:
            raise ConfigError(f"model.flex_options.{name}: unknown key{did_you_mean(name, known)}")
        if type(value) is not kind or (kind is int and value < 1):
            rule = "true or false" if kind is bool else "a whole number of at least 1"
            raise ConfigError(f"model.flex_options.{name} = {value} must be {rule}")


def check_rope(config: Config) -> None:
    """A scaling knows what it scales, and reaches training.seq_len."""
    rope, seq_len = config.model.rope, config.training.seq_len
    if rope.scaling == "none":
        for name in ("factor", "original_seq_len"):
            if getattr(rope, name) is not None:
                raise ConfigError(f'model.rope.{name} has no effect where model.rope.scaling = "none"; remove it')
        return
    theta, head_dim = config.model.shape().rope_theta, config.model.shape().head_width
    if theta <= 1:
        raise ConfigError(f'model.rope.theta = {theta} must be above 1 with model.rope.scaling = "{rope.scaling}"')
    if rope.scaling == "ntk" and head_dim < 4:
        raise ConfigError(
            f'model.rope.scaling = "ntk" needs heads at least 4 wide, not {head_dim}; lower model.n_heads'
        )
    for fast, slow in (("beta_fast", "beta_slow"), ("high_freq_factor", "low_freq_factor")):
        if getattr(rope, fast) <= getattr(rope, slow):
            raise ConfigError(
                f"model.rope.{fast} = {getattr(rope, fast)} must be above model.rope.{slow} = {getattr(rope, slow)}"
            )
    if rope.original_seq_len is None:
        raise ConfigError(
            f'model.rope.original_seq_len: missing; model.rope.scaling = "{rope.scaling}" needs the sequence length of '
            "the pre-training, such as 4096"
        )
    if rope.factor is None and seq_len < rope.original_seq_len:
        raise ConfigError(
            f"model.rope.original_seq_len = {rope.original_seq_len} must not exceed training.seq_len = {seq_len}; "
            "for a shorter context set model.rope.factor to that of the pre-training"
        )
    # Llama 3's factor does not bound the context: 3.1 has 8 over 8,192, and 131,072 positions.
    factor = None if rope.scaling == "llama3" else rope.factor
    if factor is not None and factor * rope.original_seq_len < seq_len:
        raise ConfigError(
            f"model.rope.factor = {factor} · original_seq_len = {rope.original_seq_len} must reach "
            f"training.seq_len = {seq_len}; set it to {seq_len / rope.original_seq_len:g} or more, or leave it out"
        )


def check_float8(config: Config) -> None:
    """Some layer gains from FP8, and what a rank multiplies has the widths that FP8 matmuls take."""
    recipe, p, training = config.float8.recipe, config.parallelism, config.training
    if recipe == "none":
        return
    model = model_config(config.model.shape(), seed=0)
    in_float8 = [name for name, converted in linear_layers(model, config.float8).items() if converted]
    if not in_float8 and config.float8.skip_small_layers:
        raise ConfigError(
            f'float8.recipe = "{recipe}": every layer of {config.model.flavor} is too small to gain; set it to "none", '
            "or float8.skip_small_layers = false to have FP8 all the same"
        )
    _check_float8_and(config)
    if config.model.fused_ffn and any(name.endswith(".w1") for name in in_float8):
        raise ConfigError(
            f'model.fused_ffn = true has no effect where float8.recipe = "{recipe}" converts w1 and w3; remove it'
        )
    block, tp = block_size(recipe), p.tensor_parallel_degree
    if not in_float8:
        raise ConfigError(
            f'float8.recipe = "{recipe}": no layer of {config.model.flavor} has widths that are multiples of {block}; '
            'set it to "none"'
        )
    linears = {name: linear for name, linear, _, _ in model.traverse(Linear.Config)}
    for name in in_float8:
        if name.endswith(".wkv") and config.model.shape().n_kv_heads % tp:
            continue  # replicated
        # The projections that write to the residual stream are split by their inputs, the others by their outputs.
        width = linears[name].in_features if name.endswith((".wo", ".w2")) else linears[name].out_features
        if width // tp % block:
            raise ConfigError(
                f"parallelism.tensor_parallel_degree = {tp} leaves a rank {width // tp} of the {width} features of "
                f'{name}; float8.recipe = "{recipe}" needs a multiple of {block}: lower the degree'
            )
    rows = p.pipeline_parallel_microbatch_size if p.pipeline_parallel_degree > 1 else training.local_batch_size
    tokens = rows * training.seq_len // p.context_parallel_degree
    if tokens % block:
        nearest = max(block, round(training.seq_len / block) * block)
        raise ConfigError(
            f"training.seq_len = {training.seq_len} makes {tokens} tokens a matmul; "
            f'float8.recipe = "{recipe}" needs a multiple of {block}; nearest: {nearest}'
        )
    if not config.float8.emulate and training.mixed_precision_param != "bfloat16":
        raise ConfigError(
            f'training.mixed_precision_param = "{training.mixed_precision_param}" must be "bfloat16" with '
            f'float8.recipe = "{recipe}": FP8 matmuls have bfloat16 results'
        )


def _check_float8_and(config: Config) -> None:
    """What FP8 can't be combined with."""
    recipe = config.float8.recipe
    if config.float8.emulate and recipe == "mxfp8":
        raise ConfigError(
            'float8.emulate = true: mxfp8 has no emulation; set it to false, or float8.recipe = "rowwise"'
        )
    if config.float8.emulate and config.compile.enable and "model" in config.compile.components:
        raise ConfigError(
            "float8.emulate = true does not work with compile.enable = true (torchao emulates in eager mode only); "
            "set one of them to false"
        )
    if recipe == "tensorwise" and config.float8.fsdp_all_gather and config.training.enable_cpu_offload:
        # FSDP copies offloaded weights to the GPU without their scales.
        raise ConfigError(
            "float8.fsdp_all_gather = true does not work with training.enable_cpu_offload = true; set it to false"
        )
