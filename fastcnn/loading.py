"""load: a file made a network again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fspath
from typing import Any

import numpy as np

from fastcnn._core import Parameter
from fastcnn.formats.safetensors import mapped
from fastcnn.formats.state import is_onnx, load_state
from fastcnn.nn.module import Module
from fastcnn.saving.architecture import Maker
from fastcnn.support.arrays import ArrayLike

__all__ = ["load", "load_state"]


def load(path: str | PathLike[str], *, outputs: Sequence[str] | None = None, constants: Mapping[str, ArrayLike] | None = None) -> Module:
    """The network in a file: one that save() wrote, or an ONNX model (.onnx), as fastcnn.onnx.OnnxModel.

    outputs, constants: of ONNX models. outputs: names of the values to return, in place of the graph's outputs. constants: integer inputs
    (shapes, axes) that are bound now. ValueError if the file is no model, NotImplementedError if it needs what is not supported.

    Weights of a large file are not copied: they lie in the file until something writes to them, training or assign(). The file may be
    replaced by another under its name, as save() does, or be deleted; one that was written to in place is a ValueError at the next run.
    """
    if is_onnx(path):
        from fastcnn.onnx import load as load_onnx

        return load_onnx(path, outputs, constants)
    if outputs is not None or constants is not None:
        raise ValueError(f"[load] outputs and constants are for ONNX models. Got {fspath(path)}.")
    tensors, metadata = mapped(path)
    net = Maker(tensors, _network).make("", _described(path, metadata), 0)
    assert isinstance(net, Module)
    net.check_state_dict(tensors)
    for key, tensor in net.saved_tensors():
        if isinstance(tensor, Parameter):
            tensor.load(tensors[key])
        else:
            np.copyto(tensor, tensors[key], casting="unsafe")
    return net


def _network(name: str) -> Callable[..., Module] | None:
    """A function of the zoo."""
    from fastcnn import zoo

    function: Callable[..., Module] | None = getattr(zoo, name) if name in zoo.__all__ else None
    return function


def _described(path: str | PathLike[str], metadata: dict[str, str]) -> Any:
    if "fastcnn" not in metadata:
        raise ValueError(f"[load] the file has weights and no architecture: use load_state_dict(load_state(path)). Got {fspath(path)}.")
    try:
        description = json.loads(metadata["fastcnn"])
        kind, version, name = description["kind"], description["version"], description.get("class")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"[load] the description in the file must be one that save() writes. Got {error!r}.") from None
    if kind != "model" or version != 1:
        raise ValueError(f"[load] the file must hold a model of version 1. Got kind {kind!r}, version {version!r}.")
    if description.get("architecture") is None:
        rule = "what is more than layers and networks of fastcnn is made by you, then given its weights: "
        rule += "net.load_state_dict(fastcnn.load_state(path))"
        raise ValueError(f"[load] {rule}. Got {name!r}.")
    return description["architecture"]
