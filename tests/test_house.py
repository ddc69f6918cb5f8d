"""The rules of fastcnn/README.md and CONTRIBUTING.md for Python: floors, circles, private names, lengths, a short import."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from subprocesses import python

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "fastcnn"
FILES = sorted(PACKAGE.rglob("*.py"))
MOST_FLAT = 12
MOST_LINES = 30
MOST_MODULES = 60  # of ours and of the standard library's, that `import fastcnn` loads beyond NumPy


def module_of(path: Path) -> str:
    parts = ("fastcnn", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported(tree: ast.AST, modules: set[str]) -> Iterator[str]:
    """The modules of the package that code imports, wherever in it: `from fastcnn.a import b` is fastcnn.a.b if that is a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "fastcnn":
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in modules else str(node.module) for name in full)


IMPORTS = {module: set(imported(tree_of(path), {*MODULES, "fastcnn._core"})) - {module} for module, path in MODULES.items()}


# ---- floors


def floors() -> dict[str, int]:
    """Of each room, as the table in fastcnn/README.md has them."""
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", (PACKAGE / "README.md").read_text(), re.MULTILINE)
    return {name.rstrip("/").removesuffix(".py"): int(floor) for floor, rooms in rows for name in re.findall(r"`([^`]+)`", rooms)}


FLOORS = floors()


def room_of(module: str) -> str:
    return [*module.split("."), "__init__"][1]


def test_every_file_is_in_a_room() -> None:
    assert {room_of(module) for module in MODULES} | {"_core"} == set(FLOORS)


def forbidden(module: str, others: set[str]) -> list[str]:
    own = room_of(module)
    return sorted(other for other in others if room_of(other) != own and FLOORS[room_of(other)] >= FLOORS[own])


@pytest.mark.parametrize("module", MODULES)
def test_rooms_import_only_lower_floors(module: str) -> None:
    assert not forbidden(module, IMPORTS[module])


def test_what_is_forbidden_is_found() -> None:
    code = (
        "def f():\n    from fastcnn import Module\n    import fastcnn.nn.module\n\nif TYPE_CHECKING:\n    from fastcnn.training import plan"
    )
    found = set(imported(ast.parse(code), set(MODULES)))
    assert found == {"fastcnn", "fastcnn.nn.module", "fastcnn.training.plan"}
    assert forbidden("fastcnn.running.profile", found) == sorted(found)  # above, and beside on the same floor


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle; empty if there is none. Takes away what imports nothing that is left."""
    left = {module: others & imports.keys() for module, others in imports.items()}
    while free := [module for module, others in left.items() if not others]:
        left = {module: others - set(free) for module, others in left.items() if module not in free}
    return sorted(left)


def test_no_files_import_each_other_in_a_circle() -> None:
    assert not circle(IMPORTS)
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


def test_few_files_lie_flat() -> None:
    assert len([path for path in PACKAGE.iterdir() if path.is_file() and path.suffix != ".so"]) <= MOST_FLAT
    assert len(list((ROOT / "cpp/ops").glob("*.*"))) <= MOST_FLAT


# ---- private names


def names_made(tree: ast.AST) -> set[str]:
    """Names that a file defines, assigns or spells out."""
    made = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    made |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    made |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return made | {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


OF_OTHERS = {"_replace", "_asdict", "_fields", "_getframe"}  # methods of named tuples, and sys._getframe


def borrowed(tree: ast.AST) -> list[str]:
    """Private names of other files that a file uses."""
    own = names_made(tree) | OF_OTHERS
    used = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    used += [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names if alias.name != "_core"]
    return [name for name in used if re.match(r"_[^_]", name) and name not in own]


@pytest.mark.parametrize("module", MODULES)
def test_private_names_stay_in_their_file(module: str) -> None:
    assert not borrowed(tree_of(MODULES[module]))


def test_a_borrowed_name_is_found() -> None:
    assert borrowed(ast.parse("from fastcnn.a import _b\nnet._plan()\nself._own = 1\nself._own")) == ["_plan", "_b"]


# ---- lengths


def long_functions(tree: ast.AST) -> list[str]:
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return [node.name for node in functions if (node.end_lineno or 0) - node.lineno + 1 > MOST_LINES]


PYTHON = [path for folder in ("fastcnn", "tests", "bench", "examples") for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_short(path: Path) -> None:
    assert not long_functions(tree_of(path))


def test_a_long_function_is_found() -> None:
    assert long_functions(ast.parse("def f():\n" + "    x = 1\n" * MOST_LINES)) == ["f"]


# ---- import


def test_import_loads_few_modules() -> None:
    """A count, for a time would depend on the machine: it is what makes the import short."""
    code = "import sys, numpy; before = set(sys.modules); import fastcnn; print(*sorted(set(sys.modules) - before))"
    loaded = python(code).stdout.split()
    assert "fastcnn.nn.module" in loaded
    assert len(loaded) <= MOST_MODULES, loaded
