"""The classes that a file may name, by their names. nn/layers and nn/containers fill the dictionaries, so that saving knows the classes
without importing them. Users' own classes are never added.
"""

from __future__ import annotations

from typing import Any

__all__ = ["CONTAINERS", "LAYERS", "is_layer"]

LAYERS: dict[str, type[Any]] = {}  # restored from their config()
CONTAINERS: dict[str, type[Any]] = {}  # restored from their named children


def is_layer(module: object) -> bool:
    """Returns whether a module is a layer of this package. Subclasses of layers are not."""
    return LAYERS.get(type(module).__name__) is type(module)
