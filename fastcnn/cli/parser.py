"""The parser of the command line: commands, options and examples. It imports nothing of the library, so that help is printed fast."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

__all__ = ["numbers", "parser", "shape"]

Option = Callable[[argparse.ArgumentParser], None]

_EXAMPLES = """\
examples:
  fastcnn summary resnet18
  fastcnn memory vgg16 --batch 64 --training --optimizer adam
  fastcnn check model.onnx --input 3x230x230 --strict
  fastcnn cost mobilenet_v2 --json
  fastcnn profile resnet50 --threads 1 --plot steps.png
  fastcnn bench resnet50 --batch 8 --seconds 5
  fastcnn predict model.onnx cat.png dog.jpg --labels names.txt \\
    --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
  fastcnn convert model.onnx model.safetensors
  fastcnn demo

MODEL is a file (.onnx, .safetensors), or a network of the zoo with weights
that are drawn, not trained: lenet5, vgg16, resnet50, ...
Exit codes: 0; 1 where `check` finds an error; 2 for wrong arguments, files or
networks."""


def shape(text: str) -> tuple[int, ...]:
    """Parses "3x224x224" or, with the batch, "1x3x224x224"."""
    try:
        sizes = tuple(int(size) for size in text.lower().split("x"))
    except ValueError:
        sizes = ()
    if len(sizes) not in (3, 4) or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"a shape is CxHxW or NxCxHxW, as 3x224x224. Got {text!r}")
    return sizes


def _size(text: str) -> tuple[int, int]:
    """Parses "224" or "192x256": height and width."""
    try:
        sides = [int(side) for side in text.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise argparse.ArgumentTypeError(f"a size is one number or HxW, as 224. Got {text!r}")
    return sides[0], sides[-1]


def numbers(text: str) -> tuple[float, ...]:
    """Parses "0.5" or "0.485,0.456,0.406"."""
    try:
        values = tuple(float(number) for number in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(map(math.isfinite, values)):
        raise argparse.ArgumentTypeError(f"it is one number or one a channel, with commas between. Got {text!r}")
    return values


def _count(text: str) -> int:
    """Parses an integer of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"it is a whole number from 1 on. Got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    """Parses a number of seconds, at most 3600."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"it is a number of seconds, up to 3600. Got {text!r}")
    return value


def parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="fastcnn",
        description="Look into, time and run convolutional networks.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str, *options: Option, example: str = "") -> argparse.ArgumentParser:
        example = f"example:\n  fastcnn {name} {example}".rstrip()
        raw = argparse.RawDescriptionHelpFormatter
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=example, formatter_class=raw)
        for option in options:
            option(command)
        return command

    _add_tables(add)
    _add_files(add)
    return top


def _add_tables(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the commands that report about a network."""
    add("summary", "the layers of a network", _model, _input, _json, example="resnet18 --input 3x192x256")
    memory = add("memory", "what a run or a training step takes", _model, _input, _batch, _threads, _json, example=_EXAMPLES_OF["memory"])
    memory.add_argument("--training", action="store_true", help="of a training step, not a run")
    memory.add_argument("--optimizer", default="sgd", choices=["sgd", "adagrad", "rmsprop", "adam", "adamw"], help="for --training (sgd)")
    check = add("check", "findings about the sizes of a network", _model, _input, _json, example="model.onnx --input 3x230x230 --strict")
    check.add_argument("--strict", action="store_true", help="windows that do not tile their input are errors")
    add("cost", "parameters, multiply-adds, memory, expected time per layer", _model, _input, _threads, _json, example="mobilenet_v2")
    profile = add("profile", "the measured time of each step", _model, _input, _batch, _threads, _json, example="resnet50 --plot steps.png")
    profile.add_argument("--plot", metavar="FILE", help="a picture of it, too (needs matplotlib)")
    bench = add("bench", "the latency of a call", _model, _input, _batch, _threads, _json, example="resnet50 --batch 8 --seconds 5")
    bench.add_argument("--seconds", type=_seconds, default=2.0, help="how long to measure (2)")


def _add_files(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the commands that read and write files."""
    _predict(add("predict", "the classes of image files", _model, _json, example=_EXAMPLES_OF["predict"]))
    convert = add("convert", "from one file format to the other", _input, example="model.onnx model.safetensors")
    convert.add_argument("model", metavar="IN", help="a file or a network of the zoo")
    convert.add_argument("output", metavar="OUT", help="a file that ends in .safetensors or .onnx")
    demo = add("demo", "train a network on handwritten digits and show what it can do", example="")
    demo.add_argument("folder", nargs="?", default="demo_output", help="where its model and picture go (demo_output)")


_EXAMPLES_OF = {"memory": "vgg16 --batch 64 --training --optimizer adam", "predict": "model.onnx cat.png --size 224 --labels names.txt"}


def _model(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="MODEL", help=".onnx, .safetensors, or a network of the zoo")


def _input(command: argparse.ArgumentParser) -> None:
    command.add_argument("--input", type=shape, metavar="CxHxW", help="the shape of an image, as 3x224x224")


def _batch(command: argparse.ArgumentParser) -> None:
    command.add_argument("--batch", type=_count, metavar="N", help="images at once (1); --input NxCxHxW says it, too")


def _threads(command: argparse.ArgumentParser) -> None:
    command.add_argument("--threads", type=_count, metavar="N", help="all processors if left out")


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="JSON for scripts")


def _predict(command: argparse.ArgumentParser) -> None:
    command.add_argument("images", metavar="IMAGE", nargs="+", help="files that Pillow reads")
    command.add_argument("--size", type=_size, metavar="HxW", help="images are resized to cover it, then cut (the network's, else 224)")
    command.add_argument("--mean", type=numbers, default=(0.0,), help="subtracted from pixels of 0..1: a number, or one a channel (0)")
    command.add_argument("--std", type=numbers, default=(1.0,), help="what they are divided by then (1)")
    command.add_argument("--labels", metavar="FILE", help="the names of the classes, one a line")
    command.add_argument("--top", type=_count, default=5, metavar="K", help="how many classes to show (5)")
    command.add_argument("--raw", action="store_true", help="the network's own numbers, not their softmax")
