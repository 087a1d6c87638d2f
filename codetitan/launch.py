"""`run_train.sh`: checks the configuration once, then starts torchrun with the right processes.

Everything that a person can get wrong is found here, in one process, so that it is one line and exit code 2 instead
of a traceback from each rank. Then torchrun runs in this process; it starts `codetitan.train` on every rank.
"""

import contextlib
import logging
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetitan import stop
from codetitan.errors import EXIT_USER_ERROR, ConfigError, did_you_mean, fail

USAGE = """usage: codetitan train --config FILE [--section.key VALUE …]        (or ./run_train.sh)

Trains what FILE describes; every key of it can be overridden, for example --training.steps 100.
Prints the resolved configuration: codetitan config --config FILE.

environment:
  NGPU                   processes on this node; default: all visible GPUs, else 1 on the CPU
  CUDA_VISIBLE_DEVICES   empty: train on the CPU although there are GPUs
  PET_NNODES, PET_NODE_RANK, PET_MASTER_ADDR, PET_MASTER_PORT, …   several nodes, as torchrun reads them
  SLURM_*                inside an allocation, `srun ./run_train.sh …` with one task a node needs nothing else

exit codes:
  0    trained to the last step
  2    something to be put right, in one line
  75   asked to stop (SIGTERM, SIGUSR1, training.max_time), and saved: the same command goes on
  130  Ctrl-C
  else a process failed: its exit code, or 128 + the signal that ended it"""


@dataclass(frozen=True)
class Launch:
    """What to start: `nproc` processes on each of `nnodes` nodes, with torchrun's options for finding each other."""

    nproc: int
    nnodes: int
    rendezvous: tuple[str, ...]

    @property
    def world_size(self) -> int:
        """Processes in all."""
        return self.nproc * self.nnodes


def parse(arguments: Sequence[str]) -> tuple[Path, list[str]]:
    """Splits the command line into the configuration file and the overrides.

    Raises:
        ConfigError: there is no --config, or something else stands where an option is expected.
    """
    rest = list(arguments)
    for i, argument in enumerate(rest):
        name, equals, value = argument.partition("=")
        if name == "--config":
            if equals:
                return Path(value), rest[:i] + rest[i + 1 :]
            if i + 1 < len(rest):
                return Path(rest[i + 1]), rest[:i] + rest[i + 2 :]
    word = next((a for a in rest if a.startswith("--") and "." not in a), "")
    raise ConfigError(
        "--config: missing; for example codetitan train --config train_configs/debug.toml"
        + did_you_mean(word, ["--config"])
    )


def processes(environment: Mapping[str, str], visible_gpus: int) -> int:
    """Returns how many processes to start on this node: NGPU, else the visible GPUs, else 1.

    Raises:
        ConfigError: NGPU is no number above 0, or above the number of visible GPUs where there are some.
    """
    text = environment.get("NGPU")
    if text is None:
        return max(1, visible_gpus)
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"NGPU = {text!r} must be a whole number of at least 1")
    if visible_gpus and int(text) > visible_gpus:
        raise ConfigError(
            f"NGPU = {text} must not exceed the {visible_gpus} visible GPUs; to train on the CPU set "
            "CUDA_VISIBLE_DEVICES="
        )
    return int(text)


def first_host(nodelist: str) -> str:
    """Returns the first host of a SLURM node list, e.g. `gpu001` of `gpu[001-004,007],login1`.

    Raises:
        ConfigError: it is no node list.
    """
    match = re.match(r"([^\[\],\s]+)(?:\[([^\]]+)\]([^\[\],\s]*))?", nodelist)
    if match is None:
        raise ConfigError(f"SLURM_JOB_NODELIST = {nodelist!r} is no node list")
    prefix, ranges, suffix = match.groups()
    if ranges is None:
        return str(prefix)
    return f"{prefix}{re.split('[-,]', ranges)[0]}{suffix or ''}"


def find_nodes(environment: Mapping[str, str]) -> tuple[int, tuple[str, ...]]:
    """Returns the number of nodes and torchrun's rendezvous options.

    Torchrun's own variables (PET_NNODES, PET_NODE_RANK, PET_MASTER_ADDR, …) come first: it reads them itself. Inside a
    SLURM job step of several nodes the allocation says the rest. Otherwise there is one node.

    Raises:
        ConfigError: an elastic range of nodes, more than one task a node, or several nodes without srun.
    """
    if "PET_NNODES" in environment:
        text = environment["PET_NNODES"]
        low, _, high = text.partition(":")
        if not low.isdecimal() or int(low) < 1 or (high and high != low):
            raise ConfigError(
                f"PET_NNODES = {text!r} must be one whole number: the mesh is fixed, so a run can't grow or shrink"
            )
        return int(low), ()
    in_step = "SLURM_STEP_NUM_NODES" in environment and "SLURM_PROCID" in environment
    allocated = environment.get("SLURM_JOB_NUM_NODES") or environment.get("SLURM_NNODES", "1")
    if not in_step and int(allocated) > 1:
        raise ConfigError(
            f"the SLURM allocation has {allocated} nodes, and this process is on one of them: start it with srun "
            "--ntasks-per-node=1 ./run_train.sh …; or set PET_NNODES=1 to train on this node alone"
        )
    nodes = int(environment["SLURM_STEP_NUM_NODES"]) if in_step else 1
    tasks = int(environment.get("SLURM_STEP_NUM_TASKS", "1"))
    if "SLURM_PROCID" in environment and tasks > nodes:
        raise ConfigError(
            f"SLURM started {tasks} tasks on {nodes} nodes; start one a node, which starts a process for each of its "
            "GPUs: srun --ntasks-per-node=1 ./run_train.sh …"
        )
    if nodes == 1:
        return 1, ("--standalone",)
    host = first_host(environment.get("SLURM_STEP_NODELIST") or environment["SLURM_JOB_NODELIST"])
    # A port of the job's own, so that two jobs on one node do not meet.
    port = 20000 + int(environment["SLURM_JOB_ID"]) % 20000
    return nodes, (
        f"--node-rank={environment['SLURM_NODEID']}",
        "--rdzv-backend=c10d",
        f"--rdzv-id={environment['SLURM_JOB_ID']}.{environment.get('SLURM_STEP_ID', '0')}",
        f"--rdzv-endpoint={host}:{port}",
    )


def set_environment(environment: MutableMapping[str, str], nproc: int, cores: int, *, cpu: bool) -> None:
    """What a run wants of OpenMP and the allocators, where the user has not said otherwise."""
    environment.setdefault("OMP_NUM_THREADS", str(max(1, cores // nproc)))
    if cpu:
        # glibc gives every large tensor back to the system when it is freed and faults it in again: keeping the memory
        # makes a step nearly 2 × faster (benchmarks/cpu.py).
        environment.setdefault("MALLOC_MMAP_THRESHOLD_", str(4 << 30))
        environment.setdefault("MALLOC_TRIM_THRESHOLD_", str(4 << 30))
    else:
        # As torchtitan's own script: less fragmentation, so that a batch that fits at first fits all night.
        environment.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")


def _report(rank: int, failure: Any, folder: str) -> int:
    """Says why the first failed rank failed; returns its exit code as a shell sees it."""
    code = int(failure.exitcode)
    if code < 0:
        why = "; was it out of memory?" if code == -9 else ""
        print(f"codetitan: error: rank {rank} was killed by signal {-code}{why}", file=sys.stderr)
        return 128 - code
    message = failure.error_file_data.get("message", failure.message)
    text, traceback = (
        (message["message"], message["extraInfo"]["py_callstack"]) if isinstance(message, dict) else 2 * (message,)
    )
    if code == EXIT_USER_ERROR:
        return fail(ConfigError(re.sub(r"^\w+Error: ", "", text, count=1)))
    print(f"codetitan: rank {rank} failed first (its log is in {folder}/logs):\n{traceback}", file=sys.stderr)
    return code


def pass_on(request: signal.Signals, sender: int) -> None:
    """What the launcher does about a request to stop: its ranks shall save and end, and it ends with them."""
    del sender
    ranks = stop.children()
    for rank in ranks:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            stop.pass_on(request, rank)
    status = os.environ.get(stop.STATUS)
    if not ranks and not (status and Path(status).with_name(stop.BEGUN).exists()):
        # Had one begun, they would all have ended, and so would this process, once the other nodes have.
        print(f"codetitan: stopped by {request.name} before the first step", file=sys.stderr, flush=True)
        os._exit(stop.EXIT_STOPPED)


def torchrun(launch: Launch, config: Path, overrides: Sequence[str], folder: str) -> int:
    """Runs torchrun in this process; returns the exit code of the first process that failed, or 128 + signal.

    EXIT_STOPPED where the run was stopped and has saved. `folder` is the run's dump_folder.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    # The agent narrates its work and prints a banner for a failed rank; the rank itself has said what was wrong.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    # The others are requests, which pass_on gets.
    os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = "SIGINT,SIGHUP,SIGQUIT"
    options = [f"--nnodes={launch.nnodes}", *launch.rendezvous, f"--nproc-per-node={launch.nproc}"]
    try:
        with tempfile.TemporaryDirectory(prefix="codetitan-") as own:
            status = Path(own) / "status"
            os.environ[stop.STATUS] = str(status)
            os.environ[stop.LAUNCHER] = str(os.getpid())
            if "PET_LOG_DIR" not in os.environ:  # its own is a folder that nobody deletes
                options.append(f"--log-dir={own}")
            arguments = [*options, "-m", "codetitan.train", str(config), *overrides]
            run(parse_args(arguments))  # type: ignore[no-untyped-call]
            stopped = status.read_text(encoding="utf-8") if status.exists() else None
    except ChildFailedError as error:
        # A rank that knows what the user can do about it speaks before those that only saw their peers go.
        rank, failure = min(
            error.failures.items(), key=lambda item: (item[1].exitcode != EXIT_USER_ERROR, item[1].timestamp)
        )
        return _report(rank, failure, folder)
    except SignalException as error:
        print(
            f"codetitan: stopped by {error.sigval.name}; the same command goes on from the last checkpoint",
            file=sys.stderr,
        )
        return 128 + int(error.sigval)
    return 0 if stopped is None else int(stopped)


def main(arguments: Sequence[str]) -> int:
    """Trains; returns the exit code."""
    if not arguments or "--help" in arguments or "-h" in arguments:
        print(USAGE)
        return 0 if arguments else 2
    os.environ[stop.STARTED] = str(time.time())
    stop.listen(pass_on)
    try:
        config, overrides = parse(arguments)
        nnodes, rendezvous = find_nodes(os.environ)
        from codetitan.config.load import find, load

        config = find(config)
        load(config, overrides)  # a missing file or a slip in the TOML is said at once, before torch is imported
        from codetitan import device

        device.check_driver(os.environ)
        launch = Launch(processes(os.environ, device.visible_gpus()), nnodes, rendezvous)
        from codetitan.config import data, machine
        from codetitan.config.resolve import resolve
        from codetitan.training import validation

        resolved = resolve(config, overrides, world_size=launch.world_size)
        data.check_sources(resolved.config)
        sources, measured = resolved.config.dataloader.sources, resolved.config.validation
        streams = any(getattr(source, "streaming", False) for source in [*sources, *measured.sources])
        if measured.interval is not None and not streams:  # of a stream nothing is kept
            # Reads the corpus once, which may take long: here, where no rank waits for it; they find it in the cache.
            validation.look(measured, sources)
        machine.check_dump_folder(resolved.config)
    except ConfigError as error:
        return fail(error)
    except ModuleNotFoundError as error:
        where = Path(__file__).parent.parent
        return fail(ConfigError(f"{error.name} is not installed for {sys.executable}; run: pip install -e {where}"))
    except KeyboardInterrupt:
        return 130
    cpu = device.device_type() == "cpu"
    set_environment(os.environ, launch.nproc, len(os.sched_getaffinity(0)), cpu=cpu)
    try:
        return torchrun(launch, config, overrides, resolved.config.dump_folder)
    except KeyboardInterrupt:  # before torchrun took over the signals
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
