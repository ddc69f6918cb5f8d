"""Programs for shapes without end are bounded wherever they are kept: in calls (tests/test_memory_steady.py), training and evaluation."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import fastcnn as fc
from fastcnn.network import kept_programs
from fastcnn.network.kept_programs import KeptPrograms
from fastcnn.training.evaluation import Evaluator

SIDES = range(8, 20)
ALIVE = 3


def net() -> fc.Sequential:
    return fc.Sequential(fc.Conv2d(1, 4, 3, seed=0), fc.ReLU(), fc.AdaptiveAvgPool2d(1), fc.Flatten(), fc.Linear(4, 2, seed=1))


def batch(side: int) -> tuple[Any, Any]:
    return np.ones((2, 1, side, side), np.float32), np.zeros(2, np.int64)


def alive(programs: list[Any]) -> list[bool]:
    gc.collect()
    return [program() is not None for program in programs]


def bounded(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Room for so many programs of so many steps beside the latest, by their steps alone."""
    monkeypatch.setattr(kept_programs, "MOST_BYTES", (ALIVE - 1) * kept_programs.BYTES_A_STEP * steps + 1)


def test_programs_of_a_trainer_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = fc.Trainer(net(), "cross_entropy", "sgd", batch(8)[0].shape)
    bounded(monkeypatch, len(trainer.plan(batch(8)[0].shape).program.steps))
    programs, losses = [], []
    for side in SIDES:
        losses.append(trainer.step(*batch(side)))
        programs.append(weakref.ref(trainer.plan(batch(side)[0].shape).program))
    assert alive(programs) == [False] * (len(SIDES) - ALIVE) + [True] * ALIVE
    again = fc.Trainer(net(), "cross_entropy", "sgd", batch(8)[0].shape)  # with all of them kept: the same bits
    monkeypatch.setattr(kept_programs, "MOST_BYTES", 1 << 40)
    assert [again.step(*batch(side)) for side in SIDES] == losses
    assert again.step(*batch(8)) == trainer.step(*batch(8))


def test_programs_of_an_evaluator_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = Evaluator(net(), "cross_entropy")
    bounded(monkeypatch, len(evaluator.program(batch(8)[0].shape)[0].steps))
    programs, results = [], []
    for side in SIDES:
        results.append(evaluator(*batch(side), 2))
        programs.append(weakref.ref(evaluator.program(batch(side)[0].shape)[0]))
    assert sum(alive(programs)) <= ALIVE
    assert alive(programs)[-1]
    assert [evaluator(*batch(side), 2) for side in SIDES] == results


def test_the_latest_used_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_programs, "MOST_BYTES", 20)
    kept: KeptPrograms[str, str] = KeptPrograms()
    for name, held in (("a", {1: 10}), ("b", {2: 10}), ("c", {3: 10})):
        assert kept.put(name, name, held) == name
    assert kept.get("a") == "a"  # the latest now
    kept.put("d", "d", {4: 10})
    assert [kept.get(name) for name in "abcd"] == ["a", None, "c", "d"]
    kept.put("large", "large", {5: 100})  # the latest is kept whatever it holds
    assert kept.get("large") == "large"
    kept.put("shares", "shares", {5: 100, 6: 1})
    assert len(kept) == 4  # what it shares with the latest counts for nothing
    kept.clear()
    assert len(kept) == 0
