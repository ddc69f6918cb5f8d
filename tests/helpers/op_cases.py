"""The table of cases: what each op is tested on, at sizes that hurt. Data only; test_ops.py runs it, reference.py knows the answers.

Channel counts go through 1..33: every count below two vectors of 16 lanes, and one above. Ops that only serve another op's gradient have no
case of their own: COVERED_BY says where they are met, and test_coverage.py that they really are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from case import ACTIVATIONS, EVERY_COUNT, Case, Values, pair, positive, signed, spread
from op_cases_conv import conv2d_cases, linear_cases
from op_cases_conv_transpose import conv_transpose2d_cases
from op_cases_elementwise import COVERED as COVERED_ELEMENTWISE
from op_cases_elementwise import TABLES as ELEMENTWISE
from op_cases_tensor import TENSOR_COVERED_BY, TENSOR_TABLES, TENSOR_TESTED_ALONE

# ---- pooling ---------------------------------------------------------------------------------------------------------------------------


def pool(
    op: str,
    name: str,
    x: tuple[int, int, int, int],
    kernel: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    **attributes: Any,
) -> Case:
    kernel = pair(kernel)
    attributes = {"ceil_mode": False} | attributes
    if op == "max_pool":
        attributes["dilation"] = pair(attributes.get("dilation", 1))
    else:
        attributes = {"count_include_pad": True, "divisor": 0} | attributes
    attributes |= {"kernel": kernel, "stride": kernel if stride is None else pair(stride), "padding": pair(padding, 4)}
    return Case(op, name, (spread(*x),), attributes)


def pool_cases(op: str) -> Iterator[Case]:
    for count in EVERY_COUNT:
        yield pool(op, f"{count}-channels", (1, count, 4, 6), 2)
    for size in (1, 2, 3, 7, 13, 14, 15, 28, 29):
        yield pool(op, f"width{size}", (1, 3, 3, size), 3, 2, 1)
        yield pool(op, f"height{size}", (1, 17, size, 2), (2, 1), 1, (1, 0))
    for kernel in ((1, 1), (2, 3), (5, 5), (7, 1)):
        for stride in (1, 2, 3, 4):
            yield pool(op, f"{kernel[0]}x{kernel[1]}-stride{stride}", (2, 5, 13, 14), kernel, stride, (kernel[0] // 2, kernel[1] // 2))
    for ceil_mode in (False, True):
        name = "ceil" if ceil_mode else "floor"
        yield pool(op, f"{name}-2x2", (1, 4, 5, 7), 2, ceil_mode=ceil_mode)
        yield pool(op, f"{name}-3x3", (1, 18, 8, 10), 3, 2, ceil_mode=ceil_mode)
        yield pool(op, f"{name}-3x3-padded", (1, 3, 8, 7), 3, 2, 1, ceil_mode=ceil_mode)
        yield pool(op, f"{name}-last-window-in-padding", (1, 3, 4, 5), 2, 3, 1, ceil_mode=ceil_mode)
        yield pool(op, f"{name}-stride-beyond-kernel", (1, 3, 7, 8), 2, 5, ceil_mode=ceil_mode)
        yield pool(op, f"{name}-asymmetric", (1, 5, 6, 7), 3, 2, (0, 1, 1, 0), ceil_mode=ceil_mode)
    yield pool(op, "batch0", (0, 3, 4, 4), 2)
    yield pool(op, "batch3", (3, 19, 4, 4), 2)
    yield pool(op, "one-pixel", (1, 3, 1, 1), 1)
    yield pool(op, "one-pixel-3x3", (1, 17, 1, 1), 3, 1, 1)
    yield pool(op, "global", (2, 20, 7, 6), (7, 6))
    for sizes in ((1, 1), (2, 3), (7, 7), (5, 4), (9, 13)):
        for x in ((2, 5, 7, 9), (1, 19, 4, 13), (1, 3, 1, 1)):
            yield Case(op, f"adaptive{sizes[0]}x{sizes[1]}-of-{x[2]}x{x[3]}", (spread(*x),), {"adaptive": list(sizes)})


def max_pool_cases() -> Iterator[Case]:
    yield from pool_cases("max_pool")
    for dilation in (2, 3, (1, 2)):
        yield pool("max_pool", f"dilation{dilation}", (1, 5, 9, 10), 3, 2, 1, dilation=dilation)
        yield pool("max_pool", f"dilation{dilation}-ceil", (1, 17, 9, 10), 2, 3, dilation=dilation, ceil_mode=True)


def avg_pool_cases() -> Iterator[Case]:
    yield from pool_cases("avg_pool")
    for ceil_mode in (False, True):
        for padding in (1, (1, 0), (1, 0, 0, 1)):
            name = f"pad{padding}-ceil" if ceil_mode else f"pad{padding}"
            yield pool("avg_pool", f"{name}-uncounted", (1, 5, 7, 8), 3, 2, padding, ceil_mode=ceil_mode, count_include_pad=False)
            yield pool("avg_pool", f"{name}-divisor", (1, 17, 7, 8), 3, 2, padding, ceil_mode=ceil_mode, divisor=5)


# ---- normalization ---------------------------------------------------------------------------------------------------------------------


def batch_norm_cases() -> Iterator[Case]:
    def norm(name: str, x: tuple[int, ...], weight: bool = True, bias: bool = True, eps: float = 1e-5) -> Case:
        C = x[1]
        inputs = (signed(*x), signed(C) if weight else None, signed(C) if bias else None, signed(C), positive(C))
        wanted = tuple(i for i, there in enumerate((True, weight, bias)) if there)  # mean and variance are constants
        return Case("batch_norm", name, inputs, {"eps": eps}, wanted)

    for count in EVERY_COUNT:
        yield norm(f"{count}-channels", (2, count, 3, 2))
    for weight, bias in ((False, False), (True, False), (False, True)):
        yield norm(f"weight-{weight}-bias-{bias}", (1, 19, 4, 3), weight, bias)
    yield norm("batch0", (0, 3, 4, 4))
    yield norm("one-pixel", (1, 5, 1, 1))
    yield norm("large-eps", (2, 6, 5, 3), eps=0.5)
    for kind, a, b in ACTIVATIONS:
        plain = norm(f"{kind}{b:g}", (2, 18, 5, 3))
        fused = {"activation": kind, "activation_a": a, "activation_b": b}
        yield Case(plain.op, plain.name, plain.inputs, plain.attributes | fused, ())


def fold_batch_norm_cases() -> Iterator[Case]:
    def fold(name: str, weight: tuple[int, ...], *, before: bool, transposed: bool = False, groups: int = 1, given: bool = True) -> Case:
        inputs, outputs = (weight[0], weight[1] * groups) if transposed else (weight[1] * groups, weight[0])
        C = inputs if before else outputs
        optional = (signed(outputs), signed(C), signed(C)) if given else (None, None, None)
        attributes = {"eps": 1e-3, "before": before, "groups": groups, "transposed": transposed}
        return Case("fold_batch_norm", name, (signed(*weight), *optional, signed(C), positive(C)), attributes, ())

    for count in EVERY_COUNT:
        yield fold(f"after-{count}", (count, count * 7 % 33 + 1, 1, 1), before=False)
        yield fold(f"before-{count}", (count, count * 7 % 33 + 1, 3, 3), before=True)
    for before in (False, True):
        for transposed in (False, True):
            name = f"{'before' if before else 'after'}{'-transposed' if transposed else ''}"
            yield fold(name, (5, 6, 2, 3), before=before, transposed=transposed)
            yield fold(f"{name}-groups", (6, 5, 3, 1), before=before, transposed=transposed, groups=3)
            yield fold(f"{name}-nothing-optional", (4, 3, 1, 2), before=before, transposed=transposed, given=False)


def batch_norm_training_cases() -> Iterator[Case]:
    def norm(name: str, x: tuple[int, ...], weight: bool = True, bias: bool = True, values: str = "signed", eps: float = 1e-5) -> Case:
        inputs = (Values(x, values), signed(x[1]) if weight else None, signed(x[1]) if bias else None)
        return Case("batch_norm_training", name, inputs, {"eps": eps})

    for count in EVERY_COUNT:
        yield norm(f"{count}-channels", (2, count, 3, 2))
    for weight, bias in ((False, False), (True, False), (False, True)):
        yield norm(f"weight-{weight}-bias-{bias}", (2, 19, 4, 3), weight, bias)
    for width in (1, 7, 15, 29):
        yield norm(f"width{width}", (3, 5, 2, width))
    yield norm("positive", (4, 5, 5, 5), values="positive")
    yield norm("far-from-zero", (4, 19, 5, 5), values="far")  # E[x^2] - mean^2 would leave no digit of the variance
    yield norm("many-pixels", (4, 3, 20, 21))
    yield norm("large-eps", (2, 6, 5, 3), eps=0.5)


def local_response_norm_cases() -> Iterator[Case]:
    for count in EVERY_COUNT:
        yield Case(
            "local_response_norm",
            f"{count}-channels",
            (signed(1, count, 2, 3, scale=3),),
            {"size": 5, "alpha": 0.3, "beta": 0.75, "k": 1.0},
        )
    for size in (1, 2, 3, 4, 7, 40):
        for beta in (0.5, 0.75, 1.0):
            attributes = {"size": size, "alpha": 0.2, "beta": beta, "k": 2.0}
            yield Case("local_response_norm", f"size{size}-beta{beta}", (signed(2, 19, 3, 2, scale=3),), attributes)
    yield Case("local_response_norm", "batch0", (signed(0, 3, 2, 2),), {"size": 3, "alpha": 1e-4, "beta": 0.75, "k": 1.0})


# ---- softmax and losses ----------------------------------------------------------------------------------------------------------------


def softmax_cases(op: str) -> Iterator[Case]:
    for count in EVERY_COUNT:
        yield Case(op, f"{count}-classes", (signed(3, count, scale=4),), {"axis": 1})
    for shape, axis in (
        ((2, 5, 3, 4), 1),
        ((2, 5, 3, 4), 3),
        ((2, 5, 3, 4), 0),
        ((2, 17, 3, 2), -3),
        ((7,), 0),
        ((0, 4), 1),
        ((1, 1000), 1),
    ):
        yield Case(op, f"{shape}-axis{axis}", (signed(*shape, scale=4),), {"axis": axis})
    yield Case(op, "far", (signed(4, 9, scale=300),), {"axis": 1}, ())  # e^x of no entry alone is a float32


def cross_entropy_cases() -> Iterator[Case]:
    for K in EVERY_COUNT:
        yield Case("cross_entropy", f"{K}-classes", (signed(4, K, scale=3), Values((4,), "classes", K)), {"label_smoothing": 0.0})
    for smoothing in (0.0, 0.1, 1.0):
        for shape in ((1, 3), (65, 10), (2, 5, 3, 4), (1, 1, 1, 1), (2, 18, 1, 7)):
            target = Values((shape[0], *shape[2:]), "classes", shape[1])
            yield Case("cross_entropy", f"{shape}-smoothing{smoothing}", (signed(*shape, scale=3), target), {"label_smoothing": smoothing})
    yield Case("cross_entropy", "far", (signed(4, 9, scale=300), Values((4,), "classes", 9)), {"label_smoothing": 0.1}, ())


def mse_cases() -> Iterator[Case]:
    for shape in ((3, 5), (2, 3, 4, 5), (1,), (), (2, 17, 1, 1), (1000,)):
        yield Case("mse", f"{shape}", (signed(*shape), signed(*shape)))


# ---- shapes ----------------------------------------------------------------------------------------------------------------------------


def reshape_cases() -> Iterator[Case]:
    for x, shape in (
        ((2, 3, 4, 5), (2, 60)),
        ((2, 60), (2, 3, 4, 5)),
        ((0, 3, 2), (0, 6)),
        ((1,), ()),
        ((6,), (1, 6, 1)),
        ((2, 17, 1, 1), (2, 17)),
    ):
        yield Case("reshape", f"{x}-{shape}", (signed(*x),), {"shape": list(shape)})


def concat_cases() -> Iterator[Case]:
    def concat(name: str, axis: int, *shapes: tuple[int, ...]) -> Case:
        return Case("concat", name, tuple(signed(*shape) for shape in shapes), {"axis": axis})

    for count in EVERY_COUNT:
        yield concat(f"{count}-channels", 1, (2, count, 2, 3), (2, 34 - count, 2, 3), (2, 16, 2, 3))
    yield concat("one", 1, (2, 3, 2, 2))
    yield concat("batch", 0, (1, 3, 2, 2), (2, 3, 2, 2), (0, 3, 2, 2))
    yield concat("height", 2, (1, 5, 2, 3), (1, 5, 1, 3))
    yield concat("width", -1, (1, 5, 2, 3), (1, 5, 2, 1), (1, 5, 2, 4))
    yield concat("matrix", 1, (3, 4), (3, 1))
    yield concat("vector", 0, (3,), (4,))
    yield concat("batch0", 1, (0, 3, 2, 2), (0, 5, 2, 2))


def slice_cases() -> Iterator[Case]:
    for shape, axis, start, stop in (
        ((2, 33, 3, 2), 1, 16, 32),
        ((2, 33, 3, 2), 1, 5, 33),
        ((2, 33, 3, 2), 1, 0, 1),
        ((5, 3, 2, 2), 0, 1, 4),
        ((1, 3, 5, 2), 2, 4, 5),
        ((1, 3, 2, 9), -1, 2, 7),
        ((4, 6), 1, 0, 6),
        ((7,), 0, 3, 4),
        ((0, 6), 1, 2, 4),
    ):
        yield Case("slice", f"{shape}-axis{axis}-{start}-{stop}", (signed(*shape),), {"axis": axis, "start": start, "stop": stop})


def reorder_cases() -> Iterator[Case]:
    yield Case("reorder", "image", (signed(2, 17, 3, 5),), {}, ())


TABLES: dict[str, Callable[[], Iterable[Case]]] = {
    "conv2d": conv2d_cases,
    "conv_transpose2d": conv_transpose2d_cases,
    "linear": linear_cases,
    "reorder": reorder_cases,
    "reshape": reshape_cases,
    "max_pool": max_pool_cases,
    "avg_pool": avg_pool_cases,
    "batch_norm": batch_norm_cases,
    "batch_norm_training": batch_norm_training_cases,
    "fold_batch_norm": fold_batch_norm_cases,
    "local_response_norm": local_response_norm_cases,
    "softmax": lambda: softmax_cases("softmax"),
    "log_softmax": lambda: softmax_cases("log_softmax"),
    "cross_entropy": cross_entropy_cases,
    "mse": mse_cases,
    "concat": concat_cases,
    "slice": slice_cases,
    **ELEMENTWISE,
    **TENSOR_TABLES,
}

CASES: dict[str, list[Case]] = {op: list(cases()) for op, cases in TABLES.items()}

# Ops without a case of their own -> the op in whose program, or in whose gradient, they run.
COVERED_BY = {
    "conv2d_prepare": "conv2d",
    "conv2d_backward_data": "conv2d",
    "conv2d_backward_weight": "conv2d",
    "channel_sum": "conv2d",
    "linear_backward_data": "linear",
    "linear_backward_weight": "linear",
    "column_sum": "linear",
    "max_pool_places": "max_pool",
    "max_pool_backward": "max_pool",
    "avg_pool_backward": "avg_pool",
    "batch_norm_backward": "batch_norm",
    "batch_norm_training_backward": "batch_norm_training",
    "local_response_norm_backward": "local_response_norm",
    "softmax_backward": "softmax",
    "log_softmax_backward": "log_softmax",
    "cross_entropy_backward": "cross_entropy",
    "mse_backward": "mse",
    "slice_backward": "slice",
    **COVERED_ELEMENTWISE,
    **TENSOR_COVERED_BY,
}

# Ops whose answer depends on more than their inputs have a file of tests of their own.
TESTED_ALONE = {
    "dropout": "test_dropout.py",
    "dropout_backward": "test_dropout.py",
    "batch_norm_update": "test_batch_norm_update.py",
    "copy": "test_passes.py",
    "update_weights": "test_update_weights.py",
    "clip_scale": "test_update_weights.py",
    "slope_mask": "test_slope_mask.py",
    "slope_mask_backward": "test_slope_mask.py",
    "upsampled_conv2d": "test_upsampled_conv2d.py",
    "upsampled_conv2d_prepare": "test_upsampled_conv2d.py",
    "pointwise_depthwise": "test_pointwise_depthwise.py",
    **TENSOR_TESTED_ALONE,
}
