"""The reader of ONNX files: models as modules. It needs NumPy alone and trusts nothing in a file.

    formats/protobuf_reader.py, messages.py: a file -> ModelProto; tensors.py: the bytes of its tensors -> arrays and parameters
    functions.py, structure.py: the nodes that the outputs need, in order
    onnx_model.py: OnnxModel, a module whose forward() hands each node to walk.py
    walk.py, handlers.py, operators/: a node of ONNX -> nodes of the core, or an array by NumPy

Nodes that depend on constants and shapes alone are folded: NumPy computes them while a model is loaded or traced, and they never run.
fastcnn/saving/onnx/ is the writer of the format.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from fastcnn.formats.protobuf_reader import Source
from fastcnn.onnx import operators  # noqa: F401  fills the tables of handlers.py
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
    """As load(), from the bytes of a file, which must have no external data."""
    model = read_model(Source.of_bytes(data))
    return OnnxModel(model, Tensors(model.source, None), outputs, constants)
