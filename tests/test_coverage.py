"""The test of tests: every op of cpp/ops/ops.inc is tested, and what is said to be covered by another op really runs with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import reference
from case import EVERY_COUNT
from gradients import first_output, output_gradient
from op_cases import CASES, COVERED_BY, TESTED_ALONE
from running import Compiled

from fastcnn import _core

ROOT = Path(__file__).parents[1]
OPS = re.findall(r"^FASTCNN_OP\((\w+)\)", (ROOT / "cpp/ops/ops.inc").read_text(), re.MULTILINE)


def test_the_list_of_ops_is_read() -> None:
    assert "conv2d" in OPS
    assert len(OPS) == len(set(OPS)) > 40


@pytest.mark.parametrize("op", OPS)
def test_op_has_a_test(op: str) -> None:
    homes = [op in CASES, op in COVERED_BY, op in TESTED_ALONE]
    assert sum(homes) == 1, f"{op} needs a case in op_cases.py, or an entry of COVERED_BY or TESTED_ALONE there"


def test_no_test_is_for_an_op_that_is_gone() -> None:
    assert {*CASES, *COVERED_BY, *TESTED_ALONE} <= set(OPS)


@pytest.mark.parametrize("op", CASES)
def test_op_has_an_oracle_and_cases(op: str) -> None:
    assert callable(getattr(reference, op))
    assert CASES[op]


@pytest.mark.parametrize("op", CASES)
def test_channels_are_counted_through(op: str) -> None:
    """Ops on channels have a case for each count that ends in the middle of a vector of some ISA."""
    if op in ("reorder", "reshape", "mse", "reduce_to", "slice", "scale_shift", "activation"):
        return  # they know no channels, only elements
    counts = {dimension for case in CASES[op] for values in case.inputs if values for dimension in values.shape[:2]}
    assert counts >= set(EVERY_COUNT)


@pytest.mark.parametrize("file", sorted(set(TESTED_ALONE.values())))
def test_file_of_tests_exists(file: str) -> None:
    text = (Path(__file__).parent / file).read_text()
    for op, home in TESTED_ALONE.items():
        assert home != file or f'"{op.removesuffix("_backward")}"' in text


@pytest.mark.parametrize("op", sorted(set(COVERED_BY.values())))
def test_covered_ops_really_run(op: str) -> None:
    """Nodes that gradient() adds, and steps that the program makes of them (prepared weights are made before, from parameters)."""
    case = next(case for case in CASES[op] if case.wanted_gradients())
    arrays = case.arrays()
    dy = output_gradient(case, first_output(op, arrays, case.attributes))
    compiled = Compiled(op, arrays, case.attributes, "", case.wanted_gradients(), dy)
    seen = {node["op"] for node in compiled.graph.nodes()} | {step["op"] for step in compiled.program.steps}
    if op == "conv2d":
        seen |= {step["op"] for step in steps_with_weight_as_input(arrays, case.attributes)}
    assert {covered for covered, by in COVERED_BY.items() if by == op} <= seen


def steps_with_weight_as_input(arrays: list, attributes: dict) -> list[dict]:
    graph = _core.Graph()
    values = [graph.input(name, array.shape) for name, array in zip(("x", "weight", "bias"), arrays, strict=True)]
    graph.outputs(graph.add("conv2d", values, attributes))
    return _core.Program(graph).steps
