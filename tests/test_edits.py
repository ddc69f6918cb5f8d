"""Plans and what changes the networks that they are of: which changes make them anew, which do not."""

from __future__ import annotations

import numpy as np

import fastcnn as fc

X = np.ones((1, 2, 3, 3), np.float32)


class Multiplied(fc.Module):
    def __init__(self, factor: int) -> None:
        self.register_buffer("factor", np.array([factor]))

    def forward(self, x: fc.Value) -> fc.Value:
        return x * self.factor


def test_a_loaded_integer_buffer_counts() -> None:
    net, other = Multiplied(2), Multiplied(5)
    assert np.array_equal(net(X), 2 * X)
    net.load_state_dict(other.state_dict())
    assert np.array_equal(net(X), 5 * X)
