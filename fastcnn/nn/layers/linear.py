"""Linear: a fully connected layer."""

from __future__ import annotations

from fastcnn import functional
from fastcnn.network.initial import generator_of, uniform
from fastcnn.nn.layers.base import Layer
from fastcnn.support.arguments import flag, whole
from fastcnn.tracing.value import Value

__all__ = ["Linear"]


class Linear(Layer):
    """x @ weight.T + bias: (..., in_features) -> (..., out_features). weight: (out_features, in_features); bias: (out_features,).

    seed: the seed of the initial values (torch's distribution), None for fresh entropy; two layers of one shape with one seed get equal
    weights.

    >>> fc.Linear(64, 10, seed=0)(np.zeros((5, 64))).shape
    (5, 10)
    """

    arguments = ("in_features", "out_features", "bias")

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, seed: int | None = None) -> None:
        self.in_features = whole("Linear", "in_features", in_features, 1)
        self.out_features = whole("Linear", "out_features", out_features, 1)
        generator = generator_of("Linear", seed)
        self.weight = uniform("weight", (self.out_features, self.in_features), self.in_features, generator)
        with_bias = flag("Linear", "bias", bias)
        self.bias = uniform("bias", (self.out_features,), self.in_features, generator) if with_bias else None

    def forward(self, x: Value) -> Value:
        return functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
