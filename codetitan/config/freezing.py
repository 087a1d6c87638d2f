"""What training a part of the layers asks of the other keys. Each raises ConfigError: key, value, rule and a fix."""

from codetitan.config import degrees
from codetitan.errors import ConfigError
from codetitan.models.code.freezing import parse, trains
from codetitan.models.code.shape import tensors
from codetitan.training.trainer import CodeTrainer


def check(config: CodeTrainer.Config) -> None:
    """`training.train_layers` names blocks that there are, and leaves each pipeline stage something to train."""
    layers, shape = config.training.train_layers, config.model.shape()
    if layers is None:
        return
    key = f'training.train_layers = "{layers}"'
    try:
        _, n = parse(layers)
    except ValueError:
        raise ConfigError(f'{key} must be "last:N" or "first:N", such as "last:4"') from None
    if n >= shape.n_layers:
        raise ConfigError(
            f"{key}: the model has {shape.n_layers} blocks; name fewer, or remove it to train the whole model"
        )
    trained = [name for name in tensors(shape) if trains(name, shape, layers)]
    for number, modules in enumerate(degrees.pipeline_stages(config)):
        # torch asks every stage for a gradient of what it has passed on.
        if not any(name.startswith(f"{module}.") for name in trained for module in modules):
            raise ConfigError(
                f"{key} leaves pipeline stage {number} nothing to train, which torch's schedules can't do; name more "
                "blocks, or shard by another degree"
            )
