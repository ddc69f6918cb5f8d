"""Functions on symbolic values, with the names, order and defaults of torch.nn.functional (and torch.flatten, concat of NumPy and torch).

Each function checks its arguments and appends nodes to the graph. x is (N, C, H, W) unless a docstring gives another shape. The core's op
of that name checks shapes.
"""

from typing import TYPE_CHECKING, NoReturn

from fastcnn.functional import activation, arrays, convolution, elementwise, joining, normalization, padding, pooling, resizing
from fastcnn.functional.activation import *  # noqa: F403
from fastcnn.functional.arrays import *  # noqa: F403
from fastcnn.functional.convolution import *  # noqa: F403
from fastcnn.functional.elementwise import *  # noqa: F403
from fastcnn.functional.joining import *  # noqa: F403
from fastcnn.functional.normalization import *  # noqa: F403
from fastcnn.functional.padding import *  # noqa: F403
from fastcnn.functional.pooling import *  # noqa: F403
from fastcnn.functional.resizing import *  # noqa: F403
from fastcnn.support.missing_names import no_attribute

__all__: list[str] = []
for _file in (activation, arrays, convolution, elementwise, joining, normalization, padding, pooling, resizing):
    __all__ += _file.__all__

if not TYPE_CHECKING:

    def __getattr__(name: str) -> NoReturn:
        raise no_attribute("fastcnn.functional", name, globals())
