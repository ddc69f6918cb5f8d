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
    abs,
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool2d,
    batch_norm,
    ceil,
    celu,
    clamp,
    concat,
    conv2d,
    conv_transpose2d,
    cos,
    dropout,
    elu,
    eq,
    erf,
    exp,
    flatten,
    floor,
    ge,
    gelu,
    gt,
    hardsigmoid,
    hardswish,
    hardtanh,
    le,
    leaky_relu,
    linear,
    local_response_norm,
    log,
    log_softmax,
    lt,
    max_pool2d,
    maximum,
    minimum,
    mish,
    pow,
    prelu,
    reciprocal,
    relu,
    relu6,
    round,
    selu,
    sigmoid,
    sign,
    silu,
    sin,
    softmax,
    softplus,
    sqrt,
    tanh,
    where,
)
from fastcnn.layers import (
    CELU,
    ELU,
    GELU,
    SELU,
    AdaptiveAvgPool2d,
    AdaptiveMaxPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    Identity,
    LeakyReLU,
    Linear,
    LocalResponseNorm,
    LogSoftmax,
    MaxPool2d,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from fastcnn.machine import get_num_threads, info, set_num_threads
from fastcnn.module import Module
from fastcnn.value import Value

if TYPE_CHECKING:
    from fastcnn import nn, onnx
    from fastcnn.history import History
    from fastcnn.io import load, load_state
    from fastcnn.memory import MemoryReport
    from fastcnn.trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d",
    "AvgPool2d",
    "BatchNorm2d",
    "Compiled",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Flatten",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "History",
    "Identity",
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
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "Trainer",
    "Value",
    "abs",
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "batch_norm",
    "ceil",
    "celu",
    "clamp",
    "concat",
    "conv2d",
    "conv_transpose2d",
    "cos",
    "dropout",
    "elu",
    "eq",
    "erf",
    "exp",
    "flatten",
    "floor",
    "ge",
    "gelu",
    "get_num_threads",
    "gt",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "info",
    "le",
    "leaky_relu",
    "linear",
    "load",
    "load_state",
    "local_response_norm",
    "log",
    "log_softmax",
    "loss",
    "lt",
    "max_pool2d",
    "maximum",
    "minimum",
    "mish",
    "nn",
    "onnx",
    "optim",
    "pow",
    "prelu",
    "reciprocal",
    "relu",
    "relu6",
    "round",
    "selu",
    "set_num_threads",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "softmax",
    "softplus",
    "sqrt",
    "tanh",
    "where",
]

# Imported when first used, for a short import.
_LATER = {
    "History": "history",
    "MemoryReport": "memory",
    "Trainer": "trainer",
    "load": "io",
    "load_state": "io",
    "nn": "nn",
    "onnx": "onnx",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'fastcnn' has no attribute '{name}'")
    from importlib import import_module

    module = import_module(f"fastcnn.{_LATER[name]}")
    return module if name == _LATER[name] else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
