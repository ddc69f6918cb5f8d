"""to_convolutional: maps against crops evaluated one by one, where they must be equal; what must hold where padding makes them differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_nets import Lambda
from zoo_networks import make, with_statistics

import fastcnn as fc
import fastcnn.functional as F


def images(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, *shape)).astype(np.float32)


def crops(net: fc.Module, x: np.ndarray, window: tuple[int, int], stride: tuple[int, int]) -> np.ndarray:
    """(N, K, h, w): each crop through the classifier, alone."""
    rows = range(0, x.shape[2] - window[0] + 1, stride[0])
    columns = range(0, x.shape[3] - window[1] + 1, stride[1])
    cells = [[net(x[:, :, i : i + window[0], j : j + window[1]]) for j in columns] for i in rows]
    return np.moveaxis(np.array(cells).reshape(len(rows), len(columns), len(x), -1), (0, 1), (2, 3))


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, **options: Any) -> fc.Conv2d:
    return fc.Conv2d(inputs, outputs, kernel, stride, seed=inputs + outputs, **options)


def linear(inputs: int, outputs: int) -> fc.Linear:
    return fc.Linear(inputs, outputs, seed=inputs)


Sequential, Flatten = fc.Sequential, fc.Flatten
POOLS = (F.max_pool2d, F.avg_pool2d)
UNPADDED: dict[str, tuple[fc.Module, tuple[int, int], tuple[int, int]]] = {  # classifier of (2, H, W), window, stride
    "two linear layers": (
        Sequential(conv(2, 4), fc.ReLU(), fc.MaxPool2d(2), Flatten(), linear(4 * 7 * 6, 9), fc.Tanh(), linear(9, 3)),
        (16, 14),
        (2, 2),
    ),
    "a stride and average pooling": (
        Sequential(conv(2, 4, 4, 2), fc.SiLU(), fc.AvgPool2d(3, 3), Flatten(), linear(4 * 4, 3), fc.Softmax(1)),
        (14, 14),
        (6, 6),
    ),
    "rows and columns that no layer reads": (
        Sequential(conv(2, 4), fc.MaxPool2d(2), conv(4, 4, 2), fc.MaxPool2d(2), Flatten(), linear(4 * 3 * 2, 3)),
        (19, 13),
        (4, 4),
    ),
    "a stride that does not tile": (Sequential(conv(2, 4, 5, 3), Flatten(), linear(4 * 4 * 3, 3)), (16, 13), (3, 3)),
    "dilation": (Sequential(conv(2, 4, 3, dilation=2), fc.ReLU(), Flatten(), linear(4 * 3 * 2, 3)), (7, 6), (1, 1)),
    "another stride each way": (Sequential(conv(2, 4, 3, (1, 3)), Flatten(), linear(4 * 6 * 2, 3)), (8, 6), (1, 3)),
    "global pooling": (
        Sequential(conv(2, 4), fc.ReLU(), fc.MaxPool2d(2), fc.AdaptiveAvgPool2d(1), Flatten(), linear(4, 3)),
        (10, 12),
        (2, 2),
    ),
    "a global maximum": (Sequential(conv(2, 4), fc.AdaptiveMaxPool2d(1), Flatten(), linear(4, 3)), (5, 6), (1, 1)),
    "means of the image": (Lambda(lambda x: x.mean((2, 3)) * 2 + 1), (4, 3), (1, 1)),
    "the largest of the image": (Lambda(lambda x: x.amax((2, 3), keepdim=True).flatten(1)), (4, 3), (1, 1)),
    "adaptive pooling to 2x2": (Sequential(conv(2, 4), fc.AdaptiveAvgPool2d(2), Flatten(), linear(16, 3)), (10, 10), (4, 4)),
    "adaptive pooling that does nothing": (Sequential(conv(2, 4), fc.AdaptiveAvgPool2d(3), Flatten(), linear(36, 3)), (5, 5), (1, 1)),
    "branches": (Lambda(lambda x: F.cat([pool(x, 3, 2) for pool in POOLS], 1).flatten(1)), (3, 3), (2, 2)),
    "norms": (
        Sequential(fc.BatchNorm2d(2), conv(2, 4), fc.LocalResponseNorm(3), fc.PReLU(4), Flatten(), linear(16, 3)),
        (4, 4),
        (1, 1),
    ),
    "convolutional already": (Sequential(conv(2, 3, 5), Flatten()), (5, 5), (1, 1)),
    "a vector added to the scores": (
        Lambda(lambda x: x.mean((2, 3)) * fc.Parameter(np.array([2.0, 3.0])) + fc.Parameter(np.array([[1.0, 0.0]]))),
        (4, 4),
        (1, 1),
    ),
}


@pytest.mark.parametrize("name", UNPADDED)
def test_without_padding_the_map_is_that_of_the_crops(name: str) -> None:
    net, window, stride = UNPADDED[name]
    full = net.to_convolutional((2, *window))
    assert (full.window, full.stride) == (window, stride)
    for more in ((0, 0), (stride[0], 3 * stride[1]), (2 * stride[0] + 1, stride[1] - 1), (13, 17)):
        x = images(2, 2, window[0] + more[0], window[1] + more[1])
        expected = crops(net, x, window, stride)
        found = full(x)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())


def test_lenet_of_the_zoo() -> None:
    net = fc.zoo.lenet5()
    full, x = net.to_convolutional((1, 32, 32)), images(1, 1, 48, 64)
    assert full.stride == (4, 4)
    assert full(x).shape == (1, 10, 5, 9)
    assert np.abs(full(x) - crops(net, x, (32, 32), (4, 4))).max() <= 1e-5


# ---- with padding


PADDED = {
    "vgg": Sequential(
        *(conv(3, 8, padding=1), fc.ReLU(), fc.MaxPool2d(2), conv(8, 8, padding=1), fc.ReLU(), fc.MaxPool2d(2)),
        *(fc.ZeroPad2d(1), conv(8, 8), Flatten(), linear(8 * 8 * 8, 16), fc.ReLU(), linear(16, 5)),
    ),
    "residual": Sequential(
        *(conv(3, 8, 7, 2, padding=3), Lambda(lambda x: fc.relu(x) + x), fc.MaxPool2d(3, 2, 1)),
        *(fc.AdaptiveAvgPool2d(1), Flatten(), linear(8, 5)),
    ),
}


@pytest.mark.parametrize("name", PADDED)
def test_with_padding(name: str) -> None:
    """The map of the window is the classifier's answer; an image shifted by the stride gives the shifted map, but for its border."""
    net = PADDED[name]
    full = net.to_convolutional((3, 32, 32))
    assert full.stride == (4, 4)
    x = images(2, 3, 32, 32)
    assert np.abs(full(x)[:, :, 0, 0] - net(x)).max() <= 1e-5
    large = images(1, 3, 72, 72)
    ours, shifted = full(large[:, :, :68, :68]), full(large[:, :, 4:, 4:])
    assert ours.shape == (1, 5, 10, 10)
    seen = 3  # places whose window reaches the padding: 10 pixels at most from the border
    assert np.abs(ours[:, :, 1 + seen : -seen, 1 + seen : -seen] - shifted[:, :, seen : -1 - seen, seen : -1 - seen]).max() <= 1e-5
    assert np.abs(ours[:, :, 0, 0] - net(large[:, :, :32, :32])[0]).max() > 1e-5  # a crop sees zeros where the map sees pixels


@pytest.mark.parametrize(
    ("name", "shape", "stride"), [("resnet18", (3, 64, 64), 32), ("densenet121", (3, 64, 64), 32), ("mobilenet_v2", (3, 64, 64), 32)]
)
def test_networks_of_the_zoo(name: str, shape: tuple[int, int, int], stride: int) -> None:
    net = make(name, classes=7)
    with_statistics(net, images(4, *shape))
    full, x = net.to_convolutional(shape), images(2, *shape, seed=1)
    assert full.stride == (stride, stride)
    scores = net(x)
    assert np.abs(full(x)[:, :, 0, 0] - scores).max() <= 1e-5 * max(1, np.abs(scores).max())
    assert full(images(1, 3, 160, 128)).shape == (1, 7, 4, 3)


def test_alexnet_at_its_own_size() -> None:
    net = fc.zoo.alexnet(classes=10)
    full, x = net.to_convolutional((3, 224, 224)), images(1, 3, 224, 224)
    assert full.stride == (32, 32)
    scores = net(x)
    assert np.abs(full(x)[:, :, 0, 0] - scores).max() <= 1e-5 * np.abs(scores).max()
    assert full(images(1, 3, 288, 256)).shape == (1, 10, 3, 2)


def test_six_by_six_places_of_384_pixels() -> None:
    full = make("resnet18", classes=3).to_convolutional((3, 224, 224))
    assert (full.window, full.stride) == ((224, 224), (32, 32))
    assert full(images(1, 3, 384, 384)).shape == (1, 3, 6, 6)


def test_gates_see_the_whole_image() -> None:
    """Squeeze and excitation: the mean is that of the larger image, so that the map of a constant image is that of its crops."""
    net = Lambda(lambda x: (x * x.mean((2, 3), keepdim=True).sigmoid()).mean((2, 3)))
    full = net.to_convolutional((2, 4, 4))
    x = images(1, 2, 6, 7)
    gated = x / (1 + np.exp(-x.mean((2, 3), keepdims=True)))
    expected = np.lib.stride_tricks.sliding_window_view(gated, (4, 4), (2, 3)).mean((4, 5))
    assert np.abs(full(x) - expected).max() <= 1e-5
    assert fc.zoo.efficientnet_b0(classes=3).to_convolutional((3, 64, 64))(images(1, 3, 96, 96)).shape == (1, 3, 2, 2)


# ---- a network of its own


def test_weights_are_copies_under_their_names() -> None:
    net, window, _ = UNPADDED["norms"]
    full = net.to_convolutional((2, *window))
    state = full.state_dict()
    assert state["5.weight"].shape == (3, 4, 2, 2)
    assert [name for name, _ in full.named_parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "5.weight", "5.bias"]
    assert [name for name, _ in full.named_buffers()] == ["0.running_mean", "0.running_var"]
    x = images(1, 2, 4, 4)
    y = full(x)
    before = net[1].weight.numpy()  # type: ignore[index]
    net[1].weight.assign(2 * before)  # type: ignore[index]
    assert np.array_equal(full(x), y)
    full.load_state_dict({name: np.zeros_like(value) for name, value in state.items()})
    assert not full(x).any()
    net[1].weight.assign(before)  # type: ignore[index]


def test_it_is_saved_as_onnx(tmp_path: Any) -> None:
    net, window, _ = UNPADDED["two linear layers"]
    full, x = net.to_convolutional((2, *window)), images(1, 2, 24, 20)
    full.save(tmp_path / "full.onnx", input_shape=x.shape)
    assert np.abs(fc.load(tmp_path / "full.onnx")(x) - full(x)).max() <= 1e-5


def test_layers_keep_their_names() -> None:
    full = fc.zoo.lenet5().to_convolutional((1, 32, 32))
    assert [row.layer for row in full.summary((1, 40, 40))] == [
        "conv1",
        "tanh1",
        "pool1",
        "conv2",
        "tanh2",
        "pool2",
        "fc1",
        "tanh3",
        "fc2",
        "tanh4",
        "fc3",
    ]


@pytest.mark.parametrize(
    ("net", "rule"),
    [
        (
            fc.Sequential(fc.Flatten(), fc.LayerNorm(32)),
            r"every operation must be one that slides over an image\. Got normalize in layer '1'\.",
        ),
        (fc.Sequential(fc.Flatten()), r"the output must be scores, .* Got reshape in layer '0'\."),
        (fc.Sequential(fc.Flatten(), fc.Softmax(1)), r"it must not stand between the flattening and the first linear layer"),
        (fc.Sequential(fc.AdaptiveAvgPool2d(3), fc.Flatten(), fc.Linear(18, 2)), r"adaptive pooling must have windows of one size"),
        (Lambda(lambda x: x.reshape(-1, 8, 2, 2)), r"a reshape must flatten an image"),
        (fc.Sequential(fc.ReflectionPad2d(1), fc.Conv2d(2, 2, 3)), r"rows and columns must be repeated evenly, or padded with a number"),
        (Lambda(lambda x: x.softmax(2)), r"it must go along the channels"),
        (Lambda(lambda x: x + fc.Parameter(np.zeros((1, 2, 4, 4)))), r"an operand must be a number for each channel"),
        (fc.Linear(4, 3), r"a reshape must flatten an image"),
        (Lambda(lambda x: x.sum((2, 3))), r"a reduction must be the mean or the maximum"),
    ],
)
def test_what_does_not_slide(net: fc.Module, rule: str) -> None:
    with pytest.raises(NotImplementedError, match=rf"^\[to_convolutional\] {rule}"):
        net.to_convolutional((2, 4, 4))


def test_bad_arguments() -> None:
    net = fc.Sequential(conv(2, 3), fc.Flatten(), linear(12, 3))
    with pytest.raises(ValueError, match=r"^\[to_convolutional\] the shape must have 3 axes\. Got \(1, 2, 4, 4\)\.$"):
        net.to_convolutional((1, 2, 4, 4))
    full = net.to_convolutional((2, 4, 4))
    with pytest.raises(ValueError, match=r"^\[to_convolutional\] an image must be \(N, 2, H, W\) of at least 4x4\. Got \(1, 2, 4, 3\)\.$"):
        full(images(1, 2, 4, 3))
    with pytest.raises(NotImplementedError, match=r"^\[to_convolutional\] a converted network is not trained"):
        fc.Trainer(full, "mse", "sgd", (1, 2, 4, 4))
    padded = fc.Sequential(conv(2, 3, 3, 2, padding=1), fc.AdaptiveAvgPool2d(1), fc.Flatten()).to_convolutional((2, 8, 8))
    assert padded(images(1, 2, 9, 11)).shape == (
        1,
        3,
        1,
        2,
    )  # as many as windows lie in the image: a row more would begin at 2 and end at 10
    with pytest.raises(ValueError, match=r"^\[to_convolutional\] the network must return one value\. Got 2\.$"):
        Lambda(lambda x: (x, x)).to_convolutional((2, 4, 4))


def test_what_is_converted_can_be_looked_at() -> None:
    net = fc.Sequential(fc.Conv2d(1, 2, 3, seed=0), fc.Flatten(), fc.Linear(2 * 6 * 6, 3, seed=1)).to_convolutional((1, 8, 8))
    assert net.cost((1, 10, 10)).macs > 0
    assert all(finding.severity != "error" for finding in net.check((1, 10, 10)))


def test_a_network_without_operations() -> None:
    x = images(1, 2, 5, 6)
    assert np.array_equal(fc.Identity().to_convolutional((2, 4, 4))(x), x)
