"""The rules of DESIGN.md that no compiler checks: layers, one file for OpenMP, lengths, symbols of the ISA builds, a quiet import."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from subprocesses import python

ROOT = Path(__file__).parents[1]
CPP = ROOT / "cpp"
SOURCES = sorted(path for path in CPP.rglob("*") if path.suffix in (".cpp", ".h", ".inc"))
LAYERS = ("simd", "kernels", "core", "ops", "graph", "runtime", "python")  # from the lowest to the highest
CMAKE = (ROOT / "CMakeLists.txt").read_text()


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def includes(path: Path) -> list[tuple[str, bool]]:
    """(file, whether it is one of ours: in quotes)."""
    found = re.findall(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', path.read_text(), re.MULTILINE)
    return [(ours or theirs, bool(ours)) for ours, theirs in found]


# ---- layers ----------------------------------------------------------------------------------------------------------------------------


def test_sources_are_found() -> None:
    assert {path.relative_to(CPP).parts[0] for path in SOURCES} == set(LAYERS)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_lower_layers_never_include_upper_ones(path: Path) -> None:
    layer = LAYERS.index(path.relative_to(CPP).parts[0])
    for file, ours in includes(path):
        if not ours:
            continue
        assert (CPP / file).is_file(), f"{file} must be named from cpp/"
        assert LAYERS.index(file.split("/")[0]) <= layer, f"{LAYERS[layer]}/ must not include {file}"


def ops_floor(file: str) -> int:
    """The contract lies below the views, both below each room of ops; a convolution may use what the other rooms have."""
    room = file.split("/")[1] if file.count("/") == 2 else ""
    return {"": 0, "views": 1, "convolution": 3}.get(room, 2)


@pytest.mark.parametrize("path", [path for path in SOURCES if path.relative_to(CPP).parts[0] == "ops"], ids=name_of)
def test_rooms_of_ops_include_only_rooms_below(path: Path) -> None:
    own = path.relative_to(CPP).as_posix()
    for file, _ in includes(path):
        if file.startswith("ops/") and file.rpartition("/")[0] != own.rpartition("/")[0]:
            assert ops_floor(file) < ops_floor(own), f"{own} must not include {file}"


C_HEADERS = {"stdint.h", "stddef.h", "string.h", "math.h", "float.h", "limits.h"}
INTRINSICS = {"immintrin.h", "arm_neon.h"}


@pytest.mark.parametrize("path", [path for path in SOURCES if path.relative_to(CPP).parts[0] in ("simd", "kernels")], ids=name_of)
def test_kernels_include_no_cpp_header(path: Path) -> None:
    """Inline code of a std header, compiled with an ISA's flags, could be the copy that the linker keeps for everybody."""
    for file, ours in includes(path):
        assert ours or file in C_HEADERS | INTRINSICS, f"<{file}> is neither a C header nor intrinsics"
    assert not re.search(r"\bstd::", strip_comments(path.read_text()))


def strip_comments(text: str) -> str:
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_one_file_knows_openmp(path: Path) -> None:
    knows = re.search(r"#\s*pragma\s+omp|\bomp_\w+|<omp\.h>|_OPENMP", strip_comments(path.read_text()))
    assert bool(knows) == (path == CPP / "core/parallel.cpp")


OURS = [*SOURCES, *(path for folder in ("fastcnn", "tests", "bench") for path in sorted((ROOT / folder).rglob("*.py")))]
OURS += [path for path in (ROOT / "tests").rglob("*") if path.suffix in (".cpp", ".h")]


@pytest.mark.parametrize("path", OURS, ids=name_of)
def test_files_are_short_and_say_what_they_are(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) < 400
    if path.suffix == ".py":
        assert not lines or ast.get_docstring(ast.parse(path.read_text())), "the first thing in a module is what it is"
    elif path.suffix != ".cpp" or not path.with_suffix(".h").is_file():  # the header speaks for its .cpp
        assert lines[0].startswith("//"), "the first comment says what the file is"


def test_no_fast_math() -> None:
    files = [ROOT / "CMakeLists.txt", ROOT / "Makefile", ROOT / "pyproject.toml", *SOURCES]
    for path in files:
        assert not re.search(r"-ffast-math|-Ofast|-funsafe-math|-ffinite-math|fast-math", path.read_text()), name_of(path)


# ---- lengths of functions --------------------------------------------------------------------------------------------------------------

# Comments, strings, characters and directives: braces in them mean nothing.
_SILENT = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\[^']+|[^'\\\n])'|^[ \t]*\#(?:\\\n|[^\n])*""", re.S | re.M | re.X)
# A parenthesis, and what may stand between it and the body of a function.
_PARAMETERS_END = re.compile(r"\)(?:\s|const|noexcept|override|final|mutable|&|->[^(){};]*)*$")
_CONTROL = re.compile(r"\b(?:if|constexpr|for|while|switch|catch)\s*$")


def opens_function(code: str, brace: int, parentheses: dict[int, int]) -> bool:
    """Whether a brace opens the body of a function or lambda: behind parameters, or behind the last initializer of a constructor."""
    if code[:brace].rstrip().endswith("}"):
        return True
    start = max(0, brace - 400)
    end = _PARAMETERS_END.search(code[start:brace])
    if end is None:
        return False
    opened = parentheses[start + end.start()]
    return not _CONTROL.search(code[max(0, opened - 40) : opened])


def function_lengths(text: str) -> list[tuple[int, int]]:
    """(first line, number of lines) of every function in C++ text, from its declaration to its closing brace."""
    code = _SILENT.sub(lambda found: "\n" * found[0].count("\n"), text)
    lengths: list[tuple[int, int]] = []
    open_braces: list[tuple[int, int, bool]] = [(0, 0, False)]  # start of what it belongs to, parentheses open around it, is a function
    open_parentheses: list[int] = []
    parentheses: dict[int, int] = {}  # where it closes: where it opens
    head = 0  # where the statement or declaration begins
    for at, letter in enumerate(code):
        if letter == "(":
            open_parentheses.append(at)
        elif letter == ")":
            parentheses[at] = open_parentheses.pop()
        elif letter == "{":
            start = at - len(code[head:at].lstrip())
            open_braces.append((start, len(open_parentheses), opens_function(code, at, parentheses)))
        elif letter == "}":
            start, _, is_function = open_braces.pop()
            if is_function:
                lengths.append((code.count("\n", 0, start) + 1, code.count("\n", start, at) + 1))
        ends = letter in "{};" or code[head : at + 1].strip() in ("public:", "protected:", "private:")
        if ends and len(open_parentheses) == open_braces[-1][1]:
            head = at + 1
    assert len(open_braces) == 1
    return lengths


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_functions_are_short(path: Path) -> None:
    too_long = [f"line {line}: {length} lines" for line, length in function_lengths(path.read_text()) if length >= 60]
    assert not too_long


STATEMENTS = "  call(\"}\", '{');  // {\n  for (int i = 0; i < 3; ++i) {\n    if (i) continue;\n  }\n"  # 4 lines
FUNCTIONS = {
    "function": "int f(Options options = {}) {\n{body}}\n",
    "constructor": "struct S {\n  int first;\n  S(int a) : first{a}, second(a) {\n{body}}\n};\n",
    "method": "class C {\n public:\n  auto get() const -> std::pair<int, int> {\n{body}}\n};\n",
    "lambda": "const Row kRows[] = {\n  {1, [](int a) {\n{body}}},\n};\n",
}


@pytest.mark.parametrize("text", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("count", [1, 2, 15])
def test_the_check_measures_functions(text: str, count: int) -> None:
    text = "namespace a {\n\nstruct Before {};\n\n" + text.replace("{body}", count * STATEMENTS) + "\n}  // namespace a\n"
    line = 1 + text[: text.index(STATEMENTS)].count("\n") - 1
    assert function_lengths(text) == [(line, 4 * count + 2)]


# ---- symbols of the ISA builds ---------------------------------------------------------------------------------------------------------


def isas_of_the_build() -> dict[str, list[str]]:
    """ISA -> flags, as CMakeLists.txt has them for x86-64. The tables of other processors cannot be compiled here."""
    calls = re.findall(r"add_isa\((\w+)([^)]*)\)", CMAKE)
    return {isa: flags.split() for isa, flags in calls if isa != "neon" and isa != "isa"}


def foreign_symbols(nm: str, isa: str) -> list[str]:
    """Lines of `nm` for symbols that other objects can see or that the linker may share, and that are not of this ISA's namespace."""
    namespace = re.compile(rf"_Z(?:GV|T[VIS])?Z*NK?7fastcnn{len(isa)}{isa}")
    foreign = []
    for line in nm.splitlines():
        found = re.fullmatch(r"(?:[0-9a-f]+)?\s+([A-Za-z?]) (\S+)", line)
        if not found:
            continue
        kind, symbol = found.groups()
        if kind in "Uw":  # used, not defined: what the kernels call must not be C++ of the standard library
            if symbol.startswith(("_ZNSt", "_ZSt", "_ZNKSt")):
                foreign.append(line)
        elif (kind.isupper() or kind == "u") and not namespace.match(symbol):
            foreign.append(line)
    return foreign


def compile_object(source: Path, isa: str, flags: list[str], to: Path) -> Path:
    # -O0 keeps every inline function that is called as a symbol of its own, so nothing can hide by being inlined
    options = ["-std=c++20", "-O0", "-fno-exceptions", "-fPIC", f"-I{CPP}", f"-DFASTCNN_ISA={isa}", *flags]
    command = ["g++", *options, "-c", str(source), "-o", str(to)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=900)
    return to


def objects_of(isa: str, flags: list[str], folder: Path) -> list[Path]:
    build = os.environ.get("FASTCNN_BUILD_DIR")
    if build:
        return sorted(Path(build).rglob(f"kernels_{isa}.dir/**/*.o"))
    sources = sorted((CPP / "kernels").glob("*.cpp"))
    with ThreadPoolExecutor(max_workers=2) as pool:  # each waits for a compiler
        return list(pool.map(lambda source: compile_object(source, isa, flags, folder / f"{source.stem}.o"), sources))


needs_tools = pytest.mark.skipif(not (shutil.which("g++") and shutil.which("nm")), reason="needs g++ and nm")
on_x86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the flags are those of x86-64")


@needs_tools
@on_x86
@pytest.mark.parametrize(("build", "flags"), isas_of_the_build().items(), ids=list(isas_of_the_build()))
def test_objects_of_an_isa_define_nothing_outside_its_namespace(build: str, flags: list[str], tmp_path: Path) -> None:
    objects = objects_of(build, flags, tmp_path)
    assert len(objects) >= len(list((CPP / "kernels").glob("*.cpp")))
    for path in objects:
        nm = subprocess.run(["nm", str(path)], check=True, capture_output=True, text=True).stdout
        assert not foreign_symbols(nm, build), path.name


LEAKS = {
    "inline function": "inline int leak(int x) { return x + 1; } int fastcnn::avx2::f(int x) { return leak(x); }",
    "template": "template <class T> T leak(T x) { return x + 1; } int fastcnn::avx2::f(int x) { return leak(x); }",
    "other namespace": "namespace fastcnn::avx512 { int f(int x) { return x; } }",
    "parent namespace": "namespace fastcnn { int f(int x) { return x; } }",
    "standard library": "#include <vector>\nint fastcnn::avx2::f(int x) { return std::vector<int>(x).size(); }",
    "variable": "int leak = 3;",
}


@needs_tools
@pytest.mark.parametrize("code", LEAKS.values(), ids=LEAKS)
def test_the_check_finds_leaks(code: str, tmp_path: Path) -> None:
    source = tmp_path / "leak.cpp"
    source.write_text("namespace fastcnn::avx2 { int f(int x); }\n" + code)
    path = compile_object(source, "avx2", [], tmp_path / "leak.o")
    assert foreign_symbols(subprocess.run(["nm", str(path)], check=True, capture_output=True, text=True).stdout, "avx2")


# ---- import ----------------------------------------------------------------------------------------------------------------------------


def test_import_needs_numpy_alone() -> None:
    code = "import numpy, sys; before = set(sys.modules); import fastcnn; print(*sorted(set(sys.modules) - before))"
    standard = set(sys.stdlib_module_names)
    new = {module.split(".")[0] for module in python(code).stdout.split()}
    assert "fastcnn" in new
    assert {module for module in new if module not in standard} <= {"fastcnn", "numpy"}


def test_import_changes_nothing_global() -> None:
    code = """
import os, sys, threading
import numpy
before = len(os.listdir("/proc/self/task")), os.sched_getaffinity(0), dict(os.environ), threading.active_count(), list(sys.path)
import fastcnn
after = len(os.listdir("/proc/self/task")), os.sched_getaffinity(0), dict(os.environ), threading.active_count(), list(sys.path)
assert before == after, (before, after)
tiny = numpy.float32(1e-40)
assert tiny * numpy.float32(0.5) != 0
"""
    assert python(code).stdout == ""  # and nothing is printed


def test_a_missing_extension_is_explained(tmp_path: Path) -> None:
    import fastcnn

    copy = tmp_path / "fastcnn"
    shutil.copytree(Path(fastcnn.__file__).parent, copy, ignore=shutil.ignore_patterns("_core*.so", "__pycache__"))
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import fastcnn"
    result = python(code, check=False)
    assert result.returncode != 0
    assert "ImportError" in result.stderr
    assert "[fastcnn]" in result.stderr or "[import]" in result.stderr
