"""The example that finds a face: on the photographs that come with scikit-image, by the rectangle that a person drew around the face."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

data = pytest.importorskip("skimage.data", reason="scikit-image brings patches and photographs")
PATH = Path(__file__).parent.parent / "examples" / "find_faces.py"
FACE = (175, 65, 272, 185)  # left, top, right, bottom: from the hair over the forehead to the chin, from cheek to cheek


def test_the_face_is_found_and_nothing_else_is_as_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib", reason="the example draws")
    example = runpy.run_path(str(PATH))
    net = example["trained"]()
    photographs = {"astronaut": data.astronaut(), "coffee": data.coffee(), "cat": data.chelsea()}
    found = {name: example["find"](net, photo) for name, photo in photographs.items()}
    left, top, right, bottom = found["astronaut"].box
    x, y = (left + right) / 2, (top + bottom) / 2
    assert FACE[0] < x < FACE[2] and FACE[1] < y < FACE[3], (x, y)
    scores = {name: each.score for name, each in found.items()}
    assert scores["coffee"] < scores["astronaut"] > scores["cat"], scores
    heat = found["astronaut"].heat
    assert heat.shape == (512, 512) and heat.max() == pytest.approx(scores["astronaut"])
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert abs(column - x) < 12 and abs(row - y) < 12  # a step of the map at the largest square is 30 pixels
    example["picture"](photographs, found).savefig(tmp_path / "faces.png")
    assert (tmp_path / "faces.png").stat().st_size > 50_000


def test_the_map_is_that_of_the_squares() -> None:
    """One square of a photograph through the network alone gives what stands in the map."""
    example = runpy.run_path(str(PATH))
    net = example["Committee"](example["LocalContrast"](), [example["network"](seed) for seed in (0, 1)])
    full = net.to_convolutional((1, 25, 25))
    image = example["grey"](data.chelsea())[:, ::3, ::3]
    scores = full(image[None])[0]
    assert full.stride == (4, 4)
    for row, column in ((0, 0), (7, 11), (scores.shape[1] - 1, scores.shape[2] - 1)):
        alone = net(image[None, :, 4 * row : 4 * row + 25, 4 * column : 4 * column + 25])[0]
        assert np.abs(scores[:, row, column] - alone).max() <= 1e-5
