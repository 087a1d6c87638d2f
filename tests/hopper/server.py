"""Simulates one case after the other, each in a process of its own, forked when torch and torchtitan are imported.

`python -m tests.hopper.server`, in the environment of `libraries.build`, reads cases from standard input, JSON a line,
and answers each with the exit status of its process.
"""

import json
import os
import resource
import sys
import traceback
from pathlib import Path
from typing import Any

import torch

from tests.hopper import spoilt
from tests.hopper.step import simulate

CPU_LIMIT_S = 600  # of a case, most of which take 30; seconds on the clock say nothing where others work, too


def run(case: dict[str, Any]) -> None:
    """Simulates a case in this process, whose messages go to the case's log."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    log = os.open(case["log"], os.O_WRONLY | os.O_CREAT, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if case["spoilt"] is not None:
        getattr(spoilt, case["spoilt"])()
    report = simulate(Path(case["config"]), case["overrides"], world_size=case["world_size"], rank=case["rank"])
    report.write(Path(case["out"]))


def main() -> None:
    """Serves until standard input ends."""
    torch.cuda._is_in_bad_fork = lambda: False  # CUDA does not survive a fork; our libraries, with no GPU behind, do
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                run(json.loads(line))
                sys.stdout.flush()
                os._exit(0)  # torch's threads and process groups need no farewell
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
