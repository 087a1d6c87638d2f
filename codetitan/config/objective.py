"""What an objective asks of the other keys. Each raises ConfigError: key, value, rule and a fix."""

from codetitan.errors import ConfigError
from codetitan.models.code.attention import CAUSAL
from codetitan.objectives.config import DPO
from codetitan.training.trainer import CodeTrainer


def check(config: CodeTrainer.Config) -> None:
    """Runs the rules of [objective]."""
    objective = config.objective
    if not isinstance(objective, DPO):
        return
    if objective.loss == "ipo" and objective.label_smoothing:
        raise ConfigError(
            f'objective.label_smoothing = {objective.label_smoothing} has no effect with objective.loss = "ipo"; set '
            'it to 0, or objective.loss to "sigmoid"'
        )
    if config.model.attention == CAUSAL:
        raise ConfigError(
            f'model.attention = "{CAUSAL}" has no document masks, so that a rejected answer would see the chosen one; '
            'set it to "flex", or "varlen" on a GPU'
        )
