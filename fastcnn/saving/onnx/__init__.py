"""ONNX out: what `net.save("x.onnx", input_shape=...)` does. A writer of our own; reading is fastcnn.onnx.

    trace of the core's operators -> operators.py: nodes of ONNX -> graph.py: messages of onnx.proto -> protobuf.py: bytes

The file is written as it is made: weights are never held twice.
"""

from fastcnn.saving.onnx.model import write

__all__ = ["write"]
