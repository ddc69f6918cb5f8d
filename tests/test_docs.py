"""What the documents promise: the README's example runs as it stands, the demo runs, the table of speed is written where it belongs."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def test_readme_example_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn", reason="the example's digits come from scikit-learn")
    example = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[1]
    assert len(example.splitlines()) <= 18
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["net"].evaluate(names["x"][1200:], names["y"][1200:])["accuracy"] > 0.9
    assert (tmp_path / "digits.safetensors").exists()
    assert "accuracy" in capsys.readouterr().out


def test_demo_writes_its_model_and_picture(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn", reason="the demo's digits come from scikit-learn")
    pytest.importorskip("matplotlib", reason="the demo draws with matplotlib")
    import fastcnn as fc
    from fastcnn.cli import demo

    monkeypatch.setattr(demo, "SEEDS", range(1))
    monkeypatch.setattr(demo, "SCHEDULE", ((2, 2e-3),))
    demo.main(str(tmp_path / "output"))
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("seed 0:", "mean over 1 seeds:", "memory of a training step", "latency of one image"))
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == ["digits.png", "model.safetensors"]
    x, _, held_x, held_y = demo.digits()
    assert (len(x), len(held_x)) == (1198, 599)
    assert np.bincount(held_y).min() >= 55  # stratified: every digit is a tenth of it
    restored = fc.load(str(tmp_path / "output" / "model.safetensors"))
    assert (restored.predict(held_x).argmax(axis=1) == held_y).mean() > 0.8


def test_demo_without_scikit_learn_names_the_extra(monkeypatch):
    from fastcnn.cli import demo

    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"\[demo\] scikit-learn brings the digits: pip install fastcnn\[demo\]"):
        demo.digits()


RUN = {
    "machine_info": {"fastcnn": {"cpu": "A processor", "isa": "avx2", "peak_gflops": {"1": 100.0}}},
    "benchmarks": [
        {"extra_info": {"engine": "fastcnn", "network": "LeNet", "threads": 1}, "stats": {"median": 0.000020}},
        {
            "extra_info": {
                "layer": "resnet50/stage3_1x1",
                "algorithm": "direct_1x1",
                "isa": "avx2",
                "threads": 1,
                "layer_ms": 0.25,
                "gflops": 90.0,
                "share": 0.9,
            },
            "stats": {"median": 0.0003},
        },
    ],
}


def test_table_of_speed(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- speed: begin -->\nold\n<!-- speed: end -->\nafter\n")
    main = runpy.run_path(str(ROOT / "bench" / "table.py"))["main"]
    main(str(tmp_path / "run.json"), str(page))
    text = page.read_text()
    assert text.startswith("before\n<!-- speed: begin -->\nA processor, avx2;")
    assert "LeNet" not in text  # networks stand in bench/RESULTS.md
    assert "| `resnet50/stage3_1x1` | direct_1x1 | avx2 | 1 | 0.250 | 90 | 90% |" in text
    assert text.endswith("<!-- speed: end -->\nafter\n")
    assert "old" not in text


def test_table_needs_its_place(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    page = tmp_path / "README.md"
    page.write_text("no marks")
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "table.py", tmp_path / "run.json", page], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "must have one pair of lines" in done.stderr
    assert page.read_text() == "no marks"


def test_readme_has_the_place_for_the_table():
    assert README.read_text().count("<!-- speed: begin -->") == README.read_text().count("<!-- speed: end -->") == 1
