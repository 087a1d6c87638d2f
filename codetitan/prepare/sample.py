"""A part of the raw code that stands for the whole: the same for any number of workers, and drawn by no generator."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codetitan.data.document import Dropped
from codetitan.data.order import key, uniform
from codetitan.data.sources.open import Directory
from codetitan.prepare.engine.stage import Stage
from codetitan.prepare.file import File, Refused
from codetitan.prepare.licences import is_interesting
from codetitan.prepare.stages import Lean
from codetitan.prepare.stages.read import Read

_FEWEST_UNITS = 20  # of a sample: fewer say little of the rest


@dataclass(frozen=True)
class SampledRead(Read):
    """Reads a sample of the sources.

    Attributes:
        share: of the whole, above 0 and at most 1.
        by_folder: whether all is read and whole folders are left out; else whole units (archives, ranges of rows) are.
        of_units: the bytes of all units a byte of those that are read.
    """

    share: float = 1.0
    by_folder: bool = False
    of_units: float = 1.0

    @staticmethod
    def sample(read: Read, share: float) -> "SampledRead":
        """Returns the stage that reads about a share of what another reads.

        Folders are listed in order of their paths, and a LICENSE at the top counts for all that is below: they are
        sampled by their folders, with every file that says a licence. So is what has few units.
        """
        seed = key("dry run", "units")
        units = tuple(each for i, each in enumerate(read.units) if uniform(seed, i) < share)
        folders = any(isinstance(source, Directory) for source in read.config.sources)
        by_folder = folders or len(units) < _FEWEST_UNITS
        if by_folder:
            units = read.units
        whole, part = (sum(size for *_, size in of) for of in (read.units, units))
        of_units = whole / part if part else len(read.units) / len(units)
        return SampledRead(read.config, read.fingerprints, units, share=share, by_folder=by_folder, of_units=of_units)

    def _files(self, task: int) -> Iterator[File | Dropped | Refused]:
        seen_files = seen_bytes = 0
        for each in super()._files(task):
            file = each.file if isinstance(each, Refused) else each
            if isinstance(file, File) and file.in_corpus:
                seen_files, seen_bytes = seen_files + 1, seen_bytes + len(file.data)
            if not self.by_folder or self._chosen(file):
                yield each
            elif isinstance(each, File) and is_interesting(each.path):
                yield replace(each, in_corpus=False)
        self._seen[task] = seen_files, seen_bytes

    def _chosen(self, file: File | Dropped) -> bool:
        root = (file.root or file.repo or "") if isinstance(file, File) else ""
        return uniform(key("dry run", file.source, root, file.path.rpartition("/")[0]), 0) < self.share

    @property
    def _seen(self) -> dict[int, tuple[int, int]]:
        found: dict[int, tuple[int, int]] = self.__dict__.setdefault("seen", {})
        return found

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Reads a task; also counts what it could have read: seen_files, seen_bytes."""
        found = super().run(task, folder)
        files, n_bytes = self._seen.pop(task)
        return {**found, "seen_files": files, "seen_bytes": n_bytes}


@dataclass(frozen=True)
class Timed(Lean):
    """A stage that says how long its tasks took, in seconds of one worker."""

    stage: Stage

    @property
    def name(self) -> str:
        """The stage's."""
        return self.stage.name

    @property
    def tasks(self) -> int:
        """The stage's."""
        return self.stage.tasks

    @property
    def after(self) -> tuple[str, ...] | None:
        """The stage's."""
        return getattr(self.stage, "after", None)

    def inputs(self) -> Mapping[str, Any]:
        """The stage's."""
        return self.stage.inputs()

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Does a task."""
        start = time.perf_counter()
        found = self.stage.run(task, folder)
        return {**found, "seconds": time.perf_counter() - start}
