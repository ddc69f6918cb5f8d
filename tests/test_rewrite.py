"""small_filters(): the same receptive field and sizes with fewer weights, all other weights as they were, and what it says about it."""

from __future__ import annotations

import numpy as np
import pytest

import fastcnn as fc


def net_of(kernel: int, channels: int = 8, **options: object) -> fc.Sequential:
    large = fc.Conv2d(channels, channels, kernel, **options)  # type: ignore[arg-type]
    return fc.Sequential(fc.Conv2d(3, channels, 3, padding=1, seed=1), fc.ReLU(), large, fc.BatchNorm2d(channels))


@pytest.mark.parametrize(("kernel", "count", "before", "after"), [(5, 2, 25, 18), (7, 3, 49, 27)])
@pytest.mark.parametrize("padding", [0, 1, 2, 3, (2, 1), "same"])
def test_a_stack_sees_as_much_with_fewer_weights(kernel: int, count: int, before: int, after: int, padding: object) -> None:
    net = net_of(kernel, padding=padding, bias=False)
    made = fc.rewrite.small_filters(net, verbose=False)
    stack = made[2]  # type: ignore[index]
    assert [type(layer) for layer in stack] == [fc.Conv2d, *[fc.ReLU, fc.Conv2d] * (count - 1)]
    weights = [sum(layer.weight.size for layer in part if isinstance(layer, fc.Conv2d)) for part in (net[2:3], stack)]
    assert weights == [before * 64, after * 64]
    old, new = net.summary((3, 32, 24)), made.summary((3, 32, 24))
    assert old[-1].output == new[-1].output
    assert old[-1].receptive_field == new[-1].receptive_field == (kernel + 2, kernel + 2)
    assert [layer.bias is not None for layer in stack if isinstance(layer, fc.Conv2d)] == [True] * (count - 1) + [False]


def test_all_other_weights_are_copies() -> None:
    net = net_of(5)
    before = net.state_dict()
    made = fc.rewrite.small_filters(net, verbose=False)
    state = made.state_dict()
    assert all(np.array_equal(state[key], before[key]) for key in before if not key.startswith("2."))
    made[0].weight.assign(np.zeros((8, 3, 3, 3)))  # type: ignore[index]
    assert np.array_equal(net.state_dict()["0.weight"], before["0.weight"])
    again = fc.rewrite.small_filters(net, verbose=False, seed=0)
    other = fc.rewrite.small_filters(net, verbose=False, seed=1)
    assert np.array_equal(again.state_dict()["2.0.weight"], state["2.0.weight"])
    assert not np.array_equal(other.state_dict()["2.0.weight"], state["2.0.weight"])


def test_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    made = fc.rewrite.small_filters(net_of(7, 64, padding=3), (3, 32, 32))
    printed = capsys.readouterr().out
    assert [line.split() for line in printed.splitlines()[:3]][2] == ["2", "7x7", "3", "of", "3x3", "200,768", "110,784"]
    for word in ("all parameters", "multiply-adds", "memory for backward", "The weights of the stacks are new", "recomputing"):
        assert word in printed
    old, new = net_of(7, 64, padding=3).cost((3, 32, 32)), made.cost((3, 32, 32))
    assert new.macs < old.macs
    assert old.backward_bytes is not None and new.backward_bytes is not None and new.backward_bytes > old.backward_bytes


def test_a_first_layer_of_few_channels_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    net = fc.Sequential(fc.Conv2d(3, 64, 7, padding=3), fc.ReLU(), fc.Conv2d(64, 64, 5, padding=2))
    made = fc.rewrite.small_filters(net)
    assert made[0].kernel_size == (7, 7)  # type: ignore[index]
    assert "kept" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"^\[small_filters\] the network must have .* Got Conv2d, where stacks have more\.$"):
        fc.rewrite.small_filters(fc.Conv2d(3, 64, 7))


class Branches(fc.Module):
    def __init__(self) -> None:
        self.left, self.right = fc.Conv2d(8, 8, 7, padding=3), fc.Conv2d(8, 8, 1)

    def forward(self, x: fc.Value) -> fc.Value:
        return fc.relu(self.left(x) + self.right(x))


def test_in_classes_of_ones_own_shared_and_alone() -> None:
    own = fc.rewrite.small_filters(fc.Sequential(Branches(), Branches()), verbose=False)
    assert own(np.zeros((1, 8, 9, 9))).shape == (1, 8, 9, 9)
    assert "1.left.4.weight" in own.state_dict()
    conv = fc.Conv2d(8, 8, 5, padding=2)
    twice = fc.rewrite.small_filters(fc.Sequential(conv, fc.ReLU(), conv), verbose=False)
    assert twice[0] is twice[2]  # type: ignore[index]
    alone = fc.rewrite.small_filters(conv, verbose=False, activation=fc.Tanh)
    assert isinstance(alone[1], fc.Tanh)  # type: ignore[index]
    grouped = fc.rewrite.small_filters(fc.Conv2d(8, 8, 5, groups=4, padding_mode="reflect", padding=2), verbose=False)
    assert grouped[0].groups == 4 and grouped[0].padding_mode == "reflect"  # type: ignore[index]


@pytest.mark.parametrize(
    "layer", [fc.Conv2d(8, 8, 3), fc.Conv2d(8, 8, 5, stride=2), fc.Conv2d(8, 8, 5, dilation=2), fc.Conv2d(8, 8, (5, 7))]
)
def test_nothing_to_replace(layer: fc.Module) -> None:
    with pytest.raises(
        ValueError, match=r"^\[small_filters\] the network must have a Conv2d of 5x5 or 7x7, stride 1 .* Got Conv2d with none\.$"
    ):
        fc.rewrite.small_filters(layer)


def test_memory_is_called_more_only_where_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    narrow = fc.Sequential(fc.Conv2d(64, 8, 7, padding=3))
    fc.rewrite.small_filters(narrow, (64, 16, 15))
    printed = capsys.readouterr().out
    assert "keeps more" not in printed and "The weights of the stacks are new" in printed
    fc.rewrite.small_filters(narrow)
    assert "keeps more" in capsys.readouterr().out


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match=r"^\[small_filters\] the network must be a Module\. Got int\.$"):
        fc.rewrite.small_filters(3)  # type: ignore[arg-type]
    for wrong in (fc.ReLU(), 3, fc.relu, list):
        with pytest.raises(TypeError, match=r"^\[small_filters\] activation must make a layer when it is called, as fastcnn\.ReLU does\."):
            fc.rewrite.small_filters(net_of(5), activation=wrong)  # type: ignore[arg-type]
