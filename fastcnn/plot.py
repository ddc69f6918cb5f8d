"""Pictures with matplotlib (pip install fastcnn[plot]): each takes an object of fastcnn and returns a Figure; `figure.savefig("x.png")`.

They are methods, too: history.plot(), profile.plot(), net.plot_filters(), net.plot_activations(image, layer).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastcnn import _core
from fastcnn.arrays import AnyArray, ArrayLike, numeric
from fastcnn.compiled import traced
from fastcnn.text import brief, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastcnn.module import Module
    from fastcnn.profile import Profile

__all__ = ["activations", "figure_of", "filters", "step_times", "training_curves"]

# Okabe and Ito's, which can be told apart without red or green
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
_MOST_TILES = 64
_MOST_CHANNELS = 16
_MOST_MARKS = 60  # points that can be told apart on a curve
_SHEET = (0.80, 0.87, 0.95)  # between tiles: no shade of grey
_LONGEST = 40  # letters of a name beside a bar
_MANY_BARS = 200  # of which each is narrower than a pixel of a picture


def figure_of(width: float, height: float) -> Any:
    """An empty one, in inches. ImportError, with what to install, where matplotlib is not there."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("[plot] matplotlib draws pictures: pip install fastcnn[plot].") from error
    return Figure(figsize=(width, height), layout="constrained")


def training_curves(history: Mapping[str, Sequence[float]]) -> Any:
    """Loss and, where there is one, accuracy against the epoch, of training and of validation."""
    panels = [name for name in ("loss", "accuracy") if history.get(name)]
    if not panels:
        raise ValueError("[plot] the history must have an epoch at least. Got none.")
    figure = figure_of(5.0 * len(panels), 3.4)
    for axis, name in zip(np.ravel(figure.subplots(1, len(panels))), panels, strict=True):
        for key, label, colour in ((name, "training", _COLOURS[0]), (f"val_{name}", "validation", _COLOURS[1])):
            if history.get(key):
                values = history[key]
                marker = "o" if len(values) <= _MOST_MARKS else None
                axis.plot(range(1, len(values) + 1), values, marker=marker, markersize=3, label=label, color=colour)
        axis.set(xlabel="epoch", ylabel=name)
        if len(history[name]) == 1:  # a single point has no range of its own
            axis.set_xlim(0, 2)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, loc="upper right" if name == "loss" else "lower right")
    return figure


def step_times(profile: Profile) -> Any:
    """A bar a step, in their order, coloured by algorithm; milliseconds, and the share of the whole at the longest."""
    if not profile:
        raise ValueError("[plot] the profile must have a step at least. Got none.")
    kinds = [step.algorithm.partition(" ")[0] or step.op for step in profile]
    order = sorted(set(kinds), key=lambda kind: -sum(step.seconds for step, own in zip(profile, kinds, strict=True) if own == kind))
    names = order if len(order) <= len(_COLOURS) else order[: len(_COLOURS) - 1]
    colours = {kind: _COLOURS[names.index(kind)] if kind in names else "#999999" for kind in order}
    figure = figure_of(8.0, 1.5 + 0.19 * len(profile))
    axis = figure.subplots()
    times = [1e3 * step.seconds for step in profile]
    places = np.arange(len(times))
    axis.barh(places, times, color=[colours[kind] for kind in kinds], height=0.8)
    axis.set_yticks(places, _step_names(profile), fontsize=7)
    xlabel = f"time of the step in ms, all together {1e3 * profile.seconds:.3f} ms"
    axis.set(xlabel=xlabel, ylim=(len(times) - 0.4, -0.6), xlim=(0, 1.12 * max(times) or 1))
    if len(times) > _MOST_TILES:
        axis.tick_params(axis="x", top=True, labeltop=True)
    for place, time in zip(places, times, strict=True):
        if time > 0.3 * max(times):
            axis.text(time, place, f" {time / (10 * profile.seconds):.0f} %", va="center", fontsize=7)
    handles = [axis.barh([0], [0], color=colours[kind]) for kind in names]
    labels = list(names)
    if len(names) < len(order):
        handles.append(axis.barh([0], [0], color="#999999"))
        labels.append("others")
    look = {"fontsize": 8, "title_fontsize": 8, "frameon": False, "ncols": min(5, len(labels))}
    figure.legend(handles, labels, title="algorithm", loc="outside upper center", **look)
    axis.grid(axis="x", alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def _step_names(profile: Profile) -> list[str]:
    """Of the layers; with the operation where a layer has several steps."""
    names = [shortened(brief(step.name) or step.op, _LONGEST) for step in profile]
    return [f"{name} ({step.op})" if names.count(name) > 1 and step.op != name else name for name, step in zip(names, profile, strict=True)]


def filters(net: Module, layer: str | None = None) -> Any:
    """The kernels of a convolution, of the first one if no layer is named: in colour for 3 channels, else in grey.

    Of 3 channels a tile a kernel; of others a row a kernel and a tile a channel. At most 64 kernels and 16 channels, as the title says.
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


def _kernels(net: Module, layer: str | None) -> tuple[str, AnyArray]:
    found = [(name, parameter) for name, parameter in net.named_parameters() if len(parameter.shape) == 4]
    if layer is not None:
        found = [(name, parameter) for name, parameter in found if name in (layer, f"{layer}.weight")]
    if not found:
        rule = "the network must have a convolution" + (" of that name" if layer else "")
        raise ValueError(f"[plot] {rule}. Got {type(net).__name__}{f' and {layer!r}' if layer else ''}.")
    return found[0][0].removesuffix(".weight"), found[0][1].numpy()


def activations(net: Module, image: ArrayLike, layer: str) -> Any:
    """The output of a layer for one image (C, H, W), a tile a channel, at most 64; of a layer without image axes, bars."""
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
        axis.vlines(np.arange(values.size), 0, values.ravel(), color=_COLOURS[0], linewidth=0.8)
    else:
        axis.bar(np.arange(values.size), values.ravel(), color=_COLOURS[0])
    axis.set(title=f"{layer}: {values.size} values", xlabel="index", ylabel="value")
    axis.grid(axis="y", alpha=0.3)
    return figure


def _output_of(net: Module, image: ArrayLike, layer: str) -> AnyArray:
    """Without the batch."""
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
    output: AnyArray = _core.Program(trace.graph).run([pixels[None]])[0][0]
    return output


def _unit(values: AnyArray) -> AnyArray:
    """From 0 to 1."""
    low, high = values.min(), values.max()
    unit: AnyArray = (values - low) / (high - low if high > low else 1)
    return unit


def _tiled(tiles: list[AnyArray], columns: int, title: str, note: str) -> Any:
    """Tiles in rows, a border around each, in one image: quicker than an axis each."""
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
