"""SqueezeNet: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", 2016."""

from __future__ import annotations

from fastcnn.functional import concat
from fastcnn.nn.containers import Sequential
from fastcnn.nn.layers import AdaptiveAvgPool2d, Conv2d, Dropout, MaxPool2d, ReLU
from fastcnn.nn.module import Module
from fastcnn.tracing.value import Value
from fastcnn.zoo.base import network

__all__ = ["SqueezeNet", "squeezenet1_0", "squeezenet1_1"]


class Fire(Module):
    """A 1x1 convolution to few channels, then a 1x1 and a 3x3 convolution that each compute half of the outputs."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        self.squeeze = Conv2d(inputs, squeezed, 1)
        self.squeeze_activation = ReLU()
        self.expand1x1 = Conv2d(squeezed, expanded, 1)
        self.expand1x1_activation = ReLU()
        self.expand3x3 = Conv2d(squeezed, expanded, 3, padding=1)
        self.expand3x3_activation = ReLU()

    def forward(self, x: Value) -> Value:
        x = self.squeeze_activation(self.squeeze(x))
        return concat([self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))], 1)


class SqueezeNet(Module):
    """Fire blocks, then a 1x1 convolution whose means are the scores."""

    def __init__(self, features: Sequential, classes: int, dropout: float) -> None:
        self.features = features
        self.classifier = Sequential(Dropout(dropout), Conv2d(512, classes, 1), ReLU(), AdaptiveAvgPool2d((1, 1)))

    def forward(self, x: Value) -> Value:
        return self.classifier(self.features(x)).flatten(1)


def _pool() -> MaxPool2d:
    return MaxPool2d(3, 2, ceil_mode=True)


@network
def squeezenet1_0(classes: int = 1000, seed: int | None = 0, dropout: float = 0.5) -> SqueezeNet:
    """SqueezeNet 1.0: (N, 3, 224, 224), or any size of at least 21 -> (N, classes). 1,248,424 parameters; torchvision's keys."""
    features = Sequential(
        Conv2d(3, 96, 7, 2),
        ReLU(),
        _pool(),
        Fire(96, 16, 64),
        Fire(128, 16, 64),
        Fire(128, 32, 128),
        _pool(),
        Fire(256, 32, 128),
        Fire(256, 48, 192),
        Fire(384, 48, 192),
        Fire(384, 64, 256),
        _pool(),
        Fire(512, 64, 256),
    )
    return SqueezeNet(features, classes, dropout)


@network
def squeezenet1_1(classes: int = 1000, seed: int | None = 0, dropout: float = 0.5) -> SqueezeNet:
    """SqueezeNet 1.1: (N, 3, 224, 224), or any size of at least 17 -> (N, classes). 1,235,496 parameters; torchvision's keys.

    The authors' second version has the same accuracy with 2.4 times less arithmetic, because it pools earlier.
    """
    features = Sequential(
        Conv2d(3, 64, 3, 2),
        ReLU(),
        _pool(),
        Fire(64, 16, 64),
        Fire(128, 16, 64),
        _pool(),
        Fire(128, 32, 128),
        Fire(256, 32, 128),
        _pool(),
        Fire(256, 48, 192),
        Fire(384, 48, 192),
        Fire(384, 64, 256),
        Fire(512, 64, 256),
    )
    return SqueezeNet(features, classes, dropout)
