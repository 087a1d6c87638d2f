"""All of a preparation: from sources and rules to a corpus, what was dropped, and the report."""

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from codetitan.errors import ConfigError
from codetitan.lock import Lock
from codetitan.prepare.config import Prepare
from codetitan.prepare.engine.run import check, execute
from codetitan.prepare.engine.stage import Stage
from codetitan.prepare.engine.state import PARTIAL, as_json, outputs, places
from codetitan.prepare.engine.totals import total
from codetitan.prepare.examples.collect import FILE, merged
from codetitan.prepare.readers.checkouts import unnamed
from codetitan.prepare.readers.open import open_reader
from codetitan.prepare.report.markdown import markdown, megabytes
from codetitan.prepare.report.output import TALLY, open_output
from codetitan.prepare.report.page import page
from codetitan.prepare.report.tally import Tally
from codetitan.prepare.stages import duplicates
from codetitan.prepare.stages.facts import GatherFacts
from codetitan.prepare.stages.judge import JudgeFiles
from codetitan.prepare.stages.read import FACTS_FILES, LEFT_OUT, Read
from codetitan.prepare.stages.shards import CORPUS, LICENCES, CountLanguages, Scatter, WriteShards

REPORT, PAGE = "report.md", "report.html"
_SHARD_BYTES = 256_000_000
_TASK_BYTES = 64_000_000  # of stages that do not go by what was read: less would be a task's start
_MOST_TASKS = 256  # of these: each opens a file of every task before it
_PUBLISHED = ("corpus", "dropped", "licences")


def open_sources(config: Prepare) -> Read:
    """Returns the stage that reads the sources.

    Raises:
        ConfigError: one can't be opened.
    """
    return Read.of(config, [open_reader(source) for source in config.sources])


def stages(config: Prepare, read: Read | None = None) -> list[Stage]:
    """Opens the sources, and returns the stages of a preparation.

    Args:
        config: of `read_config`.
        read: what reads them, such as a sample; None: all of them.

    Raises:
        ConfigError: a source can't be opened.
    """
    read = read or open_sources(config)
    shards = config.shards or min(max(16, read.n_bytes // _SHARD_BYTES), 4096)
    tasks = min(max(1, read.n_bytes // _TASK_BYTES), _MOST_TASKS)
    compared = duplicates.names(config)
    languages = [CountLanguages(config, read.tasks, (JudgeFiles.name, *compared))] if config.balance.enable else []
    before = (Read.name, JudgeFiles.name, *compared, *(stage.name for stage in languages))
    return [
        read,
        GatherFacts(min(FACTS_FILES, tasks)),
        JudgeFiles(config, read.tasks),
        *duplicates.stages(config, read.tasks, tasks, shards),
        *languages,
        Scatter(config, read.tasks, shards, before),
        WriteShards(config, shards),
    ]


def prepare(config: Prepare, output: Path, say: Callable[[str], None] = print, *, remove_old: bool = False) -> Tally:
    """Makes a corpus; what an earlier call has done stays done.

    Args:
        config: of `read_config`.
        output: gets corpus/, dropped/, licences/, report.html, report.md and report.json, its counts; new, empty, or of
            an earlier call.
        say: called with a line now and then.
        remove_old: removes what stages with other thresholds have left.

    Raises:
        ConfigError: a source, the folder, or a task; what is done stays. Or nothing is kept.
    """
    check(config.executor)
    read = open_sources(config)
    all_stages = stages(config, read)
    places(all_stages, output)  # asks each what it depends on: a tokenizer, benchmarks
    say(f"about {megabytes(read.n_bytes)} of raw code, {len(all_stages)} stages")
    for line in unnamed(config.sources):
        say(line)
    statistics = execute(all_stages, output, config.executor, say, remove_old=remove_old)
    counted = total(of_stage.get("counts", {}) for of_stage in statistics)
    tally = Tally(counted)
    lock = Lock(output, say, key="output")
    lock.take()  # `execute` has given it back: of two commands that end together one publishes
    try:
        _publish(output, all_stages, config.format)
        _write(output / REPORT, markdown(tally, "Corpus"))
        _write(output / TALLY, as_json(counted))
        published = open_output(output)
        _write(output / PAGE, page(tally, published.corpus, published.dropped, _examples(all_stages, output), "Corpus"))
    finally:
        lock.release()
    kept, whole = tally.kept, tally.read
    if not kept[0]:
        raise ConfigError(f"nothing is kept of {whole[0]:,} files; {output / REPORT} says why")
    say(f"{output}: {kept[0]:,} of {whole[0]:,} files, {megabytes(kept[1])} of {megabytes(whole[1])}; {PAGE} says why")
    return tally


def _examples(all_stages: Sequence[Stage], output: Path) -> list[Mapping[str, Any]]:
    """Returns the examples of the stages that drop files."""
    folders = outputs(all_stages, output)
    return merged(folder / FILE for name in (Read.name, JudgeFiles.name, Scatter.name) for folder in folders[name])


def _publish(output: Path, all_stages: Sequence[Stage], form: str) -> None:
    """Gives the last stage's tables the names that people look for; links, where the file system has them."""
    *_, last = places(all_stages, output)
    try:
        partial = output / PARTIAL  # a kill must not leave half a corpus that looks whole
        shutil.rmtree(partial, ignore_errors=True)
        for name in _PUBLISHED:
            (partial / name).mkdir(parents=True)
        for task in range(last.stage.tasks):
            for table, name in ((f"{CORPUS}.{form}", "corpus"), (LEFT_OUT, "dropped")):
                file = last.task(task) / table
                _link(file, partial / name / f"part-{task:05}{file.suffix}")
            for digest, text in json.loads((last.task(task) / LICENCES).read_text(encoding="utf-8")).items():
                (partial / "licences" / f"{digest}.txt").write_text(text, encoding="utf-8")
        # All of the old outcome goes before any of the new one comes: a kill must not leave files of both.
        for name in (*_PUBLISHED, REPORT, PAGE, TALLY):
            _remove(output / name)
        for name in _PUBLISHED:
            (partial / name).rename(output / name)
        partial.rmdir()
    except OSError as error:
        raise ConfigError(f"--output {output} can't be written: {error.strerror}") from None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _link(source: Path, place: Path) -> None:
    try:
        os.link(source, place)
    except OSError:
        shutil.copy2(source, place)


def _write(file: Path, text: str) -> None:
    """Writes a text that is there whole or not at all."""
    partial = file.with_name(f"{file.name}{PARTIAL}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise ConfigError(f"{file} can't be written: {error.strerror}") from None
