"""Training within a budget: of the plans that fit, the one that makes the least again on the way back.

The core chooses what to make again for a given room, by an estimate; here the plans themselves are the judges of their size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from fastcnn.budget import largest_batch
from fastcnn.text import size_text

if TYPE_CHECKING:
    from fastcnn.trainer import TrainingPlan

__all__ = ["plan_within"]

_STEP = 0.88  # from one room to the next smaller
_CLOSER = 5  # times that the distance from a room that is enough to one that is too much is halved

Make = Callable[[int, "int | None"], "TrainingPlan"]  # for a batch size, within a room in bytes
Total = Callable[["TrainingPlan"], int]  # bytes


def _work_and_size(plan: TrainingPlan) -> tuple[float, int]:
    return plan.program.recomputed_work, plan.program.memory["arena"]


def _smaller(make: Make, batch: int, room: float, end: float = 0.0) -> Iterator[tuple[int, TrainingPlan]]:
    """Plans within less and less room: until the end, or until they are as small as the core finds any."""
    smallest = make(batch, 0)
    while room > end:
        plan = make(batch, int(room))
        yield int(room), plan
        if _work_and_size(plan) == _work_and_size(smallest):
            return
        room *= _STEP
    if end == 0:
        yield 0, smallest


def _candidates(make: Make, batch: int, arena: int, left: int) -> Iterator[tuple[int, TrainingPlan]]:
    """Rooms and their plans for an arena of which `left` bytes may remain; where even none would be too much, the smallest alone."""
    if left <= 0:
        return iter([(0, make(batch, 0))])
    guess = min(_STEP * arena, 1.2 * left)
    return chain(_smaller(make, batch, guess), _smaller(make, batch, _STEP * arena, guess))


def plan_within(make: Make, total: Total, budget: int, batch: int) -> TrainingPlan:
    """The cheapest plan for this batch size within the budget. ValueError if there is none, with a batch size that fits."""
    whole = make(batch, None)
    need = total(whole)
    if need <= budget:
        return whole
    arena = whole.program.memory["arena"]
    least, large = need, arena
    for room, plan in _candidates(make, batch, arena, budget - (need - arena)):
        size = total(plan)
        if size <= budget:
            return _closer(make, total, budget, batch, plan, (room, max(large, room)))
        least, large = min(least, size), room
    fits = largest_batch(lambda count: total(make(count, 0)), budget, below=batch)
    advice = f"batch_size={fits} would fit" if fits else "no batch size fits"
    raise ValueError(
        f"[fit] memory must hold a training step. Got memory={size_text(budget)}; with all made again that can be it takes "
        f"{size_text(least)}, {size_text(least - budget)} more; {advice}."
    )


def _closer(make: Make, total: Total, budget: int, batch: int, best: TrainingPlan, rooms: tuple[int, int]) -> TrainingPlan:
    """A plan that makes less again and fits as well, where there is one with more room."""
    small, large = rooms
    for _ in range(_CLOSER):
        room = (small + large) // 2
        plan = make(batch, room)
        if total(plan) > budget:
            large = room
            continue
        small = room
        if plan.program.recomputed_work < best.program.recomputed_work:
            best = plan
    return best
