"""The cases of the ops that move, reduce, multiply and resample arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from case import EVERY_COUNT, Case, Values, signed, spread

__all__ = ["TENSOR_COVERED_BY", "TENSOR_TABLES", "TENSOR_TESTED_ALONE"]


def transpose_cases() -> Iterator[Case]:
    for count in EVERY_COUNT:
        yield Case("transpose", f"{count}-channels", (signed(2, count, 3, 5),), {"axes": [0, 2, 3, 1]})
        yield Case("transpose", f"{count}-last", (signed(3, 34, count),), {"axes": [-1, 0, 1]})
    for shape, axes in (
        ((2, 3, 4, 5), (0, 1, 2, 3)),
        ((2, 3, 4, 5), (1, 0, 2, 3)),  # rows stay together
        ((2, 3, 4, 5), (3, 2, 1, 0)),
        ((2, 3, 4, 5), (2, 3, 0, 1)),  # a matrix of 6 x 20
        ((2, 3, 4, 5, 2), (0, 3, 1, 4, 2)),
        ((2, 1, 3, 1, 2, 2, 1, 3), (7, 6, 4, 2, 0, 1, 3, 5)),
        ((0, 3, 2), (2, 0, 1)),
        ((1,), (0,)),
        ((), ()),
        ((5000, 1), (1, 0)),
        ((2, 1100), (1, 0)),
        ((1100, 2), (1, 0)),
        ((3, 5000, 2), (1, 0, 2)),
    ):
        yield Case("transpose", f"{shape}-{axes}", (signed(*shape),), {"axes": list(axes)})


def expand_cases() -> Iterator[Case]:
    for count in EVERY_COUNT:
        yield Case("expand", f"{count}-channels", (signed(2, count, 1, 1),), {"shape": [2, count, 3, 2]})
    for x, shape in (
        ((), (2, 3)),
        ((1,), (5000,)),
        ((3, 1), (3, 5)),
        ((3, 1), (2, 3, 1)),
        ((1, 4), (3, 4)),
        ((2, 1, 3, 1), (2, 4, 3, 2)),
        ((2, 3), (2, 3)),
        ((1, 2), (0, 2)),
        ((4,), (2, 1, 3, 4)),
    ):
        yield Case("expand", f"{x}-{shape}", (signed(*x),), {"shape": list(shape)})


KINDS = ("max", "sum", "mean", "min", "l1", "l2", "sum_square", "product", "log_sum_exp")


def reduce_cases() -> Iterator[Case]:
    def case(name: str, kind: str, x: Values, axes: Sequence[int], keepdims: bool = False, **more: tuple[int, ...]) -> Case:
        return Case("reduce", f"{kind}-{name}", (x,), {"kind": kind, "axes": list(axes), "keepdims": keepdims}, **more)

    for kind in KINDS:
        for shape, axes in (
            ((2, 3, 4, 5), (2, 3)),
            ((2, 3, 4, 5), (1,)),
            ((2, 3, 4, 5), (0, 2, 3)),
            ((2, 3, 4, 5), (-4, -1)),
            ((2, 3, 4, 5), (3, 2, 1, 0)),
            ((2, 3, 4, 5), ()),
            ((2, 1, 7), (1,)),
            ((70, 3), (0,)),
            ((3, 70), (0,)),
            ((3, 130), (1,)),
            ((), ()),
            ((0, 3), (1,)),
        ):
            for keepdims in (False, True):
                yield case(f"{shape}-{axes}-{keepdims}", kind, spread(*shape, scale=2), axes, keepdims)
    for count in EVERY_COUNT:
        yield case(f"{count}-channels", "sum", signed(2, count, 3), (1,))
        yield case(f"{count}-neighbours", "mean", signed(3, 2, count), (2,))
        yield case(f"{count}-kept", "sum", signed(3, 2, count), (0, 1))
    for kind in ("sum", "product", "l1", "l2"):
        yield case("nothing", kind, signed(3, 0), (1,), gradients=())
    yield case("far", "mean", Values((4, 1000), "far"), (1,))
    yield case("far", "log_sum_exp", signed(4, 9, scale=300), (1,), gradients=())  # e^x alone is no float32


def take_cases() -> Iterator[Case]:
    def case(name: str, x: tuple[int, ...], axis: int, indices: Sequence[int], value: float = 0.0) -> Case:
        return Case("take", name, (signed(*x),), {"axis": axis, "indices": [int(i) for i in indices], "value": value})

    for count in EVERY_COUNT:
        yield case(f"{count}-channels", (2, count, 3, 2), 1, [*range(count), *range(count)])
        yield case(f"{count}-columns", (2, 3, 2, count), -1, np.arange(2 * count) // 2)
    yield case("nearest-rows", (2, 3, 4, 5), 2, np.arange(8) // 2)
    yield case("padded", (2, 3, 4, 5), 3, [-1, 0, 1, 2, 3, 4, -1, -1], 2.5)
    yield case("padded-rows", (2, 3, 4, 5), 2, [-1, -1, 0, 1, 2, 3], -1.0)
    yield case("reflected", (1, 2, 5, 3), 2, [2, 1, 0, 1, 2, 3, 4, 3])
    yield case("backwards", (5, 3), 0, [4, 2, 0])
    yield case("one-often", (4,), 0, [2] * 9)
    yield case("nothing", (4, 3), 0, [])
    yield case("long", (3, 5000), 0, [2, 0])
    yield case("batch0", (0, 3, 2, 2), 2, [0, -1, 1])


def resample_cases() -> Iterator[Case]:
    def case(name: str, x: tuple[int, ...], axis: int, outputs: int, taps: int) -> Case:
        rng = np.random.default_rng(outputs * 100 + taps)
        indices, weights = rng.integers(0, x[axis], outputs * taps), rng.uniform(-1, 1, outputs * taps)
        weights[:: taps + 1] = 0  # some read nothing
        attributes = {"axis": axis, "taps": taps, "indices": indices.tolist(), "weights": weights.tolist()}
        return Case("resample", name, (signed(*x),), attributes)

    for count in EVERY_COUNT:
        yield case(f"{count}-channels", (2, count, 3, 2), 1, 5, 3)
        yield case(f"{count}-neighbours", (2, 3, count), 1, 4, 2)
    for taps in (1, 2, 4, 9):
        yield case(f"{taps}-taps-of-rows", (2, 3, 4, 5), 2, 9, taps)
        yield case(f"{taps}-taps-of-columns", (2, 3, 4, 5), -1, 3, taps)
    yield case("vector", (7,), 0, 13, 2)
    yield case("long", (3, 5000), 0, 2, 2)
    yield case("nothing", (3, 4), 1, 0, 2)
    yield case("batch0", (0, 3, 2, 2), 2, 4, 2)
    attributes = {"axis": 1, "taps": 1, "indices": [2, 0], "weights": [2, -3]}
    yield Case("resample", "integers", (signed(2, 3),), attributes)


def matmul_cases() -> Iterator[Case]:
    def case(name: str, a: tuple[int, ...], b: tuple[int, ...], **attributes: bool) -> Case:
        return Case("matmul", name, (signed(*a), signed(*b)), dict(attributes))

    for count in EVERY_COUNT:
        yield case(f"{count}-rows", (count, 5), (5, 7))
        yield case(f"{count}-terms", (3, count), (count, 18))
        yield case(f"{count}-columns", (2, 3, 5), (5, count))
        yield case(f"{count}-columns-transposed", (3, 5), (count, 5), transpose_b=True)
    for a, b in (
        ((2, 3, 4), (2, 4, 5)),
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (1, 3, 4, 5)),
        ((2, 3, 3, 4), (3, 4, 2)),
        ((2, 3, 4), (1, 4, 1)),
        ((4, 1), (1, 300)),
        ((70, 3), (3, 2)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
        ((2, 3), (3, 0)),
    ):
        yield case(f"{a}-{b}", a, b)
        if len(a) > 2:
            yield case(f"{a}-{b}-a", (*a[:-2], a[-1], a[-2]), b, transpose_a=True)
            yield case(f"{a}-{b}-b", a, (*b[:-2], b[-1], b[-2]), transpose_b=True)


def normalize_cases() -> Iterator[Case]:
    def case(name: str, x: Values, axes: int, eps: float = 1e-5) -> Case:
        return Case("normalize", name, (x,), {"axes": axes, "eps": eps})

    for count in EVERY_COUNT:
        yield case(f"{count}-features", signed(3, count), 1)
        yield case(f"{count}-pixels", signed(2, 3, 2, count), 2)
    yield case("all", signed(2, 3, 4), 3)
    yield case("far", Values((4, 300), "far"), 1)
    yield case("large-eps", signed(2, 9), 1, 0.5)
    yield case("batch0", signed(0, 5), 1)


TENSOR_TABLES: dict[str, Callable[[], Iterable[Case]]] = {
    "transpose": transpose_cases,
    "expand": expand_cases,
    "reduce": reduce_cases,
    "take": take_cases,
    "resample": resample_cases,
    "matmul": matmul_cases,
    "normalize": normalize_cases,
}
TENSOR_COVERED_BY = {
    "reduce_backward": "reduce",
    "take_backward": "take",
    "resample_backward": "resample",
    "normalize_backward": "normalize",
}
TENSOR_TESTED_ALONE = {"arg_max": "test_tensor_ops.py", "cast": "test_tensor_ops.py", "top_k": "test_tensor_ops.py"}
