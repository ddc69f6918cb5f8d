"""ZFNet: Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014."""

from __future__ import annotations

from fastcnn.nn.containers import Sequential
from fastcnn.nn.layers import Conv2d, Dropout, Linear, LocalResponseNorm, MaxPool2d, ReLU
from fastcnn.nn.module import Module
from fastcnn.tracing.value import Value
from fastcnn.zoo.base import network

__all__ = ["ZFNet", "zfnet"]


class ZFNet(Module):
    """AlexNet with a finer first layer: 7x7 kernels with stride 2 instead of 11x11 with stride 4. One tower."""

    def __init__(self, classes: int, dropout: float) -> None:
        self.features = Sequential(
            Conv2d(3, 96, 7, stride=2, padding=1),
            ReLU(),
            MaxPool2d(3, 2, ceil_mode=True),
            LocalResponseNorm(5, alpha=5e-4, k=2.0),  # alpha counts for all 5 terms together; AlexNet's 1e-4 is for each term
            Conv2d(96, 256, 5, stride=2),
            ReLU(),
            MaxPool2d(3, 2, ceil_mode=True),
            LocalResponseNorm(5, alpha=5e-4, k=2.0),
            Conv2d(256, 384, 3, padding=1),
            ReLU(),
            Conv2d(384, 384, 3, padding=1),
            ReLU(),
            Conv2d(384, 256, 3, padding=1),
            ReLU(),
            MaxPool2d(3, 2),
        )
        self.classifier = Sequential(
            Linear(256 * 6 * 6, 4096),
            ReLU(),
            Dropout(dropout),
            Linear(4096, 4096),
            ReLU(),
            Dropout(dropout),
            Linear(4096, classes),
        )

    def forward(self, x: Value) -> Value:
        return self.classifier(self.features(x).flatten(1))


@network
def zfnet(classes: int = 1000, seed: int | None = 0, dropout: float = 0.5) -> ZFNet:
    """ZFNet: (N, 3, 224, 224) -> (N, classes). 62,357,608 parameters, the layers of figure 3 of the paper, which gives no count."""
    return ZFNet(classes, dropout)
