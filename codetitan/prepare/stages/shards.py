"""The corpus: what is left is dealt out by repository over the shards, and each shard is sorted and written."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from codetitan.prepare import counts
from codetitan.prepare.config import Prepare
from codetitan.prepare.duplicates.drops import read_drops
from codetitan.prepare.engine.stage import earlier
from codetitan.prepare.examples.collect import FORMAT, Examples
from codetitan.prepare.file import Drop
from codetitan.prepare.stages import Lean
from codetitan.prepare.stages.facts import GatherFacts, Known
from codetitan.prepare.stages.judge import JUDGED, JudgeFiles, file_of
from codetitan.prepare.stages.read import LEFT_OUT, TABLE, Read, bucket, dropped_row
from codetitan.prepare.tables import DROPPED, FILES, Row, Writer, rows

CORPUS, LICENCES = "corpus.parquet", "licences.json"
DUPLICATES = "duplicates-drops"


def _drops(folder: Path, task: int, config: Prepare) -> Mapping[int, Drop]:
    part = earlier(folder, DUPLICATES)[task]
    return dict(read_drops(part, config.near_duplicates.similarity))


@dataclass(frozen=True)
class CountLanguages:
    """One task: bytes by language of what is left by the other rules."""

    config: Prepare

    name = "languages"
    tasks = 1
    after: tuple[str, ...] = (JudgeFiles.name, DUPLICATES)

    def inputs(self) -> Mapping[str, Any]:
        """Nothing beside what is left."""
        return {"format": 1}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Writes languages.json: language → bytes."""
        n_bytes: dict[str, int] = {}
        for number, part in enumerate(earlier(folder, JudgeFiles.name)):
            dropped = _drops(folder, number, self.config)
            for index, row in enumerate(rows(part / TABLE, ["language", "n_bytes"])):
                if index not in dropped:
                    n_bytes[row["language"]] = n_bytes.get(row["language"], 0) + row["n_bytes"]
        (folder / "languages.json").write_text(json.dumps(n_bytes, sort_keys=True), encoding="utf-8")
        return {}


@dataclass(frozen=True)
class Scatter:
    """A task for each of `Read`: leaves out duplicates and what is above its share, and deals out the rest."""

    config: Prepare
    tasks: int

    name = "scatter"
    after: tuple[str, ...] = (JudgeFiles.name, DUPLICATES, CountLanguages.name)

    def inputs(self) -> Mapping[str, Any]:
        """The shares, and over how many shards."""
        return {"balance": asdict(self.config.balance), "shards": self.config.shards, "examples": FORMAT}

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Writes files-SHARD.parquet, unsorted, dropped.parquet and examples.jsonl."""
        tree: counts.Tree = {}
        kept = self._shares(folder)
        dropped, examples = _drops(folder, task, self.config), Examples()
        n_bytes = 0
        with ExitStack() as stack:
            left_out = stack.enter_context(Writer(folder / LEFT_OUT, DROPPED))
            shards = [
                stack.enter_context(Writer(folder / f"files-{shard:05}.parquet", JUDGED))
                for shard in range(self.config.shards)
            ]
            for index, row in enumerate(rows(earlier(folder, JudgeFiles.name)[task] / TABLE)):
                n_bytes += row["n_bytes"]
                drop = dropped.get(index) or self.config.balance.judge(file_of(row), kept)
                if drop is not None:
                    counts.add(tree, row["n_bytes"], "dropped", drop.rule, drop.reason)
                    left_out.add(left := dropped_row(file_of(row), drop))
                    examples.add(left, row["content"])
                else:
                    shards[bucket(row["repo"] or "", self.config.shards)].add(row)
        examples.write(folder)
        return {"n_bytes": n_bytes, "counts": tree}

    def _shares(self, folder: Path) -> Mapping[str, float]:
        part = earlier(folder, CountLanguages.name)[0]
        return self.config.balance.kept(json.loads((part / "languages.json").read_text(encoding="utf-8")))


@dataclass(frozen=True)
class WriteShards(Lean):
    """A task a shard."""

    config: Prepare

    name = "write"
    after: tuple[str, ...] = (Read.name, GatherFacts.name, JudgeFiles.name, Scatter.name)

    @property
    def tasks(self) -> int:
        """As many as there are shards."""
        return self.config.shards

    def inputs(self) -> Mapping[str, Any]:
        """Whose tokens are counted."""
        return {"tokenizer": self._encoding.fingerprint if self._encoding is not None else None}

    @cached_property
    def _encoding(self) -> Any:
        if self.config.tokenizer is None:
            return None
        from codetitan.tokenizer.encoding import open_encoding

        return open_encoding(self.config.tokenizer)

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Writes corpus.parquet by repository, path and text, dropped.parquet, and licences.json: SHA-256 → text."""
        tree: counts.Tree = {}
        found: list[Row] = []
        for part in earlier(folder, Scatter.name):
            found += rows(part / f"files-{task:05}.parquet")
        found.sort(key=lambda row: (row["repo"] or "", row["path"], row["sha256"], row["source"]))
        known, texts = Known(folder), dict[str, str]()
        with Writer(folder / CORPUS, FILES) as corpus:
            for row in found:
                n_tokens = None if self._encoding is None else len(self._encoding.encode(row["content"]))
                corpus.add({**row, "token_count": n_tokens})
                of_repo = known.texts(row["root"])
                texts |= {digest: of_repo[digest] for digest in json.loads(row["licence_texts"])}
                size = row["n_bytes"]
                counts.add(tree, size, "kept")
                counts.add(tree, size, "languages", row["language"], "kept")
                counts.add(tree, size, "licences", row["licence"] or "", "kept")
                counts.add(tree, size, "sizes", "kept", counts.size_class(size))
        (folder / LICENCES).write_text(json.dumps(dict(sorted(texts.items()))), encoding="utf-8")
        with Writer(folder / LEFT_OUT, DROPPED) as left_out:
            for row in sorted(self._left_out(folder, task), key=_order):
                left_out.add(row)
        return {"n_bytes": sum(row["n_bytes"] for row in found), "counts": tree}

    def _left_out(self, folder: Path, task: int) -> Iterator[Row]:
        for name in (Read.name, JudgeFiles.name, Scatter.name):
            for part in earlier(folder, name):
                for row in rows(part / LEFT_OUT):
                    if bucket(row["repo"] or "", self.tasks) == task:
                        yield row


def _order(row: Row) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in DROPPED)
