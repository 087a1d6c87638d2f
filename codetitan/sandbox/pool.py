"""Programs in, verdicts out: a zygote a core, identical programs once, what was killed once more and alone.

Who killed a program can't be told: it may have done so itself, or the kernel, out of memory that its neighbours took.
"""

import os
import select
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType

from codetitan.errors import ConfigError
from codetitan.sandbox.program import Limits, Program, SandboxError, Verdict
from codetitan.sandbox.worker import BrokenTestError, Outcome, Worker, notice

_TRIES = 2
_LOST_IN_A_ROW = 10


@dataclass(eq=False)
class _Task:
    """A program, and who asked for it; of a reference: which programs wait for what comes of it.

    `tries` are those that its worker did not live through; `alone`: its last one, with nothing beside it.
    """

    program: Program
    indices: list[int] = field(default_factory=list)
    inside: bool = False
    tries: int = 0
    alone: bool = False
    is_reference: bool = False
    blocked: "list[tuple[_Task, Outcome]]" = field(default_factory=list)
    outcome: Outcome | None = None


class Sandbox:
    """Runs what a model wrote, and decides whether it passes its test.

    Args:
        workers: zygotes; None: one a core of this process.
        limits: of each program.
        unsafe: run also where the kernel lacks Landlock or seccomp; one line on stderr says what that gives up.
        modules: packages that programs and tests may import beside the standard library, such as "numpy".

    Raises:
        SandboxError: at `with`, in one line: this machine lacks what it needs.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        unsafe: bool = False,
        modules: Sequence[str] = (),
    ) -> None:
        if workers is not None and workers < 1:
            raise ConfigError(f"sandbox workers = {workers}: must be at least 1")
        self._count = workers
        self._limits, self._unsafe, self._modules = limits, unsafe, tuple(modules)
        self._workers: list[Worker] = []
        self._open = self._noticed = False
        self._run: _Run | None = None

    def __enter__(self) -> "Sandbox":
        if not sys.platform.startswith("linux"):
            raise SandboxError(f"the sandbox needs Linux with Landlock and seccomp; this is {sys.platform}")
        try:
            self._fill()
        except BaseException:
            self.close()
            raise
        self._open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def _fill(self) -> None:
        """Starts the zygotes that are missing."""
        while len(self._workers) < (self._count or len(os.sched_getaffinity(0))):
            self._workers.append(Worker(self._limits, self._modules, unsafe=self._unsafe))
            missing = self._workers[-1].missing
            if missing and not self._noticed:
                print(f"codetitan: {notice(missing)}", file=sys.stderr, flush=True)
                self._noticed = True

    def _drop(self, worker: Worker) -> None:
        self._workers.remove(worker)
        worker.close()

    def close(self) -> None:
        """Ends every process; what runs is lost."""
        while self._workers:
            self._workers.pop().close()
        self._open = False

    def run(self, programs: Iterable[Program]) -> Iterator[tuple[int, Verdict]]:
        """Yields (index in `programs`, verdict) as they are done; identical programs run once.

        Raises:
            SandboxError: outside `with`, or while another `run` goes on.
        """
        if not self._open or self._run is not None:
            rule = "one run at a time" if self._open else "use it with `with Sandbox() as sandbox:`"
            raise SandboxError(f"sandbox: {rule}")
        self._run = _Run(programs)
        try:
            yield from self._verdicts(self._run)
        finally:
            for worker in [worker for worker, tasks in self._run.given.items() if tasks]:
                if worker in self._workers:
                    self._drop(worker)  # with what it runs, which nobody waits for any more
            self._run = None

    def _verdicts(self, run: "_Run") -> Iterator[tuple[int, Verdict]]:
        lost_in_a_row = 0
        while True:
            self._fill()
            lost: list[Worker] = []
            for worker in list(self._workers):
                given = run.given.setdefault(worker, {})
                # One at a time: a second would wait behind one that sleeps.
                while not given and (task := run.next()) is not None:
                    try:
                        given[worker.send(task.program, inside=task.inside)] = task
                    except BrokenTestError as error:
                        run.settle(task, Outcome(Verdict(False, "error", str(error), 0.0)))
                    except OSError:
                        given[-1] = task
                        lost.append(worker)
                        break
                yield from run.done()
            for worker in lost:
                run.lost(worker)
                self._drop(worker)
            busy = [worker for worker in self._workers if run.given[worker]]
            if not busy:
                if run.exhausted and not run.ready and not run.alone:
                    return
                continue
            poll = select.poll()
            for worker in busy:
                poll.register(worker.control, select.POLLIN)
            found = {descriptor for descriptor, _ in poll.poll()}
            for worker in [worker for worker in busy if worker.control.fileno() in found]:
                received = worker.receive()
                if received is None:
                    # Those that are tried alone have been counted before.
                    lost_in_a_row += not any(task.alone for task in run.given[worker].values())
                    if lost_in_a_row > _LOST_IN_A_ROW:
                        raise SandboxError("sandbox: each worker dies with the first program that it is given")
                    run.lost(worker)
                    self._drop(worker)
                else:
                    lost_in_a_row = 0
                    number, outcome = received
                    run.received(run.given[worker].pop(number), outcome)
            yield from run.done()


class _Run:
    """What one call of `run` knows: what is known, ready, given to a worker, and done."""

    def __init__(self, programs: Iterable[Program]) -> None:
        self._programs = enumerate(programs)
        self._known: dict[Program, _Task] = {}
        self._references: dict[tuple[str, str, str | None], _Task] = {}
        self._done: deque[tuple[int, Verdict]] = deque()
        self.ready: deque[_Task] = deque()
        self.alone: deque[_Task] = deque()
        self.given: dict[Worker, dict[int, _Task]] = {}
        self.exhausted = False

    def next(self) -> _Task | None:
        """What to run next; programs are taken as there is room for them."""
        while not self.ready and not self.exhausted:
            item = next(self._programs, None)
            if item is None:
                self.exhausted = True
                break
            index, program = item
            task = self._known.get(program)
            if task is None:
                task = self._known[program] = _Task(program)
                self.ready.append(task)
            if task.outcome is not None:
                self._done.append((index, task.outcome.verdict))
            else:
                task.indices.append(index)
        if self.ready:
            return self.ready.popleft()
        return self.alone.popleft() if self.alone and not any(self.given.values()) else None

    def done(self) -> Iterator[tuple[int, Verdict]]:
        """Takes what is done."""
        while self._done:
            yield self._done.popleft()

    def lost(self, worker: Worker) -> None:
        """A worker is gone: its program is tried once more, and then alone."""
        for task in self.given.pop(worker).values():
            task.tries += 1
            if task.tries < _TRIES:
                self.ready.appendleft(task)
            else:
                detail = f"its worker was killed {task.tries} times, at last with nothing beside it"
                self.received(task, Outcome(Verdict(False, "killed", detail, 0.0, task.inside)))

    def received(self, task: _Task, outcome: Outcome) -> None:
        """What came of a task. One that needs objects is run inside where the test makes them, or where the reference
        needs them too: a program can't choose to have its test in its own process."""
        if outcome.verdict.reason == "killed" and not task.alone:
            task.alone = True
            self.alone.append(task)
        elif outcome.needs_objects is None or task.inside or task.is_reference:
            self.settle(task, outcome)
        elif outcome.needs_objects == "test":
            self._inside(task)
        elif not task.program.reference:
            self.settle(task, outcome)
        else:
            program = task.program
            key = (program.reference, program.test, program.entry_point)
            reference = self._references.get(key)
            if reference is None:
                reference = _Task(replace(program, source=program.reference), is_reference=True)
                self._references[key] = reference
                self.ready.appendleft(reference)
            if reference.outcome is None:
                reference.blocked.append((task, outcome))
            else:
                self._decide(task, outcome, reference.outcome)

    def settle(self, task: _Task, outcome: Outcome) -> None:
        """A task has its verdict; what waited for it goes on."""
        task.outcome = outcome
        self._done += [(index, outcome.verdict) for index in task.indices]
        for other, so_far in task.blocked:
            self._decide(other, so_far, outcome)

    def _decide(self, task: _Task, outcome: Outcome, of_reference: Outcome) -> None:
        if of_reference.needs_objects is None:
            self.settle(task, outcome)
        else:
            self._inside(task)

    def _inside(self, task: _Task) -> None:
        task.inside = True
        self.ready.appendleft(task)
