"""Indices and weights of resizing and padding: every mode of ONNX's Resize against the reference of the onnx package, padding by NumPy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from small_nets import Lambda

import fastcnn as fc
from fastcnn.tracing.resampling import nearest, padded, positions, taps, torch_nearest

COORDINATES = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric", "tf_crop_and_resize")
SIZES = [(5, 2.0), (7, 0.7), (4, 1.3), (1, 3.0), (8, 0.25), (6, 1.0)]
ROI = (0.25, 0.75)


def reference(x: np.ndarray, scale: float, **attributes: object) -> np.ndarray:
    resize = pytest.importorskip("onnx.reference.ops.op_resize", reason="the reference is onnx's")
    mode = attributes.pop("mode")
    if mode == "nearest":
        nearest_mode = attributes.pop("nearest_mode")

        def coefficients(ratio: float, _: float) -> np.ndarray:
            return resize._nearest_coeffs(ratio, mode=nearest_mode)
    elif attributes.pop("antialias", False):
        a = attributes.pop("cubic_coeff_a")

        def coefficients(ratio: float, scale: float) -> np.ndarray:
            return resize._linear_coeffs_antialias(ratio, scale) if mode == "linear" else resize._cubic_coeffs_antialias(ratio, scale, A=a)
    else:
        a = attributes.pop("cubic_coeff_a")

        def coefficients(ratio: float, _: float) -> np.ndarray:
            return resize._linear_coeffs(ratio) if mode == "linear" else resize._cubic_coeffs(ratio, A=a)

    return resize._interpolate_nd(x, coefficients, scale_factors=[scale], roi=np.array(ROI), **attributes)


def inside(at: np.ndarray, size: int, mode: str) -> np.ndarray:
    """Outputs whose value is not extrapolated."""
    return (at >= 0) & (at <= size - 1) if mode == "tf_crop_and_resize" else np.full(at.shape, True)


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize(("size", "scale"), SIZES)
def test_nearest_is_onnxs(size: int, scale: float, coordinates: str) -> None:
    x, outputs = np.arange(size, dtype=np.float64), int(size * scale)
    for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        at = positions(size, outputs, scale, coordinates, ROI)
        wanted = reference(x, scale, mode="nearest", nearest_mode=rounding, coordinate_transformation_mode=coordinates)
        use = inside(at, size, coordinates)
        np.testing.assert_array_equal(x[nearest(at, size, rounding)][use], wanted[use], err_msg=rounding)


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize(("size", "scale"), SIZES)
@pytest.mark.parametrize("kind", ["linear", "cubic"])
def test_weights_are_onnxs(kind: str, size: int, scale: float, coordinates: str) -> None:
    x, outputs = np.random.default_rng(size).uniform(-1, 1, size), int(size * scale)
    for a, exclude, antialias in product((-0.75, -0.5), (False, True), (False, True)):
        at = positions(size, outputs, scale, coordinates, ROI)
        indices, weights = taps(at, size, kind, scale, a, exclude, antialias)
        options = {"mode": kind, "cubic_coeff_a": a, "exclude_outside": exclude, "antialias": antialias}
        wanted = reference(x, scale, coordinate_transformation_mode=coordinates, **options)
        use = inside(at, size, coordinates)
        np.testing.assert_allclose((x[indices] * weights).sum(axis=1)[use], wanted[use], atol=1e-12, err_msg=str(options))


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 3), (-1, 2), (1, -3), (9, 11)])
def test_padding_is_numpys(mode: str, before: int, after: int) -> None:
    x = np.arange(1, 6)
    kept = x[max(0, -before) : len(x) - max(0, -after)]
    wanted = np.pad(kept, (max(0, before), max(0, after)), mode=mode)
    indices = padded(len(x), before, after, mode)
    np.testing.assert_array_equal(np.where(indices < 0, 0, x[indices]), wanted)


def test_what_is_an_integer_but_for_rounding_is_one() -> None:
    """49 * (1 / 49) is below 1 in double."""
    at = np.arange(49 * 3) * (1 / 49)
    assert nearest(at, 5, "floor").tolist() == [i // 49 for i in range(49 * 3)]


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "bilinear antialias", "bicubic antialias"])
def test_an_axis_that_keeps_its_size_is_copied_where_torch_does(mode: str) -> None:
    x = np.random.default_rng(0).standard_normal((1, 1, 3, 7)).astype(np.float32)
    name, _, antialias = mode.partition(" ")
    options = {"scale_factor": (1.3, 1.1), "mode": name, "antialias": bool(antialias)}
    y = Lambda(lambda x: fc.interpolate(x, **options))(x)
    assert np.array_equal(y, x) == (mode not in ("nearest-exact", "bicubic"))
    torch = pytest.importorskip("torch")
    np.testing.assert_allclose(y, torch.nn.functional.interpolate(torch.tensor(x), **options), atol=1e-5)


def test_twice_as_many_are_each_entry_twice() -> None:
    """Whatever the scale: torch has a case of its own for it."""
    assert torch_nearest(5, 10, 2.1).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: positions(4, 2**25, 1e9), "[resize] an axis that is resized must have at most 2^24 entries. Got 4, to become 33554432."),
        (lambda: positions(0, 4, 2.0), "[resize] an axis must have entries, and outputs a number of at least 0. Got 0 entries, 4 out"),
        (lambda: positions(4, 4, float("nan")), "[resize] the scale must be positive and finite. Got nan."),
        (lambda: positions(4, 4, 1.0, "centred"), "[resize] the coordinate transformation must be one of ONNX's. Got 'centred'."),
        (lambda: nearest(np.zeros(2), 4, "up"), "[resize] the nearest mode must be one of round_prefer_floor, .*. Got 'up'."),
        (
            lambda: taps(np.zeros(9), 4, "linear", 1e-7, antialias=True),
            "[resize] a filter must have at most 33554432 weights. Got 9 outputs of",
        ),
        (lambda: padded(4, 2**24, 0), "[pad] a padded axis must have 0 to 2^24 entries. Got 4 and padding (16777216, 0)."),
        (lambda: padded(3, 4, -5), "[pad] a padded axis must have 0 to 2^24 entries. Got 3 and padding (4, -5)."),
        (lambda: padded(4, 1, 1, "mirror"), "[pad] the mode must be 'constant', 'reflect', 'edge' or 'wrap'. Got 'mirror'."),
        (lambda: padded(0, 1, 1, "edge"), "[pad] what has no entries cannot be continued. Got 0 entries, mode 'edge'."),
        (lambda: torch_nearest(2**25, 4, None), "[interpolate] an axis that is resized must have at most 2^24 entries."),
    ],
)
def test_messages(call, text: str) -> None:
    import re

    with pytest.raises(ValueError, match="^" + re.escape(text).replace(r"\.\*", ".*")):
        call()
