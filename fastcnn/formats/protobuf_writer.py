"""A writer of the wire format of Protocol Buffers: fields one after another, each a tag, (field << 3) | wire type, and a value.

wire type 0   an integer, 7 bits per byte, lowest first; the top bit of a byte is set if more bytes follow
wire type 2   a length, coded as above, and as many bytes: text, data, a message
wire type 5   4 bytes, little-endian: a float
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO

from fastcnn.support.arrays import AnyArray

__all__ = ["Message"]


class Message:
    """The fields of a message in the order of the calls. Large data is counted at the call, and fetched when the message is written."""

    def __init__(self) -> None:
        self._parts: list[bytes | Callable[[], AnyArray]] = []
        self.size = 0

    def integer(self, field: int, *values: int) -> Message:
        """Adds integers; several values make a repeated field."""
        return self._add(b"".join(_varint(field << 3) + _varint(value) for value in values))

    def real(self, field: int, *values: float) -> Message:
        return self._add(b"".join(_varint(field << 3 | 5) + struct.pack("<f", value) for value in values))

    def text(self, field: int, *values: str) -> Message:
        coded = [value.encode() for value in values]
        return self._add(b"".join(_varint(field << 3 | 2) + _varint(len(value)) + value for value in coded))

    def message(self, field: int, *messages: Message) -> Message:
        for message in messages:
            self._add(_varint(field << 3 | 2) + _varint(message.size))
            self._parts += message._parts
            self.size += message.size
        return self

    def data(self, field: int, size: int, fetch: Callable[[], AnyArray]) -> Message:
        """Adds the bytes of an array. size: their count; fetch: returns the array."""
        self._add(_varint(field << 3 | 2) + _varint(size))
        self._parts.append(fetch)
        self.size += size
        return self

    def write(self, file: BinaryIO) -> None:
        for part in self._parts:
            file.write(part if isinstance(part, bytes) else part().tobytes())

    def _add(self, part: bytes) -> Message:
        self._parts.append(part)
        self.size += len(part)
        return self


def _varint(value: int) -> bytes:
    """Encodes an integer; a negative one as 64 bits in two's complement."""
    rest = value % 2**64
    coded = bytearray()
    while rest > 127:
        coded.append(rest & 127 | 128)
        rest >>= 7
    coded.append(rest)
    return bytes(coded)
