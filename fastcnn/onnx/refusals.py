"""Errors of operators: the rule and what was got instead, as fields. walk.py adds the operator and the node to the text."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["is_refusal", "refusal"]

AnyError = TypeVar("AnyError", bound=Exception)


def refusal(kind: type[AnyError], rule: str, got: object) -> AnyError:
    """An exception of this kind, to be raised while a node is handled."""
    error = kind(f"{rule}. Got {got}")
    error.__dict__.update(rule=rule, got=str(got))
    return error


def is_refusal(error: Exception) -> bool:
    """Whether an operator raised the error by refusal(). Errors of the core have a field `op` as well."""
    return hasattr(error, "rule") and not hasattr(error, "op")
