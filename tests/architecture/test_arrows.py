"""The arrows of the house, read from the imports of every module: luocheck (the face) -> {checker, traces} -> model."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {"model": ROOT / "model", "checker": ROOT / "checker", "traces": ROOT / "traces", "specs": ROOT / "specs"}
FACE = ROOT / "luocheck"

ALLOWED = {
    "model": {"model", "specs"},
    "specs": set(),
    "checker": {"checker", "model"},
    "traces": {"traces", "model"},
    "face": {"face", "checker", "traces", "model", "specs"},
}
"""Which rooms a room may import from."""


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the project with its room.  The face's links to the other rooms are not followed."""
    for room, folder in ROOMS.items():
        for path in sorted(folder.rglob("*.py")):
            yield room, path
    yield from (("face", path) for path in sorted(FACE.glob("*.py")))
    for folder in sorted(FACE.iterdir()):
        if folder.is_dir() and not folder.is_symlink():
            yield from (("face", path) for path in sorted(folder.rglob("*.py")))


def imports(tree: ast.AST) -> Iterator[tuple[str, int, int]]:
    """Every imported module (for `from a import b` both a and a.b), its relative level and line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield base, node.level, node.lineno
            yield from ((f"{base}.{alias.name}", node.level, node.lineno) for alias in node.names)


def room_of(module: str) -> str | None:
    """The room that a module name belongs to; None outside of the project."""
    parts = module.split(".")
    if parts[0] != "luocheck":
        return parts[0] if parts[0] in ROOMS else None
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else "face"


def complaints(room: str, path: Path, source: str) -> list[str]:
    """Everything in a module that goes against the arrows."""
    tree = ast.parse(source, str(path))
    where = path.relative_to(ROOT)
    found = []
    for module, level, line in imports(tree):
        target = room_of(module)
        package = module.split(".")[0]
        if level:
            found.append(f"{where}:{line}: relative import")
        if package in ROOMS:
            found.append(f"{where}:{line}: `{package}` is imported by its bare name")
        if target is not None and target not in ALLOWED[room] and module != "luocheck":
            found.append(f"{where}:{line}: {room} imports {module}")
        if module == "luocheck" and room != "face" and not _only_rooms(tree, line):
            found.append(f"{where}:{line}: {room} imports the face")
        if package == "z3" and not where.as_posix().startswith("checker/symbolic/"):
            found.append(f"{where}:{line}: only checker/symbolic imports z3")
    if room != "face":
        found += [f"{where}:{line}: only the face prints" for line in _prints(tree)]
    return found


def _only_rooms(tree: ast.AST, line: int) -> bool:
    """Is this `from luocheck import model` and the like?"""
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.lineno == line]
    return bool(nodes) and all(alias.name in ROOMS for node in nodes for alias in node.names)


def _prints(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "input")) or (
            isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout", "sys.stderr")
        ):
            yield node.lineno


MODULES = list(modules())


def test_there_is_something_to_look_at() -> None:
    assert {room for room, _ in MODULES} == set(ALLOWED)
    assert len(MODULES) > 60


@pytest.mark.parametrize(("room", "path"), MODULES, ids=[str(path.relative_to(ROOT)) for _, path in MODULES])
def test_arrows(room: str, path: Path) -> None:
    assert complaints(room, path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("model", "import luocheck.checker"),
        ("model", "from luocheck.traces import call"),
        ("model", "from luocheck import checker"),
        ("model", "import luocheck"),
        ("model", "def f():\n    from luocheck.report import page"),
        ("checker", "from luocheck.traces.call import Call"),
        ("checker", "import luocheck.cli.main"),
        ("checker", "import z3"),
        ("traces", "from luocheck.checker.check import check"),
        ("traces", "print(1)"),
        ("traces", "import sys\nsys.stderr.write('x')"),
        ("face", "import z3"),
        ("face", "from model.spec import load"),
        ("face", "from . import main"),
    ],
)
def test_what_goes_against_the_arrows_is_found(room: str, source: str) -> None:
    folder = FACE if room == "face" else ROOMS[room]
    assert complaints(room, folder / "made_up.py", source) != []


def test_what_is_allowed_is_not_complained_about() -> None:
    assert (
        complaints(
            "checker", ROOMS["checker"] / "symbolic" / "bounded" / "solve.py", "import z3\nfrom luocheck.model.spec import load"
        )
        == []
    )
    assert complaints("checker", ROOMS["checker"] / "x.py", "from luocheck import model\nimport networkx") == []
    assert complaints("face", FACE / "x.py", "import luocheck\nfrom luocheck.traces import audit\nprint(1)") == []


@pytest.mark.parametrize("room", ["model", "checker", "traces"])
def test_bare_names_are_refused(room: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", f"import {room}"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1 and "ImportError" in ended.stderr and f"luocheck.{room}" in ended.stderr


def test_the_checker_of_witnesses_needs_nothing_of_the_search_that_made_them() -> None:
    code = "import sys, luocheck.traces.witness_check; print([m for m in sys.modules if m.startswith('luocheck.traces')])"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "witness_check" in ended.stdout
    assert "luocheck.traces.replay" not in ended.stdout and "luocheck.traces.audit" not in ended.stdout
