"""`codetitan plan`: resolves, estimates, builds one rank for real, and prints."""

import contextlib
import json
import logging
import os
import signal
import time
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

# A plan runs on a CPU, whatever the machine has: its tensors have no storage.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

from codetitan.config import data
from codetitan.config.resolve import Resolved, resolve
from codetitan.data.views.digest import open_loaders
from codetitan.errors import ConfigError
from codetitan.models.code.attention import CAUSAL
from codetitan.plan import forks
from codetitan.plan.estimate import estimate
from codetitan.plan.gpus import GPU
from codetitan.plan.report import ranking, text
from codetitan.plan.search import search
from codetitan.plan.tracing.dry_run import build
from codetitan.plan.tracing.trace import shards


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps torch's and torchtitan's remarks about fake runs off the console."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)


_SAMPLES = 64


def document_share(resolved: Resolved) -> tuple[float | None, str]:
    """Returns the share of the L × L attention that lies inside documents, measured on the first samples of the corpus.

    Without document masks, or without the corpus here, it is None, and the second value says why.
    """
    if resolved.config.model.attention == CAUSAL:
        return None, "without document masks"
    try:
        data.require_sources(resolved.config)
        (loader,) = open_loaders(resolved, 1)
    except ConfigError as error:
        return None, str(error)
    pairs = samples = 0
    window = resolved.config.model.shape().sliding_window or resolved.config.training.seq_len
    for inputs, _ in loader:
        pairs += int((inputs["positions"] + 1).clamp(max=window).sum())
        samples += len(inputs["positions"])
        if samples >= _SAMPLES or loader.exhausted:
            break
    if not samples:
        return None, "the corpus has no sample"
    return pairs / (samples * resolved.config.training.seq_len**2), ""


@contextlib.contextmanager
def _in_one_line(what: str) -> Iterator[None]:
    """Whatever torch or torchtitan raises is a line for the user, with the error's first line."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise ConfigError(f"{what}: {type(error).__name__}: {said[:300]}") from error


def check_gpu(resolved: Resolved, gpu: GPU) -> None:
    """The GPU has what the configuration asks for.

    Raises:
        ConfigError: it has not.
    """
    recipe, attention = resolved.config.float8.recipe, resolved.config.model.attention
    if recipe == "mxfp8":
        way_out = 'plan with "rowwise", which allocates and sends the same'
        raise ConfigError(f'float8.recipe = "mxfp8" needs Blackwell, and its kernels can\'t be traced; {way_out}')
    if recipe != "none" and not resolved.config.float8.emulate and not gpu.fp8_flops:
        raise ConfigError(f'float8.recipe = "{recipe}": the {gpu.name} has no FP8; set it to "none"')
    if attention == "flex_flash" and not gpu.hopper:
        raise ConfigError(f'model.attention = "flex_flash" needs a Hopper GPU or newer, not {gpu.name}; use "flex"')


def dry_run(resolved: Resolved, rank: int) -> tuple[int, float]:
    """Builds the trainer of one rank whole, as a run does; returns the bytes of its parameters, and the seconds.

    Raises:
        ConfigError: the trainer's own set-up refuses the configuration.
    """
    start = time.perf_counter()
    with (
        _in_one_line(f"the trainer's set-up fails on rank {rank}"),
        build(resolved.config, rank=rank, world_size=resolved.world_size) as trainer,
    ):
        held = shards(*trainer.model_parts).bytes
    return held, time.perf_counter() - start


@contextlib.contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """Ctrl-C ends the process and its forks at once, without a traceback of each."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@ended_by_ctrl_c()
@quiet()
def run(
    config: Path,
    overrides: Sequence[str],
    *,
    world_size: int | None,
    gpu: GPU,
    nodes_of: int,
    rank: int,
    as_json: bool,
    searches: bool,
    output: Path | None,
) -> None:
    """Prints the plan; see `codetitan plan --help`."""
    resolved = resolve(config, overrides, world_size=world_size, here=False)
    if not 0 <= rank < resolved.world_size:
        raise ConfigError(f"--rank {rank} must be one of 0 to {resolved.world_size - 1}")
    check_gpu(resolved, gpu)
    if searches:
        if output is not None and not output.absolute().parent.is_dir():
            raise ConfigError(f"--output {output} can't be written: No such file or directory")
        share, _ = document_share(resolved)
        with _in_one_line("it can't be traced"):
            best, compared = search(
                resolved.config, resolved.world_size, gpu, nodes_of=nodes_of, document_share=share, at_most=10
            )
        if not best:
            raise ConfigError(
                f"--search: none of {compared} valid settings fits {resolved.world_size} × {gpu.name}; take more GPUs, "
                "a smaller flavor or a shorter training.seq_len"
            )
        fragment = ranking.fragment(best[0], resolved, config, Path() if output is None else output.parent)
        print(ranking.ranking(best, compared), fragment, sep="\n\n")
        if output is not None:
            _write(output, fragment)
        return
    dry = forks.start(partial(dry_run, resolved, rank))  # before the loader has threads
    share, why_not = document_share(resolved)
    with _in_one_line("it can't be traced"):
        plan = estimate(resolved.config, resolved.world_size, gpu, nodes_of=nodes_of, document_share=share)
    held, seconds = dry()
    if as_json:
        print(json.dumps(text.as_json(plan, resolved.config, why_not, rank, held), indent=2))
    else:
        print(text.text(plan, resolved.config, why_not))
        print(text.built(plan, rank, held, seconds))


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--output {file} can't be written: {error.strerror}") from None
    print(f"\n{file}")
