"""ONNX models as modules. A reader of our own (wire.py, model.py, tensors.py) reads the file: it needs NumPy alone and trusts nothing.

    file -> ModelProto -> structure.py: what is needed, in order -> OnnxModel (graph.py), whose forward() hands each node to its operator

operators/ has a file for each kind of operator: a function maps a node to nodes of the core, another may compute it by NumPy where all is
known. What depends on constants and shapes alone is computed so while a model is loaded or traced, and never runs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from fastcnn.formats.protobuf_reader import Source
from fastcnn.onnx import operators  # noqa: F401  fills the tables
from fastcnn.onnx.messages import read_model
from fastcnn.onnx.onnx_model import OnnxModel
from fastcnn.onnx.tensors import Tensors
from fastcnn.support.arrays import ArrayLike

__all__ = ["OnnxModel", "load", "loads"]


def load(path: str | os.PathLike[str], outputs: Sequence[str] | None = None, constants: Mapping[str, ArrayLike] | None = None) -> OnnxModel:
    """See fastcnn.load."""
    with open(path, "rb") as file:
        model = read_model(Source.of_file(file))
        return OnnxModel(model, Tensors(model.source, Path(path).parent), outputs, constants)


def loads(data: bytes, outputs: Sequence[str] | None = None, constants: Mapping[str, ArrayLike] | None = None) -> OnnxModel:
    """The same from a file's bytes; it may have no external data."""
    model = read_model(Source.of_bytes(data))
    return OnnxModel(model, Tensors(model.source, None), outputs, constants)
