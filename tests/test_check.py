"""check(): each rule has a network that breaks it and nothing else, and one that keeps all; a cause is found once; the zoo has no error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import fastcnn as fc
from fastcnn.insight import size_rules as check_rules


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
    assert "halves the image 5 times" in message and "halves the image once" in halving(1).check((1, 33, 33))[0].message


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


def test_a_pooling_of_large_stride_is_found_once_with_what_it_leaves_out() -> None:
    """Its stride is the cause; strict: of the error."""
    net = fc.Sequential(conv(), fc.MaxPool2d(3, 3))
    (finding,) = net.check(IMAGE)
    assert finding.rule == "pooling_drop" and "the last 2 rows and 2 columns of pixels are in none" in finding.message
    assert [(each.rule, each.severity) for each in net.check(IMAGE, strict=True)] == [("tiling", "error")]
    assert "16 rows and 16 columns" in fc.MaxPool2d(2, 4).check(IMAGE)[0].message
    assert rules_of(fc.MaxPool2d(2, 4), IMAGE) == ["pooling_drop"]


def test_what_is_not_used_has_no_other_finding() -> None:
    net = Net(lambda n, x: (n.b(n.a(x)), n.a(x))[1], a=conv(), b=fc.Sequential(conv(kernel=9, padding=0), fc.MaxPool2d(4)))
    assert [(finding.rule, finding.layer) for finding in net.check(IMAGE)] == [("dead_end", "b.1")]


# ---- what to do


@pytest.mark.parametrize(
    ("layer", "said", "unsaid"),
    [
        (conv(2, 2, 7), "3 layers of 3x3 see as much, with 27 instead of 49 weights", "same dilation"),
        (conv(2, 2, 7), "fastcnn.rewrite.small_filters(net) does it.", "same dilation"),
        (conv(2, 2, 7, stride=2), "3 layers of 3x3", "small_filters"),
        (conv(2, 2, 9), "4 layers of 3x3 see as much, with 36 instead of 81", "small_filters"),
        (conv(2, 2, 7, dilation=2, padding=6), "3 layers of 3x3 of the same dilation", "small_filters"),
    ],
)
def test_large_kernels_are_sent_to_what_helps(layer: fc.Module, said: str, unsaid: str) -> None:
    (finding,) = fc.Sequential(conv(1, 2), layer).check(IMAGE)
    assert finding.rule == "large_kernel" and said in finding.message and unsaid not in finding.message


@pytest.mark.parametrize("kernel", [(1, 31), (3, 9), (9, 3)])
def test_narrow_kernels_have_fewer_weights_than_a_stack(kernel: tuple[int, int]) -> None:
    padding = (kernel[0] // 2, kernel[1] // 2)
    assert rules_of(fc.Sequential(conv(1, 2), fc.Conv2d(2, 2, kernel, padding=padding)), IMAGE) == []


def test_memory_is_saved_where_it_is_not_yet() -> None:
    """A network that strides at once is not told to; each layer that is named has a name."""
    image = (3, 256, 256)
    (found,) = DEEP.check(image)
    assert "a smaller batch, smaller images or a stride of 2 in the first convolution (0)." in found.message
    late = fc.Sequential(conv(3, 32), fc.ReLU(), conv(32, 32), fc.ReLU(), fc.MaxPool2d(2), conv(32, 64))
    assert "or the first pooling (4) earlier." in late.check((3, 512, 512))[0].message
    (found,) = fc.zoo.mobilenet_v2().check((3, 224, 224))
    assert found.message.endswith("If that is too much: a smaller batch or smaller images.")
    for finding in fc.zoo.unet().check((1, 256, 256)):
        assert ", ," not in finding.message and "in , " not in finding.message


def test_windows_smaller_than_the_stride_leave_gaps_also_behind_the_last() -> None:
    (finding,) = conv(kernel=1, padding=0, stride=2).check((1, 2, 2))
    assert "leave gaps: of 2x2, 1 row and 1 column are in none" in finding.message
    (finding,) = conv(stride=4, padding=2, dilation=2).check(IMAGE)
    assert "do not tile 32x32 (36x36 with padding)" in finding.message


def test_an_image_that_the_network_refuses() -> None:
    (finding,) = fc.zoo.unet().check((1, 36, 36))
    assert finding.message == "[unet] height and width must be multiples of 16. Got 36x36. Change the image, or the network."


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
