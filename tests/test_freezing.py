"""Frozen parameters, groups with hyperparameters of their own, and operators without a backward."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_nets import Lambda, lenet, same_state, stripes

import fastcnn as fc
from fastcnn.tracing.value import add_nodes
from fastcnn.training import optimizers as optim

Array = np.ndarray
X, Y = stripes(12)
FIRST = ("0.weight", "1.weight", "1.bias")  # of lenet(): the first convolution and its norm


def frozen_lenet() -> fc.Sequential:
    net = lenet()
    assert net[:2].requires_grad_(False)[0] is net[0]
    return net


def trained(net: fc.Module, steps: int = 1, optimizer: Any = "sgd") -> fc.Trainer:
    trainer = fc.Trainer(net, "cross_entropy", optimizer, X.shape)
    for _ in range(steps):
        trainer.step(X, Y)
    return trainer


# ---- freezing --------------------------------------------------------------------------------------------------------------------------


def test_frozen_parameters_stay_and_the_others_go_their_way() -> None:
    start, all_of_it, frozen = lenet().state_dict(), lenet(), frozen_lenet()
    trained(all_of_it)
    trained(frozen)
    for key, value in frozen.state_dict().items():
        assert np.array_equal(value, start[key]) == (key in FIRST), key
        assert np.array_equal(value, all_of_it.state_dict()[key]) == (key not in FIRST), key  # batch norm's statistics among them


def test_frozen_parameters_cost_nothing() -> None:
    plain, frozen = trained(lenet(), optimizer="adam"), trained(frozen_lenet(), optimizer="adam")

    def gradients(trainer: fc.Trainer) -> list[str]:
        steps = trainer.plan(X.shape).program.steps
        return [step["op"] for step in steps if step["name"] in ("0", "1") and "backward" in step["op"]]

    assert "conv2d_backward_weight" in gradients(plain)
    assert gradients(frozen) == []
    size = 4 * sum(-(-parameter.size // 16) * 16 for parameter in frozen_lenet()[:2].parameters())
    boxes = [sum(box.kind == "parameter gradient" for box in trainer.memory.boxes) for trainer in (plain, frozen)]
    assert boxes[0] - boxes[1] == len(FIRST)
    assert plain.memory.optimizer_state - frozen.memory.optimizer_state == 2 * size
    for net, trainer in ((lenet(), plain), (frozen_lenet(), frozen)):
        told = net.memory(X.shape, training=True, optimizer="adam")
        assert (told.gradients, told.optimizer_state, told.activations) == (
            trainer.memory.gradients,
            trainer.memory.optimizer_state,
            trainer.memory.activations,
        )


def test_a_network_that_is_frozen_whole_cannot_be_trained() -> None:
    net = lenet().requires_grad_(False)
    for where, call in (
        ("Trainer", lambda: fc.Trainer(net, "cross_entropy", "sgd", X.shape)),
        ("Trainer", lambda: net.fit(X, Y, optimizer="sgd", progress=False)),
        ("memory", lambda: net.memory(X.shape, training=True)),
    ):
        with pytest.raises(
            ValueError, match=rf"^\[{where}\] the network must have parameters to train\. Got Sequential with 7, all frozen\.$"
        ):
            call()


def test_thawed_parameters_are_trained_again() -> None:
    net = frozen_lenet()
    before = net.state_dict()
    net[0].weight.requires_grad = True
    assert [parameter.requires_grad for parameter in net.parameters()] == [True, False, False, True, True, True, True]
    trained(net)
    assert not np.array_equal(before["0.weight"], net.state_dict()["0.weight"])
    assert np.array_equal(before["1.weight"], net.state_dict()["1.weight"])


def test_freezing_takes_a_bool() -> None:
    with pytest.raises(TypeError, match=r"^\[requires_grad_\] requires_grad must be True or False\. Got requires_grad=0\.$"):
        lenet().requires_grad_(0)  # type: ignore[arg-type]


# ---- groups ----------------------------------------------------------------------------------------------------------------------------

KINDS: dict[str, tuple[str, dict[str, Any], list[dict[str, Any]]]] = {
    "sgd": ("SGD", {"lr": 0.1}, [{"lr": 0.01}, {"weight_decay": 0.2}]),
    "momentum of some": ("SGD", {"lr": 0.1}, [{"momentum": 0.9, "nesterov": True}, {"momentum": 0.5, "lr": 0.0}]),
    "momentum of the rest": ("SGD", {"lr": 0.1, "momentum": 0.9}, [{"momentum": 0.0}, {}]),
    "adagrad": ("Adagrad", {"lr": 0.1}, [{"lr_decay": 0.5}, {"eps": 0.1}]),
    "rmsprop": ("RMSprop", {"lr": 0.01}, [{"momentum": 0.9}, {"alpha": 0.5}]),
    "adam": ("Adam", {"lr": 0.01}, [{"betas": (0.5, 0.9)}, {"lr": 0.1, "weight_decay": 0.1}]),
    "adamw": ("AdamW", {"lr": 0.01}, [{"weight_decay": 0.0}, {"eps": 0.1}]),
}


def small() -> fc.Sequential:
    return fc.Sequential(fc.Linear(5, 7, seed=0), fc.Tanh(), fc.Linear(7, 6, seed=1), fc.Tanh(), fc.Linear(6, 3, seed=2))


def torchs(torch: Any, kind: str, arguments: dict[str, Any], groups: list[dict[str, Any]], x: Array, y: Array) -> dict[str, Array]:
    net = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3))
    net.load_state_dict({key: torch.from_numpy(value) for key, value in small().state_dict().items()})
    members = [list(net[0].parameters()), [net[2].bias]]
    rest = [net[2].weight, *net[4].parameters()]
    given = [{"params": rest}, *({"params": member, **group} for member, group in zip(members, groups, strict=True))]
    optimizer = getattr(torch.optim, kind)(given, **arguments)
    for xb, yb in zip(x, y, strict=True):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(torch.from_numpy(xb)), torch.from_numpy(yb)).backward()
        optimizer.step()
    return {key: value.detach().numpy() for key, value in net.state_dict().items()}


@pytest.mark.parametrize("name", KINDS)
def test_groups_are_torchs(name: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    kind, arguments, groups = KINDS[name]
    x, y = rng.uniform(-1, 1, (5, 4, 5)).astype(np.float32), rng.uniform(-1, 1, (5, 4, 3)).astype(np.float32)
    net = small()
    members: list[Any] = [net[0], net[2].bias]
    given = [{"params": member, **group} for member, group in zip(members, groups, strict=True)]
    optimizer = getattr(optim, kind)(**arguments, groups=given)
    trainer = fc.Trainer(net, "mse", optimizer, (4, 5))
    for xb, yb in zip(x, y, strict=True):
        trainer.step(xb, yb)
    start = small().state_dict()
    for key, want in torchs(torch, kind, arguments, groups, x, y).items():
        moved = np.abs(want - start[key]).max()
        assert np.abs(net.state_dict()[key] - want).max() <= 1e-4 * moved + 1e-6, key
    assert trainer.memory.optimizer_state == optimizer.copies * 4 * sum(-(-p.size // 16) * 16 for p in net.parameters())


def test_values_of_groups_count_from_the_next_step() -> None:
    net = small()
    optimizer = optim.SGD(0.0, groups=[{"params": [net[0].weight, net[0].bias]}, {"params": net[4], "lr": 0.1}])
    trainer = fc.Trainer(net, "mse", optimizer, (4, 5))
    x, y = np.ones((4, 5), np.float32), np.ones((4, 3), np.float32)

    def moved() -> list[str]:
        before = net.state_dict()
        trainer.step(x, y)
        return [key for key, value in net.state_dict().items() if not np.array_equal(value, before[key])]

    assert moved() == ["4.weight", "4.bias"]
    optimizer.groups[1]["lr"] = 0.0
    optimizer.lr = 0.1  # also of the group that says nothing of it
    assert moved() == ["0.weight", "0.bias", "2.weight", "2.bias"]
    optimizer.groups[0]["lr"] = 0.0
    assert moved() == ["2.weight", "2.bias"]
    assert repr(optimizer) == "SGD(lr=0.1, momentum=0, nesterov=0, weight_decay=0, groups=2)"


def grouped(net: fc.Sequential, first: int = 0) -> optim.Optimizer:
    return optim.Adam(0.01, groups=[{"params": net[first], "lr": 0.001}, {"params": net[8], "betas": (0.5, 0.9)}])


def test_groups_and_freezing_outlast_an_interruption(tmp_path: Path) -> None:
    whole, parts = frozen_lenet(), frozen_lenet()
    options: dict[str, Any] = {"batch_size": 5, "progress": False, "seed": 4}
    whole.fit(X, Y, epochs=3, optimizer=grouped(whole), **options)
    parts.fit(X, Y, epochs=2, optimizer=grouped(parts), checkpoint=tmp_path / "run", **options)
    resumed = frozen_lenet()
    resumed.fit(X, Y, epochs=3, optimizer=grouped(resumed), checkpoint=tmp_path / "run", resume=True, **options)
    assert same_state(whole, resumed)
    for net, optimizer, name in ((lenet(), grouped, "frozen"), (frozen_lenet(), lambda net: grouped(net, 5), "groups")):
        with pytest.raises(ValueError, match=rf"^\[fit\] a training is resumed with the arguments that it had\. Got {name}=\[.*\] here\.$"):
            net.fit(X, Y, epochs=4, optimizer=optimizer(net), checkpoint=tmp_path / "run", resume=True, **options)


NET = small()
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "no params": (
        lambda: optim.SGD(0.1, groups=[{"lr": 1.0}]),
        r"\[SGD\] a group's params must be a module, a parameter or several\. Got None\.",
    ),
    "empty": (lambda: optim.SGD(0.1, groups=[{"params": []}]), r"\[SGD\] a group's params must be .*\. Got \[\]\."),
    "arrays": (lambda: optim.SGD(0.1, groups=[{"params": [np.ones(3)]}]), r"\[SGD\] a group's params must be .*\. Got \[array.*\]\."),
    "no mapping": (lambda: optim.SGD(0.1, groups=[NET[0]]), r"\[SGD\] a group's params must be .*"),  # type: ignore[list-item]
    "unknown name": (
        lambda: optim.SGD(0.1, groups=[{"params": NET, "alpha": 1.0}]),
        r"\[SGD\] a group has params and lr, momentum, nesterov, weight_decay\. Got alpha\.",
    ),
    "betas of sgd": (lambda: optim.SGD(0.1, groups=[{"params": NET, "betas": (0.1, 0.1)}]), r"\[SGD\] a group has .* Got beta1, beta2\."),
    "negative rate": (lambda: optim.SGD(0.1, groups=[{"params": NET, "lr": -1}]), r"\[SGD\] lr must be at least 0\. Got lr=-1\."),
    "large beta": (lambda: optim.Adam(groups=[{"params": NET, "betas": (0.1, 1)}]), r"\[Adam\] betas must be below 1\. Got betas=1\."),
    "nesterov alone": (
        lambda: trained_once(optim.SGD(0.1, groups=[{"params": NET, "nesterov": True}])),
        r"\[sgd\] nesterov needs a momentum\. Got momentum=0\.",
    ),
    "twice": (
        lambda: trained_once(optim.SGD(0.1, groups=[{"params": NET}, {"params": NET[0]}])),
        r"\[SGD\] a parameter must be in one group at most\. Got one in groups 1 and 2\.",
    ),
    "of another network": (
        lambda: trained_once(optim.SGD(0.1, groups=[{"params": small()}])),
        r"\[SGD\] groups must hold parameters of the network\. Got another in group 1\.",
    ),
}


def trained_once(optimizer: optim.Optimizer) -> None:
    fc.Trainer(NET, "mse", optimizer, (1, 5)).step(np.ones((1, 5)), np.ones((1, 3)))


@pytest.mark.parametrize("name", WRONG)
def test_wrong_groups(name: str) -> None:
    call, message = WRONG[name]
    with pytest.raises((ValueError, TypeError), match=f"^{message}$"):
        call()


def test_frozen_parameters_may_be_in_a_group() -> None:
    net = small()
    net[0].requires_grad_(False)
    optimizer = optim.SGD(0.1, groups=[{"params": net[0]}, {"params": net[2]}])
    assert fc.Trainer(net, "mse", optimizer, (1, 5)).places == [2, 2, 0, 0]


# ---- what cannot be trained ------------------------------------------------------------------------------------------------------------


class Best(fc.Module):
    """The two largest: nothing that has a gradient here."""

    def forward(self, x: fc.Value) -> fc.Value:
        return add_nodes("top_k", [x], {"axis": 1, "k": 2, "largest": True})[0]


def test_an_operator_without_backward_is_named_when_it_is_in_the_way() -> None:
    net = fc.Sequential({"linear": fc.Linear(4, 3), "best": Best()})
    assert net(np.ones((2, 4))).shape == (2, 2)
    with pytest.raises(NotImplementedError, match=r"^\[top_k\] this operator has no backward\. Got layer 'best'\.$"):
        fc.Trainer(net, "mse", "sgd", (2, 4))
    net = fc.Sequential({"best": Best(), "linear": fc.Linear(2, 3)})  # no gradient has to pass it
    fc.Trainer(net, "mse", "sgd", (2, 4)).step(np.ones((2, 4)), np.ones((2, 3)))


def test_freezing_leaves_an_operator_without_backward_out_of_the_way() -> None:
    net = fc.Sequential({"linear": fc.Linear(4, 3), "best": Best(), "last": fc.Linear(2, 3)})
    net.linear.requires_grad_(False)
    fc.Trainer(net, "mse", "sgd", (2, 4)).step(np.ones((2, 4)), np.ones((2, 3)))


def test_modes_are_those_of_the_call() -> None:
    """Dropout and batch norm in training steps only, whatever came before."""
    net = fc.Sequential(Lambda(lambda x: x), fc.Dropout(0.5), fc.BatchNorm2d(1), fc.Conv2d(1, 2, 1), fc.Flatten())
    x = np.random.default_rng(0).uniform(1, 2, (4, 1, 3, 3)).astype(np.float32)
    assert not net.training
    first = net(x)
    trainer = fc.Trainer(net, "mse", optim.SGD(0.0), x.shape)
    trainer.step(x, np.zeros((4, 18)))
    assert trainer.output is not None
    assert not np.array_equal(trainer.output, net(x))
    assert not np.array_equal(first, net(x))  # the statistics moved
    np.testing.assert_array_equal(net(x), net(x))
