"""Traces of networks: forward() runs once on symbolic inputs of given shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastcnn.network.network import Network
from fastcnn.support.arrays import AnyArray, Shape
from fastcnn.tracing.trace import Trace
from fastcnn.tracing.value import Value

__all__ = ["Fixed", "new_trace", "run_forward", "traced"]


class Fixed:
    """An output that depends only on the shapes of the inputs, so that it is known without a run."""

    def __init__(self, array: AnyArray) -> None:
        self.array = array


def traced(net: Network, shapes: Sequence[Shape], training: bool = False) -> tuple[Trace, Any]:
    """Runs forward() on symbolic inputs of `shapes`. Returns the trace and the result of forward(): a value, or a tuple of values.

    TypeError if forward() returns anything else.
    """
    trace = new_trace(net, training)
    result = run_forward(trace, net, shapes)
    outputs = tuple(result) if isinstance(result, (tuple, list)) else result
    for output in outputs if isinstance(outputs, tuple) else (outputs,):
        if not isinstance(output, (Value, Fixed)):
            raise TypeError(f"[forward] it must return a symbolic value or a tuple of them. Got {type(output).__name__}.")
    return trace, outputs


def new_trace(net: Network, training: bool = False) -> Trace:
    """Returns a trace without nodes that knows the paths of the network's modules."""
    return Trace(*net.paths(), training)


def run_forward(trace: Trace, net: Network, shapes: Sequence[Shape]) -> Any:
    """Returns the result of forward() for symbolic inputs of these shapes. If forward() raises, the trace keeps the nodes so far."""
    from fastcnn.network.drawn_numbers import told_of_drawn_numbers

    with told_of_drawn_numbers(net, lambda: _run_forward(new_trace(net, trace.training), net, shapes)):
        return _run_forward(trace, net, shapes)


def _run_forward(trace: Trace, net: Network, shapes: Sequence[Shape]) -> Any:
    Network.begin_age()
    names = net.input_names(len(shapes))
    try:
        return trace.run(net, *(trace.input(name, shape) for name, shape in zip(names, shapes, strict=True)))
    except RecursionError:
        raise RecursionError("[forward] it must not call itself without end. Got more calls than Python allows.") from None
    finally:
        Network.begin_age()
