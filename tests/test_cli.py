"""The command line: what each command prints at 80 and 120 columns, its JSON, its exit codes, and its messages for what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from subprocesses import python

import fastcnn as fc
from fastcnn.cli import main
from fastcnn.cli.commands import COMMANDS

Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *arguments: str, code: int = 0) -> tuple[str, str]:
    """(what it printed, what it said on stderr)."""
    assert main(arguments) == code
    out, err = capsys.readouterr()
    return out, err


@pytest.fixture
def model(tmp_path: Path) -> Path:
    net = fc.Sequential(fc.Conv2d(3, 8, 3, padding=1, seed=0), fc.ReLU(), fc.AdaptiveAvgPool2d(1), fc.Flatten(), fc.Linear(8, 4, seed=1))
    net.save(tmp_path / "net.safetensors")
    net.save(tmp_path / "net.onnx", input_shape=(1, 3, 20, 24))
    return tmp_path


TABLES = {
    "summary": ["summary", "mobilenet_v2"],
    "memory": ["memory", "vgg16", "--batch", "64", "--training", "--optimizer", "adam"],
    "check": ["check", "resnet18"],
    "cost": ["cost", "mobilenet_v2", "--threads", "1"],
    "profile": ["profile", "mobilenet_v2", "--input", "3x64x64", "--threads", "1"],
    "bench": ["bench", "lenet5", "--seconds", "0.05", "--threads", "1"],
}


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("name", TABLES)
def test_tables_fit_the_terminal(capsys: Capture, monkeypatch: pytest.MonkeyPatch, name: str, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    printed, said = run(capsys, *TABLES[name])
    assert printed.strip() and not said
    assert max(map(len, printed.splitlines())) <= columns


def test_columns_that_matter_are_there_at_80(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long names are cut, at their beginning, before columns are left out."""
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("densenet121", "googlenet", "resnet18"):
        lines = run(capsys, "summary", name)[0].splitlines()
        assert lines[0].split() == ["layer", "output", "parameters", "MACs", "sees", "activation"]
        layers = [row.layer or row.op for row in getattr(fc.zoo, name)().summary((3, 224, 224))]
        shown = [line.split()[0] for line in lines[2 : 2 + len(layers)]]
        assert len(set(shown)) == len(set(layers))
        assert "sees: receptive field" in "\n".join(lines)


@pytest.mark.parametrize("name", TABLES)
def test_json(capsys: Capture, name: str) -> None:
    document = json.loads(run(capsys, *TABLES[name], "--json")[0])
    if name == "summary":
        assert sum(row["parameters"] for row in document) == sum(p.size for p in fc.zoo.mobilenet_v2().parameters())
    elif name == "memory":
        report = fc.zoo.vgg16().memory((64, 3, 224, 224), training=True, optimizer="adam")
        assert document["total"] == report.total and document["optimizer_state"] == report.optimizer_state
        assert document["shape"] == [64, 3, 224, 224]
        assert [row["name"] for row in document["layers"]] == [row.name for row in report.layers]
    elif name == "check":
        assert {row["rule"] for row in document} == {finding.rule for finding in fc.zoo.resnet18().check((3, 224, 224))}
    elif name == "cost":
        assert document["total"]["macs"] == sum(row["macs"] for row in document["layers"])
    elif name == "profile":
        assert sum(step["seconds"] for step in document["steps"]) == pytest.approx(document["seconds"])
    else:
        assert 0 < document["p5"] <= document["p50"] <= document["p99"] and document["calls"] > 10


def test_every_command_has_help_with_an_example(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--help"])
    assert done.value.code == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    for command in COMMANDS:
        assert f"  fastcnn {command}" in printed
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert f"example:\n  fastcnn {command}" in capsys.readouterr().out


# ---- models and shapes


@pytest.mark.parametrize("ending", ["safetensors", "onnx"])
def test_files(capsys: Capture, model: Path, ending: str) -> None:
    given = [] if ending == "onnx" else ["--input", "3x20x24"]
    rows = json.loads(run(capsys, "summary", str(model / f"net.{ending}"), *given, "--json")[0])
    assert rows[0]["output"] == [1, 8, 20, 24] and rows[-1]["output"] == [1, 4]
    document = json.loads(run(capsys, "memory", str(model / f"net.{ending}"), "--input", "5x3x20x24", "--json")[0])
    assert document["shape"] == [5, 3, 20, 24]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["summary", "resnet5"],
            "fastcnn summary: [model] it must be a file .onnx or .safetensors, or one of fastcnn.zoo. Got 'resnet5'. Did you",
        ),
        (["summary", "none.onnx"], "No such file"),
        (
            ["summary", "net.safetensors"],
            "[input] the model does not say the shape of its images: give it, as in --input 3x224x224. Got none.",
        ),
        (
            ["memory", "lenet5", "--input", "2x1x32x32", "--batch", "3"],
            "[input] the batch must be said once. Got --batch 3 and --input of 2.",
        ),
        (["convert", "lenet5", "a.txt"], "[convert] the output must end in .safetensors or .onnx. Got a.txt."),
        (["predict", "net.onnx", "none.png"], "No such file"),
        (["predict", "net.onnx", "none.png", "--labels", "net.onnx"], "[predict] labels must be text in UTF-8, one a line. Got net.onnx."),
        (["convert", "lenet5", "none/a.onnx"], "[convert] the folder of the output must be there. Got none."),
        (["cost", "lenet5", "--input", "1x8x8"], "the kernel must not be larger than the padded input"),
    ],
)
def test_what_is_wrong_is_said_with_code_2(
    capsys: Capture, model: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(model)
    printed, error = run(capsys, *arguments, code=2)
    assert said in error and not printed
    assert "Traceback" not in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["memory", "vgg16", "--input", "224"], "a shape is CxHxW or NxCxHxW, as 3x224x224. Got '224'"),
        (["memory", "vgg16", "--batch", "0"], "it is a whole number from 1 on. Got '0'"),
        (["bench", "vgg16", "--seconds", "-1"], "it is a number of seconds, up to 3600. Got '-1'"),
        (["predict", "vgg16", "a.png", "--mean", "a"], "it is one number or one a channel, with commas between. Got 'a'"),
        (["predict", "vgg16", "a.png", "--std", "1,nan"], "it is one number or one a channel, with commas between. Got '1,nan'"),
        (["predict", "vgg16", "a.png", "--size", "1x2x3"], "a size is one number or HxW, as 224. Got '1x2x3'"),
        (["memory", "vgg16", "--optimizer", "x"], "invalid choice: 'x'"),
        ([], "required: COMMAND"),
    ],
)
def test_wrong_options(capsys: Capture, arguments: list[str], said: str) -> None:
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert done.value.code == 2
    assert said in capsys.readouterr().err


# ---- commands


def test_check_has_code_1_for_errors_alone(capsys: Capture) -> None:
    assert "kernel_larger_than_input" in run(capsys, "check", "lenet5", "--input", "1x8x8", code=1)[0]
    assert "error  tiling" in run(capsys, "check", "resnet18", "--strict", code=1)[0]
    run(capsys, "check", "resnet18")


def test_predict(capsys: Capture, model: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow writes the file")
    pixels = np.random.default_rng(0).integers(0, 255, (40, 48, 3), dtype=np.uint8)
    image.fromarray(pixels).save(model / "a.png")
    (model / "names.txt").write_text("ant\nbee\ncat\ndog\n")
    arguments = ["predict", str(model / "net.onnx"), str(model / "a.png"), "--labels", str(model / "names.txt")]
    (entry,) = json.loads(run(capsys, *arguments, "--json", "--mean", "0.5,0.4,0.3", "--std", "0.2")[0])
    x = np.moveaxis(pixels, 2, 0) / 255
    half = x.reshape(3, 20, 2, 24, 2).mean((2, 4))  # what the triangle filter makes of it, nearly
    scores = fc.load(model / "net.onnx")(((half - np.reshape([0.5, 0.4, 0.3], (3, 1, 1))) / 0.2)[None])[0]
    softmax = np.exp(scores) / np.exp(scores).sum()
    assert [each["class"] for each in entry["classes"]] == list(np.argsort(-softmax))
    assert [each["score"] for each in entry["classes"]] == pytest.approx(sorted(softmax, reverse=True), abs=0.02)
    assert entry["classes"][0]["label"] == ["ant", "bee", "cat", "dog"][entry["classes"][0]["class"]]
    printed, _ = run(capsys, *arguments, "--top", "2", "--raw", "--size", "20x24")
    assert len(printed.splitlines()) == 4 and "score" in printed
    (model / "names.txt").write_text("ant\nbee\n")
    assert "[predict] there must be as many labels as classes, 4. Got 2." in run(capsys, *arguments, code=2)[1]
    assert "drawn, not trained" in run(capsys, "predict", "lenet5", str(model / "a.png"))[1]


def test_convert(capsys: Capture, model: Path) -> None:
    x = np.ones((1, 3, 20, 24), np.float32)
    assert "wrote" in run(capsys, "convert", str(model / "net.safetensors"), str(model / "b.onnx"), "--input", "3x20x24")[0]
    assert np.allclose(fc.load(model / "b.onnx")(x), fc.load(model / "net.safetensors")(x), atol=1e-6)
    said = run(capsys, "convert", str(model / "net.onnx"), str(model / "c.safetensors"))[1]
    assert "the weights alone" in said
    assert len(fc.load_state(model / "c.safetensors")) == 4


def test_profile_draws(capsys: Capture, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib draws")
    run(capsys, "profile", "lenet5", "--plot", str(tmp_path / "steps.png"))
    assert (tmp_path / "steps.png").stat().st_size > 5000


def test_demo_writes_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastcnn.cli import demo

    folders: list[str] = []
    monkeypatch.setattr(demo, "main", folders.append)
    assert main(["demo", "here"]) == main(["demo"]) == 0
    assert folders == ["here", "demo_output"]


# ---- the process


def test_as_a_module_and_as_a_program() -> None:
    code = (
        "import sys, runpy; sys.argv = ['fastcnn', 'check', 'lenet5', '--input', '1x8x8']; runpy.run_module('fastcnn', run_name='__main__')"
    )
    done = python(code, check=False)
    assert done.returncode == 1 and "kernel_larger_than_input" in done.stdout
    program = Path(sys.executable).with_name("fastcnn")
    if program.exists():
        assert "lenet5" in subprocess.run([program, "memory", "lenet5"], capture_output=True, text=True, check=True).stdout


def test_help_needs_little() -> None:
    code = "import sys; from fastcnn.cli.parser import parser; parser(); print(*sys.modules)"
    assert not {"matplotlib", "PIL", "tqdm", "sklearn"} & set(python(code).stdout.split())


def test_without_an_output_it_runs() -> None:
    """As programs without a console start others: sys.stdout is None."""
    code = 'import sys; sys.stdout = None; from fastcnn.cli import main; sys.exit(main(["summary", "lenet5"]))'
    assert python(code, check=False).returncode == 0


def test_scores_that_are_no_numbers_are_no_answer(capsys: Capture, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow writes the file")
    net = fc.Sequential(fc.Flatten(), fc.Linear(48, 2))
    net[1].weight.assign(np.full((2, 48), np.nan))  # type: ignore[index]
    net.save(tmp_path / "net.onnx", input_shape=(1, 3, 4, 4))
    image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "a.png")
    said = run(capsys, "predict", str(tmp_path / "net.onnx"), str(tmp_path / "a.png"), code=2)[1]
    assert "[predict] scores must be finite. Got nan for" in said


def test_a_reader_that_leaves_is_no_error() -> None:
    code = 'import sys; from fastcnn.cli import main; sys.exit(main(["summary", "densenet121"]))'
    command = f"{sys.executable} -c '{code}' | head -n 1; echo ${{PIPESTATUS[0]}}"
    environment = os.environ | {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.splitlines()[-1] == "0" and done.stderr == ""
