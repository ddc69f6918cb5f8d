"""Checkpoints of fit: all that the next epoch depends on, as one safetensors file."""

from __future__ import annotations

import json
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from fastcnn.formats.safetensors import read, write
from fastcnn.support.arguments import whole
from fastcnn.support.arrays import AnyArray
from fastcnn.training.history import History

__all__ = ["Checkpoint", "read_checkpoint", "write_checkpoint"]


class Checkpoint(NamedTuple):
    """A training between two epochs."""

    model: dict[str, AnyArray]  # the state_dict
    slots: dict[str, list[AnyArray]]  # the state of the optimizer, an array for each parameter
    history: History
    steps: int  # of the trainer; the masks of dropout depend on it
    optimizer_steps: int
    settings: dict[str, Any]  # that a resumed training must share


def write_checkpoint(path: str | PathLike[str], checkpoint: Checkpoint) -> None:
    """Writes the file, whole or not at all."""
    tensors = {f"model/{key}": array for key, array in checkpoint.model.items()}
    for slot, arrays in checkpoint.slots.items():
        tensors |= {f"optimizer/{slot}/{i}": array for i, array in enumerate(arrays)}
    tensors |= {f"history/{name}": np.array(values, np.float64) for name, values in checkpoint.history.items()}
    counts = {"steps": checkpoint.steps, "optimizer_steps": checkpoint.optimizer_steps, "settings": checkpoint.settings}
    write(path, tensors, {"fastcnn": json.dumps({"kind": "checkpoint", "version": 1, **counts})})


def read_checkpoint(path: str | PathLike[str]) -> Checkpoint:
    """The checkpoint in a file; ValueError if there is none."""
    tensors, metadata = read(path)
    try:
        counts = json.loads(metadata.get("fastcnn", ""))
        if counts["kind"] != "checkpoint" or counts["version"] != 1:
            raise ValueError(f"kind {counts['kind']!r}, version {counts['version']!r}")
        steps, optimizer_steps = (whole("fit", name, counts[name]) for name in ("steps", "optimizer_steps"))
        settings = dict(counts["settings"])
        groups = _grouped(tensors)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, OverflowError) as error:
        raise ValueError(f"[fit] the file must be a checkpoint of fit. Got {path}: {error}.") from None
    return Checkpoint(*groups, steps, optimizer_steps, settings)


def _grouped(tensors: dict[str, AnyArray]) -> tuple[dict[str, AnyArray], dict[str, list[AnyArray]], History]:
    """(model, slots, history) from the tensors, by the first part of their names. ValueError for other names."""
    model: dict[str, AnyArray] = {}
    slots: dict[str, dict[int, AnyArray]] = {}
    history = History()
    for key, array in tensors.items():
        group, _, name = key.partition("/")
        if group == "model":
            model[name] = array
        elif group == "optimizer":
            slot, _, index = name.partition("/")
            slots.setdefault(slot, {})[int(index)] = array
        elif group == "history":
            history[name] = [float(value) for value in array.ravel()]
        else:
            raise ValueError(f"tensor '{key}'")
    if not {"loss", "seconds"} <= set(history) or len({len(column) for column in history.values()}) != 1:
        raise ValueError(f"a history of {', '.join(history)}")
    return model, {slot: [arrays[i] for i in range(len(arrays))] for slot, arrays in slots.items()}, history
