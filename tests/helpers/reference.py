"""The oracle: what every op of fastcnn means, in NumPy float64, written to be read and not to be fast.

One function an op, under the op's own name, with its inputs in order and its attributes by name. There is no backward here: gradients
are checked by central differences of these functions (gradients.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from reference_elementwise import *  # noqa: F403  # the oracle is one module to its users
from reference_elementwise import Array, activate
from reference_elementwise import float64 as _float64
from reference_tensor import *  # noqa: F403

# ---- convolution and linear ------------------------------------------------------------------------------------------------------------


def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    residual: Array | None = None,
    *,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    activation: str = "identity",
    activation_a: float = 0.0,
    activation_b: float = 0.0,
) -> Array:
    """x (N, C, H, W), weight (O, C / groups, KH, KW), bias (O,), residual like y -> y (N, O, OH, OW). padding: top, left, bottom, right."""
    x, weight = _float64(x), _float64(weight)
    top, left, bottom, right = padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    inputs, outputs = x.shape[1] // groups, weight.shape[0] // groups
    parts = []
    for g in range(groups):
        windows = _windows(padded[:, g * inputs : (g + 1) * inputs], weight.shape[2:], stride, dilation)
        parts.append(np.einsum("nchwij,ocij->nohw", windows, weight[g * outputs : (g + 1) * outputs], optimize=True))
    y = np.concatenate(parts, axis=1)
    if bias is not None:
        y = y + _float64(bias)[:, None, None]
    if residual is not None:
        y = y + _float64(residual)
    return activate(y, activation, activation_a, activation_b)


def _windows(padded: Array, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Array:
    """(N, C, H, W) -> (N, C, OH, OW, KH, KW): what each tap of the kernel sees at each output position."""
    N, C, H, W = padded.shape
    OH, OW = ((size - d * (k - 1) - 1) // s + 1 for size, k, s, d in zip((H, W), kernel, stride, dilation, strict=True))
    windows = np.empty((N, C, OH, OW, *kernel))
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows = i * dilation[0] + stride[0] * np.arange(OH)
            columns = j * dilation[1] + stride[1] * np.arange(OW)
            windows[..., i, j] = padded[:, :, rows][:, :, :, columns]
    return windows


def conv_transpose2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Sequence[int],
    padding: Sequence[int],
    output_padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    activation: str = "identity",
    activation_a: float = 0.0,
    activation_b: float = 0.0,
) -> Array:
    """x (N, I, H, W), weight (I, O / groups, KH, KW), bias (O,) -> y (N, O, OH, OW).

    Each pixel of x stamps the kernel, times its value, into y: stamps are a stride apart, their entries a dilation. output_padding adds
    rows and columns behind the last stamp; then padding (top, left, bottom, right) is cut off.
    """
    y = _stamped(_float64(x), _float64(weight), stride, output_padding, dilation, groups)
    y = y[:, :, padding[0] : y.shape[2] - padding[2], padding[1] : y.shape[3] - padding[3]]
    if bias is not None:
        y = y + _float64(bias)[:, None, None]
    return activate(y, activation, activation_a, activation_b)


def _stamped(x: Array, weight: Array, stride: Sequence[int], output_padding: Sequence[int], dilation: Sequence[int], groups: int) -> Array:
    """What conv_transpose2d gives before padding is cut off and the bias is added."""
    sizes = zip(x.shape[2:], weight.shape[2:], stride, dilation, output_padding, strict=True)
    height, width = ((n - 1) * s + d * (k - 1) + 1 + extra for n, k, s, d, extra in sizes)
    inputs, outputs = x.shape[1] // groups, weight.shape[1]
    y = np.zeros((x.shape[0], outputs * groups, height, width))
    for g in range(groups):
        stamped, kernel = x[:, g * inputs : (g + 1) * inputs], weight[g * inputs : (g + 1) * inputs]
        for i in range(weight.shape[2]):
            for j in range(weight.shape[3]):
                rows = i * dilation[0] + stride[0] * np.arange(x.shape[2])
                columns = j * dilation[1] + stride[1] * np.arange(x.shape[3])
                stamp = np.einsum("nihw,io->nohw", stamped, kernel[:, :, i, j])
                y[:, g * outputs : (g + 1) * outputs, rows[:, None], columns] += stamp
    return y


def linear(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    activation: str = "identity",
    activation_a: float = 0.0,
    activation_b: float = 0.0,
) -> Array:
    """x (N, I), weight (O, I), bias (O,) -> (N, O)."""
    y = _float64(x) @ _float64(weight).T
    if bias is not None:
        y = y + _float64(bias)
    return activate(y, activation, activation_a, activation_b)


# ---- pooling ---------------------------------------------------------------------------------------------------------------------------


def pooled_size(size: int, kernel: int, stride: int, before: int, after: int, dilation: int, ceil_mode: bool) -> int:
    """Outputs along one axis. With ceil_mode a last window may hang over the end, if it starts in the input or the padding before it."""
    span = size + before + after - dilation * (kernel - 1) - 1
    outputs = (-(-span // stride) if ceil_mode else span // stride) + 1
    if ceil_mode and (outputs - 1) * stride >= size + before:
        outputs -= 1
    return outputs


def adaptive_windows(size: int, outputs: int) -> list[tuple[int, int]]:
    """First and one past the last input of each output: they cover the axis as evenly as integers can, and may overlap."""
    return [(o * size // outputs, -(-(o + 1) * size // outputs)) for o in range(outputs)]


def max_pool(
    x: Array,
    *,
    kernel: Sequence[int] = (),
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0, 0, 0),
    dilation: Sequence[int] = (1, 1),
    ceil_mode: bool = False,
    adaptive: Sequence[int] = (),
) -> Array:
    """x (N, C, H, W) -> (N, C, OH, OW). Padding is no value: only pixels of x compete. A NaN in a window is its maximum."""
    x = _float64(x)
    axes = []  # for each axis, for each output, the inputs of its window
    for axis in range(2):
        size = x.shape[2 + axis]
        if adaptive:
            axes.append([np.arange(*window) for window in adaptive_windows(size, adaptive[axis])])
            continue
        before, after = padding[axis], padding[axis + 2]
        outputs = pooled_size(size, kernel[axis], stride[axis], before, after, dilation[axis], ceil_mode)
        taps = [o * stride[axis] - before + dilation[axis] * np.arange(kernel[axis]) for o in range(outputs)]
        axes.append([t[(t >= 0) & (t < size)] for t in taps])
    y = np.empty((*x.shape[:2], len(axes[0]), len(axes[1])))
    for h, rows in enumerate(axes[0]):
        for w, columns in enumerate(axes[1]):
            y[:, :, h, w] = x[:, :, rows][:, :, :, columns].max(axis=(2, 3), initial=-np.inf)
    return y


def avg_pool(
    x: Array,
    *,
    kernel: Sequence[int] = (),
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0, 0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int = 0,
    adaptive: Sequence[int] = (),
) -> Array:
    """x (N, C, H, W) -> (N, C, OH, OW): the sum of a window by `divisor`, else by its pixels, padding counted or not.

    What ceil_mode hangs over the end of the padding is never counted.
    """
    x = _float64(x)
    axes = []  # for each axis, for each output: (first input, one past the last, inputs with padding)
    for axis in range(2):
        size = x.shape[2 + axis]
        if adaptive:
            axes.append([(first, last, last - first) for first, last in adaptive_windows(size, adaptive[axis])])
            continue
        before, after = padding[axis], padding[axis + 2]
        outputs = pooled_size(size, kernel[axis], stride[axis], before, after, 1, ceil_mode)
        firsts = [o * stride[axis] - before for o in range(outputs)]
        lasts = [min(first + kernel[axis], size + after) for first in firsts]
        axes.append([(max(first, 0), min(last, size), last - first) for first, last in zip(firsts, lasts, strict=True)])
    return _window_means(x, axes[0], axes[1], count_include_pad, divisor)


def _window_means(
    x: Array, rows: list[tuple[int, int, int]], columns: list[tuple[int, int, int]], count_include_pad: bool, divisor: int
) -> Array:
    """rows, columns: for each output (first input, one past the last, inputs with padding)."""
    y = np.empty((*x.shape[:2], len(rows), len(columns)))
    for h, (top, bottom, high) in enumerate(rows):
        for w, (left, right, wide) in enumerate(columns):
            pixels = high * wide if count_include_pad else (bottom - top) * (right - left)
            y[:, :, h, w] = x[:, :, top:bottom, left:right].sum(axis=(2, 3)) / (divisor or pixels)
    return y


# ---- dropout -------------------------------------------------------------------------------------------------------------------------


def dropout(x: Array, *, p: float, stream: int, seed: int, iteration: int) -> Array:
    """x / (1 - p), or 0 where the element's random number says so."""
    return np.where(dropout_mask(np.shape(x), p, stream, seed, iteration), _float64(x) / (1 - p), 0)


def dropout_mask(shape: Sequence[int], p: float, stream: int, seed: int, iteration: int) -> Array:
    """True where an element is kept. A hash of the row-major index, under two 32-bit keys made of seed, iteration and stream."""
    golden, all_bits = 0x9E3779B97F4A7C15, 2**64 - 1
    key = 0
    for part in (seed, iteration, stream):
        key = _splitmix64((key + part + golden) & all_bits)
    index = np.arange(math.prod(shape), dtype=np.uint32)
    random = _lowbias32(_lowbias32(index + np.uint32(key & 0xFFFFFFFF)) ^ np.uint32(key >> 32)) >> 1
    return (random >= int(p * 2**31 + 0.5)).reshape(tuple(shape))


def _splitmix64(z: int) -> int:
    all_bits = 2**64 - 1
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & all_bits
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & all_bits
    return z ^ (z >> 31)


def _lowbias32(h: Array) -> Array:
    h = (h ^ (h >> 16)) * np.uint32(0x7FEB352D)
    h = (h ^ (h >> 15)) * np.uint32(0x846CA68B)
    return h ^ (h >> 16)


# ---- normalization ---------------------------------------------------------------------------------------------------------------------


def per_channel(values: Array, x: Array) -> Array:
    """(C,) -> the shape in which it broadcasts over x (N, C, ...)."""
    return _float64(values).reshape(1, -1, *[1] * (x.ndim - 2))


def batch_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    var: Array,
    *,
    eps: float,
    activation: str = "identity",
    activation_a: float = 0.0,
    activation_b: float = 0.0,
) -> Array:
    """x (N, C, ...), all others (C,)."""
    x = _float64(x)
    y = (x - per_channel(mean, x)) / np.sqrt(per_channel(var, x) + eps)
    if weight is not None:
        y = y * per_channel(weight, x)
    if bias is not None:
        y = y + per_channel(bias, x)
    return activate(y, activation, activation_a, activation_b)


def fold_batch_norm(
    weight: Array,
    bias: Array | None,
    norm_weight: Array | None,
    norm_bias: Array | None,
    mean: Array,
    var: Array,
    *,
    eps: float,
    before: bool,
    groups: int,
    transposed: bool,
) -> tuple[Array, Array]:
    """The weight and bias of one convolution that does what this one does with a batch normalization after, or before, it."""
    scale = (1.0 if norm_weight is None else _float64(norm_weight)) / np.sqrt(_float64(var) + eps)
    shift = (0.0 if norm_bias is None else _float64(norm_bias)) - _float64(mean) * scale
    # one filter for each pair of channels that meet: (groups, inputs of a group, outputs of a group, KH, KW)
    filters = _float64(weight).reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    filters = filters if transposed else filters.swapaxes(1, 2)
    inputs, outputs = filters.shape[1:3]
    folded_bias = np.zeros(groups * outputs) if bias is None else _float64(bias)
    if before:
        folded_bias = folded_bias + np.einsum("giohw,gi->go", filters, shift.reshape(groups, inputs)).ravel()
        filters = filters * scale.reshape(groups, inputs, 1, 1, 1)
    else:
        folded_bias = folded_bias * scale + shift
        filters = filters * scale.reshape(groups, 1, outputs, 1, 1)
    return (filters if transposed else filters.swapaxes(1, 2)).reshape(weight.shape), folded_bias


def batch_norm_training(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, eps: float
) -> tuple[Array, Array, Array, Array]:
    """x (N, C, ...) -> y, and (C,) each: mean, biased variance, 1 / sqrt(variance + eps) of the batch."""
    x = _float64(x)
    axes = (0, *range(2, x.ndim))
    mean = x.mean(axis=axes)
    var = ((x - per_channel(mean, x)) ** 2).mean(axis=axes)
    return batch_norm(x, weight, bias, mean, var, eps=eps), mean, var, 1 / np.sqrt(var + eps)


def batch_norm_update(running: Array, batch: Array, *, momentum: float, correction: float, rate: float = 1.0) -> Array:
    momentum *= rate
    return (1 - momentum) * _float64(running) + momentum * correction * _float64(batch)


def local_response_norm(x: Array, *, size: int, alpha: float, beta: float, k: float) -> Array:
    """x (N, C, H, W). The mean is over `size` channels around each, those outside counted as zeros."""
    x = _float64(x)
    C = x.shape[1]
    y = np.empty_like(x)
    for c in range(C):
        first, last = max(0, c - size // 2), min(C, c + (size - 1) // 2 + 1)
        squares = (x[:, first:last] ** 2).sum(axis=1)
        y[:, c] = x[:, c] / (k + alpha / size * squares) ** beta
    return y


# ---- softmax and losses ----------------------------------------------------------------------------------------------------------------


def log_softmax(x: Array, *, axis: int) -> Array:
    x = _float64(x)
    shifted = x - x.max(axis=axis, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def softmax(x: Array, *, axis: int) -> Array:
    return np.exp(log_softmax(x, axis=axis))


def cross_entropy(logits: Array, target: Array, *, label_smoothing: float) -> Array:
    """logits (N, K, ...), target (N, ...) of integers below K -> mean over the targets, shape ()."""
    log_p = np.moveaxis(log_softmax(logits, axis=1), 1, -1)
    K = log_p.shape[-1]
    wanted = (1 - label_smoothing) * np.eye(K)[target] + label_smoothing / K
    return np.asarray(-(wanted * log_p).sum(axis=-1).mean())


def mse(x: Array, y: Array) -> Array:
    return np.asarray(((_float64(x) - _float64(y)) ** 2).mean())


# ---- shapes ----------------------------------------------------------------------------------------------------------------------------


def reshape(x: Array, *, shape: Sequence[int]) -> Array:
    return _float64(x).reshape(tuple(shape))


def reorder(x: Array) -> Array:
    return _float64(x)


def reduce_to(x: Array, *, shape: Sequence[int]) -> Array:
    """Sum over the axes along which an array of `shape` would be broadcast to x."""
    x = _float64(x)
    padded = (1,) * (x.ndim - len(shape)) + tuple(shape)
    axes = tuple(axis for axis in range(x.ndim) if padded[axis] == 1 and x.shape[axis] != 1)
    return x.sum(axis=axes, keepdims=True).reshape(tuple(shape))


def concat(*xs: Array, axis: int) -> Array:
    return np.concatenate([_float64(x) for x in xs], axis=axis)


def slice(x: Array, *, axis: int, start: int, stop: int) -> Array:
    x = _float64(x)
    index = [np.s_[:]] * x.ndim
    index[axis] = np.s_[start:stop]
    return x[tuple(index)]
