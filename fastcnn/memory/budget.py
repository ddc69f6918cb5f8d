"""How much memory there is, and the largest batch that fits into it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from fastcnn.support.tables import size_text

__all__ = ["available_memory", "bytes_of", "largest_batch", "warn_of_need"]

_UNITS = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}


def bytes_of(where: str, name: str, value: int | str) -> int:
    """A number of bytes, or a text like "4 GB"; units are B, KB, MB, GB, TB, by 1024."""
    rule = f'[{where}] {name} must be a positive number of bytes, or a text like "4 GB". Got {name}={value!r}.'
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d+)?)\s*([KMGT]?B)\s*", value.upper())
        size = int(float(match[1]) * _UNITS[match[2]]) if match else 0
    elif isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(rule)
    else:
        size = int(value)
    if size <= 0:
        raise ValueError(rule)
    return size


def _number(path: Path, key: str = "") -> int | None:
    """The number in a file of the kernel's, behind `key` if that is given; None if it has none."""
    try:
        text = path.read_text()
    except OSError:
        return None
    match = re.search(rf"^{key}:?\s*(\d+)", text, re.MULTILINE)
    return int(match[1]) if match else None


def _cgroups(root: Path) -> Iterator[tuple[Path, str, str]]:
    """The memory groups that this process is in, from the innermost: folder, the file of the limit, that of the use."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else ("memory.max", "memory.current")
        inner = top / path.strip("/")
        for folder in (inner, *inner.parents):
            yield folder, *names
            if folder == top:
                break


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process may still take: of the machine's, or of what its cgroups are allowed. None where that cannot be known."""
    kilobytes = _number(root / "proc/meminfo", "MemAvailable")
    left = [] if kilobytes is None else [1024 * kilobytes]
    for folder, limit_file, use_file in _cgroups(root):
        limit, used = _number(folder / limit_file), _number(folder / use_file)
        if limit is not None and used is not None:
            cached = _number(folder / "memory.stat", "inactive_file") or 0  # pages of files, which the kernel takes back when asked
            left.append(max(0, limit - max(0, used - cached)))
    return min(left, default=None)


def _largest(fits: Callable[[int], bool]) -> int:
    """The largest number from 1 to 2^24 that fits, where all below it do; 0 if 1 does not."""
    if not fits(1):
        return 0
    good, bad = 1, 2
    while fits(bad):
        good, bad = bad, 2 * bad
        if bad > 2**24:
            return good
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good


def largest_batch(need: Callable[[int], int], budget: int, below: int | None = None) -> int:
    """The largest batch, and smaller than `below`, whose need in bytes is within the budget; 0: none.

    need may raise a ValueError for a batch of 1 alone: batch norm cannot be trained on one value for each channel.
    """

    def bytes_for(count: int) -> int:
        try:
            return need(count)
        except ValueError:
            if count > 1:
                raise
            need(2)  # raises what is wrong with any batch
            return 0

    found = _largest(lambda count: (below is None or count < below) and bytes_for(count) <= budget)
    return 0 if found == 1 and bytes_for(1) == 0 else found


def warn_of_need(need: Callable[[int], int], batch: int) -> None:
    """need: bytes that training takes from now on, for a batch size. Warns if they are not there, and says which batch size fits."""
    left = available_memory()
    if left is None or need(batch) <= left:
        return
    fitting = largest_batch(need, left, below=batch)
    advice = f"batch_size={fitting} would fit" if fitting else "no batch size fits"
    text = f"[fit] memory must hold a training step. Got {size_text(left)} available, {size_text(need(batch))} needed; {advice}."
    warnings.warn(text, RuntimeWarning, stacklevel=5)
