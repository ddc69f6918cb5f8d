"""check counts halvings: upsampling of every kind takes them back, and other moves of pixels count as what they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_nets import Lambda

import fastcnn as fc
import fastcnn.functional as F
from fastcnn.insight.view import View


def halving(channels: int, outputs: int) -> fc.Conv2d:
    return fc.Conv2d(channels, outputs, 3, 2, 1)


class Shuffled(fc.Module):
    def __init__(self, channels: int) -> None:
        self.wide = fc.Conv2d(channels, 4 * channels, 1)
        self.shuffle = fc.PixelShuffle(2)

    def forward(self, x: Any, like: Any) -> Any:
        return self.shuffle(self.wide(x))


class Of(fc.Module):
    """A layer, or a function of the image and of one as large as the result."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def forward(self, x: Any, like: Any) -> Any:
        return self.layer(x) if isinstance(self.layer, fc.Module) else self.layer(x, like)


UPSAMPLINGS: dict[str, Callable[[int], fc.Module]] = {
    "nearest": lambda c: Of(fc.Upsample(scale_factor=2)),
    "bilinear": lambda c: Of(fc.Upsample(scale_factor=2, mode="bilinear")),
    "aligned": lambda c: Of(fc.Upsample(scale_factor=2, mode="bilinear", align_corners=True)),
    "bicubic": lambda c: Of(fc.Upsample(scale_factor=2, mode="bicubic")),
    "transposed 2": lambda c: Of(fc.ConvTranspose2d(c, c, 2, 2)),
    "transposed 4": lambda c: Of(fc.ConvTranspose2d(c, c, 4, 2, 1)),
    "transposed 3": lambda c: Of(fc.ConvTranspose2d(c, c, 3, 2, 1, 1)),
    "pixel_shuffle": Shuffled,
    "nearest, of a size": lambda c: Of(lambda x, like: F.interpolate(x, like.shape[2:])),
    "bilinear, of a size": lambda c: Of(lambda x, like: F.interpolate(x, like.shape[2:], mode="bilinear")),
    "area, of a size": lambda c: Of(lambda x, like: F.interpolate(x, like.shape[2:], mode="area")),
}
OF_A_SIZE = tuple(name for name in UPSAMPLINGS if "of a size" in name)


class Detector(fc.Module):
    """The shape of a YOLO: five halvings, two upsamplings joined with what came before them, two halvings again."""

    def __init__(self, upsampling: Callable[[int], fc.Module], c: int = 4) -> None:
        self.stem = fc.Sequential(halving(3, c), fc.SiLU(), halving(c, c), halving(c, c))
        self.down4, self.down5 = halving(c, c), halving(c, c)
        self.up4, self.up3 = upsampling(c), upsampling(c)
        self.join4, self.join3 = fc.Conv2d(2 * c, c, 1), fc.Conv2d(2 * c, c, 1)
        self.again4, self.again5 = halving(c, c), halving(c, c)

    def forward(self, x: Any) -> Any:
        x3 = self.stem(x)
        x4 = self.down4(x3)
        x5 = self.down5(x4)
        p4 = self.join4(fc.concat([self.up4(x5, x4), x4], 1))
        p3 = self.join3(fc.concat([self.up3(p4, x3), x3], 1))
        n4 = fc.concat([self.again4(p3), p4], 1)
        return p3, n4, fc.concat([self.again5(n4[:, :4]), x5], 1)


@pytest.mark.parametrize("sides", [(320, 320), (640, 640), (64, 96)])
@pytest.mark.parametrize("name", UPSAMPLINGS)
def test_a_detector_suits_its_own_sides(name: str, sides: tuple[int, int]) -> None:
    net = Detector(UPSAMPLINGS[name])
    assert View(net, (3, *sides)).halvings() == (5, 5)
    assert [str(found) for found in net.check((3, *sides)) if found.severity != "note"] == []


@pytest.mark.parametrize("sides", [(330, 330), (230, 250)])
@pytest.mark.parametrize("name", UPSAMPLINGS)
def test_sides_that_do_not_suit_are_found(name: str, sides: tuple[int, int]) -> None:
    net = Detector(UPSAMPLINGS[name])
    found = [each for each in net.check((3, *sides)) if each.rule == "input_side"]
    assert len(found) == 1
    assert "halves the image 5 times, so its sides should divide by 32" in found[0].message
    assert (View(net, (3, *sides)).error is None) == (name in OF_A_SIZE)


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "transposed 2", "pixel_shuffle"])
def test_from_an_onnx_file(name: str, tmp_path: Path) -> None:
    Detector(UPSAMPLINGS[name]).save(tmp_path / "net.onnx", input_shape=(1, 3, 64, 96))
    assert View(fc.load(tmp_path / "net.onnx"), (3, 64, 96)).halvings() == (5, 5)


MOVES: dict[str, tuple[Callable[[Any], Any], tuple[int, int]]] = {
    "every other pixel": (lambda x: x[..., ::2, ::4], (1, 2)),
    "pixel_unshuffle": (lambda x: F.pixel_unshuffle(x, 4), (2, 2)),
    "pixel_shuffle of what was": (lambda x: F.pixel_shuffle(F.pixel_unshuffle(x, 4), 2), (2, 2)),
    "an image made larger first": (lambda x: F.max_pool2d(F.interpolate(x, scale_factor=2), 2), (0, 0)),
    "larger than it is halved": (lambda x: F.max_pool2d(F.interpolate(x, scale_factor=4), 2), (0, 0)),
    "larger, then halved more": (lambda x: F.max_pool2d(F.interpolate(x, scale_factor=2), 8), (2, 2)),
    "one axis": (lambda x: F.max_pool2d(F.interpolate(F.max_pool2d(x, 2), scale_factor=(2.0, 1.0)), 2), (1, 2)),
    "padding": (lambda x: F.max_pool2d(F.pad(x, (3, 3, 5, 5)), 2), (1, 1)),
    "padding by half of the image": (lambda x: F.pad(x, (16, 16, 16, 16)), (0, 0)),
    "a crop": (lambda x: F.max_pool2d(x, 2)[:, :, 8:, :8], (1, 1)),
    "three times": (lambda x: F.interpolate(F.max_pool2d(x, 2), scale_factor=3), (1, 1)),
    "one and a half": (lambda x: F.interpolate(F.max_pool2d(x, 2), scale_factor=1.5, mode="bilinear"), (1, 1)),
    "transposed and back": (lambda x: F.max_pool2d(x.permute(0, 1, 3, 2), (4, 2)).permute(0, 1, 3, 2), (1, 2)),
    "windows of pixels": (
        lambda x: x.reshape(x.shape[0], 3, 4, 8, 4, 8).permute(0, 1, 2, 4, 3, 5).permute(0, 1, 2, 4, 3, 5).reshape(x.shape[0], 3, 32, 32),
        (0, 0),
    ),
    "the mean as factors": (lambda x: F.max_pool2d(x, 2) * x.mean((2, 3), keepdim=True), (1, 1)),
    "the whole image": (lambda x: F.max_pool2d(x, 32), (0, 0)),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves_of_pixels(name: str) -> None:
    function, expected = MOVES[name]
    assert View(Lambda(function), (3, 32, 32)).halvings() == expected


ZOO = {"unet": 4, "resnet18": 5, "vgg11": 5, "mobilenet_v2": 5, "densenet121": 5, "googlenet": 5}


@pytest.mark.parametrize("name", ZOO)
def test_networks_of_the_zoo(name: str) -> None:
    image = (1 if name == "unet" else 3, 224, 224)
    assert View(getattr(fc.zoo, name)(seed=0), image).halvings() == (ZOO[name],) * 2


def test_behind_a_row_of_numbers() -> None:
    """An image that is made of what a linear layer gives has no side of the input; the rules pass over it."""

    class Coder(fc.Module):
        def __init__(self) -> None:
            self.first, self.middle, self.last = halving(3, 4), fc.Linear(4 * 8 * 8, 4 * 8 * 8), halving(4, 4)

        def forward(self, x: Any) -> Any:
            row = self.middle(self.first(x).flatten(1))
            return self.last(F.interpolate(row.reshape(x.shape[0], 4, 8, 8), scale_factor=2))

    assert [str(found) for found in Coder().check((3, 16, 16)) if found.severity == "warning"] == []
