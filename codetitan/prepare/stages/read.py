"""Raw code as tables: what each task reads of the sources, without what paths rule out, and what says its licence."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import codetitan
from codetitan.data.document import Dropped
from codetitan.data.structure import to_json
from codetitan.errors import ConfigError
from codetitan.prepare import counts
from codetitan.prepare.config import Prepare
from codetitan.prepare.examples.collect import FORMAT, Examples
from codetitan.prepare.file import Drop, File, Refused
from codetitan.prepare.licences import Facts, collect, is_interesting, merge
from codetitan.prepare.readers import Reader
from codetitan.prepare.readers.archives import ArchiveReader
from codetitan.prepare.readers.open import open_reader
from codetitan.prepare.readers.served import ServedReader
from codetitan.prepare.stages import Lean
from codetitan.prepare.tables import DROPPED, FILES, TEXT, Row, Writer

RAW = {**FILES, "root": TEXT}
"""Columns of files that have been read: with the tree that each is in."""

FOR_LICENCES = "read for licences alone"
"""Why a LICENSE is not in the corpus."""

LONG_PATH = "long path"
"""Why a document is not read whose path has more than LONGEST_PATH characters."""

LONGEST_PATH = 1_000
"""An archive may have names of 1 MB; of each the folders are looked at, which are together the square of it."""

TABLE, LEFT_OUT = "files.parquet", "dropped.parquet"
FACTS_FILES = 64
"""Into how many files the facts of trees are dealt, by their names."""

_MOST_TASKS = 1_000
_FACTS_HELD = 64_000_000  # characters of licence texts and the like


def dropped_row(file: File, drop: Drop, n_bytes: int | None = None) -> Row:
    """Returns the row of a file that is dropped; with the bytes that it had where its text was changed before."""
    return {
        "source": file.source, "repo": file.repo, "path": file.path, "language": file.language, "licence": file.licence,
        "n_bytes": len(file.data) if n_bytes is None else n_bytes, "rule": drop.rule, "reason": drop.reason,
        "value": _shown(drop.value), "threshold": _shown(drop.threshold), "twin": drop.twin,
        "similarity": drop.similarity,
    }  # fmt: skip


def _shown(value: float | str | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Read(Lean):
    """Reads a part of the sources in each task.

    Attributes:
        config: what is read, and which paths are not.
        fingerprints: of the sources, in order.
        units: (source, unit, bytes), in order.
    """

    config: Prepare
    fingerprints: tuple[str, ...]
    units: tuple[tuple[int, int, int], ...]

    name = "read"
    after: tuple[str, ...] = ()

    @staticmethod
    def of(config: Prepare, readers: Sequence[Reader]) -> "Read":
        """Returns the stage that reads what has been opened."""
        units = tuple((s, unit, size) for s, reader in enumerate(readers) for unit, size in enumerate(reader.sizes))
        return Read(config, tuple(reader.fingerprint for reader in readers), units)

    @property
    def tasks(self) -> int:
        """A task a unit, up to a thousand."""
        return max(1, min(len(self.units), _MOST_TASKS))

    def inputs(self) -> Mapping[str, Any]:
        """The sources as they are, and the rule; not what a listing leaves out, which is told as it was at reading."""
        sources = [{"type": type(source).__name__, **asdict(source)} for source in self.config.sources]
        return {
            "codetitan": codetitan.__version__, "sources": sources, "fingerprints": self.fingerprints,
            "paths": asdict(self.config.paths), "notebooks": asdict(self.config.notebooks), "examples": FORMAT,
            "format": 3,
        }  # fmt: skip

    @cached_property
    def _readers(self) -> list[Reader]:
        """Opened again in each process, where a unit must be what it was when the work was cut into tasks."""
        readers = [open_reader(source) for source in self.config.sources]
        for reader, fingerprint in zip(readers, self.fingerprints, strict=True):
            if reader.fingerprint != fingerprint:
                raise ConfigError(
                    f"prepare.sources: {reader.name} has changed since this command began; the same command reads it "
                    "as it is now"
                )
        return readers

    @property
    def n_bytes(self) -> int:
        """About how much there is to read."""
        return sum(size for *_, size in self.units)

    def _of(self, task: int) -> tuple[tuple[int, int, int], ...]:
        n = len(self.units)
        return self.units[task * n // self.tasks : (task + 1) * n // self.tasks]

    def size(self, task: int) -> int:
        """Returns about how many bytes a task reads."""
        return sum(size for *_, size in self._of(task))

    def _files(self, task: int) -> Iterator[File | Dropped | Refused]:
        for source, unit, _ in self._of(task):
            for each in self._readers[source].read(unit):
                yield self._converted(each) if isinstance(each, File) and each.in_corpus else each

    def _converted(self, file: File) -> File | Refused:
        """A notebook as the document that it is, if paths do not rule it out: that is said of it first."""
        notebooks, paths = self.config.notebooks, self.config.paths
        if not notebooks.takes(file) or (paths.enable and paths.judge_path(file.path, 0) is not None):
            return file
        return notebooks.change(file)

    def _speaks(self, path: str) -> bool:
        """Whether what lies there says something of the repository: not what is vendored, but debian/copyright; and
        whatever its size."""
        paths = self.config.paths
        return not paths.enable or path == "debian/copyright" or paths.judge_path(path, 0) is None

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Writes files.parquet, dropped.parquet, examples.jsonl and runs of facts: [root, facts] a line."""
        tree: counts.Tree = {}
        facts = _FactsRuns(folder)
        examples = Examples()
        n_bytes = 0
        with Writer(folder / TABLE, RAW, level=1) as kept, Writer(folder / LEFT_OUT, DROPPED, level=1) as left_out:

            def unread(each: Dropped, repo: str | None = None) -> None:
                counts.add(tree, 0, "unread", each.reason)
                said = {"source": each.source, "repo": repo, "path": each.path, "rule": "read", "reason": each.reason}
                left_out.add(said)

            for reader in self._readers if task == 0 else ():
                for reason, n in reader.dropped.items():
                    counts.add(tree, 0, "unread", reason, files=n)
                if isinstance(reader, ServedReader | ArchiveReader):
                    reader.left_out(unread)
            for each in self._files(task):
                if isinstance(each, Dropped):
                    unread(each)
                    continue
                refused = each.drop if isinstance(each, Refused) else None
                each = each.file if isinstance(each, Refused) else each
                if len(each.path) > LONGEST_PATH:
                    unread(Dropped(each.source, each.path[:LONGEST_PATH], LONG_PATH), each.repo)
                    continue
                size = len(each.data)
                n_bytes += size
                drop = self.config.paths.judge(each) if self.config.paths.enable else None
                drop = drop or refused
                if each.root is not None and not each.parts and is_interesting(each.path) and self._speaks(each.path):
                    facts.add(each.root, each.path, each.text)
                if not each.in_corpus:
                    unread(Dropped(each.source, each.path, FOR_LICENCES), each.repo)
                    continue
                counts.add(tree, size, "read")
                counts.add(tree, size, "languages", each.language, "read")
                counts.add(tree, size, "documents", each.document or "file", "read")
                counts.add(tree, size, "sizes", "read", counts.size_class(size))
                if drop is not None:
                    counts.add(tree, size, "dropped", drop.rule, drop.reason)
                    counts.add(tree, size, "alone", drop.rule)
                    left_out.add(row := dropped_row(each, drop))
                    examples.add(row, each.text)
                    continue
                kept.add({
                    "repo": each.repo, "path": each.path, "content": each.text, "language": each.language,
                    "licence": each.licence, "stars": each.stars, "n_bytes": size, "source": each.source,
                    "root": each.root, "date": None if each.date is None else each.date.isoformat(),
                    "document_parts": to_json(each.parts),
                })  # fmt: skip
        examples.write(folder)
        facts.write()
        return {"n_bytes": n_bytes, "counts": tree}


class _FactsRuns:
    """The facts of a task's trees, in files by name, sorted by `place_of`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, Facts] = {}
        self._held = self._runs = 0

    def add(self, root: str, path: str, text: str) -> None:
        """Adds what a file says of its tree."""
        found = collect([(path, text)])
        self._found[root] = merge(self._found[root], found) if root in self._found else found
        self._held += len(text) + 1_000
        if self._held > _FACTS_HELD:
            self.write()

    def write(self) -> None:
        """Writes what has been added since the last time."""
        files: dict[int, list[tuple[int, str]]] = {}
        for place, root in sorted((place_of(root), root) for root in self._found):
            files.setdefault(place % FACTS_FILES, []).append((place, root))
        for number, roots in files.items():
            lines = (json.dumps([root, self._found[root]], sort_keys=True) + "\n" for _, root in roots)
            (self._folder / f"facts-{number:02}-{self._runs:03}.jsonl").write_text("".join(lines), encoding="utf-8")
        self._found, self._held, self._runs = {}, 0, self._runs + 1


def facts_runs(folder: Path, number: int) -> list[Path]:
    """Returns the runs of a file of facts that a task of `Read` has left."""
    return sorted(folder.glob(f"facts-{number:02}-*.jsonl"))


def place_of(root: str) -> int:
    """Returns by what trees are sorted, and dealt out: a hash of 64 bits."""
    return int.from_bytes(hashlib.sha256(root.encode()).digest()[:8])


def bucket(repo: str, n: int) -> int:
    """Returns in which of n files a repository, or a tree, is."""
    return place_of(repo) % n
