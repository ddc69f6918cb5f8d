"""Optimizers, with PyTorch's names, defaults and arithmetic. The update itself runs in the core, over all parameters at once.

An optimizer is made without parameters: it keeps its state for the network that it was last used with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from fastcnn import _core
from fastcnn.arguments import flag, number

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop"]


class Optimizer:
    """lr may be set at any time; it counts from the next step on."""

    kind: ClassVar[str]

    def __init__(self, lr: float, **hyper: float) -> None:
        self._hyper = {"lr": 0.0, **hyper}
        self.lr = lr
        self._parameters: list[_core.Parameter] = []
        self._core: _core.Optimizer | None = None

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self._hyper["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        self._hyper["lr"] = _positive(self, "lr", value)

    def hyper(self) -> dict[str, float]:
        """What the core needs to know for a step."""
        return self._hyper

    @property
    def copies(self) -> int:
        """How many values it keeps for each weight."""
        return 1

    def bind(self, parameters: Sequence[_core.Parameter]) -> _core.Optimizer:
        """The state for these parameters: that of the last time if they are the same, else a new one."""
        same = len(parameters) == len(self._parameters) and all(a is b for a, b in zip(parameters, self._parameters, strict=True))
        if self._core is None or not same:
            self._parameters = list(parameters)
            self._core = _core.Optimizer(self.kind, self._parameters)
        return self._core

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value:g}' for name, value in self._hyper.items())})"


class SGD(Optimizer):
    """p -= lr * v with v = momentum * v + gradient + weight_decay * p; nesterov: lr * (gradient + momentum * v)."""

    kind = "sgd"

    def __init__(self, lr: float = 1e-3, momentum: float = 0.0, weight_decay: float = 0.0, nesterov: bool = False) -> None:
        momentum = _positive(self, "momentum", momentum)
        if flag("SGD", "nesterov", nesterov) and momentum == 0:
            raise ValueError("[SGD] nesterov needs momentum. Got momentum=0.")
        super().__init__(lr, momentum=momentum, nesterov=float(nesterov), weight_decay=_positive(self, "weight_decay", weight_decay))

    @property
    def copies(self) -> int:
        return 1 if self._hyper["momentum"] else 0


class Adagrad(Optimizer):
    """Duchi et al., 2011: each weight's steps shrink with the sum of its squared gradients; lr / (1 + step * lr_decay)."""

    kind = "adagrad"

    def __init__(self, lr: float = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0, eps: float = 1e-10) -> None:
        values = {"lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        super().__init__(lr, **{name: _positive(self, name, value) for name, value in values.items()})


class RMSprop(Optimizer):
    """Tieleman and Hinton, 2012: the gradient divided by the root of a running mean of its square; alpha is that mean's memory."""

    kind = "rmsprop"

    def __init__(self, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0, momentum: float = 0.0) -> None:
        values = {"eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        rest = {name: _positive(self, name, value) for name, value in values.items()}
        super().__init__(lr, alpha=_fraction(self, "alpha", alpha), **rest)

    @property
    def copies(self) -> int:
        return 2 if self._hyper["momentum"] else 1


class Adam(Optimizer):
    """Kingma and Ba, 2015. betas: the memory of the running means of the gradient and of its square. weight_decay joins the gradient."""

    kind = "adam"

    def __init__(self, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0) -> None:
        beta1, beta2 = _betas(self, betas)
        rest = {"eps": _positive(self, "eps", eps), "weight_decay": _positive(self, "weight_decay", weight_decay)}
        super().__init__(lr, beta1=beta1, beta2=beta2, **rest)

    @property
    def copies(self) -> int:
        return 2


class AdamW(Adam):
    """Loshchilov and Hutter, 2019: Adam whose weight_decay shrinks the weights themselves."""

    kind = "adamw"

    def __init__(self, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2) -> None:
        super().__init__(lr, betas, eps, weight_decay)


def named(optimizer: Any) -> Optimizer:
    """The optimizer itself, or by its name one with default arguments."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    kinds = {kind.kind: kind for kind in (SGD, Adagrad, RMSprop, Adam, AdamW)}
    if not isinstance(optimizer, str):
        raise TypeError(f"[optim] an optimizer must be one of fastcnn.optim, or its name. Got {type(optimizer).__name__}.")
    if optimizer not in kinds:
        raise ValueError(f"[optim] an optimizer's name must be one of {', '.join(kinds)}. Got {optimizer!r}.")
    made: Optimizer = kinds[optimizer]()
    return made


def _positive(optimizer: Optimizer, name: str, value: float) -> float:
    return number(type(optimizer).__name__, name, value, 0)


def _fraction(optimizer: Optimizer, name: str, value: float) -> float:
    return number(type(optimizer).__name__, name, value, 0, below=1)


def _betas(optimizer: Optimizer, betas: Any) -> tuple[float, float]:
    where = type(optimizer).__name__
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"[{where}] betas must be two numbers. Got betas={betas!r}.")
    first, second = (_fraction(optimizer, "betas", beta) for beta in betas)
    return first, second
