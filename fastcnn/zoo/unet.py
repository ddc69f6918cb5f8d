"""U-Net: Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015."""

from __future__ import annotations

from fastcnn.functional import concat, interpolate, max_pool2d
from fastcnn.nn.containers import ModuleList, Sequential
from fastcnn.nn.layers import Conv2d, ReLU
from fastcnn.nn.module import Module
from fastcnn.support.arguments import whole
from fastcnn.tracing.value import Value
from fastcnn.zoo.base import network

__all__ = ["UNet", "unet"]


def _two_convolutions(inputs: int, outputs: int) -> Sequential:
    """Two padded 3x3 convolutions, each with ReLU."""
    return Sequential(Conv2d(inputs, outputs, 3, padding=1), ReLU(), Conv2d(outputs, outputs, 3, padding=1), ReLU())


class UNet(Module):
    """A contracting path with four halvings of the image and doublings of the channels, and an expanding path that undoes them.

    The expanding path concatenates the output of the contracting path at each size. An "up-convolution" is nearest upsampling and a 2x2
    convolution. All convolutions are padded, so that the output is as large as the input. In the paper they are not padded, and the outputs
    of the contracting path are cropped.
    """

    def __init__(self, classes: int, channels: int, width: int) -> None:
        widths = [whole("unet", "width", width, 1) << level for level in range(5)]
        self.down = ModuleList(_two_convolutions(*pair) for pair in zip([channels, *widths], widths, strict=False))
        self.widen = ModuleList(Conv2d(2 * w, w, 2, padding="same") for w in reversed(widths[:-1]))
        self.up = ModuleList(_two_convolutions(2 * w, w) for w in reversed(widths[:-1]))
        self.head = Conv2d(widths[0], classes, 1)

    def forward(self, x: Value) -> Value:
        if x.ndim == 4 and (x.shape[2] % 16 or x.shape[3] % 16):
            raise ValueError(f"[unet] height and width must be multiples of 16. Got {x.shape[2]}x{x.shape[3]}.")
        seen = []
        for level, block in enumerate(self.down):
            x = block(max_pool2d(x, 2) if level else x)
            seen.append(x)
        for before, widen, block in zip(reversed(seen[:-1]), self.widen, self.up, strict=True):
            x = block(concat([before, widen(interpolate(x, scale_factor=2))], 1))
        return self.head(x)


@network
def unet(classes: int = 2, seed: int | None = 0, channels: int = 1, width: int = 64) -> UNet:
    """U-Net: (N, channels, H, W), H and W multiples of 16 -> (N, classes, H, W). 31,030,658 parameters; the paper gives no count."""
    return UNet(classes, channels, width)
