"""Layer: the base of the layers. A file describes a layer by its name and its arguments, and load() makes it from them."""

from __future__ import annotations

from typing import Any, ClassVar

from fastcnn._core import Parameter
from fastcnn.nn.module import Module

__all__ = ["Layer"]


class Layer(Module):
    """The base of the layers. Constructors check all arguments."""

    arguments: ClassVar[tuple[str, ...]] = ()  # arguments of the constructor; each is an attribute of the same name

    def config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal layer, without its weights. For `bias` it is True or False, not the parameter."""
        values = ((name, getattr(self, name)) for name in self.arguments)
        return {name: isinstance(value, Parameter) if name == "bias" else value for name, value in values}
