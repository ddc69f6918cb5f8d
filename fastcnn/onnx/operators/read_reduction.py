"""The reader of ONNX: reductions over axes, ArgMax and ArgMin, TopK. fastcnn/saving/onnx/reduction.py writes them."""

from __future__ import annotations

from fastcnn.onnx.call import Call, Results
from fastcnn.onnx.handlers import operator
from fastcnn.onnx.symbolic import activation, affine, binary, reduce
from fastcnn.tracing.value import Value, add_node, add_nodes

__all__: list[str] = []

_KINDS = {
    "ReduceL1": "l1",
    "ReduceL2": "l2",
    "ReduceLogSumExp": "log_sum_exp",
    "ReduceMax": "max",
    "ReduceMean": "mean",
    "ReduceMin": "min",
    "ReduceProd": "product",
    "ReduceSum": "sum",
    "ReduceSumSquare": "sum_square",
}


@operator(*_KINDS, "ReduceLogSum")
def reduction(call: Call) -> Value:
    """axes: an attribute, from opset 18 on (13 for ReduceSum) an input. Without any: all axes, or none with noop_with_empty_axes."""
    x = call.value(0)
    name = call.node.op_type
    axes = call.axes(1, x.ndim)
    if not axes and call.flag("noop_with_empty_axes"):
        axes = []
    elif not axes:
        axes = list(range(x.ndim))
    if name == "ReduceLogSum":
        return activation(reduce(x, "sum", axes, call.flag("keepdims", True)), "log")
    if not axes:
        return _of_single(x, _KINDS[name])
    y = reduce(x, _KINDS[name], axes, call.flag("keepdims", True))
    return call.boolean(y) if call.is_boolean(0) and name in ("ReduceMax", "ReduceMin") else y


def _of_single(x: Value, kind: str) -> Value:
    """A reduction over no axes: each element alone."""
    if kind in ("l1", "l2"):
        return activation(x, "abs")
    return binary("multiply", x, x) if kind == "sum_square" else x


@operator("ArgMax", "ArgMin")
def arg(call: Call) -> Value:
    x = call.value(0)
    axis = call.axis(0, x.ndim)
    attributes = {"axis": axis, "keepdims": call.flag("keepdims", True), "last": call.flag("select_last_index")}
    return add_node("arg_max", [x if call.node.op_type == "ArgMax" else affine(x, -1.0, 0.0)], attributes)


@operator("TopK")
def top_k(call: Call) -> Results:
    """k: an attribute before opset 10, then an input. Returns values and indices, sorted even without the attribute `sorted`."""
    x = call.value(0)
    k = call.integer("k", 0) if call.opset < 10 else call.whole_numbers(1)
    if isinstance(k, list):
        if len(k) != 1:
            call.fail("k must be one number", k)
        k = k[0]
    axis = call.axis(-1, x.ndim)
    if not 0 <= k <= call.shape(0)[axis]:
        call.fail(f"k must be between 0 and {call.shape(0)[axis]}", k)
    return tuple(add_nodes("top_k", [x], {"axis": axis, "k": k, "largest": call.flag("largest", True)}))
