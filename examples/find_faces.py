"""Finds faces: a network trained on patches of 25x25 pixels slides over whole photographs, in one pass for each size.

    python examples/find_faces.py faces.png          needs pip install fastcnn[examples]

The data comes with scikit-image, so nothing is downloaded: 100 faces and 100 other patches to train on, and photographs of an astronaut, a
cup of coffee and a cat to search.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage import data

import fastcnn as fc
import fastcnn.functional as F
from fastcnn.images import resized

PATCH = 25
WINDOWS = tuple(84 * 1.12**i for i in range(8))  # sides of the squares that are searched, in pixels of the photograph: 84 to 186
SEEDS = (0, 1, 2)

Array = NDArray[np.float32]


class LocalContrast(fc.Module):
    """Each pixel minus the mean of the 9x9 pixels around it, divided by their deviation. Removes light and shadow, keeps edges."""

    side = 9

    def __init__(self) -> None:
        middle = np.zeros((1, 1, self.side, self.side))
        middle[0, 0, self.side // 2, self.side // 2] = 1
        self.register_buffer("middle", middle)

    def forward(self, x: Any) -> Any:
        mean = F.avg_pool2d(x, self.side, 1)
        variance = F.relu(F.avg_pool2d(x * x, self.side, 1) - mean * mean)
        return (F.conv2d(x, self.middle) - mean) / (variance + 1e-3).sqrt()


def network(seed: int) -> fc.Sequential:
    """Contrasts (N, 1, 17, 17) -> (N, 2): other, face. No layer has padding, so that a map equals the scores of its squares one by one."""
    return fc.Sequential(
        fc.Conv2d(1, 16, 4, seed=10 * seed),
        fc.ReLU(),
        fc.MaxPool2d(2),  # 7x7
        fc.Conv2d(16, 32, 3, seed=10 * seed + 1),
        fc.ReLU(),
        fc.MaxPool2d(2),  # 2x2
        fc.Flatten(),
        fc.Dropout(0.5),
        fc.Linear(32 * 2 * 2, 32, seed=10 * seed + 2),
        fc.ReLU(),
        fc.Dropout(0.5),
        fc.Linear(32, 2, seed=10 * seed + 3),
    )


def patches() -> tuple[Array, NDArray[np.int64]]:
    """Images (N, 1, 25, 25) and classes (N,). More patches without a face are made of the faces: rotated faces, and enlarged parts."""
    given = data.lfw_subset().astype(np.float32)[:, None]
    given = np.concatenate([given, given[..., ::-1]])
    classes = np.tile(np.repeat([1, 0], 100), 2)
    turned = [np.rot90(given, turns, (2, 3)) for turns in (1, 2, 3)]
    faces = given[classes == 1]
    parts = [resized(faces[:, :, i : i + 14, j : j + 14], PATCH, PATCH) for i in (0, 11) for j in (0, 11)]
    others = np.concatenate([*turned, *parts])
    return np.ascontiguousarray(np.concatenate([given, others])), np.concatenate([classes, np.zeros(len(others), np.int64)])


class Committee(fc.Module):
    """(N, 1, 25, 25) -> (N, 2): the mean of several networks' scores. A single network, with some seeds, takes a sleeve for a face."""

    def __init__(self, contrast: fc.Module, members: list[fc.Module]) -> None:
        self.contrast = contrast
        self.members = fc.ModuleList(members)

    def forward(self, x: Any) -> Any:
        contrasts = self.contrast(x)
        scores = [member(contrasts) for member in self.members]
        return sum(scores[1:], scores[0]) / len(scores)


def trained(seeds: Iterable[int] = SEEDS) -> fc.Module:
    """The trained network, for photographs: (1, 1, H, W) -> (1, 2, h, w)."""
    x, y = patches()
    contrast = LocalContrast()
    members = [network(seed) for seed in seeds]
    contrasts = contrast.predict(x)
    for seed, member in zip(seeds, members, strict=True):
        optimizer = fc.optim.AdamW(1e-3, weight_decay=1e-2)
        member.fit(contrasts, y, epochs=12, batch_size=32, optimizer=optimizer, loss="cross_entropy", seed=seed, progress=False)
    return Committee(contrast, members).to_convolutional((1, PATCH, PATCH))


def grey(photograph: NDArray[np.uint8]) -> Array:
    """(H, W, 3) -> (1, H, W), from 0 to 1."""
    return (photograph @ np.array([0.299, 0.587, 0.114]) / 255).astype(np.float32)[None]


class Found(NamedTuple):
    score: float  # logarithm of the odds that it is a face
    box: tuple[float, float, float, float]  # left, top, right, bottom
    heat: Array  # (H, W): for each pixel the best score of all squares with their middle near it


def find(net: fc.Module, photograph: NDArray[np.uint8]) -> Found:
    """The square that looks most like a face, over all sizes."""
    image = grey(photograph)
    maps = fc.dense.scores(net, image, tuple(PATCH / side for side in WINDOWS), average=False).maps
    odds = [each.scores[1] - each.scores[0] for each in maps]
    best = max(range(len(maps)), key=lambda i: odds[i].max())
    row, column = np.unravel_index(odds[best].argmax(), odds[best].shape)
    left, top, right, bottom = map(float, maps[best].boxes[row, column])
    heat = np.full(image.shape[1:], min(each.min() for each in odds), np.float32)
    for each, odd in zip(maps, odds, strict=True):
        paint(heat, odd, each.boxes)
    return Found(float(odds[best].max()), (left, top, right, bottom), heat)


def paint(heat: Array, odds: Array, boxes: NDArray[Any]) -> None:
    """Gives each pixel between the outermost middles the score of the square with the nearest middle, if it is larger than the heat."""
    across = (boxes[0, :, 0] + boxes[0, :, 2]) / 2
    down = (boxes[:, 0, 1] + boxes[:, 0, 3]) / 2
    pixels = [np.arange(size) for size in heat.shape]
    rows, columns = (np.abs(pixel[:, None] - middle).argmin(axis=1) for pixel, middle in zip(pixels, (down, across), strict=True))
    inside = [(pixel >= middle[0]) & (pixel <= middle[-1]) for pixel, middle in zip(pixels, (down, across), strict=True)]
    np.maximum(heat, odds[np.ix_(rows, columns)], out=heat, where=np.outer(*inside))


def picture(photographs: dict[str, NDArray[np.uint8]], found: dict[str, Found]) -> Any:
    """Each photograph in grey under its heat map, with its best square. All maps have the same scale."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(11.0, 3.2), layout="constrained")
    widths = [photo.shape[1] / photo.shape[0] for photo in photographs.values()]
    axes = figure.subplots(1, len(photographs), width_ratios=widths)
    high = max(each.score for each in found.values())
    for axis, (name, photo) in zip(axes, photographs.items(), strict=True):
        score, (left, top, right, bottom), heat = found[name]
        axis.imshow(grey(photo)[0], cmap="gray")
        shown = axis.imshow(heat, cmap="plasma", alpha=0.8 * np.clip(0.5 + heat / (2 * high), 0, 1), vmin=-high, vmax=high)
        axis.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor="cyan", linewidth=2))
        axis.set_title(f"{name}: best score {score:.1f}", fontsize=10)
        axis.axis("off")
    figure.colorbar(ScalarMappable(shown.norm, shown.cmap), ax=axes, label="log odds of a face", shrink=0.9)
    return figure


def main(path: str = "faces.png") -> None:
    photographs = {"astronaut": data.astronaut(), "coffee": data.coffee(), "cat": data.chelsea()}
    net = trained()
    found = {name: find(net, photo) for name, photo in photographs.items()}
    for name, each in found.items():
        print(f"{name}: best score {each.score:.2f} in the square {', '.join(f'{side:.0f}' for side in each.box)}")
    picture(photographs, found).savefig(path, dpi=80)
    print(f"wrote {path}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
