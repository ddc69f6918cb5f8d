"""The format of a file by its name, and the arrays of a safetensors file as a state."""

from __future__ import annotations

from os import PathLike, fspath

from fastcnn.formats.safetensors import read
from fastcnn.support.arrays import AnyArray

__all__ = ["is_onnx", "load_state"]


def load_state(path: str | PathLike[str]) -> dict[str, AnyArray]:
    """Reads the arrays of any safetensors file by name, for load_state_dict. NotImplementedError for an ONNX file."""
    if is_onnx(path):
        rule = "the file must be safetensors; load(path).state_dict() has the weights of others"
        raise NotImplementedError(f"[load_state] {rule}. Got {fspath(path)}.")
    return read(path)[0]


def is_onnx(path: str | PathLike[str]) -> bool:
    return fspath(path).lower().endswith(".onnx")
