"""The writer of ONNX files, for `net.save("x.onnx", input_shape=...)`. The reader of the format is the room fastcnn/onnx/.

    model.py: a trace      -> operators.py and its rules: each node of the core becomes nodes of ONNX
    graph.py: ONNX nodes   -> messages of onnx.proto -> formats/protobuf_writer.py: bytes

Bytes of weights are fetched when their message is written: weights are never held twice.
"""

from fastcnn.saving.onnx.model import write

__all__ = ["write"]
