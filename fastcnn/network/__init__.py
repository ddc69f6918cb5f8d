"""Networks without verbs: parameters, buffers, submodules, initial values, and the trace of forward()."""
