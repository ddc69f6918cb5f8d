"""The engines by name. Each has a file here with load(path, x, threads). It returns a function without arguments that computes one answer.

Importing this package imports no engine.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DEFAULT_ENGINES", "ENGINES", "PEERS", "Engine"]


class Engine(NamedTuple):
    title: str
    package: str  # its name in the package index, to get its version
    forms: dict[str, str]  # the files that it can load: name of the form -> file in the network's folder


FASTCNN = "fastcnn's export"
PYTORCH = "PyTorch's export"
ONNX = {FASTCNN: "fastcnn.onnx", PYTORCH: "torch.onnx"}

ENGINES = {
    "fastcnn": Engine("fastcnn", "fastcnn", {"its own file": "fastcnn.safetensors"}),
    "onnxruntime": Engine("ONNX Runtime", "onnxruntime", ONNX),
    "openvino": Engine("OpenVINO", "openvino", ONNX),
    "ncnn": Engine("ncnn", "ncnn", {FASTCNN: "fastcnn.ncnn.param", PYTORCH: "torch.ncnn.param"}),
    "mnn": Engine("MNN", "MNN", {FASTCNN: "fastcnn.mnn", PYTORCH: "torch.mnn"}),
    "torch": Engine("PyTorch", "torch", {"eager, channels_last": "torch.pt"}),
    "torch_compile": Engine("torch.compile", "torch", {"compiled, channels_last": "torch.pt"}),
}
DEFAULT_ENGINES = tuple(name for name in ENGINES if name != "torch_compile")  # which needs a compiler, and minutes
PEERS = tuple(name for name in ENGINES if name != "fastcnn")
