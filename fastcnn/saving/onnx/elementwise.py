"""The writer of ONNX: ops of the core that compute element by element.

fastcnn/onnx/operators/read_activation.py and read_arithmetic.py read the operators that this file writes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from fastcnn.saving.onnx.graph import BOOL, FLOAT, CoreNode, OnnxGraph

__all__ = ["activation", "cast", "compare", "prelu", "scale_shift", "where"]


def activation(to: OnnxGraph, node: CoreNode) -> str:
    x = node.inputs[0]
    kind = node.attributes["kind"]
    if kind in PLAIN:
        return to.node(PLAIN[kind], x)
    return WITH_NUMBERS[kind](to, x, float(node.attributes["a"]), float(node.attributes["b"]))


PLAIN = {
    "abs": "Abs",
    "ceil": "Ceil",
    "cos": "Cos",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "hardswish": "HardSwish",
    "identity": "Identity",
    "log": "Log",
    "reciprocal": "Reciprocal",
    "relu": "Relu",
    "round": "Round",
    "sigmoid": "Sigmoid",
    "sign": "Sign",
    "sin": "Sin",
    "softplus": "Softplus",
    "sqrt": "Sqrt",
    "tanh": "Tanh",
}


def _gelu(to: OnnxGraph, x: str) -> str:
    """x / 2 * (1 + erf(x / sqrt 2)); opset 17 has no operator for it."""
    gate = to.node("Erf", to.node("Mul", x, to.floats(math.sqrt(0.5))))
    return to.node("Mul", to.node("Mul", x, to.floats(0.5)), to.node("Add", gate, to.floats(1)))


def _gelu_tanh(to: OnnxGraph, x: str) -> str:
    """x / 2 * (1 + tanh(sqrt(2 / pi) * x * (1 + 0.044715 x^2)))"""
    cubic = to.node("Add", to.node("Mul", to.node("Mul", x, x), to.floats(0.044715)), to.floats(1))
    gate = to.node("Tanh", to.node("Mul", to.node("Mul", x, to.floats(math.sqrt(2 / math.pi))), cubic))
    return to.node("Mul", to.node("Mul", x, to.floats(0.5)), to.node("Add", gate, to.floats(1)))


WITH_NUMBERS: dict[str, Callable[[OnnxGraph, str, float, float], str]] = {
    "clipped": lambda to, x, a, b: to.node("Clip", x, to.floats(a), to.floats(b)),
    "elu": lambda to, x, a, b: to.node("Elu", x, alpha=a),
    "gelu": lambda to, x, a, b: _gelu(to, x),
    "gelu_tanh": lambda to, x, a, b: _gelu_tanh(to, x),
    "hardsigmoid": lambda to, x, a, b: to.node("HardSigmoid", x, alpha=a, beta=b),
    "leaky_relu": lambda to, x, a, b: to.node("LeakyRelu", x, alpha=a),
    "mish": lambda to, x, a, b: to.node("Mul", x, to.node("Tanh", to.node("Softplus", x))),
    "power": lambda to, x, a, b: to.node("Pow", x, to.floats(a)),
    "selu": lambda to, x, a, b: to.node("Selu", x, alpha=a, gamma=b),
    "silu": lambda to, x, a, b: to.node("Mul", x, to.node("Sigmoid", x)),
}


COMPARISONS = {"equal": "Equal", "less": "Less", "less_equal": "LessOrEqual", "greater": "Greater", "greater_equal": "GreaterOrEqual"}


def compare(to: OnnxGraph, node: CoreNode) -> str:
    return to.node("Cast", to.node(COMPARISONS[node.attributes["kind"]], *node.inputs), to=FLOAT)


def cast(to: OnnxGraph, node: CoreNode) -> str:
    return to.node("Cast", node.inputs[0], to=FLOAT)


def where(to: OnnxGraph, node: CoreNode) -> str:
    condition, *choices = node.inputs
    return to.node("Where", to.node("Cast", condition, to=BOOL), *choices)


def prelu(to: OnnxGraph, node: CoreNode) -> str:
    x, weight = node.inputs
    if node.shapes[1] != (1,):  # one slope for each channel, axis 1; ONNX aligns shapes at the last axis
        weight = to.node("Reshape", weight, to.integers(-1, *(1 for _ in node.shapes[0][2:])))
    return to.node("PRelu", x, weight)


def scale_shift(to: OnnxGraph, node: CoreNode) -> str:
    y = node.inputs[0]
    scale = node.attributes["scale"]
    shift = node.attributes["shift"]
    if scale != 1:
        y = to.node("Mul", y, to.floats(scale))
    return to.node("Add", y, to.floats(shift)) if shift != 0 or scale == 1 else y
