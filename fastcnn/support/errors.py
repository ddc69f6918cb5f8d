"""Errors that carry fields, so that nothing needs to read sentences.

An exception of the core has `op`, `rule` and `got`, the parts of its text `[op] rule. Got value.`, and `code`, a word that stands for the
rule where other code asks for it. Inside a network it gains `layer`, and its text the words that name it.
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
    """The same error, with the path of the layer that it is about."""
    located = type(error)(f"{error} In layer '{layer}'.")
    with_fields(located, error)
    located.__dict__.update(layer=layer, text=str(error))
    return located


def layer_of(error: BaseException | None) -> str:
    """The path of the layer that an error is about; "" where none is known."""
    return str(getattr(error, "layer", ""))


def text_of(error: BaseException) -> str:
    """The text of an error without the layer."""
    return str(getattr(error, "text", error))


def code_of(error: BaseException | None) -> str:
    """The word that stands for the broken rule; "" for most."""
    return str(getattr(error, "code", ""))
