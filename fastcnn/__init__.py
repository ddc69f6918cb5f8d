"""fastcnn: convolutional networks on CPUs, to train and to embed. It needs only NumPy.

Networks consist of layers with PyTorch's names (Sequential, Module). They are trained (fit, Trainer), run (a call, compile, predict),
inspected (summary, memory, check, cost) and stored (save, load). The examples in docstrings assume `import numpy as np` and
`import fastcnn as fc`:

>>> net = fc.Sequential(fc.Conv2d(1, 16, 3, padding=1), fc.ReLU(), fc.MaxPool2d(2), fc.Flatten(), fc.Linear(16 * 4 * 4, 10))
>>> x = np.zeros((32, 1, 8, 8), np.float32)
>>> net(x).shape
(32, 10)
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

from fastcnn import functional
from fastcnn.functional import *  # noqa: F403
from fastcnn.nn import containers, layers
from fastcnn.nn.containers import *  # noqa: F403
from fastcnn.nn.layers import *  # noqa: F403
from fastcnn.nn.module import Module
from fastcnn.running.compiled import Compiled
from fastcnn.running.machine import get_num_threads, info, set_num_threads
from fastcnn.support.version import __version__ as __version__
from fastcnn.tracing.value import Value

if TYPE_CHECKING:
    from fastcnn import dense as dense
    from fastcnn import images as images
    from fastcnn import loss as loss
    from fastcnn import nn as nn
    from fastcnn import onnx as onnx
    from fastcnn import optim as optim
    from fastcnn import plot as plot
    from fastcnn import rewrite as rewrite
    from fastcnn import zoo as zoo
    from fastcnn.loading import load as load
    from fastcnn.loading import load_state as load_state
    from fastcnn.memory.report import MemoryReport as MemoryReport
    from fastcnn.training.history import History as History
    from fastcnn.training.trainer import Trainer as Trainer

# Names that are imported at their first use, for a short import -> their file.
_LATER = {
    "History": "training.history",
    "MemoryReport": "memory.report",
    "Trainer": "training.trainer",
    "dense": "dense",
    "images": "images",
    "load": "loading",
    "load_state": "loading",
    "loss": "loss",
    "nn": "nn",
    "onnx": "onnx",
    "optim": "optim",
    "plot": "plot",
    "rewrite": "rewrite",
    "zoo": "zoo",
}

__all__ = ["Compiled", "Module", "Parameter", "Value", "get_num_threads", "info", "set_num_threads"]
__all__ += containers.__all__
__all__ += functional.__all__
__all__ += [name for name in layers.__all__ if name != "Layer"]
__all__ += _LATER


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        from fastcnn.support.missing_names import no_attribute

        raise no_attribute("fastcnn", name, globals())
    from importlib import import_module

    module = import_module(f"fastcnn.{_LATER[name]}")
    return module if name == _LATER[name] else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
