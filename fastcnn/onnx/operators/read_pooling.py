"""The reader of ONNX: MaxPool, AveragePool, LpPool and their global forms. x: (N, C, H, W), or (N, C, L) as images of one row.

fastcnn/saving/onnx/pooling.py writes such operators.
"""

from __future__ import annotations

import numpy as np

from fastcnn.onnx.call import Call
from fastcnn.onnx.handlers import operator
from fastcnn.onnx.operators.windows import Window, image_rank, window_of
from fastcnn.onnx.refusals import refusal
from fastcnn.onnx.symbolic import activation, binary, bounded, reduce, reshape, take
from fastcnn.support.arrays import AnyArray
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.value import Value, add_node

__all__: list[str] = []

_LONGEST_AXIS = 1 << 22  # of a padded image: the counts of its windows are arrays


def _image(call: Call) -> tuple[Value, Window, bool]:
    """(the input as an image, its windows, whether the input is an image)."""
    x = call.value(0)
    is_image = image_rank(call, x.ndim, with_rows=True) == 2
    window = window_of(call, call.shape(0), call.integers("kernel_shape") or [])
    return (x if is_image else reshape(x, (*x.shape[:2], 1, x.shape[2]))), window, is_image


def _as_given(y: Value, is_image: bool) -> Value:
    """The output with the rank of the input."""
    return y if is_image else reshape(y, (*y.shape[:2], y.shape[3]))


def _padded(x: Value, window: Window, ceil_mode: bool) -> tuple[Value, Window, bool]:
    """(x, window, ceil_mode) for the core, whose padding is at most half of the kernel. Wider padding becomes pixels of -inf, up to the end
    of the last window, so that the number of windows is that of ONNX with or without ceil_mode.
    """
    if all(pad <= window.kernel[i % 2] // 2 for i, pad in enumerate(window.padding)):
        return x, window, ceil_mode
    for i in range(2):
        size = concrete(x.shape)[2 + i]
        before = window.padding[i]
        end = (_outputs(size, window, i, ceil_mode) - 1) * window.stride[i] + window.span(i)
        if end > _LONGEST_AXIS:
            raise refusal(ValueError, f"a padded image must have at most {_LONGEST_AXIS} rows and columns", f"pads {window.padding}")
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
    ceil_mode = call.flag("ceil_mode")
    include = call.flag("count_include_pad")
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
    """The number of windows along height (i = 0) or width (1)."""
    before, after, stride = window.padding[i], window.padding[i + 2], window.stride[i]
    rest = size + before + after - window.span(i)
    if rest < 0 or size + before + after > _LONGEST_AXIS:
        rule = f"a window must fit the padded image, of at most {_LONGEST_AXIS}"
        raise refusal(ValueError, rule, f"{window.span(i)}, {size + before + after}")
    if not ceil_mode:
        return rest // stride + 1
    outputs = -(-rest // stride) + 1  # the last window may reach beyond the end, but must not start there
    return outputs if (outputs - 1) * stride < size + before else outputs - 1


def _counts(size: int, window: Window, i: int, ceil_mode: bool, include: bool) -> AnyArray:
    """The number of elements of each window along an axis. Those beyond the padding do not count, padding counts with `include`."""
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
    """Sums over windows: a convolution of each channel with ones, padded up to the end of the last window."""
    _, channels, *sizes = concrete(x.shape)
    ends = [(outputs[i] - 1) * window.stride[i] + window.span(i) - sizes[i] - window.padding[i] for i in range(2)]
    ones = np.ones(bounded((channels, 1, *window.kernel)), np.float32)
    padding = [*window.padding[:2], *(max(0, end) for end in ends)]
    attributes = {"stride": window.stride, "padding": padding, "dilation": window.dilation, "groups": channels}
    return add_node("conv2d", [x, call.weight(f"ones {ones.shape}", ones), None], attributes)


@operator("LpPool")
def lp_pool(call: Call) -> Value:
    """(sum of |x|^p over each window)^(1/p)."""
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
    """(sum of |x|^p over all pixels)^(1/p)."""
    x = call.value(0)
    p = call.integer("p", 2)
    if p < 1:
        call.fail("p must be at least 1", p)
    if p in (1, 2):
        return reduce(x, f"l{p}", range(2, x.ndim))
    sums = reduce(activation(activation(x, "abs"), "power", p), "sum", range(2, x.ndim))
    return activation(sums, "power", 1 / p)
