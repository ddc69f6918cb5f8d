"""The argument MODEL of the command line: loads a network by its file or its name in the zoo, and finds the shape of its images."""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING

from fastcnn.support.arrays import Shape

if TYPE_CHECKING:
    from fastcnn.nn.module import Module

__all__ = ["OTHER_IMAGES", "image_shape", "loaded", "with_batch"]

# (C, H, W) of networks of the zoo; all others take (3, 224, 224)
OTHER_IMAGES = {"lenet5": (1, 32, 32), "unet": (1, 256, 256), "resnet20": (3, 32, 32), "resnet56": (3, 32, 32)}


def loaded(name: str) -> Module:
    """Returns the network of a file, or of a function of the zoo. ValueError for a name that is neither."""
    from fastcnn import zoo
    from fastcnn.loading import load

    if name in zoo.__all__:
        net: Module = getattr(zoo, name)()
        return net
    if name.lower().endswith((".onnx", ".safetensors")):
        return load(name)
    near = difflib.get_close_matches(os.path.basename(name), zoo.__all__, 3)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"[model] it must be a file .onnx or .safetensors, or one of fastcnn.zoo. Got {name!r}.{meant}")


def image_shape(net: Module, given: Shape | None) -> Shape:
    """Returns (C, H, W): as given, as the file declares it, or the usual shape of a network of the zoo. ValueError if none is known."""
    if given is not None:
        return given[-3:]
    from fastcnn.network.origin import origin_of
    from fastcnn.onnx.onnx_model import OnnxModel

    if isinstance(net, OnnxModel):
        declared = [shape for shape in net.input_shapes.values() if shape is not None]
        if len(net.inputs) == 1 and declared and len(declared[0]) == 4 and all(isinstance(size, int) for size in declared[0][1:]):
            return tuple(size for size in declared[0][1:] if isinstance(size, int))
    origin = origin_of(net)
    if origin is not None:
        return OTHER_IMAGES.get(origin.function.__name__, (3, 224, 224))
    raise ValueError("[input] the model does not say the shape of its images: give it, as in --input 3x224x224. Got none.")


def with_batch(net: Module, given: Shape | None, batch: int | None) -> Shape:
    """Returns (N, C, H, W). N comes from `given`, from `batch`, or is 1. ValueError if the two differ."""
    inside = given[0] if given is not None and len(given) == 4 else None
    if inside is not None and batch not in (None, inside):
        raise ValueError(f"[input] the batch must be said once. Got --batch {batch} and --input of {inside}.")
    return (batch or inside or 1, *image_shape(net, given))
