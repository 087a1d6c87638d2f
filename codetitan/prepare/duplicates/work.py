"""What is deduplicated and how, and what all stages of it have in common."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codetitan.prepare.duplicates.config import ExactDuplicates, NearDuplicates
from codetitan.prepare.duplicates.hashes import Text

FORMAT = 1
"""Of the files; another one is another outcome."""

PARTIAL = ".partial"
"""Of the name of a task's folder, until it is whole."""


def beside(folder: Path, stage: str) -> list[Path]:
    """Returns the folders of a stage's tasks, in order, where `run` puts them: ROOT/STAGE/TASK."""
    tasks = folder.parents[1] / stage
    return sorted(path for path in tasks.iterdir() if not path.name.endswith(PARTIAL)) if tasks.exists() else []


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is deduplicated, and how.

    Attributes:
        read: (folder of the task, shard) → the shard's documents; called twice, and both times the same ones come.
        shards: how many. The memory that a shard takes: 24 bytes a document.
        exact, near: the settings.
        tasks: of each stage that does not go by shards. The outcome does not depend on it.
        memory_mb: of each task, beside about 60 MB for the process itself. Files of up to 33 bytes a document are
            mapped, whose pages the kernel may take back.
        name: what the stages' names begin with.
        after: names of the stages that `read` reads.
        inputs: of `read`, for the digest of the state.
        earlier: (folder of a task, name of a stage) → the folders of that stage's tasks, in order.
    """

    read: Callable[[Path, int], Iterable[Text]]
    shards: int
    exact: ExactDuplicates
    near: NearDuplicates
    tasks: int = 1
    memory_mb: float = 1024
    name: str = "duplicates"
    after: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    earlier: Callable[[Path, str], list[Path]] = beside

    @property
    def memory(self) -> int:
        """In bytes."""
        return int(self.memory_mb * 2**20)


@dataclass(frozen=True)
class Part:
    """A stage. The engine's protocol: `name`, `tasks`, `after`, `inputs` and `run`."""

    work: Work
    round: int | None = None

    word = ""

    @property
    def name(self) -> str:
        """Of this stage alone."""
        return self._of(self.word, self.round)

    @property
    def tasks(self) -> int:
        """How many there are."""
        return self.work.tasks

    @property
    def after(self) -> tuple[str, ...]:
        """The stages that it reads."""
        raise NotImplementedError

    def inputs(self) -> Mapping[str, Any]:
        """What the outcome depends on, but for the stages before it."""
        return {"format": FORMAT}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Does one task; returns its statistics."""
        raise NotImplementedError

    def _of(self, word: str, number: int | None = None) -> str:
        return f"{self.work.name}-{word}" + ("" if number is None else f"-{number}")

    def _paths(self, folder: Path, word: str, number: int | None = None) -> list[Path]:
        return self.work.earlier(folder, self._of(word, number))

    def _copies(self, folder: Path) -> list[Path]:
        return self._paths(folder, "exact") if self.work.exact.enable else []

    def _after(self, *words: str) -> tuple[str, ...]:
        """Names of stages; without "exact" where it is off."""
        return tuple(self._of(word) for word in words if word != "exact" or self.work.exact.enable)
