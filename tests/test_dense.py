"""fc.dense.scores: maps at several sizes, boxes that say which pixels a place is about, averages; and images brought to a size."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import fastcnn as fc
from fastcnn.formats import images
from fastcnn.nn.module import Convolutional

WINDOW = 10


def network(padding: int = 0) -> tuple[fc.Module, Convolutional]:
    side = 4 + padding
    net = fc.Sequential(
        fc.Conv2d(2, 4, 3, padding=padding, seed=0), fc.ReLU(), fc.MaxPool2d(2), fc.Flatten(), fc.Linear(4 * side * side, 3, seed=1)
    )
    return net, net.to_convolutional((2, WINDOW, WINDOW))


def photo(height: int = 24, width: int = 31) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, height, width)).astype(np.float32)


@pytest.mark.parametrize("flipped", [False, True])
def test_each_box_holds_the_crop_of_its_score(flipped: bool) -> None:
    net, full = network()
    image = photo()
    found = fc.dense.scores(full, image, flip=True).maps[flipped]
    assert found.flipped == flipped and found.scale == 1
    assert found.scores.shape == (3, 8, 11) and found.boxes.shape == (8, 11, 4)
    for row in range(8):
        for column in range(11):
            left, top, right, bottom = found.boxes[row, column].astype(int)
            assert (right - left, bottom - top) == (WINDOW, WINDOW)
            crop = image[:, top:bottom, left:right]
            expected = net((crop[:, :, ::-1] if flipped else crop)[None])[0]
            assert np.abs(found.scores[:, row, column] - expected).max() <= 1e-5
    assert (np.diff(found.boxes[:, :, 0], axis=1) == 2).all()  # from left to right
    assert (np.diff(found.boxes[:, :, 1], axis=0) == 2).all()


def test_boxes_are_in_pixels_of_the_image_at_every_scale() -> None:
    net, full = network()
    image = photo(40, 32)
    for scale in (0.5, 1.0, 1.75):
        (each,) = fc.dense.scores(full, image, (scale,)).maps
        height, width = round(40 * scale), round(32 * scale)
        small = images.resized(image, height, width)
        assert np.abs(each.scores[:, 1, 2] - net(small[None, :, 2 : 2 + WINDOW, 4 : 4 + WINDOW])[0]).max() <= 1e-5
        assert np.allclose(each.boxes[1, 2], [4 * 32 / width, 2 * 40 / height, (4 + WINDOW) * 32 / width, (2 + WINDOW) * 40 / height])
        assert each.boxes[..., 2].max() <= 32 + 1e-9 and each.boxes[..., 3].max() <= 40 + 1e-9 and each.boxes.min() >= 0


def test_average() -> None:
    _, full = network(padding=1)
    found = fc.dense.scores(full, photo(), (0.8, 1.0, 1.2), flip=True)
    assert [(each.scale, each.flipped) for each in found.maps] == [(s, f) for s in (0.8, 1.0, 1.2) for f in (False, True)]
    assert found.average is not None
    assert np.allclose(found.average, np.mean([each.scores.mean((1, 2)) for each in found.maps], axis=0))
    assert fc.dense.scores(full, photo(), average=False).average is None
    window = photo(WINDOW, WINDOW)
    assert np.abs(fc.dense.scores(full, window).average - network(padding=1)[0](window[None])[0]).max() <= 1e-5


def test_a_mirrored_image_has_the_mirrored_maps() -> None:
    _, full = network()
    image = photo(24, 30)
    ours, mirrored = fc.dense.scores(full, image, flip=True).maps, fc.dense.scores(full, image[:, :, ::-1], flip=True).maps
    assert np.abs(ours[1].scores - mirrored[0].scores[:, :, ::-1]).max() <= 1e-6


def test_best_finds_what_the_network_looks_for() -> None:
    """Of a network that sums, the best place is around the only bright pixels, whatever the scale."""
    full = fc.Sequential(fc.AdaptiveAvgPool2d(1), fc.Flatten()).to_convolutional((1, 8, 8))
    image = np.zeros((1, 50, 60), np.float32)
    image[0, 30:34, 41:45] = 1
    found = fc.dense.scores(full, image, (1.0, 2.0))
    best = found.best(0)
    left, top, right, bottom = best.box
    assert left <= 41 and right >= 45 and top <= 30 and bottom >= 34
    assert best.map == 1 and found.maps[1].scores[0, best.place[0], best.place[1]] == best.score  # 4 pixels fill a window of twice the size
    with pytest.raises(IndexError, match=r"^\[best\] the class must be one of 1\. Got 1\.$"):
        found.best(1)
    with pytest.raises(TypeError, match=r"^\[best\] the class must be an integer\. Got 'cat'\.$"):
        found.best("cat")  # type: ignore[arg-type]


def test_bad_arguments() -> None:
    net, full = network()
    with pytest.raises(
        TypeError, match=r"^\[scores\] the network must be converted: net\.to_convolutional\(\(C, H, W\)\)\. Got Sequential\.$"
    ):
        fc.dense.scores(net, photo())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^\[scores\] the image must be as large as .* 10x10, at each scale\. Got 7x9 at scale 0\.3\.$"):
        fc.dense.scores(full, photo(), (1.0, 0.3))
    with pytest.raises(ValueError, match=r"^\[scores\] the image must be \(C, H, W\)\. Got \(24, 31\)\.$"):
        fc.dense.scores(full, photo()[0])
    with pytest.raises(ValueError, match=r"^\[scores\] a scale must be greater than 0\. Got a scale=0\.$"):
        fc.dense.scores(full, photo(), (0.0,))
    with pytest.raises(ValueError, match=r"^\[scores\] scales must be a list of factors, one at least\. Got 1\.0\.$"):
        fc.dense.scores(full, photo(), 1.0)  # type: ignore[arg-type]


def test_a_map_for_one_window_has_no_boxes() -> None:
    full = fc.Sequential(fc.Conv2d(2, 3, 3, seed=0)).to_convolutional((2, 8, 8))
    assert full.places == (6, 6) and full(photo()[None]).shape == (1, 3, 22, 29)
    with pytest.raises(ValueError, match=r"^\[scores\] the network must give one row of scores for its window\. Got a map of 6x6\.$"):
        fc.dense.scores(full, photo())


# ---- images


@pytest.mark.parametrize("size", [(7, 9), (30, 40), (24, 12), (3, 50), (1, 1)])
def test_resized_is_bilinear_and_averages(size: tuple[int, int]) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is the oracle")
    pixels = np.random.default_rng(0).random((24, 31)).astype(np.float32)
    expected = np.asarray(image.fromarray(pixels).resize(size[::-1], image.Resampling.BILINEAR))
    assert np.abs(images.resized(pixels, *size) - expected).max() < 1e-5
    assert np.allclose(images.resized(np.full((2, 24, 31), 3.0), *size), 3)


def test_prepared_cuts_the_middle_out() -> None:
    image = np.zeros((3, 20, 40), np.float32)
    image[:, :, 10:30] = 1
    assert np.array_equal(images.prepared(image, (20, 20), 0, 1), np.ones((3, 20, 20)))
    made = images.prepared(image, (10, 10), (1.0, 0.5, 0.0), (0.5, 0.25, 1.0))
    assert made.shape == (3, 10, 10) and np.allclose(made[:, 5, 5], [0, 2, 1])
    assert images.prepared(image, (60, 24), 0, 1).shape == (3, 60, 24)
    with pytest.raises(ValueError, match=r"^\[image\] mean and deviation must be one number or one a channel"):
        images.prepared(image, (10, 10), (1.0, 2.0), 1)
    with pytest.raises(ValueError, match=r"deviations above 0"):
        images.prepared(image, (10, 10), 0, 0)


def test_read(tmp_path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow writes the file")
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.allclose(images.read(tmp_path / "a.png"), np.moveaxis(pixels, 2, 0) / 255)
    assert images.read(tmp_path / "a.png", 1).shape == (1, 4, 5)
    (tmp_path / "no.png").write_bytes(b"no image")
    image.fromarray(np.arange(16, dtype=np.uint16).reshape(4, 4) * 4096).save(tmp_path / "deep.png")
    image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 50), np.uint8)).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"^\[image\] the file must be a whole image\. Got .*cut\.png: "):
        images.read(tmp_path / "cut.png")
    bomb = bytearray((tmp_path / "a.png").read_bytes())
    bomb[16:24] = (1 << 20).to_bytes(4, "big") * 2  # width and height
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(ValueError, match=r"^\[image\] the file must not be larger than Pillow takes for safe\. Got .*bomb\.png: "):
        images.read(tmp_path / "bomb.png")
    with pytest.raises(ValueError, match=r"^\[resized\] no side of an image may be longer than 32768\. Got 10x40000\.$"):
        images.resized(np.zeros((1, 4, 4)), 10, 40000)
    with pytest.raises(ValueError, match=r"^\[image\] pixels must have 8 bits a channel\. Got mode I;16 in .*deep\.png\.$"):
        images.read(tmp_path / "deep.png")
    with pytest.raises(ValueError, match=r"^\[image\] the file must be an image that Pillow reads\. Got .*no\.png\.$"):
        images.read(tmp_path / "no.png")
