"""The same cases against PyTorch, where it is installed: the oracle itself, then forward and whole gradients of every op, then corners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import reference
import tolerance
from case import Case
from gradients import output_gradient
from op_cases import CASES
from running import Compiled, run

from fastcnn import _core

torch = pytest.importorskip("torch")
F = torch.nn.functional
Tensor = Any


def fused(y: Tensor, a: dict[str, Any]) -> Tensor:
    return activation(y, a["activation"], a["activation_a"], a["activation_b"]) if "activation" in a else y


def activation(x: Tensor, kind: str, a: float, b: float) -> Tensor:
    return {
        "relu": F.relu,
        "clipped": lambda x: F.hardtanh(x, a, b),
        "leaky_relu": lambda x: F.leaky_relu(x, a),
        "elu": lambda x: F.elu(x, a),
        "selu": lambda x: b * F.elu(x, a),
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "silu": F.silu,
        "gelu": F.gelu,
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "hardsigmoid": lambda x: F.hardsigmoid(x) if a == 1 / 6 else F.hardtanh(a * x + b, 0, 1),
        "hardswish": F.hardswish,
        "mish": F.mish,
        "softplus": lambda x: F.softplus(x, threshold=1000),
        "exp": torch.exp,
        "log": torch.log,
        "sqrt": torch.sqrt,
        "reciprocal": torch.reciprocal,
        "power": lambda x: torch.pow(x, a),
        "abs": torch.abs,
        "sign": torch.sign,
        "floor": torch.floor,
        "ceil": torch.ceil,
        "round": torch.round,
        "erf": torch.erf,
        "sin": torch.sin,
        "cos": torch.cos,
    }[kind](x)


def pad(x: Tensor, padding: Sequence[int], value: float = 0.0) -> Tensor:
    top, left, bottom, right = padding
    return F.pad(x, (left, right, top, bottom), value=value)


def conv2d(x: Tensor, weight: Tensor, bias: Tensor, residual: Tensor = None, **a: Any) -> Tensor:
    y = F.conv2d(pad(x, a["padding"]), weight, bias, a["stride"], 0, a["dilation"], a["groups"])
    return fused(y if residual is None else y + residual, a)


def conv_transpose2d(x: Tensor, weight: Tensor, bias: Tensor, **a: Any) -> Tensor:
    """Padding by cutting: torch's own is the same on both sides."""
    top, left, bottom, right = a["padding"]
    y = F.conv_transpose2d(x, weight, bias, a["stride"], 0, a["output_padding"], a["groups"], a["dilation"])
    return fused(y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right], a)


def max_pool(x: Tensor, **a: Any) -> Tensor:
    if "adaptive" in a:
        return F.adaptive_max_pool2d(x, a["adaptive"])
    if a["padding"][:2] != a["padding"][2:]:
        return F.max_pool2d(pad(x, a["padding"], -torch.inf), a["kernel"], a["stride"], 0, a["dilation"])
    return F.max_pool2d(x, a["kernel"], a["stride"], a["padding"][:2], a["dilation"], a["ceil_mode"])


def avg_pool(x: Tensor, **a: Any) -> Tensor:
    if "adaptive" in a:
        return F.adaptive_avg_pool2d(x, a["adaptive"])
    return F.avg_pool2d(x, a["kernel"], a["stride"], a["padding"][:2], a["ceil_mode"], a["count_include_pad"], a["divisor"] or None)


def reduce(x: Tensor, kind: str, axes: Sequence[int], keepdims: bool) -> Tensor:
    norms = {"l1": lambda x: x.abs(), "l2": lambda x: x.square(), "sum_square": lambda x: x.square()}
    if kind in norms or kind == "sum":
        y = norms.get(kind, lambda x: x)(x)
        y = y.sum(axes, keepdim=keepdims) if axes else y  # no axis means all of them to torch
        return y.sqrt() if kind == "l2" else y
    if not axes:
        return x
    return {"mean": torch.mean, "max": torch.amax, "min": torch.amin, "log_sum_exp": torch.logsumexp}[kind](x, axes, keepdim=keepdims)


def take(x: Tensor, axis: int, indices: Sequence[int], value: float) -> Tensor:
    shape = list(x.shape)
    shape[axis] = 1
    entries = torch.tensor([i % (x.shape[axis] + 1) for i in indices], dtype=torch.long)
    return torch.cat([x, torch.full(shape, value, dtype=x.dtype)], axis).index_select(axis, entries)


def matmul(a: Tensor, b: Tensor, transpose_a: bool = False, transpose_b: bool = False) -> Tensor:
    return torch.matmul(a.mT if transpose_a else a, b.mT if transpose_b else b)


TORCH: dict[str, Callable[..., Tensor]] = {
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "linear": lambda x, weight, bias, **a: fused(F.linear(x, weight, bias), a),
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "activation": lambda x, kind, a, b: activation(x, kind, a, b),
    "prelu": F.prelu,
    "batch_norm": lambda x, weight, bias, mean, var, eps, **a: fused(F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps), a),
    "batch_norm_training": lambda x, weight, bias, eps: F.batch_norm(x, None, None, weight, bias, True, 0.0, eps),
    "local_response_norm": F.local_response_norm,
    "softmax": lambda x, axis: F.softmax(x, axis),
    "log_softmax": lambda x, axis: F.log_softmax(x, axis),
    "cross_entropy": lambda x, target, label_smoothing: F.cross_entropy(x, target.long(), label_smoothing=label_smoothing),
    "mse": F.mse_loss,
    "add": torch.add,
    "multiply": torch.multiply,
    "subtract": torch.subtract,
    "divide": torch.divide,
    "minimum": torch.minimum,
    "maximum": torch.maximum,
    "power": torch.pow,
    "compare": lambda a, b, kind: getattr(torch, "eq" if kind == "equal" else kind)(a, b).double(),
    "where": lambda condition, a, b: torch.where(condition != 0, a, b),
    "reduce_to": lambda x, shape: x.sum_to_size(shape),
    "concat": lambda *xs, axis: torch.cat(xs, axis),
    "slice": lambda x, axis, start, stop: x.narrow(axis, start, stop - start),
    "transpose": lambda x, axes: x.permute(axes),
    "expand": lambda x, shape: torch.broadcast_to(x, shape),
    "reduce": reduce,
    "take": take,
    "matmul": matmul,
    "normalize": lambda x, axes, eps: F.layer_norm(x, x.shape[x.ndim - axes :], eps=eps),
}


def has_a_peer(case: Case) -> bool:
    a = case.attributes
    if case.op in ("max_pool", "avg_pool") and "padding" in a and a["padding"][:2] != a["padding"][2:]:
        return case.op == "max_pool" and not a["ceil_mode"]  # PyTorch pads both sides alike; where that can be said otherwise, it is
    if case.op == "reduce":
        return a["kind"] != "product" and case.inputs[0].shape != ()  # torch.prod takes one axis
    return True


PEERED = [case for op in TORCH for case in CASES[op] if has_a_peer(case)]
GRADIENTS = [case for case in PEERED if case.wanted_gradients()]


def tensors(arrays: Sequence[np.ndarray | None]) -> list[Tensor]:
    return [None if array is None else torch.tensor(array, dtype=torch.float64 if array.dtype == np.float32 else None) for array in arrays]


def forward(case: Case, arrays: Sequence[np.ndarray | None]) -> np.ndarray:
    return TORCH[case.op](*tensors(arrays), **case.attributes).numpy()


def whole_gradients(function: Callable[..., Tensor], arrays: Sequence[np.ndarray | None], dy: np.ndarray, operands: Sequence[int]) -> list:
    inputs = tensors(arrays)
    wanted = [inputs[i].requires_grad_() for i in operands]
    return [g.numpy() for g in torch.autograd.grad(function(*inputs), wanted, torch.tensor(dy, dtype=torch.float64))]


def gradient_bounds(case: Case, arrays: Sequence[np.ndarray | None], outputs: Sequence[np.ndarray], dy: np.ndarray) -> list[np.ndarray]:
    operands = case.wanted_gradients()
    if case.op not in tolerance.MULTILINEAR:
        return [tolerance.gradient_magnitude(case, arrays, outputs, dy, i) for i in operands]
    inputs = tolerance.absolute(arrays)
    if case.op == "batch_norm":
        inputs[3] = -inputs[3]  # x - mean becomes |x| + |mean|
    magnitudes = whole_gradients(lambda *x: TORCH[case.op](*x, **case.attributes), inputs, abs(dy), operands)
    lengths = [tolerance.gradient_length(case, arrays, outputs[0], i) for i in operands]
    return [tolerance.tolerance(case.op, length, abs(m)) for length, m in zip(lengths, magnitudes, strict=True)]  # a - b has a slope of -1


def oracle(case: Case) -> list[np.ndarray]:
    y = getattr(reference, case.op)(*case.arrays(), **case.attributes)
    return list(y) if isinstance(y, tuple) else [y]


@pytest.mark.parametrize("case", PEERED, ids=str)
def test_oracle(case: Case) -> None:
    peer = forward(case, [None if a is None else a.astype(np.float64) if a.dtype == np.float32 else a for a in case.arrays()])
    np.testing.assert_allclose(oracle(case)[0], peer, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", PEERED, ids=str)
def test_forward(case: Case) -> None:
    arrays, outputs = case.arrays(), oracle(case)
    got = run(case.op, arrays, case.attributes)[0]
    assert np.all(np.abs(got - forward(case, arrays)) <= tolerance.forward_bounds(case, arrays, outputs)[0])


@pytest.mark.parametrize("case", GRADIENTS, ids=str)
def test_whole_gradients(case: Case) -> None:
    arrays, outputs, operands = case.arrays(), oracle(case), case.wanted_gradients()
    dy = output_gradient(case, outputs[0])
    got = Compiled(case.op, arrays, case.attributes, "", operands, dy)()
    want = whole_gradients(lambda *x: TORCH[case.op](*x, **case.attributes), arrays, dy, operands)
    for ours, peers, bound in zip(got, want, gradient_bounds(case, arrays, outputs, dy), strict=True):
        assert ours.shape == peers.shape
        assert np.all(np.abs(ours - peers) <= bound)


# ---- corners, in float32 ---------------------------------------------------------------------------------------------------------------


def pool_attributes(kernel: int, stride: int, padding: int) -> dict[str, Any]:
    return {"kernel": [kernel] * 2, "stride": [stride] * 2, "padding": [padding] * 4, "dilation": [1, 1], "ceil_mode": False}


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 1, 1), (3, 2, 1)])
def test_first_of_equal_maxima_takes_the_gradient(isa: str, rng: np.random.Generator, kernel: int, stride: int, padding: int) -> None:
    x = rng.integers(0, 2, (2, 19, 6, 7)).astype(np.float32)
    y = F.max_pool2d(torch.tensor(x), kernel, stride, padding)
    dy = rng.integers(1, 9, y.shape).astype(np.float32)  # integers: all sums are exact
    got = Compiled("max_pool", [x], pool_attributes(kernel, stride, padding), isa, [0], dy)()[0]
    want = whole_gradients(lambda x: F.max_pool2d(x, kernel, stride, padding), [x], dy, [0])[0]
    np.testing.assert_array_equal(got, want)


def test_adaptive_max_pool_of_equal_values(isa: str) -> None:
    x = np.ones((1, 5, 7, 5), np.float32)
    dy = np.arange(1, 31, dtype=np.float32).reshape(1, 5, 3, 2)
    got = Compiled("max_pool", [x], {"adaptive": [3, 2]}, isa, [0], dy)()[0]
    np.testing.assert_array_equal(got, whole_gradients(lambda x: F.adaptive_max_pool2d(x, (3, 2)), [x], dy, [0])[0])


# Slopes where a function has a kink: PyTorch's choice.
KINKS = {
    "relu": (0.0,),
    "clipped": (0.0, 6.0),
    "leaky_relu": (0.0,),
    "elu": (0.0,),
    "selu": (0.0,),
    "abs": (0.0,),
    "hardsigmoid": (-3.0, 3.0),
    "hardswish": (-3.0, 3.0),
}


@pytest.mark.parametrize("kind", KINKS)
def test_slope_at_kinks(isa: str, kind: str) -> None:
    parameters = {"clipped": (0.0, 6.0), "leaky_relu": (0.25, 0.0), "elu": (0.5, 0.0), "selu": (1.5, 1.25), "hardsigmoid": (1 / 6, 0.5)}
    a, b = parameters.get(kind, (0.0, 0.0))
    x = np.array([*KINKS[kind], *(-k for k in KINKS[kind])] * 9, np.float32)
    attributes = {"kind": kind, "a": a, "b": b}
    got = Compiled("activation", [x], attributes, isa, [0], np.ones_like(x))()[0]
    want = whole_gradients(lambda x: activation(x, kind, a, b), [x], np.ones_like(x), [0])[0]
    np.testing.assert_allclose(got, want, atol=10 * tolerance.EPS)


def test_slope_of_prelu_at_zero(isa: str) -> None:
    x, weight, dy = np.zeros((1, 19, 2, 2), np.float32), np.full(19, 0.25, np.float32), np.ones((1, 19, 2, 2), np.float32)
    got = Compiled("prelu", [x, weight], {}, isa, [0, 1], dy)()
    for ours, peers in zip(got, whole_gradients(F.prelu, [x, weight], dy, [0, 1]), strict=True):
        np.testing.assert_array_equal(ours, peers)


def test_unused_threads_do_not_matter_to_torch() -> None:
    """Both libraries compute in one process, in turns, with the same bits every time."""
    x, weight = np.ones((1, 64, 28, 28), np.float32), np.ones((64, 64, 3, 3), np.float32)
    ours = Compiled("conv2d", [x, weight, None], {"stride": [1, 1], "padding": [1] * 4, "dilation": [1, 1], "groups": 1})
    first = ours(threads=_core.get_num_threads())[0]
    for _ in range(3):
        peers = F.conv2d(torch.tensor(x), torch.tensor(weight), padding=1).numpy()
        np.testing.assert_array_equal(ours(threads=2)[0], first)
        np.testing.assert_allclose(peers, first, rtol=5e-6)
