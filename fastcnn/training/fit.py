"""fit: epochs over the data with a Trainer, validation, checkpoints, history.

The order of the samples is a pure function of (seed, epoch), the masks of dropout of (seed, step). There is no other random state: a
training that is resumed at an epoch has the same bits as one that was never interrupted.
"""

from __future__ import annotations

import os
import time
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastcnn.memory.budget import bytes_of, warn_of_need
from fastcnn.memory.report import inference_report
from fastcnn.network.network import Network
from fastcnn.support.arguments import flag, number, whole
from fastcnn.support.arrays import AnyArray, ArrayLike
from fastcnn.support.progress import progress_bar
from fastcnn.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from fastcnn.training.evaluation import Evaluator, checked_pair, right_answers
from fastcnn.training.history import History
from fastcnn.training.last_fit import Call, begin_fit, end_fit
from fastcnn.training.losses import Loss
from fastcnn.training.optimizers import Optimizer
from fastcnn.training.trainer import Trainer

__all__ = ["FitOptions", "fit"]


class FitOptions(NamedTuple):
    """The options of Module.fit."""

    epochs: int
    batch_size: int
    checkpoint: str | PathLike[str] | None
    resume: bool
    clip_norm: float | None
    memory: int | str | None
    seed: int
    progress: bool

    def checked(self) -> FitOptions:
        """The options in one form; TypeError or ValueError for a wrong one."""
        if flag("fit", "resume", self.resume) and self.checkpoint is None:
            raise ValueError("[fit] resume needs the path of a checkpoint. Got checkpoint=None.")
        return FitOptions(
            whole("fit", "epochs", self.epochs),
            whole("fit", "batch_size", self.batch_size, 1),
            None if self.checkpoint is None else _file("checkpoint", self.checkpoint),
            self.resume,
            None if self.clip_norm is None else number("fit", "clip_norm", self.clip_norm, above=0),
            None if self.memory is None else bytes_of("fit", "memory", self.memory),
            whole("fit", "seed", self.seed),
            flag("fit", "progress", self.progress),
        )


def _file(name: str, path: str | PathLike[str]) -> Path:
    """Returns the path of a file that can be written. ValueError for one that cannot, now and not after the first epoch."""
    real = Path(os.path.realpath(path))
    if real.is_dir() or not os.path.basename(path):
        raise ValueError(f"[fit] {name} must be the path of a file. Got the folder {os.fspath(path)}.")
    if not real.parent.is_dir():
        raise ValueError(f"[fit] the folder of the {name} must be there. Got {os.fspath(path)}.")
    if not os.access(real.parent, os.W_OK | os.X_OK):
        raise ValueError(f"[fit] the folder of the {name} must be writable. Got {os.fspath(path)}.")
    return Path(path)


def _validation(given: Any) -> tuple[AnyArray, AnyArray]:
    """validation_data as checked arrays."""
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        got = f"{len(given)} entries" if isinstance(given, (tuple, list)) else type(given).__name__
        raise TypeError(f"[fit] validation_data must be a tuple (x, y). Got {got}.")
    return checked_pair("fit", *given)


class Fit:
    """One call of fit: its data, its trainer and its history."""

    def __init__(
        self,
        net: Network,
        data: tuple[ArrayLike, ArrayLike],
        validation: tuple[ArrayLike, ArrayLike] | None,
        optimizer: Optimizer | str,
        loss: Loss | str,
        options: FitOptions,
    ) -> None:
        self.options = options
        self.x, given = checked_pair("fit", *data)
        self.validation = None if validation is None else _validation(validation)
        first = min(options.batch_size, len(self.x)), *self.x.shape[1:]
        self.trainer = Trainer(net, loss, optimizer, first, clip_norm=options.clip_norm, memory=options.memory, seed=options.seed)
        rest = len(self.x) % options.batch_size
        if rest:  # compiled now, so that its errors do not come at the end of an epoch
            self.trainer.plan((rest, *self.x.shape[1:]))
        self.y = self.trainer.loss.targets(given, self.trainer.plan(first).output)
        self.evaluator = Evaluator(net, self.trainer.loss)
        if self.validation is not None:  # for the same reason
            self.evaluator.targets(*self.validation, options.batch_size)
        self.history = History()
        warn_of_need(self.need, first[0])

    def need(self, batch: int) -> int:
        """Bytes that training has yet to allocate, with batches of this size."""
        shape = batch, *self.x.shape[1:]
        report = self.trainer.memory_before(shape)
        need = report.total - report.parameters - self.trainer.state.bytes
        if self.validation is None:
            return need
        evaluation = inference_report(self.evaluator.program(shape)[0], 0)
        return need + evaluation.total - evaluation.parameters

    def settings(self) -> dict[str, Any]:
        """The settings that a resumed training must share with the first part."""
        return {
            "seed": self.options.seed,
            "batch_size": self.options.batch_size,
            "samples": len(self.x),
            "optimizer": self.trainer.optimizer.kind,
            "loss": self.trainer.loss.name,
            "frozen": [key for key, parameter in self.trainer.net.named_parameters() if not parameter.requires_grad],
            "groups": self.trainer.places,
            "validation": self.validation is not None,
        }

    def resume(self) -> None:
        """Goes on from the checkpoint, if there is one and it is asked for. ValueError if it is of a training with other settings."""
        path = self.options.checkpoint
        if not (self.options.resume and path is not None and Path(path).exists()):
            return
        saved = read_checkpoint(path)
        theirs = saved.settings
        wrong = [
            f"{key}={theirs.get(key)!s:.200} there, {value!s:.200} here"
            for key, value in self.settings().items()
            if theirs.get(key) != value
        ]
        if wrong:
            raise ValueError(f"[fit] a training is resumed with the arguments that it had. Got {'; '.join(wrong)}.")
        self.trainer.net.check_state_dict(saved.model)  # before anything is changed
        self.trainer.state.load_state(saved.slots)
        self.trainer.net.load_state_dict(saved.model)
        self.trainer.state.steps = saved.optimizer_steps
        self.trainer.steps = saved.steps
        self.history = saved.history

    def save(self) -> None:
        """Writes the checkpoint, if a path for it is given."""
        path = self.options.checkpoint
        if path is not None:
            trainer = self.trainer
            state = trainer.state
            model = trainer.net.state_dict()
            write_checkpoint(path, Checkpoint(model, state.state(), self.history, trainer.steps, state.steps, self.settings()))

    def run(self) -> History:
        """Trains the epochs that are left."""
        while self.history.epochs < self.options.epochs:
            start = time.perf_counter()
            values = self.epoch()
            if self.validation is not None:
                values |= {f"val_{name}": value for name, value in self.evaluator(*self.validation, self.options.batch_size).items()}
            self.history.add(**values, seconds=time.perf_counter() - start)
            self.save()
        return self.history

    def epoch(self) -> dict[str, float]:
        """Trains on all data once. Returns the means of loss and accuracy over the samples, each before the update by its batch."""
        epoch = self.history.epochs
        size = self.options.batch_size
        trainer = self.trainer
        order = np.random.default_rng([self.options.seed, epoch]).permutation(len(self.x))
        total = 0.0
        right = 0
        seen = 0
        with progress_bar(self.options.progress, f"epoch {epoch + 1}/{self.options.epochs}", len(order)) as advance:
            for start in range(0, len(order), size):
                batch = order[start : start + size]
                targets = self.y[batch]
                total += trainer.step(self.x[batch], targets) * len(batch)
                seen += len(batch)
                right += self._right(targets)
                advance(len(batch), loss=total / seen)
        return {"loss": total / seen, **({"accuracy": right / self.y.size} if trainer.loss.classes else {})}

    def _right(self, targets: AnyArray) -> int:
        """The number of right classes in the last step; 0 for a loss without classes."""
        output = self.trainer.output
        return right_answers(output, targets) if self.trainer.loss.classes and output is not None else 0


def fit(
    net: Network,
    x: ArrayLike,
    y: ArrayLike,
    optimizer: Optimizer | str,
    loss: Loss | str,
    validation_data: tuple[ArrayLike, ArrayLike] | None,
    options: FitOptions,
) -> History:
    """See Module.fit."""
    run = Fit(net, (x, y), validation_data, optimizer, loss, options.checked())
    call = Call(run.x, run.y, run.options.batch_size, run.trainer.optimizer.kind, run.options.seed)
    run.resume()
    begin_fit(net, run.trainer.loss, call, options.resume)
    history = run.run()
    end_fit(net, call)
    return history
