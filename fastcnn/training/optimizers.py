"""Optimizers, with PyTorch's names, defaults and arithmetic. The update itself runs in the core, over all parameters at once.

An optimizer is made without parameters. It keeps the state of the network that it was last used with. Groups of parameters may have
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
    """The base of optimizers. lr may be set at any time; it holds from the next step on.

    groups: mappings of "params" to a module, a parameter or a list of parameters, and of names of hyperparameters to values. A
    hyperparameter that a group does not name, and a parameter in no group, have the optimizer's values. `groups` is the list of these
    mappings; their values may be changed like lr. TypeError or ValueError for wrong groups or values out of range.

    >>> import fastcnn as fc
    >>> net = fc.Sequential(fc.Conv2d(3, 8, 3), fc.ReLU(), fc.Conv2d(8, 8, 3))
    >>> optimizer = fc.optim.Adam(1e-3, groups=[{"params": net[0], "lr": 1e-5}])
    >>> optimizer.lr = 5e-4
    >>> optimizer.groups[0]["lr"] = 2e-5
    >>> optimizer
    Adam(lr=0.0005, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0, groups=1)
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
        self.hyper()  # checks the values of the groups
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
        """The hyperparameters of a step: those of parameters in no group, then those of each group."""
        return [self._hyper, *(self._hyper | self._values(group) for group in self.groups)]

    def _values(self, group: Mapping[str, Any]) -> dict[str, float]:
        """The hyperparameters that a group names, checked."""
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
        """The number of state values for each weight."""
        return 1

    def bind(self, parameters: Sequence[Parameter]) -> CoreOptimizer:
        """The state for these parameters: that of the last call if parameters and groups are the same, else a new one."""
        places = self.places(parameters)
        same = len(parameters) == len(self._parameters) and all(a is b for a, b in zip(parameters, self._parameters, strict=True))
        if self._core is None or not same or places != self._places:
            self._parameters = list(parameters)
            self._places = places
            self._core = CoreOptimizer(self.kind, self._parameters, places)
        return self._core

    def state_bytes(self, parameters: Sequence[Parameter]) -> int:
        """The bytes of the state for these parameters."""
        return self.copies * sum(64 * math.ceil(parameter.size / 16) for parameter in parameters)  # each starts at a cache line, 16 floats

    def places(self, parameters: Sequence[Parameter]) -> list[int]:
        """The number of the group of each parameter, from 1; 0 for none. Groups may hold frozen parameters, which are not trained."""
        where = type(self).__name__
        found = dict[int, int]()
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
    """p -= lr * v with g = gradient + weight_decay * p and v = momentum * v + g; nesterov: p -= lr * (g + momentum * v).

    Momentum: Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.

    >>> import fastcnn as fc
    >>> fc.optim.SGD(0.1, momentum=0.9, nesterov=True)
    SGD(lr=0.1, momentum=0.9, nesterov=1, weight_decay=0)
    """

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
    """Each weight's steps shrink with the root of the sum of its squared gradients. The rate of a step is lr / (1 + step * lr_decay).

    Duchi et al., "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", 2011.

    >>> import fastcnn as fc
    >>> fc.optim.Adagrad()
    Adagrad(lr=0.01, lr_decay=0, weight_decay=0, eps=1e-10)
    """

    kind = "adagrad"

    def __init__(
        self, lr: float = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0, eps: float = 1e-10, *, groups: Groups = ()
    ) -> None:
        values = {"lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        super().__init__(lr, groups, **{name: _positive(self, name, value) for name, value in values.items()})


class RMSprop(Optimizer):
    """The gradient divided by the root of a running mean of its square. alpha: the share of the mean that a step keeps.

    Tieleman and Hinton, "Lecture 6.5: RMSProp", 2012.

    >>> import fastcnn as fc
    >>> fc.optim.RMSprop(momentum=0.9)
    RMSprop(lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0, momentum=0.9)
    """

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
    """The running mean of the gradient divided by the root of that of its square. betas: the shares of the two means that a step keeps.

    weight_decay * p is added to the gradient.

    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015.

    >>> import fastcnn as fc
    >>> fc.optim.Adam(betas=(0.8, 0.99))
    Adam(lr=0.001, beta1=0.8, beta2=0.99, eps=1e-08, weight_decay=0)
    """

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
    """Adam whose weight_decay is not added to the gradient: it shrinks the weights, p -= lr * weight_decay * p.

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.

    >>> import fastcnn as fc
    >>> fc.optim.AdamW()
    AdamW(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.01)
    """

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
    """An optimizer as it is; for a name, the optimizer of this name with default arguments."""
    kinds: dict[str, type[Optimizer]] = {kind.kind: kind for kind in (SGD, Adagrad, RMSprop, Adam, AdamW)}
    return declared("optim", by_name("optim", "an optimizer", optimizer, Optimizer, kinds), {"kind": tuple(kinds)})


def _members(optimizer: Optimizer, group: Mapping[str, Any]) -> list[Parameter]:
    """The parameters of a group as a list; TypeError if there are none."""
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
    return number(type(optimizer).__name__, name, value, 0, below=1 - 2**-25)  # the core computes in float32, where it would be 1


def _betas(optimizer: Optimizer, betas: Any) -> tuple[float, float]:
    where = type(optimizer).__name__
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"[{where}] betas must be two numbers. Got betas={betas!r}.")
    first, second = (_fraction(optimizer, "betas", beta) for beta in betas)
    return first, second
