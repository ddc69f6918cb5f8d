"""Optimizers: the door to fastcnn.training.optimizers, under the name of torch.optim."""

from fastcnn.training import optimizers
from fastcnn.training.optimizers import *  # noqa: F403

__all__ = optimizers.__all__
