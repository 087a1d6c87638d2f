"""Conversations and pairs of answers for the parity tests, of the standard library's own functions."""

import ast
import bisect
import heapq
import inspect
import json
import shlex
import statistics
import textwrap
from pathlib import Path

MODULES = (bisect, heapq, json.decoder, json.encoder, shlex, statistics, textwrap)
MOST = 350  # characters of a function: with its question it fits into a sample


def functions() -> list[tuple[str, str]]:
    """Returns (name, source) of every short function."""
    found = []
    for module in MODULES:
        text = inspect.getsource(module)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (source := ast.get_source_segment(text, node)):
                found.append((f"{module.__name__}.{node.name}", textwrap.dedent(source)))
    return [(name, source) for name, source in found if len(source) <= MOST]


def write(folder: Path) -> None:
    """Writes `sft.jsonl` and `dpo.jsonl`."""
    there = functions()
    answers = [
        {"messages": [{"role": "user", "content": f"Write {name}."}, {"role": "assistant", "content": source}]}
        for name, source in there
    ]
    pairs = [
        {"prompt": f"Write {name}.", "chosen": source, "rejected": source[: len(source) // 2] + "..."}
        for name, source in there
    ]
    for name, records in (("sft", answers), ("dpo", pairs)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
