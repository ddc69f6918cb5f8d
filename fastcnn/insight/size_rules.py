"""The rules of check(). Each looks at the graph of one image and yields findings; what follows from another finding is not reported.

Windows that do not tile an image leave rows or columns out. Where the cause is a side of the image that does not suit the network, or a
convolution before without padding, the cause alone is reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from fastcnn.insight.findings import Finding
from fastcnn.insight.view import View, windows_of
from fastcnn.network.traced import traced
from fastcnn.support.errors import code_of
from fastcnn.support.records import Node
from fastcnn.support.tables import size_text
from fastcnn.tracing.trace import Trace
from fastcnn.training.plan import kept_bytes

__all__ = ["RULES"]

_USUAL_SIDES = (32, 64, 96, 224, 384, 512)
_LARGE_KERNEL = 5 * 5
_LARGE_POOL = 3 * 3
_MOST_DROPPED = 4  # pooling may keep one of so many activations: windows of 2x2 do
_HEAVY = 16 << 20  # bytes that one image keeps for the backward pass: 1 GB for a batch of 64
_TOO_LARGE = "kernel_larger_than_input"  # the code of the core's error

Rule = Callable[[View, bool], Iterator[Finding]]
Windows = list[tuple[int, int, int, int]]  # of windows_of()


def _name(node: Node) -> str:
    return str(node["name"] or node["op"])


def _by(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes))


# ---- networks that do not run


def cannot_run(view: View, strict: bool) -> Iterator[Finding]:
    if view.error is None:
        return
    text = str(view.error)
    if code_of(view.error) == _TOO_LARGE:
        advice = (
            "Nothing of the image is left to slide it over. Take a larger image, more padding, a smaller kernel, or fewer halvings before."
        )
        yield Finding(view.error_layer, "kernel_larger_than_input", "error", f"{text} {advice}")
    else:
        advice = "Change the image, or the network."
        if view.error_layer:
            advice = "The sizes of this layer are not those of what it gets from the image given. Change one or the other."
        yield Finding(view.error_layer, "shape_mismatch", "error", f"{text} {advice}")


# ---- sides of the image


def _sides_fit(view: View) -> bool:
    return all(size % 2**times == 0 for size, times in zip(view.image[1:], view.halvings(), strict=True))


def _suited(view: View, axis: int) -> int:
    """The side of the image along an axis, or the next larger one that the network's halvings divide."""
    step: int = 1 << view.halvings()[axis]
    return -(-view.image[1 + axis] // step) * step


def input_side(view: View, strict: bool) -> Iterator[Finding]:
    if _sides_fit(view) or code_of(view.error) == _TOO_LARGE:
        return
    times = view.halvings()
    step = 2 ** max(times)
    sides = view.image[1:]
    larger = (_suited(view, 0), _suited(view, 1))
    smaller = tuple(size >> count << count for size, count in zip(sides, times, strict=True))
    choices = " or ".join(_by(sizes) for sizes in (smaller, larger) if min(sizes) > 0)
    usual = [str(side) for side in _USUAL_SIDES if side % step == 0]
    named = f" Usual sides: {', '.join(usual)}." if usual else ""
    often = {1: "once", 2: "twice"}.get(max(times), f"{max(times)} times")
    why = f"The network halves the image {often}, so its sides should divide by {step}: {_by(sides)} does not, and"
    yield Finding(
        "", "input_side", "warning", f"{why} rows or columns are lost on the way, or zeros come in for them. Take {choices}.{named}"
    )


def _missed(size: int, out: int, window: tuple[int, int, int, int]) -> tuple[int, int, int]:
    """(pixels behind the last window, pixels between windows, zeros of padding behind the last) that are in no window, along one axis."""
    span, stride, before, behind = window
    reach = (out - 1) * stride + span - before  # the first place behind the last window
    places = (i * stride + span + gap - before for i in range(out - 1) for gap in range(max(0, stride - span)))
    return max(0, size - reach), sum(0 <= place < size for place in places), max(0, size + behind - max(reach, size))


def tiling(view: View, strict: bool) -> Iterator[Finding]:
    dropping = {id(node) for node, before, after in _pools(view) if _drops(node, before, after)}
    for node in view.live:
        untiled = _untiled(view, node, strict)
        if untiled and (strict or id(node) not in dropping):
            yield Finding(_name(node), "tiling", "error" if strict else "warning", f"{untiled.why} {untiled.advice}")


class Untiled(NamedTuple):
    """Windows that leave something out."""

    why: str
    advice: str


def _untiled(view: View, node: Node, strict: bool) -> Untiled | None:
    """What the windows of a node leave out; None if nothing, or if the cause is elsewhere. strict: zeros of the padding count, too."""
    windows = windows_of(node, view)
    if windows is None:
        return None
    sizes, outs = view.shape(node["inputs"][0])[2:], view.shape(node["outputs"][0])[2:]
    missed = [_missed(size, out, window) for size, out, window in zip(sizes, outs, windows, strict=True)]
    behind, between, zeros = zip(*missed, strict=True)
    narrow = any(rows and window[0] < window[1] for rows, window in zip(behind, windows, strict=True))
    if any(between) or (narrow and _own_fault(view, node)):
        return _gaps(sizes, windows, [b + e for b, e in zip(between, behind, strict=True)])
    if (any(behind) and _own_fault(view, node)) or (strict and any(zeros) and not any(behind)):
        return _rest(sizes, windows, behind, zeros)
    return None


def _own_fault(view: View, node: Node) -> bool:
    """Whether the node would miss pixels even of an image of suited sides, behind convolutions that keep the size."""
    windows = windows_of(node, view)
    if windows is None or _lacks_padding(view, node):
        return False
    all_sizes = [view.sizes(axis, _suited(view, axis), padded=True) for axis in (0, 1)]
    if any(node["inputs"][0] not in sizes for sizes in all_sizes):
        return False  # nothing of the image is in it
    pairs = [(sizes[node["inputs"][0]], sizes[node["outputs"][0]]) for sizes in all_sizes]
    return any(_missed(*pair, window)[0] for pair, window in zip(pairs, windows, strict=True))


def _counted(rows: int, columns: int) -> str:
    parts = [f"{count} {noun}{'s' * (count > 1)}" for count, noun in ((rows, "row"), (columns, "column")) if count]
    return " and ".join(parts)


def _steps(windows: Windows) -> str:
    return f"{_by(tuple(w[0] for w in windows))} every {_by(tuple(w[1] for w in windows))} pixels"


def _gaps(sizes: tuple[int, ...], windows: Windows, missed: Sequence[int]) -> Untiled:
    why = f"Windows of {_steps(windows)} leave gaps: of {_by(sizes)}, {_counted(*missed)} are in none."
    return Untiled(why, "Take a kernel as large as the stride, or an average pooling of that stride before it.")


def _rest(sizes: tuple[int, ...], windows: Windows, behind: Sequence[int], zeros: Sequence[int]) -> Untiled:
    counts = [f"{_counted(*missed)} of {what}" for what, missed in (("pixels", behind), ("padding", zeros)) if any(missed)]
    padded = tuple(size + before + after for size, (_, _, before, after) in zip(sizes, windows, strict=True))
    with_padding = f" ({_by(padded)} with padding)" if padded != tuple(sizes) else ""
    why = f"Windows of {_steps(windows)} do not tile {_by(sizes)}{with_padding}: the last {' and '.join(counts)} are in none."
    return Untiled(why, "Choose size, kernel, stride and padding so that (size + padding - kernel) divides by the stride.")


# ---- convolutions


def shrinking(view: View, strict: bool) -> Iterator[Finding]:
    for node in view.convolutions():
        before, after = view.shape(view.before_padding(node["inputs"][0]))[2:], view.shape(node["outputs"][0])[2:]
        lost = [b - a if a > 1 else 0 for b, a in zip(before, after, strict=True)]
        if _ones(node, "stride") and max(lost) > 0:
            why = (
                f"Without enough padding the image shrinks, {_by(before)} to {_by(after)}, and pixels of the border count less than others."
            )
            yield Finding(
                _name(node), "shrinking", "warning", f"{why} Pad by half the kernel (padding='same') and let pooling or strides shrink it."
            )


def _lacks_padding(view: View, node: Node) -> bool:
    """Whether the node is a convolution without padding, of a stride over 1, whose windows overlap."""
    value = node["inputs"][0]
    windows = windows_of(node, view)
    if node["op"] != "conv2d" or windows is None or view.before_padding(value) != value:
        return False
    strided = [window for window, out in zip(windows, view.shape(node["outputs"][0])[2:], strict=True) if out > 1]
    return any(span > stride > 1 and not before + behind for span, stride, before, behind in strided)


def unpadded_stride(view: View, strict: bool) -> Iterator[Finding]:
    for node in view.convolutions():
        if _lacks_padding(view, node):
            why = "A stride over 1 without padding sees the border less often than the rest, and the size depends on the kernel."
            yield Finding(
                _name(node), "unpadded_stride", "warning", f"{why} Pad by half the kernel, then the stride alone decides the size."
            )


def large_kernel(view: View, strict: bool) -> Iterator[Finding]:
    for node in view.convolutions():
        _, inner, *kernel = view.shape(node["inputs"][1])
        whole = max(view.shape(node["outputs"][0])[2:]) == 1  # it is a linear layer in the form of a convolution
        layers = max(kernel) // 2
        area = math.prod(kernel)
        if area > max(_LARGE_KERNEL, 9 * layers) and inner > 1 and not whole and not view.is_first(node):
            dilated = "" if _ones(node, "dilation") else " of the same dilation"
            why = f"A kernel of {_by(tuple(kernel))} behind the first layer: {layers} layers of 3x3{dilated} see as much,"
            save = f"with {9 * layers} instead of {area} weights a pair of channels and more nonlinearities."
            rewritten = kernel == [7, 7] and _ones(node, "stride") and _ones(node, "dilation")
            how = " fastcnn.rewrite.small_filters(net) does it." if rewritten else ""
            yield Finding(_name(node), "large_kernel", "warning", f"{why} {save}{how}")


def _ones(node: Node, attribute: str) -> bool:
    return tuple(node["attributes"][attribute]) == (1, 1)


# ---- pooling


def _pools(view: View) -> Iterator[tuple[Node, tuple[int, ...], tuple[int, ...]]]:
    """Pooling nodes with (height, width) before and after, without those that pool the whole image."""
    for node in view.live:
        if node["op"] in ("max_pool", "avg_pool"):
            before, after = view.shape(node["inputs"][0])[2:], view.shape(node["outputs"][0])[2:]
            if math.prod(after) > 1:
                yield node, before, after


def _drops(node: Node, before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether a pooling drops too many activations."""
    if "adaptive" in node["attributes"]:
        return math.prod(before) > _MOST_DROPPED * math.prod(after)
    return bool(math.prod(node["attributes"]["stride"]) > _MOST_DROPPED)


def pooling_drop(view: View, strict: bool) -> Iterator[Finding]:
    for node, before, after in _pools(view):
        untiled = _untiled(view, node, strict)
        if _drops(node, before, after) and not (strict and untiled):
            share = 100 * (1 - math.prod(after) / math.prod(before))
            why = (
                f"Pooling from {_by(before)} to {_by(after)} drops {share:.0f} % of the activations; over 75 % is usually too destructive."
            )
            why += f" {untiled.why}" if untiled else ""
            yield Finding(_name(node), "pooling_drop", "warning", f"{why} Pool by 2 with windows of 2x2 or 3x3, more often if need be.")


def pooling_window(view: View, strict: bool) -> Iterator[Finding]:
    for node, before, after in _pools(view):
        kernel = tuple(node["attributes"].get("kernel", (1, 1)))
        if math.prod(kernel) > _LARGE_POOL and not _drops(node, before, after):
            why = f"Pooling windows of {_by(kernel)} mix what lies far apart; over 3x3 is seldom of use."
            take = (
                "Take windows of 3x3, one pooling behind the other" if _ones(node, "stride") else "Take windows of 2x2 or 3x3 with stride 2"
            )
            yield Finding(_name(node), "pooling_window", "warning", f"{why} {take}.")


# ---- layers of little use


def local_response_norm(view: View, strict: bool) -> Iterator[Finding]:
    for node in view.live:
        if node["op"] == "local_response_norm":
            why = "Local response normalization is of little use in practice: it costs time and memory and changes little."
            yield Finding(
                _name(node), "local_response_norm", "note", f"{why} Leave it out, or take batch normalization behind the convolutions."
            )


def dead_end(view: View, strict: bool) -> Iterator[Finding]:
    if view.error is not None:
        return
    live = {id(node) for node in view.live}
    for node in view.nodes:
        if id(node) not in live and not any(view.readers.get(value) for value in node["outputs"]):
            why = f"Nothing reads what it computes, {_by(view.shape(node['outputs'][0])[1:])}: it takes memory and no gradient reaches it."
            yield Finding(_name(node), "dead_end", "warning", f"{why} Use it in the output, or leave it and what leads to it alone out.")


def unused_output(view: View, strict: bool) -> Iterator[Finding]:
    for node in view.nodes if view.error is None else ():
        read = [bool(view.readers.get(value)) or value in view.outputs for value in node["outputs"]]
        if any(read) and not all(read):
            unread = ", ".join(str(i) for i, used in enumerate(read) if not used)
            why = f"It has {len(read)} outputs, and nothing reads output {unread}."
            yield Finding(_name(node), "unused_output", "note", f"{why} Take an operation that gives only what is used, if there is one.")


def unused_parameters(view: View, strict: bool) -> Iterator[Finding]:
    if view.error is not None:
        return
    used = {id(parameter) for trace in (view.trace, _training(view)) for parameter in trace.parameters.values()}
    for path, module in view.net.named_modules():
        own = [parameter for _, parameter in module.own_parameters()]
        if own and not any(id(parameter) in used for parameter in own):
            count = sum(parameter.size for parameter in own)
            why = f"forward() never uses this layer: its {count:,} parameters are saved and stay as they were drawn."
            yield Finding(path, "unused_parameters", "warning", f"{why} Call it in forward(), or take it out of the network.")


def _training(view: View) -> Trace:
    """A trace of a training step, which may use more parameters. It has two images: batch norms need two values for each channel."""
    try:
        return traced(view.net, [(2, *view.image)], training=True)[0]
    except (ValueError, NotImplementedError):
        return view.trace


# ---- memory


def activation_memory(view: View, strict: bool) -> Iterator[Finding]:
    kept = kept_bytes(view.net, view.image) if view.error is None else None
    total = sum(kept.values()) if kept else 0
    if not kept or total <= _HEAVY:
        return
    heaviest = list[str]()
    held = 0
    for name in sorted(kept, key=lambda name: -kept[name]):
        heaviest.append(name[0] or name[1])
        held += kept[name]
        if 2 * held > total:
            break
    heaviest = list(dict.fromkeys(heaviest))
    named = ", ".join(heaviest[:6]) + (f" and {len(heaviest) - 6} more" if len(heaviest) > 6 else "")
    why = f"A training step keeps {size_text(total)} of activations for each image, {size_text(64 * total)} for 64, over half in {named}."
    yield Finding("", "activation_memory", "note", f"{why} If that is too much: {' or '.join(_remedies(view))}.")


def _remedies(view: View) -> list[str]:
    """Changes of the network that make activations smaller."""
    windowed = [node for node in view.live if windows_of(node, view)]
    first = next((node for node in windowed if node["op"] == "conv2d"), None)
    pooling = next((place for place, node in enumerate(windowed) if node["op"] != "conv2d"), 0)
    remedies = ["a smaller batch", "smaller images"]
    if first is not None and _ones(first, "stride"):
        remedies.append(f"a stride of 2 in the first convolution ({_name(first)})")
    if pooling > 1:
        remedies.append(f"the first pooling ({_name(windowed[pooling])}) earlier")
    return [", ".join(remedies[:-1]), remedies[-1]]


RULES: tuple[Rule, ...] = (
    cannot_run,
    input_side,
    tiling,
    shrinking,
    unpadded_stride,
    large_kernel,
    pooling_drop,
    pooling_window,
    local_response_norm,
    dead_end,
    unused_output,
    unused_parameters,
    activation_memory,
)
