"""Network: parameters, buffers and submodules as attributes. This file finds, names, lists and loads them, and calls forward() inside a
trace. Module adds the verbs: run, train, report, save.

A network consists of its attributes of these types, in the order in which they were first set. Nothing needs registration, and no
super().__init__() is needed. Only a buffer (state that is saved but not trained) is declared, with register_buffer.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
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
    """The result of load_state_dict: keys of the network that the state lacks, and keys of the state that the network lacks."""

    missing_keys: list[str]
    unexpected_keys: list[str]


Paths = tuple[dict[int, str], dict[int, str]]  # paths by id: of modules, and of parameters and buffers


class Network:
    """The base of Module: what a network owns, without verbs.

    `edits` counts changes of all networks. A plan remembers the count at the time of its trace, and is invalid when the count has changed.

    A change of a module does not count if the first attribute of the module was set after the latest trace: no plan can contain such a
    module. So building a network does not invalidate the plans of other networks.
    """

    edits: ClassVar[int] = 0
    _age: ClassVar[int] = 0  # changes at each begin and end of a trace
    _ages: ClassVar[Iterator[int]] = count(1)
    _buffer_names: tuple[str, ...] = ()
    _unsaved: tuple[str, ...] = ()  # the names of buffers that are not persistent

    @staticmethod
    def begin_age() -> None:
        """Marks the begin or end of a trace: every module that exists now may belong to a plan."""
        Network._age = next(Network._ages)

    def __getstate__(self) -> dict[str, Any]:
        """Returns what copies and pickles of the module hold: all but what was derived from it, its plans and paths."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_born", "_paths", "_plans")}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state, _born=-1)

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        """Copies the network with its weights, but without plans. Weights that are shared here are shared in the copy."""
        from copy import deepcopy

        for tensor in (*self.parameters(), *self.buffers()):
            if isinstance(tensor, Parameter) and id(tensor) not in memo:
                twin = Parameter(tensor.numpy())
                twin.requires_grad = tensor.requires_grad
                memo[id(tensor)] = twin
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        copied.__setstate__(deepcopy(self.__getstate__(), memo))
        return copied

    def _edited(self) -> None:
        """Counts a change, unless the module is younger than the latest trace."""
        if self.__dict__.setdefault("_born", Network._age) != Network._age:
            Network.edits += 1

    def mark_traced(self) -> None:
        """Makes later changes of the module count, even if none of its attributes was set so far. Traces call it."""
        self.__dict__.setdefault("_born", -1)

    # ---- forward

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs from symbolic values. Subclasses define it."""
        raise NotImplementedError(f"[forward] a module that is called must define forward(). Got {type(self).__name__}.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs forward() inside a trace. The nodes that it appends get the path of this module as their name."""
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
        """Whether a training step is being traced. Calls with arrays, predict() and evaluate() are always evaluation."""
        trace = current_trace()
        return trace is not None and trace.training

    def input_names(self, count: int) -> tuple[str, ...]:
        """Returns the names of `count` inputs for errors: the argument names of forward(). TypeError if it takes another number."""
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
        """Sets the attribute `name` as a buffer: state that is saved and not trained.

        Floating-point values become a Parameter for use in forward(). Integers become a NumPy array. persistent=False: the buffer is left
        out of state_dict() and of files. TypeError for values that are not numbers.
        """
        keep = flag("register_buffer", "persistent", persistent)
        if not isinstance(values, Parameter):
            array = numeric("register_buffer", name, values)
            values = Parameter(array) if array.dtype.kind == "f" else array.copy()  # training steps count in place, never in users' arrays
        setattr(self, name, values)
        if name not in self._buffer_names:
            self._buffer_names = (*self._buffer_names, name)
        others = tuple(other for other in self._unsaved if other != name)
        self._unsaved = others if keep else (*others, name)

    # ---- children, parameters, buffers

    def named_children(self) -> Iterator[tuple[str, Network]]:
        """Yields the submodules that are attributes of this module, with their names."""
        for name, value in list(self.__dict__.items()):
            if isinstance(value, Network):
                yield name, value

    def children(self) -> Iterator[Network]:
        """Yields the submodules that are attributes of this module."""
        for _, child in self.named_children():
            yield child

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Network]]:
        """Yields this module and all modules below it with their paths, each module once."""
        seen: set[int] = set()
        for path, module in self._walk(prefix):
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module

    def modules(self) -> Iterator[Network]:
        """Yields this module and all modules below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yields the parameters here and below with their keys, each parameter once."""
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, parameter in module.own_parameters():
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield _join(path, name), parameter

    def parameters(self) -> Iterator[Parameter]:
        """Yields the parameters here and below, each once."""
        for _, parameter in self.named_parameters():
            yield parameter

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Freezes all parameters here and below (False) or makes them trainable (True). Returns the module.

        Trainers read the setting when they are made.
        """
        wanted = flag("requires_grad_", "requires_grad", requires_grad)
        for parameter in self.parameters():
            parameter.requires_grad = wanted
        return self

    def named_buffers(self) -> Iterator[tuple[str, Parameter | AnyArray]]:
        """Yields the buffers here and below with their keys."""
        for path, module in self.named_modules():
            for name, buffer in module.own_buffers():
                yield _join(path, name), buffer

    def buffers(self) -> Iterator[Parameter | AnyArray]:
        """Yields the buffers here and below."""
        for _, buffer in self.named_buffers():
            yield buffer

    def own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yields the parameters that are attributes of this module, with their names."""
        for name, value in list(self.__dict__.items()):
            if isinstance(value, Parameter) and name not in self._buffer_names:
                yield name, value

    def own_buffers(self) -> Iterator[tuple[str, Parameter | AnyArray]]:
        """Yields the buffers that are attributes of this module, with their names."""
        for name in self._buffer_names:
            value = self.__dict__.get(name)
            if isinstance(value, (Parameter, np.ndarray)):
                yield name, value

    def _walk(self, path: str) -> Iterator[tuple[str, Network]]:
        yield path, self
        for name, child in self.named_children():
            yield from child._walk(_join(path, name))

    def paths(self) -> Paths:
        """Returns the first path of each module, parameter and buffer, by id. Every trace needs it: kept until a module changes."""
        known = self.__dict__.get("_paths")
        if known is None or known[:2] != (Network.edits, id(self)):  # a copy of the module holds the paths of the original
            known = (Network.edits, id(self), self._found_paths())
            self.__dict__["_paths"] = known
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
        """Yields all tensors that are saved, in torch's order: parameters, buffers, children. A shared module comes once for each path."""
        for path, module in self._walk(""):
            for name, parameter in module.own_parameters():
                yield _join(path, name), parameter
            for name, buffer in module.own_buffers():
                if name not in module._unsaved:
                    yield _join(path, name), buffer

    # ---- state

    def state_dict(self) -> dict[str, AnyArray]:
        """Returns copies of all parameters and buffers under PyTorch's keys.

        >>> net = fc.Sequential(fc.Conv2d(3, 8, 5), fc.BatchNorm2d(8))
        >>> list(net.state_dict())[:4]
        ['0.weight', '0.bias', '1.weight', '1.bias']
        """
        return {key: tensor.numpy() if isinstance(tensor, Parameter) else tensor.copy() for key, tensor in self.saved_tensors()}

    def check_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises the errors of load_state_dict(state) without loading."""
        self._fitting(state, True)

    def load_state_dict(self, state: Mapping[str, Any] | str | PathLike[str], strict: bool = True) -> LoadedKeys:
        """Copies values by key into the network. state: arrays or PyTorch tensors by key, or the path of a safetensors file.

        Returns missing and unexpected keys. All values are checked first: an error leaves the network unchanged. ValueError for a wrong
        shape, and with strict=True for a missing or unexpected key; TypeError for values that are not numbers.

        >>> net = fc.Linear(3, 2)
        >>> net.load_state_dict({"weight": np.ones((2, 3))}, strict=False)
        LoadedKeys(missing_keys=['bias'], unexpected_keys=[])
        """
        missing, unexpected, values = self._fitting(given_state(state), strict)
        tensors = dict(self.saved_tensors())
        for key, value in values.items():
            tensor = tensors[key]
            if isinstance(tensor, Parameter):
                tensor.assign(value)
            else:
                np.copyto(tensor, value, casting="unsafe")
                Network.edits += 1  # plans may hold the old values as constants of forward()
        return LoadedKeys(missing, unexpected)

    def _fitting(self, state: Mapping[str, Any], strict: bool) -> tuple[list[str], list[str], dict[str, AnyArray]]:
        """Returns missing keys, unexpected keys, and the values to load. Raises the errors of load_state_dict."""
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
        """Returns what repr() shows of this module itself, without its children."""
        return ""

    def __repr__(self) -> str:
        lines = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]
        text = type(self).__name__ + "(" + self.extra_repr()
        return text + ("\n  " + "\n  ".join(lines) + "\n)" if lines else ")")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def given_state(state: Any) -> Mapping[str, Any]:
    """Returns the argument of load_state_dict, a mapping or a path, as a mapping."""
    if isinstance(state, (str, PathLike)):
        from fastcnn.formats.state import load_state

        return load_state(state)
    if not isinstance(state, Mapping):
        raise TypeError(
            f"[load_state_dict] the state must be a mapping of keys to arrays, or the path of a file. Got {type(state).__name__}."
        )
    return state
