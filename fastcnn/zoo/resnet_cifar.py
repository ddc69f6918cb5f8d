"""ResNet for CIFAR: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016, section 4.2.

Shortcuts have no weights ("option A"): where the image shrinks, they take every second pixel and fill new channels with zeros. The paper
does not use projections ("option B") for CIFAR; with them, ResNet-20 would have 272,474 parameters.
"""

from __future__ import annotations

from fastcnn.functional import avg_pool2d, concat
from fastcnn.nn.containers import Sequential
from fastcnn.nn.layers import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Linear, ReLU
from fastcnn.nn.module import Module
from fastcnn.tracing.value import Value
from fastcnn.zoo.base import network

__all__ = ["CifarResNet", "resnet20", "resnet56"]


class Block(Module):
    """Two 3x3 convolutions beside a shortcut without weights."""

    def __init__(self, inputs: int, width: int) -> None:
        self.shrinks = inputs != width
        self.conv1 = Conv2d(inputs, width, 3, 2 if self.shrinks else 1, 1, bias=False)
        self.bn1 = BatchNorm2d(width)
        self.relu = ReLU()
        self.conv2 = Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = BatchNorm2d(width)

    def forward(self, x: Value) -> Value:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (_halved(x) if self.shrinks else x))


def _halved(x: Value) -> Value:
    """Takes every second pixel of (N, C, H, W) and adds C / 2 channels of zeros before and after the channels."""
    pixels = avg_pool2d(x, 1, 2)
    zeros = pixels[:, : x.shape[1] // 2] * 0.0
    return concat([zeros, pixels, zeros], 1)


class CifarResNet(Module):
    """A first convolution, three groups of residual blocks, and a linear layer."""

    def __init__(self, repeat: int, classes: int) -> None:
        self.conv1 = Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = BatchNorm2d(16)
        self.relu = ReLU()
        self.layer1 = Sequential(*(Block(16, 16) for _ in range(repeat)))
        self.layer2 = Sequential(Block(16, 32), *(Block(32, 32) for _ in range(repeat - 1)))
        self.layer3 = Sequential(Block(32, 64), *(Block(64, 64) for _ in range(repeat - 1)))
        self.avgpool = AdaptiveAvgPool2d((1, 1))
        self.fc = Linear(64, classes)

    def forward(self, x: Value) -> Value:
        x = self.relu(self.bn1(self.conv1(x)))
        return self.fc(self.avgpool(self.layer3(self.layer2(self.layer1(x)))).flatten(1))


@network
def resnet20(classes: int = 10, seed: int | None = 0) -> CifarResNet:
    """ResNet-20: (N, 3, 32, 32), or any other size -> (N, classes). 269,722 parameters; the paper has 0.27M."""
    return CifarResNet(3, classes)


@network
def resnet56(classes: int = 10, seed: int | None = 0) -> CifarResNet:
    """ResNet-56: (N, 3, 32, 32), or any other size -> (N, classes). 853,018 parameters; the paper has 0.85M."""
    return CifarResNet(9, classes)
