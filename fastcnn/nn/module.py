"""Module: the base of all layers and networks. What it owns stands in Network; here is what it can do: run, train, report, save."""

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
    """A network or a part of one.

    A class of your own sets layers and parameters as attributes and defines forward(self, x), which is run once for each input shape, on
    symbolic values: it may loop and branch on shapes, but not on the size of the batch, and never on the numbers. `super().__init__()` is
    not needed.
    """

    # ---- run

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The output for x (N, C, H, W), an array; the program for its shape is made once and kept. Inside forward(): part of the trace.

        A network whose forward() takes several values is called with as many arrays.
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
        """The network made ready for inputs of `shape` (N, C, H, W), or of several shapes: the way to the lowest latency.

        threads None: as many as fastcnn.get_num_threads() says at the time of a call. accuracy="strict": only algorithms with the error of
        direct summation; "fast": those of Winograd convolution, too, which may differ by some 1e-6 of the largest output, and where a pixel
        that is not finite spoils the tile of outputs around it.

        memory="small": layers at high resolution run depth-first, row band by row band, so that of the images between them only bands are
        in memory, and no weights are kept that are larger than the layers' own. It is 5 to 20 % slower.

        tune=True measures the algorithms that each convolution may take, in this network and with so many threads, where no earlier
        measurement knows its shape. What is fastest is kept in a file for this processor in the folder FASTCNN_CACHE, or fastcnn/ in
        XDG_CACHE_HOME or ~/.cache; it then holds for any number of threads.
        """
        check_modes("compile", memory, accuracy)
        several = isinstance(shape, (tuple, list)) and any(isinstance(entry, (tuple, list)) for entry in shape)
        shapes: Any = shape if several else [shape]
        count = 0 if threads is None else whole("compile", "threads", threads, 1)
        tuned = flag("compile", "tune", tune)
        options = Options(accuracy == "strict", memory == "small")
        return compiled(self, *(shape_of("compile", entry) for entry in shapes), options=options, tune=tuned, threads=count, keep=False)

    def predict(self, x: ArrayLike, batch_size: int = 64, progress: bool = False) -> Any:
        """The outputs for x (N, ...), computed `batch_size` at a time. progress: a bar (tqdm) where stderr is a terminal."""
        from fastcnn.support.progress import progress_bar

        step = whole("predict", "batch_size", batch_size, 1)
        images = array_of("predict", "x", x)
        if images.ndim == 0:
            raise ValueError(f"[predict] x must have a batch axis. Got shape {images.shape}.")
        parts = []
        with progress_bar(progress, "predict", len(images)) as advance:
            for start in range(0, max(1, len(images)), step):
                batch = images[start : start + step]
                parts.append(compiled(self, batch.shape)(batch))
                advance(len(batch))
        if any(part.ndim == 0 for part in (parts[0] if isinstance(parts[0], tuple) else parts[:1])):
            raise ValueError("[predict] each output must have a batch axis. Got one of shape ().")
        if isinstance(parts[0], tuple):
            return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
        return np.concatenate(parts)

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

        An epoch goes through the data in an order drawn from `seed`; the last batch may be smaller. Equal arguments give equal bits on any
        number of threads. FloatingPointError, before an update, if the loss is not finite. checkpoint: a file, written whole after each
        epoch; resume=True goes on from there, if it exists, to the same bits. clip_norm: the largest norm of all gradients together.
        memory: the budget of a training step, in bytes or as "4 GB"; activations beyond it are recomputed in the backward pass, to the same
        bits. ValueError if that is not enough, with the batch size that would fit; RuntimeWarning where the machine has less memory left
        than a step takes. progress: a bar (tqdm) where stderr is a terminal. Returns lists of losses and accuracies by epoch.
        """
        from fastcnn.training.fit import FitOptions, fit

        options = FitOptions(epochs, batch_size, checkpoint, resume, clip_norm, memory, seed, progress)
        return fit(self, x, y, optimizer, loss, validation_data, options)

    def evaluate(self, x: ArrayLike, y: ArrayLike, batch_size: int = 64, loss: Loss | str = "cross_entropy") -> dict[str, float]:
        """{"loss": mean over x, "accuracy": share of right classes}; the accuracy only where the loss knows classes."""
        from fastcnn.training.evaluation import Evaluator

        return Evaluator(self, loss)(x, y, batch_size)

    # ---- know

    def summary(self, shape: Sequence[int]) -> Summary:
        """A table of the layers for one input of `shape` (C, H, W): output shape, parameters, multiply-adds, receptive field, bytes.

        A receptive field counts pixels of the input (height, width) as if it went on beyond its borders; an axis of which all is combined
        counts with its size, and "whole image" stands where both are: after global pooling, instance norms, linear layers of all pixels.
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
        """What a run, or a training step, for inputs of `shape` (N, C, H, W) takes, from the plan: nothing is run and nothing allocated.

        optimizer and loss matter for training only, memory="small" and accuracy="strict" are of runs only. The training step is one without
        clip_norm and without a budget: what theirs take says the `memory` of their Trainer.
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
        """The largest N for which memory((N, *shape)).total is within the budget, at most 2^24; 0 if none fits.

        shape: of one input, (C, H, W). budget: bytes, or a text like "4 GB" (B, KB, MB, GB, TB, by 1024). Nothing is run or allocated.
        """
        from fastcnn.insight import needs
        from fastcnn.memory.budget import bytes_of

        count = 0 if threads is None else whole("max_batch", "threads", threads, 1)
        size, one = bytes_of("max_batch", "budget", budget), shape_of("max_batch", shape)
        return needs.max_batch(self, one, size, flag("max_batch", "training", training), optimizer, loss, count)

    def check(self, shape: Sequence[int], strict: bool = False) -> Findings:
        """Findings (layer, rule, severity, message) about the sizes of the network and of its input (C, H, W); print() shows them.

        severity: "error" (it cannot run), "warning" (pixels or time are lost), "note". strict: windows that do not tile their input are
        an error, also where they miss nothing but zeros of the padding. Nothing is run.
        """
        from fastcnn.insight.check import check

        return check(self, shape, strict)

    def cost(self, shape: Sequence[int], threads: int | None = None) -> Cost:
        """Per layer and in all, for one input of `shape` (C, H, W): parameters, multiply-adds, bytes of activations and of what a training
        step keeps for backward, receptive field, operations per byte, and the time to expect on this machine. print() shows a table.

        threads None: as many as are set. The first call measures the machine, which takes half a second.
        """
        from fastcnn.insight.cost import cost

        return cost(self, shape, threads)

    def to_convolutional(self, shape: Sequence[int]) -> Convolutional:
        """A classifier of images (C, H, W) as a network that slides over larger ones in one pass, with copies of the weights.

        At place (i, j) its output (N, classes, h, w) has the scores of the crop of H x W pixels that begins at (i, j) times the total
        stride: 384x384 pixels for a classifier of 224x224 and stride 32 give 6x6 places. Without padding in the network the map equals
        the crops; with padding it sees real pixels where a crop sees zeros (fastcnn.dense says how far VGG-16's map and crops differ).

        Global pooling before the scores becomes pooling over windows of the size that it had. Where its result goes back into an image
        (squeeze and excitation) it stays the mean of the whole, larger image. NotImplementedError for what does not slide: layer norms,
        attention, reflected padding, training.
        """
        return Convolutional(self, shape)

    # ---- see: figures of matplotlib

    def plot_filters(self, layer: str | None = None) -> Any:
        """The kernels of a convolution by its path, of the first one if none is given: figure.savefig("filters.png")."""
        from fastcnn.insight.pictures import filters

        return filters(self, layer)

    def plot_activations(self, image: ArrayLike, layer: str) -> Any:
        """What a layer, by its path, makes of one image (C, H, W): a tile a channel."""
        from fastcnn.insight.pictures import activations

        return activations(self, image, layer)

    # ---- save

    def save(self, path: str | PathLike[str], input_shape: Sequence[int] | Sequence[Sequence[int]] | None = None) -> None:
        """Writes weights and architecture as .safetensors, or an ONNX model where the path ends in .onnx; fastcnn.load reads both.

        input_shape: for ONNX, (N, C, H, W), or of several inputs; the size N of the batch stays open where the network takes any.
        Of several inputs, those whose first size is not the largest keep it. The file appears whole or not at all.
        """
        from fastcnn.saving.save import save

        save(self, path, input_shape)


class Convolutional(Module):
    """What net.to_convolutional(shape) returns: a network for images (N, C, H, W) from `window` on, with copies of the weights.

    Its output is (N, classes, h, w). Place (i, j) holds what the classifier says of the crop that begins at pixel
    (i * stride[0], j * stride[1]) and is as large as `window`, for each crop that lies in the image: exactly that if no layer has padding.
    With padding (and with ceil_mode windows that go beyond the image), a crop sees zeros around it where the map sees the pixels that are
    there, and the two differ.

    It runs and is saved as any other network (weights alone as safetensors, all as ONNX), and is not trained: train the classifier.
    """

    window: tuple[int, int]  # (height, width) of the images that the classifier was made for
    stride: tuple[int, int]  # pixels from one place of the map to the next
    places: tuple[int, int]  # (h, w) of the map of one window: (1, 1) of a classifier

    def __init__(self, net: Network, shape: Sequence[int]) -> None:
        from fastcnn.nn.sliding import Sliding

        image = shape_of("to_convolutional", shape, 3)
        self.window = image[1], image[2]
        self.places = (0, 0)  # until it is known: of any size
        self.stride = (1, 1)
        self._sliding = Sliding(net, image)
        self.places, self.stride = self._map_of(image)

    def _map_of(self, image: Shape) -> tuple[tuple[int, int], tuple[int, int]]:
        """Places and stride, from a walk through the classifier for its own image."""
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
        """Without places whose window goes beyond the image: those come where the window has rows or columns that no layer reads."""
        most = [
            places + (size - least) // step for places, size, least, step in zip(self.places, image, self.window, self.stride, strict=True)
        ]
        if 0 in self.places or all(now <= count for now, count in zip(concrete(scores.shape)[2:], most, strict=True)):
            return scores
        return scores[:, :, : most[0], : most[1]]
