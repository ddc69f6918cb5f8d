"""Gemm and MatMul."""

from __future__ import annotations

import numpy as np

from fastcnn._core import Parameter
from fastcnn.onnx.call import Call
from fastcnn.onnx.registry import operator
from fastcnn.onnx.symbolic import affine, binary, matmul, transpose
from fastcnn.value import Value, add_node

__all__: list[str] = []


@operator("Gemm")
def gemm(call: Call) -> Value:
    """alpha * A' B' + beta * C: A' (M, K), B' (K, N), each perhaps transposed in the file; C broadcasts to (M, N)."""
    if call.rank(0) != 2 or call.rank(1) != 2:
        call.fail("A and B must be matrices", (call.shape(0), call.shape(1)))
    alpha, beta = call.number("alpha", 1.0), call.number("beta", 1.0)
    a = transpose(call.value(0), (1, 0)) if call.flag("transA") else call.value(0)
    columns = call.shape(1)[0] if call.flag("transB") else call.shape(1)[1]
    bias = call.optional(2) if beta else None
    if bias is not None and alpha == beta == 1 and bias.shape == (columns,):
        return add_node("linear", [a, _weight(call), bias], {})
    y = affine(add_node("linear", [a, _weight(call), None], {}), alpha, 0.0)
    if bias is None:
        return y
    if np.broadcast_shapes(bias.shape, y.shape) != y.shape:
        call.fail(f"C must broadcast to {y.shape}", bias.shape)
    return binary("add", y, bias if beta == 1 else affine(call.symbolic(bias), beta, 0.0))


def _weight(call: Call) -> Value | Parameter:
    """B' as the core's linear takes it: (N, K)."""
    return call.operand(1) if call.flag("transB") else transpose(call.value(1), (1, 0))


@operator("MatMul")
def mat_mul(call: Call) -> Value:
    if not call.rank(0) or not call.rank(1):
        call.fail("the inputs must have an axis", (call.shape(0), call.shape(1)))
    return matmul(call.value(0), call.value(1))
