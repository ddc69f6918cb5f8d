"""What fit says before the first epoch, what it remembers, and when a call repeats the one before."""

from __future__ import annotations

import copy
import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_nets import lenet, same_state, stripes

import fastcnn as fc
from fastcnn.training.losses import Loss, MSELoss
from fastcnn.training.optimizers import SGD, Optimizer

X, Y = stripes(24)
ARGUMENTS: dict[str, Any] = {"epochs": 1, "batch_size": 8, "optimizer": "sgd", "progress": False}
AGAIN = (
    r"^\[fit\] each call begins with epoch 0 of its seed, so this one repeats the order of samples and the masks of dropout of the last "
    r"call: pass another seed to each call, or all epochs to one\. Got seed=0 again\.$"
)


# ---- a call that repeats the one before


def test_a_loop_of_calls_is_told_once() -> None:
    net = lenet()
    net.fit(X, Y, **ARGUMENTS)
    with pytest.warns(RuntimeWarning, match=AGAIN) as found:
        net.fit(X, Y, **ARGUMENTS)
    assert [warning.filename for warning in found] == [__file__]
    net.fit(X, Y, **ARGUMENTS)


def restored(net: fc.Module) -> None:
    net.load_state_dict(lenet().state_dict())
    net.fit(X, Y, **ARGUMENTS)


RIGHT: dict[str, Callable[[fc.Module], object]] = {
    "another seed": lambda net: net.fit(X, Y, **ARGUMENTS, seed=1),
    "other data": lambda net: net.fit(X[::-1], Y[::-1], **ARGUMENTS),
    "more data": lambda net: net.fit(*stripes(28), **ARGUMENTS),
    "other targets": lambda net: net.fit(X, (Y + 1) % 4, **ARGUMENTS),
    "another optimizer": lambda net: net.fit(X, Y, **{**ARGUMENTS, "optimizer": "adam"}),
    "another batch size": lambda net: net.fit(X, Y, **{**ARGUMENTS, "batch_size": 12}),
    "frozen layers": lambda net: net[:5].requires_grad_(False) and net.fit(X, Y, **ARGUMENTS),  # type: ignore[index]
    "new weights": restored,
    "a copy": lambda net: copy.deepcopy(net).fit(X, Y, **ARGUMENTS),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_uses_are_quiet(name: str) -> None:
    net = lenet()
    net.fit(X, Y, **ARGUMENTS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RIGHT[name](net)


def test_a_resumed_training_is_quiet(tmp_path: Path) -> None:
    net, path = lenet(), tmp_path / "run.safetensors"
    for epochs in (1, 2, 3):
        net.fit(X, Y, **{**ARGUMENTS, "epochs": epochs}, checkpoint=path, resume=True)
    whole = lenet()
    whole.fit(X, Y, **{**ARGUMENTS, "epochs": 3})
    assert same_state(net, whole)


# ---- the loss of the last fit


def test_evaluate_takes_the_loss_of_the_last_fit() -> None:
    net = fc.Sequential(fc.Flatten(), fc.Linear(64, 4, seed=0))
    images = X.reshape(len(X), 1, 8, 8)
    assert net.evaluate(images, Y) == net.evaluate(images, Y, loss="cross_entropy")
    targets = np.eye(4, dtype=np.float32)[Y]
    net.fit(images, targets, **ARGUMENTS, loss="mse")
    for one in (net, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert one.evaluate(images, targets) == one.evaluate(images, targets, loss="mse")
    assert net.evaluate(images, Y, loss="cross_entropy").keys() == {"loss", "accuracy"}
    smooth = fc.loss.CrossEntropyLoss(label_smoothing=0.3)
    net.fit(images, Y, **ARGUMENTS, loss=smooth)
    assert net.evaluate(images, Y) == net.evaluate(images, Y, loss=smooth)
    with pytest.raises(TypeError, match="loss"):
        net.fit(images, targets, **ARGUMENTS, loss=fc.loss.MSELoss)
    assert net.evaluate(images, Y) == net.evaluate(images, Y, loss=smooth)  # of a call that trained


# ---- before the first epoch


class Nameless(MSELoss):
    name = None  # type: ignore[assignment]


class Kindless(SGD):
    kind = "rprop"


class Bare(Loss):
    pass


class BareOptimizer(Optimizer):
    pass


def refused(error: type[Exception], text: str, **arguments: Any) -> None:
    """Before anything is trained, from fit and, of what it has, from Trainer."""
    net = fc.Sequential(fc.Flatten(), fc.Linear(64, 4, seed=0))
    before = net.state_dict()
    with pytest.raises(error, match=text):
        net.fit(X, Y, **{**ARGUMENTS, **arguments})
    assert all(np.array_equal(before[key], value) for key, value in net.state_dict().items())
    if "checkpoint" not in arguments:
        given = {"loss": "cross_entropy", "optimizer": "sgd", **arguments}
        with pytest.raises(error, match=text):
            fc.Trainer(net, given["loss"], given["optimizer"], X.shape)


def test_losses_and_optimizers() -> None:
    got = r"\[loss\] the class Nameless must have the attribute name, str\. Got name=None\.$"
    refused(TypeError, got, loss=Nameless())
    refused(TypeError, r"\[loss\] the class Bare must have the attribute name, str\. Got name=None\.$", loss=Bare())
    got = r"\[loss\] a loss must be an object, not its class: MSELoss\(\)\. Got the class MSELoss\.$"
    refused(TypeError, got, loss=MSELoss)
    refused(TypeError, r"\[loss\] a loss must be one of fastcnn\.loss, or its name\. Got function\.$", loss=lambda a, b: a)
    refused(TypeError, r"\[optim\] an optimizer must be an object, not its class: SGD\(\)\. Got the class SGD\.$", optimizer=SGD)
    kinds = r"\[optim\] the class {} must have the attribute kind, 'sgd' or 'adagrad' or 'rmsprop' or 'adam' or 'adamw'\. Got kind={}\.$"
    refused(TypeError, kinds.format("Kindless", "'rprop'"), optimizer=Kindless(0.1))
    refused(TypeError, kinds.format("BareOptimizer", "None"), optimizer=BareOptimizer(0.1, []))


def test_checkpoints(tmp_path: Path) -> None:
    for path in (tmp_path, os.fspath(tmp_path), f"{tmp_path}/", f"{tmp_path}/none/"):
        refused(ValueError, r"^\[fit\] checkpoint must be the path of a file\. Got the folder /", checkpoint=path)
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "none" / "a.safetensors", tmp_path / "file" / "a.safetensors"):
        refused(ValueError, r"^\[fit\] the folder of the checkpoint must be there\. Got /.*a\.safetensors\.$", checkpoint=path)
    os.symlink(tmp_path / "none" / "b", tmp_path / "link")
    refused(ValueError, r"^\[fit\] the folder of the checkpoint must be there\.", checkpoint=tmp_path / "link")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_writable(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    refused(ValueError, r"^\[fit\] the folder of the checkpoint must be writable\.", checkpoint=tmp_path / "a.safetensors")


def test_a_checkpoint_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lenet().fit(X, Y, **ARGUMENTS, checkpoint="a.safetensors")
    assert (tmp_path / "a.safetensors").is_file()


# ---- seeds of layers


def test_one_seed_gives_equal_weights() -> None:
    """The rule that docstrings and README state: a seed is a layer's own."""
    a, b, other = fc.Linear(3, 3, seed=0), fc.Linear(3, 3, seed=0), fc.Linear(3, 3, seed=1)
    assert same_state(a, b)
    assert not same_state(a, other)
    for layer in (fc.Linear, fc.Conv2d, fc.ConvTranspose2d):
        assert "with one seed get equal weights" in " ".join((layer.__doc__ or "").split())
