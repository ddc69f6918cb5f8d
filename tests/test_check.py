"""check(): each rule has a network that breaks it and nothing else, and one that keeps all; a cause is found once; the zoo has no error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import fastcnn as fc
from fastcnn import check_rules


class Net(fc.Module):
    """forward() is a function of the module and its input."""

    def __init__(self, function: Any, **layers: fc.Module) -> None:
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


def conv(inputs: int = 1, outputs: int = 1, kernel: int = 3, **options: Any) -> fc.Conv2d:
    return fc.Conv2d(inputs, outputs, kernel, **{"padding": kernel // 2, **options})


def halving(times: int) -> fc.Sequential:
    return fc.Sequential(*(layer for _ in range(times) for layer in (conv(), fc.ReLU(), fc.MaxPool2d(2))))


IMAGE = (1, 32, 32)
# rule: severity, layer, what breaks it, what keeps it
Case = tuple[str, str, fc.Module, tuple[int, ...], fc.Module, tuple[int, ...]]
LINEAR = fc.Sequential(fc.Flatten(), fc.Linear(8, 3))
LARGE = fc.Sequential(conv(1, 2), conv(2, 2, 7))
LARGE_FIRST = fc.Sequential(conv(1, 2, 7), conv(2, 2, 5), conv(2, 2, 7, groups=2))
SMALL_POOLS = fc.Sequential(fc.AvgPool2d(3, 2, 1), fc.AvgPool2d(16))
DEEP = fc.Sequential(conv(3, 32), fc.ReLU(), conv(32, 32), fc.ReLU(), conv(32, 1))
POOLED = fc.Sequential(conv(3, 32, stride=2), fc.ReLU(), fc.MaxPool2d(2), conv(32, 32), fc.ReLU(), conv(32, 1))
BESIDE = Net(lambda n, x: (n.b(n.a(x)), n.a(x))[1], a=conv(), b=conv())
SUM = Net(lambda n, x: n.b(n.a(x)) + n.a(x), a=conv(), b=conv())
ONE_OF_TWO = Net(lambda n, x: n.a(x), a=conv(), b=conv())
PADDED = fc.Sequential(fc.ZeroPad2d(1), conv(padding=0))
# rule: severity, layer, what breaks it, what keeps it
RULES: dict[str, Case] = {
    "kernel_larger_than_input": ("error", "0", fc.Sequential(conv(kernel=9, padding=1)), (1, 5, 5), conv(kernel=9), (1, 5, 5)),
    "shape_mismatch": ("error", "1", LINEAR, (1, 2, 2), LINEAR, (2, 2, 2)),
    "input_side": ("warning", "", halving(3), (1, 36, 32), halving(2), (1, 36, 32)),
    "tiling": ("warning", "0", fc.Sequential(fc.MaxPool2d(3, 2)), IMAGE, fc.MaxPool2d(3, 2, padding=1), IMAGE),
    "shrinking": ("warning", "0", fc.Sequential(conv(padding=0)), IMAGE, PADDED, IMAGE),
    "unpadded_stride": ("warning", "conv2d", conv(kernel=4, padding=0, stride=2), IMAGE, conv(kernel=4, padding=1, stride=2), IMAGE),
    "large_kernel": ("warning", "1", LARGE, IMAGE, LARGE_FIRST, IMAGE),
    "pooling_drop": ("warning", "0", fc.Sequential(fc.MaxPool2d(4)), IMAGE, fc.MaxPool2d(2), IMAGE),
    "pooling_window": ("warning", "0", fc.Sequential(fc.AvgPool2d(4, 2, 1)), IMAGE, SMALL_POOLS, IMAGE),
    "local_response_norm": ("note", "0", fc.Sequential(fc.LocalResponseNorm(3)), IMAGE, fc.BatchNorm2d(1), IMAGE),
    "dead_end": ("warning", "b", BESIDE, IMAGE, SUM, IMAGE),
    "unused_output": ("note", "top_k", Net(lambda n, x: x.topk(3)[1]), IMAGE, Net(lambda n, x: x.topk(3)), IMAGE),
    "unused_parameters": ("warning", "b", ONE_OF_TWO, IMAGE, SUM, IMAGE),
    "activation_memory": ("note", "", DEEP, (3, 256, 256), POOLED, (3, 256, 256)),
}


@pytest.mark.parametrize("rule", RULES)
def test_what_breaks_a_rule_breaks_it_alone(rule: str) -> None:
    severity, layer, breaks, shape, _, _ = RULES[rule]
    found = breaks.check(shape)
    assert [(finding.rule, finding.severity, finding.layer) for finding in found] == [(rule, severity, layer)]
    assert found[0].message.endswith(".") and len(found[0].message) > 60
    assert found.worst() == severity
    text = found.text(80)
    assert rule in text and max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("rule", RULES)
def test_what_keeps_a_rule_has_no_finding(rule: str) -> None:
    _, _, _, _, keeps, shape = RULES[rule]
    found = keeps.check(shape)
    assert list(found) == []
    assert found.worst() is None
    assert str(found) == "no findings"


def test_every_rule_is_tested() -> None:
    named = re.findall(r'Finding\([^"]*(?:"", )?"(\w+)", ', Path(check_rules.__file__).read_text())
    assert set(named) == set(RULES)


# ---- one finding for one cause


def rules_of(net: fc.Module, shape: tuple[int, ...], strict: bool = False) -> list[str]:
    return [finding.rule for finding in net.check(shape, strict=strict)]


def test_odd_sides_explain_the_rows_that_pooling_misses() -> None:
    assert rules_of(halving(3), (1, 30, 30)) == ["input_side"]
    message = halving(5).check((1, 230, 230))[0].message
    assert "224x224 or 256x256" in message
    assert "32, 64, 96, 224, 384, 512" in message
    assert "Take 224x224 or 256x224" in halving(5).check((1, 225, 224))[0].message


def test_missing_padding_explains_the_rows_that_pooling_misses() -> None:
    assert rules_of(fc.Sequential(conv(padding=0), fc.MaxPool2d(2), conv(padding=0), fc.MaxPool2d(2)), IMAGE) == ["shrinking"] * 2
    assert rules_of(fc.Sequential(conv(padding=0, stride=2)), IMAGE) == ["unpadded_stride"]


def test_a_small_image_explains_the_kernel_that_does_not_fit() -> None:
    found = halving(4).check((1, 7, 7))
    assert [finding.rule for finding in found] == ["kernel_larger_than_input"]
    assert found[0].layer == "8"


def test_a_large_pooling_is_found_once() -> None:
    assert rules_of(fc.MaxPool2d(4, 4), IMAGE) == ["pooling_drop"]
    assert rules_of(fc.AdaptiveAvgPool2d(4), IMAGE) == ["pooling_drop"]
    assert rules_of(fc.AdaptiveAvgPool2d(1), IMAGE) == rules_of(fc.AvgPool2d(32), IMAGE) == []


# ---- counts, strict


@pytest.mark.parametrize(
    ("layer", "counted"),
    [
        (fc.MaxPool2d((3, 2), 2), "the last 1 row of pixels"),
        (conv(kernel=1, padding=0, stride=2), "16 rows and 16 columns"),
        (conv(kernel=2, padding=0, stride=(2, 3)), "10 columns are in none"),
    ],
)
def test_rows_that_are_missed_are_counted(layer: fc.Module, counted: str) -> None:
    assert any(counted in finding.message.lower() for finding in layer.check(IMAGE) if finding.rule == "tiling")


def test_strict() -> None:
    """A padded convolution of stride 2 misses a row of zeros: nothing is lost, but it does not tile."""
    layer = conv(stride=2)
    assert rules_of(layer, IMAGE) == []
    strict = layer.check(IMAGE, strict=True)
    assert [(finding.rule, finding.severity) for finding in strict] == [("tiling", "error")]
    assert "the last 1 row and 1 column of padding" in strict[0].message
    assert rules_of(conv(stride=2), (1, 31, 31), strict=True) == ["input_side"]
    assert fc.Sequential(fc.MaxPool2d(3, 2)).check(IMAGE, strict=True)[0].severity == "error"
    assert rules_of(conv(kernel=4, padding=1, stride=2), IMAGE, strict=True) == []


# ---- networks


SHAPES = {"lenet5": IMAGE, "unet": (1, 64, 64), "resnet20": (3, 32, 32), "resnet56": (3, 32, 32)}


@pytest.mark.parametrize("name", fc.zoo.__all__)
def test_the_zoo_has_no_error(name: str) -> None:
    found = getattr(fc.zoo, name)().check(SHAPES.get(name, (3, 224, 224)))
    assert found.worst() != "error", found
    assert ("local_response_norm" in [finding.rule for finding in found]) == (name == "zfnet")


def test_the_worst_comes_first() -> None:
    net = fc.Sequential(conv(), fc.LocalResponseNorm(3), conv(padding=0), fc.Flatten(), fc.Linear(3, 1))
    assert [finding.severity for finding in net.check(IMAGE)] == ["error", "warning", "note"]


def test_bad_arguments() -> None:
    net = conv()
    with pytest.raises(ValueError, match=r"^\[check\] the shape must have 3 axes\. Got \(1, 1, 5, 5\)\.$"):
        net.check((1, 1, 5, 5))
    with pytest.raises(TypeError, match=r"^\[check\] strict must be True or False\. Got strict=1\.$"):
        net.check((1, 5, 5), strict=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^\[check\] no axis of the input may be empty\. Got \(1, 0, 5\)\.$"):
        net.check((1, 0, 5))


def test_errors_of_forward_itself_are_not_findings() -> None:
    def forward(net: Any, x: Any) -> Any:
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        Net(forward).check(IMAGE)
