"""Runs a configuration on a mesh of processes on this machine, as torchrun would, without its start-up costs.

Every rank is forked from tests/forks.py's server; what it runs is the real entry, `codetitan.train.main`.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

from tests.forks import server

TIME_LIMIT_S = 300.0
COSTS = ("validation/seconds", "validation/share_of_time")  # which no two runs have in common


class MeshFailure(Exception):
    """A run that did not end with 0: what its first failed rank said, in one line, then its log."""


@dataclass(frozen=True)
class Curve:
    """What a run left: for each step its loss, its gradient norm and the tokens that were served until then.

    `served` maps "padding", sources and languages to counts; `validated` has the rounds of validation, the set's digest
    among their values.
    """

    losses: list[float]
    grad_norms: list[float]
    served: list[dict[str, int]]
    validated: list[dict[str, Any]]


def train(arguments: list[str]) -> int:
    """A rank of a training run."""
    from codetitan.train import main

    return main(arguments)


def _rank(function: Callable[[list[str]], int], arguments: list[str], environment: dict[str, str], log: Path) -> None:
    """The life of one forked rank, from its environment to its exit code."""
    os.environ.update(environment)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    code = 1
    try:
        code = function(arguments)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # as codetitan.train does: no interpreter teardown while peers are going


def _failure(folder: Path, rank: int, code: int) -> MeshFailure:
    """What the rank that failed first has left behind."""
    said, log = folder / f"error-{rank}.json", folder / f"rank-{rank}.out"
    text = log.read_text(errors="replace") if log.exists() else ""
    line = ""
    if said.exists():
        message = json.loads(said.read_text())["message"]
        if isinstance(message, dict) and "Traceback" not in text:
            text += message["extraInfo"]["py_callstack"]
        line = message["message"] if isinstance(message, dict) else str(message)
    line = line.strip() or (text.strip().splitlines() or ["it said nothing"])[-1]
    line = " ".join(line.split())
    return MeshFailure(f"rank {rank} ended with {code}: {line[:500]}\n{text[-6000:]}")


def start(
    folder: Path,
    nproc: int,
    arguments: Sequence[str],
    *,
    function: Callable[[list[str]], int] = train,
    time_limit_s: float = TIME_LIMIT_S,
    more: Mapping[str, str] | None = None,
) -> None:
    """Runs `function(arguments)` on `nproc` ranks; their output goes to `folder`/rank-R.out. `more` is of their
    environment.

    Raises:
        MeshFailure: a rank did not return 0, or the time was up; the others have been killed then.
    """
    from torch.distributed import TCPStore

    __tracebackhide__ = True  # a MeshFailure says all there is; pytest would show this function above it
    folder.mkdir(parents=True, exist_ok=True)
    # As under torchrun, the store belongs to none of the ranks: one that ends early takes nothing away.
    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    context = server()
    ranks = []
    for rank in range(nproc):
        environment = {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(nproc), "LOCAL_WORLD_SIZE": str(nproc),
            "GROUP_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": str(store.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0",
            "TORCHELASTIC_ERROR_FILE": str(folder / f"error-{rank}.json"), **(more or {}),
        }  # fmt: skip
        log = folder / f"rank-{rank}.out"
        ranks.append(context.Process(target=_rank, args=(function, list(arguments), environment, log), daemon=True))
    deadline = time.monotonic() + time_limit_s
    try:
        for process in ranks:
            process.start()
        running: dict[Any, int] = {process.sentinel: rank for rank, process in enumerate(ranks)}
        while running:
            ended = connection.wait(list(running), timeout=max(0.0, deadline - time.monotonic()))
            if not ended:
                raise MeshFailure(f"{len(running)} of {nproc} ranks are still running after {time_limit_s:.0f} s")
            for sentinel in ended:
                rank = running.pop(sentinel)
                ranks[rank].join()
                if ranks[rank].exitcode:
                    raise _failure(folder, rank, ranks[rank].exitcode or 0)
    finally:
        for process in ranks:
            if process.pid is not None:
                process.kill()
                process.join()
                process.close()


def read_curve(folder: Path) -> Curve:
    """Reads `folder`/metrics.jsonl, which has a line for every step."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    records = [line for line in lines if "kind" not in line]
    assert [record["step"] for record in records] == list(range(1, len(records) + 1))
    return Curve(
        [record["loss"] for record in records],
        [record["grad_norm"] for record in records],
        [
            {name: n for name, n in record.items() if name == "padding" or name.startswith(("sources/", "languages/"))}
            for record in records
        ],
        [
            {name: value for name, value in line.items() if name not in COSTS}
            for line in lines
            if line.get("kind") == "validation"
        ],
    )


def run(
    config: Path,
    folder: Path,
    nproc: int,
    overrides: Sequence[str] = (),
    *,
    time_limit_s: float = TIME_LIMIT_S,
    more: Mapping[str, str] | None = None,
) -> Curve:
    """Trains `config` on `nproc` processes into `folder`; returns its curve. Raises MeshFailure."""
    arguments = [str(config), "--dump_folder", str(folder), *overrides]
    start(folder, nproc, arguments, time_limit_s=time_limit_s, more=more)
    return read_curve(folder)
