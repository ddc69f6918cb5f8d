"""ResNet for ImageNet: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016."""

from __future__ import annotations

from typing import ClassVar

from fastcnn.nn.containers import Sequential
from fastcnn.nn.layers import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Linear, MaxPool2d, ReLU
from fastcnn.nn.module import Module
from fastcnn.tracing.value import Value
from fastcnn.zoo.base import network

__all__ = ["ResNet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


class BasicBlock(Module):
    """Two 3x3 convolutions beside a shortcut."""

    expansion: ClassVar[int] = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        self.conv1 = Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = BatchNorm2d(width)
        self.relu = ReLU()
        self.conv2 = Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Value) -> Value:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + shortcut)


class Bottleneck(Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut.

    The 3x3 convolution has the stride, as in all published weights ("v1.5"). In the paper the first 1x1 convolution has it.
    """

    expansion: ClassVar[int] = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        self.conv1 = Conv2d(inputs, width, 1, bias=False)
        self.bn1 = BatchNorm2d(width)
        self.conv2 = Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = BatchNorm2d(width)
        self.conv3 = Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = BatchNorm2d(width * self.expansion)
        self.relu = ReLU()
        self.downsample = _shortcut(inputs, width * self.expansion, stride)

    def forward(self, x: Value) -> Value:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + shortcut)


def _shortcut(inputs: int, outputs: int, stride: int) -> Sequential | None:
    """Returns a projection if the shape changes, else None: the shortcut is the input."""
    if stride == 1 and inputs == outputs:
        return None
    return Sequential(Conv2d(inputs, outputs, 1, stride, bias=False), BatchNorm2d(outputs))


class ResNet(Module):
    """A first convolution, four groups of residual blocks, and a linear layer."""

    def __init__(self, block: type[BasicBlock] | type[Bottleneck], repeats: tuple[int, int, int, int], classes: int) -> None:
        self.conv1 = Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = BatchNorm2d(64)
        self.relu = ReLU()
        self.maxpool = MaxPool2d(3, 2, 1)
        inputs = 64
        for i, repeat in enumerate(repeats):
            width = 64 << i
            blocks = Sequential()
            for j in range(repeat):
                blocks.append(block(inputs, width, 2 if i > 0 and j == 0 else 1))
                inputs = width * block.expansion
            setattr(self, f"layer{i + 1}", blocks)
        self.avgpool = AdaptiveAvgPool2d((1, 1))
        self.fc = Linear(inputs, classes)

    def forward(self, x: Value) -> Value:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))

    layer1: Sequential
    layer2: Sequential
    layer3: Sequential
    layer4: Sequential


@network
def resnet18(classes: int = 1000, seed: int | None = 0) -> ResNet:
    """ResNet-18: (N, 3, 224, 224), or any other size -> (N, classes). 11,689,512 parameters; torchvision's keys."""
    return ResNet(BasicBlock, (2, 2, 2, 2), classes)


@network
def resnet34(classes: int = 1000, seed: int | None = 0) -> ResNet:
    """ResNet-34: (N, 3, 224, 224), or any other size -> (N, classes). 21,797,672 parameters; torchvision's keys."""
    return ResNet(BasicBlock, (3, 4, 6, 3), classes)


@network
def resnet50(classes: int = 1000, seed: int | None = 0) -> ResNet:
    """ResNet-50: (N, 3, 224, 224), or any other size -> (N, classes). 25,557,032 parameters; torchvision's keys."""
    return ResNet(Bottleneck, (3, 4, 6, 3), classes)


@network
def resnet101(classes: int = 1000, seed: int | None = 0) -> ResNet:
    """ResNet-101: (N, 3, 224, 224), or any other size -> (N, classes). 44,549,160 parameters; torchvision's keys."""
    return ResNet(Bottleneck, (3, 4, 23, 3), classes)


@network
def resnet152(classes: int = 1000, seed: int | None = 0) -> ResNet:
    """ResNet-152: (N, 3, 224, 224), or any other size -> (N, classes). 60,192,808 parameters; torchvision's keys."""
    return ResNet(Bottleneck, (3, 8, 36, 3), classes)
