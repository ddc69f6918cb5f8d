"""Files that appear whole or not at all: a writer that replaces a file atomically."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

__all__ = ["written_whole"]


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Opens a temporary file that replaces `path` once all of it is on the disk. An exception deletes it and leaves `path` unchanged."""
    folder, name = os.path.split(os.path.realpath(path))  # writes through a symbolic link and keeps the link
    part = os.path.join(folder, f".{name}.{os.urandom(4).hex()}.part")
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, os.path.join(folder, name))
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(part)
        raise
