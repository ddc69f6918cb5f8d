"""LeNet-5: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998."""

from __future__ import annotations

from fastcnn.nn.containers import Sequential
from fastcnn.nn.layers import AvgPool2d, Conv2d, Flatten, Linear, Tanh
from fastcnn.zoo.base import network

__all__ = ["lenet5"]


@network
def lenet5(classes: int = 10, seed: int | None = 0) -> Sequential:
    """LeNet-5: (N, 1, 32, 32) -> (N, classes). 61,706 parameters.

    The paper counts 60,000. There, each map of the second convolution reads some maps of the first, pooling has two weights per map, and
    the last layer computes radial basis functions. Here, as is usual today, the convolution reads all maps, pooling is a mean, and the last
    layer is linear.
    """
    return Sequential(
        {
            "conv1": Conv2d(1, 6, 5),
            "tanh1": Tanh(),
            "pool1": AvgPool2d(2),
            "conv2": Conv2d(6, 16, 5),
            "tanh2": Tanh(),
            "pool2": AvgPool2d(2),
            "flatten": Flatten(),
            "fc1": Linear(16 * 5 * 5, 120),
            "tanh3": Tanh(),
            "fc2": Linear(120, 84),
            "tanh4": Tanh(),
            "fc3": Linear(84, classes),
        }
    )
