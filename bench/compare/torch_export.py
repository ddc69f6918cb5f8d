"""Writes PyTorch's files of a network: `python -m compare.torch_export NAME FOLDER`: state.npz -> torch.pt, torch.onnx, torch.script.

torch.onnx.export folds constants, so the ONNX file has batch norms folded into the convolutions; the input's shape is fixed.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import torch

from compare.torch_zoo import network


def main(name: str, folder: str) -> None:
    target = Path(folder)
    net = network(name)
    with np.load(target / "state.npz") as state:
        net.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in state.items()})
    x = torch.from_numpy(np.load(target / "input.npy"))
    torch.save(net.state_dict(), target / "torch.pt")
    warnings.simplefilter("ignore")  # the exporter warns about itself
    with torch.no_grad():
        torch.jit.trace(net, x, check_trace=False).save(str(target / "torch.script"))
        torch.onnx.export(net, (x,), str(target / "torch.onnx"), dynamo=False, input_names=["x"], output_names=["y"], opset_version=17)


if __name__ == "__main__":
    main(*sys.argv[1:])
