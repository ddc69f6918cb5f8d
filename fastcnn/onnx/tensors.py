"""Tensors of an ONNX file as arrays: floating point of any width as float32, integers and bool in their own types.

The length of a tensor's bytes is checked against its shape before they are read, once, into the array. The bytes of a weight stay in the
file, which is mapped.
"""

from __future__ import annotations

import io
import math
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fastcnn._core import FileMapping, Parameter
from fastcnn.formats.protobuf_reader import Source, Span, fail
from fastcnn.onnx.messages import TensorProto
from fastcnn.support.arrays import AnyArray

__all__ = ["DTYPES", "Tensors", "is_float"]


class DType(NamedTuple):
    """An element type of TensorProto."""

    name: str
    code: str  # of NumPy for its bytes; integers for types that NumPy lacks
    field: int  # of TensorProto, for data that is not raw
    wide: str  # the type of an element of that field; "" for varints


DTYPES = {
    1: DType("float", "<f4", 4, "<f4"),
    2: DType("uint8", "u1", 5, ""),
    3: DType("int8", "i1", 5, ""),
    4: DType("uint16", "<u2", 5, ""),
    5: DType("int16", "<i2", 5, ""),
    6: DType("int32", "<i4", 5, ""),
    7: DType("int64", "<i8", 7, ""),
    9: DType("bool", "u1", 5, ""),
    10: DType("float16", "<f2", 5, ""),
    11: DType("double", "<f8", 10, "<f8"),
    12: DType("uint32", "<u4", 11, ""),
    13: DType("uint64", "<u8", 11, ""),
    16: DType("bfloat16", "<u2", 5, ""),  # the upper half of a float32
}
_RAW = 9  # the field of raw data
_MOST_AXES = 8  # of a parameter, the limit of the core
_MOST_SHARED = 1 << 26  # bytes of external data that tensors may read beyond twice the sizes of the files
_MOST_ELEMENTS = 1 << 40  # the limit of the core, without the axes of size 0


def is_float(dtype: int) -> bool:
    return dtype in (1, 10, 11, 16)


class Tensors:
    """Reads the tensors of one model. folder: that of its external data; None: there must be none."""

    def __init__(self, source: Source, folder: Path | None) -> None:
        self._source = source
        self._folder = folder
        self._files: dict[tuple[int, int], int] = {}  # the size of each file of external data, by device and inode
        self._read = 0  # bytes of external data so far
        self._mappings: dict[tuple[int, int], FileMapping] = {}

    def read(self, tensor: TensorProto) -> AnyArray:
        """The tensor as an array. ValueError if its bytes do not fit its shape, NotImplementedError for an unsupported type."""
        dtype = _dtype(tensor)
        if tensor.external is not None:
            with self._outside(tensor, tensor.external, dtype) as (source, span):
                flat = _filled(source, span, tensor, dtype.code)
        elif _RAW in tensor.parts:
            flat = _filled(self._source, _raw(tensor), tensor, dtype.code)
        else:
            flat = self._listed(tensor, dtype)
        return _native(flat, tensor.dtype).reshape(tensor.shape)

    def parameter(self, tensor: TensorProto) -> Parameter:
        """The tensor as a weight. Raw float32 data of a file is mapped, not copied."""
        dtype = _dtype(tensor)
        if dtype.name == "float" and sys.byteorder == "little" and len(tensor.shape) <= _MOST_AXES and 0 not in tensor.shape:
            if tensor.external is not None:
                with self._outside(tensor, tensor.external, dtype) as (source, span):
                    return self._mapped(source, span, tensor)
            if _RAW in tensor.parts and self._source.descriptor is not None:
                return self._mapped(self._source, _raw(tensor), tensor)
        return Parameter(self.read(tensor))

    def _mapped(self, source: Source, span: Span, tensor: TensorProto) -> Parameter:
        """A parameter whose values are these bytes of a file. Tensors of one file share its mapping."""
        _check_length(span, tensor, "<f4")
        assert source.descriptor is not None
        status = os.fstat(source.descriptor)
        key = status.st_dev, status.st_ino
        if key not in self._mappings:
            self._mappings[key] = FileMapping(source.descriptor)
        return self._mappings[key].parameter(span.start, tensor.shape)

    def _listed(self, tensor: TensorProto, dtype: DType) -> AnyArray:
        """The elements in float_data, int64_data and so on, in one piece or in several."""
        spans = tensor.parts.get(dtype.field, [])
        if dtype.wide:
            if len(spans) == 1:
                return _filled(self._source, spans[0], tensor, dtype.wide)
            return np.frombuffer(_checked(b"".join(self._source.read(span) for span in spans), tensor, dtype.wide), dtype.wide)
        self._source.count(sum(span.length for span in spans) // 8)  # a byte may become a number of eight bytes
        values = np.concatenate([np.zeros(0, np.int64), *(self._source.varints(span) for span in spans)])
        if len(values) != math.prod(tensor.shape):
            raise fail(f"'{tensor.name}' must have the elements of its shape, {tensor.shape}", len(values))
        if dtype.name == "float16":
            return values.astype(np.uint16).view(np.float16)
        return values.astype(dtype.code)

    @contextmanager
    def _outside(self, tensor: TensorProto, entry: dict[str, str], dtype: DType) -> Iterator[tuple[Source, Span]]:
        """The bytes of a tensor in a file of external data, which is open inside the context."""
        with self._opened(entry.get("location", ""), tensor.name) as file:
            source = Source.of_file(file)
            start = _whole(entry, "offset", 0)
            length = _whole(entry, "length", _bytes(tensor, dtype.code))
            if start + length > source.size:
                got = f"{source.size} bytes, '{tensor.name}' to {start + length}"
                raise fail("a file of external data must be as long as its tensors say", got)
            self._count(file, length)
            yield source, Span(start, start + length)

    def _count(self, file: io.BufferedReader, length: int) -> None:
        """Counts bytes of external data. Tensors may share bytes, as tied weights do, but a small file must not fill the memory."""
        status = os.fstat(file.fileno())
        self._files[status.st_dev, status.st_ino] = status.st_size
        self._read += length
        most = 2 * sum(self._files.values()) + _MOST_SHARED
        if self._read > most:
            raise fail(f"tensors must not read external data again and again: at most {most} bytes of these files", self._read)

    def _opened(self, location: str, name: str) -> io.BufferedReader:
        """The file of external data at `location`; ValueError outside of the folder of the model. name: of the tensor."""
        if self._folder is None:
            raise fail("a model that was not read from a file must have no external data", f"'{name}' in '{location}'")
        folder = Path(os.path.realpath(self._folder))
        parts = location.replace("\\", "/").split("/")
        path = Path(os.path.realpath(folder / location)) if location and "\0" not in location else folder
        if location.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or folder not in path.parents:
            raise fail("external data must lie in the folder of the model", f"'{name}' in '{location}'")
        if not path.exists():
            raise FileNotFoundError(f"[load] external data must be there. Got '{name}' in '{location}', which is not in {folder}.")
        if not stat.S_ISREG(path.stat().st_mode):
            raise fail("external data must be in a plain file", f"'{name}' in '{location}'")
        return open(path, "rb")


def _whole(entry: dict[str, str], key: str, default: int) -> int:
    """A number of bytes from the entry of external data."""
    text = entry.get(key, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 20):
        raise fail(f"the {key} of external data must be a number of bytes", repr(text[:40]))
    return int(text) if text else default


def _bytes(tensor: TensorProto, code: str) -> int:
    return math.prod(tensor.shape) * np.dtype(code).itemsize


def _wrong_size(tensor: TensorProto, code: str, got: int) -> ValueError:
    return fail(f"'{tensor.name}' must have the bytes of its shape {tensor.shape}, {_bytes(tensor, code)}", got)


def _checked(data: bytes, tensor: TensorProto, code: str) -> bytes:
    if len(data) != _bytes(tensor, code):
        raise _wrong_size(tensor, code, len(data))
    return data


def _dtype(tensor: TensorProto) -> DType:
    dtype = DTYPES.get(tensor.dtype)
    if dtype is None:
        raise NotImplementedError(f"[load] a tensor must be of a known type. Got type {tensor.dtype} of '{tensor.name}'.")
    if math.prod(size or 1 for size in tensor.shape) > _MOST_ELEMENTS:
        raise fail("a tensor must have at most 2^40 elements", f"'{tensor.name}' {tensor.shape}")
    return dtype


def _raw(tensor: TensorProto) -> Span:
    spans = tensor.parts[_RAW]
    if len(spans) != 1:
        raise fail("the raw data of a tensor must come once", f"{len(spans)} times in '{tensor.name}'")
    return spans[0]


def _check_length(span: Span, tensor: TensorProto, code: str) -> None:
    if span.length != _bytes(tensor, code):
        raise _wrong_size(tensor, code, span.length)


def _filled(source: Source, span: Span, tensor: TensorProto, code: str) -> AnyArray:
    _check_length(span, tensor, code)
    array: AnyArray = np.empty(math.prod(tensor.shape), code)
    source.read_into(span, array)
    return array


def _native(array: AnyArray, dtype: int) -> AnyArray:
    """The array in this machine's byte order; floating point as float32, truth values as bool."""
    name = DTYPES[dtype].name
    if name == "bfloat16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    if name == "bool":
        return array.astype(np.bool_)
    if is_float(dtype):
        with np.errstate(over="ignore"):  # values beyond float32 become infinite
            return array.astype(np.float32, copy=False)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
