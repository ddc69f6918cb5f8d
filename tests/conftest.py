"""Fixtures: every test that takes `isa` runs once for each ISA of this machine; `rng` is seeded by the test's name."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from fastcnn import _core


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "isa" in metafunc.fixturenames:
        metafunc.parametrize("isa", _core.available_isas())


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))
