"""The comparison with other engines: what it computes and writes, its processes with fastcnn alone, and PyTorch's form of the networks."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from compare.contest import Budget, Contest, Place, difference
from compare.convert import SOURCES, Conversions
from compare.engines import ENGINES
from compare.networks import NETWORKS
from compare.process import BENCH, EngineError
from compare.report import Machine, page, summary
from compare.results import Measurement, Row, fastest_peer, geometric_mean, merged, percentile, ratio, read_rows, write_rows

import fastcnn as fc

MACHINE = Machine("A processor", "avx2", {"fastcnn": "1.0", "onnxruntime": "2.0", "ncnn": None})


def measured(median: float, form: str = "its own file", p99: float = 1.0, idle: float = 0.0) -> Measurement:
    return Measurement(form, median, p99, calls=10, memory=3 << 20, start=0.125, difference=2e-7, idle=idle)


def row(network: str, threads: int, **medians: float) -> Row:
    return Row(network, threads, "2026-01-02", {engine: measured(median) for engine, median in medians.items()})


# ---- numbers ---------------------------------------------------------------------------------------------------------------------------


def test_geometric_mean() -> None:
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
    assert geometric_mean([0.7]) == pytest.approx(0.7)
    assert geometric_mean([1e-200] * 3) == pytest.approx(1e-200)  # their product would be zero
    assert geometric_mean([]) is None


def test_percentile_is_a_measured_value() -> None:
    assert percentile(range(1, 101), 0.99) == 99
    assert percentile(range(2000, 0, -1), 0.99) == 1980
    assert percentile([3.0, 5.0], 0.99) == 5.0
    assert percentile([3.0], 0.99) == 3.0


def test_ratio_is_to_the_fastest_peer() -> None:
    both = row("lenet", 1, fastcnn=2.0, onnxruntime=4.0, ncnn=5.0)
    assert (fastest_peer(both), ratio(both)) == ("onnxruntime", 0.5)
    assert ratio(row("lenet", 1, fastcnn=2.0)) is None
    assert ratio(row("lenet", 1, ncnn=2.0)) is None
    assert fastest_peer(row("lenet", 1, fastcnn=2.0)) is None


def test_difference_is_relative_to_the_largest_number() -> None:
    assert difference(np.array([[1.0, -4.5]]), np.array([1.0, -4.0])) == pytest.approx(0.125)
    assert difference(np.zeros(3), np.ones(2)) == math.inf
    assert difference(np.array([np.nan, 1.0]), np.ones(2)) == math.inf


def test_a_later_run_replaces_its_rows(tmp_path: Path) -> None:
    old = [row("resnet20", 1, fastcnn=1.0), row("lenet", 2, fastcnn=1.0), row("lenet", 1, fastcnn=1.0)]
    rows = merged(old, [row("lenet", 2, fastcnn=9.0)], list(NETWORKS))
    assert [(entry.network, entry.threads) for entry in rows] == [("lenet", 1), ("lenet", 2), ("resnet20", 1)]
    assert rows[1].measured["fastcnn"].median == 9.0
    rows[0].failures["mnn"] = "gone"
    write_rows(tmp_path / "rows.json", rows)
    assert read_rows(tmp_path / "rows.json") == rows


# ---- page and picture ------------------------------------------------------------------------------------------------------------------


def test_page() -> None:
    first = row("lenet", 1, fastcnn=0.0001)
    first.measured["onnxruntime"] = measured(0.0002, "PyTorch's export", p99=0.0003, idle=0.25)
    first.failures["ncnn"] = "it fell"
    first.unrest = 1.07
    second = row("vgg16", 1, fastcnn=0.12, onnxruntime=0.1, ncnn=0.2)
    text = page([first, second, row("lenet", 2, fastcnn=0.5)], MACHINE)
    assert "2026-01-02, on A processor, fastcnn's kernels for avx2. fastcnn 1.0, ONNX Runtime 2.0; not installed: ncnn." in text
    assert "| LeNet 28x28 | 0.100 | 0.200 P | failed | ONNX Runtime | 0.50 | 0.60 | yes |" in text
    assert "| VGG-16 | 120 | 100 | 200 | ONNX Runtime | 1.20 | 0.73 | no |" in text
    assert "| LeNet 28x28 | 500 | - | - | 0.60 | - |" in text.replace("| 500 | - | - | - | 0.60", "| 500 | - | - | 0.60")
    assert "0.300 (x1.50) | - | x1.07 |" in text
    assert "- ncnn failed: it fell. LeNet 28x28 (1)" in text
    assert "ONNX Runtime 25.00%" in text


def test_summary_counts_what_has_a_ratio() -> None:
    rows = [row("lenet", 1, fastcnn=1.0, ncnn=2.0), row("vgg16", 1, fastcnn=2.0, ncnn=1.0), row("unet", 1, fastcnn=2.0)]
    assert "over 2 of 14 networks: **1.00** (target 0.72). Targets reached: 1 of 2." in summary(rows)
    assert "over 0 of 14 networks: **-**" in summary([])


def test_picture_is_small(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the comparison draws with matplotlib")
    from compare.plot import draw

    rows = [row(name, threads, fastcnn=0.6 + 0.01 * index, ncnn=1.0) for index, name in enumerate(NETWORKS) for threads in (1, 2)]
    draw([*rows, row("lenet", 4, fastcnn=1.0)], tmp_path / "bars.png")
    assert 5_000 < (tmp_path / "bars.png").stat().st_size < 60_000


# ---- networks and processes ------------------------------------------------------------------------------------------------------------


def test_networks_are_the_zoo() -> None:
    assert len({network.title for network in NETWORKS.values()}) == len(NETWORKS) == 14
    for network in NETWORKS.values():
        assert not network.zoo or getattr(fc.zoo, network.zoo).__module__ == f"fastcnn.zoo.{network.file}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("compare")
    return Place(folder, folder, Path(sys.executable), None)


@pytest.fixture(scope="module")
def unmade(place: Place) -> dict[str, str]:
    said: list[str] = []
    conversions = Conversions(place.models, None, "versions")
    failures = conversions.of("lenet", said.append)
    assert said == ["[compare] lenet: fastcnn.safetensors, fastcnn.onnx, input.npy"]
    assert conversions.of("lenet", said.append) == failures
    assert len(said) == 1  # what is there is not made again
    assert Conversions(place.models, None, "newer versions").of("lenet", said.append) == failures
    assert len(said) == 2
    return failures


def test_contest_names_what_is_missing(place: Place, unmade: dict[str, str]) -> None:
    said: list[str] = []
    found = Contest(place, "lenet", 1, Budget(rounds=2, seconds=0.02, starts=1), unmade).run(["fastcnn", "ncnn"], said.append)
    ours = found.measured["fastcnn"]
    assert ours.calls >= 2
    assert 0 < ours.median <= ours.p99 < ours.start
    assert (ours.difference, ours.idle) == (0.0, 0.0)
    assert 0 < ours.memory < 1 << 30
    assert found.unrest >= 1
    assert found.failures == {"ncnn": "no environment with the peers was given"}
    assert len(found.notes) == len(ENGINES["ncnn"].forms)


def test_worker_that_fails_says_why(place: Place, unmade: dict[str, str]) -> None:
    with pytest.raises(EngineError, match=r"FileNotFoundError: .*absent\.safetensors"):
        place.worker("fastcnn", "lenet", "absent.safetensors", 1)


KEYS = """
import json, sys, torch
from compare.torch_zoo import network
with torch.device("meta"):
    print(json.dumps({name: {key: list(value.shape) for key, value in network(name).state_dict().items()} for name in sys.argv[1:]}))
"""


def test_torch_has_the_same_networks() -> None:
    pytest.importorskip("torch")
    names = [name for name in NETWORKS if name not in ("alexnet", "vgg16", "lenet", "vgg_cifar")]  # not the hundreds of megabytes
    done = subprocess.run([sys.executable, "-c", KEYS, *names], capture_output=True, text=True, check=True, cwd=BENCH)
    for name, keys in json.loads(done.stdout).items():
        ours = getattr(fc.zoo, NETWORKS[name].zoo)(**NETWORKS[name].arguments).state_dict()
        assert keys == {key: list(value.shape) for key, value in ours.items()}, name


def test_engine_that_ends_on_the_way_is_named(place: Place, unmade: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    contest = Contest(place, "lenet", 1, Budget(rounds=2, seconds=0.02, starts=0), unmade)
    turn = contest._turn

    def killing(entry):
        entry.worker._process.kill()
        turn(entry)

    monkeypatch.setattr(contest, "_turn", killing)
    found = contest.run(["fastcnn"], lambda line: None)
    assert (found.measured, found.failures) == ({}, {"fastcnn": "ended by signal 9"})


def test_what_conversions_depend_on_is_there() -> None:
    """A pattern that matches nothing would keep files of an older exporter."""
    root = Path(__file__).parents[1]
    assert all(list(root.glob(pattern)) for pattern in SOURCES)
