"""All of an evaluation: from tasks and an engine to a folder of results."""

import contextlib
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

import codetitan
from codetitan.data.pieces.fim import Order
from codetitan.data.pieces.grammars import grammar_versions
from codetitan.engine import Engine, Sampling
from codetitan.engine.prompts import Prompts
from codetitan.errors import ConfigError
from codetitan.evaluate import report, results
from codetitan.evaluate.answers import Asked, answer, asks, done_before, limits, waiting
from codetitan.evaluate.counting import counted
from codetitan.evaluate.folder import Folder
from codetitan.evaluate.problems import Task
from codetitan.evaluate.protocols import Protocol
from codetitan.evaluate.results import Results
from codetitan.evaluate.scoring import score, windows_of
from codetitan.hf.tokenizer import digest
from codetitan.sandbox import Sandbox

KS = (1, 10, 100)
"""Of pass@k, where there are as many samples."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How models are asked, beside the protocol; None: as the protocol does.

    Attributes:
        samples: completions a problem.
        temperature: 0: greedy.
        top_p: nucleus.
        ks: of pass@k.
        max_new_tokens: of a completion.
        order: of a hole's parts.
        seed: of the draws.
        limit: problems a task; None: all.
        unsafe: run programs where the kernel lacks what confines them.
    """

    samples: int = 1
    temperature: float | None = None
    top_p: float | None = None
    ks: tuple[int, ...] | None = None
    max_new_tokens: int | None = None
    order: Order = "psm"
    seed: int = 0
    limit: int | None = None
    unsafe: bool = False


def settled(options: Options, protocol: Protocol) -> tuple[float, float, tuple[int, ...]]:
    """Returns temperature, top-p and the k of pass@k.

    Raises:
        ConfigError: they contradict each other, or the protocol does not say how to draw.
    """
    n, temperature = options.samples, options.temperature
    if temperature is None:
        if n > 1 and protocol.temperature is None:
            raise ConfigError(
                f"--samples {n} needs --temperature: the protocol {protocol.name} is greedy, whose completions are all "
                "the same"
            )
        temperature = 0.0 if n == 1 else protocol.temperature or 0.0
    if n > 1 and temperature == 0:
        raise ConfigError(f"--samples {n} needs a --temperature above 0: greedy completions are all the same")
    top_p = options.top_p
    if top_p is not None and temperature == 0:
        raise ConfigError(f"--top-p {top_p} needs a --temperature above 0: greedy takes the likeliest token")
    if top_p is None:
        top_p = (protocol.top_p or 1.0) if temperature else 1.0
    for k in options.ks or ():
        if k > n:
            raise ConfigError(f"--k {k} needs --samples of at least {k}, and there are {n}")
    return temperature, top_p, options.ks or tuple(k for k in KS if k <= n)


@dataclass(frozen=True)
class Opened:
    """An engine, and what results say of the model beside what the engine says.

    Attributes:
        engine: what is asked.
        path: the model, as it was named.
        step: of a checkpoint.
        batch_tokens: tokens that are decoded at once, of an engine of this process.
    """

    engine: Engine
    path: str
    step: int | None = None
    batch_tokens: int | None = None


def evaluate(
    tasks: Sequence[Task],
    open_engine: Callable[[], AbstractContextManager[Opened]],
    output: Path,
    protocol: Protocol,
    options: Options,
    say: Callable[[str], None] = print,
) -> Results:
    """Asks tasks, and writes samples, results.json, results.md and results.png.

    What can be wrong is found before anything is generated, and what is done is in the folder whatever comes then.

    Args:
        tasks: from `tasks.make`.
        open_engine: opens the engine; called when all else is in order.
        output: the folder.
        protocol: how to ask.
        options: the rest.
        say: called with a line for each task.

    Raises:
        ConfigError: options, folder, sandbox, model or server are not as they must be.
    """
    temperature, top_p, ks = settled(options, protocol)
    with Folder(output) as folder:
        if any(task.judged == "program" for task in tasks):
            for modules in {task.modules for task in tasks if task.judged == "program"}:
                with Sandbox(workers=1, unsafe=options.unsafe, modules=modules):
                    pass  # says now what this machine lacks
        with open_engine() as opened:
            engine = opened.engine
            check_infills(tasks, engine)
            model, facts = _model(opened)
            prompts = Prompts(engine.encoding, engine.sentinels, engine.context)
            asked = {
                task.name: Asked(
                    sampling=_sampling(task, protocol, options, temperature, top_p, engine.context),
                    order=options.order,
                    unsafe=options.unsafe,
                )
                for task in tasks
            }
            scored = Prompts(engine.encoding, engine.sentinels, engine.scored_context)
            texts = {task.name: windows_of(task, scored) for task in tasks if task.judged == "bits"}
            to_ask = {task.name: asks(task, prompts, asked[task.name]) for task in tasks if task.name not in texts}
            protocols = {task.name: _protocol(task, protocol, options, asked[task.name].sampling) for task in tasks}
            folder.settle(_identity(model, facts), protocols)
            facts["batch_tokens"] = folder.batches(opened.batch_tokens)
            found = _earlier(output, model, facts)
            for task in tasks:
                n, name = asked[task.name].sampling.n, task.name
                with _interrupted(task, folder, n):
                    if name in texts:
                        lines = score(task, engine, texts[name], folder, _progress)
                    else:
                        lines = answer(task, engine, asked[name], to_ask[name], folder, _progress)
                cut = sum(ask.cut for ask in to_ask.get(name, []))
                found.tasks[name] = counted(task, lines, protocols[name], n, ks, cut)
                results.write(output / results.NAME, results.to_json(found))
                say(report.line(name, found.tasks[name]))
    results.write(output / report.MARKDOWN, report.markdown(found))
    report.plot(found, output / report.PLOT)
    return found


def check_infills(tasks: Sequence[Task], engine: Engine) -> None:
    """The model can be asked to fill in holes, where a task has some.

    Raises:
        ConfigError: its tokenizer lacks the sentinels.
    """
    lacks = engine.sentinels.appended
    for task in tasks:
        if task.infills and lacks:
            raise ConfigError(
                f"--tasks {task.name}: the model's tokenizer has no {', '.join(lacks)}: it was not trained to infill; "
                "leave the task out"
            )


def _model(opened: Opened) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns what results say of the model, and of the engine."""
    engine = opened.engine
    facts = dict(engine.facts)
    model = {
        "path": opened.path,
        "step": opened.step,
        "fingerprint": facts.pop("fingerprint", None),
        "tokenizer": digest(engine.encoding.fingerprint),
        "dialect": engine.sentinels.dialect.name,
        "context": engine.context,
    }
    if opened.step is not None or facts.get("back_end") == "transformers":
        facts.pop("model", None)  # a checkpoint's is a temporary folder
    here = {"python": platform.python_version(), "codetitan": codetitan.__version__, "grammars": grammar_versions()}
    versions = facts.get("versions")
    facts["versions"] = here | (versions if isinstance(versions, dict) else {})
    return model, facts


def _identity(model: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """Returns what of a model decides its samples: those in a folder are all of one."""
    of_engine = {key: facts[key] for key in ("back_end", "model", "server", "device", "dtype", "probe") if key in facts}
    return {key: model[key] for key in ("fingerprint", "tokenizer", "dialect", "context")} | of_engine


def _sampling(
    task: Task, protocol: Protocol, options: Options, temperature: float, top_p: float, context: int
) -> Sampling:
    if task.judged == "bits":
        return Sampling()
    most = options.max_new_tokens or min(task.max_new_tokens or protocol.max_new_tokens, context // 2)
    return Sampling(
        temperature=temperature,
        top_p=top_p,
        max_new_tokens=most,
        n=options.samples,
        seed=options.seed,
        stops=task.stops,
    )


def _protocol(task: Task, protocol: Protocol, options: Options, sampling: Sampling) -> dict[str, Any]:
    """Returns what two results of a task must share to be compared."""
    shared: dict[str, Any] = {
        "harness": f"codetitan {codetitan.__version__}",
        "limit": options.limit,  # of documents it decides the data: the first that differs is said
        "data": dict(task.data),
        **task.asked,
    }
    if task.judged == "bits":
        return shared
    shared |= {
        "name": protocol.name,
        "prompt_end": None if task.infills else protocol.end,
        "stops": list(sampling.stops),
        "samples": sampling.n,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_new_tokens": sampling.max_new_tokens,
        "seed": sampling.seed if sampling.temperature else None,
        "order": options.order if task.infills else None,
    }
    if task.judged == "program":
        shared["sandbox"] = {**asdict(limits(task)), "unsafe": options.unsafe}
    return shared


def _earlier(output: Path, model: dict[str, Any], facts: dict[str, Any]) -> Results:
    """Returns the results that an earlier command has left in the folder, with this one's model and engine."""
    found = Results(model=model, engine=facts, tasks={}, codetitan=codetitan.__version__)
    if (output / results.NAME).is_file():
        found.tasks.update(results.read(output).tasks)
    return found


@contextlib.contextmanager
def _progress(what: str, n: int) -> Iterator[Callable[[int], object]]:
    """Shows a bar on a terminal."""
    with tqdm(total=n, desc=what, disable=not sys.stderr.isatty(), leave=False) as bar:
        yield bar.update


@contextlib.contextmanager
def _interrupted(task: Task, folder: Folder, n: int) -> Iterator[None]:
    """Says what is kept when Ctrl-C or SIGTERM ends it."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        judged, n_problems = done_before(task, folder, n), len(task.problems)
        text = f"{len(judged)} of {n_problems} problems are done"
        if task.judged == "program":
            generated = judged | waiting(task, folder, n)
            text = f"{len(generated)} of {n_problems} problems have completions, {len(judged)} are judged"
        text = f"{task.name}: stopped; {text}; the same command goes on"
        print(f"codetitan: {text}", file=sys.stderr, flush=True)
        raise
