"""load: makes a network from a file."""

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
from fastcnn.support.arrays import AnyArray, ArrayLike

__all__ = ["load", "load_state"]


def load(path: str | PathLike[str], *, outputs: Sequence[str] | None = None, constants: Mapping[str, ArrayLike] | None = None) -> Module:
    """Loads the network of a file that save() wrote, or an ONNX model (.onnx) as a fastcnn.onnx.OnnxModel.

    outputs, constants: for ONNX models only, the names of the values to return instead of the graph's outputs, and values of integer inputs
    (shapes, axes), which are bound now. ValueError if the file is not a model, NotImplementedError if it needs an unsupported feature.

    Weights of a large file are not copied: they stay in the file until training or assign() writes to them. The file may be deleted, or
    replaced by another file as save() does. A file that was modified in place raises ValueError at the next run.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fc.zoo.lenet5(seed=0).save(os.path.join(folder, "lenet.safetensors"))
    ...     fc.load(os.path.join(folder, "lenet.safetensors"))(np.zeros((1, 1, 32, 32))).shape
    (1, 10)
    """
    if is_onnx(path):
        from fastcnn.onnx import load as load_onnx

        return load_onnx(path, outputs, constants)
    if outputs is not None or constants is not None:
        raise ValueError(f"[load] outputs and constants are for ONNX models. Got {fspath(path)}.")
    tensors, metadata = mapped(path)
    net = Maker(tensors, _network).make("", _described(path, metadata), 0)
    assert isinstance(net, Module)
    _fill(net, tensors)
    return net


def _fill(net: Module, tensors: dict[str, AnyArray]) -> None:
    """Gives a new network the values of a file. Large parameters stay in the file."""
    net.check_state_dict(tensors)
    for key, tensor in net.saved_tensors():
        if isinstance(tensor, Parameter):
            tensor.load(tensors[key])
        else:
            np.copyto(tensor, tensors[key], casting="unsafe")


def _network(name: str) -> Callable[..., Module] | None:
    """Returns the function of the zoo with this name, None if there is none."""
    from fastcnn import zoo

    function: Callable[..., Module] | None = getattr(zoo, name) if name in zoo.__all__ else None
    return function


def _described(path: str | PathLike[str], metadata: dict[str, str]) -> Any:
    """Returns the description of the architecture from the metadata of a file. ValueError if there is none that load() can use."""
    if "fastcnn" not in metadata:
        raise ValueError(f"[load] the file has weights and no architecture: use load_state_dict(load_state(path)). Got {fspath(path)}.")
    try:
        description = json.loads(metadata["fastcnn"])
        kind = description["kind"]
        version = description["version"]
        name = description.get("class")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"[load] the description in the file must be one that save() writes. Got {error!r}.") from None
    if kind != "model" or version != 1:
        raise ValueError(f"[load] the file must hold a model of version 1. Got kind {kind!r}, version {version!r}.")
    if description.get("architecture") is None:
        rule = "what is more than layers and networks of fastcnn is made by you, then given its weights: "
        rule += "net.load_state_dict(fastcnn.load_state(path))"
        raise ValueError(f"[load] {rule}. Got {name!r}.")
    return description["architecture"]
