"""Networks as PyTorch exports them, by its old exporter (TorchScript) and its new one (dynamo): the numbers are ONNX Runtime's."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_models import runtime  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import fastcnn as fc  # noqa: E402

Tensor = torch.Tensor


class Convolutions(nn.Module):
    """Grouped, dilated, depthwise, asymmetric and transposed convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(8, 12, 3, padding=1, groups=4)
        self.dilated = nn.Conv2d(12, 12, 3, padding=2, dilation=2, bias=False)
        self.norm = nn.BatchNorm2d(12)
        self.depthwise = nn.Conv2d(12, 12, 5, padding="same", groups=12)
        self.wide, self.tall = nn.Conv2d(12, 6, (1, 7), padding=(0, 3)), nn.Conv2d(6, 10, (3, 1), stride=(2, 1), padding=(1, 0))
        self.up = nn.ConvTranspose2d(10, 4, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.norm(self.dilated(F.relu6(self.grouped(x)))))
        return self.up(self.tall(F.hardswish(self.wide(self.depthwise(x)))))


class Shuffle(nn.Module):
    """ShuffleNet's unit: a split, a depthwise branch, concatenation, and channels in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, 1, 1, groups=4))

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=1)
        x = torch.cat([a, self.branch(b)], dim=1)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Squeeze(nn.Module):
    """Squeeze and excitation, with a residual and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.down, self.up = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = F.gelu(self.conv(x))
        scale = torch.sigmoid(self.up(F.relu(self.down(y.mean((2, 3), keepdim=True)))))
        y = F.max_pool2d(x + y * scale, 3, 2, 1)
        return self.head(F.adaptive_avg_pool2d(y, 1).flatten(1)).softmax(-1), y


class ConvNeXt(nn.Module):
    """A block of ConvNeXt: layer norm and linear layers with channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.norm = nn.LayerNorm(8, eps=1e-6)
        self.wide, self.narrow = nn.Linear(8, 32), nn.Linear(32, 8)
        self.gamma = nn.Parameter(torch.full((8,), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.narrow(F.gelu(self.wide(y)))
        return x + y.permute(0, 3, 1, 2)


class Decoder(nn.Module):
    """Resizing of every kind, normalization in groups and instances, padding, pixel shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.group, self.instance = nn.GroupNorm(2, 8), nn.InstanceNorm2d(8, affine=True)
        self.conv = nn.Conv2d(8, 16, 3)
        self.slope = nn.PReLU(16)

    def forward(self, x: Tensor) -> Tensor:
        a = F.interpolate(self.group(x), scale_factor=2, mode="bilinear", align_corners=False)
        b = F.interpolate(self.instance(x), size=(a.shape[2], a.shape[3]), mode="nearest")
        c = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        d = F.interpolate(x, scale_factor=2, mode="bicubic")
        y = self.slope(self.conv(F.pad(a + b - c / 2 + d, (1, 1, 1, 1), mode="reflect")))
        return F.pixel_shuffle(F.leaky_relu(y, 0.2), 2) ** 2


class Attention(nn.Module):
    """Attention over pixels, layer norm, slices with steps, clamps, the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.norm = nn.Linear(8, 24), nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(x[:, :, ::2, 1:].flatten(2).transpose(1, 2))
        q, k, v = self.qkv(tokens).chunk(3, -1)
        attended = ((q @ k.transpose(1, 2)) / 8**0.5).softmax(-1) @ v
        return torch.where(attended > 0, attended, attended.clamp(-0.1, 0.5).exp()).amax(1) + tokens.std(1, unbiased=False)


NETWORKS = [Convolutions, Shuffle, Squeeze, ConvNeXt, Decoder, Attention]


def seeded(kind: type[nn.Module]) -> nn.Module:
    """In evaluation mode, with statistics that are not those of a new network."""
    torch.manual_seed(0)
    net = kind()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net.eval()


def exported(net: nn.Module, x: Tensor, path: Path, dynamo: bool) -> None:
    """The batch size has a name."""
    names = {"input_names": ["x"], "output_names": ["y", "z"] if isinstance(net, Squeeze) else ["y"]}
    with warnings.catch_warnings(), open(os.devnull, "w") as quiet:
        warnings.simplefilter("ignore")
        if dynamo:
            import contextlib

            with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
                sizes = {"x": {0: torch.export.Dim("batch")}}
                torch.onnx.export(net, (x,), str(path), dynamo=True, dynamic_shapes=sizes, verbose=False, **names)
        else:
            buffer = io.BytesIO()
            torch.onnx.export(net, (x,), buffer, dynamo=False, opset_version=17, dynamic_axes={"x": {0: "batch"}}, **names)
            path.write_bytes(buffer.getvalue())


@pytest.mark.parametrize("dynamo", [False, True], ids=["torchscript", "dynamo"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_exported_networks(kind: type[nn.Module], dynamo: bool, tmp_path: Path) -> None:
    if dynamo:
        pytest.importorskip("onnxscript")
    net, path = seeded(kind), tmp_path / "net.onnx"
    exported(net, torch.randn(2, 8, 12, 10), path, dynamo)
    ours = fc.load(path)
    for batch in (1, 3):
        x = np.random.default_rng(batch).standard_normal((batch, 8, 12, 10)).astype(np.float32)
        wanted = answers(path, x)
        results: Any = ours(x)
        for got, want in zip(results if isinstance(results, tuple) else (results,), wanted, strict=True):
            assert got.shape == want.shape
            assert abs(got - want).max() <= 1e-5 * abs(want).max()


def answers(path: Path, x: np.ndarray) -> list[np.ndarray]:
    """With the weights in the file: ONNX Runtime finds external ones only beside a path."""
    return runtime(onnx.load(str(path)), {"x": x})


def test_weights_keep_their_names(tmp_path: Path) -> None:
    net = seeded(Squeeze)
    exported(net, torch.randn(1, 8, 12, 10), tmp_path / "net.onnx", dynamo=False)
    state = fc.load(tmp_path / "net.onnx").state_dict()
    theirs = {key: value.numpy() for key, value in net.state_dict().items()}
    assert set(state) == set(theirs)
    assert all(np.array_equal(state[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("kind", [Squeeze, ConvNeXt, Decoder, Attention])
def test_exported_networks_train_as_in_torch(kind: type[nn.Module], tmp_path: Path) -> None:
    """One step of SGD moves the weights that kept their names as torch's gradients say."""
    net, path, rate = seeded(kind), tmp_path / "net.onnx", 0.5
    exported(net, torch.randn(2, 8, 12, 10), path, dynamo=False)
    ours = fc.load(path, outputs=["y"])
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 8, 12, 10)).astype(np.float32))
    output = net(x)[0] if isinstance(net(x), tuple) else net(x)
    F.mse_loss(output, torch.zeros_like(output)).backward()
    theirs = {name: parameter.grad.numpy() for name, parameter in net.named_parameters()}
    before = ours.state_dict()
    fc.Trainer(ours, "mse", fc.optim.SGD(rate), x.shape).step(x.numpy(), np.zeros(output.shape, np.float32))
    shared = [name for name in theirs if name in before]
    assert len(shared) >= 3
    for name in shared:
        moved = (before[name] - ours.state_dict()[name]) / rate
        rounding = 1e-6 * abs(before[name]).max()  # of the subtraction that made the new weight
        assert abs(moved - theirs[name]).max() <= 1e-4 * abs(theirs[name]).max() + rounding, name
