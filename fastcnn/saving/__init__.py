"""Saving: networks as files, safetensors with the architecture as JSON in the metadata, or ONNX."""
