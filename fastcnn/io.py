"""Models as files: weights under their keys and, for networks made of this package's layers and networks, the architecture as JSON in the
metadata.

    {"class": "Sequential", "layers": [["0", {"class": "Conv2d", "config": {"in_channels": 1, ...}}], ["1", {"same": "0"}], ...]}
    {"zoo": "resnet50", "arguments": {"classes": 1000}}

A network that such a description does not make again (it has a parameter of its own, a weight of another shape, layers that share one, a
class of its own) is saved as weights alone: they are for load_state_dict, and load() says so.

Loading makes only the classes listed here, by their constructors, and networks of the zoo, by its functions; nothing in a file is imported
or evaluated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any

import numpy as np

from fastcnn import layers, safetensors
from fastcnn._core import Parameter
from fastcnn.arrays import AnyArray, ArrayLike, Shape
from fastcnn.containers import Sequential
from fastcnn.initial import stored
from fastcnn.layers import Layer
from fastcnn.module import Module

__all__ = ["load", "load_state", "save"]

CLASSES: dict[str, type[Layer]] = {name: getattr(layers, name) for name in layers.__all__ if name != "Layer"}
_DEEPEST = 50  # Sequentials in one another


def save(net: Module, path: str | PathLike[str], input_shape: Sequence[Any] | None = None) -> None:
    """See Module.save."""
    if is_onnx(path) != (input_shape is not None):
        raise ValueError(f"[save] input_shape is for ONNX files, which need it. Got {fspath(path)} with input_shape={input_shape}.")
    if input_shape is not None:
        from fastcnn import onnx_export

        return onnx_export.write(net, path, input_shape)
    state = net.state_dict()
    architecture = json.dumps(_architecture(net, "", {}), default=int)
    kept = json.loads(architecture) if _makes_again(architecture, net, state) else None
    description = {"kind": "model", "version": 1, "class": type(net).__name__, "architecture": kept}
    safetensors.write(path, state, {"fastcnn": json.dumps(description)})


def load(path: str | PathLike[str], *, outputs: Sequence[str] | None = None, constants: Mapping[str, ArrayLike] | None = None) -> Module:
    """The network in a file: one that save() wrote, or an ONNX model (.onnx), as fastcnn.onnx.OnnxModel.

    outputs, constants: of ONNX models. outputs: names of the values to return, in place of the graph's outputs. constants: integer inputs
    (shapes, axes) that are bound now. ValueError if the file is no model, NotImplementedError if it needs what is not supported.

    Weights of a large file are not copied: they lie in the file until something writes to them, training or assign(). The file may be
    replaced by another under its name, as save() does, or be deleted; one that was written to in place is a ValueError at the next run.
    """
    if is_onnx(path):
        from fastcnn import onnx

        return onnx.load(path, outputs, constants)
    if outputs is not None or constants is not None:
        raise ValueError(f"[load] outputs and constants are for ONNX models. Got {fspath(path)}.")
    tensors, metadata = safetensors.mapped(path)
    net = _Maker(tensors).make("", _described(path, metadata), 0)
    net.check_state_dict(tensors)
    for key, tensor in net._tensors():
        if isinstance(tensor, Parameter):
            tensor.load(tensors[key])
        else:
            np.copyto(tensor, tensors[key], casting="unsafe")
    return net


def load_state(path: str | PathLike[str]) -> dict[str, AnyArray]:
    """The arrays of any safetensors file by name, for load_state_dict."""
    if is_onnx(path):
        rule = "the file must be safetensors; load(path).state_dict() has the weights of others"
        raise NotImplementedError(f"[load_state] {rule}. Got {fspath(path)}.")
    return safetensors.read(path)[0]


def is_onnx(path: str | PathLike[str]) -> bool:
    return fspath(path).lower().endswith(".onnx")


def _architecture(module: Any, path: str, known: dict[int, str]) -> Any:
    """A description to make the module again from, or None if it holds a class that is not of this package."""
    if id(module) in known:
        return {"same": known[id(module)]}
    known[id(module)] = path
    if "_origin" in module.__dict__:
        from fastcnn.zoo.base import origin_of

        origin = origin_of(module)
        if origin is not None:
            return {"zoo": origin.name, "arguments": origin.arguments}
    name = type(module).__name__
    if isinstance(module, Layer) and CLASSES.get(name) is type(module):
        return {"class": name, "config": module.config()}
    if type(module) is not Sequential:
        return None
    parts = [[child_name, _architecture(child, f"{path}.{child_name}", known)] for child_name, child in module.named_children()]
    return None if any(part is None for _, part in parts) else {"class": name, "layers": parts}


def _makes_again(architecture: str, net: Module, state: dict[str, AnyArray]) -> bool:
    """Whether load() makes of the description a network with the tensors of `net`, shared where these are."""
    try:
        made = _Maker(state).make("", json.loads(architecture), 0)
    except ValueError:
        return False
    return _tensors_of(made) == _tensors_of(net)


def _tensors_of(net: Module) -> dict[str, tuple[type, Shape, str]]:
    """By key: the kind of tensor, its shape, and the first key that it has."""
    first: dict[int, str] = {}
    return {key: (type(tensor), tuple(tensor.shape), first.setdefault(id(tensor), key)) for key, tensor in net._tensors()}


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


class _Maker:
    """Makes modules of a description, with the file's tensors as their first values."""

    def __init__(self, tensors: dict[str, AnyArray]) -> None:
        self._tensors = tensors
        self._made: dict[str, Module] = {}

    def make(self, path: str, part: Any, depth: int) -> Module:
        if not isinstance(part, dict) or depth > _DEEPEST:
            raise _wrong(path, f"{type(part).__name__} at depth {depth}")
        if "same" in part:
            same = self._made.get(part["same"]) if isinstance(part["same"], str) else None
            if same is None:
                raise _wrong(path, f"a reference to {part['same']!r}")
            return same
        if "zoo" in part:
            return self._network(path, part)
        name = part.get("class")
        module = self._sequential(path, part, depth) if name == "Sequential" else self._layer(path, part, name)
        self._made[path] = module
        return module

    def _sequential(self, path: str, part: dict[str, Any], depth: int) -> Module:
        entries = part.get("layers")
        if not isinstance(entries, list) or not all(isinstance(e, list) and len(e) == 2 and isinstance(e[0], str) for e in entries):
            raise _wrong(path, "layers that are no list of pairs")
        children = {name: self.make(f"{path}.{name}", entry, depth + 1) for name, entry in entries}
        if len(children) != len(entries):
            raise _wrong(path, "a name that comes twice")
        try:
            return Sequential(children)
        except ValueError as error:
            raise _wrong(path, str(error)) from None

    def _layer(self, path: str, part: dict[str, Any], name: Any) -> Module:
        kind = CLASSES.get(name) if isinstance(name, str) else None
        config = part.get("config")
        if kind is None or not isinstance(config, dict) or set(config) - set(kind.arguments):
            raise _wrong(path, f"class {name!r} with {sorted(config) if isinstance(config, dict) else config!r}")
        prefix = f"{path[1:]}." if path else ""
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}  # JSON has no tuples
        try:
            with stored(lambda name, _: self._tensors.get(prefix + name)):
                return kind(**values)
        except (TypeError, ValueError, NotImplementedError, OverflowError, RecursionError) as error:
            raise _wrong(path, str(error)) from None

    def _network(self, path: str, part: dict[str, Any]) -> Module:
        """Layers do not know their paths while their network is made: until load_state_dict, each has some tensor of its shape."""
        from fastcnn import zoo

        name, arguments = part["zoo"], part.get("arguments")
        if name not in zoo.__all__ or not isinstance(arguments, dict) or "seed" in arguments:
            raise _wrong(path, f"network {name!r} with {arguments!r}"[:200])
        prefix = f"{path[1:]}." if path else ""
        rest: dict[tuple[str, Shape], list[AnyArray]] = {}
        for key, tensor in self._tensors.items():
            if key.startswith(prefix):
                rest.setdefault((key.rpartition(".")[2], tensor.shape), []).append(tensor)
        try:
            with stored(lambda name, shape: rest[name, shape].pop() if rest.get((name, shape)) else None):
                module: Module = getattr(zoo, name)(**arguments)
        except (TypeError, ValueError, NotImplementedError, OverflowError, RecursionError) as error:
            raise _wrong(path, str(error)) from None
        self._made[path] = module
        return module


def _wrong(path: str, got: str) -> ValueError:
    rule = "each part of the architecture must be a layer or network of fastcnn with its arguments"
    return ValueError(f"[load] {rule}. Got, at '{path[1:]}': {got}.")
