"""Threads in processes of their own, for one that hangs must not hang the tests: fork, and more threads than cores."""

from __future__ import annotations

import pytest
from subprocesses import python

SETUP = """
from running import large_program
program, inputs = large_program()
"""

FORK = (
    SETUP
    + """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: fork with threads is what is tested here
wanted = program.run(inputs, threads=2)[0].tobytes()
for generation in range(3):
    child = os.fork()
    if child == 0:
        same = all(program.run(inputs, threads=threads)[0].tobytes() == wanted for threads in (2, 1, 3, 2))
        grandchild = os.fork()
        if grandchild == 0:
            os._exit(0 if program.run(inputs, threads=2)[0].tobytes() == wanted else 1)
        os._exit(0 if same and os.waitpid(grandchild, 0)[1] == 0 else 1)
    assert program.run(inputs, threads=2)[0].tobytes() == wanted  # the parent goes on at the same time
    assert os.waitpid(child, 0)[1] == 0
print("done")
"""
)

MULTIPROCESSING = (
    SETUP
    + """
import multiprocessing, warnings
warnings.simplefilter("ignore", DeprecationWarning)
wanted = program.run(inputs, threads=2)[0].tobytes()
def work(threads):
    return program.run(inputs, threads=threads)[0].tobytes() == wanted
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert all(pool.map(work, [1, 2, 3, 2, 1, 2]))
assert work(2)
print("done")
"""
)

FORK_WHILE_A_THREAD_RUNS = (
    SETUP
    + """
import os, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
wanted = program.run(inputs, threads=2)[0].tobytes()
stop = threading.Event()
def work():
    while not stop.is_set():
        program.run(inputs, threads=2)
worker = threading.Thread(target=work)
worker.start()
for _ in range(10):
    child = os.fork()
    if child == 0:
        other, _ = large_program()  # the running thread may have held a lock of the program when it was copied
        os._exit(0 if other.run(inputs, threads=2)[0].tobytes() == wanted else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
worker.join()
print("done")
"""
)


@pytest.mark.parametrize("code", [FORK, MULTIPROCESSING, FORK_WHILE_A_THREAD_RUNS], ids=["fork", "multiprocessing", "busy"])
def test_threads_survive_fork(code: str) -> None:
    assert python(code).stdout.strip() == "done"


def test_more_threads_than_cores_make_progress() -> None:
    """16 threads on the cores that are there, a thousand barriers: waiting that never sleeps would take minutes."""
    code = SETUP + "for _ in range(50):\n    program.run(inputs, threads=16)\nprint('done')"
    assert python(code).stdout.strip() == "done"


def test_threads_are_really_used() -> None:
    code = (
        "import os\n" + SETUP + "before = len(os.listdir('/proc/self/task'))\n"
        "program.run(inputs, threads=1)\nassert len(os.listdir('/proc/self/task')) == before\n"
        "program.run(inputs, threads=3)\nassert len(os.listdir('/proc/self/task')) >= before + 2\n"
    )
    python(code)
