"""A reader of the wire format of protobuf that trusts nothing: bytes by offset, fields, numbers. onnx/messages.py knows what fields mean.

    message  = field*        field = key value        key = varint: number << 3 | kind
    kind 0: varint, seven bits per byte, lowest first; the top bit of a byte is set if more bytes follow
    kind 1: 8 bytes
    kind 2: varint length, then as many bytes: a text, a message, or numbers one after another ("packed")
    kind 5: 4 bytes

The reader fetches blocks of bytes where it looks at them. So it skips weights, which are later read once, into their final place. A source
counts the messages and numbers that are read from it and limits them to a constant. Everything else takes no more bytes than the file has.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastcnn.support.arrays import AnyArray

__all__ = ["BYTES", "FIXED32", "FIXED64", "VARINT", "Field", "Source", "Span", "fail"]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # the kinds of fields
_BLOCK = 1 << 16  # bytes
_LONGEST_VARINT = 10  # bytes: ten times seven bits hold 64
_MOST_MESSAGES = 1 << 19  # several times the count of the largest known networks; a message becomes about 1 KB of objects
_MOST_NUMBERS = 1 << 22  # in all lists of a model together
_LONGEST_TEXT = 1 << 20  # bytes


def fail(rule: str, got: object) -> ValueError:
    return ValueError(f"[load] {rule}. Got {got}.")


class Span(NamedTuple):
    """The bytes start .. stop of a source. The span of a field holds the bytes after its length, or the number itself."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


class Field(NamedTuple):
    number: int
    kind: int
    value: int  # the number of a varint; 0 for other kinds
    span: Span  # the bytes of the value


class Source:
    """A file or bytes, with the size at the time of opening."""

    def __init__(self, file: io.BufferedIOBase, size: int) -> None:
        self._file = file
        self.size = size
        self._block = b""
        self._start = 0
        self._messages = 0
        self._numbers = 0

    @classmethod
    def of_bytes(cls, data: bytes) -> Source:
        return cls(io.BytesIO(data), len(data))

    @classmethod
    def of_file(cls, file: io.BufferedReader) -> Source:
        return cls(file, os.fstat(file.fileno()).st_size)

    @property
    def descriptor(self) -> int | None:
        """The descriptor of the file, None for bytes in memory."""
        return self._file.fileno() if isinstance(self._file, io.BufferedReader) else None

    @property
    def whole(self) -> Span:
        return Span(0, self.size)

    # ---- bytes

    def read(self, span: Span) -> bytes:
        self._file.seek(span.start)
        data = self._file.read(span.length)
        if len(data) != span.length:
            raise fail("the file must not shrink while it is read", f"{len(data)} bytes of {span.length} at {span.start}")
        return data

    def read_into(self, span: Span, array: AnyArray) -> None:
        """Fills a C-contiguous array that has as many bytes as the span."""
        self._file.seek(span.start)
        cells = array.reshape(-1).view(np.uint8)
        if self._file.readinto(cells.data) != span.length:
            raise fail("the file must not shrink while it is read", f"less than {span.length} bytes at {span.start}")

    def _near(self, at: int) -> int:
        """Returns the index of byte `at` in the block. Fetches a new block if a varint at this byte could go beyond the current one."""
        inside = at - self._start
        if inside < 0 or inside + _LONGEST_VARINT > len(self._block):
            self._block = self.read(Span(at, min(self.size, at + _BLOCK)))
            self._start = at
            inside = 0
        return inside

    # ---- fields

    def varint(self, at: int, stop: int) -> tuple[int, int]:
        """Returns the number at byte `at`, and the place of the byte after it."""
        inside = self._near(at)
        end = min(len(self._block), inside + min(stop - at, _LONGEST_VARINT))
        result = shift = 0
        for i in range(inside, end):
            byte = self._block[i]
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result & 0xFFFF_FFFF_FFFF_FFFF, at + i - inside + 1
            shift += 7
        raise fail("a number must end within ten bytes and within its message", f"no end at byte {at}")

    def fields(self, message: Span) -> Iterator[Field]:
        """Yields the fields of a message in order."""
        self._messages += 1
        if self._messages > _MOST_MESSAGES:
            raise fail(f"a model must have at most {_MOST_MESSAGES} parts", "more")
        at, stop = message
        while at < stop:
            key, at = self.varint(at, stop)
            number, kind = key >> 3, key & 7
            value = 0
            start = at
            if kind == VARINT:
                value, at = self.varint(at, stop)
            elif kind == BYTES:
                length, start = self.varint(at, stop)
                at = start + length
            elif kind in (FIXED32, FIXED64):
                at += 4 if kind == FIXED32 else 8
            else:
                raise fail("a field must be a number, bytes or a message", f"kind {kind} at byte {start}")
            if at > stop or number == 0:
                raise fail("a field must have a number and lie within its message", f"field {number} to {at}, message to {stop}")
            yield Field(number, kind, value, Span(start, at))

    # ---- values

    def text(self, field: Field) -> str:
        try:
            return self.bytes(field).decode()
        except UnicodeDecodeError as error:
            raise fail("a name must be UTF-8", error.reason) from None

    def bytes(self, field: Field) -> bytes:
        if field.kind != BYTES or field.span.length > _LONGEST_TEXT:
            raise fail(f"a text must be of at most {_LONGEST_TEXT} bytes", f"kind {field.kind}, {field.span.length} bytes")
        inside = self._near(field.span.start) if field.span.length else 0
        if inside + field.span.length <= len(self._block):
            return self._block[inside : inside + field.span.length]
        return self.read(field.span)

    def integer(self, field: Field) -> int:
        """Returns a varint as a signed number of 64 bits."""
        if field.kind != VARINT:
            raise fail("an integer must be a varint", f"kind {field.kind} of field {field.number}")
        return field.value - (1 << 64) if field.value >> 63 else field.value

    def real(self, field: Field) -> float:
        if field.kind != FIXED32:
            raise fail("a float must be of four bytes", f"kind {field.kind} of field {field.number}")
        result: float = struct.unpack("<f", self.read(field.span))[0]
        return result

    def integers(self, field: Field) -> list[int]:
        """Returns the numbers of a repeated field: one, or many if they are packed."""
        if field.kind == VARINT:
            self.count(1)
            return [self.integer(field)]
        if field.kind != BYTES:
            raise fail("integers must be varints", f"kind {field.kind} of field {field.number}")
        self.count(field.span.length)
        return [int(value) for value in self.varints(field.span)]

    def reals(self, field: Field) -> list[float]:
        if field.kind not in (FIXED32, BYTES) or field.span.length % 4:
            raise fail("floats must be of four bytes each", f"kind {field.kind} of field {field.number}, {field.span.length} bytes")
        self.count(field.span.length // 4)
        return [float(value) for value in np.frombuffer(self.read(field.span), "<f4")]

    def varints(self, span: Span) -> AnyArray:
        """Decodes consecutive varints as signed numbers of 64 bits. Does not count them: the caller calls count()."""
        cells = np.frombuffer(self.read(span), np.uint8)
        ends = np.flatnonzero(cells < 0x80)
        starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
        lengths = ends - starts + 1
        if (len(cells) and (not len(ends) or ends[-1] != len(cells) - 1)) or (len(ends) and lengths.max() > _LONGEST_VARINT):
            raise fail("a number must end within ten bytes and within its message", f"no end at byte {span.start}")
        values = np.zeros(len(ends), np.uint64)
        for i in range(int(lengths.max()) if len(ends) else 0):
            longer = lengths > i
            values[longer] |= (cells[starts[longer] + i] & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * i)
        return values.view(np.int64)

    def count(self, numbers: int) -> None:
        """Counts numbers that take more memory than their bytes in the file. ValueError beyond the limit."""
        self._numbers += numbers
        if self._numbers > _MOST_NUMBERS:
            raise fail(f"a model must have at most {_MOST_NUMBERS} numbers in lists", "more")
