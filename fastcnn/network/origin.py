"""Origin: the function that made a network and its arguments. A file can name them instead of an architecture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from fastcnn.network.kinds import is_layer
from fastcnn.network.network import Network

__all__ = ["Origin", "origin_of", "remember_origin"]

Structure = list[tuple[str, type, dict[str, Any]]]


class Origin(NamedTuple):
    """The call that made a network."""

    function: Callable[..., Network]
    arguments: dict[str, Any]  # without the seed
    structure: Structure  # of the network at the time of the call


def remember_origin(net: Network, function: Callable[..., Network], arguments: dict[str, Any]) -> None:
    """Records the call that made `net`. Functions of the zoo call it when the network is complete."""
    net.__dict__["_origin"] = Origin(function, arguments, _structure(net))


def origin_of(net: Network) -> Origin | None:
    """Returns the call that makes an equal network, or None if it is unknown or if a layer was replaced or changed since."""
    origin = net.__dict__.get("_origin")
    return origin if isinstance(origin, Origin) and origin.structure == _structure(net) else None


def _structure(net: Network) -> Structure:
    return [(path, type(part), cast(Any, part).config() if is_layer(part) else {}) for path, part in net.named_modules()]
