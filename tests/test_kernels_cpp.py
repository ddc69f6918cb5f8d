"""Builds the kernels without Python and runs their C++ tests for every ISA of this machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "kernel_tests"  # kept, so that a second run compiles only what changed


def tool(name):
    """A program of this virtual environment, or else of the system; None if there is none."""
    return shutil.which(name, path=os.path.dirname(sys.executable)) or shutil.which(name)


def run(*command):
    # Without LD_PRELOAD: under `make sanitize` it holds a sanitizer, which is for the extension and not for the compiler.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def program():
    if not (os.environ.get("CXX") or shutil.which("c++")):
        pytest.skip("there is no C++ compiler")
    cmake, ninja = tool("cmake"), tool("ninja")
    assert cmake, "cmake is neither in this environment nor in the PATH"
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"] if ninja else []
    run(cmake, "-S", ROOT, "-B", BUILD, *generator, "-DFASTCNN_PYTHON=OFF", "-DFASTCNN_TESTS=ON")
    run(cmake, "--build", BUILD, "--target", "kernel_tests", "--parallel", str(os.cpu_count()))
    return BUILD / "kernel_tests"


def test_kernels_agree_with_references_in_double(program):
    assert "baseline conv_direct: passed" in run(program)
