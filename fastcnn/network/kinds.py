"""The classes that a file may name, by their names. They register here when they are defined (nn/layers, nn/containers), so that saving
knows them without importing them. A user's own class never gets in.
"""

from __future__ import annotations

from typing import Any

__all__ = ["CONTAINERS", "LAYERS", "is_layer"]

LAYERS: dict[str, type[Any]] = {}  # made again from their config()
CONTAINERS: dict[str, type[Any]] = {}  # made again from their named children


def is_layer(module: object) -> bool:
    """Whether it is exactly a layer of this package, no subclass of one."""
    return LAYERS.get(type(module).__name__) is type(module)
