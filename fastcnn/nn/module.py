"""Module: the base of all layers and networks, a Network with verbs: run, train, report, convert, save."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fastcnn._core import Parameter
from fastcnn.network.network import Network
from fastcnn.network.traced import traced
from fastcnn.running.compiled import Compiled, Options, check_modes, compiled
from fastcnn.support.arguments import flag, shape_of, whole
from fastcnn.support.arrays import AnyArray, ArrayLike, Shape, array_of
from fastcnn.tracing.batch_size import concrete
from fastcnn.tracing.trace import current_trace
from fastcnn.tracing.value import Value

if TYPE_CHECKING:
    from fastcnn.insight.cost import Cost
    from fastcnn.insight.findings import Findings
    from fastcnn.insight.summary import Summary
    from fastcnn.memory.report import MemoryReport
    from fastcnn.training.history import History
    from fastcnn.training.losses import Loss
    from fastcnn.training.optimizers import Optimizer

__all__ = ["Convolutional", "Module"]


class Module(Network):
    """A network or a part of a network.

    A subclass sets layers and parameters as attributes and defines forward(self, x). `super().__init__()` is not needed. forward() runs
    once for each input shape, on symbolic values: it may loop and branch on shapes, but not on the size of the batch, nor on numbers. What
    it draws from np.random is drawn that once (RuntimeWarning).

    >>> class Net(fc.Module):
    ...     def __init__(self):
    ...         self.conv = fc.Conv2d(1, 8, 3, padding=1, seed=0)
    ...         self.head = fc.Linear(8, 2, seed=1)
    ...     def forward(self, x):
    ...         return self.head(fc.relu(self.conv(x)).mean((2, 3)))
    >>> net = Net()
    >>> x = np.random.default_rng(0).random((32, 1, 8, 8), np.float32)
    >>> y = (x.mean((1, 2, 3)) > 0.5).astype(int)
    >>> history = net.fit(x, y, epochs=3, batch_size=16, optimizer="adam", progress=False)
    >>> len(history["loss"]), net.predict(x).shape
    (3, (32, 2))
    """

    # ---- run

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the output for an array x (N, C, H, W), or for as many arrays as forward() takes values.

        The program for each shape is made once and kept. Inside forward(), the call becomes a part of the trace.

        >>> fc.Sequential(fc.Flatten(), fc.Linear(64, 10))(np.zeros((5, 1, 8, 8))).shape
        (5, 10)
        """
        if current_trace() is not None:
            return super().__call__(*args, **kwargs)
        if kwargs:
            raise TypeError(f"[{type(self).__name__}] a network takes arrays, without keywords. Got {', '.join(kwargs)}.")
        try:
            shapes = [np.shape(arg) for arg in args]
        except ValueError:
            raise ValueError(f"[{type(self).__name__}] an input must be an array, its rows of one length. Got ragged lists.") from None
        return compiled(self, *shapes)(*args)

    def compile(
        self,
        shape: Sequence[int] | Sequence[Sequence[int]],
        threads: int | None = None,
        memory: Literal["fast", "small"] = "fast",
        accuracy: Literal["fast", "strict"] = "fast",
        tune: bool = False,
    ) -> Compiled:
        """Prepares the network for an input of `shape` (N, C, H, W), or for several inputs: the way to the lowest latency.

        threads=None: the number of fastcnn.get_num_threads() at the time of a call. accuracy="strict" allows only algorithms with the error
        of direct summation. "fast" also allows Winograd convolution: its results may differ by some 1e-6 of the largest output, and a pixel
        that is not finite spoils the tile of outputs around it. memory="small" runs layers at high resolution depth-first, row band by row
        band: only bands of the images between them are in memory, and no enlarged weights are kept. It is 5 to 20 % slower.

        tune=True measures the algorithms of each convolution whose shape is not in the cache yet, in this network, with `threads` threads.
        The fastest is stored in a file for this processor in the folder FASTCNN_CACHE, or fastcnn/ in XDG_CACHE_HOME or ~/.cache, and then
        applies to any number of threads.

        >>> fc.Linear(64, 10).compile((1, 64), threads=1)(np.zeros((1, 64))).shape
        (1, 10)
        """
        check_modes("compile", memory, accuracy)
        several = isinstance(shape, (tuple, list)) and any(isinstance(entry, (tuple, list)) for entry in shape)
        shapes: Any = shape if several else [shape]
        count = 0 if threads is None else whole("compile", "threads", threads, 1)
        tuned = flag("compile", "tune", tune)
        options = Options(accuracy == "strict", memory == "small")
        return compiled(self, *(shape_of("compile", entry) for entry in shapes), options=options, tune=tuned, threads=count, keep=False)

    def predict(self, x: ArrayLike, batch_size: int = 64, progress: bool = False) -> Any:
        """Returns the outputs for x (N, ...), computed in batches of `batch_size`. progress: shows a bar (tqdm) if stderr is a terminal.

        The outputs of several batches are joined along the axis that follows the batch, wherever it is: (T, N, C) along its second.
        ValueError if it is not known, as in an output (2 * N, C), or if an output has none.

        >>> fc.Sequential(fc.Flatten(), fc.Linear(64, 10)).predict(np.zeros((100, 1, 8, 8)), batch_size=32).shape
        (100, 10)
        """
        from fastcnn.running.predict import predict

        step = whole("predict", "batch_size", batch_size, 1)
        samples = array_of("predict", "x", x)
        if samples.ndim == 0:
            raise ValueError(f"[predict] x must have a batch axis. Got shape {samples.shape}.")
        return predict(self, samples, step, progress)

    # ---- train

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int = 1,
        batch_size: int = 64,
        optimizer: Optimizer | str,
        loss: Loss | str = "cross_entropy",
        validation_data: tuple[ArrayLike, ArrayLike] | None = None,
        checkpoint: str | PathLike[str] | None = None,
        resume: bool = False,
        clip_norm: float | None = None,
        memory: int | str | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> History:
        """Trains on x (N, C, H, W) and y: integer classes (N,) for "cross_entropy", arrays of the output's shape for "mse".

        Order and dropout masks are drawn from `seed`. Equal arguments give equal bits on any number of threads. Each call begins with epoch
        0: a second one with the same seed repeats order and masks (RuntimeWarning). FloatingPointError before an update if the loss is not
        finite. checkpoint: a file, replaced after each epoch; resume=True continues from it, if it exists, with the same bits. clip_norm:
        the largest norm of all gradients together. memory: the budget of a step, in bytes or as "4 GB"; activations beyond it are
        recomputed in the backward pass. ValueError, with the batch size that would fit, if the budget is too small; RuntimeWarning if the
        machine has less than a step takes. progress: a bar (tqdm) if stderr is a terminal. Returns losses and accuracies by epoch.
        """
        from fastcnn.training.fit import FitOptions, fit

        options = FitOptions(epochs, batch_size, checkpoint, resume, clip_norm, memory, seed, progress)
        return fit(self, x, y, optimizer, loss, validation_data, options)

    def evaluate(self, x: ArrayLike, y: ArrayLike, batch_size: int = 64, loss: Loss | str | None = None) -> dict[str, float]:
        """Returns {"loss": mean over x, "accuracy": share of right classes}; the accuracy only if the loss has classes.

        loss=None: that of the last fit of this network, "cross_entropy" if there was none.

        >>> net = fc.Sequential(fc.Flatten(), fc.Linear(64, 10))
        >>> sorted(net.evaluate(np.zeros((4, 1, 8, 8)), [0, 1, 2, 3]))
        ['accuracy', 'loss']
        """
        from fastcnn.training.evaluation import Evaluator

        return Evaluator(self, loss)(x, y, batch_size)

    # ---- report

    def summary(self, shape: Sequence[int]) -> Summary:
        """Lists the layers for one input of `shape` (C, H, W): output shape, parameters, multiply-adds, receptive field, bytes.

        A receptive field counts pixels of the input (height, width) as if the input continued beyond its borders. An axis that is combined
        as a whole counts with its size. "whole image" means both axes: after global pooling, instance norms, linear layers of all pixels.

        >>> rows = fc.Sequential(fc.Conv2d(3, 8, 3), fc.ReLU()).summary((3, 8, 8))
        >>> rows[0].output, rows[0].parameters
        ((1, 8, 6, 6), 224)
        """
        from fastcnn.insight.summary import summarize

        return summarize(self, shape_of("summary", shape))

    def memory(
        self,
        shape: Sequence[int],
        training: bool = False,
        optimizer: Optimizer | str = "sgd",
        threads: int | None = None,
        memory: Literal["fast", "small"] = "fast",
        accuracy: Literal["fast", "strict"] = "fast",
        loss: Loss | str = "cross_entropy",
    ) -> MemoryReport:
        """Reports the bytes of a run, or of a training step, for inputs of `shape` (N, C, H, W). Nothing is run or allocated.

        optimizer and loss are for training only, memory="small" and accuracy="strict" for runs only. The training step has no clip_norm and
        no budget; Trainer.memory reports the bytes of a step that has. NotImplementedError for "small" or "strict" with training=True.

        >>> fc.Linear(64, 10).memory((1, 64)).parameters
        2600
        """
        from fastcnn.insight import needs

        check_modes("memory", memory, accuracy)
        count = 0 if threads is None else whole("memory", "threads", threads, 1)
        if flag("memory", "training", training):
            if accuracy == "strict":
                raise NotImplementedError("[memory] a training step has no accuracy to choose. Got accuracy='strict' with training=True.")
            if memory == "small":
                raise NotImplementedError("[memory] a training step has no small memory yet. Got memory='small' with training=True.")
            return needs.training_memory(self, shape_of("memory", shape), optimizer, loss, count)
        return needs.inference_memory(self, shape_of("memory", shape), count, memory, accuracy)

    def max_batch(
        self,
        shape: Sequence[int],
        budget: int | str,
        training: bool = False,
        optimizer: Optimizer | str = "sgd",
        loss: Loss | str = "cross_entropy",
        threads: int | None = None,
    ) -> int:
        """Returns the largest N for which memory((N, *shape)).total is within the budget, at most 2^24; 0 if none fits.

        shape: of one input, (C, H, W). budget: bytes, or a text like "4 GB" (B, KB, MB, GB, TB, by 1024). Nothing is run or allocated.

        >>> fc.Linear(64, 10).max_batch((64,), budget="1 KB")
        0
        """
        from fastcnn.insight import needs
        from fastcnn.memory.budget import bytes_of

        count = 0 if threads is None else whole("max_batch", "threads", threads, 1)
        most = bytes_of("max_batch", "budget", budget)
        one = shape_of("max_batch", shape)
        return needs.max_batch(self, one, most, flag("max_batch", "training", training), optimizer, loss, count)

    def check(self, shape: Sequence[int], strict: bool = False) -> Findings:
        """Returns findings (layer, rule, severity, message) about the sizes of the network and of its input (C, H, W), without a run.

        severity: "error" (it cannot run), "warning" (pixels or time are lost), "note". strict: windows that do not tile their input are
        errors, even if they miss only zeros of the padding. print() shows the findings.

        >>> for found in fc.Sequential(fc.Conv2d(3, 8, 3, stride=2)).check((3, 8, 8)):
        ...     print(found.severity, found.rule)
        warning unpadded_stride
        """
        from fastcnn.insight.check import check

        return check(self, shape, strict)

    def cost(self, shape: Sequence[int], threads: int | None = None) -> Cost:
        """Returns the cost per layer and in total for one input of `shape` (C, H, W); print() shows a table.

        It has parameters, multiply-adds (MACs), bytes of activations, bytes that a training step keeps for the backward pass, receptive
        field, operations per byte, and the expected time on this machine. threads=None: the number of fastcnn.get_num_threads(). The first
        call measures the machine, which takes half a second.

        >>> fc.Sequential(fc.Conv2d(3, 8, 3, padding=1), fc.ReLU()).cost((3, 8, 8)).macs
        13824
        """
        from fastcnn.insight.cost import cost

        return cost(self, shape, threads)

    def to_convolutional(self, shape: Sequence[int]) -> Convolutional:
        """Converts a classifier of images (C, H, W) to a network that slides over larger images in one pass, with copies of the weights.

        At place (i, j) its output (N, classes, h, w) has the scores of the crop of H x W pixels that begins at (i, j) times the total
        stride: 384x384 pixels give 6x6 places for a classifier of 224x224 with stride 32. Without padding in the network the map equals
        the crops. With padding it sees real pixels where a crop sees zeros (fastcnn.dense says how far VGG-16's map and crops differ).

        Global pooling before the scores becomes pooling over windows of the size that it had. If its result goes back into an image
        (squeeze and excitation), it stays the mean of the whole, larger image. NotImplementedError for operations that cannot slide:
        layer norms, attention, reflected padding, training.

        >>> net = fc.Sequential(fc.Conv2d(3, 8, 3, stride=2, padding=1), fc.Flatten(), fc.Linear(8 * 4 * 4, 10))
        >>> net.to_convolutional((3, 8, 8))(np.zeros((1, 3, 16, 16))).shape
        (1, 10, 5, 5)
        """
        return Convolutional(self, shape)

    # ---- plot: figures of matplotlib

    def plot_filters(self, layer: str | None = None) -> Any:
        """Draws the kernels of a convolution, by its path; of the first convolution for None. figure.savefig("filters.png") writes it."""
        from fastcnn.insight.pictures import filters

        return filters(self, layer)

    def plot_activations(self, image: ArrayLike, layer: str) -> Any:
        """Draws the output of a layer, by its path, for one image (C, H, W): a tile for each channel."""
        from fastcnn.insight.pictures import activations

        return activations(self, image, layer)

    # ---- save

    def save(self, path: str | PathLike[str], input_shape: Sequence[int] | Sequence[Sequence[int]] | None = None) -> None:
        """Writes weights and architecture as .safetensors, or an ONNX model if the path ends in .onnx. fastcnn.load reads both.

        ValueError for a name with another ending. What is more than layers and networks of fastcnn is saved as weights alone in
        .safetensors, with a UserWarning: make the network again, then net.load_state_dict(path).

        input_shape: for ONNX, (N, C, H, W), or the shapes of several inputs. The size N of the batch stays open if the network takes any;
        an input whose first size is smaller than that of another keeps it. The file is replaced atomically: whole or not at all.

        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     fc.Sequential(fc.Linear(3, 2)).save(os.path.join(folder, "net.safetensors"))
        ...     print(fc.load(os.path.join(folder, "net.safetensors"))[0])
        Linear(in_features=3, out_features=2, bias=True)
        """
        from fastcnn.saving.save import save

        save(self, path, input_shape)


class Convolutional(Module):
    """The result of net.to_convolutional(shape): a network for images (N, C, H, W) of at least `window`, with copies of the weights.

    Its output is (N, classes, h, w). Place (i, j) holds the scores of the crop that begins at pixel (i * stride[0], j * stride[1]) and has
    the size `window`, for each crop that lies in the image. The scores are exact if no layer has padding. With padding (and with ceil_mode
    windows that go beyond the image), a crop sees zeros around it where the map sees pixels, and the two differ.

    It runs and is saved like any other network (safetensors with weights only, ONNX with the architecture). It cannot be trained: train
    the classifier.
    """

    window: tuple[int, int]  # (height, width) of the classifier's images
    stride: tuple[int, int]  # pixels from one place of the map to the next
    places: tuple[int, int]  # (h, w) of the map of one window: (1, 1) for a classifier

    def __init__(self, net: Network, shape: Sequence[int]) -> None:
        from fastcnn.nn.sliding import Sliding

        image = shape_of("to_convolutional", shape, 3)
        self.window = image[1], image[2]
        self.places = (0, 0)  # not known yet: _inside() cuts nothing off
        self.stride = (1, 1)
        self._sliding = Sliding(net, image)
        self.places, self.stride = self._map_of(image)

    def _map_of(self, image: Shape) -> tuple[tuple[int, int], tuple[int, int]]:
        """Returns places and stride, from a trace of this network for one window."""
        from fastcnn.insight.receptive_field import fields_of

        trace, output = traced(self, [(1, *image)])
        steps = [along.jump for along in fields_of(trace)[output.id]]
        _, _, height, width = concrete(output.shape)
        if any(step.denominator != 1 for step in steps):
            raise NotImplementedError(
                f"[to_convolutional] a place of the map must be whole pixels apart from the next. Got {steps[0]}, {steps[1]}."
            )
        return (height, width), (int(steps[0]), int(steps[1]))

    def own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        part = self._sliding
        yield from ((part.names[value], weight) for value, weight in part.weights.items() if value not in part.buffers)

    def own_buffers(self) -> Iterator[tuple[str, Parameter | AnyArray]]:
        part = self._sliding
        yield from ((part.names[value], weight) for value, weight in part.weights.items() if value in part.buffers)

    def extra_repr(self) -> str:
        return f"window={self.window}, stride={self.stride}, nodes={len(self._sliding.nodes)}"

    def forward(self, x: Value) -> Value:
        if self.training:
            raise NotImplementedError("[to_convolutional] a converted network is not trained: train the classifier. Got a training step.")
        return self._inside(self._sliding.slide(x), concrete(x.shape)[2:])

    def _inside(self, scores: Value, image: Shape) -> Value:
        """Cuts off places whose window goes beyond the image: they appear if no layer reads the last rows or columns of the window."""
        most = [
            places + (size - least) // step for places, size, least, step in zip(self.places, image, self.window, self.stride, strict=True)
        ]
        if 0 in self.places or all(now <= count for now, count in zip(concrete(scores.shape)[2:], most, strict=True)):
            return scores
        return scores[:, :, : most[0], : most[1]]
