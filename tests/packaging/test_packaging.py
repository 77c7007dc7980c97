"""The sdist, the wheel that is built from it, and the tool installed from the wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("model", "checker", "traces", "specs")
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def folder_of(package: str) -> Path:
    """Where a package of the list stands in the tree."""
    parts = package.split(".")
    return ROOT.joinpath(*(parts[1:] if len(parts) > 1 and parts[1] in ROOMS else parts))


def test_every_folder_with_code_is_listed() -> None:
    """A folder that is not listed is missing from the wheel, and only there."""
    listed = {folder_of(package) for package in CONFIG["packages"]}
    found = {path.parent for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    face = ROOT / "luocheck"
    found |= {path.parent for path in face.glob("*.py")}
    for folder in face.iterdir():
        if folder.is_dir() and not folder.is_symlink():
            found |= {path.parent for path in folder.rglob("*.py")}
    assert found == listed


def test_every_data_file_is_listed() -> None:
    patterns = {folder_of(package): globs for package, globs in CONFIG["package-data"].items()}
    listed = {path for folder, globs in patterns.items() for glob in globs for path in folder.glob(glob)}
    code = {".py", ".pyc"}
    found = {path for room in ROOMS for path in (ROOT / room).rglob("*") if path.is_file() and path.suffix not in code}
    for folder in ("report", "cli", "demo"):
        found |= {path for path in (ROOT / "luocheck" / folder).rglob("*") if path.is_file() and path.suffix not in code}
    assert found <= listed, sorted(found - listed)


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel built from it (`build` does it in this order)."""
    folder = tmp_path_factory.mktemp("dist")
    ended = run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bin` of a fresh environment with the wheel; dependencies are those of the environment that runs the tests."""
    folder = tmp_path_factory.mktemp("fresh")
    assert run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder).returncode == 0
    python = folder / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    ended = run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")  # its own .pth files are not looked at
    return folder / "bin"


@pytest.mark.nightly
def test_wheel_has_everything_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    expected = {
        f"{package.replace('.', '/')}/{path.name}" for package in CONFIG["packages"] for path in folder_of(package).glob("*.py")
    }
    assert expected <= set(names)
    specs = {f"luocheck/specs/{path.name}" for path in (ROOT / "specs").glob("*.luo")}
    schemas = {f"luocheck/report/schemas/{path.name}" for path in (ROOT / "luocheck/report/schemas").glob("*.json")}
    typed = {f"luocheck/{room}py.typed" for room in ("", "model/", "checker/", "traces/")}
    assert specs | schemas | typed | {"luocheck/model/syntax/grammar.lark"} <= set(names)
    assert specs and schemas
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"luocheck"}


@pytest.mark.nightly
def test_sdist_builds_without_the_links(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "model/spec.py", "checker/check.py", "luocheck/cli/main.py", "specs/__init__.py"} <= names


@pytest.mark.nightly
def test_installed_tool(installed: Path, tmp_path: Path) -> None:
    tool = installed / "luocheck"
    assert run(tool, "--version", cwd=tmp_path).stdout.startswith("luocheck ")
    listed = run(tool, "specs", "--json", cwd=tmp_path)
    shipped = sorted(path.stem for path in (ROOT / "specs").glob("*.luo"))
    assert [each["name"] for each in json.loads(listed.stdout)["specs"]] == shipped
    (tmp_path / "t.luo").write_text("spec t; sort A symmetric; scope s { A = 1 } volatile var x: bool = false; invariant p: not x;")
    ended = run(tool, "check", "t.luo", cwd=tmp_path)
    assert ended.returncode == 0 and "holds" in ended.stdout, ended
    where = run(installed / "python", "-c", "import luocheck.model.spec as m; print(m.__file__)", cwd=tmp_path).stdout
    assert Path(where).is_relative_to(installed.parent)
    bare = run(installed / "python", "-c", "import model", cwd=tmp_path)
    assert bare.returncode == 1 and "ModuleNotFoundError" in bare.stderr
