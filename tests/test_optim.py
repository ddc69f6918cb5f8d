"""Optimizers: each step is PyTorch's; what they keep; what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastcnn as fc
from fastcnn.training import optimizers as optim

OPTIMIZERS: dict[str, tuple[Callable[[], optim.Optimizer], str, dict[str, Any]]] = {
    "sgd": (lambda: optim.SGD(0.1), "SGD", {"lr": 0.1}),
    "sgd decay": (lambda: optim.SGD(0.1, weight_decay=0.1), "SGD", {"lr": 0.1, "weight_decay": 0.1}),
    "momentum": (lambda: optim.SGD(0.1, momentum=0.9), "SGD", {"lr": 0.1, "momentum": 0.9}),
    "nesterov": (
        lambda: optim.SGD(0.1, momentum=0.8, nesterov=True, weight_decay=0.01),
        "SGD",
        {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01},
    ),
    "adagrad": (lambda: optim.Adagrad(), "Adagrad", {}),
    "adagrad decay": (
        lambda: optim.Adagrad(0.1, lr_decay=0.2, weight_decay=0.1, eps=1e-3),
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1, "eps": 1e-3},
    ),
    "rmsprop": (lambda: optim.RMSprop(), "RMSprop", {}),
    "rmsprop momentum": (
        lambda: optim.RMSprop(0.02, alpha=0.9, eps=1e-4, weight_decay=0.1, momentum=0.5),
        "RMSprop",
        {"lr": 0.02, "alpha": 0.9, "eps": 1e-4, "weight_decay": 0.1, "momentum": 0.5},
    ),
    "adam": (lambda: optim.Adam(), "Adam", {}),
    "adam decay": (
        lambda: optim.Adam(0.02, betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1),
        "Adam",
        {"lr": 0.02, "betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.1},
    ),
    "adamw": (lambda: optim.AdamW(0.01), "AdamW", {"lr": 0.01}),
}

X = np.random.default_rng(0).standard_normal((6, 5, 7)).astype(np.float32)  # a batch for each step
Y = np.random.default_rng(1).standard_normal((6, 5, 3)).astype(np.float32)


def weights_after(optimizer: optim.Optimizer, steps: int = 6, clip_norm: float | None = None, change: Any = None) -> dict[str, np.ndarray]:
    net = fc.Linear(7, 3, seed=0)
    trainer = fc.Trainer(net, "mse", optimizer, (5, 7), clip_norm=clip_norm)
    for x, y in zip(X[:steps], Y, strict=False):
        trainer.step(x, y)
        if change:
            change(optimizer)
    return net.state_dict()


def torchs_weights(torch: Any, name: str, arguments: dict[str, Any], clip_norm: float | None = None, change: Any = None) -> dict[str, Any]:
    net = torch.nn.Linear(7, 3)
    net.load_state_dict({key: torch.from_numpy(value) for key, value in fc.Linear(7, 3, seed=0).state_dict().items()})
    optimizer = getattr(torch.optim, name)(net.parameters(), **arguments)
    for x, y in zip(X, Y, strict=True):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        if clip_norm:
            torch.nn.utils.clip_grad_norm_(net.parameters(), clip_norm)
        optimizer.step()
        if change:
            change(optimizer)
    return {key: value.detach().numpy() for key, value in net.state_dict().items()}


def assert_close(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    start = fc.Linear(7, 3, seed=0).state_dict()
    for key, value in theirs.items():
        moved = np.abs(value - start[key]).max()
        assert np.abs(ours[key] - value).max() < 1e-4 * moved + 1e-6, key


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_torchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    make, kind, arguments = OPTIMIZERS[name]
    assert_close(weights_after(make()), torchs_weights(torch, kind, arguments))


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_clipped_steps_are_torchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    make, kind, arguments = OPTIMIZERS[name]
    clipped = weights_after(make(), clip_norm=0.05)
    assert_close(clipped, torchs_weights(torch, kind, arguments, clip_norm=0.05))
    assert not np.array_equal(clipped["weight"], weights_after(make())["weight"])


def test_a_changed_learning_rate_counts_from_the_next_step() -> None:
    torch = pytest.importorskip("torch")

    def ours(optimizer: optim.Optimizer) -> None:
        optimizer.lr *= 0.5

    def theirs(optimizer: Any) -> None:
        optimizer.param_groups[0]["lr"] *= 0.5

    assert_close(weights_after(optim.Adam(0.1), change=ours), torchs_weights(torch, "Adam", {"lr": 0.1}, change=theirs))


def test_first_step_of_sgd_by_hand() -> None:
    """Without torch: w -= lr * gradient of the mean square."""
    start = fc.Linear(7, 3, seed=0).state_dict()
    error = 2 * (X[0] @ start["weight"].T + start["bias"] - Y[0]) / 15
    after = weights_after(optim.SGD(0.1), steps=1)
    assert np.allclose(after["weight"], start["weight"] - 0.1 * error.T @ X[0], atol=1e-6)
    assert np.allclose(after["bias"], start["bias"] - 0.1 * error.sum(axis=0), atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_copies_are_what_the_core_allocates(name: str) -> None:
    optimizer = OPTIMIZERS[name][0]()
    weights_after(optimizer, steps=1)
    slots = optimizer.bind(optimizer._parameters).state()
    assert len(slots) == optimizer.copies
    assert all([array.shape for array in arrays] == [(3, 7), (3,)] for arrays in slots.values())


def test_state_stays_with_the_network() -> None:
    """A second fit with the same optimizer goes on; another network starts anew."""
    optimizer, net = optim.SGD(0.1, momentum=0.9), fc.Linear(7, 3, seed=0)
    fc.Trainer(net, "mse", optimizer, (5, 7)).step(X[0], Y[0])
    state = optimizer.bind(list(net.parameters()))
    assert fc.Trainer(net, "mse", optimizer, (5, 7)).state is state
    assert fc.Trainer(fc.Linear(7, 3), "mse", optimizer, (5, 7)).state is not state


WRONG = [
    (lambda: optim.SGD(float("nan")), "[SGD] lr must be finite. Got lr=nan."),
    (lambda: optim.SGD(-0.1), "[SGD] lr must be at least 0. Got lr=-0.1."),
    (lambda: optim.SGD(0.1, momentum=float("inf")), "[SGD] momentum must be finite. Got momentum=inf."),
    (lambda: optim.SGD(0.1, nesterov=True), "[SGD] nesterov needs momentum. Got momentum=0."),
    (lambda: optim.SGD(0.1, weight_decay=-1), "[SGD] weight_decay must be at least 0. Got weight_decay=-1."),
    (lambda: optim.Adagrad(lr_decay=-1), "[Adagrad] lr_decay must be at least 0. Got lr_decay=-1."),
    (lambda: optim.RMSprop(alpha=1.0), "[RMSprop] alpha must be below 1. Got alpha=1."),
    (lambda: optim.RMSprop(eps=float("nan")), "[RMSprop] eps must be finite. Got eps=nan."),
    (lambda: optim.Adam(betas=(0.9, 1.0)), "[Adam] betas must be below 1. Got betas=1."),
    (lambda: optim.Adam(betas=(0.9, 1 - 1e-8)), "[Adam] betas must be below 1. Got betas=1."),
    (lambda: optim.Adam(betas=(0.9,)), "[Adam] betas must be two numbers. Got betas=(0.9,)."),
    (lambda: optim.AdamW(eps=-1e-8), "[AdamW] eps must be at least 0. Got eps=-1e-08."),
    (lambda: optim.named("adma"), "[optim] an optimizer's name must be one of sgd, adagrad, rmsprop, adam, adamw. Got 'adma'."),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_hyperparameters(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match="Got") as info:
        make()
    assert str(info.value) == message


def test_a_wrong_learning_rate_is_refused_later_too() -> None:
    optimizer = optim.SGD(0.1)
    with pytest.raises(ValueError, match=r"^\[SGD\] lr must be finite\. Got lr=nan\.$"):
        optimizer.lr = float("nan")
    assert optimizer.lr == 0.1
    with pytest.raises(TypeError, match=r"^\[SGD\] lr must be a number\. Got lr='0.1'\.$"):
        optim.SGD("0.1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^\[optim\] an optimizer must be one of fastcnn.optim, or its name\. Got float\.$"):
        fc.Trainer(fc.Linear(2, 2), "mse", 0.1, (1, 2))  # type: ignore[arg-type]
    assert repr(optimizer) == "SGD(lr=0.1, momentum=0, nesterov=0, weight_decay=0)"
