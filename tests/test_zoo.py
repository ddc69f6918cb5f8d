"""The zoo: structures equal the published ones, seeds, training, files."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from small_nets import same_state
from zoo_networks import LARGE, SMALL, images, make

import fastcnn as fc

# Parameters, as published; and a checksum of all keys with their shapes in order. Those of networks that torchvision 0.29 has were taken
# from its state_dict; the others have been read through once.
PUBLISHED = {
    "alexnet": (61_100_840, 0x1043DF05),
    "densenet121": (7_978_856, 0x15080C3C),
    "efficientnet_b0": (5_288_548, 0xCEE12E59),
    "googlenet": (6_624_904, 0x446D75E3),
    "lenet5": (61_706, 0x7C8EBE69),
    "mobilenet_v1": (4_231_976, 0xCDA780A0),
    "mobilenet_v2": (3_504_872, 0xF839A807),
    "resnet101": (44_549_160, 0x1259D56D),
    "resnet152": (60_192_808, 0x00E38A1B),
    "resnet18": (11_689_512, 0x7D54C168),
    "resnet20": (269_722, 0x0BA83688),
    "resnet34": (21_797_672, 0x97C81A96),
    "resnet50": (25_557_032, 0x13B53562),
    "resnet56": (853_018, 0xE4018017),
    "squeezenet1_0": (1_248_424, 0x92BE5D13),
    "squeezenet1_1": (1_235_496, 0x477EC8A0),
    "unet": (31_030_658, 0x9A6C65BC),
    "vgg11": (132_863_336, 0xB4F07EAD),
    "vgg11_bn": (132_868_840, 0x2948C50A),
    "vgg13": (133_047_848, 0x575781D2),
    "vgg13_bn": (133_053_736, 0xB9D4C54C),
    "vgg16": (138_357_544, 0x3762AC71),
    "vgg16_bn": (138_365_992, 0x517FF714),
    "vgg19": (143_667_240, 0xE659A491),
    "vgg19_bn": (143_678_248, 0xED3966EE),
    "zfnet": (62_357_608, 0xF4F9FCD0),
}


OUTPUTS = {"lenet5": (2, 10), "resnet20": (2, 10), "resnet56": (2, 10), "unet": (2, 2, 32, 32)}


def count(net: fc.Module) -> int:
    return sum(parameter.size for parameter in net.parameters())


def shapes(net: fc.Module) -> dict[str, tuple[int, ...]]:
    return {key: tensor.shape for key, tensor in net.saved_tensors()}


def checksum(net: fc.Module) -> int:
    return zlib.crc32(" ".join(f"{key} {shape}" for key, shape in shapes(net).items()).encode())


def test_every_network_is_here() -> None:
    assert set(fc.zoo.__all__) == set(PUBLISHED) == {*LARGE, *SMALL}


@pytest.mark.parametrize("name", PUBLISHED)
def test_structure(name: str) -> None:
    """Parameters, keys and shapes; and the docstring says the count that is there."""
    net = make(name)
    assert (count(net), hex(checksum(net))) == (PUBLISHED[name][0], hex(PUBLISHED[name][1]))
    assert f"{count(net):,} parameters" in (getattr(fc.zoo, name).__doc__ or "")
    if not name.startswith("vgg") or name == "vgg11_bn":
        x = images(name, 2)
        y = net(x)
        assert y.shape == OUTPUTS.get(name, (2, 1000))
        assert np.isfinite(y).all()


# Keys that hold the peculiarities of torchvision's names, by hand.
KEYS = {
    "efficientnet_b0": {
        "features.1.0.block.0.0.weight": (32, 1, 3, 3),
        "features.1.0.block.1.fc1.weight": (8, 32, 1, 1),
        "features.3.1.block.2.fc2.bias": (240,),
        "features.8.1.running_var": (1280,),
        "classifier.1.weight": (1000, 1280),
    },
    "densenet121": {
        "features.denseblock1.denselayer1.norm1.weight": (64,),
        "features.denseblock4.denselayer16.conv2.weight": (32, 128, 3, 3),
        "features.transition2.conv.weight": (256, 512, 1, 1),
        "features.norm5.num_batches_tracked": (),
    },
    "googlenet": {
        "inception3a.branch1.conv.weight": (64, 192, 1, 1),
        "inception4e.branch3.1.bn.running_mean": (128,),
        "inception5b.branch4.1.conv.weight": (128, 832, 1, 1),
    },
    "mobilenet_v2": {"features.1.conv.0.0.weight": (32, 1, 3, 3), "features.17.conv.2.weight": (320, 960, 1, 1)},
    "resnet50": {"layer1.0.downsample.0.weight": (256, 64, 1, 1), "layer4.2.bn3.bias": (2048,)},
    "squeezenet1_1": {"features.12.expand3x3.weight": (256, 64, 3, 3), "classifier.1.weight": (1000, 512, 1, 1)},
}


@pytest.mark.parametrize("name", KEYS)
def test_keys(name: str) -> None:
    found = shapes(make(name))
    assert {key: found.get(key) for key in KEYS[name]} == KEYS[name]


def test_arguments_reach_the_layers() -> None:
    assert make("mobilenet_v2", classes=7)(images("mobilenet_v2", 1)).shape == (1, 7)
    assert make("squeezenet1_1", dropout=0.1).classifier[0].p == 0.1
    depths = [part.p for part in make("efficientnet_b0").modules() if type(part).__name__ == "StochasticDepth"]
    assert depths == pytest.approx([0.2 * i / 16 for i in range(16)])
    for name, eps in (("googlenet", 1e-3), ("efficientnet_b0", 1e-5), ("densenet121", 1e-5)):
        assert {part.eps for part in make(name).modules() if isinstance(part, fc.BatchNorm2d)} == {eps}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 0}, r"\[Linear\] out_features must be at least 1\. Got out_features=0\."),
        ({"seed": -1}, r"\[googlenet\] seed must be at least 0\. Got seed=-1\."),
        ({"dropout": 2.0}, r"\[Dropout\] p must be between 0 and 1\. Got p=2\."),
        ({"aux": 1}, r"\[googlenet\] aux must be True or False\. Got aux=1\."),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"^{message}$"):
        make("googlenet", **arguments)


# ---- first values ----------------------------------------------------------------------------------------------------------------------


def test_seeds() -> None:
    assert same_state(make("resnet20", seed=3), make("resnet20", seed=3))
    assert not same_state(make("resnet20", seed=3), make("resnet20", seed=4))
    assert not same_state(make("resnet20", seed=None), make("resnet20", seed=None))
    block = make("resnet20").layer1
    assert not np.array_equal(block[0].conv1.weight.numpy(), block[1].conv1.weight.numpy())  # layers of one shape differ
    assert fc.Linear(3, 4, seed=1).bias is not None
    assert np.any(fc.Linear(3, 4, seed=1).bias.numpy())  # outside of the zoo the rule is PyTorch's


def test_first_values_are_by_he() -> None:
    """The variance of a weight is 2 / fan_in: estimated from n values, uniform ones, within 5 of its standard deviations sqrt(0.8 / n)."""
    for key, values in make("vgg11").state_dict().items():
        if key.endswith("bias"):
            assert not values.any()
        else:
            fan_in = values.size // len(values)
            assert np.mean(values**2) * fan_in == pytest.approx(2, rel=5 * np.sqrt(0.8 / values.size))
            assert np.abs(values).max() <= np.sqrt(6 / fan_in) * (1 + 1e-6)


# ---- training --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SMALL if name not in ("resnet34", "resnet50", "resnet101", "resnet152")])
def test_training_steps(name: str) -> None:
    """The loss of one batch falls; and dropout and stochastic depth, left out for that, change it."""
    x, y = images(name, 8), np.arange(8) % 3
    if name == "unet":
        y = (x[:, 0] > 0).astype(int) + (x[:, 0] > 2)
    arguments = {key: 0.0 for key in ("dropout", "stochastic_depth") if key in getattr(fc.zoo, name).__wrapped__.__annotations__}
    trainer = fc.Trainer(make(name, classes=3, **arguments), "cross_entropy", fc.optim.SGD(1e-4), x.shape)
    losses = [trainer.step(x, y) for _ in range(4)]
    assert losses[-1] < losses[0]
    if arguments:
        random = fc.Trainer(make(name, classes=3), "cross_entropy", "sgd", x.shape)
        assert random.step(x, y) != losses[0]


def test_stochastic_depth_drops_whole_samples() -> None:
    from fastcnn.zoo.efficientnet import StochasticDepth

    x = np.ones((64, 3, 4, 4), np.float32)
    trainer = fc.Trainer(fc.Sequential(fc.Identity(), StochasticDepth(0.25), fc.PReLU(1)), "mse", "sgd", x.shape)
    trainer.step(x, x)
    assert trainer.output is not None
    samples = trainer.output.reshape(64, -1)
    assert np.all(samples == samples[:, :1])
    assert set(np.unique(samples)) == {0.0, np.float32(1 / 0.75)}


def test_cifar_shortcut() -> None:
    """Option A: every second pixel, zeros for new channels in front and behind."""
    from fastcnn.zoo.resnet_cifar import Block

    block = Block(4, 8)
    for parameter in (block.bn2.weight, block.bn2.bias):
        parameter.assign(np.zeros(8))
    x = np.random.default_rng(0).uniform(0, 1, (2, 4, 6, 7)).astype(np.float32)
    want = np.zeros((2, 8, 3, 4), np.float32)
    want[:, 2:6] = x[:, :, ::2, ::2]
    np.testing.assert_array_equal(block(x), want)


# ---- GoogLeNet's heads and input -------------------------------------------------------------------------------------------------------


def test_googlenet_with_aux() -> None:
    net = make("googlenet", aux=True)
    assert count(net) == 13_004_888
    x = images("googlenet", 2)
    assert net(x).shape == (2, 1000)
    assert {"aux1.conv.bn.weight", "aux2.fc1.weight", "aux2.fc2.bias"} <= set(shapes(net))
    with pytest.raises(ValueError, match=r"must return one value\. Got 3\."):
        fc.Trainer(net, "cross_entropy", "sgd", x.shape)


class WithAux(fc.Module):
    def __init__(self) -> None:
        self.net = make("googlenet", classes=3, aux=True)

    def forward(self, x: fc.Value) -> fc.Value:
        if not self.training:
            return self.net(x)
        y, aux2, aux1 = self.net(x)
        return y + (aux2 + aux1) * 0.3


def test_googlenet_trains_with_its_heads() -> None:
    net, x = WithAux(), images("googlenet", 3)
    before = net.net.aux1.fc1.weight.numpy()
    fc.Trainer(net, "cross_entropy", "sgd", x.shape).step(x, np.arange(3))
    assert not np.array_equal(before, net.net.aux1.fc1.weight.numpy())
    assert net(x).shape == (3, 3)


def test_googlenet_transforms_its_input() -> None:
    plain, transforming = make("googlenet"), make("googlenet", transform_input=True)
    x = images("googlenet", 2)
    mean, deviation = (np.reshape(c, (3, 1, 1)) for c in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    want = plain(((x * deviation + mean) - 0.5) / 0.5)
    np.testing.assert_allclose(transforming(x), want, atol=1e-5 * np.abs(want).max())


def test_unet_needs_sizes_that_can_be_halved() -> None:
    with pytest.raises(ValueError, match=r"^\[unet\] height and width must be multiples of 16\. Got 32x40\.$"):
        make("unet", width=2)(np.zeros((1, 1, 32, 40)))
    assert make("unet", classes=5, channels=3, width=2)(np.zeros((1, 3, 16, 48))).shape == (1, 5, 16, 48)


# ---- files -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "squeezenet1_1", "mobilenet_v2", "densenet121", "efficientnet_b0", "unet"])
def test_saved_and_loaded(name: str, tmp_path: Path) -> None:
    net, x = make(name, classes=5, seed=9), images(name, 2)
    net.save(tmp_path / "net.safetensors")
    again = fc.load(tmp_path / "net.safetensors")
    assert type(again) is type(net)
    assert same_state(again, net)
    np.testing.assert_array_equal(again(x), net(x))
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "net.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()


def test_a_network_inside_another_comes_back(tmp_path: Path) -> None:
    inner = make("googlenet", classes=4, aux=True, dropout=0.5)
    net = fc.Sequential({"net": inner, "again": fc.Sequential(fc.Linear(4, 4)), "softmax": fc.Softmax(1)})
    net.save(tmp_path / "a")
    again = fc.load(tmp_path / "a")
    assert same_state(again, net)
    assert again.net.dropout.p == 0.5
    assert again.net.aux1 is not None


def test_a_changed_network_is_no_network_of_the_zoo(tmp_path: Path) -> None:
    """Its weights are kept, and loading says what to do; a network of layers alone is described by its layers."""
    net = make("resnet20")
    net.fc = fc.Linear(64, 3)
    with pytest.warns(UserWarning, match=r"is saved as weights alone: .* Got CifarResNet\.$"):
        net.save(tmp_path / "a")
    with pytest.raises(
        ValueError, match=r"^\[load\] what is more than layers and networks of fastcnn is made by you, .*\. Got 'CifarResNet'\.$"
    ):
        fc.load(tmp_path / "a")
    net = make("mobilenet_v2")
    net.classifier[0].p = 0.7
    with pytest.warns(UserWarning, match="is saved as weights alone: "):
        net.save(tmp_path / "a")
    with pytest.raises(ValueError, match=r"^\[load\] what is more than layers and networks"):
        fc.load(tmp_path / "a")
    lenet = make("lenet5")
    lenet.fc3 = fc.Linear(84, 3)
    lenet.save(tmp_path / "a")
    assert same_state(fc.load(tmp_path / "a"), lenet)


def test_densenet_understands_the_keys_of_the_published_file() -> None:
    net = make("densenet121", classes=3)
    published = {}
    for key, values in net.state_dict().items():
        for name in ("norm1", "norm2", "conv1", "conv2"):
            if "denselayer" in key:
                key = key.replace(f".{name}.", f".{name[:-1]}.{name[-1]}.")
        published[key] = values * 2
    assert "features.denseblock1.denselayer1.norm.1.weight" in published
    net.load_state_dict(published)
    assert all(np.array_equal(value, want) for value, want in zip(net.state_dict().values(), published.values(), strict=True))
