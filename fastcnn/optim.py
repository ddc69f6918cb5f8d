"""Optimizers: the public name of fastcnn.training.optimizers, after torch.optim."""

from fastcnn.training import optimizers
from fastcnn.training.optimizers import *  # noqa: F403

__all__ = optimizers.__all__
