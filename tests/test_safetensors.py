"""The safetensors format: what others write and read, files that appear whole or not at all, files that lie."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_nets import lenet, same_state

import fastcnn as fc
from fastcnn.formats import safetensors

DTYPES = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"]


def tensors() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    arrays = {f"t.{dtype}": random.integers(0, 2, (3, 2)).astype(dtype) for dtype in DTYPES}
    extra = {"scalar": np.array(7, np.int64), "empty": np.zeros((0, 3), np.float32), "é\n": np.arange(3, dtype=np.uint8)}
    return arrays | extra | {"turned": np.arange(6, dtype=np.float32).reshape(2, 3).T}


def assert_equal(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert set(a) == set(b)
    for name, array in a.items():
        assert (array.dtype, array.shape) == (b[name].dtype, b[name].shape)
        assert np.array_equal(array, b[name]), name


def entry(dtype: Any, shape: Any, begin: Any, end: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def write_raw(folder: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "raw.safetensors"
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


GOOD = {"a": entry("F32", [2], 0, 8), "b": entry("U8", [3], 8, 11)}

# ---- the format ------------------------------------------------------------------------------------------------------------------------


def test_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    safetensors.write(path, tensors(), {"key": "value"})
    arrays, metadata = safetensors.read(path)
    assert_equal(tensors(), arrays)
    assert metadata == safetensors.read_metadata(path) == {"key": "value"}
    header = int.from_bytes(path.read_bytes()[:8], "little")
    assert header % 8 == 0  # so that the tensors begin at a multiple of their elements


def test_the_safetensors_package_reads_ours(tmp_path: Path) -> None:
    theirs = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "a.safetensors"
    safetensors.write(path, tensors(), {"key": "value"})
    assert_equal(tensors(), theirs.load_file(path))
    net = lenet()
    net.save(path)
    assert_equal(net.state_dict(), theirs.load_file(path))


def test_we_read_what_the_safetensors_package_writes(tmp_path: Path) -> None:
    theirs = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "a.safetensors"
    arrays = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in tensors().items()}
    theirs.save_file(arrays, path, metadata={"format": "np"})
    assert_equal(arrays, safetensors.read(path)[0])
    assert safetensors.read_metadata(path) == {"format": "np"}


def test_bfloat16(tmp_path: Path) -> None:
    values = np.array([1.0, -2.5, 3.140625, 2.0**100], np.float32)
    data = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    path = write_raw(tmp_path, {"a": entry("BF16", [4], 0, 8)}, data)
    assert_equal({"a": values}, safetensors.read(path)[0])


def test_state_of_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    save_file = pytest.importorskip("safetensors.torch").save_file
    theirs = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3)).eval()
    save_file(theirs.state_dict(), tmp_path / "a.safetensors")
    ours = fc.Sequential(fc.Conv2d(1, 3, 3), fc.BatchNorm2d(3))
    ours.load_state_dict(fc.load_state(tmp_path / "a.safetensors"))
    x = np.random.default_rng(0).standard_normal((2, 1, 5, 5)).astype(np.float32)
    assert np.allclose(ours(x), theirs(torch.from_numpy(x)).detach().numpy(), atol=1e-5)


# ---- files appear whole or not at all --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_write_that_fails_leaves_what_was_there(failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    lenet(0).save(path)
    before = path.read_bytes()

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="disk full"):
        lenet(5).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_what_cannot_be_written_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"^\[save\] 'a' must have a dtype of the format\. Got complex128\.$"):
        safetensors.write(tmp_path / "a", {"a": np.zeros(2, complex)}, {})
    with pytest.raises(FileNotFoundError):
        lenet().save(tmp_path / "no folder" / "a")
    with pytest.raises(FileNotFoundError):
        fc.load(tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_links_stay_links_and_permissions_are_usual(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"")
    link.symlink_to(target)
    lenet().save(str(link))
    assert link.is_symlink()
    assert same_state(fc.load(target), lenet())
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


# ---- files that lie --------------------------------------------------------------------------------------------------------------------


HOSTILE: dict[str, tuple[Any, bytes]] = {
    "overlap": ({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 4, 12)}, bytes(12)),
    "same bytes twice": ({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 0, 8)}, bytes(8)),
    "gap": ({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 12, 20)}, bytes(20)),
    "gap at the start": ({"a": entry("F32", [2], 4, 12)}, bytes(12)),
    "bytes left over": (GOOD, bytes(12)),
    "bytes missing": (GOOD, bytes(10)),
    "no bytes": (GOOD, b""),
    "end before begin": ({"a": entry("F32", [2], 8, 0)}, bytes(8)),
    "negative offset": ({"a": entry("F32", [2], -8, 0)}, bytes(8)),
    "offset of text": ({"a": entry("F32", [2], "0", 8)}, bytes(8)),
    "offset of half": ({"a": entry("F32", [2], 0.5, 8.5)}, bytes(8)),
    "offsets of three": ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4, 8]}}, bytes(8)),
    "shape too large": ({"a": entry("F32", [2**40, 2**40], 0, 8)}, bytes(8)),
    "shape that overflows to the right size": ({"a": entry("F32", [2**62 - 1, 2**62 - 1, 4], 0, 16)}, bytes(16)),
    "huge shape of nothing": ({"a": entry("F32", [2**61, 2**61, 0], 0, 0)}, b""),
    "negative shape": ({"a": entry("F32", [-1, -2], 0, 8)}, bytes(8)),
    "shape of truth": ({"a": entry("F32", [True, 2], 0, 8)}, bytes(8)),
    "shape of text": ({"a": entry("F32", "2", 0, 8)}, bytes(8)),
    "too many axes": ({"a": entry("F32", [1] * 33 + [2], 0, 8)}, bytes(8)),
    "unknown dtype": ({"a": entry("F8_E4M3", [8], 0, 8)}, bytes(8)),
    "dtype of a list": ({"a": entry(["F32"], [2], 0, 8)}, bytes(8)),
    "no dtype": ({"a": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
    "too much": ({"a": entry("F32", [2], 0, 8) | {"more": 1}}, bytes(8)),
    "entry of null": ({"a": None}, b""),
    "metadata of numbers": ({"__metadata__": {"a": 1}}, b""),
    "metadata of a list": ({"__metadata__": []}, b""),
    "a list": ([], b""),
    "a number": (b"1", b""),
    "no JSON": (b"{", b""),
    "NaN": (b'{"a": NaN}', b""),
    "not UTF-8": (b'{"\xff": 1}', b""),
    "name twice": (b'{"a": ONE, "a": ONE}'.replace(b"ONE", json.dumps(entry("U8", [1], 0, 1)).encode()), b"x"),
    "deep": (b"[" * 200_000, b""),
    "number of a million digits": (b'{"a": ' + b"9" * 1_000_000 + b"}", b""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_lying_header_is_refused(name: str, tmp_path: Path) -> None:
    path = write_raw(tmp_path, *HOSTILE[name])
    with pytest.raises(ValueError, match=r"^\[safetensors\] .*\. Got .*\.$|^array is too big|^maximum|^Maximum"):
        safetensors.read(path)


def test_the_good_one_is_good(tmp_path: Path) -> None:
    assert list(safetensors.read(write_raw(tmp_path, GOOD, bytes(11)))[0]) == ["a", "b"]


@pytest.mark.parametrize("length", [12, 2**20, 10**8 + 1, 2**63, 2**64 - 1])
def test_a_header_longer_than_the_file_is_refused(length: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^\[safetensors\] a file must be as long as its header says\. Got \d+ bytes, header of \d+\.$"):
        safetensors.read(write_raw(tmp_path, b"{}", length=length))
