"""The demonstration: `python -m fastcnn demo` trains a small network on real handwritten digits and shows what the library does.

Data: the 1,797 digits of 8x8 pixels in scikit-learn, a stratified third of them held out; nothing is downloaded. The network and its
schedule were chosen by cross-validation on the other two thirds only.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastcnn as fc

__all__ = ["digits", "main", "network", "train"]

BATCH = 32
SEEDS = range(5)
SCHEDULE = ((30, 2e-3), (10, 2e-4))  # epochs, learning rate

Images = NDArray[np.float32]
Labels = NDArray[np.int64]


def digits() -> tuple[Images, Labels, Images, Labels]:
    """Returns training images (1198, 1, 8, 8) with values 0..1, their labels (1198,), and the held-out images (599, 1, 8, 8) and labels."""
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise ImportError("[demo] scikit-learn brings the digits: pip install fastcnn[demo].") from error
    data = load_digits()
    images = (data.images[:, None] / 16).astype(np.float32)
    x, held_x, y, held_y = train_test_split(images, data.target, test_size=1 / 3, stratify=data.target, random_state=0)
    return x, y, held_x, held_y


def _block(channels_in: int, channels_out: int, seed: int) -> list[fc.Module]:
    """3x3 convolution, batch norm, ReLU."""
    return [
        fc.Conv2d(channels_in, channels_out, 3, padding=1, bias=False, seed=seed),
        fc.BatchNorm2d(channels_out),
        fc.ReLU(),
    ]


def network(seed: int) -> fc.Sequential:
    """(N, 1, 8, 8) -> (N, 10): four convolutions at two resolutions, then one linear layer."""
    return fc.Sequential(
        *_block(1, 32, 10 * seed),
        *_block(32, 32, 10 * seed + 1),
        fc.MaxPool2d(2),
        fc.Dropout(0.25),
        *_block(32, 64, 10 * seed + 2),
        *_block(64, 64, 10 * seed + 3),
        fc.AvgPool2d(2),
        fc.Flatten(),
        fc.Dropout(0.5),
        fc.Linear(256, 10, seed=10 * seed + 4),
    )


def train(seed: int, x: Images, y: Labels) -> fc.Sequential:
    """Trains a network in the stages of SCHEDULE."""
    net = network(seed)
    for stage, (epochs, rate) in enumerate(SCHEDULE):
        net.fit(
            x,
            y,
            epochs=epochs,
            batch_size=BATCH,
            optimizer=fc.optim.Adam(rate),
            loss="cross_entropy",
            seed=2 * seed + stage,
            progress=False,
        )
    return net


def _train_all(x: Images, y: Labels, held_x: Images, held_y: Labels) -> fc.Sequential:
    """Trains one network for each seed and prints their accuracies. Returns the first."""
    networks = []
    accuracies = []
    for seed in SEEDS:
        start = time.perf_counter()
        networks.append(train(seed, x, y))
        seconds = time.perf_counter() - start
        accuracies.append(networks[-1].evaluate(held_x, held_y)["accuracy"])
        print(f"seed {seed}: {100 * accuracies[-1]:.2f} % of the held-out digits right, trained in {seconds:.1f} s")
    print(f"mean over {len(accuracies)} seeds: {100 * np.mean(accuracies):.2f} %\n")
    return networks[0]


def _latency(net: fc.Sequential, image: Images) -> float:
    """Returns the median seconds of a call with one image on one thread."""
    run = net.compile(image.shape, threads=1)
    out = run(image)
    times = []
    for _ in range(3000):
        start = time.perf_counter()
        run(image, out=out)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def _picture(path: Path, images: Images, labels: Labels, answers: NDArray[Any]) -> None:
    """Writes a PNG of the images, ten per row, with the network's answers, wrong ones in red. The file is replaced atomically."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("[demo] matplotlib draws the picture: pip install fastcnn[demo].") from error
    figure = Figure(figsize=(8, 0.5 + 0.95 * len(images) / 10), layout="constrained")
    figure.suptitle("held-out digits and the network's answers, wrong ones in red", fontsize=11)
    axes = figure.subplots(len(images) // 10, 10)
    for axis, image, label, answer in zip(axes.flat, images, labels, answers, strict=True):
        axis.imshow(image[0], cmap="gray_r")
        axis.set_title(str(answer), fontsize=10, color="black" if answer == label else "red")
        axis.axis("off")
    part = path.with_suffix(".part")
    figure.savefig(part, format="png", dpi=110)
    os.replace(part, path)


def main(folder: str = "demo_output") -> None:
    """Trains, measures, and saves model.safetensors and digits.png into `folder`."""
    x, y, held_x, held_y = digits()
    print(f"{len(x)} digits to train on, {len(held_x)} held out\n")
    net = _train_all(x, y, held_x, held_y)
    print(f"memory of a training step, {BATCH} images\n{net.memory(x[:BATCH].shape, training=True, optimizer='adam')}\n")
    print(f"memory of a prediction, 1 image\n{net.memory(x[:1].shape)}\n")
    print(f"latency of one image, one thread: {1e3 * _latency(net, held_x[:1]):.3f} ms (median)\n")
    output = Path(folder)
    output.mkdir(parents=True, exist_ok=True)
    net.save(str(output / "model.safetensors"))
    _picture(output / "digits.png", held_x[:40], held_y[:40], net.predict(held_x[:40]).argmax(axis=1))
    print(f"saved {output / 'model.safetensors'} and {output / 'digits.png'}")


if __name__ == "__main__":
    main()
