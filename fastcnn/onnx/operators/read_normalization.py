"""The reader of ONNX: batch, instance, group and layer normalization, LRN. Outputs have the shape of the input.

fastcnn/saving/onnx/operators.py and reduction.py write such operators.
"""

from __future__ import annotations

import math

import numpy as np

from fastcnn import functional
from fastcnn._core import Parameter
from fastcnn.onnx.call import Call, Results
from fastcnn.onnx.handlers import operator
from fastcnn.onnx.symbolic import affine, binary, reduce, reshape, take
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.value import Value, add_node, add_nodes

__all__: list[str] = []


@operator("BatchNormalization")
def batch_normalization(call: Call) -> Results:
    """x: (N, C, ...), or (N,) of one channel; other inputs (C,). Training normalizes by the batch, and mean and var follow it."""
    if call.integer("spatial", 1) != 1:
        call.unsupported("attribute spatial must be 1", call.integer("spatial", 1))
    x = call.value(0)
    if x.ndim < 1:
        call.fail("the input must be (N, C, ...) or (N,)", call.shape(0))
    image = reshape(x, (*x.shape[:2], *[1] * (x.ndim == 1), math.prod(x.shape[2:]), 1) if x.ndim != 4 else x.shape)
    scale, bias, mean, var = (call.operand(i) for i in range(1, 5))
    eps = call.number("epsilon", 1e-5)
    momentum = call.number("momentum", 0.9)
    if call.flag("training_mode"):
        y, *running = _of_batch(call, image, eps, momentum)
        return (reshape(y, x.shape), *running)
    kept = isinstance(call.input(3), Parameter) and isinstance(call.input(4), Parameter)
    if kept and isinstance(mean, Parameter) and isinstance(var, Parameter):
        return reshape(functional.batch_norm(image, mean, var, scale, bias, True, 1 - momentum, eps), x.shape)
    return reshape(add_node("batch_norm", [image, scale, bias, mean, var], {"eps": eps}), x.shape)


def _of_batch(call: Call, x: Value, eps: float, momentum: float) -> list[Value]:
    """training_mode: the output, and the running mean and var. The variance of the batch divides by the count."""
    y, mean, var = add_nodes("batch_norm_training", [x, call.operand(1), call.operand(2)], {"eps": eps})[:3]
    running = [affine(call.value(i), momentum, 0.0) for i in (3, 4)]
    new = [affine(mean, 1 - momentum, 0.0), affine(var, 1 - momentum, 0.0)]
    return [y, *(binary("add", old, batch) for old, batch in zip(running, new, strict=True))]


def _channels(call: Call, index: int, rank: int) -> Value:
    """An input (C,) as (C, 1, ..., 1), for x of this rank."""
    weight = call.value(index)
    if weight.ndim != 1:
        call.fail(f"input {index} must have one axis", call.shape(index))
    return reshape(weight, (weight.shape[0], *[1] * (rank - 2)))


@operator("InstanceNormalization")
def instance_normalization(call: Call) -> Value:
    x = call.value(0)
    if x.ndim < 3:
        call.fail("the input must be (N, C, ...)", call.shape(0))
    y = add_node("normalize", [x], {"axes": x.ndim - 2, "eps": call.number("epsilon", 1e-5)})
    return binary("add", binary("multiply", y, _channels(call, 1, x.ndim)), _channels(call, 2, x.ndim))


@operator("GroupNormalization")
def group_normalization(call: Call) -> Value:
    """scale, bias: (groups,) before opset 21, then (C,)."""
    x = call.value(0)
    groups = call.integer("num_groups", 0)
    if x.ndim < 3 or groups < 1 or call.shape(0)[1] % groups:
        call.fail("num_groups must divide the channels of (N, C, ...)", f"{groups}, input {call.shape(0)}")
    parts = reshape(x, (x.shape[0], groups, math.prod(x.shape[1:]) // groups))
    y = add_node("normalize", [parts], {"axes": 1, "eps": call.number("epsilon", 1e-5)})
    if call.opset >= 21:
        y = reshape(y, x.shape)
    y = binary("add", binary("multiply", y, _channels(call, 1, y.ndim)), _channels(call, 2, y.ndim))
    return reshape(y, x.shape)


@operator("LayerNormalization")
def layer_normalization(call: Call) -> Results:
    """Over the axes from `axis` on. scale and bias broadcast to x."""
    x = call.value(0)
    axis = call.axis(-1, x.ndim)
    eps = call.number("epsilon", 1e-5)
    normal, inverse = add_nodes("normalize", [x], {"axes": x.ndim - axis, "eps": eps})
    y = binary("multiply", normal, call.operand(1))
    y = binary("add", y, call.operand(2)) if call.has(2) else y
    if concrete(y.shape) != call.shape(0):
        call.fail(f"scale and bias must broadcast to {call.shape(0)}", [call.shape(i) for i in range(1, len(call))])
    if not (call.wants(1) or call.wants(2)):
        return y
    mean = reduce(x, "mean", range(axis, x.ndim))
    return y, mean, reshape(inverse, mean.shape)


@operator("LRN")
def lrn(call: Call) -> Value:
    """x / (bias + alpha / size * sum of x^2 over `size` channels)^beta. The larger half of an even window comes after the channel."""
    x = call.value(0)
    size = call.integer("size", 0)
    alpha, beta, k = call.number("alpha", 1e-4), call.number("beta", 0.75), call.number("bias", 1.0)
    if size % 2 == 1:
        return functional.local_response_norm(x, size, alpha, beta, k)
    if x.ndim < 2:
        call.fail("the input must be (N, C, ...)", call.shape(0))
    backwards = np.arange(call.shape(0)[1])[::-1]  # in the core, the larger half comes before the channel
    return take(functional.local_response_norm(take(x, 1, backwards), size, alpha, beta, k), 1, backwards)
