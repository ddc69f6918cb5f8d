"""Which ISA runs: the argument `isa`, then FASTCNN_ISA, then the best of the processor. What cannot run is a clear error, never a crash."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from running import SAME_3X3, run
from subprocesses import python

from fastcnn import _core

ISAS = _core.available_isas()
LANES = {"avx512": 16, "avx2": 8, "neon": 4, "baseline": 4}

RUN = """
import numpy as np
from fastcnn import _core
graph = _core.Graph()
graph.outputs(graph.add("scale_shift", [graph.input("x", (2, 3))], {"scale": 2.0, "shift": 1.0}))
assert (_core.Program(graph).run([np.ones((2, 3))])[0] == 3).all()
print(_core.default_isa(), _core.lanes(""))
"""


def test_isas_of_this_machine() -> None:
    assert ISAS[-1] == "baseline"
    assert len(set(ISAS)) == len(ISAS)
    flags = {word for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags") for word in line.split()}
    if flags:  # x86
        assert ("avx2" in ISAS) == ({"avx2", "fma"} <= flags)
        assert ("avx512" in ISAS) == ({"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"} <= flags)


def test_the_best_is_the_default() -> None:
    assert python(RUN).stdout.split() == [ISAS[0], str(LANES[ISAS[0]])]


def test_environment_names_the_isa(isa: str) -> None:
    assert python(RUN, FASTCNN_ISA=isa).stdout.split() == [isa, str(LANES[isa])]
    assert _core.lanes(isa) == LANES[isa]


def test_empty_environment_means_nothing() -> None:
    assert python(RUN, FASTCNN_ISA="").stdout.split()[0] == ISAS[0]


def test_argument_beats_environment(isa: str) -> None:
    code = RUN.replace("Program(graph)", f"Program(graph, isa={isa!r})") + f"print(_core.lanes({isa!r}))"
    assert python(code, FASTCNN_ISA=ISAS[0]).stdout.split() == [ISAS[0], str(LANES[ISAS[0]]), str(LANES[isa])]


@pytest.mark.parametrize("name", ["sse9", "AVX2", " ", "avx512 ", "../../etc", "é", "x" * 10000])
def test_unknown_isa_in_the_environment(name: str) -> None:
    result = python(RUN, check=False, FASTCNN_ISA=name)
    assert result.returncode == 1
    line = result.stderr.strip().splitlines()[-1]
    assert line == f"ValueError: [dispatch] FASTCNN_ISA must be one of {', '.join(compiled())}. Got {name}."


def compiled() -> list[str]:
    return ["avx512", "avx2", "baseline"] if os.uname().machine == "x86_64" else ["neon", "baseline"]


def test_import_survives_a_wrong_environment() -> None:
    """The error comes where an ISA is needed, with its reason, and not as a failed import."""
    assert python("import fastcnn; print(fastcnn.__name__)", FASTCNN_ISA="sse9").stdout.strip() == "fastcnn"


def test_unknown_isa_as_argument() -> None:
    graph = _core.Graph()
    graph.outputs(graph.add("scale_shift", [graph.input("x", (2, 3))], {"scale": 2.0, "shift": 1.0}))
    with pytest.raises(ValueError, match=r"^\[dispatch\] .*avx512.*\. Got sse9\.$"):
        _core.Program(graph, isa="sse9")


@pytest.mark.skipif(set(compiled()) <= set(ISAS), reason="this processor has every ISA that is compiled in")
def test_isa_that_the_processor_lacks() -> None:
    missing = next(isa for isa in compiled() if isa not in ISAS)
    with pytest.raises(ValueError, match=rf"^\[dispatch\] this processor lacks the instructions .*\. Got {missing}\.$"):
        _core.lanes(missing)


DIRECT = SAME_3X3 | {"algorithm": "direct"}  # transforms round even integers


def test_isas_differ_by_rounding_alone(rng: np.random.Generator) -> None:
    """On small integers nothing is rounded, so all must have the same bits."""
    x, weight = (rng.integers(-8, 9, shape).astype(np.float32) for shape in ((2, 37, 9, 8), (21, 37, 3, 3)))
    results = [run("conv2d", [x, weight, None], DIRECT, isa)[0].tobytes() for isa in ISAS]
    assert len(set(results)) == 1


def test_programs_of_several_isas_share_parameters(rng: np.random.Generator) -> None:
    """Prepared weights of one ISA are not those of another, though they hang on one parameter."""
    x, weight = (rng.integers(-8, 9, shape).astype(np.float32) for shape in ((1, 37, 5, 5), (21, 37, 3, 3)))
    parameter = _core.Parameter(weight)
    programs = []
    for isa in ISAS * 2:
        graph = _core.Graph()
        graph.outputs(graph.add("conv2d", [graph.input("x", x.shape), graph.parameter(parameter, "weight"), None], DIRECT))
        programs.append(_core.Program(graph, isa=isa))
    assert len({program.run([x])[0].tobytes() for program in programs}) == 1
    parameter.assign(2 * weight)
    assert len({program.run([x])[0].tobytes() for program in programs}) == 1
    np.testing.assert_array_equal(programs[0].run([x])[0], 2 * run("conv2d", [x, weight, None], DIRECT)[0])


def test_measured_limits(isa: str) -> None:
    assert _core.measure_peak(isa) > 0
    assert _core.measure_bandwidth(1 << 16, isa, threads=2) > 0
    with pytest.raises(ValueError, match=r"^\[measure_bandwidth\] bytes must be between 1 and 1073741824\. Got 0\.$"):
        _core.measure_bandwidth(0, isa)
