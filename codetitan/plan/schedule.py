"""Plays a pipeline schedule: torch's own order of forward and backward passes, with the durations of a plan."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace

from codetitan.models.code.pipeline import is_looped, is_v_shaped
from codetitan.titan import _Action, _ComputationType, get_schedule_class

_KINDS = {
    _ComputationType.FORWARD: "forward",
    _ComputationType.FULL_BACKWARD: "backward",
    _ComputationType.BACKWARD_INPUT: "input",
    _ComputationType.BACKWARD_WEIGHT: "weight",
}


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass of a microbatch through a stage: "forward", "backward", or backward's halves "input" and "weight"."""

    kind: str
    stage: int
    microbatch: int


def _passes(action: _Action | None) -> list[Pass]:
    if action is None:
        return []
    if action.sub_actions is not None:
        return [p for part in action.sub_actions for p in _passes(part)]
    if action.computation_type not in _KINDS:
        return []  # a reduction, or communication
    return [Pass(_KINDS[action.computation_type], action.stage_index, action.microbatch_index or 0)]


def _numbered(passes: list[Pass]) -> list[Pass]:
    """The microbatches of one stage, from 0; torch 2.14 counts those of 1F1B's last rank from 1."""
    seen = Counter[str]()
    numbered = []
    for p in passes:
        numbered.append(replace(p, microbatch=seen[p.kind]))
        seen[p.kind] += 1
    return numbered


def order(schedule: str, ranks: int, stages: int, microbatches: int) -> list[list[Pass]]:
    """Returns what each pipeline rank does, in its order, as torch's schedule of this name has it."""
    if ranks == 1:
        return [[Pass(kind, 0, m) for m in range(microbatches) for kind in ("forward", "backward")]]

    def stage(index: int, rank: int) -> SimpleNamespace:
        return SimpleNamespace(
            stage_index=index, group_rank=rank, group_size=ranks, num_stages=stages, is_first=index == 0,
            is_last=index == stages - 1, has_backward=True, submod=None, group=None, device="cpu",
            stage_index_to_group_rank={},
        )  # fmt: skip

    cls = get_schedule_class(schedule)
    if not is_looped(schedule):
        built = cls(stage(0, 0), n_microbatches=microbatches, loss_fn=len)
    else:
        own = [0, stages - 1] if is_v_shaped(schedule) else range(0, stages, ranks)
        built = cls([stage(index, 0) for index in own], n_microbatches=microbatches, loss_fn=len)
    passes = [[p for action in built.pipeline_order[rank] for p in _passes(action)] for rank in range(ranks)]
    return passes if is_looped(schedule) else list(map(_numbered, passes))


@dataclass(frozen=True)
class Played:
    """A step of a pipeline: its seconds, and those that each rank works."""

    seconds: float
    busy: list[float]

    @property
    def bubble(self) -> float:
        """Share of the ranks' time in which they wait."""
        return 1 - sum(self.busy) / (len(self.busy) * self.seconds)


def play(ranks: list[list[Pass]], seconds: Callable[[Pass], float], transfer_s: float) -> Played:
    """Runs the passes as early as their rank and what they wait for allow.

    A forward pass waits for that of the stage before, a backward pass for that of the stage behind, each `transfer_s`
    longer where that is on another rank.
    """
    place: Mapping[int, int] = {p.stage: rank for rank, passes in enumerate(ranks) for p in passes}
    last = max(place)
    done: dict[tuple[str, int, int], float] = {}
    clock, busy, nexts = [0.0] * len(ranks), [0.0] * len(ranks), [0] * len(ranks)

    def ready(p: Pass) -> float | None:
        if p.kind == "weight":
            return done.get(("backward", p.stage, p.microbatch))
        step = -1 if p.kind == "forward" else 1
        if p.kind != "forward" and p.stage == last:
            return done.get(("forward", p.stage, p.microbatch))
        if p.stage + step < 0:
            return 0.0
        kind = "forward" if p.kind == "forward" else "backward"
        at = done.get((kind, p.stage + step, p.microbatch))
        far = place[p.stage + step] != place[p.stage]
        return None if at is None else at + (transfer_s if far else 0.0)

    left = sum(map(len, ranks))
    while left:
        before = left
        for rank, passes in enumerate(ranks):
            while nexts[rank] < len(passes):
                p = passes[nexts[rank]]
                at = ready(p)
                if at is None:
                    break
                duration = seconds(p)
                clock[rank] = max(clock[rank], at) + duration
                busy[rank] += duration
                done["backward" if p.kind == "input" else p.kind, p.stage, p.microbatch] = clock[rank]
                nexts[rank] += 1
                left -= 1
        assert left < before, "a schedule that waits for itself"
    return Played(max(clock), busy)
