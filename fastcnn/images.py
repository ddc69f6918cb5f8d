"""Images as arrays: the public name of fastcnn.formats.images."""

from fastcnn.formats import images
from fastcnn.formats.images import *  # noqa: F403

__all__ = images.__all__
