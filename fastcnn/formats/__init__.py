"""File formats: safetensors, protocol buffers, images. Nothing here knows networks."""
