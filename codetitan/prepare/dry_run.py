"""What a preparation would come to, from a sample: `codetitan prepare --dry-run`. Nothing is written into the output.

A quarter of the sample is prepared first, and then all of it: what costs time and room whatever the size is then told
apart from what grows with it.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetitan import lock
from codetitan.errors import ConfigError
from codetitan.prepare.config import Prepare
from codetitan.prepare.engine.progress import EVERY_S, duration
from codetitan.prepare.engine.redo import redo
from codetitan.prepare.engine.run import execute, sigterm
from codetitan.prepare.engine.state import PARTIAL, claim, places
from codetitan.prepare.engine.tables import Local
from codetitan.prepare.engine.totals import total
from codetitan.prepare.readers.checkouts import unnamed
from codetitan.prepare.report.markdown import megabytes, share
from codetitan.prepare.report.tally import Count, Tally
from codetitan.prepare.run import open_sources, stages
from codetitan.prepare.sample import SampledRead, Timed
from codetitan.prepare.stages.read import Read

_BYTES = 50_000_000  # of a sample by default: a minute or so on two cores
_FEW = 10  # files: what a rule has fewer of in the sample can't be told of the whole
_COPIES = ("exact_duplicates", "near_duplicates", "repository_duplicates")


@dataclass(frozen=True)
class _Trial:
    """A sample that has been prepared.

    Attributes:
        tally: its counts.
        whole: files and bytes of all that it stands for.
        seconds: of one worker, by stage.
        disk: bytes that the stages' files take, by stage.
    """

    tally: Tally
    whole: Count
    seconds: Mapping[str, float]
    disk: Mapping[str, int]


def dry_run(config: Prepare, output: Path, sample: float | None = None, say: Callable[[str], None] = print) -> None:
    """Says what the whole would come to, and what of an existing output would be done again.

    Args:
        config: of `read_config`.
        output: of the command itself: there or not, it is only read.
        sample: share of the raw code, above 0 and at most 1; None: what has about 50 MB.
        say: called with a line now and then.

    Raises:
        ConfigError: a source, the folder, a task; or the sample has no file.
    """
    _check(output)
    read = open_sources(config)
    sample = sample or min(1.0, _BYTES / max(1, read.n_bytes))
    how = config.executor if isinstance(config.executor, Local) else Local()
    workers = how.workers or len(os.sched_getaffinity(0))
    say(f"dry run: a sample of about {megabytes(read.n_bytes)} is prepared in a temporary folder")
    for line in unnamed(config.sources):
        say(line)
    with sigterm(), tempfile.TemporaryDirectory(prefix="codetitan-dry-run-") as folder:
        small, large = (
            _try(config, SampledRead.sample(read, part), Path(folder, name), how, say)
            for name, part in (("quarter", sample / 4), ("sample", sample))
        )
    if not large.tally.read[0]:
        raise ConfigError(f"--dry-run: no file is in a sample of {sample:.2%}; take a larger one, such as --sample 0.5")
    for line in (*_found(config, small, large, workers), *_not_told(large), *_done(config, read, output)):
        say(line)


def _check(output: Path) -> None:
    """Refuses a folder that the command itself would refuse; nothing is written there."""
    names = [path.name for path in output.iterdir()] if output.is_dir() else []
    if any(name != lock.NAME and PARTIAL not in name for name in names):
        claim(output)


def _try(config: Prepare, read: Read, folder: Path, how: Local, say: Callable[[str], None]) -> _Trial:
    last = time.monotonic()

    def told(line: str) -> None:
        nonlocal last
        # That it is alive is enough; and of a sample nothing stays when it is stopped, so that is not said.
        if time.monotonic() - last >= EVERY_S and not line.startswith("stopped"):
            last = time.monotonic()
            say(f"  {folder.name}: {line}")

    all_stages = [Timed(stage) for stage in stages(config, read)]
    statistics = execute(all_stages, folder, how, told)
    tally = Tally(total(of_stage.get("counts", {}) for of_stage in statistics))
    first: Mapping[str, Any] = statistics[0]
    assert isinstance(read, SampledRead)
    whole = (round(first["seen_files"] * read.of_units), round(first["seen_bytes"] * read.of_units))
    seconds = {stage.name: float(of["seconds"]) for stage, of in zip(all_stages, statistics, strict=True)}
    if read.by_folder:
        # All was read, and little of it written: that stands as it is.
        seconds[read.name] *= tally.read[1] / max(1, whole[1])
    disk = {place.stage.name: _n_bytes(place.folder) for place in places(all_stages, folder)}
    return _Trial(tally, whole, seconds, disk)


def _n_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _of_whole(small: _Trial, large: _Trial, cost: Callable[[_Trial], Mapping[str, float]]) -> dict[str, float]:
    """Returns what each stage costs for the whole: a line through both samples, but not below a quarter of what the
    large one has a byte, nor above it."""
    n, whole = large.tally.read[1], large.whole[1]
    found = {}
    for name, high in cost(large).items():
        rise = (high - cost(small)[name]) / max(1, n - small.tally.read[1])
        found[name] = high + (whole - n) * min(max(rise, high / n / 4), high / n)
    return found


def _found(config: Prepare, small: _Trial, large: _Trial, workers: int) -> Iterator[str]:
    read, kept = large.tally.read, large.tally.kept
    by = large.whole[1] / read[1]
    yield (
        f"sample: {read[0]:,} of {_about(large.whole[0])} files, {megabytes(read[1])} of "
        f"{megabytes(large.whole[1])} ({share(read[1], large.whole[1])})"
    )
    yield "the whole would come to about:"
    rows = [("kept", kept), *((rule.name, rule.dropped) for rule in large.tally.rules())]
    for name, (files, n_bytes) in rows:
        if files:
            of = share(n_bytes, read[1])
            yield f"  {name:24}{_about(files * by):>14} files{megabytes(round(n_bytes * by)):>12}{of:>9}"
    seconds = _of_whole(small, large, lambda trial: trial.seconds)
    slowest = sorted(seconds.items(), key=lambda item: -item[1])[:3]
    yield (
        f"  time  {duration(sum(seconds.values()) / workers)} with {workers} worker{'s' if workers > 1 else ''} of "
        f"this machine ({', '.join(f'{name} {duration(s / workers)}' for name, s in slowest)}, …)"
    )
    disk = _of_whole(small, large, lambda trial: trial.disk)
    largest = sorted(disk.items(), key=lambda item: -item[1])[:3]
    sizes = ", ".join(f"{name} {megabytes(round(n))}" for name, n in largest)
    yield f"  disk  {megabytes(round(sum(disk.values())))} for the stages ({sizes}, …), the corpus among them"
    if not isinstance(config.executor, Local):
        yield "  the time is this machine's: a sample is not sent to a cluster"


def _about(files: float) -> str:
    """Returns a number of files with three digits: the others would say more than is known."""
    return f"{float(f'{files:.3g}'):,.0f}"


def _not_told(large: _Trial) -> Iterator[str]:
    if large.tally.read[0] == large.whole[0]:
        return
    yield "what a sample can't tell:"
    yield (
        f"  {', '.join(_COPIES)}: a copy is seen only where the other one is in the sample too: more of the whole will "
        "be dropped, and less kept"
    )
    if few := [rule.name for rule in large.tally.rules() if 0 < rule.dropped[0] < _FEW]:
        yield f"  {', '.join(sorted(few))}: fewer than {_FEW} files in the sample"


def _done(config: Prepare, read: Read, output: Path) -> Iterator[str]:
    """Yields what is done in the output, and what would be done again."""
    for number, line in enumerate(redo(stages(config, read), output)):
        if not number:
            yield f"{output}:"
        yield f"  {line}"
