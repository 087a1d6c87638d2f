"""`codetitan evaluate`."""

import contextlib
import math
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from codetitan.cli.options import at_least_one
from codetitan.errors import ConfigError

if TYPE_CHECKING:
    from codetitan.evaluate.run import Opened


@contextlib.contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Has SIGTERM, as a scheduler sends it, end the command as Ctrl-C does: no export is left, and it says what is
    kept. The second one ends it at once."""

    def ends(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, ends)
    # What a launcher starts has its mask, and a launcher blocks what it waits for (stop.listen).
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGTERM, before)


@dataclass
class EvaluateCommand:
    """Score a model: HumanEval, infilling, MBPP, exact match, bits per byte. What it writes runs in a sandbox."""

    output: Path
    """The folder for results and samples: new, or of the same command, which then goes on."""

    tasks: str
    """Separated by commas: humaneval, humaneval-infilling, infill-exact, gold, bits-per-byte, humaneval-plus, mbpp,
    mbpp-plus, own."""

    model: Path | None = None
    """A folder that `codetitan export` wrote, or a checkpoint. Beside --server: the same model's, for its tokenizer."""

    server: str | None = None
    """Ask a model that is served, at an address such as http://localhost:8000/v1: vLLM, SGLang, llama.cpp, …"""

    server_model: str | None = None
    """What the server calls it, where it serves several."""

    concurrency: int = 16
    """Requests to the server at once."""

    data: tuple[str, ...] = ()
    """TASK=PATH of tasks that take a file or a folder; PATH where one task alone does."""

    protocol: Literal["bigcode", "evalplus", "deepseek"] = "bigcode"
    """Prompt's end, stops, sampling."""

    samples: int = 1
    """Completions a problem."""

    temperature: float | None = None
    """0 takes the likeliest token each time; default: 0 of one sample, else the protocol's."""

    top_p: float | None = None
    """Draw from the likeliest tokens that have this probability together; default: the protocol's."""

    k: str | None = None
    """Of pass@k, separated by commas; default: those of 1, 10 and 100 for which there are samples."""

    max_new_tokens: int | None = None
    """Tokens of a completion; default: the protocol's, at most half the model's context."""

    order: Literal["psm", "spm"] = "psm"
    """Of a hole's parts: prefix, suffix, middle; or suffix, prefix, middle."""

    limit: int | None = None
    """Problems of each task, evenly spread; default: all."""

    seed: int = 0
    """Of the draws."""

    batch_tokens: int | None = None
    """Tokens, prompts and completions together, that are decoded at once; default: what fits."""

    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """To compute in; default: the model's."""

    tokenizer: str | None = None
    """Of a checkpoint: where the tokenizer is now, if not where it was when the model was trained."""

    unsafe: bool = False
    """Run programs also where the kernel has nothing that confines them."""

    def run(self, overrides: Sequence[str]) -> None:
        ks = self._check()
        self._check_model()
        from codetitan.evaluate import tasks
        from codetitan.evaluate.protocols import PROTOCOLS
        from codetitan.evaluate.run import Options, evaluate, settled

        protocol = PROTOCOLS[self.protocol]
        options = Options(
            samples=self.samples,
            temperature=self.temperature,
            top_p=self.top_p,
            ks=ks,
            max_new_tokens=self.max_new_tokens,
            order=self.order,
            seed=self.seed,
            limit=self.limit,
            unsafe=self.unsafe,
        )
        settled(options, protocol)
        names = tasks.names(self.tasks)
        files = tasks.paths(names, self.data)
        made = tasks.make(names, files, tasks.Asking(protocol=protocol, limit=self.limit))
        scores = any(task.judged == "bits" for task in made)
        with _sigterm_as_ctrl_c():
            evaluate(made, partial(self._opened, scores), self.output, protocol, options)
        print(f"{self.output}: results.json, results.md, results.png, and every sample")

    def _check(self) -> tuple[int, ...] | None:
        at_least_one("--concurrency", self.concurrency)
        at_least_one("--samples", self.samples)
        at_least_one("--max-new-tokens", self.max_new_tokens)
        at_least_one("--limit", self.limit)
        at_least_one("--batch-tokens", self.batch_tokens)
        if self.temperature is not None and not (self.temperature == 0 or 0.01 <= self.temperature < math.inf):
            raise ConfigError(f"--temperature {self.temperature} must be 0, or a number from 0.01 on")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"--top-p {self.top_p} must lie above 0 and up to 1")
        if not 0 <= self.seed < 1 << 31:
            raise ConfigError(f"--seed {self.seed} must be a whole number from 0 to {(1 << 31) - 1}")
        if self.k is None:
            return None
        words = [word.strip() for word in self.k.split(",")]
        if not all(word.isdecimal() and int(word) > 0 for word in words):
            raise ConfigError(f"--k {self.k} must be whole numbers from 1 on, such as 1,10")
        return tuple(dict.fromkeys(map(int, words)))

    def _check_model(self) -> None:
        if self.model is None and self.server is None:
            raise ConfigError("--model: missing; codetitan evaluate --model PATH, or --server URL")
        if self.server is None and self.server_model is not None:
            raise ConfigError(f"--server-model {self.server_model} needs --server URL")
        if self.server is not None:
            for option, value in (("--dtype", self.dtype), ("--batch-tokens", self.batch_tokens)):
                if value is not None:
                    raise ConfigError(f"{option} {value}: is the server's to choose; leave it out, or --server")

    @contextlib.contextmanager
    def _opened(self, scores: bool) -> "Iterator[Opened]":
        from codetitan.engine.model import as_folder
        from codetitan.evaluate.folder import EXPORT
        from codetitan.evaluate.run import Opened

        export = self.output / EXPORT
        if self.server is not None:
            from codetitan.engine.server import Server

            given = (
                contextlib.nullcontext((None, None))
                if self.model is None
                else as_folder(self.model, self.tokenizer, export)
            )
            with given as (tokenizer, step):
                server = Server(self.server, tokenizer, model=self.server_model, concurrency=self.concurrency)
                try:
                    if scores:
                        server.check_scores()
                    print(server.name)
                    yield Opened(server, str(self.model or server.facts["model"]), step)
                finally:
                    server.close()
            return
        assert self.model is not None
        from codetitan.engine.local import Local
        from codetitan.engine.model import load

        with as_folder(self.model, self.tokenizer, export) as (folder, step):
            engine = Local(load(folder, self.dtype), self.batch_tokens)
            try:
                yield Opened(engine, str(self.model), step, engine.batch_tokens)
            finally:
                engine.close()
