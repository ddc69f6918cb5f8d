"""A progress bar through tqdm, where somebody can see it: tqdm is installed, stderr is a terminal, and the caller wants one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(wanted: bool, description: str, total: int, unit: str = "sample") -> Iterator[Callable[..., None]]:
    """Gives advance(count, **values to show beside the bar)."""
    if not (wanted and sys.stderr is not None and sys.stderr.isatty()):
        yield _nothing
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield _nothing
        return
    with tqdm(total=total, desc=description, file=sys.stderr, unit=unit) as bar:

        def advance(count: int, **values: float) -> None:
            if values:
                bar.set_postfix(values, refresh=False)
            bar.update(count)

        yield advance


def _nothing(count: int, **values: float) -> None:
    pass
