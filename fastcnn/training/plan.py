"""The program of a training step for one batch shape: the network, its loss, the gradients and the update in one graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fastcnn._core import ArenaPool, Parameter, TrainingProgram
from fastcnn.network.network import Network
from fastcnn.network.traced import traced
from fastcnn.support.arrays import Shape
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.trace import BatchCounter
from fastcnn.tracing.value import Value
from fastcnn.training.losses import Loss, MSELoss

__all__ = ["TrainingPlan", "kept_bytes", "trained_parameters", "training_plan", "with_loss"]


class TrainingPlan(NamedTuple):
    """The program of a training step for one batch shape."""

    program: TrainingProgram
    output: Shape  # of what the network returns
    counters: list[BatchCounter]  # of its batch norms


def trained_parameters(where: str, net: Network) -> list[Parameter]:
    """The parameters that are not frozen; ValueError if there are none."""
    parameters = list(net.parameters())
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    if not trained:
        got = f"{type(net).__name__} with {len(parameters)}, all frozen" if parameters else f"{type(net).__name__} without any"
        raise ValueError(f"[{where}] the network must have parameters to train. Got {got}.")
    return trained


def with_loss(net: Network, loss: Loss, shape: Shape, training: bool) -> tuple[Any, Value, Value]:
    """Traces the network for inputs of `shape`, and its loss. Returns the trace, the output and the loss."""
    trace, output = traced(net, [shape], training)
    if not isinstance(output, Value):
        got = f"{len(output)}" if isinstance(output, tuple) else "an array"
        raise ValueError(f"[{loss.name}] a network that is trained must return one value. Got {got}.")
    target = trace.input("y", loss.target_shape(concrete(output.shape)), loss.dtype)
    return trace, output, loss(output, target)


def training_plan(
    net: Network,
    loss: Loss,
    shape: Shape,
    parameters: Sequence[Parameter],
    arenas: ArenaPool | None = None,
    clip_norm: float = 0.0,
    budget: int | None = None,
) -> TrainingPlan:
    """The training step for a batch of `shape` (N, C, H, W). clip_norm: 0 for none. budget: of the arena in bytes, or None."""
    trace, output, value = with_loss(net, loss, shape, training=True)
    trace.graph.outputs([output.id])
    program = TrainingProgram(trace.graph, value.id, parameters, arenas=arenas, clip_norm=clip_norm, budget=budget)
    return TrainingPlan(program, concrete(output.shape), trace.counters)


def kept_bytes(net: Network, image: Shape) -> dict[tuple[str, str], int] | None:
    """The bytes of activations that a training step of one image keeps for the backward pass, by layer and op, from its plan.

    None for a network that cannot be trained: without parameters, with several outputs, or with an op that has no gradient.
    """
    try:
        plan = training_plan(net, MSELoss(), (1, *image), trained_parameters("cost", net)).program.plan
    except (ValueError, NotImplementedError):
        return None
    backward = min((block["first"] for block in plan if block["kind"] == "gradient"), default=0)  # its first node
    kept: dict[tuple[str, str], int] = {}
    for block in plan:
        if block["kind"] == "activation" and block["first"] < backward <= block["last"]:
            key = block["name"], block["op"]
            kept[key] = kept.get(key, 0) + block["bytes"]
    return kept
