"""Which checkpoints of a folder are complete, and which of those are as they were written."""

import re
from pathlib import Path

from codetitan.errors import ConfigError
from codetitan.titan import logger
from codetitan.training import checksums

LATEST_GOOD = "latest-good"
"""Of `checkpoint.load_step`: the last one that is not damaged."""


def half_written(folder: Path) -> list[Path]:
    """Returns the checkpoints below `folder` that were being written when their run ended."""
    return [
        path
        for path in sorted(folder.glob("step-*"))
        if re.fullmatch(r"step-\d+", path.name)
        and not (path / ".metadata").is_file()
        and all(file.suffix in (".distcp", checksums.SUFFIX) or file.name == ".metadata.tmp" for file in path.iterdir())
    ]


def complete_steps(folder: Path) -> list[int]:
    """Returns the steps of the complete checkpoints below `folder`, ascending."""
    names = [path.parent.name for path in folder.glob("step-*/.metadata")]
    return sorted(int(name[5:]) for name in names if re.fullmatch(r"step-\d+", name))


def _damage(folder: Path, step: int) -> str | None:
    return checksums.damage_seen_by_any(folder / f"step-{step}")


def latest_good(folder: Path) -> int | None:
    """Returns the last step whose files are whole, and says where that is not the last; None: there is none at all.

    A collective: each rank looks at its share of the files.

    Raises:
        ConfigError: each of them is damaged.
    """
    steps = complete_steps(folder)[::-1]
    if not steps:
        return None
    good = next((step for step in steps if _damage(folder, step) is None), None)
    if good is None:
        raise ConfigError(
            f'checkpoint.load_step = "{LATEST_GOOD}": each checkpoint of {folder} is damaged: '
            f"{', '.join(f'step-{step}' for step in steps)}"
        )
    if good != steps[0]:
        logger.warning("step-%d is damaged", steps[0])
    return good


def check(folder: Path, step: int) -> None:
    """A checkpoint's files are whole; a collective.

    Raises:
        ConfigError: they are not; it offers the one before that is.
    """
    if found := _damage(folder, step):
        earlier = (other for other in reversed(complete_steps(folder)) if other < step)
        good = next((other for other in earlier if _damage(folder, other) is None), None)
        offer = "no earlier one is whole"
        if good is not None:
            offer = f"step-{good} is whole: go on from it with --checkpoint.load_step {LATEST_GOOD}"
        raise ConfigError(f"{folder / f'step-{step}'} is damaged: {found}; {offer}")
