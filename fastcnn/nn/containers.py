"""Sequential and ModuleList: modules that hold other modules in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, overload

from fastcnn.network.kinds import CONTAINERS
from fastcnn.nn.module import Module
from fastcnn.tracing.axes import axis_of

__all__ = ["ModuleList", "Sequential"]

Self = TypeVar("Self", bound="_Container")


class _Container(Module):
    """The base of containers. Children have the names "0", "1", ... or names that the user gives."""

    def _put(self, name: Any, module: Any) -> None:
        where = type(self).__name__
        if not isinstance(module, Module):
            raise TypeError(f"[{where}] every entry must be a Module. Got {type(module).__name__}.")
        if not isinstance(name, str) or not name or name.startswith("_") or "." in name or hasattr(self, name):
            raise ValueError(f"[{where}] a name must be new, without dots and without an underscore in front. Got {name!r}.")
        setattr(self, name, module)

    def _items(self) -> list[tuple[str, Module]]:
        return [(name, child) for name, child in self.named_children() if isinstance(child, Module)]

    def append(self: Self, module: Module) -> Self:
        """Adds a module at the end, under its index as name. Returns the container."""
        self._put(str(len(self)), module)
        return self

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[Module]:
        return iter([child for _, child in self._items()])

    @overload
    def __getitem__(self: Self, index: int) -> Module: ...
    @overload
    def __getitem__(self: Self, index: slice) -> Self: ...
    def __getitem__(self: Self, index: int | slice) -> Module | Self:
        items = self._items()
        return self._part(items[index]) if isinstance(index, slice) else items[self._position(index)][1]

    def __setitem__(self, index: int, module: Module) -> None:
        name = self._items()[self._position(index)][0]
        if not isinstance(module, Module):
            raise TypeError(f"[{type(self).__name__}] every entry must be a Module. Got {type(module).__name__}.")
        setattr(self, name, module)

    def _position(self, index: Any) -> int:
        try:
            return axis_of("index", index, len(self))
        except ValueError:
            raise IndexError(f"[{type(self).__name__}] the index must be one of {len(self)}. Got {index}.") from None

    def _part(self: Self, items: list[tuple[str, Module]]) -> Self:
        raise NotImplementedError(f"[{type(self).__name__}] a container must say what a slice of it is. Got none.")


class Sequential(_Container):
    """A chain of modules: each gets the output of the one before.

    Sequential(a, b, c) names them "0", "1", "2"; Sequential({"first": a, "second": b}) gives names. Indices and slices work as in a list.
    TypeError for an entry that is not a Module, ValueError for a name with a dot or with an underscore in front.

    >>> net = fc.Sequential(fc.Conv2d(1, 4, 3, padding=1), fc.ReLU(), fc.Flatten(), fc.Linear(4 * 8 * 8, 10))
    >>> net(np.zeros((2, 1, 8, 8))).shape
    (2, 10)
    >>> net[1], len(net[:2])
    (ReLU(), 2)
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        first = modules[0] if len(modules) == 1 else None
        named = first.items() if isinstance(first, Mapping) else ((str(i), module) for i, module in enumerate(modules))
        for name, module in named:
            self._put(name, module)

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x

    def _part(self, items: list[tuple[str, Module]]) -> Sequential:
        return Sequential(dict(items))


class ModuleList(_Container):
    """A list of modules that belong to the module that has the list as an attribute. It has no forward()."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.extend(modules)

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Appends modules. Returns the list."""
        for module in modules:
            self.append(module)
        return self

    def _part(self, items: list[tuple[str, Module]]) -> ModuleList:
        return ModuleList(module for _, module in items)


CONTAINERS["Sequential"] = Sequential
