"""predict: the outputs for many samples, computed batch by batch and joined along the axis that the batch has in each output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastcnn.network.network import Network
from fastcnn.running.compiled import Compiled, compiled
from fastcnn.support.arrays import AnyArray
from fastcnn.support.progress import progress_bar

__all__ = ["predict"]


def predict(net: Network, samples: AnyArray, step: int, progress: bool) -> Any:
    """See Module.predict. samples: (N, ...), step: samples of a batch."""
    starts = range(0, max(1, len(samples)), step)
    first = compiled(net, samples[:step].shape)
    _check_axes(first, len(starts))
    parts = []
    with progress_bar(progress, "predict", len(samples)) as advance:
        for start in starts:
            batch = samples[start : start + step]
            parts.append(compiled(net, batch.shape)(batch))
            advance(len(batch))
    if not isinstance(parts[0], tuple):
        return _joined(parts, first, 0)
    return tuple(_joined(column, first, place) for place, column in enumerate(zip(*parts, strict=True)))


def _check_axes(run: Compiled, batches: int) -> None:
    """Raises ValueError if the outputs of so many batches cannot be joined."""
    for place, output in enumerate(run.outputs):
        if output.shape == () and not output.constant:
            raise ValueError("[predict] each output must have a batch axis. Got one of shape ().")
        if output.batch_axis is None and batches > 1 and not output.constant:
            raise _unknown(run, place)


def _unknown(run: Compiled, place: int) -> ValueError:
    rule = "outputs of several batches are joined along the one axis that has the size of the batch; where none is known to have it, "
    rule += "batch_size must be at least the number of samples"
    return ValueError(f"[predict] {rule}. Got output {place} of shape {run.outputs[place].shape} for x of shape {run.shape}.")


def _joined(parts: Sequence[AnyArray], run: Compiled, place: int) -> AnyArray:
    """Joins one output of all batches. A constant is the same in each."""
    axis = run.outputs[place].batch_axis
    if len(parts) == 1:
        return parts[0]
    if axis is not None:
        return np.concatenate(parts, axis)
    if any(not np.array_equal(parts[0], part) for part in parts[1:]):
        raise _unknown(run, place)
    return parts[0]
