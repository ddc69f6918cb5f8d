"""Origin: the function that made a network and its arguments, remembered so that a file can name them in place of an architecture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from fastcnn.network.kinds import is_layer
from fastcnn.network.network import Network

__all__ = ["Origin", "origin_of", "remember_origin"]

Structure = list[tuple[str, type, dict[str, Any]]]


class Origin(NamedTuple):
    """The call that a network was made by."""

    function: Callable[..., Network]
    arguments: dict[str, Any]  # all but the seed
    structure: Structure  # when it was made


def remember_origin(net: Network, function: Callable[..., Network], arguments: dict[str, Any]) -> None:
    """Called by a function of the zoo when its network is complete."""
    net.__dict__["_origin"] = Origin(function, arguments, _structure(net))


def origin_of(net: Network) -> Origin | None:
    """The call that makes such a network again; None if there is none, or if a layer was exchanged or changed since."""
    origin = net.__dict__.get("_origin")
    return origin if isinstance(origin, Origin) and origin.structure == _structure(net) else None


def _structure(net: Network) -> Structure:
    return [(path, type(part), cast(Any, part).config() if is_layer(part) else {}) for path, part in net.named_modules()]
