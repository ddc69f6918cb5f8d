"""MaxPool, AveragePool, LpPool of windows, and the global forms. x: (N, C, H, W), or (N, C, L) as images of one row."""

from __future__ import annotations

import numpy as np

from fastcnn.onnx.call import Call
from fastcnn.onnx.handlers import operator
from fastcnn.onnx.operators.windows import Window, image_rank, window_of
from fastcnn.onnx.symbolic import activation, binary, bounded, reduce, reshape, take
from fastcnn.support.arrays import AnyArray
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.value import Value, add_node

__all__: list[str] = []

_LONGEST_AXIS = 1 << 22  # of a padded image, and of the counts of its windows


def _image(call: Call) -> tuple[Value, Window, bool]:
    """The input as an image, its windows, and whether it was one."""
    x = call.value(0)
    is_image = image_rank(call, x.ndim, with_rows=True) == 2
    window = window_of(call, call.shape(0), call.integers("kernel_shape") or [])
    return (x if is_image else reshape(x, (*x.shape[:2], 1, x.shape[2]))), window, is_image


def _as_given(y: Value, is_image: bool) -> Value:
    return y if is_image else reshape(y, (*y.shape[:2], y.shape[3]))


def _padded(x: Value, window: Window, ceil_mode: bool) -> tuple[Value, Window, bool]:
    """With the padding as pixels where it is wider than the core's pooling takes it, half of the kernel: up to the last window's end, so
    that the windows are as many as ONNX says, rounded up or not.
    """
    if all(pad <= window.kernel[i % 2] // 2 for i, pad in enumerate(window.padding)):
        return x, window, ceil_mode
    for i in range(2):
        size, before = concrete(x.shape)[2 + i], window.padding[i]
        end = (_outputs(size, window, i, ceil_mode) - 1) * window.stride[i] + window.span(i)
        if end > _LONGEST_AXIS:
            raise ValueError(f"a padded image must have at most {_LONGEST_AXIS} rows and columns. Got pads {window.padding}")
        places = np.pad(np.arange(size), (before, max(0, end - size - before)), constant_values=-1)
        x = take(x, 2 + i, places[:end], -np.inf)
    return x, window._replace(padding=[0, 0, 0, 0]), False


@operator("MaxPool")
def max_pool(call: Call) -> Value:
    if call.wants(1):
        call.unsupported("the output Indices must not be asked for", f"'{call.node.outputs[1]}'")
    x, window, is_image = _image(call)
    x, window, ceil_mode = _padded(x, window, call.flag("ceil_mode"))
    attributes = {"kernel": window.kernel, "stride": window.stride, "padding": window.padding, "dilation": window.dilation}
    return _as_given(add_node("max_pool", [x], {**attributes, "ceil_mode": ceil_mode}), is_image)


@operator("AveragePool")
def average_pool(call: Call) -> Value:
    x, window, is_image = _image(call)
    ceil_mode, include = call.flag("ceil_mode"), call.flag("count_include_pad")
    narrow = all(pad <= window.kernel[i % 2] // 2 for i, pad in enumerate(window.padding))
    if window.dilation == [1, 1] and narrow:
        return _as_given(_average(x, window, ceil_mode, include, 0), is_image)
    counts = [_counts(concrete(x.shape)[2 + i], window, i, ceil_mode, include) for i in range(2)]
    bounded((len(counts[0]), len(counts[1])))
    shares = np.float32(1) / np.maximum(1, np.outer(*counts)).astype(np.float32)
    sums = _window_sums(call, x, window, [len(count) for count in counts])
    return _as_given(binary("multiply", sums, call.weight(f"shares {shares.shape}", shares)), is_image)


def _average(x: Value, window: Window, ceil_mode: bool, include: bool, divisor: int) -> Value:
    attributes = {"kernel": window.kernel, "stride": window.stride, "padding": window.padding, "ceil_mode": ceil_mode}
    return add_node("avg_pool", [x], {**attributes, "count_include_pad": include, "divisor": divisor})


def _outputs(size: int, window: Window, i: int, ceil_mode: bool) -> int:
    before, after, stride = window.padding[i], window.padding[i + 2], window.stride[i]
    room = size + before + after - window.span(i)
    if room < 0 or size + before + after > _LONGEST_AXIS:
        raise ValueError(f"a window must fit the padded image, of at most {_LONGEST_AXIS}. Got {window.span(i)}, {size + before + after}")
    if not ceil_mode:
        return room // stride + 1
    outputs = -(-room // stride) + 1  # a last window may hang over the end, but must not start there
    return outputs if (outputs - 1) * stride < size + before else outputs - 1


def _counts(size: int, window: Window, i: int, ceil_mode: bool, include: bool) -> AnyArray:
    """How many pixels each window holds along an axis. What hangs over the end of the padding counts in no case."""
    before, after = window.padding[i], window.padding[i + 2]
    starts = np.arange(_outputs(size, window, i, ceil_mode)) * window.stride[i]
    end = size + before + after
    first, last = (0, end) if include else (before, before + size)
    step = window.dilation[i]
    lower = np.maximum(0, -((starts - first) // step))  # the first tap at `first` or later: a ceiling, written as a floor
    upper = np.minimum(window.kernel[i], -((starts - last) // step))
    found: AnyArray = np.maximum(0, upper - lower)
    return found


def _window_sums(call: Call, x: Value, window: Window, outputs: list[int]) -> Value:
    """A convolution of each channel with ones, padded at the end as far as the last window reaches."""
    _, channels, *sizes = concrete(x.shape)
    ends = [(outputs[i] - 1) * window.stride[i] + window.span(i) - sizes[i] - window.padding[i] for i in range(2)]
    ones = np.ones(bounded((channels, 1, *window.kernel)), np.float32)
    padding = [*window.padding[:2], *(max(0, end) for end in ends)]
    attributes = {"stride": window.stride, "padding": padding, "dilation": window.dilation, "groups": channels}
    return add_node("conv2d", [x, call.weight(f"ones {ones.shape}", ones), None], attributes)


@operator("LpPool")
def lp_pool(call: Call) -> Value:
    """(sum of |x|^p over each window)^(1/p)"""
    x, window, is_image = _image(call)
    p = float(call.integer("p", 2))
    if p < 1:
        call.fail("p must be at least 1", p)
    powers = binary("multiply", x, x) if p == 2 else activation(activation(x, "abs"), "power", p)
    outputs = [_outputs(concrete(x.shape)[2 + i], window, i, call.flag("ceil_mode")) for i in range(2)]
    sums = _window_sums(call, powers, window, outputs)
    return _as_given(activation(sums, "sqrt") if p == 2 else activation(sums, "power", 1 / p), is_image)


@operator("GlobalAveragePool")
def global_average_pool(call: Call) -> Value:
    return _global(call, "avg_pool", "mean")


@operator("GlobalMaxPool")
def global_max_pool(call: Call) -> Value:
    return _global(call, "max_pool", "max")


def _global(call: Call, pool: str, kind: str) -> Value:
    x = call.value(0)
    if x.ndim == 4:
        return add_node(pool, [x], {"adaptive": [1, 1]})
    if x.ndim < 3:
        call.fail("the input must be (N, C, ...)", call.shape(0))
    return reduce(x, kind, range(2, x.ndim))


@operator("GlobalLpPool")
def global_lp_pool(call: Call) -> Value:
    """(sum of |x|^p over all)^(1/p)"""
    x, p = call.value(0), call.integer("p", 2)
    if p < 1:
        call.fail("p must be at least 1", p)
    if p in (1, 2):
        return reduce(x, f"l{p}", range(2, x.ndim))
    sums = reduce(activation(activation(x, "abs"), "power", p), "sum", range(2, x.ndim))
    return activation(sums, "power", 1 / p)
