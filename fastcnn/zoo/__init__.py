"""The classics, a file a family: `fastcnn.zoo.resnet50(classes=1000, seed=0)`. Each file names its paper and says its parameter counts.

state_dict keys, shapes, constants and structure are torchvision's where it has the network, so that weights published for it load.
"""

from fastcnn.zoo.alexnet import alexnet
from fastcnn.zoo.densenet import densenet121
from fastcnn.zoo.efficientnet import efficientnet_b0
from fastcnn.zoo.googlenet import googlenet
from fastcnn.zoo.lenet import lenet5
from fastcnn.zoo.mobilenet import mobilenet_v1, mobilenet_v2
from fastcnn.zoo.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
from fastcnn.zoo.resnet_cifar import resnet20, resnet56
from fastcnn.zoo.squeezenet import squeezenet1_0, squeezenet1_1
from fastcnn.zoo.unet import unet
from fastcnn.zoo.vgg import vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from fastcnn.zoo.zfnet import zfnet

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
