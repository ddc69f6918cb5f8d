"""The reader of ONNX: the supported operators, a file for each kind. Importing this package fills the tables of handlers.py.

read_*.py: nodes of ONNX become nodes of the core (@operator). folding.py: NumPy computes nodes whose inputs are all known (@fold); some of
read_*.py do both (@mover). windows.py: the geometry of convolutions and pooling.

fastcnn/saving/onnx/ is the writer: nodes of the core become nodes of ONNX.
"""

from fastcnn.onnx.operators import (
    folding,
    read_activation,
    read_arithmetic,
    read_constant,
    read_conv,
    read_linear,
    read_normalization,
    read_parts,
    read_pooling,
    read_reduction,
    read_resize,
    read_shape,
)

__all__ = [
    "folding",
    "read_activation",
    "read_arithmetic",
    "read_constant",
    "read_conv",
    "read_linear",
    "read_normalization",
    "read_parts",
    "read_pooling",
    "read_reduction",
    "read_resize",
    "read_shape",
]
