"""Models as files: they come back as they were, and a file can make nothing but layers, whatever it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_nets import Block, lenet, same_state, stripes

import fastcnn as fc
from fastcnn.formats import safetensors
from fastcnn.network.kinds import LAYERS
from fastcnn.nn import layers

# ---- models ----------------------------------------------------------------------------------------------------------------------------


LAYERS_WITH_ARGUMENTS = {
    "Conv2d": lambda: fc.Conv2d(1, 6, (3, 2), (2, 1), "valid", 2, bias=False),
    "ConvTranspose2d": lambda: fc.ConvTranspose2d(6, 4, (3, 2), 2, 1, (1, 0), 2, False, (2, 1)),
    "Linear": lambda: fc.Linear(np.int64(5), 4, bias=False),
    "MaxPool2d": lambda: fc.MaxPool2d((3, 2), 1, (1, 0), 2, ceil_mode=True),
    "AvgPool2d": lambda: fc.AvgPool2d((3, 2), 1, 1, True, False, 3),
    "AdaptiveAvgPool2d": lambda: fc.AdaptiveAvgPool2d((None, 2)),
    "AdaptiveMaxPool2d": lambda: fc.AdaptiveMaxPool2d(3),
    "BatchNorm2d": lambda: fc.BatchNorm2d(6, 1e-3, 0.2, bias=False),
    "LocalResponseNorm": lambda: fc.LocalResponseNorm(3, 0.5, 0.5, 2.0),
    "Dropout": lambda: fc.Dropout(0.25, True, seed=7),
    "Flatten": lambda: fc.Flatten(2, -1),
    "Identity": lambda: fc.Identity(),
    "ReLU": lambda: fc.ReLU(True),
    "LeakyReLU": lambda: fc.LeakyReLU(0.3),
    "PReLU": lambda: fc.PReLU(6, 0.1),
    "ELU": lambda: fc.ELU(0.7),
    "CELU": lambda: fc.CELU(0.5, True),
    "GELU": lambda: fc.GELU("tanh"),
    "Softplus": lambda: fc.Softplus(2.0, 30.0),
    "Hardtanh": lambda: fc.Hardtanh(-0.5, 2.0),
    "Softmax": lambda: fc.Softmax(-1),
    "LogSoftmax": lambda: fc.LogSoftmax(0),
    "LayerNorm": lambda: fc.LayerNorm((3, 2), 1e-3, bias=False),
    "GroupNorm": lambda: fc.GroupNorm(2, 6, 1e-3),
    "InstanceNorm2d": lambda: fc.InstanceNorm2d(6, 1e-3, 0.2, True),
    "Upsample": lambda: fc.Upsample(None, (2, 1.5), "bilinear", True),
    "PixelShuffle": lambda: fc.PixelShuffle(2),
    "PixelUnshuffle": lambda: fc.PixelUnshuffle(3),
    "ZeroPad2d": lambda: fc.ZeroPad2d((1, -1, 0, 2)),
    "ReflectionPad2d": lambda: fc.ReflectionPad2d(1),
    "ReplicationPad2d": lambda: fc.ReplicationPad2d((1, 2, 3, 0)),
}


def every_layer() -> fc.Sequential:
    """One of each, with arguments that are not the defaults where there are any; the order makes no sense."""
    rest = {name: getattr(fc, name)() for name in LAYERS if name not in LAYERS_WITH_ARGUMENTS}
    return fc.Sequential({**{name: make() for name, make in LAYERS_WITH_ARGUMENTS.items()}, **rest})


def test_every_layer_comes_back(tmp_path: Path) -> None:
    assert set(LAYERS) == set(layers.__all__) - {"Layer"}
    net = every_layer()
    assert {type(layer).__name__ for layer in net} == set(LAYERS)
    net.save(tmp_path / "a")
    again = fc.load(tmp_path / "a")
    assert repr(again) == repr(net)
    assert same_state(again, net)
    for ours, other in zip(net, again, strict=True):
        assert ours.config() == other.config()  # type: ignore[attr-defined]


def test_a_trained_network_comes_back(tmp_path: Path) -> None:
    net, (x, y) = fc.Sequential(lenet(), fc.Sequential({"last": fc.LogSoftmax(1)})), stripes()
    net.fit(x, y, epochs=2, batch_size=20, optimizer="adam")
    net.save(tmp_path / "a.safetensors")
    again = fc.load(str(tmp_path / "a.safetensors"))
    assert isinstance(again, fc.Sequential)
    assert same_state(net, again)
    assert np.array_equal(net(x), again(x))
    history = [one.fit(x, y, epochs=1, optimizer="sgd")["loss"] for one in (net, again)]
    assert history[0] == history[1]


def test_a_single_layer_and_shared_layers_come_back(tmp_path: Path) -> None:
    fc.Linear(2, 3, seed=0).save(tmp_path / "a")
    assert same_state(fc.load(tmp_path / "a"), fc.Linear(2, 3, seed=0))
    layer = fc.Linear(3, 3)
    fc.Sequential(layer, fc.Sequential(fc.ReLU(), layer)).save(tmp_path / "b")
    again = fc.load(tmp_path / "b")
    assert again[0] is again[1][1]
    assert len(list(again.parameters())) == 2


def save_weights(net: fc.Module, path: Path) -> None:
    """Saves a network that load() cannot make again: save() says so, once, in the line of its call."""
    rule = r"a network that is more than layers and networks of fastcnn is saved as weights alone: make it again with your code, then "
    rule += r"net\.load_state_dict\(path\); fastcnn\.load\(path\) cannot"
    with pytest.warns(UserWarning, match=rf"^\[save\] {rule}\. Got {type(net).__name__}\.$") as found:
        net.save(path)
    assert [warning.filename for warning in found] == [__file__]


def test_a_module_of_ones_own_keeps_its_weights(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for net in (Block(2), fc.Sequential(Block(2), fc.ReLU())):
        save_weights(net, path)
        with pytest.raises(
            ValueError, match=r"^\[load\] what is more than layers and networks of fastcnn is made by you, then given its weights: "
        ) as info:
            fc.load(path)
        assert str(info.value).endswith(f"net.load_state_dict(fastcnn.load_state(path)). Got '{type(net).__name__}'.")
    save_weights(Block(2), path)
    net = Block(2)
    net.load_state_dict({key: 0 * value for key, value in net.state_dict().items()})
    net.load_state_dict(fc.load_state(path))
    assert same_state(net, Block(2))


def changed(change: Callable[[fc.Sequential], object]) -> fc.Sequential:
    net = fc.Sequential(fc.Linear(3, 3), fc.Linear(3, 3))
    change(net)
    return net


def deep(depth: int) -> fc.Sequential:
    net = fc.Sequential(fc.Linear(3, 3))
    for _ in range(depth):
        net = fc.Sequential(net)
    return net


MORE_THAN_LAYERS: dict[str, Callable[[], fc.Module]] = {
    "a parameter of a Sequential": lambda: changed(lambda net: setattr(net, "scale", fc.Parameter(np.ones(1)))),
    "a buffer more": lambda: changed(lambda net: net[0].register_buffer("mask", np.ones(3))),
    "a weight of another shape": lambda: changed(lambda net: setattr(net[0], "weight", fc.Parameter(np.ones((2, 3))))),
    "a shared weight": lambda: changed(lambda net: setattr(net[0], "weight", net[1].weight)),
    "too deep": lambda: deep(60),
}


@pytest.mark.parametrize("name", MORE_THAN_LAYERS)
def test_what_a_description_does_not_make_again_is_saved_as_weights(name: str, tmp_path: Path) -> None:
    net, path = MORE_THAN_LAYERS[name](), tmp_path / "a"
    save_weights(net, path)
    with pytest.raises(
        ValueError, match=r"^\[load\] what is more than layers and networks of fastcnn is made by you, .* Got 'Sequential'\.$"
    ):
        fc.load(path)
    net.load_state_dict({key: 0 * value for key, value in net.state_dict().items()})
    net.load_state_dict(fc.load_state(path))
    assert any(value.any() for value in net.state_dict().values())


ENDINGS = ("pt", "pth", "npz", "npy", "h5", "keras", "bin", "pkl", "ckpt", "pb", "tflite", "zip", "SAFETENSOR", "onnx.pt", "v1.5")


@pytest.mark.parametrize("ending", ENDINGS)
def test_names_of_other_formats_are_refused(ending: str, tmp_path: Path) -> None:
    rule = "a network is written as safetensors, to a name that ends in .safetensors, or as ONNX, .onnx"
    for arguments in ({}, {"input_shape": (1, 3)}):
        with pytest.raises(ValueError, match=rf"^\[save\] {re.escape(rule)}\. Got .*net\.{ending}\.$"):
            fc.Linear(3, 3).save(tmp_path / f"net.{ending}", **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["net", "net.safetensors", "net.SafeTensors", "net.v1.5.safetensors", ".net"])
def test_names_that_are_written(name: str, tmp_path: Path) -> None:
    fc.Linear(3, 3, seed=0).save(tmp_path / name)
    assert same_state(fc.load(tmp_path / name), fc.Linear(3, 3, seed=0))


def test_arguments_of_the_other_format(tmp_path: Path) -> None:
    rule = r"\[load_state\] the file must be safetensors; load\(path\)\.state_dict\(\) has the weights of others"
    with pytest.raises(NotImplementedError, match=rf"^{rule}\. Got .*net\.ONNX\.$"):
        fc.load_state(tmp_path / "net.ONNX")
    lenet().save(tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match=r"^\[load\] outputs and constants are for ONNX models\. Got .*a\.safetensors\.$"):
        fc.load(tmp_path / "a.safetensors", outputs=["y"])


# ---- files that lie --------------------------------------------------------------------------------------------------------------------


def test_every_cut_of_a_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    fc.Sequential(fc.Conv2d(1, 2, 3), fc.BatchNorm2d(2)).save(path)
    whole = path.read_bytes()
    for count in [*range(40), *range(40, len(whole), 7), len(whole) - 1]:
        path.write_bytes(whole[:count])
        with pytest.raises(ValueError, match=r"^\[safetensors\]"):
            fc.load(path)


def test_every_flipped_byte_of_a_header_gives_an_answer(tmp_path: Path) -> None:
    """A model or a ValueError, never anything else."""
    path = tmp_path / "a"
    fc.Sequential(fc.Conv2d(1, 2, 3), fc.BatchNorm2d(2)).save(path)
    whole = path.read_bytes()
    refused = 0
    for at in range(8 + int.from_bytes(whole[:8], "little")):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (0x10 if at % 2 else 0x01)]) + whole[at + 1 :])
        try:
            fc.load(path)
        except ValueError:
            refused += 1
    assert refused > 300


def sequential(*parts: Any) -> dict[str, Any]:
    return {"class": "Sequential", "layers": [[str(i), part] for i, part in enumerate(parts)]}


def conv(**config: Any) -> dict[str, Any]:
    """The layer that the tensors belong to, with other arguments."""
    return {"class": "Conv2d", "config": {"in_channels": 1, "out_channels": 2, "kernel_size": 3, **config}}


RELU: dict[str, Any] = {"class": "ReLU", "config": {}}


def nested(depth: int) -> Any:
    part: Any = RELU
    for _ in range(depth):
        part = sequential(part)
    return part


PARTS: dict[str, Any] = {
    "foreign class": {"class": "Popen", "config": {"args": "true"}},
    "class of the package that is no layer": {"class": "Trainer", "config": {}},
    "module path": {"class": "os.system", "config": {}},
    "base class": {"class": "Layer", "config": {}},
    "class of a list": {"class": ["ReLU"], "config": {}},
    "no class": {"config": {}},
    "no arguments": {"class": "ReLU"},
    "unknown argument": {"class": "Identity", "config": {"device": "cpu"}},
    "argument that is no part of the architecture": conv(seed=1),
    "missing argument": {"class": "Conv2d", "config": {"in_channels": 1}},
    "argument of another type": conv(in_channels="1"),
    "argument of another shape": conv(kernel_size={"3": 3}),
    "argument out of range": {"class": "Dropout", "config": {"p": 7}},
    "argument that is not there yet": {"class": "MaxPool2d", "config": {"kernel_size": 2, "return_indices": True}},
    "huge layer": conv(in_channels=2**30, out_channels=2**30, kernel_size=2**30),
    "huge norm": {"class": "BatchNorm2d", "config": {"num_features": 2**31 - 1}},
    "huge slope": {"class": "PReLU", "config": {"num_parameters": 2**31 - 1}},
    "weights of another shape": conv(out_channels=3),
    "network of no zoo": {"zoo": "Popen", "arguments": {"args": "true"}},
    "helper of the zoo": {"zoo": "base", "arguments": {}},
    "network of a list": {"zoo": ["resnet18"], "arguments": {}},
    "network without arguments": {"zoo": "resnet18"},
    "network of unknown arguments": {"zoo": "resnet18", "arguments": {"depth": 3}},
    "network of a seed": {"zoo": "lenet5", "arguments": {"seed": 3}},
    "network of other types": {"zoo": "googlenet", "arguments": {"aux": "yes"}},
    "network that the file has not": {"zoo": "lenet5", "arguments": {}},
    "huge network": {"zoo": "vgg16", "arguments": {"classes": 2**31 - 1}},
    "no layers": {"class": "Sequential"},
    "layers of text": {"class": "Sequential", "layers": "ReLU"},
    "layers without names": {"class": "Sequential", "layers": [{"class": "ReLU", "config": {}}]},
    "layer named twice": {"class": "Sequential", "layers": [["0", RELU], ["0", RELU]]},
    "layer of a hostile name": {"class": "Sequential", "layers": [["__class__", RELU]]},
    "layer that takes a method's place": {"class": "Sequential", "layers": [["forward", RELU]]},
    "unknown reference": {"same": ".7"},
    "reference to what it is in": {"same": ""},
    "reference of a list": {"same": []},
    "too deep": nested(60),
    "a list": [],
    "a text": "ReLU",
    "null": None,
}


def saved_with(tmp_path: Path, description: Any) -> Path:
    path = tmp_path / "a"
    state = fc.Sequential(fc.Conv2d(1, 2, 3)).state_dict()
    safetensors.write(path, state, {"fastcnn": description if isinstance(description, str) else json.dumps(description)})
    return path


def model(architecture: Any) -> dict[str, Any]:
    return {"kind": "model", "version": 1, "class": "x", "architecture": architecture}


@pytest.mark.parametrize("name", PARTS)
def test_a_lying_architecture_is_refused(name: str, tmp_path: Path) -> None:
    own = name.startswith(("argument", "weights"))  # of the layer that the tensors belong to; the others stand behind it
    path = saved_with(tmp_path, model(sequential(PARTS[name]) if own else sequential(conv(), PARTS[name])))
    rule = r"^\[load\] each part of the architecture must be a layer or network of fastcnn with its arguments\. Got, at '[01][0.]*': .*\.$"
    with pytest.raises(ValueError, match=rule):
        fc.load(path)


@pytest.mark.parametrize("architecture", [sequential(RELU), sequential(conv(), conv()), sequential(RELU, conv())], ids=str)
def test_an_architecture_of_other_weights_is_refused(architecture: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^\[load(_state_dict)?\] .*\. Got.*\.$"):
        fc.load(saved_with(tmp_path, model(architecture)))


def test_the_good_architecture_is_good(tmp_path: Path) -> None:
    for depth in (0, 40):
        net = fc.load(saved_with(tmp_path, model(sequential(conv(), nested(depth)))))
        assert net(np.zeros((1, 1, 5, 5))).shape == (1, 2, 3, 3)


def weights_alone(tmp_path: Path) -> Path:
    safetensors.write(tmp_path / "a", {"weight": np.zeros(3)}, {})
    return tmp_path / "a"


NOT_OURS = r"\[load\] the description in the file must be one that save\(\) writes\. Got "
DESCRIPTIONS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no JSON": (
        lambda p: saved_with(p, "{"),
        NOT_OURS + "JSONDecodeError",
    ),
    "a list": (lambda p: saved_with(p, []), NOT_OURS + "TypeError"),
    "deep": (
        lambda p: saved_with(p, "[" * 100_000),
        NOT_OURS + "Recursion",
    ),
    "no kind": (
        lambda p: saved_with(p, {"version": 1}),
        NOT_OURS + "KeyError",
    ),
    "checkpoint": (
        lambda p: saved_with(p, {"kind": "checkpoint", "version": 1}),
        r"\[load\] the file must hold a model of version 1\. Got kind 'checkpoint', version 1\.$",
    ),
    "a later version": (
        lambda p: saved_with(p, {"kind": "model", "version": 2}),
        r"\[load\] the file must hold a model of version 1\. Got kind 'model', version 2\.$",
    ),
    "weights alone": (
        weights_alone,
        r"\[load\] the file has weights and no architecture: use load_state_dict\(load_state\(path\)\)\. Got .*/a\.$",
    ),
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_file_without_a_model_is_refused(name: str, tmp_path: Path) -> None:
    write, message = DESCRIPTIONS[name]
    with pytest.raises(ValueError, match="^" + message):
        fc.load(write(tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        lambda t, d: t.pop("history/loss"),
        lambda t, d: t.update({"other/x": np.zeros(1)}),
        lambda t, d: t.update({"optimizer/exp_avg/x": np.zeros(1)}),
        lambda t, d: t.update({"optimizer/exp_avg/7": np.zeros(1)}),
        lambda t, d: t.update({"history/loss": np.zeros(9)}),
        lambda t, d: d.pop("steps"),
        lambda t, d: d.update(steps="x"),
        lambda t, d: d.update(settings=3),
        lambda t, d: d.update(version=9),
        lambda t, d: t.pop("model/weight"),
        lambda t, d: t.update({"optimizer/exp_avg/0": np.zeros(3)}),
        lambda t, d: d.update(optimizer_steps=-1),
        lambda t, d: d.update(steps=2**80),
    ],
)
def test_a_lying_checkpoint_is_refused(change: Callable[[dict[str, Any], dict[str, Any]], Any], tmp_path: Path) -> None:
    path, x, y = tmp_path / "run", np.zeros((4, 2)), np.arange(4) % 2
    options: dict[str, Any] = {"optimizer": "adam", "checkpoint": path, "progress": False}
    fc.Linear(2, 2, seed=0).fit(x, y, epochs=1, **options)
    arrays, metadata = safetensors.read(path)
    description = json.loads(metadata["fastcnn"])
    change(arrays, description)
    safetensors.write(path, arrays, {"fastcnn": json.dumps(description)})
    net = fc.Linear(2, 2, seed=1)
    before = net.state_dict()
    with pytest.raises(ValueError, match=r"^\[[a-z_]+\] .*\. Got"):
        net.fit(x, y, epochs=2, resume=True, **options)
    assert all(np.array_equal(before[key], value) for key, value in net.state_dict().items())
