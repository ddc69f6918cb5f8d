"""MobileNet: each convolution is split into a depthwise and a 1x1 convolution.

v1: Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017.
v2: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018.
"""

from __future__ import annotations

from fastcnn.nn.containers import Sequential
from fastcnn.nn.layers import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, Linear, ReLU6
from fastcnn.nn.module import Module
from fastcnn.tracing.value import Value
from fastcnn.zoo.base import conv_norm, network

__all__ = ["MobileNetV1", "MobileNetV2", "mobilenet_v1", "mobilenet_v2"]


class MobileNetV1(Module):
    """A first convolution, pairs of a depthwise and a 1x1 convolution, and a linear layer."""

    # (outputs of the 1x1 convolution, stride of the depthwise convolution before it), table 1 of the paper
    BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))

    def __init__(self, classes: int, dropout: float) -> None:
        self.features = Sequential(conv_norm(3, 32, stride=2))
        inputs = 32
        for outputs, stride in self.BLOCKS:
            depthwise = conv_norm(inputs, inputs, stride=stride, groups=inputs)
            self.features.append(Sequential(depthwise, conv_norm(inputs, outputs, 1)))
            inputs = outputs
        self.avgpool = AdaptiveAvgPool2d((1, 1))
        self.classifier = Sequential(Dropout(dropout), Linear(inputs, classes))

    def forward(self, x: Value) -> Value:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class InvertedResidual(Module):
    """1x1 to `expand` times as many channels, depthwise, 1x1 to fewer channels without an activation, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        hidden = inputs * expand
        self.conv = Sequential()
        if expand != 1:
            self.conv.append(conv_norm(inputs, hidden, 1, activation=ReLU6))
        self.conv.append(conv_norm(hidden, hidden, stride=stride, groups=hidden, activation=ReLU6))
        self.conv.append(Conv2d(hidden, outputs, 1, bias=False))
        self.conv.append(BatchNorm2d(outputs))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Value) -> Value:
        y = self.conv(x)
        return y + x if self.residual else y


class MobileNetV2(Module):
    """A first convolution, inverted residuals, a 1x1 convolution, and a linear layer."""

    # (expand, outputs, repeats, stride of the first block), table 2 of the paper
    BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self, classes: int, dropout: float) -> None:
        self.features = Sequential(conv_norm(3, 32, stride=2, activation=ReLU6))
        inputs = 32
        for expand, outputs, repeats, stride in self.BLOCKS:
            for i in range(repeats):
                self.features.append(InvertedResidual(inputs, outputs, stride if i == 0 else 1, expand))
                inputs = outputs
        self.features.append(conv_norm(inputs, 1280, 1, activation=ReLU6))
        self.avgpool = AdaptiveAvgPool2d((1, 1))
        self.classifier = Sequential(Dropout(dropout), Linear(1280, classes))

    def forward(self, x: Value) -> Value:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


@network
def mobilenet_v1(classes: int = 1000, seed: int | None = 0, dropout: float = 0.001) -> MobileNetV1:
    """MobileNet v1 of width 1: (N, 3, 224, 224), or any other size -> (N, classes). 4,231,976 parameters; the paper has 4.2 million."""
    return MobileNetV1(classes, dropout)


@network
def mobilenet_v2(classes: int = 1000, seed: int | None = 0, dropout: float = 0.2) -> MobileNetV2:
    """MobileNetV2 of width 1: (N, 3, 224, 224), or any other size -> (N, classes). 3,504,872 parameters; torchvision's keys."""
    return MobileNetV2(classes, dropout)
