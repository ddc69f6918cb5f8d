"""fastcnn: convolutional networks on CPUs, to train and to embed. `import fastcnn as fc` needs NumPy alone.

Networks are built of layers with PyTorch's names (Sequential, Module), trained (fit, Trainer), run (a call, compile, predict), looked into
(summary, memory) and kept (save, load).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from fastcnn._core import Parameter
except ImportError as error:
    raise ImportError(
        f"[import] fastcnn needs its compiled part, fastcnn._core: `pip install .` builds it. Got {error}. In the folder of the sources "
        "Python finds these instead of what was installed: start it elsewhere, or with -I."
    ) from error

from fastcnn import loss, optim
from fastcnn.compiled import Compiled
from fastcnn.containers import ModuleList, Sequential
from fastcnn.functional import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    amax,
    amin,
    argmax,
    argmin,
    avg_pool2d,
    batch_norm,
    channel_shuffle,
    concat,
    conv2d,
    dropout,
    elu,
    expand,
    flatten,
    gelu,
    group_norm,
    hardsigmoid,
    hardswish,
    instance_norm,
    interpolate,
    layer_norm,
    leaky_relu,
    linear,
    local_response_norm,
    log_softmax,
    matmul,
    max_pool2d,
    mean,
    mish,
    pad,
    permute,
    pixel_shuffle,
    pixel_unshuffle,
    prelu,
    relu,
    relu6,
    sigmoid,
    silu,
    softmax,
    squeeze,
    stack,
    sum,
    tanh,
    topk,
    transpose,
    unsqueeze,
)
from fastcnn.layers import (
    ELU,
    GELU,
    AdaptiveAvgPool2d,
    AdaptiveMaxPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    GroupNorm,
    Hardsigmoid,
    Hardswish,
    Identity,
    InstanceNorm2d,
    LayerNorm,
    LeakyReLU,
    Linear,
    LocalResponseNorm,
    LogSoftmax,
    MaxPool2d,
    Mish,
    PixelShuffle,
    PixelUnshuffle,
    PReLU,
    ReflectionPad2d,
    ReLU,
    ReLU6,
    ReplicationPad2d,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
    Upsample,
    ZeroPad2d,
)
from fastcnn.machine import get_num_threads, info, set_num_threads
from fastcnn.module import Module
from fastcnn.value import Value

if TYPE_CHECKING:
    from fastcnn import nn, zoo
    from fastcnn.history import History
    from fastcnn.io import load, load_state
    from fastcnn.memory import MemoryReport
    from fastcnn.trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    "ELU",
    "GELU",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d",
    "AvgPool2d",
    "BatchNorm2d",
    "Compiled",
    "Conv2d",
    "Dropout",
    "Flatten",
    "GroupNorm",
    "Hardsigmoid",
    "Hardswish",
    "History",
    "Identity",
    "InstanceNorm2d",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "LogSoftmax",
    "MaxPool2d",
    "MemoryReport",
    "Mish",
    "Module",
    "ModuleList",
    "PReLU",
    "Parameter",
    "PixelShuffle",
    "PixelUnshuffle",
    "ReLU",
    "ReLU6",
    "ReflectionPad2d",
    "ReplicationPad2d",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "Trainer",
    "Upsample",
    "Value",
    "ZeroPad2d",
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
    "get_num_threads",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "info",
    "instance_norm",
    "interpolate",
    "layer_norm",
    "leaky_relu",
    "linear",
    "load",
    "load_state",
    "local_response_norm",
    "log_softmax",
    "loss",
    "matmul",
    "max_pool2d",
    "mean",
    "mish",
    "nn",
    "optim",
    "pad",
    "permute",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "relu",
    "relu6",
    "set_num_threads",
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
    "zoo",
]

# Imported when first used, for a short import.
_LATER = {
    "History": "history",
    "MemoryReport": "memory",
    "Trainer": "trainer",
    "load": "io",
    "load_state": "io",
    "nn": "nn",
    "zoo": "zoo",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'fastcnn' has no attribute '{name}'")
    from importlib import import_module

    module = import_module(f"fastcnn.{_LATER[name]}")
    return module if name == _LATER[name] else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
