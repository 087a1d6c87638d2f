"""What evaluations during a run ask of the other keys: each rule raises ConfigError with key, value, rule and a fix."""

import re

from codetitan.errors import ConfigError
from codetitan.training.trainer import CodeTrainer

Config = CodeTrainer.Config


def check(config: Config) -> None:
    """There are checkpoints that can be evaluated, and such tasks."""
    checkpoint = config.checkpoint
    if checkpoint.evaluate_every_k is None:
        return
    key = f"checkpoint.evaluate_every_k = {checkpoint.evaluate_every_k}"
    if not checkpoint.enable or checkpoint.load_only:
        raise ConfigError(f"{key} has no effect where no checkpoint is saved; set checkpoint.enable = true")
    if "://" in config.dump_folder + checkpoint.folder:
        raise ConfigError(f"{key} needs checkpoints on a disk of this machine; remove it, or set another dump_folder")
    _check_tasks(checkpoint.evaluate_tasks)


def _check_tasks(words: list[str]) -> None:
    """The tasks exist, with the files that they take and the packages that they need."""
    from codetitan.evaluate import tasks
    from codetitan.evaluate.protocols import PROTOCOLS

    key = "checkpoint.evaluate_tasks"
    if not words:
        raise ConfigError(f'{key} must not be empty; for example ["humaneval"]')
    names = [word.partition("=")[0] for word in words]
    try:
        known = tasks.names(",".join(names))
    except ConfigError as error:
        raise ConfigError(str(error).replace("--tasks ", f"{key}: ", 1)) from None
    for name in known:
        if tasks.TASKS[name].data == "must" and name in words:
            raise ConfigError(f'{key}: "{name}" takes a file or a folder: write "{name}=PATH"')
    try:  # files are there and have the columns, packages are installed
        files = tasks.paths(known, [word for word in words if "=" in word])
        tasks.make(known, files, tasks.Asking(protocol=PROTOCOLS["bigcode"], limit=1))
    except ConfigError as error:
        raise ConfigError(re.sub(r"^--(tasks|data) ", f"{key}: ", str(error))) from None
