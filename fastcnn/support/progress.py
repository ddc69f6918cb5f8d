"""A progress bar of tqdm. It is shown if the caller wants it, stderr is a terminal and tqdm is installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(wanted: bool, description: str, total: int, unit: str = "sample") -> Iterator[Callable[..., None]]:
    """Yields advance(count, **values). The values are shown beside the bar."""
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
