"""Optimizers, with PyTorch's names, defaults and arithmetic. The update itself runs in the core, over all parameters at once.

An optimizer is made without parameters: it keeps its state for the network that it was last used with. Groups of parameters may have
hyperparameters of their own: Adam(1e-3, groups=[{"params": net.features, "lr": 1e-5}]).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from fastcnn._core import Optimizer as CoreOptimizer
from fastcnn._core import Parameter
from fastcnn.network.network import Network
from fastcnn.support.arguments import by_name, declared, flag, number

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop"]

Groups = Sequence[Mapping[str, Any]]


class Optimizer:
    """lr may be set at any time; it counts from the next step on.

    groups: each a mapping, "params" to a module, a parameter or several, and names of hyperparameters to their values there. What a group
    does not say, and what is in no group, is as for the whole. `groups` is the list of these mappings; their values may be changed like lr.
    """

    kind: ClassVar[str]

    def __init__(self, lr: float, groups: Groups, **hyper: float) -> None:
        self._hyper = {"lr": 0.0, **hyper}
        self.lr = lr
        if not isinstance(groups, (tuple, list)):
            raise TypeError(f"[{type(self).__name__}] groups must be a list of mappings. Got {type(groups).__name__}.")
        self.groups = [
            {"params": _members(self, group)} | {name: value for name, value in group.items() if name != "params"} for group in groups
        ]
        self.hyper()  # checks them
        self._parameters: list[Parameter] = []
        self._places: list[int] = []
        self._core: CoreOptimizer | None = None

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self._hyper["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        self._hyper["lr"] = _positive(self, "lr", value)

    def hyper(self) -> list[dict[str, float]]:
        """What the core needs to know for a step: for parameters of no group, then for each group."""
        return [self._hyper, *(self._hyper | self._values(group) for group in self.groups)]

    def _values(self, group: Mapping[str, Any]) -> dict[str, float]:
        """The hyperparameters that a group has of its own."""
        given = {name: value for name, value in group.items() if name != "params"}
        if "betas" in given:
            given["beta1"], given["beta2"] = _betas(self, given.pop("betas"))
        unknown = [name for name in given if name not in self._hyper]
        if unknown:
            raise ValueError(f"[{type(self).__name__}] a group has params and {', '.join(self._hyper)}. Got {', '.join(unknown)}.")
        where = type(self).__name__
        return {
            name: float(flag(where, name, value)) if name == "nesterov" else _positive(self, name, value) for name, value in given.items()
        }

    @property
    def copies(self) -> int:
        """How many values it keeps for each weight."""
        return 1

    def bind(self, parameters: Sequence[Parameter]) -> CoreOptimizer:
        """The state for these parameters: that of the last time if they are the same, else a new one."""
        places = self.places(parameters)
        same = len(parameters) == len(self._parameters) and all(a is b for a, b in zip(parameters, self._parameters, strict=True))
        if self._core is None or not same or places != self._places:
            self._parameters, self._places = list(parameters), places
            self._core = CoreOptimizer(self.kind, self._parameters, places)
        return self._core

    def state_bytes(self, parameters: Sequence[Parameter]) -> int:
        """Bytes that it will keep for these parameters."""
        return self.copies * sum(64 * math.ceil(parameter.size / 16) for parameter in parameters)  # each starts on a cache line

    def places(self, parameters: Sequence[Parameter]) -> list[int]:
        """The group of each of a network's parameters, 0 for none. Frozen ones may be in groups, they are not trained."""
        where, found = type(self).__name__, dict[int, int]()
        known = {id(parameter) for parameter in parameters}
        for i, group in enumerate(self.groups, 1):
            for parameter in group["params"]:
                if found.setdefault(id(parameter), i) != i:
                    raise ValueError(
                        f"[{where}] a parameter must be in one group at most. Got one in groups {found[id(parameter)]} and {i}."
                    )
                if parameter.requires_grad and id(parameter) not in known:
                    raise ValueError(f"[{where}] groups must hold parameters of the network. Got another in group {i}.")
        return [found.get(id(parameter), 0) for parameter in parameters]

    def __repr__(self) -> str:
        texts = [f"{name}={value:g}" for name, value in self._hyper.items()] + ([f"groups={len(self.groups)}"] if self.groups else [])
        return f"{type(self).__name__}({', '.join(texts)})"


class SGD(Optimizer):
    """p -= lr * v with v = momentum * v + gradient + weight_decay * p; nesterov: lr * (gradient + momentum * v)."""

    kind = "sgd"

    def __init__(
        self,
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        groups: Groups = (),
    ) -> None:
        momentum = _positive(self, "momentum", momentum)
        if flag("SGD", "nesterov", nesterov) and momentum == 0:
            raise ValueError("[SGD] nesterov needs momentum. Got momentum=0.")
        super().__init__(
            lr, groups, momentum=momentum, nesterov=float(nesterov), weight_decay=_positive(self, "weight_decay", weight_decay)
        )

    @property
    def copies(self) -> int:
        return 1 if any(group["momentum"] for group in self.hyper()) else 0


class Adagrad(Optimizer):
    """Duchi et al., 2011: each weight's steps shrink with the sum of its squared gradients; lr / (1 + step * lr_decay)."""

    kind = "adagrad"

    def __init__(
        self, lr: float = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0, eps: float = 1e-10, *, groups: Groups = ()
    ) -> None:
        values = {"lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        super().__init__(lr, groups, **{name: _positive(self, name, value) for name, value in values.items()})


class RMSprop(Optimizer):
    """Tieleman and Hinton, 2012: the gradient divided by the root of a running mean of its square; alpha is that mean's memory."""

    kind = "rmsprop"

    def __init__(
        self,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        *,
        groups: Groups = (),
    ) -> None:
        values = {"eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        rest = {name: _positive(self, name, value) for name, value in values.items()}
        super().__init__(lr, groups, alpha=_fraction(self, "alpha", alpha), **rest)

    @property
    def copies(self) -> int:
        return 2 if any(group["momentum"] for group in self.hyper()) else 1


class Adam(Optimizer):
    """Kingma and Ba, 2015. betas: the memory of the running means of the gradient and of its square. weight_decay joins the gradient."""

    kind = "adam"

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        groups: Groups = (),
    ) -> None:
        beta1, beta2 = _betas(self, betas)
        rest = {"eps": _positive(self, "eps", eps), "weight_decay": _positive(self, "weight_decay", weight_decay)}
        super().__init__(lr, groups, beta1=beta1, beta2=beta2, **rest)

    @property
    def copies(self) -> int:
        return 2


class AdamW(Adam):
    """Loshchilov and Hutter, 2019: Adam whose weight_decay shrinks the weights themselves."""

    kind = "adamw"

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        groups: Groups = (),
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay, groups=groups)


def named(optimizer: Any) -> Optimizer:
    """The optimizer itself, or by its name one with default arguments."""
    kinds: dict[str, type[Optimizer]] = {kind.kind: kind for kind in (SGD, Adagrad, RMSprop, Adam, AdamW)}
    return declared("optim", by_name("optim", "an optimizer", optimizer, Optimizer, kinds), {"kind": tuple(kinds)})


def _members(optimizer: Optimizer, group: Mapping[str, Any]) -> list[Parameter]:
    """The parameters of a group as a list."""
    params = group.get("params") if isinstance(group, Mapping) else None
    if isinstance(params, Network):
        return list(params.parameters())
    members = [params] if isinstance(params, Parameter) else list(params) if isinstance(params, (list, tuple, Iterator)) else []
    if not members or not all(isinstance(member, Parameter) for member in members):
        raise TypeError(f"[{type(optimizer).__name__}] a group's params must be a module, a parameter or several. Got {params!r}.")
    return members


def _positive(optimizer: Optimizer, name: str, value: float) -> float:
    return number(type(optimizer).__name__, name, value, 0)


def _fraction(optimizer: Optimizer, name: str, value: float) -> float:
    return number(type(optimizer).__name__, name, value, 0, below=1 - 2**-25)  # the core computes in 32 bits, where that is 1


def _betas(optimizer: Optimizer, betas: Any) -> tuple[float, float]:
    where = type(optimizer).__name__
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"[{where}] betas must be two numbers. Got betas={betas!r}.")
    first, second = (_fraction(optimizer, "betas", beta) for beta in betas)
    return first, second
