"""VGG-16 over an image of 384x384: 36 crops of 224x224, against one pass of the converted network. Multiply-adds, time, and the difference.

The weights are random as in He et al. (2015), so that scores neither vanish nor explode. The image is a photograph where scikit-image is
installed, else noise with the spectrum of a photograph. The difference is reported in deviations of a class's score over the places.
"""

from __future__ import annotations

import math
from statistics import median
from time import perf_counter

import numpy as np
from machine import THREADS

import fastcnn as fc

SIDE = 384
WINDOW = 224
ROUNDS = 5


def photograph() -> np.ndarray:
    """(3, 384, 384), normalized."""
    try:
        from skimage.data import astronaut

        pixels = np.moveaxis(astronaut(), 2, 0)[:, :SIDE, :SIDE] / 255
    except ImportError:
        noise = np.fft.rfft2(np.random.default_rng(0).standard_normal((3, SIDE, SIDE)))
        rows, columns = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)
        pixels = np.fft.irfft2(noise / np.maximum(1 / SIDE, np.hypot(rows, columns)), (SIDE, SIDE))
    return ((pixels - pixels.mean()) / pixels.std()).astype(np.float32)


def vgg() -> fc.Module:
    net = fc.zoo.vgg16()
    random = np.random.default_rng(0)
    for layer in net.modules():
        if isinstance(layer, (fc.Conv2d, fc.Linear)):
            shape = layer.weight.shape
            layer.weight.assign(random.standard_normal(shape, np.float32) * np.float32(math.sqrt(2 / math.prod(shape[1:]))))
            layer.bias.assign(np.zeros(layer.bias.shape))
    return net


def crops(image: np.ndarray, window: int, stride: int) -> np.ndarray:
    places = range(0, image.shape[1] - window + 1, stride)
    return np.ascontiguousarray([image[:, i : i + window, j : j + window] for i in places for j in places])


def seconds(function) -> float:
    function()
    times = []
    for _ in range(ROUNDS):
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return median(times)


def bench_crops_and_map(benchmark, report_row) -> None:
    net = vgg()
    image = photograph()
    full = net.to_convolutional((3, WINDOW, WINDOW))
    cut = crops(image, WINDOW, full.stride[0])
    macs = {"crops": len(cut) * macs_of(net, cut[0].shape), "map": macs_of(full, image.shape)}
    counts = [f"{name} {count / 1e9:.1f} G MACs" for name, count in macs.items()]
    report_row(f"VGG-16, {SIDE}x{SIDE}", *counts, f"{macs['crops'] / macs['map']:.1f}x")
    benchmark.extra_info.update(macs=macs, difference=compared(net, full, image, cut, report_row))
    for threads in THREADS:
        one = net.compile((1, *cut[0].shape), threads=threads)
        dense = full.compile((1, *image.shape), threads=threads)
        several = seconds(lambda: [one(crop[None]) for crop in cut])  # noqa: B023  called in the same iteration
        single = seconds(lambda: dense(image[None]))  # noqa: B023  called in the same iteration
        benchmark.extra_info[f"seconds_{threads}"] = {"crops": several, "map": single}
        report_row(f"{threads} threads", f"crops {1e3 * several:.0f} ms", f"map {1e3 * single:.0f} ms", f"{several / single:.1f}x")
    benchmark.pedantic(lambda: dense(image[None]), rounds=ROUNDS)


def macs_of(net: fc.Module, shape: tuple[int, ...]) -> int:
    return sum(row.macs for row in net.summary(shape))


def compared(net: fc.Module, full: fc.Module, image: np.ndarray, cut: np.ndarray, report_row) -> dict[str, float]:
    """The differences between the scores of the map and those of the crops, relative to the deviation of a class over the places."""
    each = np.concatenate([net(crop[None]) for crop in cut])
    side = math.isqrt(len(cut))
    whole = full(image[None])[0].reshape(len(each[0]), -1).T
    spread = each.std(axis=0).mean()  # of a class over the places
    difference = np.abs(whole - each).reshape(side, side, -1)
    parts = {"all": difference, "inner 4x4": difference[1:-1, 1:-1], "corners": difference[:: side - 1, :: side - 1]}
    same = (whole.argmax(axis=1) == each.argmax(axis=1)).mean()
    found = {name: float(part.mean() / spread) for name, part in parts.items()}
    averages = np.corrcoef(whole.mean(0), each.mean(0))[0, 1]
    texts = [f"{name} {value:.2f}" for name, value in found.items()]
    report_row("map less crops, deviations", *texts, f"averages correlate {averages:.4f}", f"same class {100 * same:.0f} %")
    return found
