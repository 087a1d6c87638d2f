"""AdamW as the recipe wants it, and its schedule, over torchtitan's containers."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import nn

from codetitan.models.code.pipeline import is_copy
from codetitan.titan import (
    LRSchedulersContainer,
    OptimizersContainer,
    ParamGroupConfig,
    canonical_fqn,
    init_optim_state,
)

# What is not decayed: norms and biases. Decay pulls towards zero, which means nothing for a gain around one.
NO_DECAY = r"(norm\.weight|\.bias)$"


class CodeOptimizers(OptimizersContainer):
    """torchtitan's optimizers, with the two groups of the recipe: norms and biases without weight decay, the rest.

    Attributes:
        skips: asked before each step; True: it changes nothing.
    """

    skips: Callable[[], bool] = staticmethod(lambda: False)

    @dataclass(kw_only=True, slots=True)
    class Config(OptimizersContainer.Config):
        name: Literal["AdamW", "Adam"] = "AdamW"
        """The optimizer, by its name in torch.optim."""

        lr: float = 3e-4
        """Peak learning rate."""

        betas: list[float] = field(default_factory=lambda: [0.9, 0.95])
        """Decay rates of the two moments."""

        eps: float = 1e-8
        """Added to the denominator."""

        weight_decay: float = 0.1
        """Decoupled weight decay; norms and biases are not decayed."""

    def __init__(self, config: Config, *, model_parts: list[nn.Module]) -> None:
        shared = {"lr": config.lr, "betas": tuple(config.betas), "eps": config.eps, "weight_decay": config.weight_decay}
        groups = [
            # A group of the user's own states what differs from the section.
            *(replace(group, optimizer_kwargs={**shared, **group.optimizer_kwargs}) for group in config.param_groups),
            ParamGroupConfig(
                pattern=NO_DECAY, optimizer_name=config.name, optimizer_kwargs={**shared, "weight_decay": 0.0}
            ),
            ParamGroupConfig(pattern=".*", optimizer_name=config.name, optimizer_kwargs=shared),
        ]
        complete: Any = replace(config, param_groups=groups)  # type: ignore[call-arg]  # a field of torchtitan's
        super().__init__(complete, model_parts=model_parts)

    def step(self, closure: Any = None) -> Any:
        """Makes the update, unless it is to be skipped."""
        if not self.skips():
            return super().step(closure)
        for optimizer in self.optimizers:
            if not optimizer.state:
                # A checkpoint needs moments, and torchtitan makes none while there are gradients. As after no step.
                optimizer.zero_grad(set_to_none=True)
                init_optim_state(optimizer)
                for state in optimizer.state.values():
                    state["step"].zero_()
        return None

    @staticmethod
    def _build_param_groups(
        model: nn.Module, param_group_configs: Sequence[ParamGroupConfig], impl_kwargs: dict[str, Any]
    ) -> Any:
        # torchtitan raises where a pattern matches nothing, but a pipeline stage need not hold every kind of parameter.
        # Patterns are matched with the names of the checkpoint, which activation checkpointing does not change.
        names = {
            name: canonical_fqn(name)
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and not is_copy(model, name)
        }
        used = []
        for group in param_group_configs:
            taken = [name for name in names if re.search(group.pattern, names[name])]
            if taken:
                exactly = "|".join(f"{re.escape(name)}" for name in taken)
                used.append(replace(group, pattern=f"^({exactly})$"))
            names = {name: canonical for name, canonical in names.items() if name not in taken}
        return OptimizersContainer._build_param_groups(model, used, impl_kwargs)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Loads the moments. What a configuration says (decay rates, weight decay) stays as this run's says it.

        The learning rate is the schedule's: `CodeTrainer.batch_generator` sets it when both are loaded.
        """
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        configured = [{key: value for key, value in group.items() if key not in ("params", "lr")} for group in groups]
        super().load_state_dict(state_dict)
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        for group, values in zip(groups, configured, strict=True):
            group.update(values)

    def _validate_params(self, all_params: list[nn.Parameter]) -> None:
        # torchtitan counts the parameters that are trained; a copy of a tied embedding is not optimized.
        optimized = {id(parameter) for parameter in all_params}
        for part in self.model_parts:
            for name, parameter in part.named_parameters():
                assert (id(parameter) in optimized) == (parameter.requires_grad and not is_copy(part, name)), name


class CodeLRSchedulers(LRSchedulersContainer):
    """torchtitan's schedule, with the warm-up as a share of the steps."""

    @dataclass(kw_only=True, slots=True)
    class Config(LRSchedulersContainer.Config):
        warmup_steps: int | None = None
        """Steps of linear warm-up; None: `warmup_ratio` of the steps."""

        warmup_ratio: float = 0.02
        """Share of the steps that warm up, where `warmup_steps` is None."""

        decay_type: Literal["linear", "sqrt", "cosine"] = "cosine"
        """Shape of the decay after the warm-up."""

        min_lr_factor: float = 0.1
        """The last learning rate as a share of the peak."""

        def build(self, *, optimizers: OptimizersContainer, training_steps: int) -> LRSchedulersContainer:
            """Builds the schedule for a run of `training_steps`."""
            steps = self.total_steps or training_steps
            warmup_steps = max(1, round(self.warmup_ratio * steps)) if self.warmup_steps is None else self.warmup_steps
            concrete = replace(self, warmup_steps=warmup_steps)
            return LRSchedulersContainer.Config.build(concrete, optimizers=optimizers, training_steps=training_steps)
