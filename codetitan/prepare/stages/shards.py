"""The corpus: what is left is dealt out by repository over the shards, and each shard is sorted and written."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from codetitan.data.pieces.grammars import grammar_versions
from codetitan.errors import ConfigError
from codetitan.prepare import counts
from codetitan.prepare.config import Prepare
from codetitan.prepare.engine.stage import earlier
from codetitan.prepare.examples.collect import FORMAT, Examples
from codetitan.prepare.file import File
from codetitan.prepare.stages import Lean
from codetitan.prepare.stages.deal import Dealer, dealt, in_order, memory_of_rows
from codetitan.prepare.stages.dependencies import by_dependencies
from codetitan.prepare.stages.duplicates import drops_of
from codetitan.prepare.stages.facts import GatherFacts, Known
from codetitan.prepare.stages.judge import JUDGED, JudgeFiles, file_of
from codetitan.prepare.stages.read import LEFT_OUT, TABLE, Read, bucket, dropped_row
from codetitan.prepare.tables import DROPPED, FILES, LinesWriter, Row, Writer, rows

CORPUS, LICENCES = "corpus", "licences.json"
_LANGUAGES = "languages.json"
FILES_RUN, DROPPED_RUN = "files", "dropped"


@dataclass(frozen=True)
class CountLanguages:
    """A task for each of `Read`: bytes by language of what is left by the other rules."""

    config: Prepare
    tasks: int
    after: tuple[str, ...]

    name = "languages"

    def inputs(self) -> Mapping[str, Any]:
        """Nothing beside what is left."""
        return {"format": 2}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Writes languages.json: language → bytes."""
        n_bytes: dict[str, int] = {}
        dropped = drops_of(folder, task, self.config)
        for index, row in enumerate(rows(earlier(folder, JudgeFiles.name)[task] / TABLE, ["language", "n_bytes"])):
            if index not in dropped:
                n_bytes[row["language"]] = n_bytes.get(row["language"], 0) + row["n_bytes"]
        (folder / _LANGUAGES).write_text(json.dumps(n_bytes, sort_keys=True), encoding="utf-8")
        return {}


@dataclass(frozen=True)
class Scatter:
    """A task for each of `Read`: leaves out duplicates and what is above its share, and deals out the rest."""

    config: Prepare
    tasks: int
    shards: int
    after: tuple[str, ...]

    name = "scatter"

    def inputs(self) -> Mapping[str, Any]:
        """The shares, and over how many shards."""
        return {"format": 2, "balance": asdict(self.config.balance), "shards": self.shards, "examples": FORMAT}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Writes the runs `files` and `dropped` (of the stages before, too), dealt out, and examples.jsonl."""
        tree: counts.Tree = {}
        shares = self._shares(folder)
        drops, examples = drops_of(folder, task, self.config), Examples()
        n_bytes = 0
        with self._dealer(folder, FILES_RUN, JUDGED) as files, self._dealer(folder, DROPPED_RUN, DROPPED) as dropped:
            for name in (Read.name, JudgeFiles.name):
                for row in rows(earlier(folder, name)[task] / LEFT_OUT):
                    dropped.add(self._shard(row), row)
            for index, row in enumerate(rows(earlier(folder, JudgeFiles.name)[task] / TABLE)):
                n_bytes += row["n_bytes"]
                drop = drops.get(index)
                if drop is None and shares is not None:
                    drop = self.config.balance.judge(file_of(row), shares)
                if drop is not None:
                    counts.add(tree, row["n_bytes"], "dropped", drop.rule, drop.reason)
                    dropped.add(self._shard(row), left := dropped_row(file_of(row), drop))
                    examples.add(left, row["content"])
                else:
                    files.add(self._shard(row), row)
        examples.write(folder)
        return {"n_bytes": n_bytes, "counts": tree}

    def _dealer(self, folder: Path, name: str, columns: Mapping[str, str]) -> Dealer:
        return Dealer(folder, name, columns, self.shards, memory=memory_of_rows(self.config.memory_mb))

    def _shard(self, row: Row) -> int:
        """A repository's files are together; those of none are spread by their names."""
        return bucket(row["repo"] or f"{row['source']}\0{row['path']}", self.shards)

    def _shares(self, folder: Path) -> Mapping[str, float] | None:
        if not self.config.balance.enable:
            return None
        n_bytes = Counter[str]()
        for part in earlier(folder, CountLanguages.name):
            n_bytes.update(json.loads((part / _LANGUAGES).read_text(encoding="utf-8")))
        return self.config.balance.kept(n_bytes)


@dataclass(frozen=True)
class WriteShards(Lean):
    """A task a shard."""

    config: Prepare
    tasks: int

    name = "write"
    after: tuple[str, ...] = (GatherFacts.name, Scatter.name)

    def inputs(self) -> Mapping[str, Any]:
        """Whose tokens are counted, what is written, and in which order."""
        ordering = self.config.dependency_order
        return {
            "format": self.config.format,
            "tokenizer": self._encoding.fingerprint if self._encoding is not None else None,
            "order": {**asdict(ordering), "grammars": grammar_versions() if ordering.enable else None},
        }

    @cached_property
    def _encoding(self) -> Any:
        if self.config.tokenizer is None:
            return None
        from codetitan.tokenizer.encoding import open_encoding

        try:
            return open_encoding(self.config.tokenizer)
        except ConfigError as error:
            raise ConfigError(str(error).replace("hf_assets_path", "prepare.tokenizer")) from None

    def _n_tokens(self, file: File) -> int:
        """Those of the text, and of a document in parts its sentinels: each part is encoded by itself."""
        return len(file.parts) + sum(len(self._encoding.encode(text)) for text in file.texts)

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Writes corpus.FORMAT by repository and in it by dependencies or path, dropped.parquet, and licences.json:
        SHA-256 → text."""
        tree: counts.Tree = {}
        parts, memory = earlier(folder, Scatter.name), memory_of_rows(self.config.memory_mb)
        known, texts = Known(folder), dict[str, str]()
        n_bytes = 0
        files = in_order(dealt(parts, FILES_RUN, task), _place, JUDGED, folder, memory=memory)
        if self.config.dependency_order.enable:
            files = by_dependencies(files, JUDGED, folder / "order", memory=memory)
        writer = Writer if self.config.format == "parquet" else LinesWriter
        with writer(folder / f"{CORPUS}.{self.config.format}", FILES) as corpus:
            for row in files:
                file = file_of(row)
                corpus.add({**row, "token_count": None if self._encoding is None else self._n_tokens(file)})
                of_repo = known.texts(row["root"])
                texts |= {digest: of_repo[digest] for digest in json.loads(row["licence_texts"])}
                size = row["n_bytes"]
                n_bytes += size
                counts.add(tree, size, "kept")
                counts.add(tree, size, "languages", row["language"], "kept")
                counts.add(tree, size, "documents", file.document or "file", "kept")
                counts.add(tree, size, "licences", row["licence"] or "", "kept")
                counts.add(tree, size, "sizes", "kept", counts.size_class(size))
        (folder / LICENCES).write_text(json.dumps(dict(sorted(texts.items()))), encoding="utf-8")
        with Writer(folder / LEFT_OUT, DROPPED) as left_out:
            for row in in_order(dealt(parts, DROPPED_RUN, task), _words, DROPPED, folder, memory=memory):
                left_out.add(row)
        return {"n_bytes": n_bytes, "counts": tree}


_REST = [name for name in JUDGED if name not in ("repo", "path", "sha256", "source", "content")]


def _place(row: Row) -> tuple[str, ...]:
    rest = (str(row[name]) for name in _REST)  # a store may have a file twice, with other stars
    return row["repo"] or "", row["path"], row["sha256"], row["source"], *rest


def _words(row: Row) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in DROPPED)
