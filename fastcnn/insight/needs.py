"""Memory needs of a network: of a run, of a training step, and the largest batch within a budget. Nothing is run or allocated."""

from __future__ import annotations

from typing import Literal

from fastcnn.memory.budget import largest_batch
from fastcnn.memory.report import MemoryReport, training_report
from fastcnn.network.network import Network
from fastcnn.running.compiled import Options, compiled
from fastcnn.support.arrays import Shape
from fastcnn.training.losses import Loss
from fastcnn.training.losses import named as named_loss
from fastcnn.training.optimizers import Optimizer
from fastcnn.training.optimizers import named as named_optimizer
from fastcnn.training.plan import trained_parameters, training_plan

__all__ = ["inference_memory", "max_batch", "training_memory"]


def inference_memory(
    net: Network, shape: Shape, threads: int, memory: Literal["fast", "small"], accuracy: Literal["fast", "strict"]
) -> MemoryReport:
    """See Module.memory. threads: 0 for as many as are set."""
    options = Options(accuracy == "strict", memory == "small")
    return compiled(net, shape, options=options, threads=threads, keep=False).memory


def max_batch(net: Network, shape: Shape, budget: int, training: bool, optimizer: Optimizer | str, loss: Loss | str, threads: int) -> int:
    """See Module.max_batch. shape: (C, H, W). budget: bytes."""

    def need(count: int) -> int:
        batch = count, *shape
        report = (
            training_memory(net, batch, optimizer, loss, threads) if training else inference_memory(net, batch, threads, "fast", "fast")
        )
        return report.total

    return largest_batch(need, budget)


def training_memory(net: Network, shape: Shape, optimizer: Optimizer | str, loss: Loss | str, threads: int) -> MemoryReport:
    """See Module.memory with training=True."""
    parameters = trained_parameters("memory", net)
    plan = training_plan(net, named_loss(loss), shape, parameters)
    return training_report(plan.program, plan.output, named_optimizer(optimizer).state_bytes(parameters), threads)
