"""Each op of cpp/ops/ops.inc is declared once, in fastcnn/tracing/operators.py, and the tables have the rules that its row names."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from small_nets import Lambda

import fastcnn as fc
from fastcnn.insight import receptive_field, summary
from fastcnn.network.traced import traced
from fastcnn.nn import sliding
from fastcnn.saving.onnx import operators as export
from fastcnn.tracing import batch_size
from fastcnn.tracing.operators import INTERNAL, OPERATORS, Operator, Refused, row_of
from fastcnn.tracing.value import add_node, add_nodes

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "fastcnn"
OPS = re.findall(r"^FASTCNN_OP\((\w+)\)", (ROOT / "cpp/ops/ops.inc").read_text(), re.MULTILINE)
TABLES = {"batch": batch_size, "field": receptive_field, "slide": sliding, "macs": summary, "export": export}


# ---- every op, once


def test_every_op_has_one_entry() -> None:
    internal = [op for ops in INTERNAL.values() for op in ops]
    assert sorted([*OPERATORS, *internal]) == sorted(OPS), "add the op to OPERATORS or INTERNAL of fastcnn/tracing/operators.py"


def constants(path: Path) -> set[str]:
    """The texts that a file spells out."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_what_is_appended_in_python_has_a_row() -> None:
    """Ops are appended by their name, in these rooms. Other rooms name ops, too, and steps of programs."""
    rooms = ("tracing", "functional", "training", "onnx")
    lists = (PACKAGE / "tracing/operators.py", PACKAGE / "tracing/batch_size.py")
    files = [path for room in rooms for path in (PACKAGE / room).rglob("*.py") if path not in lists]
    named = set().union(*map(constants, files))
    assert named & set(OPS) == set(OPERATORS)


# ---- rows and tables


@pytest.mark.parametrize("table", TABLES)
def test_rules_are_those_that_rows_name(table: str) -> None:
    words = {getattr(row, table) for row in OPERATORS.values()}
    assert {word for word in words if isinstance(word, str)} == set(TABLES[table].RULES)


def test_refusals_are_only_where_a_table_may_refuse() -> None:
    refused = {table for table in TABLES for row in OPERATORS.values() if isinstance(getattr(row, table), Refused)}
    assert refused == {"slide", "export"}


def op_names_beside_rules(tree: ast.Module, words: set[str]) -> Iterator[str]:
    """Ops that code compares with, and ops outside of functions that are no words of its rules."""
    inside = {id(child) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for child in ast.walk(node)}
    compared = {id(child) for node in ast.walk(tree) if isinstance(node, ast.Compare) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in OPS:
            of_a_rule = id(node) in inside or node.value in words
            if id(node) in compared or not of_a_rule:
                yield node.value


@pytest.mark.parametrize("table", TABLES)
def test_no_table_lists_ops_beside_its_rules(table: str) -> None:
    tree = ast.parse(Path(str(TABLES[table].__file__)).read_text())
    columns = {"activation"} if table == "macs" else set()  # of the printed summary
    assert list(op_names_beside_rules(tree, columns | set(TABLES[table].RULES))) == []


def test_a_list_of_ops_is_found() -> None:
    code = "SAME = ('conv2d',)\nRULES = {'take': f}\ndef f(op):\n    g('matmul')\n    return op == 'linear' or op in ('mse',)"
    assert sorted(op_names_beside_rules(ast.parse(code), {"take"})) == ["conv2d", "linear", "mse"]


# ---- what the tables say of real networks


def summed(x: Any) -> Any:
    return add_node("add", [x, x[:, :1]], {})


def test_an_op_without_a_row_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    trace, _ = traced(Lambda(summed), [(1, 2, 4, 4)])
    monkeypatch.delitem(OPERATORS, "add")
    rule = r"^\[add\] an op of forward\(\) must have a row in OPERATORS of fastcnn/tracing/operators\.py\. Got none\.$"
    with pytest.raises(LookupError, match=rule):
        traced(Lambda(summed), [(1, 2, 4, 4)])
    with pytest.raises(LookupError, match=rule):
        receptive_field.fields_of(trace)
    with pytest.raises(LookupError, match=rule):
        row_of("add")


def test_an_op_of_the_core_alone_has_no_row() -> None:
    with pytest.raises(LookupError, match=r"^\[reorder\] an op of forward\(\) must have a row"):
        traced(Lambda(lambda x: add_node("reorder", [x], {})), [(1, 2, 4, 4)])


def test_rows_decide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every table does what the words of a row say."""
    net = fc.Sequential(fc.Conv2d(1, 1, 3, padding=1, seed=0), fc.Sigmoid())
    row = Operator("none", "whole", Refused("it must slide"), "seven", Refused("it must be there"))
    monkeypatch.setitem(OPERATORS, "activation", row)
    monkeypatch.setitem(receptive_field.RULES, "whole", lambda node, inputs, trace: tuple(along.whole() for along in inputs[0].field))
    monkeypatch.setitem(summary.RULES, "seven", lambda node, trace: 7)
    assert str(traced(net, [(3, 1, 5, 5)])[1].shape) == "(3, 1, 5, 5)"
    assert [(row.receptive_field, row.macs) for row in net.summary((1, 5, 5))] == [((3, 3), 225), ("whole image", 7)]
    with pytest.raises(NotImplementedError, match=r"^\[to_convolutional\] it must slide\. Got activation in layer '1'\.$"):
        net.to_convolutional((1, 5, 5))
    with pytest.raises(NotImplementedError, match=r"^\[save\] it must be there\. Got activation in layer '1'\.$"):
        net.save(tmp_path / "net.onnx", input_shape=(1, 1, 5, 5))


MACS: dict[str, tuple[Callable[[], fc.Module], tuple[int, ...], int]] = {
    "conv2d": (lambda: fc.Conv2d(4, 6, 3, groups=2), (4, 5, 7), 6 * 3 * 5 * (2 * 3 * 3)),
    "conv_transpose2d": (lambda: fc.ConvTranspose2d(4, 6, (2, 3), 2, groups=2), (4, 5, 7), 4 * 5 * 7 * (3 * 2 * 3)),
    "linear": (lambda: fc.Linear(4, 6), (4,), 4 * 6),
    "matmul": (lambda: Lambda(lambda x: x @ x.transpose(-2, -1)), (4, 5, 7), 0),
}


@pytest.mark.parametrize("op", MACS)
def test_multiply_adds(op: str) -> None:
    make, shape, macs = MACS[op]
    assert {row.op: row.macs for row in make().summary(shape)}[op] == macs


def shapes_of(op: str, *others: Any, **attributes: Any) -> list[str]:
    """The shapes of all outputs for x: (5, 2, 3, 4)."""
    outputs = traced(Lambda(lambda x: tuple(add_nodes(op, [x, *others], attributes))), [(5, 2, 3, 4)])[1]
    return [str(value.shape) for value in outputs]


def test_statistics_of_rows_follow_the_batch_and_those_of_channels_do_not() -> None:
    assert shapes_of("normalize", axes=2, eps=1e-5) == ["(N=5, 2, 3, 4)", "(N=5, 2)"]
    assert shapes_of("batch_norm_training", None, None, eps=1e-5) == ["(N=5, 2, 3, 4)", "(2,)", "(2,)", "(2,)"]


def test_losses_are_of_the_whole_batch() -> None:
    loss = traced(Lambda(lambda x: fc.loss.MSELoss()(x, x.relu())), [(5, 2)])[1]
    assert loss.shape == ()
