"""Every op x case x ISA against the float64 oracle, forward and backward, within derived bounds; 1, 2 and 3 threads give the same bits."""

from __future__ import annotations

from functools import cache

import gradients
import numpy as np
import pytest
import reference
import tolerance
from case import Case
from op_cases import CASES
from running import Compiled, same_bits

ALL = [case for cases in CASES.values() for case in cases]
DIFFERENTIABLE = [case for case in ALL if case.wanted_gradients()]
BY_NAME = {str(case): case for case in ALL}
LAYER_ERROR = 1e-5  # kMostError of cpp/ops/convolution/algorithms.h
THREADS = (1, 2, 3)


def test_names_of_cases_are_unique() -> None:
    assert len(BY_NAME) == len(ALL)


@cache
def oracle(name: str) -> list[np.ndarray]:
    case = BY_NAME[name]
    y = getattr(reference, case.op)(*case.arrays(), **case.attributes)
    return list(y) if isinstance(y, tuple) else [y]


@cache
def expected_gradients(name: str) -> list[gradients.Expected]:
    case = BY_NAME[name]
    y = oracle(name)
    return gradients.expected_gradients(case, case.arrays(), y, gradients.output_gradient(case, y[0]))


def check_close(got: np.ndarray, want: np.ndarray, bound: np.ndarray) -> None:
    assert got.dtype == np.float32
    assert got.shape == want.shape
    error = np.abs(got - want)
    worst = np.argmax(np.where(np.isnan(error), np.inf, error) / bound) if error.size else None
    if worst is not None:
        at = tuple(int(i) for i in np.unravel_index(worst, error.shape))
        assert error[at] <= bound[at], (
            f"element {at} is {got[at]:.9g}, must be {want[at]:.9g} +- {bound[at]:.2g}; {count_wrong(error, bound)}"
        )


def count_wrong(error: np.ndarray, bound: np.ndarray) -> str:
    return f"{np.sum(~(error <= bound))} of {error.size} elements are wrong"


@pytest.mark.parametrize("case", ALL, ids=str)
def test_forward(case: Case, isa: str) -> None:
    arrays, wanted = case.arrays(), oracle(str(case))
    bounds = tolerance.forward_bounds(case, arrays, wanted)
    for strict in (True, False) if case.op == "conv2d" else (False,):
        compiled = Compiled(case.op, arrays, case.attributes, isa, ballast=True, strict=strict)
        results = [compiled(threads) for threads in THREADS]
        for got, want, bound in zip(results[0], wanted, bounds, strict=True):
            # Sums of transformed numbers, which only accuracy="fast" allows, err by a part of the largest element.
            transformed = 0 if strict or case.op != "conv2d" else LAYER_ERROR * np.abs(want).max(initial=0)
            check_close(got, want, bound + transformed)
        for threads, result in zip(THREADS, results, strict=True):
            assert same_bits(result, results[0]), f"other bits with {threads} threads"


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_gradient(case: Case, isa: str) -> None:
    arrays, operands = case.arrays(), case.wanted_gradients()
    dy = gradients.output_gradient(case, oracle(str(case))[0])
    compiled = Compiled(case.op, arrays, case.attributes, isa, operands, dy, ballast=True)
    assert not compiled.missing
    results = [compiled(threads) for threads in THREADS]
    for operand, gradient in zip(operands, results[0], strict=True):
        assert gradient.shape == arrays[operand].shape
        assert gradient.dtype == np.float32
    for expected in expected_gradients(str(case)):
        got = float(np.sum(results[0][operands.index(expected.operand)] * expected.direction))
        error = abs(got - expected.derivative)
        where = "all elements" if np.count_nonzero(expected.direction) > 1 else f"element {np.argwhere(expected.direction).tolist()[:1]}"
        assert error <= expected.bound, (
            f"input {expected.operand}, {where}: {got:.9g}, must be {expected.derivative:.9g} +- {expected.bound:.2g}"
        )
    for threads, result in zip(THREADS, results, strict=True):
        assert same_bits(result, results[0]), f"other bits with {threads} threads"
