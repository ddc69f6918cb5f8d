"""The reader of ONNX: Conv and ConvTranspose of images. x: (N, C, H, W). fastcnn/saving/onnx/operators.py writes them."""

from __future__ import annotations

from fastcnn.onnx.call import Call
from fastcnn.onnx.handlers import operator
from fastcnn.onnx.operators.windows import Window, image_rank, window_of
from fastcnn.tracing.value import Value, add_node

__all__: list[str] = []


def _kernel(call: Call) -> list[int]:
    """The sizes (KH, KW) of the weight, which the attribute kernel_shape may repeat."""
    image_rank(call, call.rank(0))
    weight = list(call.shape(1))
    if len(weight) != 4:
        call.fail("the weight must have 4 axes", tuple(weight))
    said = call.integers("kernel_shape") or weight[2:]
    if said != weight[2:]:
        call.fail(f"kernel_shape must be that of the weight, {weight[2:]}", said)
    return said


@operator("Conv")
def conv(call: Call) -> Value:
    """weight: (O, C / group, KH, KW), bias: (O,)."""
    window = window_of(call, call.shape(0), _kernel(call))
    attributes = {"stride": window.stride, "padding": window.padding, "dilation": window.dilation, "groups": call.integer("group", 1)}
    return add_node("conv2d", [call.value(0), call.operand(1), call.optional(2)], attributes)


@operator("ConvTranspose")
def conv_transpose(call: Call) -> Value:
    """weight: (C, O / group, KH, KW), bias: (O,). The output has a shape that a convolution with these attributes takes to that of x."""
    kernel = _kernel(call)
    mode = call.text("auto_pad", "NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
    window = window_of(call, call.shape(0), kernel)
    extra = call.integers("output_padding", 2) or [0, 0]
    wanted = call.integers("output_shape")
    if wanted is None and mode.startswith("SAME"):
        wanted = [size * stride for size, stride in zip(call.shape(0)[2:], window.stride, strict=True)]
    padding = window.padding
    if wanted is not None:
        padding, extra = _padding_for(call, window, extra, wanted[-2:], mode)
    attributes = {"stride": window.stride, "padding": padding, "output_padding": extra, "dilation": window.dilation}
    inputs = [call.value(0), call.operand(1), call.optional(2)]
    return add_node("conv_transpose2d", inputs, {**attributes, "groups": call.integer("group", 1)})


def _padding_for(call: Call, window: Window, extra: list[int], wanted: list[int], mode: str) -> tuple[list[int], list[int]]:
    """(padding, output_padding) that give an output of the wanted size."""
    if len(wanted) != 2 or min(wanted) < 1:
        call.fail("output_shape must have 2 sizes of at least 1", wanted)
    before, after, more = [], [], []
    for i in range(2):
        total = window.stride[i] * (call.shape(0)[2 + i] - 1) + extra[i] + window.span(i) - wanted[i]
        removed = max(total, 0)
        before.append(removed // 2 if mode == "SAME_UPPER" else removed - removed // 2)
        after.append(removed - before[-1])
        more.append(extra[i] + max(-total, 0))
    return before + after, more
