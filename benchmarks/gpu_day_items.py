"""The checks and rows of gpu_day.py as items of one list, and the rules by which an item is run, skipped or left."""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gpu_day_bench
import gpu_day_rows
from gpu_day_checks import CHECKS
from throughput_points import Checked, Point
from throughput_run import run_point

Record = dict[str, Any]
_FIRST_ROW_S = 180  # until a row of its kind has been measured: start, compile, and steps of 2 s (350m) to 7 s (1_3b)
_ROW_LIMIT_S = 900


@dataclass(frozen=True)
class Item:
    """A check or a row.

    Attributes:
        key: changes with anything that may change the answer.
        about: what a record says of it before it is run.
        gpus: how many it needs, each of the type at hand.
        expected_s: how long it takes where nothing like it has been run.
        limit_s: after which it is ended.
        perform: runs it for so many seconds at most, and returns what came out.
        refused: why it can't be run here, whatever the time.
        point: of a row.
    """

    key: str
    about: Record
    gpus: int
    expected_s: float
    limit_s: float
    perform: Callable[[float], Record]
    refused: str | None = None
    point: Point | None = None

    @property
    def is_check(self) -> bool:
        """Whether it has a verdict; a row has a status."""
        return bool(self.about["kind"] == "check")

    def not_run(self, why: str) -> Record:
        """Returns the record of an item that has not been run: "needs 8 GPUs" or "time"."""
        if self.is_check:
            return self.about | {"verdict": f"not run: {why}" if why == "time" else why, "detail": ""}
        return self.about | {"status": "refused" if self.refused == why else "not run", "reason": why}


def good(record: Record) -> bool:
    """Whether a record is a check passed or a row measured."""
    return record.get("verdict") == "pass" or record.get("status") == "ok"


def expected_s(item: Item, records: Sequence[Record]) -> float:
    """Returns what the last similar one took: the same check, or a row of the same trainer, model and GPUs."""
    names = ("kind", "tiny", "device", *(("name",) if item.is_check else ("trainer", "model", "gpus")))
    similar = [record for record in records if all(record.get(name) == item.about[name] for name in names)]
    last = max(similar, key=lambda record: record["ended"], default=None)
    return float(last["wall_s"]) if last else item.expected_s


def why_not(item: Item, gpus: int, left_s: float, records: Sequence[Record]) -> str | None:
    """Returns why an item is not started now; None: it is."""
    if item.refused is not None:
        return item.refused
    if item.gpus > gpus:
        return f"needs {item.gpus} GPU{'s' if item.gpus > 1 else ''}"
    return "time" if expected_s(item, records) > left_s else None


def in_order(items: Sequence[Item], records: dict[str, Record]) -> list[Item]:
    """Returns what is to be run: what has not been, in the order given; rows that failed before after all others."""
    todo = [item for item in items if item.key not in records or not good(records[item.key])]
    return sorted(todo, key=lambda item: not item.is_check and item.key in records)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def check_items(options: argparse.Namespace, overrides: Sequence[str], run: Record) -> list[Item]:
    """Returns the checks as items."""
    identity = [run["device"], run["versions"], run["processes"], run["tiny"], list(overrides)]
    on_gpu = run["device"]["type"] == "cuda"
    folder = options.output / "checks"

    def item(check: gpu_day_bench.Check) -> Item:
        def perform(limit_s: float) -> Record:
            bench = gpu_day_bench.Bench(
                folder=(folder / check.name.replace(" ", "-").replace(",", "")).absolute(),
                shared=(folder / "shared" / _digest(identity)).absolute(), gpus=run["processes"], on_gpu=on_gpu,
                tiny=run["tiny"], overrides=tuple(overrides), deadline=time.monotonic() + limit_s,
            )  # fmt: skip
            return gpu_day_bench.ask(check, bench)

        needs_gpu = check.only_gpu and not on_gpu
        about = {"kind": "check", "name": check.name, "question": check.question}
        about |= {"tiny": run["tiny"], "device": run["device"]["name"]}
        return Item(
            key=_digest([check.name, identity]), about=about, gpus=check.gpus, expected_s=check.expected_s,
            limit_s=check.limit_s, perform=perform, refused="needs a GPU" if needs_gpu else None,
        )  # fmt: skip

    return [item(check) for check in CHECKS]


def row_items(group: str, options: argparse.Namespace, overrides: Sequence[str], run: Record) -> list[Item]:
    """Returns a group of rows as items, the switches with turns of the default between them."""
    on_gpu, steps = run["device"]["type"] == "cuda", options.warm_up + options.steps
    identity = {name: run[name] for name in ("device", "versions", "gpu", "warm_up")}

    def ask(row: gpu_day_rows.Row) -> tuple[gpu_day_rows.Row, Checked]:
        return row, gpu_day_rows.checked(row, steps, identity, overrides, tiny=run["tiny"], on_gpu=on_gpu)

    rows = [ask(row) for row in gpu_day_rows.MAKERS[group]()]
    if group == "switches":
        rows = gpu_day_rows.without_default(rows, ask(gpu_day_rows.default(0))[1].key)
        rows = gpu_day_rows.take_turns(rows, lambda turn: ask(gpu_day_rows.default(turn)))

    def item(row: gpu_day_rows.Row, checked: Checked) -> Item:
        log = options.output / "logs" / f"{checked.key}.log"

        def perform(limit_s: float) -> Record:
            log.parent.mkdir(exist_ok=True)
            point = {"settings": checked.settings | {"label": row.name}, "notes": checked.notes}
            return point | run_point(
                checked, world_size=row.gpus, warm_up=options.warm_up, steps=options.steps, timeout_s=limit_s, log=log
            )

        about = {
            "kind": "row", "group": group, "name": row.name, "trainer": row.trainer, "turn": row.turn,
            "model": row.config, "gpus": row.gpus, "tiny": run["tiny"], "device": run["device"]["name"],
        }  # fmt: skip
        return Item(
            key=checked.key or row.name, about=about, gpus=row.gpus, expected_s=_FIRST_ROW_S, limit_s=_ROW_LIMIT_S,
            perform=perform, refused=checked.refused, point=checked.point,
        )  # fmt: skip

    return [item(row, checked) for row, checked in rows]
