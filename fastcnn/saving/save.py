"""save: writes a network to a file, as safetensors with the architecture in the metadata, or as ONNX."""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any

from fastcnn.formats.safetensors import write as write_safetensors
from fastcnn.formats.state import is_onnx
from fastcnn.network.network import Network
from fastcnn.saving.architecture import can_rebuild, described

__all__ = ["save"]


def save(net: Network, path: str | PathLike[str], input_shape: Sequence[Any] | None = None) -> None:
    """See Module.save."""
    if is_onnx(path) != (input_shape is not None):
        raise ValueError(f"[save] input_shape is for ONNX files, which need it. Got {fspath(path)} with input_shape={input_shape}.")
    if input_shape is not None:
        from fastcnn.saving.onnx import write

        return write(net, path, input_shape)
    state = net.state_dict()
    architecture = json.dumps(described(net, "", {}), default=int)
    kept = json.loads(architecture) if can_rebuild(architecture, net, state) else None
    description = {"kind": "model", "version": 1, "class": type(net).__name__, "architecture": kept}
    write_safetensors(path, state, {"fastcnn": json.dumps(description)})
