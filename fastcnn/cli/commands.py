"""The commands. Each prints a table as wide as the terminal, or one JSON document, and returns the exit code."""

from __future__ import annotations

import json
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter
from typing import Any

import numpy as np

from fastcnn.cli.models import image_shape, loaded, with_batch
from fastcnn.insight.cost import LEGEND as cost_legend
from fastcnn.insight.summary import LEGEND as summary_legend
from fastcnn.memory.report import LEGEND as memory_legend
from fastcnn.running.profile import LEGEND as profile_legend
from fastcnn.support.arrays import AnyArray, Array
from fastcnn.support.progress import progress_bar
from fastcnn.support.tables import fitted, sizes_text, table, terminal_width

__all__ = ["COMMANDS"]


def _show(given: Namespace, document: Any, text: str, spare: tuple[str, ...] = (), legend: Mapping[str, str] | None = None) -> int:
    """Prints the document as JSON, or the text fitted to the terminal. Returns the exit code 0."""
    if given.json:
        print(json.dumps(document, indent=2))
    else:
        print(fitted(text, terminal_width(), spare, legend))
    return 0


def _rows(rows: Iterable[Any]) -> list[dict[str, Any]]:
    return [row._asdict() for row in rows]


def summary(given: Namespace) -> int:
    net = loaded(given.model)
    found = net.summary(image_shape(net, given.input))
    return _show(given, _rows(found), str(found), ("op", "activation", "sees"), summary_legend)


def memory(given: Namespace) -> int:
    net = loaded(given.model)
    shape = with_batch(net, given.input, given.batch)
    report = net.memory(shape, training=given.training, optimizer=given.optimizer, threads=given.threads)
    if not given.json:
        print(f"{given.model}, {'a training step' if given.training else 'a run'} for {sizes_text(shape)}")
    document = {"shape": shape, **vars(report), "layers": _rows(report.layers), "boxes": _rows(report.boxes), "total": report.total}
    return _show(given, document, str(report), (), memory_legend)


def check(given: Namespace) -> int:
    net = loaded(given.model)
    found = net.check(image_shape(net, given.input), strict=given.strict)
    print(json.dumps(_rows(found), indent=2) if given.json else found.text(terminal_width()))
    return 1 if found.worst() == "error" else 0


def cost(given: Namespace) -> int:
    net = loaded(given.model)
    found = net.cost(image_shape(net, given.input), threads=given.threads)
    totals = {name: getattr(found, name) for name in ("parameters", "macs", "activation_bytes", "backward_bytes", "seconds")}
    return _show(given, {"layers": _rows(found), "total": totals}, str(found), ("op", "algorithm", "FLOP/B", "sees", "output"), cost_legend)


def _images(shape: tuple[int, ...]) -> Array:
    """Random images of a shape (N, C, H, W), the same in each call."""
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def profile(given: Namespace) -> int:
    net = loaded(given.model)
    shape = with_batch(net, given.input, given.batch)
    found = net.compile(shape, threads=given.threads).profile(_images(shape))
    if given.plot:
        found.plot().savefig(given.plot)
    return _show(
        given, {"steps": _rows(found), "seconds": found.seconds}, str(found), ("op", "% of floor", "GFLOP/s", "algorithm"), profile_legend
    )


def bench(given: Namespace) -> int:
    """Measures consecutive calls for `--seconds`, after a warm-up of a fifth of that time."""
    net = loaded(given.model)
    shape = with_batch(net, given.input, given.batch)
    run = net.compile(shape, threads=given.threads)
    x = _images(shape)
    times: list[float] = []
    start = now = perf_counter()
    with progress_bar(not given.json, "bench", round(1.2 * given.seconds * 1000), unit="ms") as advance:
        while now - start < 1.2 * given.seconds or not times:
            run(x)
            then, now = now, perf_counter()
            advance(round(1000 * (now - start)) - round(1000 * (then - start)))
            if now - start > 0.2 * given.seconds:
                times.append(now - then)
    parts = {f"p{part}": float(np.percentile(times, part)) for part in (5, 50, 95, 99)}
    document = {"shape": shape, "calls": len(times), **parts, "images_per_second": shape[0] / parts["p50"]}
    if not given.json:
        print(
            f"{given.model}, {sizes_text(shape)}: {len(times):,} calls, {document['images_per_second']:,.1f} images a second by the median"
        )
    rows = [[f"{part[1:]} % of the calls", f"{1e3 * value:.3f} ms"] for part, value in parts.items()]
    return _show(given, document, table(["latency of", "at most"], rows))


def predict(given: Namespace) -> int:
    net = loaded(given.model)
    labels = _labels(given.labels)
    if not given.model.lower().endswith((".onnx", ".safetensors")):
        print(f"note: the weights of {given.model} are drawn, not trained: its answers mean nothing", file=sys.stderr)
    try:
        channels, *own = image_shape(net, None)
    except ValueError:  # the file declares no shape
        channels = 3
        own = [224, 224]
    found = []
    with progress_bar(len(given.images) > 1 and not given.json, "predict", len(given.images)) as advance:
        for path in given.images:
            found.append({"image": path, "classes": _classes(given, net, path, channels, given.size or (own[0], own[1]), labels)})
            advance(1)
    rows = [
        [entry["image"] if i == 0 else "", each["label"], f"{each['score']:.4f}"]
        for entry in found
        for i, each in enumerate(entry["classes"])
    ]
    return _show(given, found, table(["image", "class", "score" if given.raw else "probability"], rows, left=2))


def _labels(path: str | None) -> list[str]:
    """Reads the names of the classes, one per line; none for None."""
    if path is None:
        return []
    try:
        with open(path, encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]
    except UnicodeDecodeError:
        raise ValueError(f"[predict] labels must be text in UTF-8, one a line. Got {path}.") from None


def _classes(given: Namespace, net: Any, path: str, channels: int, size: tuple[int, int], labels: list[str]) -> list[dict[str, Any]]:
    """Returns the best classes of one image file with their scores, best first."""
    from fastcnn.formats import images

    x = images.prepared(images.read(path, channels), size, given.mean, given.std)
    scores: AnyArray = net(x[None])
    if not isinstance(scores, np.ndarray) or scores.ndim != 2:
        raise ValueError(
            f"[predict] the network must return one row of scores an image. Got {getattr(scores, 'shape', type(scores).__name__)}."
        )
    if labels and len(labels) != scores.shape[1]:
        raise ValueError(f"[predict] there must be as many labels as classes, {scores.shape[1]}. Got {len(labels)}.")
    values = scores[0].astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"[predict] scores must be finite. Got {values[~np.isfinite(values)][0]} for {path}.")
    if not given.raw:
        values = np.exp(values - values.max())
        values /= values.sum()
    best = np.argsort(-values, kind="stable")[: given.top]
    return [{"class": int(i), "label": labels[i] if labels else str(i), "score": float(values[i])} for i in best]


def convert(given: Namespace) -> int:
    from fastcnn.formats.state import is_onnx

    net = loaded(given.model)
    folder = os.path.dirname(given.output) or "."
    if not os.path.isdir(folder):
        raise ValueError(f"[convert] the folder of the output must be there. Got {folder}.")
    if is_onnx(given.output):
        net.save(given.output, input_shape=with_batch(net, given.input, None))
    elif given.output.lower().endswith(".safetensors"):
        with warnings.catch_warnings():  # of weights alone: the note says it
            warnings.simplefilter("ignore", UserWarning)
            net.save(given.output)
    else:
        raise ValueError(f"[convert] the output must end in .safetensors or .onnx. Got {given.output}.")
    print(f"wrote {given.output}")
    if type(net).__name__ == "OnnxModel" and not is_onnx(given.output):
        print("note: of an ONNX model, .safetensors holds the weights alone: load them with load_state_dict", file=sys.stderr)
    return 0


def demo(given: Namespace) -> int:
    from fastcnn.cli.demo import main

    main(given.folder)
    return 0


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    each.__name__: each for each in (summary, memory, check, cost, profile, bench, predict, convert, demo)
}
