"""Compiling generated C, and the cache of what was compiled.

A build is known by the hash of its text, the compiler and what it says of its version, the flags, and the machine.  It is written under
another name and renamed, so that an interrupted or concurrent build never leaves half a file.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

FLAGS = ("-std=gnu11", "-O1", "-w", "-pthread", "-fPIC", "-shared", "-fno-strict-aliasing", "-fno-sanitize=undefined")
"""-O2 takes twice as long to compile and finds states no faster: the search waits for memory.  The packaged compiler sanitizes undefined
behaviour unless it is told not to; `make sanitize` builds with sanitizers and does so on purpose."""


PACKAGED = "ziglang"
"""The Python package of the extra `compiler`: a whole C compiler, with its headers."""


class NoCompiler(Exception):
    """There is no C compiler, or it does not work; `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def compiler() -> list[str]:
    """The command of the compiler: `CC`, else cc, gcc or clang, else the one of the extra `compiler`.  Raises NoCompiler."""
    wanted = os.environ.get("CC")
    if wanted:
        command = shlex.split(wanted)
        if command and shutil.which(command[0]):
            return command
        raise NoCompiler(f"the compiler that CC names, `{wanted}`, is not there")
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    if importlib.util.find_spec(PACKAGED) is not None:
        return [sys.executable, "-m", PACKAGED, "cc"]
    raise NoCompiler("there is no C compiler (cc, gcc or clang); `pip install 'luocheck[compiler]'` brings one")


@cache
def _version(command: tuple[str, ...], where: str) -> str:
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise NoCompiler(f"the C compiler `{command[0]}` does not run: {error}") from None
    return where + done.stdout


def _folders() -> list[Path]:
    """Where builds may be kept, the best place first."""
    base = os.environ.get("XDG_CACHE_HOME")
    found = [Path(base) / "luocheck"] if base and Path(base).is_absolute() else []
    with suppress(RuntimeError):
        found.append(Path.home() / ".cache" / "luocheck")
    return found


_private: list[tempfile.TemporaryDirectory[str]] = []


def _writable() -> Path:
    """The cache folder, or one of this process when no other can be written."""
    for folder in _folders():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK) and folder.stat().st_uid == os.getuid():
            return folder
    if not _private:
        _private.append(tempfile.TemporaryDirectory(prefix="luocheck-"))
    return Path(_private[0].name)


def _key(source: str, command: list[str], flags: tuple[str, ...]) -> str:
    where = shutil.which(command[0]) or command[0]
    text = "\0".join([source, *command, *flags, _version(tuple(command), where), platform.machine(), platform.system()])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def known(source: str) -> bool:
    """Is there a build of this text already?"""
    try:
        command = compiler()
        name = f"{_key(source, command, FLAGS)}.so"
    except NoCompiler:
        return False
    return any((folder / name).is_file() for folder in _folders())


def library(source: str) -> ctypes.CDLL:
    """The compiled text, from the cache or built now.  Raises NoCompiler when it cannot be built."""
    command = compiler()
    name = f"{_key(source, command, FLAGS)}.so"
    for folder in _folders():
        if (folder / name).is_file():
            try:
                return ctypes.CDLL(str(folder / name))
            except OSError:
                continue  # it cannot be loaded: build it again
    built = _build(source, command, name)
    try:
        return ctypes.CDLL(str(built))
    except OSError as error:
        with suppress(OSError):
            built.unlink()
        raise NoCompiler(f"what the C compiler `{command[0]}` made cannot be loaded: {error}") from None


def _build(source: str, command: list[str], name: str) -> Path:
    folder = _writable()
    try:
        with tempfile.TemporaryDirectory(prefix="build-", dir=folder) as place:
            text, made = Path(place) / "spec.c", Path(place) / "spec.so"
            text.write_text(source, encoding="utf-8")
            _compile([*command, *FLAGS, "-o", str(made), str(text)], folder)
            os.replace(made, folder / name)
    except OSError as error:
        raise NoCompiler(f"the C compiler's result could not be written: {error}") from None
    return folder / name


def _compile(command: list[str], folder: Path) -> None:
    # The packaged compiler keeps its own library between builds; everything of ours stays in one place.
    own = {name: str(folder / "compiler") for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env={**own, **os.environ}
        )
    except OSError as error:
        raise NoCompiler(f"the C compiler `{command[0]}` does not run: {error}") from None
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:200])
        how = f"was killed by signal {-done.returncode}" if done.returncode < 0 else f"failed: {first}"
        raise NoCompiler(f"the C compiler {how}")
