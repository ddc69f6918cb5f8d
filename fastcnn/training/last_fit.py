"""What a network remembers of its last fit: the loss, for evaluate, and what tells whether the next call repeats it."""

from __future__ import annotations

import warnings
from typing import NamedTuple

from fastcnn.network.network import Network
from fastcnn.support.arrays import AnyArray
from fastcnn.training.losses import Loss

__all__ = ["Call", "begin_fit", "end_fit", "last_loss"]

Sign = tuple[object, ...]


class LastFit(NamedTuple):
    """sign: of the call and of the weights as it left them; None while it runs."""

    loss: Loss
    sign: Sign | None
    warned: bool


def last_loss(net: Network) -> Loss | None:
    """Returns the loss of the last call of fit, None if there was none."""
    last = net.__dict__.get("_last_fit")
    return last.loss if isinstance(last, LastFit) else None


class Call(NamedTuple):
    """What a call of fit has in common with one that repeats it."""

    samples: AnyArray
    targets: AnyArray
    batch_size: int
    optimizer: str
    seed: int

    def sign(self, net: Network) -> Sign:
        """The first and last samples stand for all of them. Every write to a weight raises its version."""
        ends = tuple(hash(array[place].tobytes()) for array in (self.samples, self.targets) for place in (0, -1))
        weights = tuple((id(parameter), parameter.version, parameter.requires_grad) for parameter in net.parameters())
        return self.samples.shape, *self[2:], ends, weights


def begin_fit(net: Network, loss: Loss, call: Call, resume: bool) -> None:
    """Remembers the loss. RuntimeWarning, once a network, if the call goes on from the last one with the same data and arguments.

    Such a call repeats what is drawn from the seed. Where weights, data, batch size, optimizer or what is trained are others, there are
    reasons to use the same seed again, and resume=True goes on where the last call ended.
    """
    last = net.__dict__.get("_last_fit")
    warned = isinstance(last, LastFit) and last.warned
    repeats = isinstance(last, LastFit) and not resume and last.sign == call.sign(net)
    net.__dict__["_last_fit"] = LastFit(loss, None, warned or repeats)
    if repeats and not warned:
        rule = "each call begins with epoch 0 of its seed, so this one repeats the order of samples and the masks of dropout of the last "
        rule += "call: pass another seed to each call, or all epochs to one"
        warnings.warn(f"[fit] {rule}. Got seed={call.seed} again.", RuntimeWarning, stacklevel=4)


def end_fit(net: Network, call: Call) -> None:
    """Remembers the call and the weights that it ended with."""
    last = net.__dict__.get("_last_fit")
    if isinstance(last, LastFit):
        net.__dict__["_last_fit"] = last._replace(sign=call.sign(net))
