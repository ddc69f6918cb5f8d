"""Evaluation: loss and accuracy of a network on data. The loss is that of training, batch norms use their running statistics."""

from __future__ import annotations

import numpy as np

from fastcnn._core import ArenaPool, Program
from fastcnn.network.kept_programs import KeptPrograms, held_by
from fastcnn.network.network import Network
from fastcnn.support.arguments import whole
from fastcnn.support.arrays import AnyArray, ArrayLike, Shape, array_of
from fastcnn.tracing.batch_size import concrete
from fastcnn.training.last_fit import last_loss
from fastcnn.training.losses import Loss
from fastcnn.training.losses import named as named_loss
from fastcnn.training.plan import with_loss

__all__ = ["Evaluator", "checked_pair", "right_answers"]


def checked_pair(where: str, x: ArrayLike, y: ArrayLike) -> tuple[AnyArray, AnyArray]:
    """x and y as arrays of the same length, at least 1; ValueError otherwise."""
    samples, targets = array_of(where, "x", x), array_of(where, "y", y)
    if samples.ndim == 0 or targets.ndim == 0 or len(samples) != len(targets) or len(samples) == 0:
        got = f"x {samples.shape}, y {targets.shape}"
        raise ValueError(f"[{where}] x and y must hold one sample at least, and as many of each. Got {got}.")
    return samples, targets


def right_answers(output: AnyArray, targets: AnyArray) -> int:
    """The number of right classes. output: (N, K, ...), the score of each class; targets: (N, ...)."""
    return int(np.count_nonzero(output.argmax(axis=1) == targets))


class Evaluator:
    """Evaluates one network with one loss. Keeps its programs from one call to the next."""

    def __init__(self, net: Network, loss: Loss | str | None) -> None:
        """loss None: that of the last fit, "cross_entropy" if there was none."""
        self._net = net
        self._loss = named_loss(last_loss(net) or "cross_entropy" if loss is None else loss)
        self._arenas = ArenaPool()
        self._programs: KeptPrograms[Shape, tuple[Program, Shape]] = KeptPrograms()

    def program(self, shape: Shape) -> tuple[Program, Shape]:
        """The program for samples of this shape, with the shape of the network's output."""
        known = self._programs.get(shape)
        if known is not None:
            return known
        trace, output, value = with_loss(self._net, self._loss, shape, training=False)
        trace.graph.outputs([value.id, output.id])
        program = Program(trace.graph, arenas=self._arenas)
        return self._programs.put(shape, (program, concrete(output.shape)), held_by(program))

    def targets(self, samples: AnyArray, y: AnyArray, batch_size: int) -> AnyArray:
        """The targets y, checked and converted by the loss."""
        return self._loss.targets(y, self.program(samples[:batch_size].shape)[1])

    def __call__(self, x: ArrayLike, y: ArrayLike, batch_size: int) -> dict[str, float]:
        """{"loss": ..., "accuracy": ...}, means over all of x; the accuracy only for a loss of classes."""
        samples, given = checked_pair("evaluate", x, y)
        step = whole("evaluate", "batch_size", batch_size, 1)
        targets = self.targets(samples, given, step)
        total = 0.0
        right = 0
        for start in range(0, len(samples), step):
            xb, yb = samples[start : start + step], targets[start : start + step]
            loss, output = self.program(xb.shape)[0].run([xb, yb])
            total += float(loss) * len(xb)
            right += right_answers(output, yb) if self._loss.classes else 0
        result = {"loss": total / len(samples)}
        if self._loss.classes:
            result["accuracy"] = right / targets.size
        return result
