"""Element-wise activations, and softmax. `inplace` has no effect: the memory plan decides what is in place."""

from __future__ import annotations

from fastcnn import functional
from fastcnn.network.initial import constant
from fastcnn.nn.layers.base import Layer
from fastcnn.support.arguments import flag, number, whole
from fastcnn.tracing.value import Value

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


class _Inplace(Layer):
    """The base of activations whose only argument is `inplace`."""

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


class SELU(_Inplace):
    """1.0507 * elu(x, 1.6733), which keeps mean 0 and variance 1 (Klambauer et al., 2017)."""

    def forward(self, x: Value) -> Value:
        return functional.selu(x)


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
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x))"""

    def forward(self, x: Value) -> Value:
        return functional.tanh(x)


class GELU(Layer):
    """x * Phi(x), Phi the cumulative normal distribution. approximate="tanh" approximates Phi with a tanh (see functional.gelu)."""

    arguments = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f"[GELU] approximate must be 'none' or 'tanh'. Got approximate={approximate!r}.")
        self.approximate = approximate

    def forward(self, x: Value) -> Value:
        return functional.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class LeakyReLU(Layer):
    """x where x > 0, negative_slope * x elsewhere."""

    arguments = ("negative_slope", "inplace")

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        self.negative_slope = number("LeakyReLU", "negative_slope", negative_slope)
        self.inplace = flag("LeakyReLU", "inplace", inplace)

    def forward(self, x: Value) -> Value:
        return functional.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class ELU(Layer):
    """x where x > 0, alpha * (exp(x) - 1) elsewhere."""

    arguments = ("alpha", "inplace")

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = number("ELU", "alpha", alpha)
        self.inplace = flag("ELU", "inplace", inplace)

    def forward(self, x: Value) -> Value:
        return functional.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class CELU(Layer):
    """x where x > 0, alpha * (exp(x / alpha) - 1) elsewhere."""

    arguments = ("alpha", "inplace")

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = number("CELU", "alpha", alpha)
        self.inplace = flag("CELU", "inplace", inplace)
        if self.alpha == 0:
            raise ValueError("[CELU] alpha must not be zero. Got alpha=0.")

    def forward(self, x: Value) -> Value:
        return functional.celu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class Softplus(Layer):
    """log(1 + exp(beta * x)) / beta. threshold must be at least 15: beyond that, the result equals x in float32."""

    arguments = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta = number("Softplus", "beta", beta, above=0)
        self.threshold = number("Softplus", "threshold", threshold, 15)

    def forward(self, x: Value) -> Value:
        return functional.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Hardtanh(Layer):
    """min(max(x, min_val), max_val). min_value and max_value are torch's old names of the bounds and must be None."""

    arguments = ("min_val", "max_val", "inplace", "min_value", "max_value")

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        for name, value in (("min_value", min_value), ("max_value", max_value)):
            if value is not None:
                raise NotImplementedError(f"[Hardtanh] {name} must be None. Got {name}={value!r}.")
        self.min_val = number("Hardtanh", "min_val", min_val)
        self.max_val = number("Hardtanh", "max_val", max_val)
        self.inplace = flag("Hardtanh", "inplace", inplace)
        self.min_value = None
        self.max_value = None
        if self.min_val >= self.max_val:
            raise ValueError(f"[Hardtanh] min_val must be below max_val. Got min_val={min_val}, max_val={max_val}.")

    def forward(self, x: Value) -> Value:
        return functional.hardtanh(x, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + (", inplace=True" if self.inplace else "")


class PReLU(Layer):
    """LeakyReLU with a learned slope (He et al., 2015). weight: (num_parameters,), one slope for all channels or one per channel."""

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
    """The base of layers whose only argument is an axis."""

    arguments = ("dim",)

    def __init__(self, dim: int = 1) -> None:
        self.dim = whole(type(self).__name__, "dim", dim, -(2**31))

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """exp(x) / sum of exp(x) along `dim`. The default is axis 1, the classes."""

    def forward(self, x: Value) -> Value:
        return functional.softmax(x, self.dim)


class LogSoftmax(_AlongAxis):
    """The logarithm of Softmax."""

    def forward(self, x: Value) -> Value:
        return functional.log_softmax(x, self.dim)
