"""The safetensors format: a reader that trusts nothing, and a writer that replaces files atomically.

    8 bytes       length L of the header, little-endian
    L bytes       JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__": {"key": "text"}}
    the rest      the tensors' bytes, row-major, one after another without gaps; offsets count from here

The reader allocates no more memory than the file is long, whatever its header says.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from io import BufferedReader
from typing import Any

import numpy as np

from fastcnn._core import FileMapping
from fastcnn.formats.whole_files import written_whole
from fastcnn.support.arrays import AnyArray

__all__ = ["mapped", "read", "read_metadata", "write"]

DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",  # the upper half of a float32
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "<u1",
    "BOOL": "?",
}
_NAMES = {np.dtype(code): name for name, code in DTYPES.items() if name != "BF16"}
_LINE = 64  # bytes of a cache line
_MOST_AXES = 8  # the most axes that a parameter has
_FEW_BYTES = 1 << 14  # smaller tensors are copied: reading them in place would map many times as many bytes
_LONGEST_HEADER = 100_000_000  # bytes; the safetensors package has the same limit


def read(path: str | os.PathLike[str]) -> tuple[dict[str, AnyArray], dict[str, str]]:
    """Reads the tensors and the metadata of a file. BF16 becomes float32. ValueError if the file is not valid."""
    with open(path, "rb") as file:
        header, start = _header(file)
        metadata = _metadata(header.pop("__metadata__", {}))
        entries = _entries(header, os.fstat(file.fileno()).st_size - start)
        return {name: _tensor(file, name, entry, start) for name, entry in entries.items()}, metadata


def mapped(path: str | os.PathLike[str]) -> tuple[dict[str, AnyArray], dict[str, str]]:
    """Reads a file as read() does, but without copies of large float32 tensors: their arrays are read-only and lie in the file.

    See FileMapping.
    """
    with open(path, "rb") as file:
        mapping = FileMapping(file.fileno())
        header, start = _header(file)
        metadata = _metadata(header.pop("__metadata__", {}))
        entries = _entries(header, mapping.size - start)
        tensors = {}
        for name, entry in entries.items():
            at = start + entry["data_offsets"][0]
            tensors[name] = mapping.floats(at, entry["shape"]) if _is_ready(entry, at) else _tensor(file, name, entry, start)
        return tensors, metadata


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Reads only the metadata of a file."""
    with open(path, "rb") as file:
        return _metadata(_header(file)[0].get("__metadata__", {}))


def write(path: str | os.PathLike[str], tensors: Mapping[str, AnyArray], metadata: Mapping[str, str]) -> None:
    """Writes tensors and metadata to a file. TypeError for a dtype that the format does not have."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    arrays = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in tensors.items()}
    for name, array in arrays.items():
        if array.dtype.newbyteorder("<") not in _NAMES:
            raise TypeError(f"[save] '{name}' must have a dtype of the format. Got {array.dtype}.")
        header[name] = {"dtype": _NAMES[array.dtype.newbyteorder("<")], "shape": list(array.shape)}
    # Each tensor begins at a multiple of its element size, most at a multiple of a cache line: so mapped tensors are read fastest.
    by_size = sorted(arrays, key=lambda name: (arrays[name].nbytes % _LINE != 0, -arrays[name].dtype.itemsize))
    end = 0
    for name in by_size:
        header[name]["data_offsets"] = [end, end + arrays[name].nbytes]
        end += arrays[name].nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _LINE)
    with written_whole(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in by_size:
            array = arrays[name]
            file.write(array.astype(array.dtype.newbyteorder("<"), copy=False).reshape(-1).view(np.uint8).data)


def _fail(rule: str, got: str) -> ValueError:
    return ValueError(f"[safetensors] {rule}. Got {got}.")


def _header(file: BufferedReader) -> tuple[dict[str, Any], int]:
    """Returns the header and the offset of the first tensor."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, _LONGEST_HEADER):
        raise _fail("a file must be as long as its header says", f"{size} bytes, header of {length}")
    try:
        header = json.loads(file.read(length).decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _fail("the header must be JSON", str(error)) from None
    if not isinstance(header, dict):
        raise _fail("the header must be a JSON object", type(header).__name__)
    return header, 8 + length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name that comes twice")
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"the number {name}")


def _metadata(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _fail("the metadata must be an object of texts", type(value).__name__)
    return value


def _entries(header: dict[str, Any], size: int) -> dict[str, dict[str, Any]]:
    """Checks all entries of the header and returns them."""
    for name, entry in header.items():
        _check_entry(name, entry)
    end = 0
    for name in sorted(header, key=lambda name: header[name]["data_offsets"]):
        begin, stop = header[name]["data_offsets"]
        if begin != end:
            raise _fail("tensors must follow one another without gaps", f"'{name}' at {begin}, not {end}")
        end = stop
    if end != size:
        raise _fail("the tensors must fill the file", f"{end} bytes of tensors, {size} in the file")
    return header


def _check_entry(name: str, entry: Any) -> None:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _fail(f"'{name}' must have dtype, shape and data_offsets", repr(entry)[:80])
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _fail(f"the dtype of '{name}' must be one of {', '.join(DTYPES)}", repr(dtype)[:80])
    if not _is_list_of_sizes(shape) or len(shape) > 32:
        raise _fail(f"the shape of '{name}' must be a list of at most 32 sizes", repr(shape)[:80])
    if not _is_list_of_sizes(offsets) or len(offsets) != 2:
        raise _fail(f"the data_offsets of '{name}' must be two numbers", repr(offsets)[:80])
    itemsize = np.dtype(DTYPES[dtype]).itemsize
    if math.prod(max(size, 1) for size in shape) * itemsize >= 2**63:  # NumPy's bound; it also counts empty axes as 1
        raise _fail(f"the shape of '{name}' must be one that an array can have", repr(shape)[:80])
    needed = math.prod(shape) * itemsize
    if offsets[1] - offsets[0] != needed:
        raise _fail(f"'{name}' must have the bytes of its shape, {needed}", f"{offsets[1] - offsets[0]}")


def _is_list_of_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**62 for size in value)


def _is_ready(entry: dict[str, Any], at: int) -> bool:
    """Returns whether a parameter can use the bytes in place, and they are enough for a mapping."""
    begin, end = entry["data_offsets"]
    is_like_a_parameter = entry["dtype"] == "F32" and sys.byteorder == "little" and at % 4 == 0 and len(entry["shape"]) <= _MOST_AXES
    return is_like_a_parameter and end - begin > _FEW_BYTES


def _tensor(file: BufferedReader, name: str, entry: dict[str, Any], start: int) -> AnyArray:
    array: AnyArray = np.empty(entry["shape"], DTYPES[entry["dtype"]])
    cells = array.reshape(-1).view(np.uint8)
    file.seek(start + entry["data_offsets"][0])
    if file.readinto(cells.data) != array.nbytes:
        raise _fail("the file must not shrink while it is read", f"'{name}' cut short")
    if entry["dtype"] == "BF16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
    elif entry["dtype"] == "BOOL":
        array = (cells != 0).reshape(array.shape)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
