"""Training: fit, evaluate, Trainer; the same bits again, after a break, and for any number of threads; what stops it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_nets import Block, Lambda, lenet, same_state, stripes
from subprocesses import python

import fastcnn as fc
from fastcnn.training.fit import Fit

X, Y = stripes()
FIT: dict[str, Any] = {"batch_size": 16, "validation_data": (X[:20], Y[:20])}  # 60 samples: the last batch has 12


def without_seconds(history: fc.History) -> dict[str, list[float]]:
    return {key: column for key, column in history.items() if key != "seconds"}


# ---- it learns -------------------------------------------------------------------------------------------------------------------------


def test_a_network_learns() -> None:
    net = lenet()
    history = net.fit(X, Y, epochs=12, optimizer=fc.optim.Adam(1e-2), **FIT)
    assert history["loss"][-1] < 0.2 * history["loss"][0]
    x, y = stripes(seed=1)
    assert net.evaluate(x, y)["accuracy"] > 0.9
    assert {key: len(column) for key, column in history.items()} == dict.fromkeys(
        ("loss", "accuracy", "val_loss", "val_accuracy", "seconds"), 12
    )
    assert net.state_dict()["1.num_batches_tracked"] == 12 * 4


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "rmsprop", "adam", "adamw"])
def test_every_optimizer_learns_by_name(optimizer: str) -> None:
    history = lenet().fit(X, Y, epochs=8, batch_size=10, optimizer=optimizer)
    assert history["loss"][-1] < history["loss"][0]


def test_mean_square() -> None:
    x = np.random.default_rng(0).standard_normal((64, 5))
    wanted = x @ np.arange(15.0).reshape(5, 3) + 1
    net = fc.Linear(5, 3, seed=0)
    history = net.fit(x, wanted, epochs=150, batch_size=16, optimizer=fc.optim.SGD(0.3), loss="mse")
    assert "accuracy" not in history
    assert net.evaluate(x, wanted, loss="mse") == {"loss": pytest.approx(0, abs=1e-8)}
    assert np.allclose(net.state_dict()["weight"], np.arange(15.0).reshape(5, 3).T, atol=1e-3)


def test_classes_of_pixels() -> None:
    """(N, K, H, W) against (N, H, W)."""
    x = np.random.default_rng(0).standard_normal((20, 1, 6, 5)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.uint8)
    net = fc.Sequential(fc.Conv2d(1, 8, 1, seed=0), fc.ReLU(), fc.Conv2d(8, 2, 1, seed=1))
    net.fit(x, y, epochs=60, batch_size=10, optimizer=fc.optim.Adam(0.05))
    assert net.evaluate(x, y)["accuracy"] > 0.97


def test_a_module_of_ones_own_is_trained() -> None:
    net = fc.Sequential(fc.Conv2d(1, 4, 3, padding=1, seed=0), Block(4), fc.Flatten(), fc.Linear(256, 4, seed=1))
    before = net.state_dict()
    history = net.fit(X, Y, epochs=10, batch_size=16, optimizer=fc.optim.SGD(0.05, momentum=0.9))
    assert history["accuracy"][-1] > 0.9
    assert all((before[key] != value).any() for key, value in net.state_dict().items())


def test_evaluation_is_the_mean_over_all_samples() -> None:
    net = lenet()
    probabilities = np.exp(net.predict(X)) / np.exp(net.predict(X)).sum(axis=1, keepdims=True)
    loss = -np.log(probabilities[np.arange(60), Y]).mean()
    for batch_size in (7, 60, 100):
        result = net.evaluate(X, Y, batch_size=batch_size)
        assert result["loss"] == pytest.approx(loss, rel=1e-5)
        assert result["accuracy"] == (probabilities.argmax(axis=1) == Y).mean()


def test_dropout_is_for_training_only() -> None:
    net = fc.Sequential(fc.Dropout(0.5), fc.Flatten(), fc.Linear(64, 4, seed=0))
    assert np.array_equal(net(X), net(X))
    assert np.array_equal(net(X), net[1:](X))
    losses = {fc.Trainer(net, "cross_entropy", fc.optim.SGD(0.0), X.shape, seed=seed).step(X, Y) for seed in range(4)}
    assert len(losses) == 4  # other masks for other seeds
    trainer = fc.Trainer(net, "cross_entropy", fc.optim.SGD(0.0), X.shape)
    assert trainer.step(X, Y) != trainer.step(X, Y)  # and in each step
    other = fc.Sequential(fc.Dropout(0.5, seed=1), *net[1:])
    assert fc.Trainer(other, "cross_entropy", "sgd", X.shape).step(X, Y) not in losses
    everything = fc.Sequential(fc.Dropout(1.0), *net[1:])
    assert fc.Trainer(everything, "mse", "sgd", X.shape).step(X, np.tile(net[2].state_dict()["bias"], (60, 1))) == 0


def test_every_dropout_has_masks_of_its_own() -> None:
    """Two that drop a half each let a quarter through."""
    both = Lambda(lambda x, w: fc.dropout(x, 0.5) * fc.dropout(x, 0.5) * w, w=fc.Parameter(np.ones(1)))
    trainer = fc.Trainer(both, "mse", "sgd", (10, 1000))
    trainer.step(np.ones((10, 1000)), np.ones((10, 1000)))
    assert trainer.output is not None
    assert set(trainer.output.ravel()) == {0, 4}
    assert abs((trainer.output > 0).mean() - 0.25) < 5 * (0.25 * 0.75 / 10_000) ** 0.5  # five standard deviations


def test_label_smoothing() -> None:
    net, smoothing = lenet(), 0.2
    scores = net.predict(X).astype(np.float64)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    target = (1 - smoothing) * np.eye(4)[Y] + smoothing / 4
    result = net.evaluate(X, Y, loss=fc.loss.CrossEntropyLoss(label_smoothing=smoothing))
    assert result["loss"] == pytest.approx(-(target * logs).sum(axis=1).mean(), rel=1e-5)


def test_training_is_torchs() -> None:
    """Some steps of a network with shared filters, batch norm and pooling: the same losses and the same weights."""
    torch = pytest.importorskip("torch")

    def network(nn: Any) -> Any:
        conv = nn.Conv2d(4, 4, 3, padding=1)
        layers = [nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), conv, nn.MaxPool2d(2), conv, nn.Tanh()]
        return nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 4))

    ours, theirs = network(fc), network(torch.nn)
    ours.load_state_dict(theirs.state_dict())
    trainer = fc.Trainer(ours, "cross_entropy", fc.optim.SGD(0.1, momentum=0.9), (20, 1, 8, 8))
    optimizer = torch.optim.SGD(theirs.parameters(), 0.1, momentum=0.9)
    for start in (0, 20, 40, 0, 20):
        xb, yb = X[start : start + 20], Y[start : start + 20]
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(xb)), torch.from_numpy(yb))
        loss.backward()
        optimizer.step()
        assert trainer.step(xb, yb) == pytest.approx(loss.item(), rel=1e-4)
    for key, value in theirs.state_dict().items():
        assert np.allclose(ours.state_dict()[key], value.numpy(), atol=1e-4), key


def test_a_cumulative_average_is_torchs() -> None:
    """momentum=None, for batches of two sizes, and a layer that is passed twice."""
    torch = pytest.importorskip("torch")

    def network(nn: Any) -> Any:
        norm = nn.BatchNorm2d(3, momentum=None)
        layers = [nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3, momentum=None), nn.ReLU(), norm, nn.Tanh(), norm]
        return nn.Sequential(*layers, nn.AvgPool2d(6), nn.Flatten())

    ours, theirs = network(fc), network(torch.nn)
    ours.load_state_dict(theirs.state_dict())
    trainer = fc.Trainer(ours, "mse", fc.optim.SGD(0.1), (20, 1, 8, 8))
    optimizer = torch.optim.SGD(theirs.parameters(), 0.1)
    for start, stop in ((0, 20), (20, 40), (40, 45), (0, 20)):
        xb, yb = X[start:stop], np.eye(3, dtype=np.float32)[np.arange(start, stop) % 3]
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(theirs(torch.from_numpy(xb)), torch.from_numpy(yb)).backward()
        optimizer.step()
        trainer.step(xb, yb)
    state = ours.state_dict()
    assert [int(state[f"{i}.num_batches_tracked"]) for i in (1, 3)] == [4, 8]
    for key, value in theirs.state_dict().items():
        assert np.allclose(state[key], value.numpy(), atol=1e-5), key


# ---- the same bits ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def threads() -> Iterator[None]:
    before = fc.get_num_threads()
    yield
    fc.set_num_threads(before)


def trained(epochs: int = 5, seed: int = 0, **options: Any) -> tuple[fc.Sequential, fc.History]:
    net = lenet()
    optimizer = options.pop("optimizer", None) or fc.optim.Adam(1e-2)
    return net, net.fit(X, Y, epochs=epochs, seed=seed, optimizer=optimizer, **{**FIT, **options})


def test_every_epoch_has_an_order_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[np.ndarray] = []
    monkeypatch.setattr(fc.Trainer, "step", lambda trainer, x, y: (batches.append(x[:, 0]), 0.0)[1])
    x = np.arange(50.0)[:, None]
    for seed in (0, 1):
        fc.Linear(1, 1).fit(x, x, epochs=2, batch_size=20, optimizer="sgd", loss="mse", seed=seed)
    assert [len(batch) for batch in batches] == [20, 20, 10] * 4
    orders = [tuple(np.concatenate(batches[start : start + 3])) for start in (0, 3, 6, 9)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({*orders, tuple(range(50))}) == 5


def test_the_same_arguments_give_the_same_bits(threads: None) -> None:
    first, history = trained()
    for count in (1, 2, 3):
        fc.set_num_threads(count)
        again, other = trained()
        assert same_state(first, again)
        assert without_seconds(history) == without_seconds(other)
    assert not same_state(first, trained(seed=1)[0])


OPTIMIZERS = {
    "sgd": lambda: fc.optim.SGD(0.1),
    "momentum": lambda: fc.optim.SGD(0.1, momentum=0.9, nesterov=True),
    "adagrad": lambda: fc.optim.Adagrad(0.05, lr_decay=0.01),
    "rmsprop": lambda: fc.optim.RMSprop(1e-3, momentum=0.5),
    "adam": lambda: fc.optim.Adam(1e-2),
    "adamw": lambda: fc.optim.AdamW(1e-2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_training_has_the_same_bits(name: str, tmp_path: Path) -> None:
    whole, history = trained(5, optimizer=OPTIMIZERS[name]())
    path = tmp_path / "run.safetensors"
    for epochs in (2, 3, 5):  # three processes, as it were
        resumed, parts = trained(epochs, optimizer=OPTIMIZERS[name](), checkpoint=path, resume=True)
        assert parts.epochs == epochs
    assert same_state(whole, resumed)
    assert without_seconds(parts) == without_seconds(history)
    assert os.listdir(tmp_path) == ["run.safetensors"]


def test_a_training_broken_in_an_epoch_resumes_at_its_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, history = trained(4)
    path = tmp_path / "run.safetensors"
    step, calls = fc.Trainer.step, []

    def breaking(trainer: fc.Trainer, x: Any, y: Any) -> float:
        calls.append(1)
        if len(calls) == 11:  # in the middle of the third epoch
            raise KeyboardInterrupt
        return step(trainer, x, y)

    monkeypatch.setattr(fc.Trainer, "step", breaking)
    with pytest.raises(KeyboardInterrupt):
        trained(4, checkpoint=str(path))
    monkeypatch.undo()
    resumed, parts = trained(4, checkpoint=path, resume=True)
    assert same_state(whole, resumed)
    assert without_seconds(parts) == without_seconds(history)


def test_a_finished_training_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = trained(2, checkpoint=tmp_path / "run")
    monkeypatch.setattr(Fit, "epoch", None)
    again, history = trained(2, checkpoint=tmp_path / "run", resume=True)
    assert same_state(whole, again)
    assert history.epochs == 2


def test_without_resume_a_checkpoint_is_written_over(tmp_path: Path) -> None:
    trained(1, seed=5, checkpoint=tmp_path / "run")
    fresh, _ = trained(2)
    again, _ = trained(2, checkpoint=tmp_path / "run")
    assert same_state(fresh, again)


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"
    trained(1, checkpoint=path)
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        trained(2, checkpoint=path, resume=True)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run"]


def test_resuming_with_other_arguments_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run"
    trained(1, checkpoint=path)
    rule = r"^\[fit\] a training is resumed with the arguments that it had\. Got seed=0 there, 3 here; batch_size=16 there, 10 here\.$"
    with pytest.raises(ValueError, match=rule):
        trained(2, seed=3, batch_size=10, checkpoint=path, resume=True)
    with pytest.raises(ValueError, match=r"optimizer=adam there, sgd here"):
        trained(2, optimizer="sgd", checkpoint=path, resume=True)
    with pytest.raises(ValueError, match=r"validation=True there, False here"):
        trained(2, validation_data=None, checkpoint=path, resume=True)
    lenet().save(path)
    with pytest.raises(ValueError, match=r"^\[fit\] the file must be a checkpoint of fit\. Got .*: kind 'model', version 1\.$"):
        trained(2, checkpoint=path, resume=True)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"^\[safetensors\] the tensors must fill the file"):
        trained(2, checkpoint=path, resume=True)


def test_resume_begins_where_there_is_no_checkpoint(tmp_path: Path) -> None:
    assert same_state(trained(1)[0], trained(1, checkpoint=tmp_path / "new", resume=True)[0])


# ---- what stops it ---------------------------------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_before_the_update() -> None:
    net = lenet()
    x = X.copy()
    trainer = fc.Trainer(net, "cross_entropy", fc.optim.SGD(0.25), (20, 1, 8, 8))
    for start in (0, 20):
        trainer.step(x[start : start + 20], Y[start : start + 20])
    before, steps = net.state_dict(), trainer.state.steps
    x[45, 0, 3, 3] = np.nan
    with pytest.raises(FloatingPointError, match=r"^\[fit\] the loss must be finite\. Got loss=nan at step 2, learning rate 0\.25\.$"):
        trainer.step(x[40:], Y[40:])
    after = net.state_dict()
    assert all(np.array_equal(before[key], after[key]) for key in before)
    assert (trainer.steps, trainer.state.steps) == (2, steps)


def test_an_exploding_training_stops() -> None:
    x = np.random.default_rng(0).standard_normal((8, 4))
    with pytest.raises(
        FloatingPointError, match=r"^\[fit\] the loss must be finite\. Got loss=(inf|nan) at step \d+, learning rate 1e\+06\.$"
    ):
        fc.Linear(4, 4, seed=0).fit(x, x, epochs=100, batch_size=8, optimizer=fc.optim.SGD(1e6), loss="mse")


def test_every_batch_shape_is_tried_before_the_first_step() -> None:
    """A last batch of one sample has no variance; that is said before anything is trained."""
    net = fc.Sequential(fc.Conv2d(1, 2, 8, seed=0), fc.BatchNorm2d(2), fc.Flatten(), fc.Linear(2, 4))
    before = net.state_dict()
    with pytest.raises(ValueError, match=r"^\[batch_norm\] training needs more than one value for each channel\. Got x \(1, 2, 1, 1\)\."):
        net.fit(X[:9], Y[:9], batch_size=4, optimizer="sgd")
    assert all(np.array_equal(before[key], value) for key, value in net.state_dict().items())


# ---- the bar and the history -----------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_is_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    trained(2)
    text = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert "epoch 2/2: 100%" in text
    assert "loss=" in text
    lenet().predict(X, progress=True)
    assert "predict: 100%" in sys.stderr.getvalue()  # type: ignore[attr-defined]


def test_the_bar_is_not_shown_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    trained(1, progress=False)
    lenet().predict(X)
    monkeypatch.setitem(sys.modules, "tqdm", None)  # not installed
    trained(1)
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]


def test_nothing_is_imported_for_a_bar_that_nobody_sees() -> None:
    code = """
import sys, numpy, fastcnn as fc
fc.Linear(2, 2).fit(numpy.zeros((4, 2)), numpy.zeros(4, int), optimizer="sgd")
assert "tqdm" not in sys.modules
"""
    result = python(code)
    assert result.stdout == result.stderr == ""


def test_history_is_a_table() -> None:
    history = trained(2)[1]
    lines = repr(history).splitlines()
    assert lines[0].split() == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"]
    assert [line.split()[0] for line in lines[2:]] == ["1", "2"]
    assert repr(fc.History()) == "epoch\n-----"


def test_fit_for_no_epochs_does_nothing() -> None:
    net = lenet()
    assert net.fit(X, Y, epochs=0, optimizer="sgd") == {}
    assert same_state(net, lenet())
