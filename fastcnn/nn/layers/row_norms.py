"""LayerNorm, GroupNorm and InstanceNorm2d: normalization within one example, equal in training and evaluation. Shapes do not change."""

from __future__ import annotations

from typing import Any

from fastcnn import functional
from fastcnn.network.initial import constant
from fastcnn.nn.layers.base import Layer
from fastcnn.support.arguments import flag, number, shape_of, whole
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.value import Value

__all__ = ["GroupNorm", "InstanceNorm2d", "LayerNorm"]


class LayerNorm(Layer):
    """Normalizes to mean 0 and variance 1 over the last axes, then multiplies by weight and adds bias (Ba et al., 2016).

    normalized_shape: the sizes of the last axes; weight and bias have this shape.
    """

    arguments = ("normalized_shape", "eps", "elementwise_affine", "bias")

    def __init__(self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True) -> None:
        where = "LayerNorm"
        sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        self.normalized_shape = shape_of(where, sizes)
        if not sizes:
            raise ValueError(f"[{where}] normalized_shape must have an axis at least. Got ().")
        self.eps = number(where, "eps", eps, 0)
        self.elementwise_affine = flag(where, "elementwise_affine", elementwise_affine)
        self.weight = constant("weight", self.normalized_shape, 1) if elementwise_affine else None
        self.bias = constant("bias", self.normalized_shape, 0) if flag(where, "bias", bias) and elementwise_affine else None

    def forward(self, x: Value) -> Value:
        return functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        text = f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        return f"{text}, bias={self.bias is not None}"


class GroupNorm(Layer):
    """Normalizes each of `num_groups` groups of channels, over its pixels, to mean 0 and variance 1 (Wu and He, 2018).

    (N, num_channels, ...) keeps its shape. weight, bias: (num_channels,), applied afterwards.
    """

    arguments = ("num_groups", "num_channels", "eps", "affine", "bias")

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, *, bias: bool = True) -> None:
        where = "GroupNorm"
        self.num_groups = whole(where, "num_groups", num_groups, 1)
        self.num_channels = whole(where, "num_channels", num_channels, 1)
        if self.num_channels % self.num_groups:
            raise ValueError(f"[{where}] num_groups must divide num_channels. Got num_groups={num_groups}, num_channels={num_channels}.")
        self.eps = number(where, "eps", eps, 0)
        self.affine = flag(where, "affine", affine)
        self.weight = constant("weight", (self.num_channels,), 1) if affine else None
        self.bias = constant("bias", (self.num_channels,), 0) if flag(where, "bias", bias) and affine else None

    def forward(self, x: Value) -> Value:
        return functional.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"


class InstanceNorm2d(Layer):
    """Normalizes each channel of each image (N, num_features, H, W) to mean 0 and variance 1 (Ulyanov et al., 2016).

    affine: weight and bias, (num_features,), are applied afterwards. track_running_stats must be False: it is not supported.
    """

    arguments = ("num_features", "eps", "momentum", "affine", "track_running_stats", "bias")

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
    ) -> None:
        where = "InstanceNorm2d"
        self.num_features = whole(where, "num_features", num_features, 1)
        self.eps = number(where, "eps", eps, 0)
        self.momentum = number(where, "momentum", momentum, 0, 1)
        self.affine = flag(where, "affine", affine)
        self.track_running_stats = flag(where, "track_running_stats", track_running_stats)
        if track_running_stats:
            raise NotImplementedError(f"[{where}] track_running_stats must be False. Got track_running_stats=True.")
        self.weight = constant("weight", (self.num_features,), 1) if affine else None
        self.bias = constant("bias", (self.num_features,), 0) if flag(where, "bias", bias) and affine else None

    def forward(self, x: Value) -> Value:
        if x.ndim != 4 or x.shape[1] != self.num_features:
            raise ValueError(f"[InstanceNorm2d] the input must be (N, {self.num_features}, H, W). Got {concrete(x.shape)}.")
        return functional.instance_norm(x, weight=self.weight, bias=self.bias, momentum=self.momentum, eps=self.eps)

    def extra_repr(self) -> str:
        text = f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}"
        return f"{text}, bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
