"""What a run accepts and what it refuses: strides, element types, shapes, NaN and infinity, `outputs=` arrays, broken graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from running import SAME_3X3, Compiled, run, same_bits

from fastcnn import _core

Array = np.ndarray
SHAPE = (2, 5, 6, 7)
MAX_POOL = {"kernel": [2, 2], "stride": [1, 1], "padding": [0] * 4, "dilation": [1, 1], "ceil_mode": False}


def conv_graph(shape: tuple[int, ...] = SHAPE, outputs: int = 3) -> tuple[_core.Graph, int]:
    graph = _core.Graph()
    weight = np.random.default_rng(0).uniform(-1, 1, (outputs, shape[1], 3, 3))
    values = [graph.input("x", shape), graph.parameter(_core.Parameter(weight), "weight"), None]
    return graph, graph.add("conv2d", values, SAME_3X3, "features.0")[0]


def conv_program(shape: tuple[int, ...] = SHAPE) -> _core.Program:
    graph, y = conv_graph(shape)
    graph.outputs([y])
    return _core.Program(graph)


@pytest.fixture
def x(rng: np.random.Generator) -> Array:
    return rng.uniform(-1, 1, SHAPE).astype(np.float32)


# ---- strides and element types ---------------------------------------------------------------------------------------------------------


def misaligned(x: Array) -> Array:
    raw = np.zeros(x.nbytes + 1, np.uint8)[1:]
    raw[:] = np.frombuffer(x.tobytes(), np.uint8)
    return raw.view(np.float32).reshape(x.shape)


def read_only(x: Array) -> Array:
    copy = x.copy()
    copy.flags.writeable = False
    return copy


ARRANGED = {
    "every second": lambda x: np.repeat(x, 2, axis=3)[..., ::2],
    "negative strides": lambda x: np.ascontiguousarray(x[::-1, :, ::-1, ::-1])[::-1, :, ::-1, ::-1],
    "Fortran order": np.asfortranarray,
    "channels last": lambda x: np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "misaligned": misaligned,
    "read-only": read_only,
    "other byte order": lambda x: x.astype(x.dtype.newbyteorder()),
    "part of a larger array": lambda x: np.pad(x, 2)[2:-2, 2:-2, 2:-2, 2:-2],
    "a list": lambda x: x.tolist(),
}


@pytest.mark.parametrize("arrange", ARRANGED.values(), ids=ARRANGED)
def test_any_arrangement_gives_the_same_bits(x: Array, arrange: Any) -> None:
    program = conv_program()
    before = x.copy()
    arranged = arrange(x)
    assert same_bits(program.run([arranged]), program.run([x]))
    np.testing.assert_array_equal(arranged, before)  # an input is never written


def test_broadcast_array(x: Array) -> None:
    one = np.ascontiguousarray(x[:, :, :1])
    assert same_bits(conv_program().run([np.broadcast_to(one, SHAPE)]), conv_program().run([np.repeat(one, 6, axis=2)]))


@pytest.mark.parametrize(
    "dtype", ["float64", "float16", "longdouble", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
)
def test_numbers_become_float32_without_scaling(rng: np.random.Generator, dtype: str) -> None:
    x = rng.integers(0, 100, SHAPE).astype(dtype)
    assert same_bits(conv_program().run([x]), conv_program().run([x.astype(np.float32)]))


@pytest.mark.parametrize(
    "values", [np.ones(SHAPE, bool), np.ones(SHAPE, complex), np.ones(SHAPE, "U1"), np.ones(SHAPE, object), np.ones(SHAPE, "M8[s]")]
)
def test_other_types_are_errors(values: Array) -> None:
    with pytest.raises(TypeError, match=r"^\[run\] input 'x' must be floating point or integer\. Got .*\.$"):
        conv_program().run([values])


@pytest.mark.parametrize("thing", [object(), "text", {"a": 1}])
def test_things_that_are_no_numbers_are_errors(thing: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^\[run\] input 'x' must"):
        conv_program().run([thing])


def loss_program() -> _core.Program:
    graph = _core.Graph()
    graph.outputs(graph.add("cross_entropy", [graph.input("x", (4, 3)), graph.input("target", (4,), "int32")], {"label_smoothing": 0.0}))
    return _core.Program(graph)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_targets_of_any_integer_type(rng: np.random.Generator, dtype: str) -> None:
    logits, target = rng.uniform(-1, 1, (4, 3)).astype(np.float32), np.array([0, 2, 1, 2])
    assert same_bits(loss_program().run([logits, target.astype(dtype)]), loss_program().run([logits, target.astype(np.int32)]))


@pytest.mark.parametrize("target", [np.zeros(4), np.zeros(4, bool), np.zeros(4, complex)])
def test_targets_that_are_no_integers_are_errors(target: Array) -> None:
    with pytest.raises(TypeError, match=r"^\[run\] input 'target' must be integer\. Got .*\.$"):
        loss_program().run([np.zeros((4, 3), np.float32), target])


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**63, 2**64 - 1])
def test_targets_beyond_32_bits_are_errors(value: int) -> None:
    with pytest.raises(ValueError, match=rf"^\[run\] input 'target' must fit 32 bits\. Got {value}\.$"):
        loss_program().run([np.zeros((4, 3), np.float32), np.full(4, value)])


@pytest.mark.parametrize("target", [-1, 3, 2**31 - 1, -(2**31)])
def test_targets_beyond_the_classes_read_nothing_outside(isa: str, target: int) -> None:
    loss = run("cross_entropy", [np.zeros((4, 3), np.float32), np.array([0, target, 1, 2], np.int32)], {"label_smoothing": 0.0}, isa)[0]
    assert np.isnan(loss)


# ---- shapes ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 5, 6), (2, 5, 6, 8), (1, 5, 6, 7), (2, 4, 6, 7), (2, 5, 6, 7, 1), (0,), (), (1,) * 12])
def test_wrong_shapes_are_errors(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^\[run\] input 'x' must have the shape \(2, 5, 6, 7\)\. Got \(.*\)\.$"):
        conv_program().run([np.zeros(shape, np.float32)])


@pytest.mark.parametrize("count", [0, 2])
def test_wrong_number_of_inputs_is_an_error(count: int) -> None:
    with pytest.raises(ValueError, match=rf"^\[run\] there must be 1 inputs\. Got {count}\.$"):
        conv_program().run([np.zeros(SHAPE, np.float32)] * count)


@pytest.mark.parametrize("threads", [-1, 257, 10**6])
def test_wrong_number_of_threads_is_an_error(x: Array, threads: int) -> None:
    with pytest.raises(ValueError, match=rf"^\[run\] threads must be between 0 and 256\. Got {threads}\.$"):
        conv_program().run([x], threads=threads)


# ---- NaN and infinity ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channels", [1, 3, 17])
def test_one_bad_pixel_reaches_exactly_the_windows_that_hold_it(isa: str, x: Array, value: float, channels: int) -> None:
    x = np.ascontiguousarray(np.resize(x, (1, channels, 6, 7)))
    x[0, channels - 1, 2, 3] = value
    weight = np.ones((20, channels, 3, 3), np.float32)
    direct = SAME_3X3 | {"algorithm": "direct"}  # by Winograd it may reach its tile of outputs
    y = run("conv2d", [x, weight, None], direct, isa)[0]
    wanted = reference.conv2d(x, weight, **SAME_3X3)
    assert not np.isfinite(wanted[:, :, 1:4, 2:5]).any()
    np.testing.assert_array_equal(np.where(np.isfinite(wanted), 0, wanted), np.where(np.isfinite(y), 0, y))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_bad_pixel_in_max_pool(isa: str, x: Array, value: float) -> None:
    x[1, 4, 3, 3] = value
    np.testing.assert_array_equal(run("max_pool", [x], MAX_POOL, isa)[0], reference.max_pool(x, **MAX_POOL).astype(np.float32))


@pytest.mark.parametrize("padding", [0, 1])
def test_max_pool_of_minus_infinity(isa: str, padding: int) -> None:
    x = np.full((1, 5, 3, 4), -np.inf, np.float32)
    assert np.all(run("max_pool", [x], MAX_POOL | {"padding": [padding] * 4}, isa)[0] == -np.inf)


# Results of (nan, inf, -inf), as PyTorch has them.
SPECIAL = {
    "relu": (np.nan, np.inf, 0),
    "clipped": (np.nan, 6, 0),
    "leaky_relu": (np.nan, np.inf, -np.inf),
    "elu": (np.nan, np.inf, -0.5),
    "sigmoid": (np.nan, 1, 0),
    "tanh": (np.nan, 1, -1),
    "silu": (np.nan, np.inf, np.nan),
    "gelu": (np.nan, np.inf, np.nan),
    "hardsigmoid": (np.nan, 1, 0),
    "hardswish": (np.nan, np.inf, np.nan),
    "mish": (np.nan, np.inf, np.nan),
    "selu": (np.nan, np.inf, -1),
    "gelu_tanh": (np.nan, np.inf, np.nan),
    "softplus": (np.nan, np.inf, 0),
    "exp": (np.nan, np.inf, 0),
    "log": (np.nan, np.inf, np.nan),
    "sqrt": (np.nan, np.inf, np.nan),
    "reciprocal": (np.nan, 0, 0),
    "power": (np.nan, np.inf, np.inf),
    "abs": (np.nan, np.inf, np.inf),
    "sign": (np.nan, 1, -1),
    "floor": (np.nan, np.inf, -np.inf),
    "ceil": (np.nan, np.inf, -np.inf),
    "round": (np.nan, np.inf, -np.inf),
    "erf": (np.nan, 1, -1),
    "sin": (np.nan, np.nan, np.nan),
    "cos": (np.nan, np.nan, np.nan),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_activation_of_nan_and_infinity(isa: str, kind: str) -> None:
    """-inf: functions of the form x f(x) give NaN or their limit 0, as implementations differ, but nothing else."""
    parameters = {"clipped": (0.0, 6.0), "leaky_relu": (0.1, 0.0), "elu": (0.5, 0.0), "selu": (0.5, 2.0), "power": (2.5, 0.0)}
    a, b = (parameters | {"hardsigmoid": (0.25, 0.5)}).get(kind, (0.0, 0.0))
    x = np.array([np.nan, np.inf, -np.inf] * 11, np.float32)
    y = run("activation", [x], {"kind": kind, "a": a, "b": b}, isa)[0].reshape(11, 3)
    for got, wanted in zip(y.T, SPECIAL[kind], strict=True):
        limit = np.isnan(wanted) and kind in ("silu", "gelu", "gelu_tanh", "hardswish", "mish") and np.all(got == 0)
        assert limit or np.allclose(got, wanted, rtol=1e-6, equal_nan=True)


@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_softmax_keeps_nan_in_its_row(isa: str, op: str) -> None:
    x = np.zeros((3, 19), np.float32)
    x[1, 18] = np.nan
    y = run(op, [x], {"axis": 1}, isa)[0]
    assert np.isnan(y[1]).all()
    assert np.isfinite(y[[0, 2]]).all()


# ---- outputs -------------------------------------------------------------------------------------------------------------------------


def test_given_outputs_are_written(x: Array) -> None:
    program = conv_program()
    wanted = program.run([x])[0]
    out = np.full_like(wanted, np.nan)
    assert program.run([x], [out])[0] is out
    assert same_bits([out], [wanted])


def test_output_over_input(x: Array) -> None:
    """The result may be written where the input is read: it is then as if the input had been copied."""
    shape = (2, 5, 6, 7)
    program = conv_program_of_equal_shapes(shape)
    wanted = program.run([x])[0]
    assert same_bits([program.run([x], [x])[0]], [wanted])


def conv_program_of_equal_shapes(shape: tuple[int, ...]) -> _core.Program:
    graph, y = conv_graph(shape, outputs=shape[1])
    graph.outputs([y])
    return _core.Program(graph)


BAD_OUTPUTS = {
    "float64": np.zeros((2, 3, 6, 7)),
    "strided": np.zeros((2, 3, 6, 14), np.float32)[..., ::2],
    "Fortran order": np.zeros((2, 3, 6, 7), np.float32, order="F"),
    "read-only": np.zeros((2, 3, 6, 7), np.float32),
    "list": [[0.0]],
}
BAD_OUTPUTS["read-only"].flags.writeable = False


@pytest.mark.parametrize("out", BAD_OUTPUTS.values(), ids=BAD_OUTPUTS)
def test_outputs_that_cannot_be_written_are_errors(x: Array, out: Any) -> None:
    with pytest.raises(
        TypeError, match=r"^\[run\] out must be a .*NumPy array|^\[run\] out must be a writable C-contiguous float32 array\. Got"
    ):
        conv_program().run([x], [out])


def test_output_of_wrong_shape_is_an_error(x: Array) -> None:
    with pytest.raises(ValueError, match=r"^\[run\] out must have the shape \(2, 3, 6, 7\)\. Got \(2, 3, 7, 6\)\.$"):
        conv_program().run([x], [np.zeros((2, 3, 7, 6), np.float32)])


def test_wrong_number_of_outputs_is_an_error(x: Array) -> None:
    with pytest.raises(ValueError, match=r"^\[run\] there must be 1 output arrays\. Got 0\.$"):
        conv_program().run([x], [])


def test_outputs_that_overlap_are_an_error(x: Array) -> None:
    graph = _core.Graph()
    value = graph.input("x", (4,))
    graph.outputs([graph.add("scale_shift", [value], {"scale": scale, "shift": 0.0})[0] for scale in (2.0, 3.0)])
    program, memory = _core.Program(graph), np.zeros(8, np.float32)
    for outs in ([memory[:4], memory[:4]], [memory[:4], memory[3:7]], [memory[3:7], memory[:4]]):
        with pytest.raises(ValueError, match=r"^\[run\] output arrays must not overlap\. Got output 0 over output 1\.$"):
            program.run([x.ravel()[:4]], outs)
    assert np.array_equal(program.run([x.ravel()[:4]], [memory[:4], memory[4:]])[1], 3 * x.ravel()[:4])


def test_results_are_the_callers_own(x: Array) -> None:
    program = conv_program()
    first = program.run([x])[0]
    kept = first.copy()
    program.run([x + 1])
    assert same_bits([first], [kept])
    first[...] = 0  # writable
    assert same_bits(program.run([x]), [kept])


# ---- parameters ------------------------------------------------------------------------------------------------------------------------


def test_parameter_is_a_copy_and_writes_are_seen(x: Array) -> None:
    values = np.ones((3, 5, 3, 3))
    parameter = _core.Parameter(values)
    values[...] = 7
    assert (parameter.numpy() == 1).all()
    parameter.numpy()[...] = 5
    assert (parameter.numpy() == 1).all()
    assert (parameter.shape, parameter.size, parameter.numpy().dtype) == ((3, 5, 3, 3), 135, np.float32)
    graph = _core.Graph()
    graph.outputs(graph.add("conv2d", [graph.input("x", SHAPE), graph.parameter(parameter, "weight"), None], SAME_3X3))
    program = _core.Program(graph)
    before, version = program.run([x])[0], parameter.version
    parameter.assign(2 * np.ones((3, 5, 3, 3)))  # prepared weights must be made anew
    assert parameter.version == version + 1
    np.testing.assert_array_equal(program.run([x])[0], 2 * before)


def test_wrong_values_for_a_parameter_are_errors_and_write_nothing() -> None:
    parameter = _core.Parameter(np.ones(3))
    for values, error in (
        (np.ones(4), ValueError),
        (np.ones((3, 1)), ValueError),
        (np.ones(3, bool), TypeError),
        (np.ones(3, complex), TypeError),
    ):
        with pytest.raises(error, match=r"values"):
            parameter.assign(values)
    assert parameter.version == _core.Parameter(np.ones(3)).version
    assert (parameter.numpy() == 1).all()


def test_the_same_parameter_is_one_value() -> None:
    graph, parameter = _core.Graph(), _core.Parameter(np.ones(3))
    assert graph.parameter(parameter, "a") == graph.parameter(parameter, "b")
    assert graph.parameter(_core.Parameter(np.ones(3)), "c") != graph.parameter(parameter, "a")


def test_constants_that_differ_in_the_last_digit_are_two() -> None:
    """What depends on parameters alone is computed once and shared: only by nodes with exactly the same attributes."""
    parameter = _core.Parameter(np.ones(3))
    results = []
    programs = []
    for scale in (0.1234567, 0.1234568):
        graph = _core.Graph()
        constant = graph.add("scale_shift", [graph.parameter(parameter, "p")], {"scale": scale, "shift": 0.0})[0]
        graph.outputs(graph.add("add", [graph.input("x", (3,)), constant]))
        programs.append(_core.Program(graph))
        results.append(programs[-1].run([np.zeros(3)])[0])
    np.testing.assert_allclose(results, [[0.1234567] * 3, [0.1234568] * 3], rtol=2e-7)


def test_gradient_of_a_whole_batch_of_nothing(isa: str) -> None:
    weight = np.ones((3, 5, 3, 3), np.float32)
    compiled = Compiled(
        "conv2d", [np.zeros((0, 5, 6, 7), np.float32), weight, np.ones(3)], SAME_3X3, isa, [0, 1, 2], np.zeros((0, 3, 6, 7), np.float32)
    )
    dx, dweight, dbias = compiled()
    assert dx.shape == (0, 5, 6, 7)
    assert not dweight.any()
    assert not dbias.any()
