"""Linear layers in FP8: torchtitan's, with every recipe of torchao, and FSDP's FP8 all-gather."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from codetitan import patches
from codetitan.models.code.float8 import Float8Config, in_float8
from codetitan.models.code.model import CodeModel
from codetitan.titan import (
    DTensor,
    Float8LinearConfig,
    Linear,
    MXFP8Linear,
    TitanFloat8Linear,
    WeightWithDynamicFloat8CastTensor,
    _patch_inductor_min_max_codegen,
    assert_type_like,
    inductor_config,
    precompute_float8_dynamic_scale_for_fsdp,
)


def _is_float8_shard(weight: Any) -> bool:
    return isinstance(weight, DTensor) and isinstance(weight._local_tensor, WeightWithDynamicFloat8CastTensor)


class Float8Linear(TitanFloat8Linear):
    """torchtitan's FP8 layer, which here can let FSDP gather FP8 weights: x (…, in) → (…, out).

    For that the weight is torchao's tensor subclass, which has FSDP's hooks before and after the all-gather. It is put
    in place when the weight is sharded over TP and annotated, and not yet over FSDP. Checkpoints do not know of it.
    """

    weight: nn.Parameter

    @dataclass(kw_only=True, slots=True)
    class Config(TitanFloat8Linear.Config):
        pass

    def parallelize(self, parallel_dims: Any) -> None:
        """Shards the weight over TP, and prepares it for FSDP."""
        super().parallelize(parallel_dims)
        shards = parallel_dims.dp_shard * parallel_dims.cp  # FSDP shards over both
        # torchao's hook gathers shards without padding: a weight whose rows don't divide is gathered as any other.
        if not self.config.enable_fsdp_float8_all_gather or shards == 1 or self.weight.shape[0] % shards:
            return
        weight = nn.Parameter(
            WeightWithDynamicFloat8CastTensor(
                self.weight.detach(), self.linear_mm_config, self.config.cast_config_weight.target_dtype
            )
        )
        assert_type_like(weight, self.weight)
        self.weight = weight

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        weight = destination[f"{prefix}weight"]
        if _is_float8_shard(weight):
            # The same storage without the subclass, so that a checkpoint says nothing about FP8.
            destination[f"{prefix}weight"] = DTensor.from_local(
                weight._local_tensor._tensor, weight.device_mesh, weight.placements,
                run_check=False, shape=weight.shape, stride=weight.stride(),
            )  # fmt: skip


def linear_layers(model: CodeModel.Config, float8: Float8Config) -> dict[str, bool]:
    """Returns name → whether it is in FP8, for every linear layer of the model."""
    return {
        name: in_float8(name, linear.in_features, linear.out_features, float8)
        for name, linear, _, _ in model.traverse(Linear.Config)
    }


def convert(model: CodeModel.Config, float8: Float8Config) -> CodeModel.Config:
    """Replaces the linear layers of the blocks that gain (codetitan.models.code.float8); returns the same tree."""
    chosen = [name for name, converted in linear_layers(model, float8).items() if converted]
    if not chosen:
        return model
    if not float8.emulate and float8.recipe != "mxfp8":
        _patch_inductor_min_max_codegen()
        patches.max_without_nan_instruction()
        if float8.recipe == "rowwise":
            inductor_config.emulate_precision_casts = True  # as torchtitan's converter does: pytorch issue 150859
    # torchtitan's own converters know no tensorwise, emulate tensorwise whatever the recipe is, and ask for the GPU.
    if float8.recipe == "mxfp8":
        form = MXFP8Linear.Config
    else:
        recipe = dataclasses.replace(
            Float8LinearConfig.from_recipe_name(float8.recipe),
            emulate=float8.emulate,
            enable_fsdp_float8_all_gather=float8.recipe == "tensorwise" and float8.fsdp_all_gather,
        )
        form = partial(Float8Linear.Config, _torchao_config=recipe)
    for name, linear, parent, attribute in list(model.traverse(Linear.Config)):
        if name not in chosen:
            continue
        assert type(linear) is Linear.Config, f"{name}: {type(linear).__qualname__} has no FP8 form"
        fields = {field.name: getattr(linear, field.name) for field in dataclasses.fields(linear)}
        replacement = form(**fields)
        if isinstance(parent, list):
            parent[attribute] = replacement
        else:
            setattr(parent, attribute, replacement)
    return model


def gathers_float8(model_parts: Sequence[nn.Module]) -> bool:
    """Returns whether FSDP gathers any weight in FP8."""
    weights = (module.weight for part in model_parts for module in part.modules() if isinstance(module, Float8Linear))
    return any(_is_float8_shard(weight) for weight in weights)


def precompute_scales(model_parts: Sequence[nn.Module]) -> None:
    """Works out the scales of all weights that FSDP gathers in FP8, with one all-reduce a part; nothing for others.

    Each is that of the whole weight, over TP too. Weights that were not scaled since they changed would be cut off.
    """
    for part in model_parts:
        precompute_float8_dynamic_scale_for_fsdp(part)


def precompute_scales_after_steps(optimizers: Any, model_parts: Sequence[nn.Module], parallel_dims: Any) -> None:
    """torchtitan's `post_optimizer_build_fn`; before the first step it is for training/trainer.py."""
    optimizers.register_step_post_hook(lambda *_: precompute_scales(model_parts))
