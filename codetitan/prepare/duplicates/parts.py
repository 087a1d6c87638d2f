"""Each stage as an engine runs it: how many tasks it has, what it depends on, and one task of it."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from codetitan.prepare.duplicates.drops import write_drops
from codetitan.prepare.duplicates.exact import exact
from codetitan.prepare.duplicates.hashes import hash_texts
from codetitan.prepare.duplicates.near.candidates import candidates
from codetitan.prepare.duplicates.near.choose import choose
from codetitan.prepare.duplicates.near.signatures import sign
from codetitan.prepare.duplicates.near.verify import verify
from codetitan.prepare.duplicates.ranks import Ranked, rank
from codetitan.prepare.duplicates.work import FORMAT, Part


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
