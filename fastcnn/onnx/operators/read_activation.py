"""The reader of ONNX: functions of one value, element by element, and softmax. Outputs have the shape of the input.

fastcnn/saving/onnx/elementwise.py writes such operators.
"""

from __future__ import annotations

import math

import numpy as np

from fastcnn import functional
from fastcnn.onnx.call import Call, Results
from fastcnn.onnx.handlers import operator
from fastcnn.onnx.refusals import refusal
from fastcnn.onnx.symbolic import activation, affine, binary, bounded, reshape
from fastcnn.tracing.axes import axis_of
from fastcnn.tracing.value import Value, add_node

__all__: list[str] = []

_LARGEST = 3.4028234663852886e38  # of float32
_KINDS = {
    "Abs": "abs",
    "Ceil": "ceil",
    "Cos": "cos",
    "Erf": "erf",
    "Exp": "exp",
    "Floor": "floor",
    "HardSwish": "hardswish",
    "Log": "log",
    "Mish": "mish",
    "Reciprocal": "reciprocal",
    "Relu": "relu",
    "Round": "round",
    "Sigmoid": "sigmoid",
    "Sign": "sign",
    "Sin": "sin",
    "Softplus": "softplus",
    "Sqrt": "sqrt",
    "Tanh": "tanh",
}


@operator(*_KINDS)
def plain(call: Call) -> Value:
    return activation(call.value(0), _KINDS[call.node.op_type])


@operator("Neg")
def neg(call: Call) -> Value:
    return affine(call.value(0), -1.0, 0.0)


@operator("LeakyRelu")
def leaky_relu(call: Call) -> Value:
    return activation(call.value(0), "leaky_relu", call.number("alpha", 0.01))


@operator("Elu")
def elu(call: Call) -> Value:
    return activation(call.value(0), "elu", call.number("alpha", 1.0))


@operator("Selu")
def selu(call: Call) -> Value:
    alpha, gamma = call.number("alpha", 1.67326319217681884765625), call.number("gamma", 1.05070102214813232421875)
    return activation(call.value(0), "selu", alpha, gamma)


@operator("HardSigmoid")
def hard_sigmoid(call: Call) -> Value:
    return activation(call.value(0), "hardsigmoid", call.number("alpha", 0.2), call.number("beta", 0.5))


@operator("Gelu")
def gelu(call: Call) -> Value:
    return activation(call.value(0), "gelu_tanh" if call.text("approximate", "none", "none", "tanh") == "tanh" else "gelu")


@operator("ThresholdedRelu")
def thresholded_relu(call: Call) -> Value:
    """x where it is greater than alpha, 0 elsewhere, also for -inf and NaN."""
    x = call.value(0)
    alpha = call.weight("alpha", np.array(call.number("alpha", 1.0), np.float32))
    zero = call.weight("zero", np.zeros((), np.float32))
    return add_node("where", [binary("compare", x, alpha, kind="greater"), x, zero], {})


@operator("PRelu")
def prelu(call: Call) -> Value:
    """slope: one number, or one for each channel, (C, 1, ..., 1). With another shape: relu(x) - slope * relu(-x)."""
    x = call.value(0)
    whole = call.shape(0)
    shape = call.shape(1)
    full = (1,) * (x.ndim - len(shape)) + shape  # aligned with the last axis of x
    if math.prod(shape) == 1 or (x.ndim > 1 and math.prod(shape) == full[1] == whole[1] and len(shape) <= x.ndim):
        slope = call.operand(1) if len(shape) == 1 else reshape(call.value(1), (math.prod(shape),))
        return functional.prelu(x, slope)
    if np.broadcast_shapes(whole, shape) != whole:
        call.fail(f"the slope must broadcast to {whole}", shape)
    negative = binary("multiply", activation(affine(x, -1.0, 0.0), "relu"), call.operand(1))
    return binary("subtract", activation(x, "relu"), negative)


@operator("Clip")
def clip_attributes(call: Call) -> Value:
    """Before opset 11. Bounds: attributes."""
    return _clipped(call.value(0), call.number("min", -_LARGEST, finite=False), call.number("max", _LARGEST, finite=False))


@operator("Clip", since=11)
def clip(call: Call) -> Value:
    """Bounds: inputs, constants or values of the run."""
    x = call.value(0)
    if any(call.has(i) and isinstance(call.input(i), Value) for i in (1, 2)):
        for i, op in ((1, "maximum"), (2, "minimum")):
            x = binary(op, x, call.operand(i)) if call.has(i) else x
        return x
    return _clipped(x, *(call.scalar(i) if call.has(i) else default for i, default in ((1, -math.inf), (2, math.inf))))


def _clipped(x: Value, low: float, high: float) -> Value:
    if math.isnan(low) or math.isnan(high):
        raise refusal(ValueError, "bounds must be numbers", f"{low}, {high}")
    if (low, high) == (0.0, math.inf):
        return activation(x, "relu")
    return activation(x, "clipped", low, high)


@operator("Softmax", "LogSoftmax")
def softmax_of_rows(call: Call) -> Value:
    """Before opset 13: over all axes from `axis` on together."""
    x = call.value(0)
    axis = _axis_or_end(call, x.ndim)
    shape = call.shape(0)
    rows = reshape(x, (math.prod(shape[:axis]), math.prod(shape[axis:])))
    return reshape(_softmax(call, rows, 1), shape)


def _axis_or_end(call: Call, rank: int) -> int:
    """The attribute axis, which may be the rank."""
    axis = call.integer("axis", 1)
    return rank if axis == rank else axis_of(call.node.op_type, axis, rank)


@operator("Softmax", "LogSoftmax", since=13)
def softmax(call: Call) -> Value:
    x = call.value(0)
    return _softmax(call, x, call.axis(-1, x.ndim))


def _softmax(call: Call, x: Value, axis: int) -> Value:
    return add_node("softmax" if call.node.op_type == "Softmax" else "log_softmax", [x], {"axis": axis})


@operator("Dropout")
def dropout(call: Call) -> Results:
    """Drops in training steps only. ratio: an attribute before opset 12, then an input, with the input training_mode."""
    x = call.input(0)
    ratio = call.number("ratio", 0.5)
    if call.opset >= 12:
        ratio = call.scalar(1) if call.has(1) else 0.5
    if call.has(2) and call.scalar(2) and call.scope.trace is not None and not call.scope.trace.training and ratio:
        call.unsupported("training_mode must be false outside training", "true")
    training = call.scope.trace is not None and call.scope.trace.training
    y = functional.dropout(call.value(0), ratio) if training else x
    return (y, np.ones(bounded(call.shape(0)), bool)) if call.wants(1) else y
