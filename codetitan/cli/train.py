"""`codetitan train`."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class TrainCommand:
    """Train what a configuration describes, on all visible GPUs or a CPU; the same as ./run_train.sh.

    Every option but --config is an override: --section.key VALUE. Read by `codetitan.launch`, as ./run_train.sh's are.
    """

    def run(self, overrides: Sequence[str]) -> None:
        """Is never called: the options are the launcher's."""
        raise AssertionError
