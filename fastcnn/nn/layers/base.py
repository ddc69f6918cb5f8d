"""Layer: a module of this package, which can be described by its name and the arguments it was made with, and made again from a file."""

from __future__ import annotations

from typing import Any, ClassVar

from fastcnn._core import Parameter
from fastcnn.nn.module import Module

__all__ = ["Layer"]


class Layer(Module):
    """Arguments are checked when a layer is made."""

    arguments: ClassVar[tuple[str, ...]] = ()  # of the constructor: each is an attribute of the same name

    def config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, but for its weights. A parameter that may be left out counts as True or False."""
        values = ((name, getattr(self, name)) for name in self.arguments)
        return {name: isinstance(value, Parameter) if name == "bias" else value for name, value in values}
