"""compile(tune=True): what is measured is kept in a file and obeyed, by every number of threads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import fastcnn as fc
from fastcnn import _core
from fastcnn.running import tuning

SHAPE = (1, 16, 19, 21)


def network() -> fc.Module:
    """The second and the third layer are one problem; the first reads a plain image."""
    sizes = ((16, 16), (16, 16), (16, 16), (16, 24))
    return fc.Sequential(*(fc.Conv2d(a, b, 3, padding=1, seed=i) for i, (a, b) in enumerate(sizes)), fc.MaxPool2d(2))


def algorithms(run: fc.Compiled) -> list[str]:
    return [step.algorithm for step in run.profile(np.zeros(SHAPE)) if step.op == "conv2d"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FASTCNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fastest(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[_core.Program]:
    """Makes these the fastest algorithms, the first one first. Returns the list of programs that will have been measured."""
    measured = []

    def times(program: _core.Program, shapes: object, threads: int) -> dict[str, dict[str, float]]:
        measured.append(program)
        taken: dict[str, dict[str, float]] = {}
        for step in program.steps:
            if "problem" in step:
                name = step["choice"]
                taken.setdefault(step["problem"], {})[name] = 1.0 + names.index(name) if name in names else 9.0
        return taken

    monkeypatch.setattr(tuning, "_times", times)
    return measured


def test_the_fastest_is_taken_and_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("direct", "winograd_f2"):
        measured = fastest(monkeypatch, name)
        run = network().compile(SHAPE, tune=True)
        assert [text.split(" + ")[0] for text in algorithms(run)] == [name] * 4
        assert len(measured) > 1
        content = json.loads(tuning.cache_file().read_text())
        assert len(content["choices"]) == 3
        assert set(content["choices"].values()) == {name}
        measured.clear()
        again = network().compile((1, 16, 19, 21), tune=True, threads=2)
        assert algorithms(again) == algorithms(run)
        assert not measured
        tuning.cache_file().unlink()
    assert list(folder.iterdir()) == []  # nothing half written stays


def test_real_measurements(folder: Path) -> None:
    net = network()
    x = np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32)
    one, two = net.compile(SHAPE, tune=True, threads=1), net.compile(SHAPE, tune=True, threads=2)
    assert np.array_equal(one(x), two(x))
    y = net.compile(SHAPE, accuracy="strict")(x)
    assert np.abs(one(x) - y).max() <= 1e-5 * np.abs(y).max()
    choices = json.loads(tuning.cache_file().read_text())["choices"]
    assert set(choices.values()) <= set(_core.conv2d_algorithms())
    strict = net.compile(SHAPE, tune=True, accuracy="strict")  # is another problem
    assert np.abs(strict(x) - y).max() <= 2e-6 * np.abs(y).max()
    assert len(json.loads(tuning.cache_file().read_text())["choices"]) == 2 * len(choices)


def test_a_small_gain_is_noise(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = algorithms(network().compile(SHAPE))
    monkeypatch.setattr(
        tuning,
        "_times",
        lambda program, shapes, threads: {step["problem"]: {step["choice"]: 0.98} for step in program.steps if "problem" in step},
    )
    assert algorithms(network().compile(SHAPE, tune=True)) == model


@pytest.mark.parametrize("text", ["{", "[1]", '{"version": "%s"}', '{"version": "%s", "choices": [1]}'])
def test_a_broken_file(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    fastest(monkeypatch, "direct")
    folder.mkdir()
    tuning.cache_file().write_text(text.replace("%s", fc.__version__))
    with pytest.warns(UserWarning, match="cannot be read and is made anew"):
        run = network().compile(SHAPE, tune=True)
    assert all("direct" in name for name in algorithms(run))
    assert json.loads(tuning.cache_file().read_text())["version"] == fc.__version__


def test_a_file_of_another_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = fastest(monkeypatch, "direct")
    network().compile(SHAPE, tune=True)
    content = json.loads(tuning.cache_file().read_text())
    tuning.cache_file().write_text(json.dumps({**content, "version": "0"}))
    measured.clear()
    network().compile(SHAPE, tune=True)
    assert measured


def test_names_that_no_longer_exist(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fastest(monkeypatch, "direct")
    model = algorithms(network().compile(SHAPE))
    network().compile(SHAPE, tune=True)
    content = json.loads(tuning.cache_file().read_text())
    content["choices"] = dict.fromkeys(content["choices"], "gone")
    tuning.cache_file().write_text(json.dumps(content))
    assert algorithms(network().compile(SHAPE, tune=True)) == model


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fastest(monkeypatch, "direct")
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("FASTCNN_CACHE", str(file / "folder"))
    with pytest.warns(UserWarning, match="could not be kept"):
        run = network().compile(SHAPE, tune=True)
    assert all("direct" in name for name in algorithms(run))
