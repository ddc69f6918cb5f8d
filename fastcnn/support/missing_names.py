"""The error for a name that torch has and fastcnn does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["no_attribute"]


def no_attribute(module: str, name: str, there: Mapping[str, Any]) -> AttributeError:
    """Returns the error for module.name. there: the names that the module has."""
    twin = f"{name[:-2]}2d"
    if name[-2:] in ("1d", "3d") and twin in there:
        rule = "what works on images must be of two dimensions"
        hint = f"{twin} takes lines as images of one row, (N, C, 1, L)" if name.endswith("1d") else f"there is {twin}"
        return AttributeError(f"[{name}] {rule}; {hint}. Got {module}.{name}.")
    return AttributeError(f"module '{module}' has no attribute '{name}'")
