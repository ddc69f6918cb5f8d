"""Memory by layer, as a picture, and against a budget."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_nets import lenet

import fastcnn as fc
from fastcnn.memory import budget
from fastcnn.memory.budget import available_memory, bytes_of, largest_batch

SHAPE = (16, 1, 8, 8)


@pytest.mark.parametrize("training", [False, True])
def test_layers_add_up(training: bool) -> None:
    net = lenet()
    report = net.memory(SHAPE, training=training, optimizer="adam", threads=1)
    rows = {row.name: row for row in report.layers}
    assert len(rows) == len(report.layers)
    names = {name for name, module in net.named_modules() if name and not isinstance(module, fc.Identity)}
    assert {name for name, row in rows.items() if row.parameters} >= {"0", "1", "5", "8"} == names & {"0", "1", "5", "8"}
    assert rows["0"].parameters == 4 * 6 * 9
    assert sum(row.parameters for row in report.layers) == report.parameters
    assert max(row.alive for row in report.layers) <= report.lower_bound <= report.arena
    assert report.logical_bound <= report.lower_bound
    made = sum(row.activations + row.activation_gradients + row.gradients for row in report.layers)
    assert made == sum(box.bytes for box in report.boxes if box.kind != "workspace")
    assert made + sum(box.bytes for box in report.boxes if box.kind == "workspace") <= report.without_release
    assert any(row.activation_gradients for row in report.layers) == training
    first = rows["0"]
    assert first.gradients == (4 * 6 * 9 if training else 0)
    assert 0 < first.logical <= first.activations + first.activation_gradients + first.gradients
    assert first.alive >= first.activations
    text = report.by_layer().splitlines()
    assert text[0].split()[:7] == ["layer", "parameters", "activations", "their", "gradients", "weight", "gradients"]
    assert text[0].split()[7:] == ["unpadded", "alive", "without", "release"]
    assert [line.split()[0] for line in text[2:]] == list(rows)


def test_windows_count_as_such_without_padding_too() -> None:
    """With memory="small" a window of an image is in memory: without padding the bound is lower than with it, never the whole image's."""
    net = fc.Sequential(fc.Conv2d(3, 20, 3, padding=1, seed=0), fc.ReLU(), fc.Conv2d(20, 20, 3, padding=1, seed=1), fc.MaxPool2d(2))
    fast, small = (net.memory((1, 3, 160, 160), threads=1, memory=memory) for memory in ("fast", "small"))
    assert small.logical_bound <= small.lower_bound < fast.logical_bound
    assert all(row.logical <= row.alive for row in small.layers)


def test_what_is_alive_without_release_is_all_that_was_made() -> None:
    """A chain of equal layers: with release two images are alive, without one more a layer."""
    net = fc.Sequential(*(fc.Conv2d(16, 16, 1, seed=i) for i in range(6)))
    report = net.memory((1, 16, 40, 40), threads=1)
    image = 4 * 16 * 40 * 40
    chain = [row for row in report.layers if row.activations == image]
    assert len(chain) >= 5
    assert {row.alive for row in chain[1:]} == {2 * image}
    assert [row.kept - chain[0].kept for row in chain] == [i * image for i in range(len(chain))]


def test_without_release_a_training_step_needs_more_from_layer_to_layer() -> None:
    """Statistics of batch norms are updated behind all gradients; that is not when the layer's output was made."""
    layers = fc.zoo.resnet18(classes=10).memory((2, 3, 32, 32), training=True, threads=1).layers
    kept = [row.kept for row in layers if row.alive]
    assert kept == sorted(kept)
    assert kept[1] < kept[-1] / 10


def test_boxes_that_live_at_once_do_not_overlap() -> None:
    report = fc.zoo.googlenet().memory((1, 3, 64, 64))
    assert max(box.offset + box.bytes for box in report.boxes) <= report.arena
    for i, a in enumerate(report.boxes):
        assert 0 <= a.first <= a.last < len(report.steps)
        for b in report.boxes[:i]:
            if a.first <= b.last and b.first <= a.last:
                assert a.offset + a.bytes <= b.offset or b.offset + b.bytes <= a.offset


def test_the_picture(tmp_path: Path) -> None:
    report = lenet().memory(SHAPE, training=True)
    path = tmp_path / "arena.png"
    figure = report.plot(path)
    [axes] = figure.axes
    assert len(axes.patches) == len(report.boxes)
    assert {(p.get_x(), p.get_y(), p.get_width(), p.get_height()) for p in axes.patches} == {
        (box.first, box.offset, box.last - box.first + 1, box.bytes) for box in report.boxes
    }
    assert path.read_bytes().startswith(b"\x89PNG")
    shown = {text.get_text().split("\n")[0] for text in axes.texts}
    assert shown
    assert shown <= {box.name for box in report.boxes}
    explained = [text.get_text() for text in figure.legends[0].get_texts()]
    assert any("lower bound" in text for text in explained) and "backward from here" in explained
    assert axes.get_yticklabels()[1].get_text().endswith(" KB") and axes.get_xlabel() == "step, by its layer"


def test_the_picture_of_many_steps_says_how_many_are_named() -> None:
    axes = fc.zoo.mobilenet_v2().memory((2, 3, 64, 64), training=True).plot().axes[0]
    assert "one in 14 named" in axes.get_xlabel()
    assert max(len(label.get_text()) for label in axes.get_xticklabels()) <= 32


def test_no_picture_of_an_empty_arena_fails(tmp_path: Path) -> None:
    net = fc.Sequential(fc.Flatten())
    net.memory((1, 1, 2, 2)).plot(tmp_path / "x.png")


def test_matplotlib_is_imported_for_a_picture_only() -> None:
    code = "import sys, fastcnn as fc; fc.Sequential(fc.Linear(2, 2)).memory((1, 2)); assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-I", "-c", code], check=True, timeout=60)


# ---- budgets


@pytest.mark.parametrize("training", [False, True])
def test_the_largest_batch(training: bool) -> None:
    net = lenet()
    arguments = {"training": training, "optimizer": "adam", "threads": 1}
    for batch in (1, 13, 64):
        need = net.memory((batch, 1, 8, 8), **arguments).total
        assert net.max_batch((1, 8, 8), need, **arguments) >= batch
        found = net.max_batch((1, 8, 8), need - 1, **arguments)
        assert found < batch
        assert found == 0 or net.memory((found, 1, 8, 8), **arguments).total < need
    assert net.max_batch((1, 8, 8), "1 MB", threads=1) == net.max_batch((1, 8, 8), 2**20, threads=1) > 16
    assert net.max_batch((1, 8, 8), "100 B", training=training) == 0


@pytest.mark.parametrize("most", [0, 1, 2, 3, 7, 8, 9, 1000])
def test_bisection(most: int) -> None:
    asked = []
    assert largest_batch(lambda count: asked.append(count) or count, most) == most
    assert len(asked) <= 2 * max(1, most).bit_length() + 2


def test_a_single_sample_that_cannot_be_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch norm of 1x1 images needs two: that one fails is no error of those who ask what fits, and one is no answer."""
    net = fc.Sequential(fc.Conv2d(3, 8, 3, stride=2), fc.AdaptiveAvgPool2d(1), fc.BatchNorm2d(8), fc.Flatten(), fc.Linear(8, 2))
    two = net.memory((2, 3, 9, 9), training=True).total
    assert net.max_batch((3, 9, 9), two, training=True) == 2
    assert net.max_batch((3, 9, 9), two - 1, training=True) == 0
    with pytest.raises(ValueError, match="in_channels"):
        net.max_batch((4, 9, 9), two, training=True)
    x, y = np.zeros((4, 3, 9, 9), np.float32), np.array([0, 1, 0, 1])
    monkeypatch.setattr(budget, "available_memory", lambda: 1)
    with pytest.warns(RuntimeWarning, match="no batch size fits"):
        net.fit(x, y, epochs=1, batch_size=4, optimizer="sgd", progress=False)


@pytest.mark.parametrize(
    ("text", "size"),
    [("4 GB", 4 << 30), ("1.5KB", 1536), ("100 B", 100), ("7 mb", 7 << 20), (123, 123), (np.int64(5), 5), ("1 TB", 1 << 40)],
)
def test_budgets_as_text(text: str | int, size: int) -> None:
    assert bytes_of("x", "budget", text) == size


@pytest.mark.parametrize("wrong", ["4", "GB", "-1 GB", "4 PB", "", "9" * 400 + " GB", 0, -5, True, None, 1.5, "0 B"])
def test_what_is_no_budget(wrong: object) -> None:
    rule = r"^\[max_batch\] budget must be a positive number of bytes, or a text like \"4 GB\"\. Got budget=.*\.$"
    with pytest.raises((ValueError, TypeError), match=rule):
        lenet().max_batch((1, 8, 8), wrong)


# ---- what is left


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = {"proc/meminfo": "MemTotal: 9000 kB\nMemFree:  10 kB\nMemAvailable:    4000 kB\n"}
OUTER = {"sys/fs/cgroup/a/memory.max": "max\n", "sys/fs/cgroup/a/memory.current": "1\n"}


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({}, None),
        (MEMINFO, 4096000),
        ({**MEMINFO, **OUTER, "proc/self/cgroup": "0::/a/b\n"}, 4096000),
        (
            {
                **MEMINFO,
                **OUTER,
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/memory.max": "3000000\n",
                "sys/fs/cgroup/a/b/memory.current": "2500000\n",
                "sys/fs/cgroup/a/b/memory.stat": "anon 1\ninactive_file 100000\n",
            },
            600000,
        ),
        (
            {
                **MEMINFO,
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/memory.max": "1000\n",
                "sys/fs/cgroup/a/memory.current": "5000\n",
            },
            0,
        ),
        (
            {
                **MEMINFO,
                "proc/self/cgroup": "3:cpu:/q\n2:memory:/j\n",
                "sys/fs/cgroup/memory/j/memory.limit_in_bytes": "7000\n",
                "sys/fs/cgroup/memory/j/memory.usage_in_bytes": "1000\n",
            },
            6000,
        ),
    ],
)
def test_available_memory(tmp_path: Path, files: dict[str, str], left: int | None) -> None:
    assert available_memory(machine(tmp_path, files)) == left


def test_this_machine_has_memory() -> None:
    assert 1 << 20 < (available_memory() or 0) < 1 << 50


def test_fit_warns_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.zeros((32, 1, 8, 8), np.float32), np.zeros(32, int)
    net = lenet()
    before = net.memory((8, 1, 8, 8), training=True, optimizer="adam")
    monkeypatch.setattr(budget, "available_memory", lambda: before.total - before.parameters)
    weights = net.state_dict()

    def no_step(*_: object) -> float:
        raise AssertionError("it was trained")

    monkeypatch.setattr(fc.Trainer, "step", no_step)
    with (
        pytest.warns(RuntimeWarning, match=r"^\[fit\] memory must hold a training step\. Got .* available, .* needed; batch_size=8 would"),
        pytest.raises(AssertionError, match="it was trained"),
    ):
        net.fit(x, y, batch_size=32, optimizer="adam", progress=False)
    assert all(np.array_equal(weights[key], value) for key, value in net.state_dict().items())
    monkeypatch.setattr(budget, "available_memory", lambda: 10)
    with pytest.warns(RuntimeWarning, match=r"Got 10 B available, .* needed; no batch size fits\.$"), pytest.raises(AssertionError):
        net.fit(x, y, batch_size=32, optimizer="adam", progress=False)
    monkeypatch.undo()
    net.fit(x, y, batch_size=32, optimizer="adam", progress=False)  # no warning, which would be an error
