"""The reader of ONNX: Gemm and MatMul. fastcnn/saving/onnx/operators.py and reduction.py write them."""

from __future__ import annotations

import numpy as np

from fastcnn import functional
from fastcnn.onnx.call import Call
from fastcnn.onnx.handlers import operator
from fastcnn.onnx.symbolic import affine, binary, matmul, transpose
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.value import Value, add_node

__all__: list[str] = []


@operator("Gemm")
def gemm(call: Call) -> Value:
    """alpha * A' B' + beta * C. A' (M, K), B' (K, N), or their transposes with transA, transB; C broadcasts to (M, N)."""
    if call.rank(0) != 2 or call.rank(1) != 2:
        call.fail("A and B must be matrices", (call.shape(0), call.shape(1)))
    alpha = call.number("alpha", 1.0)
    beta = call.number("beta", 1.0)
    bias = call.optional(2) if beta else None
    columns = call.shape(1)[0] if call.flag("transB") else call.shape(1)[1]
    if bias is not None and concrete(bias.shape) == (columns,) and alpha == beta == 1 and call.flag("transB") and not call.flag("transA"):
        return add_node("linear", [call.value(0), call.operand(1), bias], {})
    y = affine(_product(call), alpha, 0.0)
    if bias is None:
        return y
    shape, given = concrete(y.shape), concrete(bias.shape)
    if np.broadcast_shapes(given, shape) != shape:
        call.fail(f"C must broadcast to {shape}", given)
    return binary("add", y, bias if beta == 1 else affine(call.symbolic(bias), beta, 0.0))


def _product(call: Call) -> Value:
    """A' B'. The core transposes at most one of them."""
    a, b = call.value(0), call.operand(1)
    first, second = call.flag("transA"), call.flag("transB")
    if first and second:
        return matmul(transpose(a, (1, 0)), b, {"transpose_b": True})
    return matmul(a, b, {"transpose_a": first, "transpose_b": second})


@operator("MatMul")
def mat_mul(call: Call) -> Value:
    """NumPy's @, vectors included."""
    a, b = call.value(0), call.value(1)
    if not a.ndim or not b.ndim:
        call.fail("the inputs must have an axis", (call.shape(0), call.shape(1)))
    return functional.matmul(a, b)
