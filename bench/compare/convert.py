"""The files that the engines load, in a folder for each network. Files that were made from the same sources are kept."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from compare.networks import NETWORKS
from compare.process import BENCH, EngineError, last_line

__all__ = ["Conversions"]

SOURCES = (
    "fastcnn/zoo/*.py",
    "fastcnn/saving/onnx/*.py",
    "fastcnn/network/initial.py",
    "bench/compare/*export.py",
    "bench/compare/torch_zoo.py",
)
SOURCES += ("bench/compare/networks.py",)


class Step(NamedTuple):
    makes: tuple[str, ...]
    needs: tuple[str, ...]
    command: list[str]
    spare: tuple[str, ...] = ()  # files that only earlier steps needed: they are removed


def digest(versions: str) -> str:
    """A digest of everything that the files depend on: the sources, and the versions of the peers."""
    found = hashlib.sha256(versions.encode())
    for pattern in SOURCES:
        for path in sorted(BENCH.parent.glob(pattern)):
            found.update(path.read_bytes())
    return found.hexdigest()


class Conversions:
    """Makes the files below `folder` with the peers of one environment."""

    def __init__(self, folder: Path, peers: Path | None, versions: str) -> None:
        self.folder = folder
        self._peers = peers
        self._digest = digest(versions)

    def of(self, name: str, report: Callable[[str], None]) -> dict[str, str]:
        """Makes the files of a network. Returns, for each file that could not be made, the cause."""
        folder = self.folder / name
        mark = folder / "made_from"
        if not mark.exists() or mark.read_text() != self._digest:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            mark.write_text(self._digest)
        failures: dict[str, str] = {}
        for step in self._steps(name):
            if not all((folder / file).exists() for file in step.makes):
                report(f"[compare] {name}: {', '.join(step.makes)}")
                self._run(step, folder, failures)
            for file in step.spare:
                (folder / file).unlink(missing_ok=True)
        return failures

    def _steps(self, name: str) -> list[Step]:
        shape = ",".join(map(str, NETWORKS[name].shape))
        folder = str((self.folder / name).resolve())
        steps = [Step(("fastcnn.safetensors", "fastcnn.onnx", "input.npy"), (), [sys.executable, "-m", "compare.export", name, folder])]
        if self._peers is None:
            return steps
        python = str(self._peers / "python")
        steps.append(Step(("torch.pt", "torch.onnx"), ("fastcnn.onnx",), [python, "-m", "compare.torch_export", name, folder]))
        for stem, source in (("torch", "torch.script"), ("fastcnn", "fastcnn.onnx")):
            steps.append(Step((f"{stem}.ncnn.param",), (source,), self._pnnx(folder, source, stem, shape)))
            convert = [python, "-m", "compare.mnn_export", f"{folder}/{stem}.onnx", f"{folder}/{stem}.mnn"]
            steps.append(Step((f"{stem}.mnn",), (f"{stem}.onnx",), convert))
        return [*steps, Step((), (), [], spare=("state.npz", "torch.script", "pnnx.bin", "pnnx.onnx", "fastcnn.pnnxsim.onnx"))]

    def _pnnx(self, folder: str, source: str, stem: str, shape: str) -> list[str]:
        assert self._peers
        outputs = [f"pnnx{part}={folder}/pnnx.{part}" for part in ("param", "bin", "py", "onnx")]
        outputs += [f"ncnn{part}={folder}/{stem}.ncnn.{part}" for part in ("param", "bin", "py")]
        return [str(self._peers / "pnnx"), f"{folder}/{source}", *outputs, f"inputshape=[{shape}]", "fp16=0"]

    def _run(self, step: Step, folder: Path, failures: dict[str, str]) -> None:
        causes = [failures[file] for file in step.needs if file in failures]
        try:
            if causes:
                raise EngineError(causes[0])
            log = folder / f"{step.makes[0]}.log"
            with log.open("w") as output:
                status = subprocess.run(step.command, stdout=output, stderr=output, cwd=BENCH, check=False).returncode
            if status or not all((folder / file).exists() for file in step.makes):
                raise EngineError(f"not converted: {last_line(log)}")
        except (EngineError, OSError) as error:
            for file in step.makes:
                (folder / file).unlink(missing_ok=True)
                failures[file] = str(error)
