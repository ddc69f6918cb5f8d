"""The layers, with PyTorch's names, argument names, order and defaults."""

from fastcnn.network.kinds import LAYERS
from fastcnn.nn.layers import activation, base, conv, dropout, linear, normalization, pooling, resizing, row_norms, shape
from fastcnn.nn.layers.activation import *  # noqa: F403
from fastcnn.nn.layers.base import *  # noqa: F403
from fastcnn.nn.layers.conv import *  # noqa: F403
from fastcnn.nn.layers.dropout import *  # noqa: F403
from fastcnn.nn.layers.linear import *  # noqa: F403
from fastcnn.nn.layers.normalization import *  # noqa: F403
from fastcnn.nn.layers.pooling import *  # noqa: F403
from fastcnn.nn.layers.resizing import *  # noqa: F403
from fastcnn.nn.layers.row_norms import *  # noqa: F403
from fastcnn.nn.layers.shape import *  # noqa: F403

__all__: list[str] = []
for _file in (activation, base, conv, dropout, linear, normalization, pooling, resizing, row_norms, shape):
    __all__ += _file.__all__

LAYERS.update({name: globals()[name] for name in __all__ if name != "Layer"})
