"""How far a float32 result may be from the oracle's: derived from what is computed, never tuned.

Rounding to float32 errs by at most EPS = 2^-24 of the result. A sum of n terms, in whatever order and with or without fused multiply-add,
therefore errs by at most n EPS times the sum of the magnitudes of its terms (Higham, Accuracy and Stability, 2002, section 4.2):

    tolerance(op, lengths, magnitude) = (lengths + ROUNDINGS[op]) EPS magnitude + FLUSHED

`magnitude` is found by computing the op itself on absolute values, for every op that is linear in each operand: then no term can cancel
another. Ops with roots and exponentials state their magnitude by formula. FLUSHED is what flushing denormals to zero costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import reference
import tolerance_tensor
from case import Case

Array = np.ndarray

EPS = 2.0**-24
FLUSHED = 2.0**-120  # 64 results below the smallest normal number, 2^-126

# Roundings beside those of the sum. An exponential, logarithm, root or error function counts as 4: what float32 libraries reach.
ROUNDINGS = {
    "conv2d": 2,  # bias, residual
    "conv_transpose2d": 1,  # bias
    "linear": 1,  # bias
    "avg_pool": 2,  # 1 / pixels, and the product with it
    "activation": 10,  # mish: an exponential, its square and the quotient
    "prelu": 1,
    "batch_norm": 9,  # root, quotient, product with the weight, mean, bias
    "batch_norm_training": 9,
    "batch_norm_update": 4,
    "local_response_norm": 12,  # alpha / size, k; a power is an exponential of a logarithm
    "softmax": 8,  # exponential, difference with the maximum, quotient
    "log_softmax": 10,
    "cross_entropy": 14,
    "mse": 5,
    "multiply": 1,
    "add": 1,
    "subtract": 1,
    "divide": 2,  # its gradient: quotient, product
    "minimum": 1,
    "maximum": 1,
    "power": 10,  # its gradient: power, logarithm, two products
    "scale_shift": 2,
    "reduce_to": 0,
    **tolerance_tensor.ROUNDINGS,
}
# They move values and make none.
EXACT = {"reorder", "reshape", "max_pool", "concat", "slice", "minimum", "maximum", "compare", "where"} | tolerance_tensor.EXACT
MULTILINEAR = {
    "conv2d", "conv_transpose2d", "linear", "reorder", "reshape", "avg_pool", "batch_norm",
    "add", "subtract", "multiply", "scale_shift", "reduce_to", "concat", "slice", "where",
} | tolerance_tensor.MULTILINEAR  # fmt: skip


def tolerance(op: str, lengths: float, magnitude: Array) -> Array:
    return (lengths + ROUNDINGS.get(op, 0)) * EPS * np.asarray(magnitude) + FLUSHED


def on_absolute_values(case: Case, arrays: Sequence[Array | None]) -> Callable[..., Array]:
    """The op as a function of its inputs in which nothing cancels, to be called with absolute values."""
    attributes = {name: abs(value) if name in ("scale", "shift") else value for name, value in case.attributes.items()}
    if "activation" in attributes:
        attributes["activation"] = "identity"
    if "weights" in attributes:
        attributes["weights"] = [abs(weight) for weight in attributes["weights"]]

    def magnitude(*inputs: Array | None) -> Array:
        inputs = tuple(None if x is None else np.asarray(x, np.float64) for x in inputs)
        if case.op == "batch_norm":  # x - mean becomes |x| + |mean|
            inputs = (*inputs[:3], -inputs[3], inputs[4])
        op = "add" if case.op == "subtract" else case.op
        return np.asarray(getattr(reference, op)(*inputs, **attributes))

    return magnitude


def absolute(arrays: Sequence[Array | None]) -> list[Array | None]:
    return [None if array is None else np.abs(array.astype(np.float64)) for array in arrays]


# ---- forward ---------------------------------------------------------------------------------------------------------------------------


def forward_bounds(case: Case, arrays: Sequence[Array | None], outputs: Sequence[Array]) -> list[Array]:
    """One bound for each element of each output."""
    if case.op in EXACT:
        return [np.full(y.shape, FLUSHED) for y in outputs]
    if case.op in MULTILINEAR:
        bound = tolerance(case.op, forward_length(case, arrays, outputs[0]), on_absolute_values(case, arrays)(*absolute(arrays)))
        attributes = case.attributes
        if "activation" in attributes:
            linear = getattr(reference, case.op)(*arrays, **attributes | {"activation": "identity"})
            kind, a, b = (attributes[name] for name in ("activation", "activation_a", "activation_b"))
            bound = bound * steepest(kind, a, b) + activation_error(kind, a, b, linear, outputs[0])
        return [bound]
    return FORWARD[case.op](case, arrays, outputs)


def forward_length(case: Case, arrays: Sequence[Array | None], y: Array) -> int:
    """Terms of one output's sum."""
    if case.op in tolerance_tensor.MULTILINEAR:
        return tolerance_tensor.forward_length(case, arrays)
    if case.op == "conv2d":
        return math.prod(arrays[1].shape[1:])
    if case.op == "conv_transpose2d":
        inputs, _, KH, KW = arrays[1].shape
        return inputs // case.attributes["groups"] * KH * KW
    if case.op == "linear":
        return arrays[1].shape[1]
    if case.op == "avg_pool":
        return math.prod(window_sizes(case))
    if case.op == "reduce_to":
        return arrays[0].size // max(y.size, 1)
    return 1


def window_sizes(case: Case) -> list[int]:
    """The largest pooling window, per axis."""
    sizes = case.inputs[0].shape[2:]
    if "adaptive" in case.attributes:
        return [
            max(last - first for first, last in reference.adaptive_windows(s, o))
            for s, o in zip(sizes, case.attributes["adaptive"], strict=True)
        ]
    return case.attributes["kernel"]


def steepest(kind: str, a: float, b: float) -> float:
    """A bound of the slope of the functions that stand in epilogues: hardswish reaches 3/2 at 3."""
    return max(1.5, abs(a), abs(a * b) if kind == "selu" else 0)


def activation_error(kind: str, a: float, b: float, x: Array, y: Array) -> Array:
    """Of the function itself, on an exact x. The magnitudes are those of the terms that its formula adds: if nothing is said, of y."""
    magnitude: dict[str, Any] = {
        "identity": 0, "relu": 0, "clipped": 0, "leaky_relu": abs(y) / 4, "elu": abs(a), "selu": abs(a * b) + abs(b * x), "tanh": 1,
        "gelu": abs(x), "gelu_tanh": abs(x), "hardsigmoid": abs(a * x) + abs(b), "hardswish": abs(x), "mish": abs(x),
        "abs": 0, "sign": 0, "floor": 0, "ceil": 0, "round": 0,
    }  # fmt: skip
    return np.broadcast_to(tolerance("activation", 0, magnitude.get(kind, abs(y))), np.shape(y))


def _activation(case: Case, arrays: Sequence[Array], outputs: Sequence[Array]) -> list[Array]:
    kind, a, b = (case.attributes[name] for name in ("kind", "a", "b"))
    return [activation_error(kind, a, b, arrays[0].astype(np.float64), outputs[0])]


def _batch_norm_training(case: Case, arrays: Sequence[Array | None], outputs: Sequence[Array]) -> list[Array]:
    """y = x_hat w + b; the variance is the mean of (x - mean)^2, for E[x^2] - mean^2 would cancel."""
    x, weight, bias = arrays
    y, _, var, inv_std = outputs
    pixels, mean_error, hat, hat_error = statistics(case, arrays, outputs)
    w = 1.0 if weight is None else abs(reference.per_channel(weight, x))
    b = 0.0 if bias is None else abs(reference.per_channel(bias, x))
    y_bound = w * hat_error + tolerance(case.op, 0, abs(hat) * w + b)
    inverse = tolerance(case.op, pixels, inv_std)
    return [
        np.broadcast_to(y_bound, y.shape),
        mean_error,
        tolerance(case.op, pixels, var) + mean_error**2,
        inverse + mean_error**2 * inv_std**3,
    ]


def statistics(case: Case, arrays: Sequence[Array | None], outputs: Sequence[Array]) -> tuple[int, Array, Array, Array]:
    """Pixels of a channel, error of its mean, x_hat = (x - mean) inv_std, error of x_hat."""
    x = arrays[0].astype(np.float64)
    axes = (0, *range(2, x.ndim))
    pixels = x.size // x.shape[1]
    mean_error = tolerance(case.op, pixels, abs(x).mean(axis=axes))
    inv_std = reference.per_channel(outputs[3], x)
    hat = (x - reference.per_channel(outputs[1], x)) * inv_std
    mean = reference.per_channel(abs(outputs[1]), x)
    # the error of the mean, of the difference, and of inv_std (half that of the variance)
    hat_error = reference.per_channel(mean_error, x) * inv_std + tolerance(case.op, pixels, abs(hat)) + 2 * EPS * (abs(x) + mean) * inv_std
    return pixels, mean_error, hat, hat_error


def lrn_length(case: Case) -> float:
    """Relative roundings of (k + alpha / size sum of squares)^-beta: those of the sum, beta times over, and of beta log(...)."""
    size, beta = case.attributes["size"], case.attributes["beta"]
    return (beta + 1) * (size + 3) + 4 * beta * math.log(10)  # the sum stays below 10 in all cases


def softmax_length(x: Array, axis: int) -> Array:
    """Relative roundings of a softmax: of its sum, and of x - max, which become relative ones of e^(x - max)."""
    x = x.astype(np.float64)
    return x.shape[axis] + abs(x - x.max(axis=axis, keepdims=True, initial=-np.inf))


def _cross_entropy(case: Case, arrays: Sequence[Array], outputs: Sequence[Array]) -> list[Array]:
    logits, target = arrays
    length = target.size + np.max(softmax_length(logits, 1))
    log_p = abs(reference.log_softmax(logits, axis=1)).max(axis=1).mean()
    return [tolerance(case.op, length, 1 + log_p)]


FORWARD: dict[str, Callable[..., list[Array]]] = {
    "activation": _activation,
    "prelu": lambda case, arrays, outputs: [tolerance(case.op, 0, abs(outputs[0]))],
    "divide": lambda case, arrays, outputs: [tolerance(case.op, 0, abs(outputs[0]))],
    "power": lambda case, arrays, outputs: [tolerance(case.op, 0, abs(outputs[0]))],
    "batch_norm_training": _batch_norm_training,
    "fold_batch_norm": lambda case, arrays, outputs: [2 * EPS * abs(outputs[0]), EPS * abs(outputs[1]) + EPS**2],  # made in float64
    "local_response_norm": lambda case, arrays, outputs: [tolerance(case.op, lrn_length(case), abs(outputs[0]))],
    "softmax": lambda case, arrays, outputs: [tolerance(case.op, softmax_length(arrays[0], case.attributes["axis"]), outputs[0])],
    "log_softmax": lambda case, arrays, outputs: [tolerance(case.op, 1, arrays[0].shape[case.attributes["axis"]] + abs(outputs[0]))],
    "cross_entropy": _cross_entropy,
    "mse": lambda case, arrays, outputs: [tolerance(case.op, arrays[0].size, np.mean((abs(arrays[0]) + abs(arrays[1])) ** 2.0))],
    **tolerance_tensor.FORWARD,
}


# ---- gradients: the bound of sum(gradient * direction) ---------------------------------------------------------------------------------


def gradient_length(case: Case, arrays: Sequence[Array | None], y: Array, operand: int) -> float:
    """Terms of one element of the gradient's sum, for the multilinear ops."""
    if case.op in tolerance_tensor.MULTILINEAR:
        return tolerance_tensor.gradient_length(case, arrays, y, operand)
    array = arrays[operand]
    if case.op == "conv2d":
        outputs, _, KH, KW = arrays[1].shape
        return outputs // case.attributes["groups"] * KH * KW if operand == 0 else y.size // outputs
    if case.op == "conv_transpose2d":
        pixels = arrays[0].size // max(arrays[0].shape[1], 1)
        return (math.prod(arrays[1].shape[1:]), pixels, y.size // max(y.shape[1], 1))[operand]
    if case.op == "linear":
        return arrays[1].shape[0] if operand == 0 else y.shape[0]
    if case.op == "avg_pool":
        return math.prod(windows_of_a_pixel(case))
    return y.size // max(array.size, 1)  # how often a broadcast operand is used


def windows_of_a_pixel(case: Case) -> list[int]:
    """How many pooling windows a pixel can be in, per axis."""
    if "adaptive" in case.attributes:
        return [-(-o // s) + 1 for s, o in zip(case.inputs[0].shape[2:], case.attributes["adaptive"], strict=True)]
    dilation = case.attributes.get("dilation", [1, 1])
    steps = [
        s // math.gcd(s, d) for s, d in zip(case.attributes["stride"], dilation, strict=True)
    ]  # from one tap that meets it to the next
    return [-(-k // step) for k, step in zip(case.attributes["kernel"], steps, strict=True)]


def gradient_magnitude(case: Case, arrays: Sequence[Array | None], outputs: Sequence[Array], dy: Array, operand: int) -> Array:
    """For the ops that are not multilinear: the bound of each element of the gradient."""
    return np.broadcast_to(GRADIENT[case.op](case, arrays, outputs, abs(dy.astype(np.float64)), operand), arrays[operand].shape)


def _activation_gradient(case: Case, arrays: Sequence[Array], outputs: Sequence[Array], dy: Array, operand: int) -> Array:
    kind, a, b = (case.attributes[name] for name in ("kind", "a", "b"))
    x, y = abs(arrays[0].astype(np.float64)), abs(outputs[0])
    steep = {"exp": lambda: y, "log": lambda: 1 / x, "sqrt": lambda: 0.5 / y, "reciprocal": lambda: y**2, "power": lambda: abs(a) * y / x}
    if kind in steep:
        return tolerance(case.op, 4, dy * steep[kind]())
    # slopes are sums of terms up to 1 + |x|, as in sigmoid + x sigmoid (1 - sigmoid); three exponentials at most
    return tolerance(case.op, 4, dy * (1 + x) * steepest(kind, a, b))


def _binary_gradient(case: Case, arrays: Sequence[Array], outputs: Sequence[Array], dy: Array, operand: int) -> Array:
    """A sum over all places where the operand is used, of dy times the slope there."""
    a, b = (array.astype(np.float64) for array in arrays)
    slope = {
        "divide": lambda: (1 / b, a / b**2),
        "power": lambda: (b * a ** (b - 1), outputs[0] * np.log(a)),
    }.get(case.op, lambda: (1.0, 1.0))()[operand]
    shape = arrays[operand].shape
    terms = reference.reduce_to(np.broadcast_to(dy * abs(slope), outputs[0].shape), shape=shape)
    return tolerance(case.op, outputs[0].size // max(arrays[operand].size, 1), terms)


def _prelu_gradient(case: Case, arrays: Sequence[Array], outputs: Sequence[Array], dy: Array, operand: int) -> Array:
    x, weight = arrays
    if operand == 0:
        return tolerance(case.op, 1, dy * np.maximum(1, abs(reference.per_channel(weight, x))))
    terms = np.moveaxis(np.where(x < 0, abs(x) * dy, 0), 1, 0).reshape(x.shape[1], -1).sum(axis=1)
    return tolerance(case.op, x.size // max(weight.size, 1), terms if weight.size > 1 else terms.sum())


def _batch_norm_training_gradient(case: Case, arrays: Sequence[Array | None], outputs: Sequence[Array], dy: Array, operand: int) -> Array:
    """dx = w inv_std (dy - mean(dy) - x_hat mean(dy x_hat)), dw = sum(dy x_hat), db = sum(dy)."""
    x, weight, _ = arrays
    axes = (0, *range(2, x.ndim))
    pixels, _, hat, hat_error = statistics(case, arrays, outputs)
    if operand == 2:
        return tolerance(case.op, pixels, dy.sum(axis=axes))
    if operand == 1:
        return tolerance(case.op, pixels, (dy * abs(hat)).sum(axis=axes)) + (dy * hat_error).sum(axis=axes)
    scale = reference.per_channel(outputs[3], x) * (1.0 if weight is None else abs(reference.per_channel(weight, x)))
    along = {"axis": axes, "keepdims": True}
    projection = (dy * abs(hat)).mean(**along)
    terms = dy + dy.mean(**along) + abs(hat) * projection
    return scale * (tolerance(case.op, 2 * pixels, terms) + hat_error * projection + abs(hat) * (dy * hat_error).mean(**along))


def _local_response_norm_gradient(case: Case, arrays: Sequence[Array], outputs: Sequence[Array], dy: Array, operand: int) -> Array:
    """dx_c = dy_c s_c^-beta - 2 alpha beta / size x_c sum over the windows j that hold c of dy_j y_j / s_j."""
    x, attributes = abs(arrays[0].astype(np.float64)), case.attributes
    power = np.where(x > 0, abs(outputs[0]) / np.where(x > 0, x, 1), 1)  # s^-beta
    terms = dy * abs(outputs[0]) * power ** (1 / attributes["beta"])
    around = np.pad(terms, ((0, 0), (attributes["size"],) * 2, (0, 0), (0, 0)))
    sums = sum(around[:, i : i + x.shape[1]] for i in range(attributes["size"] // 2 + 1, attributes["size"] * 3 // 2 + 2))
    magnitude = dy * power + 2 * attributes["alpha"] * attributes["beta"] / attributes["size"] * x * sums
    return tolerance(case.op, 2 * lrn_length(case) + attributes["size"], magnitude)


def _softmax_gradient(case: Case, arrays: Sequence[Array], outputs: Sequence[Array], dy: Array, operand: int) -> Array:
    """dx = y (dy - sum(dy y)); the error of y comes in twice."""
    axis, y = case.attributes["axis"], outputs[0]
    length = 2 * np.max(softmax_length(arrays[0], axis), initial=0) + y.shape[axis] + 8
    return tolerance(case.op, length, y * (dy + (dy * y).sum(axis=axis, keepdims=True)))


def _log_softmax_gradient(case: Case, arrays: Sequence[Array], outputs: Sequence[Array], dy: Array, operand: int) -> Array:
    """dx = dy - e^y sum(dy)."""
    axis, y = case.attributes["axis"], outputs[0]
    length = 2 * np.max(softmax_length(arrays[0], axis), initial=0) + y.shape[axis]
    return tolerance(case.op, length, dy + np.exp(y) * dy.sum(axis=axis, keepdims=True))


def _cross_entropy_gradient(case: Case, arrays: Sequence[Array], outputs: Sequence[Array], dy: Array, operand: int) -> Array:
    """dx = dy / targets (softmax - wanted)."""
    logits, target = arrays
    K = logits.shape[1]
    smoothing = case.attributes["label_smoothing"]
    wanted = np.moveaxis((1 - smoothing) * np.eye(K)[target] + smoothing / K, -1, 1)
    terms = reference.softmax(logits, axis=1) + wanted
    return tolerance(case.op, np.max(softmax_length(logits, 1)), dy / target.size * terms)


def _mse_gradient(case: Case, arrays: Sequence[Array], outputs: Sequence[Array], dy: Array, operand: int) -> Array:
    return tolerance(case.op, 0, dy * 2 / arrays[0].size * (abs(arrays[0]) + abs(arrays[1])))


def _max_pool_gradient(case: Case, arrays: Sequence[Array], outputs: Sequence[Array], dy: Array, operand: int) -> Array:
    windows = math.prod(windows_of_a_pixel(case))
    return tolerance(case.op, windows - 1, windows * dy.max(initial=0))  # a single window's gradient is passed on as it is


GRADIENT: dict[str, Callable[..., Array]] = {
    "activation": _activation_gradient,
    "prelu": _prelu_gradient,
    "divide": _binary_gradient,
    "minimum": _binary_gradient,
    "maximum": _binary_gradient,
    "power": _binary_gradient,
    "batch_norm_training": _batch_norm_training_gradient,
    "local_response_norm": _local_response_norm_gradient,
    "softmax": _softmax_gradient,
    "log_softmax": _log_softmax_gradient,
    "cross_entropy": _cross_entropy_gradient,
    "mse": _mse_gradient,
    "max_pool": _max_pool_gradient,
    **tolerance_tensor.GRADIENT,
}
