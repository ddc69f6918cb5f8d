"""fastcnn beside its peers: the same networks, each engine in a process of its own, in turn. `python bench/compare --help`, `make compare`.

    networks.py                    the networks, and the targets
    export.py (fastcnn)            network -> safetensors, ONNX
    torch_zoo.py, torch_export.py  the same network in PyTorch -> state_dict, ONNX, TorchScript
    mnn_export.py                  ONNX -> MNN
    convert.py                     runs these and pnnx, and keeps the files that they write
    engines/                       a file for each engine: load(file, x, threads) -> call
    worker.py, process.py          an engine's process, and the coordinator's end of its pipe
    contest.py                     rounds of all engines in turn -> results.py -> report.py, plot.py

Only export.py and engines/fastcnn.py import fastcnn; only engines/ and the other *_export.py import a peer.
"""
