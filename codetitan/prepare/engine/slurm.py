"""datatrove's executor for SLURM: job arrays that it writes and submits, and what it leaves to do.

Read in `SlurmPipelineExecutor` (0.10.1): of several arrays, the next stage waits for the last alone, whatever became of
the others; it submits a job more, to merge statistics; and it returns once all is submitted, so that the same command,
given again, submits it all again. Here a stage waits for all arrays of those before it, and the command for the jobs.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from datatrove.executor.slurm import SlurmPipelineExecutor

from codetitan.errors import ConfigError, one_line
from codetitan.prepare.engine.pipeline import LOGS, Task, Whole, logs
from codetitan.prepare.engine.progress import watching
from codetitan.prepare.engine.state import Place, write
from codetitan.prepare.engine.tables import Slurm

JOBS = "jobs.json"
"""In a stage's folder: the arrays that were submitted for it."""

POLL_S = 15.0
_PLAIN = re.compile(r"[\w./+=@,:-]+")


class SlurmExecutor(Whole, SlurmPipelineExecutor):
    """Submits the tasks of a stage that are left.

    Args:
        place: of the stage; its folder is made.
        how: the table.
        before: jobs that must have ended well.
    """

    def __init__(self, place: Place, how: Slurm, before: Sequence[str] = ()) -> None:
        self.place = place
        self.jobs: list[str] = []
        SlurmPipelineExecutor.__init__(
            self,
            [Task(place)],
            tasks=place.stage.tasks,
            time=how.time,
            partition=how.partition,
            cpus_per_task=how.cpus,
            mem_per_cpu_gb=how.memory_gb,
            workers=-1 if how.workers is None else how.workers,
            job_name=f"prepare-{place.stage.name}",
            qos=how.qos or "",
            # A job has the PATH of the shell that submitted it, in which this Python's programs need not be.
            env_command=how.setup or f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH",
            # A job whose predecessor failed would wait in the queue for ever.
            sbatch_args={"kill-on-invalid-dep": "yes", **how.options},
            max_array_size=how.max_array_size,
            depends_job_id=":".join(before) or None,
            job_id_retriever=self._id_of,
            logging_dir=str(logs(place)),
            tasks_per_job=how.tasks_per_job,
        )

    def _id_of(self, said: str) -> str:
        """Keeps the number at the end of `Submitted batch job 123`: each array's, where datatrove keeps the last."""
        self.jobs.append(said.split()[-1])
        return self.jobs[-1]

    def launch_merge_stats(self) -> None:
        """Nothing: statistics.json of each task is what counts."""


def run(places: Sequence[Place], how: Slurm, say: Callable[[str], None]) -> None:
    """Submits what is left of all stages, each after those that it reads, and waits until it is done.

    Jobs of an earlier command that are still in the queue are waited for, not submitted again.

    Raises:
        ConfigError: the output folder's name is none for a script, sbatch refused, or jobs ended without what they were
            to do.
    """
    for place in places:
        # datatrove writes its paths into shell scripts and options of sbatch as they are, where "%" has a meaning.
        if not _PLAIN.fullmatch(path := str(place.folder.absolute())):
            raise ConfigError(
                f'prepare.executor.name = "slurm": the scripts can\'t have the path "{path}"; choose an --output of '
                "letters, digits, and . _ - + = @ , : alone"
            )
    jobs: dict[str, list[str]] = {}
    queue = _queue()
    for place in places:
        submitted = _submitted(place)
        if queue is None and submitted and place.left():
            raise ConfigError("squeue does not answer, and jobs of an earlier command may run; mend that first")
        if alive := [job for job in submitted if job in (queue or ())]:
            jobs[place.stage.name] = alive
            say(f"{place.stage.name}: waits for {_jobs(alive)} of an earlier command")
        elif left := place.left():
            place.clear()
            before = [job for name in place.record["after"] for job in jobs.get(name, [])]
            jobs[place.stage.name] = _submit(place, how, before)
            say(f"{place.stage.name}: {len(left)} of {place.stage.tasks} tasks as {_jobs(jobs[place.stage.name])}")
    try:
        for place in places:
            if place.stage.name in jobs:
                with watching(place, say):
                    _wait(place, jobs[place.stage.name])
    except (KeyboardInterrupt, SystemExit):
        alive = [job for each in jobs.values() for job in each]
        say(f"{_jobs(alive)} go on; the same command waits for them, `scancel {' '.join(alive)}` ends them")
        raise


def _submit(place: Place, how: Slurm, before: Sequence[str]) -> list[str]:
    """Returns the arrays of a stage, which stage's folder keeps."""
    executor = SlurmExecutor(place, how, before)
    try:
        with _outside_of_jobs():
            executor.run()
    except subprocess.CalledProcessError as error:
        raise ConfigError(
            f'stage "{place.stage.name}": sbatch refused its jobs (exit code {error.returncode}, its reason stands '
            f"above); mend [prepare.executor], and the same command goes on"
        ) from None
    finally:
        if executor.jobs:
            write(place.folder / JOBS, {"jobs": executor.jobs})
    return executor.jobs


@contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """datatrove takes itself for a job's task by this variable; a shell that `srun --pty` gave has it, too."""
    number = os.environ.pop("SLURM_ARRAY_TASK_ID", None)
    try:
        yield
    finally:
        if number is not None:
            os.environ["SLURM_ARRAY_TASK_ID"] = number


def _wait(place: Place, jobs: Sequence[str]) -> None:
    gone = False
    while place.left():
        if gone:  # looked at once more after the last job had left: its last task may have come between
            raise _unfinished(place)
        queue = _queue()
        gone = queue is not None and not queue.intersection(jobs)
        if not gone:
            time.sleep(POLL_S)


def _unfinished(place: Place) -> ConfigError:
    if failures := place.failures():
        return ConfigError(failures[0].read_text(encoding="utf-8").partition("\n")[0])
    left = place.left()
    return ConfigError(
        f'stage "{place.stage.name}", task {left[0]}: not done, as {len(left)} of {place.stage.tasks}, and no job is '
        f"in the queue any more, as when time or memory ends (see {place.folder / LOGS / 'slurm_logs'}); raise "
        "prepare.executor.time or memory_gb, and the same command goes on"
    )


def _submitted(place: Place) -> list[str]:
    try:
        return list(json.loads((place.folder / JOBS).read_bytes())["jobs"])
    except FileNotFoundError:
        return []


def _queue() -> set[str] | None:
    """Returns this user's jobs that wait or run, arrays by their own number; None where nobody says."""
    try:
        said = subprocess.run(["squeue", "--me", "--noheader", "--format=%F"], capture_output=True, text=True)
    except OSError as error:
        raise ConfigError(f'prepare.executor.name = "slurm": squeue can\'t be run: {one_line(error)}') from None
    return set(said.stdout.split()) if said.returncode == 0 else None


def _jobs(jobs: Sequence[str]) -> str:
    return f"job{'s' if len(jobs) > 1 else ''} {', '.join(jobs)}"
