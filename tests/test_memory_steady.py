"""What stays allocated: nothing is asked for by a call after the first, shapes without end do not pile up, and what is deleted goes."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from memory_counting import counted
from small_nets import lenet

import fastcnn as fc
from fastcnn.network import kept_programs
from fastcnn.running.compiled import program_of

CALLS = """
import gc
threads, how = int(sys.argv[1]), sys.argv[2]
net = fc.zoo.resnet20()
x = np.ones((2, 3, 32, 32), np.float32)
run = net.compile(x.shape, threads=threads or None)
out = run(x)
def call():
    if how == "out": run(x, out=out)
    elif how == "array": run(x)
    else: net(x)
for _ in range(20): call()
gc.disable()
counter.faults()
calls, faults = counter.calls(), counter.faults()
for _ in range(1000): call()
print(json.dumps([counter.calls() - calls, counter.faults() - faults]))
"""


@pytest.mark.parametrize(("threads", "how"), [(1, "out"), (1, "array"), (2, "out"), (0, "call")])
def test_a_thousand_calls_allocate_nothing(threads: int, how: str) -> None:
    """But for the result, of which NumPy takes back small ones from its cache. A page may be touched late by a thread that slept before."""
    calls, faults = counted(CALLS, str(threads), how)
    assert calls == 0
    assert faults <= (0 if threads == 1 else 4)


SHAPES = """
net = fc.zoo.resnet20()
net(np.ones((1, 3, 96, 96), np.float32))
held = []
for i in range(60):
    net(np.ones((1, 3, 32 + i, 32), np.float32))
    held.append(counter.held())
run = net.compile((8, 3, 128, 128))
before = counter.held()
run(np.ones((8, 3, 128, 128), np.float32))
during = counter.held()
size = run.memory.arena
del run
after = counter.held()
del net
print(json.dumps([held, before, during, after, size, counter.held()]))
"""


def test_memory_is_given_back() -> None:
    """Counted in the place of malloc: programs of a model share arenas and weights; a deleted one takes what only it needed with it."""
    held, before, during, after, size, end = counted(SHAPES)
    assert max(held) - held[0] < 30 << 20  # weights for the other algorithms, not 60 arenas and sets of weights
    assert before < during
    assert after <= during - size < during - (10 << 20)
    assert end == 0


def test_shapes_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest programs go where they hold more than the limit beside the latest."""
    net = fc.Sequential(fc.Conv2d(1, 4, 3), fc.ReLU())
    programs = []
    for side in range(8, 16):
        net(np.zeros((1, 1, side, 8)))
        programs.append(weakref.ref(program_of(net, (1, 1, side, 8))))
    assert all(program() is not None for program in programs)  # they are small
    one = kept_programs.BYTES_A_STEP * len(programs[0]().steps)
    monkeypatch.setattr(kept_programs, "MOST_BYTES", 3 * one + 1)
    net(np.zeros((1, 1, 20, 8)))
    gc.collect()
    assert [program() is not None for program in programs] == [False] * 5 + [True] * 3
    net(np.zeros((1, 1, 13, 8)))  # was used last
    net(np.zeros((1, 1, 21, 8)))
    assert [program() is not None for program in programs] == [False] * 5 + [True, False, True]


def test_compiled_programs_live_as_long_as_their_user_keeps_them() -> None:
    net, x = lenet(), np.zeros((2, 1, 8, 8), np.float32)
    run = net.compile(x.shape)
    program = weakref.ref(run._program)
    assert net.compile(x.shape, threads=1)._program is program()
    expected = run(x)
    del run
    assert program() is None
    run = net.compile(x.shape)
    assert np.array_equal(net(x), expected)  # kept for the next calls
    program = weakref.ref(run._program)
    del run
    assert program() is not None
    assert net.compile(x.shape)._program is program()
    del net
    assert program() is None
