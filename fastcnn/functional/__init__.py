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
from fastcnn.functional.normalization import batch_norm, group_norm, instance_norm, layer_norm, local_response_norm
from fastcnn.functional.padding import pad
from fastcnn.functional.pooling import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d
from fastcnn.functional.resizing import channel_shuffle, interpolate, pixel_shuffle, pixel_unshuffle
from fastcnn.functional.shape import concat, flatten
from fastcnn.functional.tensor import (
    amax,
    amin,
    argmax,
    argmin,
    expand,
    matmul,
    mean,
    permute,
    squeeze,
    stack,
    sum,
    topk,
    transpose,
    unsqueeze,
)

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "amax",
    "amin",
    "argmax",
    "argmin",
    "avg_pool2d",
    "batch_norm",
    "channel_shuffle",
    "concat",
    "conv2d",
    "dropout",
    "elu",
    "expand",
    "flatten",
    "gelu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "instance_norm",
    "interpolate",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "matmul",
    "max_pool2d",
    "mean",
    "mish",
    "pad",
    "permute",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softmax",
    "squeeze",
    "stack",
    "sum",
    "tanh",
    "topk",
    "transpose",
    "unsqueeze",
]
