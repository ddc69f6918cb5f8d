"""save: writes a network to a file, as safetensors with the architecture in the metadata, or as ONNX."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any

from fastcnn.formats.safetensors import write as write_safetensors
from fastcnn.formats.state import is_onnx
from fastcnn.network.network import Network
from fastcnn.saving.architecture import can_rebuild, described

__all__ = ["save"]

_ENDINGS = (".safetensors", ".onnx")


def save(net: Network, path: str | PathLike[str], input_shape: Sequence[Any] | None = None) -> None:
    """See Module.save."""
    ending = os.path.splitext(path)[1]
    if ending and ending.lower() not in _ENDINGS:
        rule = "a network is written as safetensors, to a name that ends in .safetensors, or as ONNX, .onnx"
        raise ValueError(f"[save] {rule}. Got {fspath(path)}.")
    if is_onnx(path) != (input_shape is not None):
        raise ValueError(f"[save] input_shape is for ONNX files, which need it. Got {fspath(path)} with input_shape={input_shape}.")
    if input_shape is not None:
        from fastcnn.saving.onnx import write

        return write(net, path, input_shape)
    state = net.state_dict()
    architecture = json.dumps(described(net, "", {}), default=int)
    kept = json.loads(architecture) if can_rebuild(architecture, net, state) else None
    if kept is None:
        rule = "a network that is more than layers and networks of fastcnn is saved as weights alone: make it again with your code, then "
        rule += "net.load_state_dict(path); fastcnn.load(path) cannot"
        warnings.warn(f"[save] {rule}. Got {type(net).__name__}.", UserWarning, stacklevel=3)
    description = {"kind": "model", "version": 1, "class": type(net).__name__, "architecture": kept}
    write_safetensors(path, state, {"fastcnn": json.dumps(description)})
