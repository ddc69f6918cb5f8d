"""The architecture of a network as JSON, for networks of this package's layers and networks: described() writes it, Maker rebuilds them.

    {"class": "Sequential", "layers": [["0", {"class": "Conv2d", "config": {"in_channels": 1, ...}}], ["1", {"same": "0"}], ...]}
    {"zoo": "resnet50", "arguments": {"classes": 1000}}

A network that cannot be rebuilt from such a description (it has a parameter of its own, a weight of another shape, layers that share a
weight, a class of the user's) is saved as weights alone. These are for load_state_dict, and load() says so.

Maker calls the constructors of the classes in network/kinds.py and the functions of the zoo, nothing else; no text of a file is imported or
evaluated.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from fastcnn.network.initial import stored
from fastcnn.network.kinds import CONTAINERS, LAYERS, is_layer
from fastcnn.network.network import Network
from fastcnn.network.origin import origin_of
from fastcnn.support.arrays import AnyArray, Shape

__all__ = ["Maker", "can_rebuild", "described"]

_DEEPEST = 50  # nested containers


def described(module: Network, path: str, known: dict[int, str]) -> Any:
    """A description to rebuild the module from; None if it holds a class that is not of this package.

    path: of the module. known: the paths of the modules that are described already, by id; a module that comes again refers to its path.
    """
    if id(module) in known:
        return {"same": known[id(module)]}
    known[id(module)] = path
    origin = origin_of(module)
    if origin is not None:
        return {"zoo": origin.function.__name__, "arguments": origin.arguments}
    name = type(module).__name__
    if is_layer(module):
        return {"class": name, "config": cast(Any, module).config()}
    if CONTAINERS.get(name) is not type(module):
        return None
    parts = [[child_name, described(child, f"{path}.{child_name}", known)] for child_name, child in module.named_children()]
    return None if any(part is None for _, part in parts) else {"class": name, "layers": parts}


def can_rebuild(architecture: str, net: Network, state: dict[str, AnyArray]) -> bool:
    """Whether load() rebuilds from the description a network with the tensors of `net`, shared where these are shared."""
    functions = {origin.function.__name__: origin.function for part in net.modules() if (origin := origin_of(part)) is not None}
    try:
        made = Maker(state, functions.get).make("", json.loads(architecture), 0)
    except ValueError:
        return False
    return _tensors_of(made) == _tensors_of(net)


def _tensors_of(net: Network) -> dict[str, tuple[type, Shape, str]]:
    """For each key: the kind of its tensor, the shape, and the first key of the same tensor."""
    first: dict[int, str] = {}
    return {key: (type(tensor), tuple(tensor.shape), first.setdefault(id(tensor), key)) for key, tensor in net.saved_tensors()}


class Maker:
    """Makes modules from a description, with the tensors of the file as their first values.

    networks: returns the function of the zoo with a name, or None.
    """

    def __init__(self, tensors: dict[str, AnyArray], networks: Callable[[str], Callable[..., Network] | None]) -> None:
        self._tensors = tensors
        self._networks = networks
        self._made: dict[str, Network] = {}

    def make(self, path: str, part: Any, depth: int) -> Network:
        """The module that `part` describes, at this path. ValueError for a description that is not one of described()."""
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
        module = (
            self._container(path, part, depth, CONTAINERS[name])
            if isinstance(name, str) and name in CONTAINERS
            else self._layer(path, part, name)
        )
        self._made[path] = module
        return module

    def _container(self, path: str, part: dict[str, Any], depth: int, kind: type[Any]) -> Network:
        entries = part.get("layers")
        if not isinstance(entries, list) or not all(isinstance(e, list) and len(e) == 2 and isinstance(e[0], str) for e in entries):
            raise _wrong(path, "layers that are no list of pairs")
        children = {name: self.make(f"{path}.{name}", entry, depth + 1) for name, entry in entries}
        if len(children) != len(entries):
            raise _wrong(path, "a name that comes twice")
        try:
            made: Network = kind(children)
            return made
        except ValueError as error:
            raise _wrong(path, str(error)) from None

    def _layer(self, path: str, part: dict[str, Any], name: Any) -> Network:
        kind = LAYERS.get(name) if isinstance(name, str) else None
        config = part.get("config")
        if kind is None or not isinstance(config, dict) or set(config) - set(kind.arguments):
            raise _wrong(path, f"class {name!r} with {sorted(config) if isinstance(config, dict) else config!r}")
        prefix = f"{path[1:]}." if path else ""
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}  # JSON has no tuples
        try:
            with stored(lambda name, _: self._tensors.get(prefix + name)):
                made: Network = kind(**values)
                return made
        except (TypeError, ValueError, NotImplementedError, OverflowError, RecursionError) as error:
            raise _wrong(path, str(error)) from None

    def _network(self, path: str, part: dict[str, Any]) -> Network:
        """Calls a function of the zoo. Layers do not know their paths yet: each takes some tensor of its shape until load_state_dict."""
        name = part["zoo"]
        arguments = part.get("arguments")
        function = self._networks(name) if isinstance(name, str) else None
        if function is None or not isinstance(arguments, dict) or "seed" in arguments:
            raise _wrong(path, f"network {name!r} with {arguments!r}"[:200])
        prefix = f"{path[1:]}." if path else ""
        rest: dict[tuple[str, Shape], list[AnyArray]] = {}
        for key, tensor in self._tensors.items():
            if key.startswith(prefix):
                rest.setdefault((key.rpartition(".")[2], tensor.shape), []).append(tensor)
        try:
            with stored(lambda name, shape: rest[name, shape].pop() if rest.get((name, shape)) else None):
                module = function(**arguments)
        except (TypeError, ValueError, NotImplementedError, OverflowError, RecursionError) as error:
            raise _wrong(path, str(error)) from None
        self._made[path] = module
        return module


def _wrong(path: str, got: str) -> ValueError:
    rule = "each part of the architecture must be a layer or network of fastcnn with its arguments"
    return ValueError(f"[load] {rule}. Got, at '{path[1:]}': {got}.")
