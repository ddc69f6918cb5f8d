"""Errors that carry fields, so that no code needs to parse messages.

An exception of the core has `op`, `rule` and `got`, the parts of its text `[op] rule. Got value.` It also has `code`, a word that
identifies the rule where other code needs it. An error inside a network gets a field `layer` too, and its text names the layer.
"""

from __future__ import annotations

from typing import TypeVar

__all__ = ["code_of", "in_layer", "layer_of", "text_of", "with_fields"]

AnyError = TypeVar("AnyError", bound=Exception)
_FIELDS = ("op", "rule", "got", "code")


def with_fields(error: AnyError, source: BaseException) -> AnyError:
    """`error` with the fields of another one, which it replaces."""
    error.__dict__.update({name: getattr(source, name) for name in _FIELDS if hasattr(source, name)})
    return error


def in_layer(error: AnyError, layer: str) -> AnyError:
    """Returns a copy of the error with the path of the layer that it is about."""
    located = type(error)(f"{error} In layer '{layer}'.")
    with_fields(located, error)
    located.__dict__.update(layer=layer, text=str(error))
    return located


def layer_of(error: BaseException | None) -> str:
    """Returns the path of the layer that an error is about, "" if none is known."""
    return str(getattr(error, "layer", ""))


def text_of(error: BaseException) -> str:
    """Returns the text of an error without the layer."""
    return str(getattr(error, "text", error))


def code_of(error: BaseException | None) -> str:
    """Returns the word that identifies the broken rule, "" for most errors."""
    return str(getattr(error, "code", ""))
