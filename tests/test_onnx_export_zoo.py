"""The networks of the zoo in ONNX Runtime, from their ONNX files: the same numbers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from onnx_sessions import agrees, exported
from zoo_networks import LARGE, images, make, with_statistics

import fastcnn as fc


@pytest.mark.parametrize("name", fc.zoo.__all__)
def test_zoo(name: str, tmp_path: Path) -> None:
    x, net = images(name, 4, side=64), make(name)
    with_statistics(net, x)
    if name in LARGE and name not in ("alexnet", "vgg11_bn"):  # those two whole, for all
        features = next(part.in_features for part in net.classifier if isinstance(part, fc.Linear))
        net.classifier = fc.Sequential(fc.Linear(features, 7, seed=0))
    y = net(x)
    assert np.abs(y - y[:1]).max() >= 0.1 * np.abs(y).max()
    session = exported(net, tmp_path / "net.onnx", x.shape)
    agrees(net, session, x)
    agrees(net, session, x[:1])
    os.remove(tmp_path / "net.onnx")  # up to half a gigabyte
