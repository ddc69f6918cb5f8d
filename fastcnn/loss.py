"""Losses: the public name of fastcnn.training.losses."""

from fastcnn.training import losses
from fastcnn.training.losses import *  # noqa: F403

__all__ = losses.__all__
