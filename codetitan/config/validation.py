"""What validation asks of the other keys: a rule a function. Each raises ConfigError: key, value, rule and a fix."""

from pathlib import PurePath

from codetitan.config import data
from codetitan.config.values import number_of_tokens
from codetitan.data.validation.copies import check_near_copies
from codetitan.errors import ConfigError
from codetitan.training.best import FOLDER
from codetitan.training.trainer import CodeTrainer

Config = CodeTrainer.Config


def check_data(config: Config) -> None:
    """There is something to measure on, and it is said once what."""
    validation = config.validation
    number_of_tokens(validation.tokens, "validation.tokens")
    if validation.share and validation.sources:
        raise ConfigError(
            f"validation.share = {validation.share} and validation.sources: the run is measured on one of them; remove "
            "the other"
        )
    data.check_mixture(validation.sources, "validation")
    for i, source in enumerate(validation.sources):
        if source.weight is not None or source.epochs is not None:
            name = "epochs" if source.weight is None else "weight"
            raise ConfigError(
                f"validation.sources.{i}.{name} has no effect: documents are measured as a hash orders them; remove it"
            )
    if validation.near_duplicates and not validation.find_copies:
        raise ConfigError(
            "validation.near_duplicates = true has no effect with validation.find_copies = false; remove one of them"
        )
    if validation.interval is None:
        return
    if not validation.measures:
        raise ConfigError(
            f"validation.interval = {validation.interval}: there is nothing to measure on; hold a share of the "
            "repositories out (--validation.share 0.01), or name validation.sources or validation.gold"
        )
    if validation.near_duplicates:
        check_near_copies()


def check_best(config: Config) -> None:
    """What is kept or ends a run is measured, and there is a checkpoint of it."""
    validation, checkpoint = config.validation, config.checkpoint
    of_text = bool(validation.share or validation.sources)
    if validation.patience is not None:
        key, value = "validation.patience", str(validation.patience)
        if validation.interval is None:
            raise ConfigError(f"{key} = {value} has no effect without validation.interval; set it")
        if not of_text and checkpoint.keep_best is None:
            raise ConfigError(
                f"{key} = {value} asks for a loss; set validation.share, or checkpoint.keep_best = "
                '"validation/bits_per_byte/gold"'
            )
    if checkpoint.keep_best is None:
        return
    key = f'checkpoint.keep_best = "{checkpoint.keep_best}"'
    if validation.interval is None:
        raise ConfigError(f"{key} has no effect without validation.interval; set it")
    if checkpoint.keep_best.endswith("/gold") and validation.gold is None:
        raise ConfigError(f'{key} needs validation.gold; set it to "humaneval"')
    if not checkpoint.keep_best.endswith("/gold") and not of_text:
        raise ConfigError(f"{key} needs held-out documents; set validation.share or validation.sources")
    if not checkpoint.enable or checkpoint.load_only:
        raise ConfigError(f"{key} has no effect where no checkpoint is saved; set checkpoint.enable = true")
    if "://" in config.dump_folder + checkpoint.folder:
        raise ConfigError(f"{key} needs checkpoints on a disk of this machine; remove it, or set another dump_folder")
    if PurePath(checkpoint.folder) == PurePath(FOLDER):
        raise ConfigError(
            f'{key} keeps it in dump_folder/{FOLDER}, which checkpoint.folder = "{checkpoint.folder}" is already; name '
            "another folder"
        )
    if checkpoint.interval % validation.interval:
        raise ConfigError(
            f"{key}: each checkpoint must have been measured, so checkpoint.interval = {checkpoint.interval} must be a "
            f"multiple of validation.interval = {validation.interval}"
        )


def check(config: Config) -> None:
    """Runs the rules of validation."""
    check_data(config)
    check_best(config)
