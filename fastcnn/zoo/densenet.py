"""DenseNet: Huang, Liu, van der Maaten and Weinberger, "Densely connected convolutional networks", 2017."""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import PathLike
from typing import Any

from fastcnn.functional import adaptive_avg_pool2d, concat, relu
from fastcnn.network.network import LoadedKeys, given_state
from fastcnn.nn.containers import Sequential
from fastcnn.nn.layers import AvgPool2d, BatchNorm2d, Conv2d, Linear, MaxPool2d, ReLU
from fastcnn.nn.module import Module
from fastcnn.tracing.value import Value
from fastcnn.zoo.base import network

__all__ = ["DenseNet", "densenet121"]

GROWTH = 32  # channels that each layer adds
BOTTLENECK = 4 * GROWTH  # channels between a layer's two convolutions


class DenseLayer(Module):
    """A 1x1 and a 3x3 convolution, each behind batch norm and ReLU."""

    def __init__(self, inputs: int) -> None:
        self.norm1 = BatchNorm2d(inputs)
        self.relu1 = ReLU()
        self.conv1 = Conv2d(inputs, BOTTLENECK, 1, bias=False)
        self.norm2 = BatchNorm2d(BOTTLENECK)
        self.relu2 = ReLU()
        self.conv2 = Conv2d(BOTTLENECK, GROWTH, 3, padding=1, bias=False)

    def forward(self, x: Value) -> Value:
        return self.conv2(self.relu2(self.norm2(self.conv1(self.relu1(self.norm1(x))))))


class DenseBlock(Module):
    """Layers that each read the outputs of all layers before them, concatenated."""

    def __init__(self, inputs: int, layers: int) -> None:
        for i in range(layers):
            setattr(self, f"denselayer{i + 1}", DenseLayer(inputs + i * GROWTH))

    def forward(self, x: Value) -> Value:
        for layer in self.children():
            assert isinstance(layer, DenseLayer)
            x = concat([x, layer(x)], 1)
        return x


def _transition(inputs: int) -> Sequential:
    """Halves the number of channels, and the height and width."""
    convolution = Conv2d(inputs, inputs // 2, 1, bias=False)
    return Sequential({"norm": BatchNorm2d(inputs), "relu": ReLU(), "conv": convolution, "pool": AvgPool2d(2, 2)})


class DenseNet(Module):
    """A first convolution, dense blocks with transitions between them, and a linear layer."""

    def __init__(self, blocks: tuple[int, ...], classes: int) -> None:
        channels = 2 * GROWTH
        parts: dict[str, Module] = {
            "conv0": Conv2d(3, channels, 7, 2, 3, bias=False),
            "norm0": BatchNorm2d(channels),
            "relu0": ReLU(),
            "pool0": MaxPool2d(3, 2, 1),
        }
        for i, layers in enumerate(blocks, 1):
            parts[f"denseblock{i}"] = DenseBlock(channels, layers)
            channels += layers * GROWTH
            if i < len(blocks):
                parts[f"transition{i}"] = _transition(channels)
                channels //= 2
        parts["norm5"] = BatchNorm2d(channels)
        self.features = Sequential(parts)
        self.classifier = Linear(channels, classes)

    def forward(self, x: Value) -> Value:
        return self.classifier(adaptive_avg_pool2d(relu(self.features(x)), (1, 1)).flatten(1))

    def load_state_dict(self, state: Mapping[str, Any] | str | PathLike[str], strict: bool = True) -> LoadedKeys:
        """Loads a state like every module, and also accepts the keys of torchvision's file, which has norm.1 instead of norm1."""
        dotted = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
        return super().load_state_dict({dotted.sub(r"\1\2", key): values for key, values in given_state(state).items()}, strict)


@network
def densenet121(classes: int = 1000, seed: int | None = 0) -> DenseNet:
    """DenseNet-121: (N, 3, 224, 224), or any size of at least 29 -> (N, classes). 7,978,856 parameters; torchvision's keys."""
    return DenseNet((6, 12, 24, 16), classes)
