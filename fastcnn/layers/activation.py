"""Activations, element by element, and softmax. `inplace` is accepted and has no effect: the memory plan decides."""

from __future__ import annotations

from fastcnn import functional
from fastcnn.arguments import flag, number, whole
from fastcnn.initial import constant
from fastcnn.layers.base import Layer
from fastcnn.value import Value

__all__ = [
    "ELU",
    "GELU",
    "Hardsigmoid",
    "Hardswish",
    "LeakyReLU",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
]


class _Inplace(Layer):
    arguments = ("inplace",)

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = flag(type(self).__name__, "inplace", inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ReLU(_Inplace):
    """max(x, 0)"""

    def forward(self, x: Value) -> Value:
        return functional.relu(x)


class ReLU6(_Inplace):
    """min(max(x, 0), 6)"""

    def forward(self, x: Value) -> Value:
        return functional.relu6(x)


class SiLU(_Inplace):
    """x * sigmoid(x)"""

    def forward(self, x: Value) -> Value:
        return functional.silu(x)


class Mish(_Inplace):
    """x * tanh(log(1 + exp(x)))"""

    def forward(self, x: Value) -> Value:
        return functional.mish(x)


class Hardswish(_Inplace):
    """x * hardsigmoid(x)"""

    def forward(self, x: Value) -> Value:
        return functional.hardswish(x)


class Hardsigmoid(_Inplace):
    """min(max(x + 3, 0), 6) / 6"""

    def forward(self, x: Value) -> Value:
        return functional.hardsigmoid(x)


class Sigmoid(Layer):
    """1 / (1 + exp(-x))"""

    def forward(self, x: Value) -> Value:
        return functional.sigmoid(x)


class Tanh(Layer):
    def forward(self, x: Value) -> Value:
        return functional.tanh(x)


class GELU(Layer):
    """x * Phi(x), Phi the normal distribution function. approximate must be "none"."""

    arguments = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        if approximate != "none":
            raise NotImplementedError(f"[GELU] approximate must be 'none'. Got approximate={approximate!r}.")
        self.approximate = approximate

    def forward(self, x: Value) -> Value:
        return functional.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class LeakyReLU(Layer):
    """x where it is positive, negative_slope * x elsewhere."""

    arguments = ("negative_slope", "inplace")

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        self.negative_slope = number("LeakyReLU", "negative_slope", negative_slope)
        self.inplace = flag("LeakyReLU", "inplace", inplace)

    def forward(self, x: Value) -> Value:
        return functional.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class ELU(Layer):
    """x where it is positive, alpha * (exp(x) - 1) elsewhere."""

    arguments = ("alpha", "inplace")

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = number("ELU", "alpha", alpha)
        self.inplace = flag("ELU", "inplace", inplace)

    def forward(self, x: Value) -> Value:
        return functional.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class PReLU(Layer):
    """LeakyReLU with a slope that is learned (He et al., 2015). weight: (num_parameters,), one for all channels or one for each."""

    arguments = ("num_parameters", "init")

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        self.num_parameters = whole("PReLU", "num_parameters", num_parameters, 1)
        self.init = number("PReLU", "init", init)
        self.weight = constant("weight", (self.num_parameters,), self.init)

    def forward(self, x: Value) -> Value:
        return functional.prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class _AlongAxis(Layer):
    arguments = ("dim",)

    def __init__(self, dim: int = 1) -> None:
        self.dim = whole(type(self).__name__, "dim", dim, -(2**31))

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """exp(x) divided by its sum along `dim`: the classes, if nothing is said."""

    def forward(self, x: Value) -> Value:
        return functional.softmax(x, self.dim)


class LogSoftmax(_AlongAxis):
    """The logarithm of Softmax."""

    def forward(self, x: Value) -> Value:
        return functional.log_softmax(x, self.dim)
