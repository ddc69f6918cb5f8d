"""Tracing a network: forward() runs once, on symbolic inputs of given shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastcnn.network.network import Network
from fastcnn.support.arrays import AnyArray, Shape
from fastcnn.tracing.trace import Trace
from fastcnn.tracing.value import Value

__all__ = ["Fixed", "new_trace", "run_forward", "traced"]


class Fixed:
    """An output that depends on the shapes of the inputs alone."""

    def __init__(self, array: AnyArray) -> None:
        self.array = array


def traced(net: Network, shapes: Sequence[Shape], training: bool = False) -> tuple[Trace, Any]:
    """Runs forward() on symbolic inputs. Returns the trace and what forward() returned: a value, or a tuple of values."""
    trace = new_trace(net, training)
    result = run_forward(trace, net, shapes)
    outputs = tuple(result) if isinstance(result, (tuple, list)) else result
    for output in outputs if isinstance(outputs, tuple) else (outputs,):
        if not isinstance(output, (Value, Fixed)):
            raise TypeError(f"[forward] it must return a symbolic value or a tuple of them. Got {type(output).__name__}.")
    return trace, outputs


def new_trace(net: Network, training: bool = False) -> Trace:
    """A trace that knows the paths of the network's modules, and has no node yet."""
    return Trace(*net.paths(), training)


def run_forward(trace: Trace, net: Network, shapes: Sequence[Shape]) -> Any:
    """What forward() returns for symbolic inputs of these shapes. Where it raises, the trace holds the nodes up to there."""
    Network.begin_age()
    names = net.input_names(len(shapes))
    try:
        return trace.run(net, *(trace.input(name, shape) for name, shape in zip(names, shapes, strict=True)))
    except RecursionError:
        raise RecursionError("[forward] it must not call itself without end. Got more calls than Python allows.") from None
    finally:
        Network.begin_age()
