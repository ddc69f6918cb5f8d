"""Budgets: the memory that is available, and the largest batch that fits into a budget."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from fastcnn.support.tables import size_text

__all__ = ["available_memory", "bytes_of", "largest_batch", "warn_of_need"]

_UNITS = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}


def bytes_of(where: str, name: str, value: int | str) -> int:
    """The bytes that `value` stands for: a positive integer, or a text like "4 GB" (B, KB, MB, GB, TB: powers of 1024).

    TypeError for another type, ValueError for another text or a number below 1; `where` and `name` are for their messages.
    """
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
    """The number in a file of /proc or /sys, after `key` if one is given. None if the file or the number is missing."""
    try:
        text = path.read_text()
    except OSError:
        return None
    match = re.search(rf"^{key}:?\s*(\d+)", text, re.MULTILINE)
    return int(match[1]) if match else None


def _cgroups(root: Path) -> Iterator[tuple[Path, str, str]]:
    """Yields the memory cgroups of this process, the innermost first: (folder, file of the limit, file of the usage)."""
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
    """Bytes that this process may still allocate: the least that the machine and its cgroups have left. None where neither is known.

    root: the folder that has /proc and /sys.
    """
    kilobytes = _number(root / "proc/meminfo", "MemAvailable")
    left = [] if kilobytes is None else [1024 * kilobytes]
    for folder, limit_file, use_file in _cgroups(root):
        limit = _number(folder / limit_file)
        used = _number(folder / use_file)
        if limit is not None and used is not None:
            cached = _number(folder / "memory.stat", "inactive_file") or 0  # pages of files, which the kernel reclaims
            left.append(max(0, limit - max(0, used - cached)))
    return min(left, default=None)


def _largest(fits: Callable[[int], bool]) -> int:
    """The largest number from 1 to 2^24 that fits, if all smaller numbers fit as well; 0 if 1 does not."""
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
    """The largest batch size, below `below` if that is given, whose need is within the budget in bytes; 0 if there is none.

    need: bytes for a batch size. It may raise ValueError for a batch of 1 alone: batch norm cannot train on one value for each channel.
    """

    def bytes_for(count: int) -> int:
        try:
            return need(count)
        except ValueError:
            if count > 1:
                raise
            need(2)  # raises an error that every batch size has
            return 0

    found = _largest(lambda count: (below is None or count < below) and bytes_for(count) <= budget)
    return 0 if found == 1 and bytes_for(1) == 0 else found


def warn_of_need(need: Callable[[int], int], batch: int) -> None:
    """RuntimeWarning with a batch size that fits, if less memory is available than training needs.

    need: bytes that training has yet to allocate, for a batch size.
    """
    left = available_memory()
    if left is None or need(batch) <= left:
        return
    fitting = largest_batch(need, left, below=batch)
    advice = f"batch_size={fitting} would fit" if fitting else "no batch size fits"
    text = f"[fit] memory must hold a training step. Got {size_text(left)} available, {size_text(need(batch))} needed; {advice}."
    warnings.warn(text, RuntimeWarning, stacklevel=5)
