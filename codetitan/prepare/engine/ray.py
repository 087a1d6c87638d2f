"""datatrove's executor for Ray, and what it does not say.

Read and tried in `RayPipelineExecutor` (0.10.1): a task's exception is logged at a level that nobody sees, and `run`
returns; a task that is killed is waited for for ever, since the actor maps over a `multiprocess.Pool`, as on one
machine; a task that asks for more than the cluster has waits for ever, too; and its logs go through `/tmp/ray_logs`,
which is the first user's. Here a task runs in a process of its own, below the actor's, and what is left is looked at.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from datatrove.executor.base import PipelineExecutor
from datatrove.executor.ray import RayPipelineExecutor

from codetitan.errors import ConfigError, one_line
from codetitan.prepare.engine.pipeline import Task, Whole, logs
from codetitan.prepare.engine.progress import watching
from codetitan.prepare.engine.state import Place
from codetitan.prepare.engine.tables import Ray
from codetitan.prepare.engine.task import ended, failure


class RayExecutor(Whole, RayPipelineExecutor):
    """Runs the tasks of a stage that are left on a cluster that has been joined.

    Args:
        place: of the stage; its folder is made.
        how: the table.
        workers: tasks at a time.
    """

    def __init__(self, place: Place, how: Ray, workers: int) -> None:
        self.place = place
        RayPipelineExecutor.__init__(
            self,
            [Task(place)],
            tasks=place.stage.tasks,
            workers=workers,
            logging_dir=str(logs(place)),
            cpus_per_task=how.cpus,
            mem_per_cpu_gb=how.memory_gb,
        )

    def _run_for_rank(self, rank: int, local_rank: int = 0, node_rank: int = -1) -> Any:
        """Runs a task in a child, whose death this process notices; datatrove's pool would not notice its own."""
        child = os.fork()
        if child == 0:
            code = 1
            try:
                PipelineExecutor._run_for_rank(self, rank, local_rank, node_rank)
                code = 0
            finally:  # nothing that the parent has open is closed twice
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code < 0:
            log = logs(self.place) / "logs" / f"task_{rank:05d}.log"
            raise failure(self.place, rank, ConfigError(ended(code, log, self.workers)))
        if code:
            raise RuntimeError(f"task {rank} failed")  # it has left its reason


def run(place: Place, how: Ray, say: Callable[[str], None]) -> None:
    """Does what is left of a stage.

    Raises:
        ConfigError: there is no cluster, it has too little, or a task failed.
    """
    import ray

    mine = not ray.is_initialized()
    if mine:
        try:
            ray.init(address=how.address, log_to_driver=False, configure_logging=False)
        except Exception as error:
            raise ConfigError(f"prepare.executor: Ray can't be joined or started: {one_line(error)}") from None
    try:
        workers = how.workers or _room(ray.cluster_resources(), how)
        place.clear()
        with watching(place, say):
            RayExecutor(place, how, workers).run()
    finally:
        if mine:
            ray.shutdown()
    if failures := place.failures():
        raise ConfigError(failures[0].read_text(encoding="utf-8").partition("\n")[0])
    if left := place.left():
        raise ConfigError(
            f'stage "{place.stage.name}", task {left[0]}: not done, as {len(left)} of {place.stage.tasks}, after '
            "three attempts: nodes were lost, or their memory ended; the same command goes on"
        )


def _room(resources: dict[str, float], how: Ray) -> int:
    """Returns how many tasks a cluster has room for at a time.

    Raises:
        ConfigError: none.
    """
    cores, memory = resources.get("CPU", 0.0), resources.get("memory", 0.0) / 2**30
    room = min(int(cores // how.cpus), int(memory // (how.cpus * how.memory_gb)))
    if room < 1:
        raise ConfigError(
            f"prepare.executor: a task asks for cpus = {how.cpus} of memory_gb = {how.memory_gb:g} each, and the "
            f"cluster has {cores:g} cores and {memory:.1f} GiB; ask for less"
        )
    return room
