"""VGG: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015; also with batch norm."""

from __future__ import annotations

from fastcnn.nn.containers import Sequential
from fastcnn.nn.layers import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, Linear, MaxPool2d, ReLU
from fastcnn.nn.module import Module
from fastcnn.tracing.value import Value
from fastcnn.zoo.base import network

__all__ = ["VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"]

# The numbers of 3x3 convolutions with 64, 128, 256, 512 and 512 channels. Pooling follows each of the five groups.
DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class VGG(Module):
    """Five groups of 3x3 convolutions with pooling, and three linear layers."""

    def __init__(self, depth: int, norm: bool, classes: int, dropout: float) -> None:
        self.features = _features(DEPTHS[depth], norm)
        self.avgpool = AdaptiveAvgPool2d((7, 7))
        self.classifier = Sequential(
            Linear(512 * 7 * 7, 4096),
            ReLU(),
            Dropout(dropout),
            Linear(4096, 4096),
            ReLU(),
            Dropout(dropout),
            Linear(4096, classes),
        )

    def forward(self, x: Value) -> Value:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _features(repeats: tuple[int, ...], norm: bool) -> Sequential:
    features = Sequential()
    inputs = 3
    for channels, repeat in zip((64, 128, 256, 512, 512), repeats, strict=True):
        for _ in range(repeat):
            features.append(Conv2d(inputs, channels, 3, padding=1))
            if norm:
                features.append(BatchNorm2d(channels))
            features.append(ReLU())
            inputs = channels
        features.append(MaxPool2d(2, 2))
    return features


@network
def vgg11(classes: int = 1000, seed: int | None = 0, dropout: float = 0.5) -> VGG:
    """VGG-11: (N, 3, 224, 224), or any size of at least 32 -> (N, classes). 132,863,336 parameters; torchvision's keys."""
    return VGG(11, False, classes, dropout)


@network
def vgg13(classes: int = 1000, seed: int | None = 0, dropout: float = 0.5) -> VGG:
    """VGG-13: (N, 3, 224, 224), or any size of at least 32 -> (N, classes). 133,047,848 parameters; torchvision's keys."""
    return VGG(13, False, classes, dropout)


@network
def vgg16(classes: int = 1000, seed: int | None = 0, dropout: float = 0.5) -> VGG:
    """VGG-16: (N, 3, 224, 224), or any size of at least 32 -> (N, classes). 138,357,544 parameters; torchvision's keys."""
    return VGG(16, False, classes, dropout)


@network
def vgg19(classes: int = 1000, seed: int | None = 0, dropout: float = 0.5) -> VGG:
    """VGG-19: (N, 3, 224, 224), or any size of at least 32 -> (N, classes). 143,667,240 parameters; torchvision's keys."""
    return VGG(19, False, classes, dropout)


@network
def vgg11_bn(classes: int = 1000, seed: int | None = 0, dropout: float = 0.5) -> VGG:
    """VGG-11 with batch norm after each convolution: shapes as for vgg11. 132,868,840 parameters; torchvision's keys."""
    return VGG(11, True, classes, dropout)


@network
def vgg13_bn(classes: int = 1000, seed: int | None = 0, dropout: float = 0.5) -> VGG:
    """VGG-13 with batch norm after each convolution: shapes as for vgg13. 133,053,736 parameters; torchvision's keys."""
    return VGG(13, True, classes, dropout)


@network
def vgg16_bn(classes: int = 1000, seed: int | None = 0, dropout: float = 0.5) -> VGG:
    """VGG-16 with batch norm after each convolution: shapes as for vgg16. 138,365,992 parameters; torchvision's keys."""
    return VGG(16, True, classes, dropout)


@network
def vgg19_bn(classes: int = 1000, seed: int | None = 0, dropout: float = 0.5) -> VGG:
    """VGG-19 with batch norm after each convolution: shapes as for vgg19. 143,678,248 parameters; torchvision's keys."""
    return VGG(19, True, classes, dropout)
