"""Each file by itself: its licence, its text, its secrets. What a rule would drop alone is counted for every rule."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import codetitan
from codetitan.data.pieces.grammars import grammar_versions
from codetitan.data.structure import parse_parts, to_json
from codetitan.prepare import counts
from codetitan.prepare.config import Prepare
from codetitan.prepare.contamination import Benchmarks
from codetitan.prepare.engine.stage import earlier
from codetitan.prepare.examples.collect import FORMAT, Examples
from codetitan.prepare.file import Drop, File
from codetitan.prepare.licences import Licences, Verdict, versions
from codetitan.prepare.rules import OF_FILES, TEXT_RULES, Judge
from codetitan.prepare.rules.copyright import Copyright
from codetitan.prepare.rules.generated import Generated
from codetitan.prepare.secrets import Secrets
from codetitan.prepare.secrets.keys import versions as secret_versions
from codetitan.prepare.stages import Lean, read
from codetitan.prepare.stages.facts import GatherFacts, Known
from codetitan.prepare.stages.read import LEFT_OUT, RAW, TABLE, Read, dropped_row
from codetitan.prepare.tables import DROPPED, NUMBER, TEXT, Row, Writer, rows

JUDGED = {**RAW, "licence_texts": TEXT, "permissive": NUMBER}
"""Columns of files that have been judged: with the SHA-256 of the texts that go with one, as JSON, and whether its
licence is permissive: of copies such a one stays."""


_NOT_ASKED = Verdict(None, (), (), None, None)


def file_of(row: Row) -> File:
    """Returns the file of a row of a table of files."""
    return File(
        row["source"], row["repo"], row["path"], row["content"], row.get("language", "other"), row.get("licence"),
        row["stars"], parts=parse_parts(row["document_parts"], row["content"]),
    )  # fmt: skip


@dataclass(frozen=True)
class JudgeFiles(Lean):
    """A task for each of `Read`.

    Attributes:
        config: the rules.
        tasks: of `Read`.
    """

    config: Prepare
    tasks: int

    name = "judge"
    after: tuple[str, ...] = (Read.name, GatherFacts.name)

    def inputs(self) -> Mapping[str, Any]:
        """The rules."""
        config = self.config
        tables = {rule.NAME: asdict(getattr(config, rule.NAME)) for rule in TEXT_RULES.values()}
        for name in ("licences", "syntax", "contamination", "secrets", "copyright", "quality"):
            tables[name] = asdict(getattr(config, name))
        return {
            "codetitan": codetitan.__version__,
            "rules": tables,
            "of licences": versions(),
            "of secrets": secret_versions() if config.secrets.enable else None,
            "of syntax": grammar_versions() if config.syntax.enable else None,
            "of quality": self.config.quality.digest(),
            "benchmarks": None if self._benchmarks is None else self._benchmarks.digest(),
            "examples": FORMAT,
            "format": 2,
        }

    @cached_property
    def _judges(self) -> "list[Judge | Benchmarks]":
        def enabled(*names: str) -> Iterator[Judge]:
            return (rule for rule in (getattr(self.config, name) for name in names) if rule.enable)

        benchmarks = [] if self._benchmarks is None else [self._benchmarks]
        return [*enabled(*TEXT_RULES, "syntax"), *benchmarks, *enabled("secrets", "quality")]

    @cached_property
    def _judges_of_documents(self) -> "list[Judge | Benchmarks]":
        return [rule for rule in self._judges if getattr(rule, "NAME", None) not in OF_FILES]

    @cached_property
    def _benchmarks(self) -> Benchmarks | None:
        return Benchmarks(self.config.contamination) if self.config.contamination.enable else None

    @cached_property
    def _strict(self) -> Licences:
        return replace(
            self.config.licences, keep_copyleft=False, keep_unknown=False, keep_unlicensed=False, enable=True
        )

    def run(self, task: int, folder: Path) -> Mapping[str, Any]:
        """Writes files.parquet, dropped.parquet and examples.jsonl."""
        tree: counts.Tree = {}
        known, examples = Known(folder), Examples()
        n_bytes = 0
        with Writer(folder / TABLE, JUDGED, level=1) as kept, Writer(folder / LEFT_OUT, DROPPED, level=1) as left_out:
            for row in rows(earlier(folder, Read.name)[task] / read.TABLE):
                file = file_of(row)
                n_bytes += row["n_bytes"]
                if file.document == "issue":  # what people said there is under no licence of the repository
                    verdict, permissive = _NOT_ASKED, True
                elif not self.config.licences.enable:
                    verdict, permissive = replace(_NOT_ASKED, licence=file.licence), True
                else:
                    verdict = self.config.licences.judge(file, known.repository(row["root"]))
                    permissive = not self._strict.would_drop(verdict)
                file.licence = verdict.licence
                counts.add(tree, row["n_bytes"], "licences", verdict.licence or "", "read")
                whole = file
                file, notices = _changed(file, self.config.copyright)  # rules look at what is the file's own
                drops = [verdict.drop] if verdict.drop is not None else []
                drops += self._drops(file, whole)
                for drop in drops:
                    counts.add(tree, row["n_bytes"], "alone", drop.rule)
                if drops:
                    counts.add(tree, row["n_bytes"], "dropped", drops[0].rule, drops[0].reason)
                    left_out.add(left := dropped_row(file, drops[0], row["n_bytes"]))
                    examples.add(left, (whole if left["rule"] == Generated.NAME else file).text)
                    continue
                noted = file
                file, secrets = _changed(file, self.config.secrets)
                for name, found, before, after in (
                    ("copyright", notices, whole, noted), ("secrets", secrets, noted, file),
                ):  # fmt: skip
                    examples.add_changed(name, found, before, after)
                    for what, n in found.items():
                        counts.add(tree, 1, "changed", name, what, files=n)
                said = [f"{o['file'] or 'the store'}: {o['says'] or 'not known'}" for o in verdict.provenance]
                kept.add({
                    **row, "content": file.text, "document_parts": to_json(file.parts), "licence": file.licence,
                    "licence_from": "; ".join(said) or None,
                    "sha256": hashlib.sha256(file.data).hexdigest(), "n_bytes": len(file.data),
                    "quality": self.config.quality.weight(file) if self.config.quality.enable else None,
                    "licence_texts": json.dumps(sorted(verdict.texts)),
                    "permissive": int(permissive),
                })  # fmt: skip
        examples.write(folder)
        return {"n_bytes": n_bytes, "counts": tree}

    def _drops(self, file: File, whole: File) -> Iterator[Drop]:
        """Yields why rules leave out a file, of which `whole` has its notices still: a generator's mark may be in
        them, or be among the first lines by their absence alone."""
        for rule in self._judges_of_documents if file.parts else self._judges:
            drop = rule.judge(whole if isinstance(rule, Generated) else file)
            if drop is not None:
                yield drop


def _changed(file: File, rule: Copyright | Secrets) -> tuple[File, Mapping[str, int]]:
    """Returns a file as a rule changes it, and what was changed how often."""
    if not file.parts:
        text, found = rule.change(file) if rule.enable else (file.text, {})
        return (replace(file, text=text) if found else file), found
    counted, texts = Counter[str](), []
    for part in file.texts if rule.enable and isinstance(rule, Secrets) else ():
        text, found = rule.change(replace(file, text=part, parts=()))
        counted.update(found)
        texts.append(text)
    return (file.with_texts(texts) if counted else file), counted
