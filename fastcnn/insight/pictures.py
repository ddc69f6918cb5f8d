"""Pictures of a network with matplotlib: its filters, and the activations of a layer for an image. Each is a Figure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcnn._core import Program
from fastcnn.network.network import Network
from fastcnn.network.traced import traced
from fastcnn.support.arrays import AnyArray, ArrayLike, numeric
from fastcnn.support.figure import COLOURS, figure_of

__all__ = ["activations", "filters"]

_MOST_TILES = 64
_MOST_CHANNELS = 16
_SHEET = (0.80, 0.87, 0.95)  # the colour between tiles, which is no shade of grey
_MANY_BARS = 200  # with more bars, each is narrower than a pixel of the picture


def filters(net: Network, layer: str | None = None) -> Any:
    """The kernels of a convolution, of the first one if no layer is named. ValueError if there is none.

    Kernels of 3 channels are tiles in colour, those of 1 channel in grey, at most 64. Kernels of other counts are rows, with a grey tile
    for each channel, at most 16 of each. The title says how many are shown.
    """
    key, weight = _kernels(net, layer)
    count, channels, height, width = weight.shape
    if channels in (1, 3):
        shown = weight[:_MOST_TILES]
        tiles = [np.moveaxis(_unit(kernel), 0, 2) if channels == 3 else _unit(kernel[0]) for kernel in shown]
        columns = min(8, len(tiles)) if len(tiles) <= 32 else 16
    else:
        shown = weight[:_MOST_CHANNELS, :_MOST_CHANNELS]
        tiles = [_unit(plane) for kernel in shown for plane in kernel]
        columns = shown.shape[1]
    what = f"{key}: {count} kernels of {height}x{width} over {channels} channel{'s' * (channels > 1)}"
    if shown.shape != weight.shape:
        what += f"\nthe first {shown.shape[0]} kernels" + (f" and {shown.shape[1]} channels" if channels > shown.shape[1] else "")
    return _tiled(tiles, columns, what, "each from its least value (black) to its largest (white)")


def _kernels(net: Network, layer: str | None) -> tuple[str, AnyArray]:
    """The path of a convolution and its weight (O, I, KH, KW)."""
    found = [(name, parameter) for name, parameter in net.named_parameters() if len(parameter.shape) == 4]
    if layer is not None:
        found = [(name, parameter) for name, parameter in found if name in (layer, f"{layer}.weight")]
    if not found:
        rule = "the network must have a convolution" + (" of that name" if layer else "")
        raise ValueError(f"[plot] {rule}. Got {type(net).__name__}{f' and {layer!r}' if layer else ''}.")
    return found[0][0].removesuffix(".weight"), found[0][1].numpy()


def activations(net: Network, image: ArrayLike, layer: str) -> Any:
    """The output of a layer for one image (C, H, W): a tile for each channel, at most 64, or bars where it is not an image."""
    values = _output_of(net, image, layer)
    if values.ndim == 3:
        shown = values[:_MOST_TILES]
        what = f"{layer}: {values.shape[0]} channels of {values.shape[1]}x{values.shape[2]}"
        what += f"\nthe first {len(shown)}" if len(shown) < len(values) else ""
        low, high = float(shown.min()), float(shown.max())
        columns = min(8, len(shown))
        scale = high - low or 1.0
        return _tiled([(plane - low) / scale for plane in shown], columns, what, f"all from {low:.3g} (black) to {high:.3g} (white)")
    figure = figure_of(7.0, 3.0)
    axis = figure.subplots()
    if values.size > _MANY_BARS:
        axis.vlines(np.arange(values.size), 0, values.ravel(), color=COLOURS[0], linewidth=0.8)
    else:
        axis.bar(np.arange(values.size), values.ravel(), color=COLOURS[0])
    axis.set(title=f"{layer}: {values.size} values", xlabel="index", ylabel="value")
    axis.grid(axis="y", alpha=0.3)
    return figure


def _output_of(net: Network, image: ArrayLike, layer: str) -> AnyArray:
    """The output of the layer's last operation, without the batch axis. ValueError for another image or layer."""
    pixels = numeric("plot", "image", image)
    if pixels.ndim != 3:
        raise ValueError(f"[plot] the image must be (C, H, W). Got {pixels.shape}.")
    trace, _ = traced(net, [(1, *pixels.shape)])
    nodes = [node for node in trace.graph.nodes() if node["outputs"]]
    names = list(dict.fromkeys(node["name"] for node in nodes if node["name"]))
    found = [node for node in nodes if node["name"] == layer or node["name"].startswith(f"{layer}.")]
    if not layer or not found:
        from difflib import get_close_matches

        near = get_close_matches(str(layer), names, 3) or names[:3]
        raise ValueError(f"[plot] the layer must be one of the network's, such as {', '.join(near)}. Got {layer!r}.")
    trace.graph.outputs([found[-1]["outputs"][0]])
    output: AnyArray = Program(trace.graph).run([pixels[None]])[0][0]
    return output


def _unit(values: AnyArray) -> AnyArray:
    """The values, scaled to the range from 0 to 1."""
    low, high = values.min(), values.max()
    unit: AnyArray = (values - low) / (high - low if high > low else 1)
    return unit


def _tiled(tiles: list[AnyArray], columns: int, title: str, note: str) -> Any:
    """Tiles in rows, with a border around each, as one image: this is faster than axes for each."""
    height, width = tiles[0].shape[:2]
    rows = math.ceil(len(tiles) / columns)
    border = max(1, round(0.08 * max(height, width)))
    sheet = np.empty((rows * (height + border) + border, columns * (width + border) + border, 3))
    sheet[:] = _SHEET
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * (height + border) + border, (i % columns) * (width + border) + border
        sheet[top : top + height, left : left + width] = tile if tile.ndim == 3 else tile[..., None]
    inches = min(7.0, max(3.5, 0.6 * columns))
    figure = figure_of(inches, inches * sheet.shape[0] / sheet.shape[1] + 0.6 + 0.15 * title.count("\n"))
    axis = figure.subplots()
    axis.imshow(sheet, interpolation="nearest")
    axis.set_title(title, fontsize=9)
    axis.set_xlabel(note, fontsize=8)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    return figure
