"""Bytes on disk: safetensors, protocol buffers, images. It knows no networks."""
