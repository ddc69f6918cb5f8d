"""EfficientNet: Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", 2019."""

from __future__ import annotations

from fastcnn.functional import dropout as drop
from fastcnn.nn.containers import Sequential
from fastcnn.nn.layers import AdaptiveAvgPool2d, Conv2d, Dropout, Linear, Sigmoid, SiLU
from fastcnn.nn.module import Module
from fastcnn.support.arguments import number
from fastcnn.tracing.value import Value
from fastcnn.zoo.base import conv_norm, network

__all__ = ["EfficientNet", "efficientnet_b0"]


class SqueezeExcitation(Module):
    """Multiplies each channel by a gate that is computed from the means of all channels (Hu et al., 2018)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        self.avgpool = AdaptiveAvgPool2d((1, 1))
        self.fc1 = Conv2d(channels, squeezed, 1)
        self.fc2 = Conv2d(squeezed, channels, 1)
        self.activation = SiLU()
        self.scale_activation = Sigmoid()

    def forward(self, x: Value) -> Value:
        return x * self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x)))))


class StochasticDepth(Module):
    """In training steps, sets whole samples to zero with probability p and divides the others by 1 - p (Huang et al., 2016)."""

    def __init__(self, p: float) -> None:
        self.p = number("StochasticDepth", "p", p, 0, below=1)

    def forward(self, x: Value) -> Value:
        if not self.training or self.p == 0:
            return x
        ones = x[:, :1, :1, :1] * 0.0 + 1.0
        return x * drop(ones, self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class MBConv(Module):
    """An inverted bottleneck: 1x1 to more channels, depthwise, squeeze and excitation, 1x1 to fewer channels, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expand: int, drop_path: float) -> None:
        hidden = inputs * expand
        self.block = Sequential()
        if expand != 1:
            self.block.append(conv_norm(inputs, hidden, 1, activation=SiLU))
        self.block.append(conv_norm(hidden, hidden, kernel, stride, hidden, activation=SiLU))
        self.block.append(SqueezeExcitation(hidden, max(1, inputs // 4)))
        self.block.append(conv_norm(hidden, outputs, 1, activation=None))
        self.stochastic_depth = StochasticDepth(drop_path)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Value) -> Value:
        y = self.block(x)
        return self.stochastic_depth(y) + x if self.residual else y


class EfficientNet(Module):
    """A first convolution, stages of MBConv blocks, a 1x1 convolution, and a linear layer."""

    # (expand, kernel, stride of the first block, outputs, repeats), table 1 of the paper
    STAGES = (
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    )

    def __init__(self, classes: int, dropout: float, stochastic_depth: float) -> None:
        self.features = Sequential(conv_norm(3, 32, stride=2, activation=SiLU))
        inputs = 32
        done = 0
        total = sum(stage[4] for stage in self.STAGES)
        for expand, kernel, stride, outputs, repeats in self.STAGES:
            blocks = Sequential()
            for i in range(repeats):
                drop_path = stochastic_depth * done / total
                blocks.append(MBConv(inputs, outputs, kernel, stride if i == 0 else 1, expand, drop_path))
                inputs = outputs
                done += 1
            self.features.append(blocks)
        self.features.append(conv_norm(inputs, 1280, 1, activation=SiLU))
        self.avgpool = AdaptiveAvgPool2d((1, 1))
        self.classifier = Sequential(Dropout(dropout), Linear(1280, classes))

    def forward(self, x: Value) -> Value:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


@network
def efficientnet_b0(classes: int = 1000, seed: int | None = 0, dropout: float = 0.2, stochastic_depth: float = 0.2) -> EfficientNet:
    """EfficientNet-B0: (N, 3, 224, 224), or any other size -> (N, classes). 5,288,548 parameters; torchvision's keys.

    stochastic_depth: training skips block i of 16, counted from 0, for a sample with the probability stochastic_depth * i / 16.
    """
    return EfficientNet(classes, dropout, stochastic_depth)
