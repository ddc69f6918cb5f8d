"""fastcnn's functions under the name of torch.nn.functional."""

from fastcnn import functional
from fastcnn.functional import *  # noqa: F403

__all__: list[str] = []
__all__ += functional.__all__
