"""Functions on symbolic values, with the names, order and defaults of torch.nn.functional (and torch.flatten, concat of NumPy and torch).

Each checks its arguments and appends a node. x: (N, C, H, W) where nothing else is said; shapes are checked by the core's op of that name.
"""

from fastcnn.functional.activation import (
    dropout,
    elu,
    gelu,
    hardsigmoid,
    hardswish,
    leaky_relu,
    log_softmax,
    mish,
    prelu,
    relu,
    relu6,
    sigmoid,
    silu,
    softmax,
    tanh,
)
from fastcnn.functional.convolution import conv2d, linear
from fastcnn.functional.normalization import batch_norm, local_response_norm
from fastcnn.functional.pooling import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d
from fastcnn.functional.shape import concat, flatten

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "batch_norm",
    "concat",
    "conv2d",
    "dropout",
    "elu",
    "flatten",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "max_pool2d",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]
