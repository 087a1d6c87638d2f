"""Each stage as an engine runs it: how many tasks it has, what it depends on, and one task of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from codetitan.prepare.duplicates.config import ExactDuplicates, NearDuplicates
from codetitan.prepare.duplicates.drops import write_drops
from codetitan.prepare.duplicates.exact import exact
from codetitan.prepare.duplicates.hashes import Text, hash_texts
from codetitan.prepare.duplicates.near.candidates import candidates
from codetitan.prepare.duplicates.near.choose import choose
from codetitan.prepare.duplicates.near.signatures import sign
from codetitan.prepare.duplicates.near.verify import verify
from codetitan.prepare.duplicates.ranks import Ranked, rank

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


class Hash(Part):
    """A task a shard."""

    word = "hash"

    @property
    def tasks(self) -> int:
        return self.work.shards

    @property
    def after(self) -> tuple[str, ...]:
        return self.work.after

    def inputs(self) -> Mapping[str, Any]:
        return {"format": FORMAT, "white_space": self.work.exact.white_space, **self.work.inputs}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        texts = self.work.read(folder, task)
        return hash_texts(texts, folder, white_space=self.work.exact.white_space, memory=self.work.memory)


class Rank(Part):
    """Tasks by key."""

    word = "rank"

    @property
    def after(self) -> tuple[str, ...]:
        return self._after("hash")

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        return rank(self._paths(folder, "hash"), task, self.tasks, folder, memory=self.work.memory)


class Exact(Part):
    """Tasks by digest."""

    word = "exact"

    @property
    def after(self) -> tuple[str, ...]:
        return self._after("rank")

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        ranked = self._paths(folder, "rank")
        return exact(ranked, task, self.tasks, self.work.shards, folder, memory=self.work.memory)


class Sign(Part):
    """A task a shard."""

    word = "sign"

    @property
    def tasks(self) -> int:
        return self.work.shards

    @property
    def after(self) -> tuple[str, ...]:
        return (*self.work.after, *self._after("rank", "exact"))

    def inputs(self) -> Mapping[str, Any]:
        near = self.work.near
        return {"format": FORMAT, "bands": near.bands, "rows": near.rows, "rensa": version("rensa"), **self.work.inputs}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        near = self.work.near
        return sign(
            self.work.read(folder, task),
            task,
            self._paths(folder, "rank"),
            self._copies(folder),
            folder,
            bands=near.bands,
            rows=near.rows,
            memory=self.work.memory,
        )


class _Round(Part):
    """One of several."""

    round: int

    def _before(self, word: str, stop: int) -> tuple[str, ...]:
        return tuple(self._of(word, number) for number in range(stop))


class Compare(_Round):
    """Tasks by bucket."""

    word = "compare"

    @property
    def after(self) -> tuple[str, ...]:
        if not self.round:
            return self._after("rank", "sign")
        return (*self._after("rank"), self._of("compare", self.round - 1), self._of("choose", self.round - 1))

    def inputs(self) -> Mapping[str, Any]:
        return {"format": FORMAT, "leaders": self.work.near.leaders[self.round]}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        previous = self.round - 1
        return candidates(
            self._paths(folder, "compare", previous) if self.round else self._paths(folder, "sign"),
            self._paths(folder, "choose", previous)[0] if self.round else None,
            task,
            self.tasks,
            Ranked(self._paths(folder, "rank")).n,
            folder,
            leaders=self.work.near.leaders[self.round],
            memory=self.work.memory,
        )


class Verify(_Round):
    """Tasks by the worse document."""

    word = "verify"

    @property
    def after(self) -> tuple[str, ...]:
        return (*self._after("rank", "sign"), self._of("compare", self.round))

    def inputs(self) -> Mapping[str, Any]:
        return {"format": FORMAT, "similarity": self.work.near.similarity}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        return verify(
            self._paths(folder, "compare", self.round),
            self._paths(folder, "rank"),
            self._paths(folder, "sign"),
            task,
            self.tasks,
            folder,
            threshold=self.work.near.similarity,
            memory=self.work.memory,
        )


class Choose(_Round):
    """One task."""

    word = "choose"

    @property
    def tasks(self) -> int:
        return 1

    @property
    def after(self) -> tuple[str, ...]:
        return (*self._after("rank"), self._of("compare", self.round), *self._before("verify", self.round + 1))

    def inputs(self) -> Mapping[str, Any]:
        return {"format": FORMAT, "last": self._last}

    @property
    def _last(self) -> bool:
        return self.round == len(self.work.near.leaders) - 1

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        verified = [path for r in range(self.round + 1) for path in self._paths(folder, "verify", r)]
        return choose(
            verified,
            self._paths(folder, "compare", self.round),
            Ranked(self._paths(folder, "rank")).n,
            folder,
            last=self._last,
            memory=self.work.memory,
        )


class Drops(Part):
    """A task a shard."""

    word = "drops"

    @property
    def tasks(self) -> int:
        return self.work.shards

    @property
    def after(self) -> tuple[str, ...]:
        near = self.work.near
        chosen = (self._of("choose", len(near.leaders) - 1),) if near.enable else ()
        return (*self._after("rank", "exact"), *chosen)

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        near = self.work.near
        chosen = self._paths(folder, "choose", len(near.leaders) - 1)[0] if near.enable else None
        return write_drops(task, self._paths(folder, "rank"), self._copies(folder), chosen, folder)
