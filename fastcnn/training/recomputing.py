"""Training within a budget: of the plans that fit, the one that recomputes the least in the backward pass.

Two budgets, both in bytes: that of the user is for a whole training step, that of the core for the arena alone. For a given budget of the
arena the core estimates what to recompute; the search here measures the plans that come out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from fastcnn.memory.budget import largest_batch
from fastcnn.support.tables import size_text
from fastcnn.training.plan import TrainingPlan

__all__ = ["plan_within"]

_STEP = 0.88  # from one budget of the arena to the next smaller
_BISECTIONS = 5  # of the interval from a budget of the arena that fits to one that does not

Make = Callable[[int, "int | None"], TrainingPlan]  # of a batch size and a budget of the arena, None: no budget
Total = Callable[[TrainingPlan], int]  # bytes of a training step


def _work_and_size(plan: TrainingPlan) -> tuple[float, int]:
    return plan.program.recomputed_work, plan.program.memory["arena"]


def _shrinking(make: Make, batch: int, budget: float, end: float = 0.0) -> Iterator[tuple[int, TrainingPlan]]:
    """Plans for smaller and smaller budgets of the arena, down to `end` or to the smallest plan that the core finds."""
    smallest = make(batch, 0)
    while budget > end:
        plan = make(batch, int(budget))
        yield int(budget), plan
        if _work_and_size(plan) == _work_and_size(smallest):
            return
        budget *= _STEP
    if end == 0:
        yield 0, smallest


def _candidates(make: Make, batch: int, arena: int, left: int) -> Iterator[tuple[int, TrainingPlan]]:
    """Budgets of the arena with their plans, for an arena that may keep `left` of its bytes; the smallest plan alone if none may stay."""
    if left <= 0:
        return iter([(0, make(batch, 0))])
    guess = min(_STEP * arena, 1.2 * left)
    return chain(_shrinking(make, batch, guess), _shrinking(make, batch, _STEP * arena, guess))


def plan_within(make: Make, total: Total, budget: int, batch: int) -> TrainingPlan:
    """The plan with the least recomputed work whose total is within the budget.

    ValueError if there is none, with a batch size that fits.
    """
    whole = make(batch, None)
    need = total(whole)
    if need <= budget:
        return whole
    arena = whole.program.memory["arena"]
    least = need  # bytes of the smallest plan so far
    large = arena  # the smallest budget of the arena so far whose plan does not fit
    for arena_budget, plan in _candidates(make, batch, arena, budget - (need - arena)):
        size = total(plan)
        if size <= budget:
            return _with_less_work(make, total, budget, batch, plan, (arena_budget, max(large, arena_budget)))
        least = min(least, size)
        large = arena_budget
    fits = largest_batch(lambda count: total(make(count, 0)), budget, below=batch)
    advice = f"batch_size={fits} would fit" if fits else "no batch size fits"
    raise ValueError(
        f"[fit] memory must hold a training step. Got memory={size_text(budget)}; with everything recomputed that can be, it takes "
        f"{size_text(least)}, {size_text(least - budget)} more; {advice}."
    )


def _with_less_work(make: Make, total: Total, budget: int, batch: int, best: TrainingPlan, between: tuple[int, int]) -> TrainingPlan:
    """`best`, or a plan that fits as well and recomputes less.

    between: two budgets of the arena, the smaller one that of `best`; the plan of the larger one does not fit.
    """
    small, large = between
    for _ in range(_BISECTIONS):
        middle = (small + large) // 2
        plan = make(batch, middle)
        if total(plan) > budget:
            large = middle
            continue
        small = middle
        if plan.program.recomputed_work < best.program.recomputed_work:
            best = plan
    return best
