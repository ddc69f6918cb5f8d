"""slope_mask, slope_mask_backward: the bits of activation_backward from a bit for each element, and where a training step keeps them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from case import EVERY_COUNT
from running import same_bits

import fastcnn as fc
from fastcnn import _core

Array = np.ndarray
KINDS = [("relu", 0.0, 0.0), ("clipped", 0.0, 6.0), ("clipped", -1.0, 1.0), ("leaky_relu", 0.1, 0.0)]
SHAPES = [(1,), (31,), (3, 65), (2, 4100), (2, 3, 1, 1), (1, 17, 5, 7), (2, 33, 4, 9), (1, 5, 3, 40), (0, 3, 2, 2)]


def slopes(x: Array, kind: tuple[str, float, float]) -> Array:
    name, a, b = kind
    if name == "clipped":
        return np.where((x > a) & (x < b), 1, 0)
    return np.where(x > 0, 1, a if name == "leaky_relu" else 0)


def check(isa: str, shape: tuple[int, ...], kind: tuple[str, float, float], threads: int = 1) -> None:
    """From an input of images that a convolution could have made: the mask, and the gradient both ways."""
    attributes = {"kind": kind[0], "a": kind[1], "b": kind[2]}
    rng = np.random.default_rng(len(shape))
    x = (8 * rng.standard_normal(shape)).astype(np.float32)
    x.ravel()[::7] = 0  # kinks
    x.ravel()[3::11] = kind[2]
    dy = rng.standard_normal(shape).astype(np.float32)
    graph = _core.Graph()
    [y] = graph.add("activation", [graph.input("x", shape)], attributes)
    gradient = graph.input("dy", shape)
    [mask] = graph.add("slope_mask", [y], attributes)
    ways = graph.add("slope_mask_backward", [gradient, mask], attributes), graph.add("activation_backward", [gradient, y], attributes)
    graph.outputs([way[0] for way in ways])
    masked, unmasked = _core.Program(graph, isa=isa).run([x, dy], threads=threads)
    assert same_bits([masked], [unmasked])
    np.testing.assert_array_equal(masked, dy * slopes(reference.activate(x, *kind), kind).astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients(isa: str, shape: tuple[int, ...], kind: tuple[str, float, float]) -> None:
    check(isa, shape, kind)


@pytest.mark.parametrize("channels", EVERY_COUNT)
def test_every_count_of_channels(isa: str, channels: int) -> None:
    check(isa, (2, channels, 3, 5), KINDS[1])


def test_threads(isa: str) -> None:
    check(isa, (3, 40, 31, 29), KINDS[0], threads=3)


@pytest.mark.parametrize(
    ("op", "shapes", "kind", "rule"),
    [
        ("slope_mask", [(2, 3)], "tanh", r"the activation must be relu, leaky_relu or clipped\. Got tanh\."),
        ("slope_mask_backward", [(2, 3), (1,)], "silu", r"the activation must be relu, leaky_relu or clipped\. Got silu\."),
        (
            "slope_mask_backward",
            [(2, 3), (2,)],
            "relu",
            r"the mask must be that of the gradient's shape\. Got gradient \(2, 3\), mask \(2,\)\.",
        ),
    ],
)
def test_what_is_refused(op: str, shapes: list[tuple[int, ...]], kind: str, rule: str) -> None:
    graph = _core.Graph()
    with pytest.raises(ValueError, match=rf"^\[{op}\] {rule}$"):
        graph.add(op, [graph.input(f"x{i}", shape) for i, shape in enumerate(shapes)], {"kind": kind, "a": 0.0, "b": 0.0})


# ---- where a training step keeps bits


class Net(fc.Module):
    """Convolutions with ReLUs, and something behind each ReLU that needs no image on the way back."""

    def __init__(self, activation: type[fc.Module], behind: fc.Module | None, residual: bool = False) -> None:
        self.layers = fc.ModuleList([fc.Conv2d(16 if i else 3, 16, 3, padding=1, seed=i) for i in range(4)])
        self.activation, self.behind, self.residual = activation(), behind, residual
        self.last = fc.Linear(16, 10, seed=9)

    def forward(self, x: fc.Value) -> Any:
        for i, layer in enumerate(self.layers):
            y = self.activation(layer(x))
            x = y + x if self.residual and i else y
            x = self.behind(x) if self.behind else x
        return self.last(x.mean((2, 3)))


def ops(net: fc.Module) -> list[str]:
    trainer = fc.Trainer(net, "cross_entropy", "sgd", (4, 3, 32, 32), threads=1)
    return [step["op"] for step in trainer.plan((4, 3, 32, 32)).program.steps]


@pytest.mark.parametrize("activation", [fc.ReLU, fc.ReLU6, fc.LeakyReLU])
@pytest.mark.parametrize(
    ("behind", "residual", "masks"),
    [(None, False, 1), (fc.AvgPool2d(2), False, 4), (fc.Dropout(0.2), False, 4), (fc.Upsample(scale_factor=2), False, 4), (None, True, 1)],
)
def test_what_only_tells_a_slope_is_kept_as_bits(activation: type[fc.Module], behind: fc.Module | None, residual: bool, masks: int) -> None:
    """Without anything behind it, only the last is no input of a convolution, and residual sums are made again from what ReLUs left: of the
    others, bits are made when the convolution's weights have their gradient."""
    found = ops(Net(activation, behind, residual))
    loss = found.index("cross_entropy")
    assert found[:loss].count("slope_mask") == masks
    assert found.count("slope_mask") == found.count("slope_mask_backward") == 4
    assert "activation_backward" not in found


def test_an_image_goes_when_the_weights_behind_it_have_their_gradient() -> None:
    report = fc.Trainer(Net(fc.ReLU, None), "cross_entropy", "sgd", (4, 3, 32, 32), threads=1).memory
    image = 4 * 16 * 34 * 34 * 4
    kept = [box for box in report.boxes if box.kind == "activation" and box.bytes == image]
    steps = sorted(box.first for box in report.boxes if box.kind == "gradient" and box.op == "conv2d_backward_data")
    assert [sum(box.first < step <= box.last for box in kept) for step in steps] == [2, 1, 0]


@pytest.mark.parametrize("activation", [fc.SiLU, fc.Tanh, fc.Hardswish])
def test_other_slopes_are_no_bits(activation: Any) -> None:
    assert "slope_mask" not in ops(Net(activation, fc.AvgPool2d(2)))


def test_bits_take_a_thirty_second_of_the_image() -> None:
    report = fc.Trainer(Net(fc.ReLU, fc.Dropout(0.2)), "cross_entropy", "sgd", (4, 3, 32, 32), threads=1).memory
    masks = [box for box in report.boxes if box.op == "slope_mask"]
    assert [box.bytes for box in masks] == [4 * 16 * 32 * 32 // 8] * 4
    loss = next(i for i, step in enumerate(report.steps) if step == "cross_entropy")
    across = sum(box.bytes for box in report.boxes if box.first < loss < box.last and box.name != "x")
    assert across < 4 * (4 * 16 * 34 * 34 * 4) * 1.1  # what dropout leaves, for the next convolution


def test_what_a_concatenation_holds_anyway_has_no_mask() -> None:
    class Split(fc.Module):
        def __init__(self) -> None:
            self.a, self.b, self.c = (fc.Conv2d(channels, 16, 3, padding=1, seed=i) for i, channels in enumerate((3, 3, 32)))
            self.last = fc.Linear(16, 10, seed=9)

        def forward(self, x: fc.Value) -> Any:
            return self.last(fc.silu(self.c(fc.concat([fc.relu(self.a(x)), fc.relu(self.b(x))], 1))).mean((2, 3)))

    found = ops(Split())
    assert "slope_mask" not in found
    assert found.count("activation_backward") == 3


@pytest.mark.parametrize("behind", [fc.AvgPool2d(2), fc.Dropout(0.2)])
def test_the_same_bits_for_any_number_of_threads(behind: fc.Module) -> None:
    x, y = np.random.default_rng(0).standard_normal((4, 3, 32, 32)).astype(np.float32), np.arange(4)
    states = []
    for threads in (1, 3):
        net = Net(fc.ReLU6, behind)
        trainer = fc.Trainer(net, "cross_entropy", "sgd", x.shape, threads=threads)
        states.append([np.array([trainer.step(x, y) for _ in range(2)]), *net.state_dict().values()])
    assert same_bits(*states)
