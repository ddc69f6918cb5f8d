"""GoogLeNet: Szegedy et al., "Going deeper with convolutions", 2015. As in torchvision, batch norm follows each convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcnn.functional import adaptive_avg_pool2d, concat, relu
from fastcnn.nn.containers import Sequential
from fastcnn.nn.layers import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, Linear, MaxPool2d
from fastcnn.nn.module import Module
from fastcnn.support.arguments import flag
from fastcnn.tracing.value import Value
from fastcnn.zoo.base import network

__all__ = ["GoogLeNet", "googlenet"]


class BasicConv2d(Module):
    """Convolution, batch norm and ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        self.conv = Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Value) -> Value:
        return relu(self.bn(self.conv(x)))


class Inception(Module):
    """Four branches side by side: 1x1, 3x3, 3x3 and pooling. The third is 5x5 in the paper, and 3x3 in all published weights."""

    def __init__(self, inputs: int, one: int, reduce2: int, three: int, reduce3: int, five: int, pooled: int) -> None:
        self.branch1 = BasicConv2d(inputs, one, 1)
        self.branch2 = Sequential(BasicConv2d(inputs, reduce2, 1), BasicConv2d(reduce2, three, 3))
        self.branch3 = Sequential(BasicConv2d(inputs, reduce3, 1), BasicConv2d(reduce3, five, 3))
        self.branch4 = Sequential(MaxPool2d(3, 1, 1, ceil_mode=True), BasicConv2d(inputs, pooled, 1))

    def forward(self, x: Value) -> Value:
        return concat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(Module):
    """An auxiliary classifier on an inner layer, which strengthens the gradient."""

    def __init__(self, inputs: int, classes: int, dropout: float) -> None:
        self.conv = BasicConv2d(inputs, 128, 1)
        self.fc1 = Linear(2048, 1024)
        self.fc2 = Linear(1024, classes)
        self.dropout = Dropout(dropout)

    def forward(self, x: Value) -> Value:
        x = self.conv(adaptive_avg_pool2d(x, (4, 4))).flatten(1)
        return self.fc2(self.dropout(relu(self.fc1(x))))


class GoogLeNet(Module):
    """Three convolutions, nine inception blocks, and a linear layer."""

    def __init__(self, classes: int, aux: bool, transform_input: bool, dropout: float) -> None:
        self.transform_input = flag("googlenet", "transform_input", transform_input)
        self.conv1 = BasicConv2d(3, 64, 7, 2)
        self.maxpool1 = MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = BasicConv2d(64, 64, 1)
        self.conv3 = BasicConv2d(64, 192, 3)
        self.maxpool2 = MaxPool2d(3, 2, ceil_mode=True)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = MaxPool2d(3, 2, ceil_mode=True)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = MaxPool2d(2, 2, ceil_mode=True)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
        self.aux1 = InceptionAux(512, classes, 0.7) if flag("googlenet", "aux", aux) else None
        self.aux2 = InceptionAux(528, classes, 0.7) if aux else None
        self.avgpool = AdaptiveAvgPool2d((1, 1))
        self.dropout = Dropout(dropout)
        self.fc = Linear(1024, classes)

    def forward(self, x: Value) -> Any:
        x = self.maxpool1(self.conv1(_rescaled(x) if self.transform_input else x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        first = self.inception4a(x)
        second = self.inception4d(self.inception4c(self.inception4b(first)))
        x = self.maxpool4(self.inception4e(second))
        x = self.avgpool(self.inception5b(self.inception5a(x))).flatten(1)
        y = self.fc(self.dropout(x))
        if self.training and self.aux1 is not None and self.aux2 is not None:
            return y, self.aux2(second), self.aux1(first)
        return y


def _rescaled(x: Value) -> Value:
    """Converts images that are normalized by ImageNet's means and deviations to a mean and deviation of 0.5.

    All networks of torchvision expect the former. The published weights of this network expect the latter.
    """
    mean, deviation = (np.array(c, np.float32).reshape(3, 1, 1) for c in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return x * (deviation / 0.5) + (mean - 0.5) / 0.5


@network
def googlenet(
    classes: int = 1000, seed: int | None = 0, aux: bool = False, transform_input: bool = False, dropout: float = 0.2
) -> GoogLeNet:
    """GoogLeNet: (N, 3, 224, 224), or any size of at least 15 -> (N, classes). 6,624,904 parameters; torchvision's keys.

    aux: adds the two auxiliary classifiers, 13,004,888 parameters in total. In training steps the output is then (y, aux2, aux1): a module
    around this one must reduce it to one value. transform_input: converts images normalized by ImageNet's means and deviations to a mean
    and deviation of 0.5. torchvision's published weights need both to be True.
    """
    return GoogLeNet(classes, aux, transform_input, dropout)
