"""KeptPrograms: programs that are cached for later inputs of their shape, within a bound of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from fastcnn._core import Program, TrainingProgram

__all__ = ["KeptPrograms", "held_by"]

MOST_BYTES = 256 << 20  # of the older programs, beside the latest
BYTES_A_STEP = 8 << 10  # estimated size of a program: zoo networks take 4 to 9 KB a step

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")


def held_by(program: Program | TrainingProgram) -> dict[int, int]:
    """Returns what a program holds beside arenas and parameters: bytes by a number that equal parts of other programs share."""
    forms = dict(program.forms) if isinstance(program, Program) else {}
    forms[id(program)] = BYTES_A_STEP * len(program.steps)
    return forms


class KeptPrograms(Generic[Key, Item]):
    """Items that hold a program each, the latest used last.

    The older ones are kept as long as they hold no more than MOST_BYTES that the latest does not: their steps, and weights prepared for
    other algorithms.
    """

    def __init__(self) -> None:
        self._items: OrderedDict[Key, tuple[Item, Mapping[int, int]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: Key) -> Item | None:
        """Returns the item of a key and makes it the latest; None if there is none."""
        found = self._items.get(key)
        if found is None:
            return None
        self._items.move_to_end(key)
        return found[0]

    def put(self, key: Key, item: Item, held: Mapping[int, int]) -> Item:
        """Adds an item as the latest and drops what is too much. held: of its program, from held_by(). Returns the item."""
        self._items[key] = item, held
        known = set(held)
        total = 0
        for older in list(self._items)[-2::-1]:
            forms = self._items[older][1]
            total += sum(size for form, size in forms.items() if form not in known)
            known |= forms.keys()
            if total > MOST_BYTES:
                del self._items[older]
        return item

    def clear(self) -> None:
        self._items.clear()
