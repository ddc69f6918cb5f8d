"""out= that cannot be written to is refused with what is wrong about it."""

from __future__ import annotations

import re

import numpy as np
import pytest

import fastcnn as fc

X = np.ones((4, 3), np.float32)


def read_only() -> np.ndarray:
    out = np.zeros((4, 2), np.float32)
    out.setflags(write=False)
    return out


BAD = {
    "float64": np.zeros((4, 2)),
    ">f4": np.zeros((4, 2), ">f4"),
    "float32, not C-contiguous": np.zeros((2, 4), np.float32).T,
    "float32, not writable": read_only(),
    "float32, not aligned": np.frombuffer(bytearray(4 * 8 + 1), np.float32, 8, 1).reshape(4, 2),
    "float32, not C-contiguous, not writable": np.broadcast_to(np.float32(0), (4, 2)),
}


@pytest.mark.parametrize("got", BAD)
def test_what_is_wrong_is_said(got: str) -> None:
    run = fc.Linear(3, 2).compile(X.shape)
    text = f"[run] out must be a writable C-contiguous float32 array. Got {got}."
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        run(X, out=BAD[got])
