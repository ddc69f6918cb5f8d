"""Memory, each measurement in a new process.

Predicted bytes are compared with the bytes that are allocated, counted by a library that replaces malloc and mmap, and with the growth of
resident memory; the memory for one image with that of the peers; the memory of training steps with PyTorch's. PEERS: as in `make bench`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench_networks import started
from compare.engines import DEFAULT_ENGINES, ENGINES
from compare.networks import NETWORKS
from compare.process import BENCH
from memory_counting import counted

import fastcnn as fc
from fastcnn.support.tables import size_text

PEERS = os.environ.get("PEERS")
MOST_ERROR = 0.03  # of the predicted growth of resident memory
MOST_OF_TORCH = 0.5

INFERENCE = """
name = sys.argv[1]
batch = int(sys.argv[2])
shape = batch, 3, 224, 224
fc.zoo.resnet20()(np.zeros((1, 3, 32, 32), np.float32))  # loads the code and starts the threads
resident = counter.resident()
held = counter.held()
net = getattr(fc.zoo, name)()
run = net.compile(shape)
report = run.memory
counter.forget_most()
counter.forget_peak()
x = np.ones(shape, np.float32)
y = run(x)
memory = run._program.memory
threads = run._program.useful_threads(0)
tensors = [tensor for tensor in (*net.parameters(), *net.buffers()) if isinstance(tensor, fc.Parameter)]
parts = [4 * tensor.size for tensor in tensors] + [memory["prepared"], memory["arena"] + threads * memory["scratch_per_thread"]]
print(json.dumps({"predicted": sum(map(buffer, parts)), "allocated": counter.held() - held, "most": counter.most() - held,
                  "total": report.total, "grown": counter.resident() - resident, "peak": counter.resident("VmHWM") - resident}))
"""

TRAINING = """
name = sys.argv[1]
batch = int(sys.argv[2])
shape = batch, 3, 224, 224
small = fc.zoo.resnet20()  # loads the code and starts the threads
fc.Trainer(small, "cross_entropy", "sgd", (2, 3, 32, 32)).step(np.zeros((2, 3, 32, 32), np.float32), np.zeros(2, np.int32))
del small
resident = counter.resident()
held = counter.held()
net = getattr(fc.zoo, name)()
trainer = fc.Trainer(net, "cross_entropy", fc.optim.SGD(0.01, momentum=0.9), shape)
report = trainer.memory_before(shape)
counter.forget_most()
counter.forget_peak()
trainer.step(np.ones(shape, np.float32), np.zeros(batch, np.int32))
program = trainer.plan(shape).program
memory = program.memory
threads = program.useful_threads(0)
tensors = [tensor for tensor in (*net.parameters(), *net.buffers()) if isinstance(tensor, fc.Parameter)]
parts = [4 * tensor.size for tensor in tensors] + [4, report.optimizer_state]
parts += [memory["arena"] + threads * memory["scratch_per_thread"]]
print(json.dumps({"predicted": sum(map(buffer, parts)), "allocated": counter.held() - held, "most": counter.most() - held,
                  "total": report.total, "grown": counter.resident() - resident, "peak": counter.resident("VmHWM") - resident}))
"""


@pytest.mark.parametrize(("name", "batch"), [("resnet50", 1), ("vgg16", 1), ("resnet50", 8), ("vgg16", 4)])
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def bench_predicted_is_allocated(benchmark, report_row, name, batch, training):
    found = benchmark.pedantic(lambda: counted(TRAINING if training else INFERENCE, name, str(batch)), rounds=1)
    benchmark.extra_info.update(found)
    what = f"{'training step' if training else 'run'} of {name}, batch {batch}"
    sizes = [f"{key} {size_text(found[key])}" for key in ("total", "grown", "peak")]
    report_row(
        what,
        *sizes,
        f"{100 * (found['grown'] / found['total'] - 1):+.1f} %",
        f"allocated - predicted {found['allocated'] - found['predicted']} B",
    )
    assert found["allocated"] == found["predicted"]
    assert abs(found["grown"] - found["total"]) <= MOST_ERROR * found["total"]


def trained(python: str, engine: str, name: str, batch: int) -> dict[str, int]:
    command = [python, "-I", str(BENCH / "memory_training.py"), engine, name, str(batch)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("name", "batch"), [(name, batch) for name in ("vgg_cifar", "resnet18", "mobilenet_v2") for batch in (16, 64)])
def bench_training_beside_torch(benchmark, report_row, name, batch):
    if not PEERS:
        pytest.skip("PEERS names no environment with PyTorch")
    ours = benchmark.pedantic(lambda: trained(sys.executable, "fastcnn", name, batch), rounds=1)
    theirs = trained(str(Path(PEERS) / "bin" / "python"), "torch", name, batch)
    benchmark.extra_info.update(fastcnn=ours, torch=theirs)
    texts = [f"{engine} {size_text(found['peak'])}" for engine, found in (("fastcnn", ours), ("PyTorch", theirs))]
    report_row(f"training {name}, batch {batch}", *texts, f"ratio {ours['peak'] / theirs['peak']:.2f}")
    assert ours["peak"] <= MOST_OF_TORCH * theirs["peak"]


@pytest.mark.parametrize("name", NETWORKS)
def bench_one_image(benchmark, report_row, place, conversions, name):
    """Peak of a process that loads a network and runs it once, without the engine's import; each engine with the better of its files."""
    peaks: dict[str, int] = {}

    def measure() -> None:
        for engine in DEFAULT_ENGINES if PEERS else ["fastcnn"]:
            for form in ENGINES[engine].forms:
                worker = started(place, conversions, engine, form, name, fc.get_num_threads())
                peaks[engine] = min(peaks.get(engine, 1 << 62), worker.memory())
                worker.close()

    benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info.update(peaks)
    report_row(f"one image, {name}", *(f"{ENGINES[engine].title} {size_text(peak)}" for engine, peak in peaks.items()))
