"""Threads: the same bits for any number of them, from any Python thread; denormals, which each thread flushes while it works."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from case import Case, spread
from op_cases import CASES
from running import SAME_3X3, Compiled, large_program, same_bits
from subprocesses import python

from fastcnn import _core

MANY = (1, 2, 3, 5, 8, 16, 64)


def test_many_threads_give_the_same_bits(isa: str) -> None:
    program, inputs = large_program(isa)
    wanted = program.run(inputs, threads=1)
    for threads in MANY:
        for _ in range(3):
            assert same_bits(program.run(inputs, threads=threads), wanted), f"{threads} threads"


# A grid of many work units for each op, so that threads split it in several ways.
WIDE = {
    "max_pool": Case("max_pool", "wide", (spread(2, 40, 9, 10),), CASES["max_pool"][0].attributes),
    "avg_pool": Case("avg_pool", "wide", (spread(2, 40, 9, 10),), CASES["avg_pool"][0].attributes),
    "activation": Case("activation", "wide", (spread(3, 37, 40, 11),), {"kind": "gelu", "a": 0.0, "b": 0.0}),
    "batch_norm_training": Case("batch_norm_training", "wide", (spread(4, 70, 9, 11), spread(70), spread(70)), {"eps": 1e-5}),
    "local_response_norm": Case("local_response_norm", "wide", (spread(3, 70, 9, 5),), CASES["local_response_norm"][0].attributes),
    "softmax": Case("softmax", "wide", (spread(300, 41),), {"axis": 1}),
    "log_softmax": Case("log_softmax", "image", (spread(3, 17, 20, 9),), {"axis": 1}),
    "mse": Case("mse", "wide", (spread(3, 70, 40, 11), spread(3, 70, 40, 11)), {}),
    "multiply": Case("multiply", "wide", (spread(3, 37, 40, 11), spread(1, 37, 1, 1)), {}),
    "linear": Case("linear", "wide", (spread(50, 70), spread(601, 70), spread(601)), {}),
}


@pytest.mark.parametrize("case", WIDE.values(), ids=str)
def test_wide_grids_give_the_same_bits(case: Case, isa: str) -> None:
    arrays = case.arrays()
    y = Compiled(case.op, arrays, case.attributes, isa)()[0]
    dy = np.random.default_rng(0).uniform(-1, 1, y.shape).astype(np.float32)
    for compiled in (
        Compiled(case.op, arrays, case.attributes, isa, ballast=True),
        Compiled(case.op, arrays, case.attributes, isa, case.wanted_gradients(), dy, ballast=True),
    ):
        wanted = compiled(1)
        for threads in (2, 3):
            assert same_bits(compiled(threads), wanted), f"{threads} threads"


def test_python_threads_share_a_program(isa: str) -> None:
    """8 Python threads on one program, with one and with two threads each: every call has the same bits."""
    program, inputs = large_program(isa)
    others = [inputs[0] * -0.5]
    wanted = {0: program.run(inputs, threads=1), 1: program.run(others, threads=1)}
    wrong: list[str] = []

    def work(number: int) -> None:
        for call in range(25):
            which = (number + call) % 2
            result = program.run((inputs, others)[which], threads=1 + number % 2)
            if not same_bits(result, wanted[which]):
                wrong.append(f"thread {number}, call {call}")

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
        assert not worker.is_alive()
    assert not wrong


def test_a_write_is_seen_by_every_thread(isa: str) -> None:
    """Prepared weights are made anew once, by whichever thread comes first; none may still see the old ones or half of the new."""
    parameter = _core.Parameter(np.ones((64, 64, 3, 3)))
    graph = _core.Graph()
    graph.outputs(graph.add("conv2d", [graph.input("x", (1, 64, 8, 8)), graph.parameter(parameter, "weight"), None], SAME_3X3))
    program = _core.Program(graph, isa=isa)
    x = np.ones((1, 64, 8, 8), np.float32)
    one = program.run([x], threads=1)[0]
    with ThreadPoolExecutor(4) as pool:
        for value in 2.0 ** np.arange(1, 11):  # powers of two change no rounding
            parameter.assign(np.full((64, 64, 3, 3), value))
            results = pool.map(lambda _: program.run([x], threads=2)[0], range(8), timeout=60)
            assert all((result == value * one).all() for result in results)


def test_default_number_of_threads() -> None:
    before = _core.get_num_threads()
    try:
        _core.set_num_threads(3)
        assert _core.get_num_threads() == 3
        program, inputs = large_program()
        assert same_bits(program.run(inputs), program.run(inputs, threads=1))
    finally:
        _core.set_num_threads(before)
    assert before >= 1


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_impossible_numbers_of_threads_are_errors(threads: int) -> None:
    with pytest.raises(ValueError, match=rf"^\[set_num_threads\] threads must be between 1 and 256\. Got {threads}\.$"):
        _core.set_num_threads(threads)


@pytest.mark.parametrize(("value", "wanted"), [("3", "3"), ("", None), ("0", None), ("nonsense", None), ("100000", "256")])
def test_environment_sets_the_default(value: str, wanted: str | None) -> None:
    got = python("from fastcnn import _core; print(_core.get_num_threads())", OMP_NUM_THREADS=value).stdout.strip()
    assert got == (wanted or str(len(os.sched_getaffinity(0))))


IDLE = """
import time
import numpy as np, fastcnn as fc
net, x = fc.Sequential(fc.Conv2d(32, 32, 3)), np.ones((1, 32, 64, 64), np.float32)
fc.set_num_threads(2)
for _ in range(10):
    net.predict(x)
start = time.process_time()
time.sleep(0.5)
print(time.process_time() - start)
"""


ALONE = {"OPENBLAS_NUM_THREADS": "1"}  # NumPy's own threads spin for up to 30 ms after its import


@pytest.mark.parametrize("microseconds", [None, "0", "200", "nonsense", "-1"])
def test_idle_threads_sleep(microseconds: str | None) -> None:
    """After the last call they wait for 0.2 ms at most, unless they are told otherwise."""
    environment = {} if microseconds is None else {"FASTCNN_SPIN_MICROSECONDS": microseconds}
    assert float(python(IDLE, **ALONE, **environment).stdout) < 0.02


def test_idle_threads_wait_as_long_as_they_are_told() -> None:
    assert float(python(IDLE, **ALONE, FASTCNN_SPIN_MICROSECONDS="400000").stdout) > 0.02


# ---- denormals -------------------------------------------------------------------------------------------------------------------------


def assert_denormals_live() -> None:
    tiny = np.full(64, 1e-40, np.float32)
    assert (tiny * np.float32(0.5) != 0).all()
    assert (np.full(64, 1e-310) * 0.5 != 0).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_callers_denormals_are_left_alone(isa: str, threads: int) -> None:
    assert_denormals_live()
    program, inputs = large_program(isa)
    program.run(inputs, threads=threads)
    assert_denormals_live()
    with pytest.raises(ValueError, match="shape"):
        program.run([inputs[0][:1]], threads=threads)
    assert_denormals_live()


def test_denormal_inputs_count_as_zero_or_as_they_are(isa: str) -> None:
    """Either is right, in every element and for any number of threads: a run may flush them and may not be slowed by them."""
    x = np.full((1, 20, 8, 9), 1e-39, np.float32)
    weight = np.ones((20, 20, 3, 3), np.float32)
    compiled = Compiled("conv2d", [x, weight, None], SAME_3X3, isa, ballast=True)
    y = compiled(1)[0]
    exact = np.full(20, 1e-39) @ np.ones((20, 20)) * 9
    assert (y[0, :, 1:-1, 1:-1] == 0).all() or np.allclose(y[0, :, 1:-1, 1:-1], exact[:, None, None], rtol=1e-5)
    assert same_bits(compiled(2), [y])
