"""Networks as files: the architecture as JSON beside the weights, or ONNX."""
