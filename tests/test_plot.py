"""Pictures: each shows what it is given, in a file that can be written; matplotlib is imported when one is drawn."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from small_nets import lenet
from subprocesses import python

import fastcnn as fc
from fastcnn import plot
from fastcnn.training.history import History

pytest.importorskip("matplotlib", reason="matplotlib draws")
X = np.random.default_rng(0).standard_normal((32, 1, 8, 8)).astype(np.float32)
Y = np.arange(32) % 4


def test_training_curves(tmp_path) -> None:
    history = lenet().fit(X, Y, epochs=3, batch_size=16, optimizer="adam", validation_data=(X, Y), progress=False)
    figure = history.plot()
    assert [axis.get_ylabel() for axis in figure.axes] == ["loss", "accuracy"]
    for axis, name in zip(figure.axes, ("loss", "accuracy"), strict=True):
        assert [line.get_label() for line in axis.lines] == ["training", "validation"]
        assert [list(line.get_ydata()) for line in axis.lines] == [history[name], history[f"val_{name}"]]
        assert list(axis.lines[0].get_xdata()) == [1, 2, 3]
        assert axis.get_xlabel() == "epoch"
    figure.savefig(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert len(History(loss=[2.0, 1.0], seconds=[1.0, 1.0]).plot().axes) == 1
    one, long = History(loss=[2.0]).plot().axes[0], History(loss=[1.0] * 300).plot().axes[0]
    assert all(tick == round(tick) for tick in one.get_xticks())  # there is no half epoch
    assert one.lines[0].get_marker() == "o" and long.lines[0].get_marker() == "None"
    with pytest.raises(ValueError, match=r"^\[plot\] the history must have an epoch at least\. Got none\.$"):
        History().plot()


def test_step_times() -> None:
    net = fc.zoo.resnet18(classes=10)
    profile = net.compile((1, 3, 64, 64), threads=1).profile(np.zeros((1, 3, 64, 64), np.float32))
    axis = profile.plot().axes[0]
    bars = [bar for bar in axis.patches if bar.get_width() > 0]
    assert [bar.get_width() for bar in bars] == pytest.approx([1e3 * step.seconds for step in profile])
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names[:2] == ["conv1", "layer1.0.conv1"] and names[-3:] == ["avgpool (avg_pool)", "avgpool (reorder)", "fc"]
    assert len(set(names)) == len(names) == len(profile)
    kinds = [step.algorithm.partition(" ")[0] or step.op for step in profile]
    colours = {kind: {bar.get_facecolor() for bar, own in zip(bars, kinds, strict=True) if own == kind} for kind in kinds}
    assert all(len(colour) == 1 for colour in colours.values())
    assert {text.get_text() for text in axis.figure.legends[0].get_texts()} - {"others"} <= set(kinds)
    assert f"all together {1e3 * profile.seconds:.3f} ms" in axis.get_xlabel()
    top, bottom = axis.get_ylim()[1], axis.get_ylim()[0]
    assert top < 0 < len(profile) - 1 < bottom  # the first step is on top
    with pytest.raises(ValueError, match=r"^\[plot\] the profile must have a step at least"):
        type(profile)().plot()


def sheet_of(figure) -> np.ndarray:
    return np.asarray(figure.axes[0].images[0].get_array())


def test_filters() -> None:
    net = fc.zoo.alexnet(classes=2)
    figure = net.plot_filters()
    sheet, weight = sheet_of(figure), net.state_dict()["features.0.weight"]
    assert sheet.shape == (4 * 12 + 1, 16 * 12 + 1, 3)
    assert len(set(sheet[0, 0])) == 3  # no grey, so that a white tile has an edge
    kernel = np.moveaxis(weight[17], 0, 2)  # in the second row, the second
    assert np.allclose(sheet[13:24, 13:24], (kernel - kernel.min()) / (kernel.max() - kernel.min()))
    assert figure.axes[0].get_title() == "features.0: 64 kernels of 11x11 over 3 channels"
    second = net.plot_filters("features.3")
    assert "192 kernels of 5x5 over 64 channels\nthe first 16 kernels and 16 channels" in second.axes[0].get_title()
    assert sheet_of(second).shape == (16 * 6 + 1, 16 * 6 + 1, 3)
    assert "over 1 channel" in fc.zoo.lenet5().plot_filters().axes[0].get_title()
    with pytest.raises(ValueError, match=r"^\[plot\] the network must have a convolution of that name\. Got AlexNet and 'features\.1'\.$"):
        net.plot_filters("features.1")
    with pytest.raises(ValueError, match=r"^\[plot\] the network must have a convolution\. Got Linear\.$"):
        fc.Linear(2, 2).plot_filters()


def test_activations() -> None:
    net, x = lenet(), X[0]
    figure = net.plot_activations(x, "0")
    expected = net[:1](X[:1])[0]
    sheet = sheet_of(figure)
    assert np.allclose(sheet[1:9, 1:9, 0], (expected[0] - expected.min()) / (expected.max() - expected.min()), atol=1e-5)
    assert f"{len(expected)} channels of 8x8" in figure.axes[0].get_title()
    scores = net.plot_activations(x, "8").axes[0]
    assert [bar.get_height() for bar in scores.patches] == pytest.approx(list(net(X[:1])[0]), abs=1e-5)
    many = fc.Sequential(fc.Flatten(), fc.Linear(64, 500, seed=0)).plot_activations(x, "1").axes[0]
    (lines,) = many.collections  # each drawn, however narrow
    assert len(lines.get_segments()) == 500 and not many.patches
    block = fc.zoo.resnet18(classes=3).plot_activations(np.zeros((3, 64, 64)), "layer1")
    assert "layer1: 64 channels of 16x16" in block.axes[0].get_title()
    with pytest.raises(ValueError, match=r"^\[plot\] the layer must be one of the network's, such as 0, 1, 2\. Got 'x'\.$"):
        net.plot_activations(x, "x")
    with pytest.raises(ValueError, match=r"^\[plot\] the image must be \(C, H, W\)\. Got \(1, 1, 8, 8\)\.$"):
        net.plot_activations(X[:1], "0")


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"^\[plot\] matplotlib draws pictures: pip install fastcnn\[plot\]\.$"):
        plot.training_curves({"loss": [1.0]})


def test_the_library_and_its_tools_do_not_import_matplotlib() -> None:
    code = "import sys, fastcnn.plot, fastcnn.cli.commands, fastcnn.dense; print('matplotlib' in sys.modules, 'PIL' in sys.modules)"
    assert python(code).stdout.split() == ["False", "False"]
