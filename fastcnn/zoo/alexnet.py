"""AlexNet: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", 2012.

The structure is that of Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014: one tower, no normalization.
"""

from __future__ import annotations

from fastcnn.nn.containers import Sequential
from fastcnn.nn.layers import AdaptiveAvgPool2d, Conv2d, Dropout, Linear, MaxPool2d, ReLU
from fastcnn.nn.module import Module
from fastcnn.tracing.value import Value
from fastcnn.zoo.base import network

__all__ = ["AlexNet", "alexnet"]


class AlexNet(Module):
    """Five convolutions, three of them with pooling, and three linear layers."""

    def __init__(self, classes: int, dropout: float) -> None:
        self.features = Sequential(
            Conv2d(3, 64, 11, stride=4, padding=2),
            ReLU(),
            MaxPool2d(3, 2),
            Conv2d(64, 192, 5, padding=2),
            ReLU(),
            MaxPool2d(3, 2),
            Conv2d(192, 384, 3, padding=1),
            ReLU(),
            Conv2d(384, 256, 3, padding=1),
            ReLU(),
            Conv2d(256, 256, 3, padding=1),
            ReLU(),
            MaxPool2d(3, 2),
        )
        self.avgpool = AdaptiveAvgPool2d((6, 6))
        self.classifier = Sequential(
            Dropout(dropout),
            Linear(256 * 6 * 6, 4096),
            ReLU(),
            Dropout(dropout),
            Linear(4096, 4096),
            ReLU(),
            Linear(4096, classes),
        )

    def forward(self, x: Value) -> Value:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


@network
def alexnet(classes: int = 1000, seed: int | None = 0, dropout: float = 0.5) -> AlexNet:
    """AlexNet: (N, 3, 224, 224), or any size of at least 63 -> (N, classes). 61,100,840 parameters; torchvision's keys."""
    return AlexNet(classes, dropout)
