"""BatchNorm2d and LocalResponseNorm: (N, C, H, W) -> (N, C, H, W)."""

from __future__ import annotations

import numpy as np

from fastcnn import functional
from fastcnn._core import Parameter
from fastcnn.network.initial import constant
from fastcnn.nn.layers.base import Layer
from fastcnn.support.arguments import flag, number, whole
from fastcnn.tracing.trace import BatchCounter, current_trace
from fastcnn.tracing.value import Value

__all__ = ["BatchNorm2d", "LocalResponseNorm"]


class BatchNorm2d(Layer):
    """Normalizes each channel to mean 0 and variance 1, then multiplies by weight and adds bias (Ioffe and Szegedy, 2015).

    All tensors are (num_features,). Training steps use the statistics of the batch, and update the running ones at the rate `momentum`;
    everything else uses the running ones. momentum=None: the running statistics are the mean over all batches. track_running_stats=False:
    there are no running statistics, and those of the batch are always used.
    """

    arguments = ("num_features", "eps", "momentum", "affine", "track_running_stats", "bias")

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        where = "BatchNorm2d"
        self.num_features = whole(where, "num_features", num_features, 1)
        self.eps = number(where, "eps", eps, 0)
        self.momentum = None if momentum is None else number(where, "momentum", momentum, 0, 1)
        self.affine = flag(where, "affine", affine)
        self.track_running_stats = flag(where, "track_running_stats", track_running_stats)
        shape = (self.num_features,)
        self.weight = constant("weight", shape, 1) if affine else None
        self.bias = constant("bias", shape, 0) if flag(where, "bias", bias) and affine else None
        self.running_mean = constant("running_mean", shape, 0) if track_running_stats else None
        self.running_var = constant("running_var", shape, 1) if track_running_stats else None
        self.num_batches_tracked = np.zeros((), np.int64) if track_running_stats else None
        for name in ("running_mean", "running_var", "num_batches_tracked") if track_running_stats else ():
            self.register_buffer(name, getattr(self, name))

    def forward(self, x: Value) -> Value:
        trace = current_trace()
        momentum: float | Parameter = Parameter(np.ones(1)) if self.momentum is None else self.momentum
        if trace is not None and trace.training and self.num_batches_tracked is not None:
            trace.counters.append(BatchCounter(self.num_batches_tracked, momentum if isinstance(momentum, Parameter) else None))
        statistics = (self.running_mean, self.running_var)
        return functional.batch_norm(x, *statistics, self.weight, self.bias, self.training, momentum, self.eps)

    def extra_repr(self) -> str:
        text = f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}"
        return f"{text}, bias={self.bias is not None}, track_running_stats={self.track_running_stats}"


class LocalResponseNorm(Layer):
    """x / (k + alpha / size * sum of x^2 over `size` neighbouring channels)^beta (Krizhevsky et al., 2012)."""

    arguments = ("size", "alpha", "beta", "k")

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size = whole("LocalResponseNorm", "size", size, 1)
        self.alpha = number("LocalResponseNorm", "alpha", alpha)
        self.beta = number("LocalResponseNorm", "beta", beta)
        self.k = number("LocalResponseNorm", "k", k)

    def forward(self, x: Value) -> Value:
        return functional.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
