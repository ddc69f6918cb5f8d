"""The cases of the ops that work element by element."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from case import ACTIVATIONS, EVERY_COUNT, OF_POSITIVE, STEEP, Case, Values, signed, spread


def activation_cases() -> Iterator[Case]:
    def cases(kind: str, a: float, b: float, values: str, far: Values) -> Iterator[Case]:
        attributes = {"kind": kind, "a": a, "b": b}
        name = f"{kind}{a:.3g},{b:.3g}"
        for shape in ((2, 5, 3, 7), (1, 33, 1, 1), (0, 3, 2, 2), (3, 37), (1,)):
            x = Values(shape, values, 1.0 if values == "positive" else 8.0)
            yield Case("activation", f"{name}-{shape}", (x,), attributes)
        yield Case("activation", f"{name}-far", (far,), attributes, ())

    for kind, a, b in ACTIVATIONS:
        yield from cases(kind, a, b, "spread", signed(400, scale=120))  # where e^x leaves the range of float32
    for kind, a in STEEP:
        yield from cases(kind, a, 0.0, "spread", signed(400, scale=80))
    for kind, a in OF_POSITIVE:
        yield from cases(kind, a, 0.0, "positive", Values((400,), "wide", min(80.0, 85 / max(1.0, abs(a)))))
    for kind in ("sin", "cos"):
        attributes = {"kind": kind, "a": 0.0, "b": 0.0}
        yield Case("activation", f"{kind}-thousands-of-turns", (signed(400, scale=1e6),), attributes, ())


def prelu_cases() -> Iterator[Case]:
    for count in EVERY_COUNT:
        yield Case("prelu", f"{count}-channels", (spread(2, count, 3, 2), signed(count)))
    for shape in ((2, 5, 4, 3), (0, 4, 2, 2), (3, 18), (1, 1, 1, 1)):
        yield Case("prelu", f"one-slope-{shape}", (spread(*shape), signed(1)))
    yield Case("prelu", "plain", (spread(5, 19), signed(19)))


SHAPES = (
    ((2, 3, 4, 5), (1, 3, 1, 1)),
    ((2, 3, 4, 5), (2, 3, 1, 1)),
    ((2, 3, 4, 5), (2, 1, 4, 5)),
    ((2, 3, 4, 5), (3, 1, 1)),
    ((2, 3, 4, 5), (5,)),
    ((2, 1, 4, 1), (1, 17, 1, 3)),
    ((4, 5), (4, 1)),
    ((), (2, 3)),
    ((7,), (7,)),
    ((), ()),
    ((1, 1, 1), (2, 3, 1, 5)),
    ((0, 3, 2, 2), (0, 3, 2, 2)),
    ((0, 3, 2, 2), (1, 3, 1, 1)),
    ((2, 3, 1, 2, 3), (2, 3, 4, 2, 1)),
    ((2, 5000), (2, 1)),  # rows that are cut
    ((2, 1, 5000), (3, 1)),
)


def binary_cases(
    op: str,
    first: str = "signed",
    second: str = "signed",
    attributes: dict[str, Any] | None = None,
    gradients: tuple[int, ...] | None = None,
) -> Iterator[Case]:
    name = "".join(f"{value}-" for value in (attributes or {}).values())

    def case(name: str, a: tuple[int, ...], b: tuple[int, ...]) -> Case:
        return Case(op, name, (Values(a, first), Values(b, second)), attributes or {}, gradients)

    for count in EVERY_COUNT:
        yield case(f"{name}{count}-channels", (1, count, 3, 2), (1, count, 3, 2))
    for a, b in SHAPES:
        yield case(f"{name}{a}-{b}", a, b)
        if a != b:
            yield case(f"{name}{b}-{a}", b, a)


def compare_cases() -> Iterator[Case]:
    for kind in ("equal", "less", "less_equal", "greater", "greater_equal"):
        yield from binary_cases("compare", "coarse", "coarse", {"kind": kind}, ())


def where_cases() -> Iterator[Case]:
    def case(name: str, condition: tuple[int, ...], a: tuple[int, ...], b: tuple[int, ...]) -> Case:
        return Case("where", name, (Values(condition, "coarse"), signed(*a), signed(*b)), {}, (1, 2))

    for count in EVERY_COUNT:
        yield case(f"{count}-channels", (1, count, 3, 2), (1, count, 3, 2), (1, count, 3, 2))
    for i, (a, b) in enumerate(SHAPES):
        yield case(f"{a}-{b}", *((a, b, b), (b, a, b), (b, b, a), (b, (), a))[i % 4])
        yield case(f"{a}-{b}-exchanged", *((b, a, a), (a, b, a), (a, a, b), (a, b, ()))[i % 4])


def scale_shift_cases() -> Iterator[Case]:
    for shape in ((2, 5, 3, 3), (1, 33, 1, 1), (0, 3, 2, 2), (4, 7), (31,), ()):
        yield Case("scale_shift", f"{shape}", (signed(*shape),), {"scale": -1.5, "shift": 0.25})
    yield Case("scale_shift", "integers", (signed(2, 3, 2, 2),), {"scale": 2, "shift": 1})


def reduce_to_cases() -> Iterator[Case]:
    for x, shape in (
        ((2, 3, 4, 5), (1, 3, 1, 1)),
        ((2, 3, 4, 5), (5,)),
        ((2, 3, 4, 5), ()),
        ((2, 3, 4, 5), (2, 3, 4, 5)),
        ((2, 3, 4, 5), (2, 1, 4, 1)),
        ((0, 3), (1, 3)),
        ((400,), (1,)),
        ((3, 17), (17,)),
        ((5, 150), (150,)),
        ((3, 2, 70, 2, 3), (1, 2, 70, 1, 3)),
        ((3, 2, 4, 2, 3), (3, 1, 4, 1, 3)),
        ((2, 1, 5, 1, 3), (1, 5, 1, 3)),
        ((0, 3, 2), (3, 1)),
        ((3, 0), (3, 0)),
    ):
        yield Case("reduce_to", f"{x}-{shape}", (signed(*x),), {"shape": list(shape)}, ())  # itself part of gradients, it has none


TABLES: dict[str, Callable[[], Iterable[Case]]] = {
    "activation": activation_cases,
    "prelu": prelu_cases,
    "add": lambda: binary_cases("add"),
    "subtract": lambda: binary_cases("subtract"),
    "multiply": lambda: binary_cases("multiply"),
    "divide": lambda: binary_cases("divide", second="positive"),
    "minimum": lambda: binary_cases("minimum", "spread", "spread"),
    "maximum": lambda: binary_cases("maximum", "spread", "spread"),
    "power": lambda: binary_cases("power", first="positive"),
    "compare": compare_cases,
    "where": where_cases,
    "scale_shift": scale_shift_cases,
    "reduce_to": reduce_to_cases,
}

COVERED = {
    "binary_slope": "power",
    "activation_backward": "activation",
    "prelu_backward": "prelu",
}
