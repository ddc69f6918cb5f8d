"""Checks of users' arguments. Each function returns the value in one form, or raises `[where] rule. Got value.`"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from fastcnn.support.arrays import Shape

__all__ = ["by_name", "declared", "flag", "number", "pair", "seed_or_none", "shape_of", "whole"]

_MOST = 2**31 - 1  # the largest integer that an attribute of the core holds
T = TypeVar("T")


def by_name(where: str, noun: str, value: Any, base: type[T], kinds: Mapping[str, type[T]]) -> T:
    """Returns a `base` unchanged. A name becomes an instance of that class of module fastcnn.`where`, with default arguments."""
    if isinstance(value, base):
        return value
    if isinstance(value, type) and issubclass(value, base):
        raise TypeError(f"[{where}] {noun} must be an object, not its class: {value.__name__}(). Got the class {value.__name__}.")
    if not isinstance(value, str):
        raise TypeError(f"[{where}] {noun} must be one of fastcnn.{where}, or its name. Got {type(value).__name__}.")
    if value not in kinds:
        raise ValueError(f"[{where}] {noun}'s name must be one of {', '.join(kinds)}. Got {value!r}.")
    return kinds[value]()


def declared(where: str, value: T, attributes: Mapping[str, tuple[object, ...]]) -> T:
    """Returns an object of a user's class. TypeError if its class lacks an attribute, or one has none of the values or types that fit."""
    for name, choices in attributes.items():
        given = getattr(value, name, None)
        if not any(isinstance(given, choice) if isinstance(choice, type) else given == choice for choice in choices):
            named = " or ".join(choice.__name__ if isinstance(choice, type) else repr(choice) for choice in choices)
            raise TypeError(f"[{where}] the class {type(value).__name__} must have the attribute {name}, {named}. Got {name}={given!r}.")
    return value


def whole(where: str, name: str, value: Any, least: int = 0) -> int:
    """Returns an integer of at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"[{where}] {name} must be an integer. Got {name}={value!r}.")
    result = operator.index(value)
    if not least <= result <= _MOST:
        rule = f"at least {least}" if result < least else "below 2^31"
        raise ValueError(f"[{where}] {name} must be {rule}. Got {name}={result}.")
    return result


def pair(where: str, name: str, value: Any, least: int = 0) -> tuple[int, int]:
    """Returns (height, width) from one integer or two."""
    if type(value) is tuple and len(value) == 2 and type(value[0]) is int is type(value[1]) and least <= min(value) and max(value) <= _MOST:
        return value  # fast path: layers store this form, and every trace checks it
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"[{where}] {name} must be one integer or two. Got {name}={value!r}.")
        return whole(where, name, value[0], least), whole(where, name, value[1], least)
    both = whole(where, name, value, least)
    return both, both


def number(
    where: str,
    name: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    finite: bool = True,
) -> float:
    """Returns a float with least <= number <= most and above < number < below. finite=False also allows infinities."""
    if type(value) is float and least <= value <= most and above < value < below and math.isfinite(value):
        return value
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
        raise TypeError(f"[{where}] {name} must be a number. Got {name}={value!r}.")
    result = float(value)
    rule = ""
    if math.isnan(result) or (finite and math.isinf(result)):
        rule = "finite" if finite else "a number"
    elif result < least or result > most:
        rule = f"at least {least:g}" if most == math.inf else f"between {least:g} and {most:g}"
    elif result <= above and above > -math.inf:
        rule = f"greater than {above:g}"
    elif result >= below and below < math.inf:
        rule = f"below {below:g}"
    if rule:
        raise ValueError(f"[{where}] {name} must be {rule}. Got {name}={result:g}.")
    return result


def flag(where: str, name: str, value: Any) -> bool:
    """Returns True or False. Integers are errors."""
    if not isinstance(value, bool):
        raise TypeError(f"[{where}] {name} must be True or False. Got {name}={value!r}.")
    return value


def seed_or_none(where: str, value: Any) -> int | None:
    """Returns None (fresh entropy) or the seed of a generator, an integer of at least 0."""
    return None if value is None else whole(where, "seed", value)


def shape_of(where: str, value: Sequence[int], rank: int | None = None) -> Shape:
    """Returns a shape as a tuple of integers. It must have `rank` axes if `rank` is given."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"[{where}] a shape must be a tuple of integers. Got {value!r}.")
    shape = tuple(whole(where, "shape", size) for size in value)
    if rank is not None and len(shape) != rank:
        raise ValueError(f"[{where}] the shape must have {rank} axes. Got {shape}.")
    return shape
