"""Runs one op through a graph and a program of the extension module, as fastcnn's Python layers would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from case import PARAMETERS

from fastcnn import _core

Array = np.ndarray

SAME_3X3 = {"stride": [1, 1], "padding": [1] * 4, "dilation": [1, 1], "groups": 1}

# A program uses one thread for each million operations; a matrix product of 200 x 200 x 100 beside the op makes three worth while.
BALLAST = 200, 200, 100


class Compiled:
    """One op, or its gradient, with its inputs, ready to be run with any number of threads.

    gradients: inputs whose gradients are the result, instead of the op's outputs; dy is then the gradient of the first output.
    """

    def __init__(
        self,
        op: str,
        inputs: Sequence[Array | None],
        attributes: dict[str, Any] | None = None,
        isa: str = "",
        gradients: Sequence[int] = (),
        dy: Array | None = None,
        ballast: bool = False,
        strict: bool = False,
    ):
        self.graph = _core.Graph()
        self.arrays: list[Array] = []
        values: list[int | None] = []
        for i, array in enumerate(inputs):
            if array is None:
                values.append(None)
            elif i in PARAMETERS.get(op, ()):
                values.append(self.graph.parameter(_core.Parameter(array), f"parameter{i}"))
            else:
                values.append(self.input(array))
        outputs = self.graph.add(op, values, dict(attributes or {}), op)
        self.missing: list[int] = []  # operands for which there is no gradient
        if dy is not None:
            outputs = self.add_gradients(outputs[0], dy, {i: values[i] for i in gradients})
        self.count = len(outputs)
        if ballast:
            outputs = [*outputs, *self.add_ballast()]
        self.graph.outputs(outputs)
        self.program = _core.Program(self.graph, isa=isa, strict=strict)

    def add_gradients(self, output: int, dy: Array, operands: dict[int, int | None]) -> list[int]:
        found = self.graph.gradient([output], [self.input(dy)], list(operands.values()))
        self.missing = [i for i, value in zip(operands, found, strict=True) if value is None]
        return [value for value in found if value is not None]

    def input(self, array: Array) -> int:
        self.arrays.append(array)
        return self.graph.input(f"input{len(self.arrays)}", array.shape, "int32" if array.dtype == np.int32 else "float32")

    def add_ballast(self) -> list[int]:
        rows, inputs, outputs = BALLAST
        weight = self.graph.parameter(_core.Parameter(np.zeros((outputs, inputs), np.float32)), "ballast")
        return self.graph.add("linear", [self.input(np.zeros((rows, inputs), np.float32)), weight, None], {}, "ballast")

    def __call__(self, threads: int = 1, **options: Any) -> list[Array]:
        return self.program.run(self.arrays, threads=threads, **options)[: self.count]


def run(
    op: str, inputs: Sequence[Array | None], attributes: dict[str, Any] | None = None, isa: str = "", threads: int = 1, **options: Any
) -> list[Array]:
    return Compiled(op, inputs, attributes, isa)(threads, **options)


def same_bits(a: Sequence[Array], b: Sequence[Array]) -> bool:
    return len(a) == len(b) and all(x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


def large_program(isa: str = "") -> tuple[_core.Program, list[np.ndarray]]:
    """Some 30 million operations: enough for 16 threads and more."""
    rng = np.random.default_rng(0)
    graph = _core.Graph()
    y = graph.input("x", (2, 3, 30, 29))
    for i, (outputs, inputs) in enumerate(((33, 3), (20, 33), (40, 20))):
        weight = graph.parameter(_core.Parameter(rng.uniform(-1, 1, (outputs, inputs, 3, 3)) / inputs), f"weight{i}")
        y = graph.add("conv2d", [y, weight, None], SAME_3X3)[0]
        y = graph.add("activation", [y], {"kind": "silu", "a": 0.0, "b": 0.0})[0]
    y = graph.add("max_pool", [y], {"kernel": [2, 2], "stride": [2, 2], "padding": [0] * 4, "dilation": [1, 1], "ceil_mode": False})[0]
    graph.outputs([y])
    return _core.Program(graph, isa=isa), [rng.uniform(-1, 1, (2, 3, 30, 29)).astype(np.float32)]
