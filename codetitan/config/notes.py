"""What a configuration says that somebody may not have meant: a line each at a run's start."""

from codetitan.config.load import Setting, Tree
from codetitan.config.machine import complete_steps
from codetitan.config.resolve import Resolved


def _is_written(tree: Tree, section: str, name: str) -> bool:
    below = tree.get(section)
    return isinstance(below, dict) and isinstance(below.get(name), Setting)


def notes(resolved: Resolved) -> list[str]:
    """Returns the lines; none where everything that matters was written, and is in force as it was."""
    config, tree = resolved.config, resolved.tree
    checkpoint, steps = config.checkpoint, config.training.steps
    lines = []
    if not checkpoint.enable and not _is_written(tree, "checkpoint", "enable"):
        lines.append(
            'no checkpoint is saved: checkpoint.enable is false by default; extends = "base.toml" sets it, and the '
            "recipe's FIM and metadata"
        )
    elif checkpoint.enable and checkpoint.load_only:
        lines.append("no checkpoint is saved: checkpoint.load_only = true")
    schedule = config.lr_scheduler
    total = schedule.total_steps or steps
    warmup = schedule.warmup_steps if schedule.warmup_steps is not None else round(schedule.warmup_ratio * total)
    if schedule.warmup_steps is not None and warmup >= total > 1:
        lines.append(
            f"lr_scheduler.warmup_steps = {warmup} are all of the {total} steps: the learning rate only rises; a share "
            "of them is lr_scheduler.warmup_ratio"
        )
    elif schedule.decay_ratio is not None and warmup + round(schedule.decay_ratio * total) > total:
        lines.append(
            f"lr_scheduler: {warmup} steps of warm-up leave {total - warmup} of the {total} for the decay, fewer than "
            f"lr_scheduler.decay_ratio = {schedule.decay_ratio} says"
        )
    if checkpoint.enable and checkpoint.initial_load_path and (there := complete_steps(config)):
        lines.append(
            f"checkpoint.initial_load_path is not read: the run goes on from its own step {there[-1]}; for a new run "
            "set another dump_folder"
        )
    return lines


def beginning(resolved: Resolved) -> str | None:
    """Returns what the weights are at a new run's first step; None of a run that goes on, which says so when it has."""
    config = resolved.config
    checkpoint = config.checkpoint
    if checkpoint.enable and complete_steps(config):
        return None
    if not checkpoint.enable or not checkpoint.initial_load_path:
        return f"initial values of seed {config.debug.seed}"
    rest = {"optimizer": "optimizer", "dataloader": "place in the data"}
    taken = [words for name, words in rest.items() if name not in checkpoint.exclude_from_loading]
    taken = ["weights", *([] if checkpoint.initial_load_model_only else taken)]
    return f"{', '.join(taken)} of {checkpoint.initial_load_path}"
