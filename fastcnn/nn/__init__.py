"""Modules, layers and losses under the names of torch.nn: model code ports by changing its imports."""

from typing import TYPE_CHECKING, NoReturn

from fastcnn._core import Parameter
from fastcnn.nn import containers, functional, layers
from fastcnn.nn.containers import *  # noqa: F403
from fastcnn.nn.layers import *  # noqa: F403
from fastcnn.nn.module import Module
from fastcnn.support.missing_names import no_attribute
from fastcnn.training.losses import CrossEntropyLoss, MSELoss

__all__ = ["CrossEntropyLoss", "MSELoss", "Module", "Parameter", "functional"]
__all__ += containers.__all__
__all__ += [name for name in layers.__all__ if name != "Layer"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> NoReturn:
        raise no_attribute("fastcnn.nn", name, globals())
