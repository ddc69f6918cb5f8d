"""Figures with matplotlib (pip install fastcnn[plot]). Each function takes an object of fastcnn and returns a Figure.

`figure.savefig("x.png")` writes it. The functions are also methods: history.plot(), profile.plot(), net.plot_filters(),
net.plot_activations(image, layer).
"""

from fastcnn.insight.pictures import activations, filters
from fastcnn.running.profile import step_times
from fastcnn.support.figure import figure_of
from fastcnn.training.history import training_curves

__all__ = ["activations", "figure_of", "filters", "step_times", "training_curves"]
