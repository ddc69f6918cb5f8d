"""The layers, with PyTorch's names, argument names, order and defaults. One file an idea."""

from fastcnn.layers import activation, base, conv, linear, normalization, pooling, resizing, row_norms, shape
from fastcnn.layers.activation import *  # noqa: F403
from fastcnn.layers.base import *  # noqa: F403
from fastcnn.layers.conv import *  # noqa: F403
from fastcnn.layers.linear import *  # noqa: F403
from fastcnn.layers.normalization import *  # noqa: F403
from fastcnn.layers.pooling import *  # noqa: F403
from fastcnn.layers.resizing import *  # noqa: F403
from fastcnn.layers.row_norms import *  # noqa: F403
from fastcnn.layers.shape import *  # noqa: F403
from fastcnn.network.kinds import LAYERS

__all__: list[str] = []
for _file in (activation, base, conv, linear, normalization, pooling, resizing, row_norms, shape):
    __all__ += _file.__all__

LAYERS.update({name: globals()[name] for name in __all__ if name != "Layer"})
