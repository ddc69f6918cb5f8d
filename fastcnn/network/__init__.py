"""What a network owns: parameters, buffers, submodules, their first values, and the trace of its forward()."""
