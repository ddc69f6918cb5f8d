"""One engine with one network in a process of its own: ``python engine.py ENGINE NETWORK THREADS``.

It first prints a line of JSON with the answer; then, for each line with a number n on its input, the seconds of n calls.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from measured import image, layers

Call = Callable[[], np.ndarray]


def sequential(nn: Any, name: str, tensor: Callable[[np.ndarray], Any]) -> Any:
    """The network from the classes of `nn`, torch's or ours: they have the same names."""
    modules = []
    for layer in layers(name):
        if layer["kind"] == "pool":
            modules.append(nn.MaxPool2d(layer["size"]))
            continue
        outputs, inputs, *kernel = layer["weight"].shape
        if layer["kind"] == "linear" and not any(isinstance(module, nn.Linear) for module in modules):
            modules.append(nn.Flatten())
        modules.append(nn.Conv2d(inputs, outputs, kernel[0], padding=layer["padding"]) if kernel else nn.Linear(inputs, outputs))
        modules[-1].load_state_dict({key: tensor(layer[key]) for key in ("weight", "bias")})
        if layer["relu"]:
            modules.append(nn.ReLU())
    return nn.Sequential(*modules)


def fastcnn(name: str, threads: int) -> Call:
    import fastcnn as fc

    x = image(name)
    run = sequential(fc, name, np.asarray).compile(x.shape, threads=threads)
    return lambda: run(x)


def torch(name: str, threads: int) -> Call:
    import torch

    torch.set_num_threads(threads)
    net = sequential(torch.nn, name, torch.from_numpy).eval().to(memory_format=torch.channels_last)
    x = torch.from_numpy(image(name)).to(memory_format=torch.channels_last)

    def call() -> np.ndarray:
        with torch.inference_mode():
            return net(x).numpy()

    return call


def onnx_model(name: str) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    weights: list[Any] = []

    def add(op: str, *inputs: str, **attributes: object) -> None:
        source = nodes[-1].output[0] if nodes else "x"
        nodes.append(helper.make_node(op, [source, *inputs], [f"v{len(nodes)}"], **attributes))

    for index, layer in enumerate(layers(name)):
        if layer["kind"] == "pool":
            add("MaxPool", kernel_shape=[layer["size"]] * 2, strides=[layer["size"]] * 2)
            continue
        weights += [numpy_helper.from_array(layer[key], f"{key}{index}") for key in ("weight", "bias")]
        if layer["kind"] == "conv":
            add("Conv", f"weight{index}", f"bias{index}", pads=[layer["padding"]] * 4)
        else:
            if not any(node.op_type == "Flatten" for node in nodes):
                add("Flatten")
            add("Gemm", f"weight{index}", f"bias{index}", transB=1)
        if layer["relu"]:
            add("Relu")
    x, y = (helper.make_tensor_value_info(value, TensorProto.FLOAT, None) for value in ("x", nodes[-1].output[0]))
    graph = helper.make_graph(nodes, "net", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def onnxruntime(name: str, threads: int) -> Call:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(onnx_model(name), options, providers=["CPUExecutionProvider"])
    x = image(name)
    return lambda: session.run(None, {"x": x})[0]


ENGINES = {"fastcnn": fastcnn, "torch": torch, "onnxruntime": onnxruntime}


def main(engine: str, name: str, threads: str) -> None:
    call = ENGINES[engine](name, int(threads))
    print(json.dumps(call().ravel().tolist()), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            call()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
