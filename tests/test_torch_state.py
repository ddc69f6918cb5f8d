"""Weights of PyTorch: load_state_dict takes its tensors as they are, and the files of safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_nets import lenet, same_state

import fastcnn as fc
from fastcnn.formats import safetensors


def torchs(torch: Any) -> Any:
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128, 4),
    )


def test_a_state_of_torch() -> None:
    torch = pytest.importorskip("torch")
    peer, net = torchs(torch).eval(), lenet()
    peer(torch.ones(2, 1, 8, 8))
    assert net.load_state_dict(peer.state_dict()) == ([], [])
    net.load_state_dict(dict(peer.named_parameters()), strict=False)  # tensors that have a gradient
    assert all(np.array_equal(value, peer.state_dict()[key].numpy()) for key, value in net.state_dict().items())
    x = np.random.default_rng(0).uniform(-1, 1, (3, 1, 8, 8)).astype(np.float32)
    want = peer(torch.from_numpy(x)).detach().numpy()
    assert np.abs(net(x) - want).max() <= 1e-6 * np.abs(want).max()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_tensors_of_other_precisions(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    state = {key: value.to(getattr(torch, dtype)) for key, value in torchs(torch).state_dict().items() if value.is_floating_point()}
    net = lenet()
    assert net.load_state_dict(state, strict=False).missing_keys == ["1.num_batches_tracked"]
    assert all(np.array_equal(net.state_dict()[key], value.float().numpy()) for key, value in state.items())


def test_wrong_tensors_are_listed() -> None:
    torch = pytest.importorskip("torch")
    net, state = lenet(), torchs(torch).state_dict()
    before = lenet()
    del state["5.bias"], state["8.weight"]
    state["extra"] = torch.ones(1)
    with pytest.raises(ValueError, match=r"^\[load_state_dict\] .* Got missing: 5\.bias, 8\.weight; unexpected: extra\.$"):
        net.load_state_dict(state)
    state = torchs(torch).state_dict()
    state["0.weight"], state["8.bias"] = state["0.weight"][:2], torch.ones(4, 1)
    with pytest.raises(ValueError, match=r" Got '0\.weight' \(2, 1, 3, 3\), not \(6, 1, 3, 3\); '8\.bias' \(4, 1\), not \(4,\)\.$"):
        net.load_state_dict(state)
    state = torchs(torch).state_dict()
    state["8.bias"] = torch.ones(4, dtype=torch.complex64)
    with pytest.raises(TypeError, match=r"^\[load_state_dict\] '8\.bias' must hold floating point numbers or integers\. Got complex64\.$"):
        net.load_state_dict(state)
    assert same_state(net, before)


def test_a_file_is_a_state(tmp_path: Path) -> None:
    source, net = lenet(5), lenet()
    safetensors.write(tmp_path / "a.safetensors", source.state_dict(), {})
    for path in (tmp_path / "a.safetensors", str(tmp_path / "a.safetensors")):
        assert net.load_state_dict(path) == ([], [])
        assert same_state(net, source)
    with pytest.raises(
        TypeError, match=r"^\[load_state_dict\] the state must be a mapping of keys to arrays, or the path of a file\. Got list\.$"
    ):
        net.load_state_dict([])  # type: ignore[arg-type]


def test_a_file_is_a_state_of_densenet(tmp_path: Path) -> None:
    source, net = fc.zoo.densenet121(classes=2, seed=1), fc.zoo.densenet121(classes=2)
    source.save(tmp_path / "a.safetensors")
    net.load_state_dict(tmp_path / "a.safetensors")
    assert same_state(net, source)
