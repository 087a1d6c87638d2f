"""How tasks are run, as TOML tables: `[prepare.executor]`, whose `name` chooses one; or that name as a word.

```toml
[prepare.executor]
name = "slurm"
partition = "cpu"
```
"""

import math
from dataclasses import dataclass, field


def _above_0(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name} = {value} must be above 0, and finite")


@dataclass(kw_only=True, slots=True)
class Local:
    """The cores of this machine."""

    workers: int | None = None
    """Tasks at a time, a process each; "none": all cores that this process may use."""

    def __post_init__(self) -> None:
        _above_0(workers=self.workers)


@dataclass(kw_only=True, slots=True)
class Slurm:
    """A cluster: job arrays, submitted with `sbatch`. The output folder is on a file system of all nodes."""

    partition: str = ""
    """Where the jobs run; it must be named."""

    time: str = "24:00:00"
    """The most that a job may take, as `sbatch --time` has it."""

    memory_gb: int = 4
    """Of a core, in GiB."""

    cpus: int = 1
    """Cores of a job; more than one only for their memory."""

    workers: int | None = None
    """Jobs at a time; "none": as many as the cluster gives."""

    tasks_per_job: int = 1
    """Tasks that a job does, one after another."""

    max_array_size: int = 1001
    """The cluster's `MaxArraySize`: more jobs than that are submitted as several arrays."""

    qos: str | None = None
    """The quality of service that is asked for."""

    setup: str | None = None
    """Shell command before a job's own, such as "source /shared/venv/bin/activate"; "none": this Python's programs."""

    options: dict[str, str] = field(default_factory=dict)
    """Further options of `sbatch`, by their long names, such as account = "code"."""

    def __post_init__(self) -> None:
        if not self.partition.strip():
            raise ValueError('partition = "" must be named, such as executor = {name = "slurm", partition = "cpu"}')
        _above_0(
            memory_gb=self.memory_gb,
            cpus=self.cpus,
            workers=self.workers,
            tasks_per_job=self.tasks_per_job,
            max_array_size=self.max_array_size,
        )


@dataclass(kw_only=True, slots=True)
class Ray:
    """A Ray cluster, or this machine as one. The output folder is on a file system of all nodes."""

    address: str | None = None
    """Of the cluster, such as "auto"; "none": what RAY_ADDRESS says, else a cluster of this machine's."""

    workers: int | None = None
    """Tasks at a time; "none": as many as the cluster has cores for."""

    cpus: int = 1
    """Cores that a task is given."""

    memory_gb: float = 2.0
    """That a task is given, a core, in GiB."""

    def __post_init__(self) -> None:
        _above_0(workers=self.workers, cpus=self.cpus, memory_gb=self.memory_gb)


How = Local | Slurm | Ray

EXECUTORS: dict[str, type | None] = {"local": Local, "slurm": Slurm, "ray": Ray}
"""name → table, for `codetitan.config.choice.Choice("name", EXECUTORS, word=executor_from_text)`."""


def executor_from_text(text: str) -> dict[str, str]:
    """Expands an executor written as one word, such as `executor = "local"`."""
    return {"name": text}
