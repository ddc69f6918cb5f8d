"""Classic networks, one file per family. Each file names its paper, and each function its parameter count.

All functions take `classes`, the number of outputs, and `seed`, from which the layers draw their initial values (None for fresh entropy).
Keys of state_dict(), shapes, constants and structure are torchvision's if it has the network, so that its published weights load.

>>> net = fc.zoo.resnet18(classes=10, seed=0)
>>> sum(parameter.size for parameter in net.parameters())
11181642
>>> net(np.zeros((1, 3, 64, 64))).shape
(1, 10)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastcnn.zoo.alexnet import alexnet
from fastcnn.zoo.googlenet import googlenet
from fastcnn.zoo.unet import unet
from fastcnn.zoo.zfnet import zfnet

if TYPE_CHECKING:
    from fastcnn.zoo.densenet import densenet121
    from fastcnn.zoo.efficientnet import efficientnet_b0
    from fastcnn.zoo.lenet import lenet5
    from fastcnn.zoo.mobilenet import mobilenet_v1, mobilenet_v2
    from fastcnn.zoo.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
    from fastcnn.zoo.resnet_cifar import resnet20, resnet56
    from fastcnn.zoo.squeezenet import squeezenet1_0, squeezenet1_1
    from fastcnn.zoo.vgg import vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn

__all__ = [
    "alexnet",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "lenet5",
    "mobilenet_v1",
    "mobilenet_v2",
    "resnet18",
    "resnet20",
    "resnet34",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet152",
    "squeezenet1_0",
    "squeezenet1_1",
    "unet",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "zfnet",
]

# The file of each family is imported at its first use, for a short import. Families whose function has the name of the file are imported
# above: importing the submodule later would replace the function as the attribute of the package.
_FAMILIES = {
    "densenet": ("densenet121",),
    "efficientnet": ("efficientnet_b0",),
    "lenet": ("lenet5",),
    "mobilenet": ("mobilenet_v1", "mobilenet_v2"),
    "resnet": ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    "resnet_cifar": ("resnet20", "resnet56"),
    "squeezenet": ("squeezenet1_0", "squeezenet1_1"),
    "vgg": ("vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for family, names in _FAMILIES.items():
        if name in names:
            return getattr(import_module(f"fastcnn.zoo.{family}"), name)
    raise AttributeError(f"module 'fastcnn.zoo' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
