"""Dense evaluation: a classifier at every place of a larger image, in one pass over each size of the image.

A converted network (net.to_convolutional(shape)) returns a map of scores with a place for each crop, one stride apart. Without padding in
the network, the map has the scores of the crops, up to rounding. A padded network sees real pixels where a crop has a border of zeros, so
map and crops are two different estimates.

How much they differ was measured for VGG-16 (13 padded layers, windows of 224x224, stride 32) with random weights, over a photograph of
384x384. The mean difference of map and crop is 0.8 of the standard deviation that the score of a class has over the places. It is as large
in the middle of the map (0.84) as in its corners (0.71). Both have the same first class at 44 % of the places. The average scores of the
whole image agree far better, with a correlation of 0.98 (bench/bench_dense.py measures it). Training decides which of the two is better:
Simonyan and Zisserman (2015, table 5) found the errors of trained networks equal within 0.2 %, and the mean of both better.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fastcnn.formats.images import resized
from fastcnn.nn.module import Convolutional
from fastcnn.support.arguments import flag, number
from fastcnn.support.arrays import AnyArray, Array, ArrayLike, numeric

__all__ = ["Best", "DenseScores", "ScoreMap", "scores"]


class ScoreMap(NamedTuple):
    """The scores of one size of the image."""

    scale: float
    flipped: bool  # the network saw the image mirrored left to right; the map and its boxes are mirrored back
    scores: Array  # (classes, h, w)
    boxes: AnyArray  # (h, w, 4): left, top, right, bottom of each place, in pixels of the given image


class Best(NamedTuple):
    """The place with the highest score of a class."""

    score: float
    box: tuple[float, float, float, float]  # left, top, right, bottom
    map: int  # the index of the map
    place: tuple[int, int]  # row and column in the map


class DenseScores(NamedTuple):
    """The scores of all sizes of the image."""

    maps: list[ScoreMap]  # one per scale; with flip, two per scale
    average: Array | None  # (classes,): the mean over the places of each map, then over the maps

    def best(self, label: int) -> Best:
        """Returns the place of the highest score of a class, over all maps. TypeError or IndexError for a wrong class."""
        if isinstance(label, bool) or not hasattr(label, "__index__"):
            raise TypeError(f"[best] the class must be an integer. Got {label!r}.")
        found = []
        for i, each in enumerate(self.maps):
            if not -len(each.scores) <= label < len(each.scores):
                raise IndexError(f"[best] the class must be one of {len(each.scores)}. Got {label}.")
            row, column = np.unravel_index(int(each.scores[label].argmax()), each.scores.shape[1:])
            left, top, right, bottom = map(float, each.boxes[row, column])
            found.append(Best(float(each.scores[label, row, column]), (left, top, right, bottom), i, (int(row), int(column))))
        return max(found)


def scores(
    net: Convolutional, image: ArrayLike, scales: Sequence[float] = (1.0,), *, flip: bool = False, average: bool = True
) -> DenseScores:
    """Computes the scores of a converted network at every place of an image (C, H, W), at several sizes of the image.

    scales: factors of height and width, each large enough for the window of the network. flip: also scores the mirrored image. average:
    also averages the scores of the whole image. TypeError for a network that is not converted, ValueError for a scale that is too small.

    >>> net = fc.Sequential(fc.Conv2d(3, 8, 3, stride=2), fc.Flatten(), fc.Linear(8 * 3 * 3, 10)).to_convolutional((3, 8, 8))
    >>> found = fc.dense.scores(net, np.zeros((3, 16, 16)), scales=(1.0, 1.5))
    >>> [each.scores.shape for each in found.maps]
    [(10, 5, 5), (10, 9, 9)]
    """
    if not isinstance(net, Convolutional):
        raise TypeError(f"[scores] the network must be converted: net.to_convolutional((C, H, W)). Got {type(net).__name__}.")
    if net.places != (1, 1):
        raise ValueError(f"[scores] the network must give one row of scores for its window. Got a map of {net.places[0]}x{net.places[1]}.")
    pixels = numeric("scores", "image", image).astype(np.float32, copy=False)
    if pixels.ndim != 3:
        raise ValueError(f"[scores] the image must be (C, H, W). Got {pixels.shape}.")
    if not isinstance(scales, (tuple, list)) or not scales:
        raise ValueError(f"[scores] scales must be a list of factors, one at least. Got {scales!r}.")
    maps = [each for scale in scales for each in _maps(net, pixels, scale, flag("scores", "flip", flip))]
    mean = np.mean([each.scores.mean(axis=(1, 2)) for each in maps], axis=0) if flag("scores", "average", average) else None
    return DenseScores(maps, mean)


def _maps(net: Convolutional, pixels: Array, scale: float, flip: bool) -> Iterator[ScoreMap]:
    factor = number("scores", "a scale", scale, above=0)
    height, width = (round(factor * side) for side in pixels.shape[1:])
    if height < net.window[0] or width < net.window[1]:
        rule = f"the image must be as large as the network's window, {net.window[0]}x{net.window[1]}, at each scale"
        raise ValueError(f"[scores] {rule}. Got {height}x{width} at scale {factor:g}.")
    image = resized(pixels, height, width)
    for flipped in (False, True)[: 1 + flip]:
        found = net(np.ascontiguousarray(image[:, :, ::-1] if flipped else image)[None])[0]
        boxes = _boxes(net, found.shape[1:], (pixels.shape[1] / height, pixels.shape[2] / width))
        if flipped:  # mirrors the map back; the new left side is the width minus the old right side
            found, boxes = found[:, :, ::-1], boxes[:, ::-1]
            boxes = np.stack([pixels.shape[2] - boxes[..., 2], boxes[..., 1], pixels.shape[2] - boxes[..., 0], boxes[..., 3]], axis=-1)
        yield ScoreMap(factor, flipped, np.ascontiguousarray(found), boxes)


def _boxes(net: Convolutional, places: tuple[int, ...], pixel: tuple[float, float]) -> AnyArray:
    """Returns the boxes of all places, (h, w, 4). pixel: the size (down, across) of a resized pixel, in pixels of the given image."""
    top, left = (np.arange(count) * step for count, step in zip(places, net.stride, strict=True))
    corners = np.meshgrid(left * pixel[1], top * pixel[0])
    sizes = net.window[1] * pixel[1], net.window[0] * pixel[0]
    return np.stack([*corners, corners[0] + sizes[0], corners[1] + sizes[1]], axis=-1)
