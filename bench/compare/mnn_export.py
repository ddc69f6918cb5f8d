"""Converts an ONNX file to MNN's format: `python -m compare.mnn_export FROM TO`.

Calls the converter's library. Its command, `mnnconvert`, installs a package and reports its use over the network each time.
"""

import sys

import _tools
import MNN  # noqa: F401  loads the library that _tools needs


def main(source: str, target: str) -> None:
    _tools.mnnconvert(["mnnconvert", "-f", "ONNX", "--modelFile", source, "--MNNModel", target, "--bizCode", "fastcnn"])


if __name__ == "__main__":
    main(*sys.argv[1:])
