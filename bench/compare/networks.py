"""The networks of the comparison, each with its target for the ratio to the fastest peer. No engine is imported here."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["GEOMETRIC_MEAN_TARGET", "NETWORKS", "SEQUENTIAL", "Network"]

GEOMETRIC_MEAN_TARGET = 0.72
IMAGE = (1, 3, 224, 224)


class Network(NamedTuple):
    title: str
    shape: tuple[int, int, int, int]  # of the input, (N, C, H, W)
    target: float  # fastcnn's time / the fastest peer's
    zoo: str = ""  # function of fastcnn.zoo; "" for one of SEQUENTIAL
    file: str = ""  # fastcnn/zoo/<file>.py
    arguments: dict[str, Any] = {}  # noqa: RUF012  the default of a NamedTuple, which nobody writes to


NETWORKS = {
    "lenet": Network("LeNet 28x28", (1, 1, 28, 28), 0.60),
    "vgg_cifar": Network("VGG for CIFAR", (1, 3, 32, 32), 0.60),
    "resnet20": Network("ResNet-20 CIFAR", (1, 3, 32, 32), 0.60, "resnet20", "resnet_cifar"),
    "squeezenet": Network("SqueezeNet 1.1", IMAGE, 0.70, "squeezenet1_1", "squeezenet"),
    "mobilenet_v1": Network("MobileNetV1", IMAGE, 0.88, "mobilenet_v1", "mobilenet"),
    "mobilenet_v2": Network("MobileNetV2", IMAGE, 0.83, "mobilenet_v2", "mobilenet"),
    "efficientnet_b0": Network("EfficientNet-B0", IMAGE, 0.80, "efficientnet_b0", "efficientnet"),
    "alexnet": Network("AlexNet", IMAGE, 0.80, "alexnet", "alexnet"),
    "googlenet": Network("GoogLeNet", IMAGE, 0.66, "googlenet", "googlenet"),
    "resnet18": Network("ResNet-18", IMAGE, 0.62, "resnet18", "resnet"),
    "resnet50": Network("ResNet-50", IMAGE, 0.84, "resnet50", "resnet"),
    "densenet121": Network("DenseNet-121", IMAGE, 0.75, "densenet121", "densenet"),
    "unet": Network("U-Net 256x256", (1, 1, 256, 256), 0.62, "unet", "unet", {"width": 32}),  # 24 GFLOP
    "vgg16": Network("VGG-16", IMAGE, 0.73, "vgg16", "vgg"),
}


def _lenet(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def _vgg_cifar(nn: Any) -> Any:
    layers = []
    inputs = 3
    for width in (32, 64, 128):
        layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        inputs = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 4 * 4, 128), nn.ReLU(), nn.Linear(128, 10))


# Made of the layers of `nn`, which is torch.nn or fastcnn.nn: they have the same names.
SEQUENTIAL = {"lenet": _lenet, "vgg_cifar": _vgg_cifar}
