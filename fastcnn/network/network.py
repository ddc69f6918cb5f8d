"""Network: what a network owns and computes. Parameters, buffers and submodules are attributes; here they are found, named, listed and
loaded, and forward() is called inside a trace. What can be done with a network (run, train, report, save) stands above, in Module.

There is nothing to register and no super().__init__() to call: attributes of these types are what a module consists of, in the order in
which they were first set. Only a buffer (state that is saved but not trained) is announced, by register_buffer.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from copy import deepcopy
from itertools import count
from os import PathLike
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from fastcnn._core import Parameter
from fastcnn.support.arguments import flag
from fastcnn.support.arrays import AnyArray, ArrayLike, numeric
from fastcnn.tracing.trace import current_trace

__all__ = ["LoadedKeys", "Network", "Paths", "given_state"]

Self = TypeVar("Self", bound="Network")


class LoadedKeys(NamedTuple):
    """What load_state_dict found: keys of the network that were not given, and keys given that the network has not."""

    missing_keys: list[str]
    unexpected_keys: list[str]


Paths = tuple[dict[int, str], dict[int, str]]  # of modules, and of parameters and buffers, by id


class Network:
    """The base of Module, below all that is done with networks.

    Changes are counted for the plans of networks, which remember the number and are made anew when it has moved on.

    A change of a module whose first attribute was set since the latest trace does not count: no plan is so young that it could hold the
    module. So a network that is being built leaves the plans of others alone.
    """

    edits: ClassVar[int] = 0
    _age: ClassVar[int] = 0  # another one from each begin and end of a trace on
    _ages: ClassVar[Iterator[int]] = count(1)
    _buffer_names: tuple[str, ...] = ()
    _unsaved: tuple[str, ...] = ()  # of these

    @staticmethod
    def begin_age() -> None:
        """Marks the begin or end of a trace: all modules that exist now may belong to a plan."""
        Network._age = next(Network._ages)

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        """A network with weights of its own, shared where these are, and without plans."""
        for tensor in (*self.parameters(), *self.buffers()):
            if isinstance(tensor, Parameter) and id(tensor) not in memo:
                memo[id(tensor)] = twin = Parameter(tensor.numpy())
                twin.requires_grad = tensor.requires_grad
        made = memo[id(self)] = type(self).__new__(type(self))
        values = {name: value for name, value in self.__dict__.items() if name not in ("_born", "_paths", "_plans")}
        made.__dict__.update(deepcopy(values, memo), _born=-1)
        return made

    def _edited(self) -> None:
        if self.__dict__.setdefault("_born", Network._age) != Network._age:
            Network.edits += 1

    def mark_traced(self) -> None:
        """Called by a trace that meets the module: from now on its changes count, even if no attribute was ever set before."""
        self.__dict__.setdefault("_born", -1)

    # ---- forward

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"[forward] a module that is called must define forward(). Got {type(self).__name__}.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Inside a trace: runs forward(), and what it appends bears the path of this module."""
        trace = current_trace()
        if trace is None:
            raise RuntimeError(f"[{type(self).__name__}] a network without verbs is called inside forward() alone. Got a call outside.")
        self.mark_traced()
        trace.enter(self)
        try:
            return self.forward(*args, **kwargs)
        finally:
            trace.leave()

    @property
    def training(self) -> bool:
        """True while a training step is being traced. A call with arrays, predict and evaluate are always evaluation."""
        trace = current_trace()
        return trace is not None and trace.training

    def input_names(self, count: int) -> tuple[str, ...]:
        """What errors call the inputs, for a call with so many arrays: as forward() does. TypeError if it takes another number."""
        takes = inspect.signature(self.forward)
        try:
            given = takes.bind(*range(count)).arguments.items()
        except TypeError as error:
            raise TypeError(f"[{type(self).__name__}] a network takes as many arrays as its forward(). Got {count}: {error}.") from None
        many = [[name] if isinstance(value, int) else [f"{name}{i}" for i in range(len(value))] for name, value in given]
        return tuple(name for names in many for name in names)

    # ---- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        old = self.__dict__.get(name)
        if isinstance(old, Parameter) and not (value is None or isinstance(value, Parameter)):
            rule = f"{name} is a parameter, its values are set by .{name}.assign(array)"
            raise TypeError(f"[{type(self).__name__}] {rule}. Got {type(value).__name__}.")
        if isinstance(value, Network) and any(module is self for module in value.modules()):
            rule = "a module must not hold itself, nor one that holds it"
            raise ValueError(f"[{type(self).__name__}] {rule}. Got .{name} = {type(value).__name__}.")
        object.__setattr__(self, name, value)
        self._edited()

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        self._edited()

    def register_buffer(self, name: str, values: ArrayLike | Parameter, persistent: bool = True) -> None:
        """State that is saved and not trained: floating point becomes a Parameter for use in forward(), integers stay a NumPy array.

        persistent=False: it is no part of state_dict() and of files.
        """
        keep = flag("register_buffer", "persistent", persistent)
        if not isinstance(values, Parameter):
            array = numeric("register_buffer", name, values)
            values = Parameter(array) if array.dtype.kind == "f" else array.copy()  # a copy is ours to count in
        setattr(self, name, values)
        if name not in self._buffer_names:
            self._buffer_names = (*self._buffer_names, name)
        others = tuple(other for other in self._unsaved if other != name)
        self._unsaved = others if keep else (*others, name)

    # ---- what there is

    def named_children(self) -> Iterator[tuple[str, Network]]:
        for name, value in list(self.__dict__.items()):
            if isinstance(value, Network):
                yield name, value

    def children(self) -> Iterator[Network]:
        for _, child in self.named_children():
            yield child

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Network]]:
        """This module and all below it with their paths, each once."""
        seen: set[int] = set()
        for path, module in self._walk(prefix):
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module

    def modules(self) -> Iterator[Network]:
        for _, module in self.named_modules():
            yield module

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Trainable parameters with their keys, each once."""
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, parameter in module.own_parameters():
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield _join(path, name), parameter

    def parameters(self) -> Iterator[Parameter]:
        for _, parameter in self.named_parameters():
            yield parameter

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """False freezes all parameters here and below, True thaws them: for trainers made from then on. Returns the module."""
        wanted = flag("requires_grad_", "requires_grad", requires_grad)
        for parameter in self.parameters():
            parameter.requires_grad = wanted
        return self

    def named_buffers(self) -> Iterator[tuple[str, Parameter | AnyArray]]:
        for path, module in self.named_modules():
            for name, buffer in module.own_buffers():
                yield _join(path, name), buffer

    def buffers(self) -> Iterator[Parameter | AnyArray]:
        for _, buffer in self.named_buffers():
            yield buffer

    def own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        for name, value in list(self.__dict__.items()):
            if isinstance(value, Parameter) and name not in self._buffer_names:
                yield name, value

    def own_buffers(self) -> Iterator[tuple[str, Parameter | AnyArray]]:
        for name in self._buffer_names:
            value = self.__dict__.get(name)
            if isinstance(value, (Parameter, np.ndarray)):
                yield name, value

    def _walk(self, path: str) -> Iterator[tuple[str, Network]]:
        yield path, self
        for name, child in self.named_children():
            yield from child._walk(_join(path, name))

    def paths(self) -> Paths:
        """The first path of each module, and of each parameter and buffer, by id. Every trace needs it: kept until a module is changed."""
        known = self.__dict__.get("_paths")
        if known is None or known[:2] != (Network.edits, id(self)):  # of a copy, it is that of the original
            known = self.__dict__["_paths"] = Network.edits, id(self), self._found_paths()
        paths: Paths = known[2]
        return paths

    def _found_paths(self) -> Paths:
        modules: dict[int, str] = {}
        tensors: dict[int, str] = {}
        waiting: list[tuple[str, Network]] = [("", self)]
        while waiting:
            path, module = waiting.pop()
            if id(module) in modules:
                continue
            modules[id(module)] = path
            module.mark_traced()
            prefix = f"{path}." if path else ""
            children = []
            for name, value in module.__dict__.items():
                if isinstance(value, Network):
                    children.append((prefix + name, value))
                elif isinstance(value, (Parameter, np.ndarray)):
                    tensors.setdefault(id(value), prefix + name)
            waiting.extend(reversed(children))
        return modules, tensors

    def saved_tensors(self) -> Iterator[tuple[str, Parameter | AnyArray]]:
        """All that is saved, in torch's order: a module's parameters, buffers, children. A shared module comes once for each path."""
        for path, module in self._walk(""):
            for name, parameter in module.own_parameters():
                yield _join(path, name), parameter
            for name, buffer in module.own_buffers():
                if name not in module._unsaved:
                    yield _join(path, name), buffer

    # ---- state

    def state_dict(self) -> dict[str, AnyArray]:
        """Copies of all parameters and buffers under PyTorch's keys."""
        return {key: tensor.numpy() if isinstance(tensor, Parameter) else tensor.copy() for key, tensor in self.saved_tensors()}

    def check_state_dict(self, state: Mapping[str, Any]) -> None:
        """The errors of load_state_dict, and nothing is loaded."""
        self._fitting(state, True)

    def load_state_dict(self, state: Mapping[str, Any] | str | PathLike[str], strict: bool = True) -> LoadedKeys:
        """Takes over values by key: arrays, tensors of PyTorch, or the path of a safetensors file.

        All is checked first: an error leaves the network as it was. strict: ValueError if a key is missing or unknown. Shapes must fit in
        any case.
        """
        missing, unexpected, values = self._fitting(given_state(state), strict)
        tensors = dict(self.saved_tensors())
        for key, value in values.items():
            tensor = tensors[key]
            if isinstance(tensor, Parameter):
                tensor.assign(value)
            else:
                np.copyto(tensor, value, casting="unsafe")
                Network.edits += 1  # forward() may use it, as a constant of the plans
        return LoadedKeys(missing, unexpected)

    def _fitting(self, state: Mapping[str, Any], strict: bool) -> tuple[list[str], list[str], dict[str, AnyArray]]:
        """Missing keys, unexpected keys, and the values that fit."""
        tensors = dict(self.saved_tensors())
        missing = [key for key in tensors if key not in state]
        unexpected = [key for key in state if key not in tensors]
        if strict and (missing or unexpected):
            listed = [f"{word}: {', '.join(keys)}" for word, keys in (("missing", missing), ("unexpected", unexpected)) if keys]
            raise ValueError(f"[load_state_dict] the keys must be those of the network. Got {'; '.join(listed)}.")
        values = {key: numeric("load_state_dict", f"'{key}'", state[key]) for key in tensors if key in state}
        wrong = [f"'{key}' {value.shape}, not {tensors[key].shape}" for key, value in values.items() if value.shape != tensors[key].shape]
        if wrong:
            raise ValueError(f"[load_state_dict] shapes must be those of the network. Got {'; '.join(wrong)}.")
        return missing, unexpected, values

    # ---- text

    def extra_repr(self) -> str:
        """What repr() says of this module itself."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]
        text = type(self).__name__ + "(" + self.extra_repr()
        return text + ("\n  " + "\n  ".join(lines) + "\n)" if lines else ")")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def given_state(state: Any) -> Mapping[str, Any]:
    """What load_state_dict is given, a mapping or a path, as a mapping."""
    if isinstance(state, (str, PathLike)):
        from fastcnn.formats.state import load_state

        return load_state(state)
    if not isinstance(state, Mapping):
        raise TypeError(
            f"[load_state_dict] the state must be a mapping of keys to arrays, or the path of a file. Got {type(state).__name__}."
        )
    return state
