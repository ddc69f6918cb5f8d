"""The supported operators, a file for each kind. Importing this fills the tables of registry.py.

"operator" functions map a node to nodes of the core; "fold" functions compute it by NumPy where all of its inputs are known.
"""

from fastcnn.onnx.operators import (
    activation,
    arithmetic,
    constant,
    conv,
    folding,
    linear,
    normalization,
    parts,
    pooling,
    reduction,
    resize,
    shape,
)

__all__ = [
    "activation",
    "arithmetic",
    "constant",
    "conv",
    "folding",
    "linear",
    "normalization",
    "parts",
    "pooling",
    "reduction",
    "resize",
    "shape",
]
