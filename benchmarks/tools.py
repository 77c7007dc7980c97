"""The tools side by side: how each is built, run and read."""

from __future__ import annotations

import json
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ours import available, threads
from benchmarks.processes import Run
from benchmarks.sizes import BUGS, SIZES, Size

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = HERE / "peers"
SPECS = ROOT / "tests" / "specs"
PYTHON = Path(sys.executable)

Command = list[str | Path]


@dataclass(frozen=True, slots=True)
class Found:
    """What a tool printed.  depth, search (seconds by its own clock) and steps (length of its counterexample): None where it says nothing.

    violated: it found a violation.
    """

    states: int
    transitions: int
    depth: int | None = None
    search: float | None = None
    violated: bool = False
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class Build:
    """How a tool gets ready for a model, in a folder of its own: commands, and a file that it wants to be there.

    inside: the command does an empty run too, whose time is no build time.
    """

    commands: tuple[Command, ...]
    file: str | None = None
    text: str = ""
    inside: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """A way to check the model.

    build, command: for a size and a bug (0: none).  empty: its empty run, None for that of a small program.  shortest: its search is
    breadth-first in one thread, so that its counterexample has the least steps.  whole_memory: the kernel's figure is all of its memory
    (not so for several processes that share it).
    """

    name: str
    kind: str
    threads: int
    build: Callable[[Size, int], Build]
    command: Callable[[Size, int], Command]
    read: Callable[[Run], Found | None]
    empty: Command | None = None
    shortest: bool = True
    whole_memory: bool = True


def tools() -> tuple[Tool, ...]:
    """All tools that can run on this machine, the reference (hand-written C) first."""
    return tuple(_all())


def missing() -> dict[str, str]:
    """Tools that cannot run here, with the reason."""
    out = {}
    if _compiler() is None:
        out["hand-written C"] = "no cc"
    for name in ("spin", "rumur"):
        if shutil.which(name) is None or _compiler() is None:
            out[name] = "no cc" if shutil.which(name) else f"not installed; on Debian: apt install {name}"
    if "explore" not in available():
        out["luocheck explore"] = "this version has no native engine"
    return out


def _compiler() -> str | None:
    return next((name for name in ("gcc", "cc", "clang") if shutil.which(name)), None)


def _all() -> Iterator[Tool]:
    cc = _compiler()
    if cc is not None:
        yield _c(cc)
        if shutil.which("spin"):
            yield _spin(cc, "spin dfs", (), 1)
            yield _spin(cc, "spin bfs", ("-DBFS",), 1)
            yield _spin(cc, "spin dfs", ("-DNCORE=2",), 2)
        if shutil.which("rumur"):
            yield _rumur(cc, 1)
            yield _rumur(cc, 2)
    yield Tool("python", "python", 1, _no_build, _python, _read_c, [PYTHON, PEERS / "pybfs.py", "1", "1", "0"])
    for engine in available():
        for count in threads(engine):
            yield _ours(engine, count)


# ---- hand-written C and plain Python ----------------------------------------------------------------------------


def _c(cc: str) -> Tool:
    def build(size: Size, bug: int) -> Build:
        sizes = [f"-DN={size.files}", f"-DM={size.agents}", f"-DBUG={bug}"]
        return Build(([cc, "-O3", "-march=native", *sizes, "-DTRACE", PEERS / "bfs.c", "-o", "bfs"],))

    return Tool("c", "c", 1, build, lambda size, bug: ["./bfs", str(size.table)], _read_c)


def _no_build(size: Size, bug: int) -> Build:
    return Build(())


def _python(size: Size, bug: int) -> Command:
    return [PYTHON, PEERS / "pybfs.py", str(size.files), str(size.agents), str(bug)]


def _read_c(run: Run) -> Found | None:
    whole = re.search(r"states (\d+) transitions (\d+) depth (\d+) time ([\d.]+)", run.output)
    if whole:
        return Found(int(whole[1]), int(whole[2]), int(whole[3]), float(whole[4]))
    broken = re.search(r"VIOLATION I\d (?:at )?depth (\d+) states (\d+) time ([\d.]+)", run.output)
    if broken:
        return Found(int(broken[2]), 0, int(broken[1]), float(broken[3]), True, int(broken[1]))
    return None


# ---- SPIN -------------------------------------------------------------------------------------------------------


def _spin(cc: str, name: str, flags: tuple[str, ...], threads: int) -> Tool:
    """Reduction is off: the counts are compared, and with one process there is nothing that it could reduce."""

    def build(size: Size, bug: int) -> Build:
        options = ["-O2", "-march=native", "-w", "-DSAFETY", "-DNOREDUCE", "-DNOFAIR", "-DNOBOUNDCHECK", "-DMEMLIM=16000"]
        model: Command = [PYTHON, "-c", _WRITE_PROMELA, PEERS / "gen_pml.py", str(size.files), str(size.agents), str(bug)]
        return Build((model, ["spin", "-a", "luo.pml"], [cc, *options, *flags, "-o", "pan", "pan.c", "-lpthread"]))

    def command(size: Size, bug: int) -> Command:
        return ["./pan", *([] if "-DBFS" in flags else ["-m1000000"]), f"-w{size.table}"]

    bfs = "-DBFS" in flags
    return Tool(name, "spin", threads, build, command, _read_spin, shortest=bfs, whole_memory=threads == 1)


_WRITE_PROMELA = "import runpy,sys; sys.argv[:1]=[]; sys.stdout=open('luo.pml','w'); runpy.run_path(sys.argv[0])"


def _read_spin(run: Run) -> Found | None:
    states = re.search(r"(\S+) states, stored", run.output)
    transitions = re.search(r"(\S+) transitions \(= stored\+matched\)", run.output)
    if not states or not transitions:
        return None
    seconds = re.search(r"elapsed time ([\d.]+) seconds", run.output)
    depth = re.search(r"State-vector \d+ byte, depth reached (\d+)", run.output)
    broken = re.search(r"^pan:.*?\(at depth (\d+)\)", run.output, re.MULTILINE) or re.search(r"errors: [1-9]", run.output)
    steps = int(broken[1]) if broken and broken.re.groups else None
    breadth_first = "Breadth-First Search" in run.output
    if broken and breadth_first and depth:
        steps = int(depth[1]) + 1  # it counts the level from which the last step was taken
    # the initial state counts as a transition
    return Found(
        round(float(states[1])),
        round(float(transitions[1])) - 1,
        int(depth[1]) if depth and breadth_first else None,
        float(seconds[1]) if seconds and float(seconds[1]) >= 0.1 else None,  # it counts hundredths
        broken is not None,
        steps,
    )


# ---- Rumur ------------------------------------------------------------------------------------------------------


def _rumur(cc: str, threads: int) -> Tool:
    def build(size: Size, bug: int) -> Build:
        text = (PEERS / "luo.m").read_text()
        for name, before, value in (("N", 5, size.files), ("M", 2, size.agents), ("BUG", 0, bug)):
            assert f"  {name}: {before};" in text
            text = text.replace(f"  {name}: {before};", f"  {name}: {value};")
        make: Command = ["rumur", "--threads", str(threads), "--deadlock-detection", "off", "--output", "luo.c", "luo.m"]
        compile: Command = [cc, "-std=c11", "-O3", "-march=native", *_wide_atomics(), "-w", "luo.c", "-o", "luo", "-lpthread"]
        return Build((make, compile), "luo.m", text)

    return Tool("rumur", "rumur", threads, build, lambda size, bug: ["./luo"], _read_rumur, shortest=threads == 1)


def _wide_atomics() -> list[str]:
    return ["-mcx16"] if platform.machine() == "x86_64" else []


def _read_rumur(run: Run) -> Found | None:
    found = re.search(r"^\s*(\d+) states, (\d+) rules fired in (\d+)s", run.output, re.MULTILINE)
    if not found:
        return None
    broken = re.search(r"[1-9]\d* error\(s\) found", run.output) is not None
    return Found(int(found[1]), int(found[2]), None, None, broken, None)


# ---- luocheck ---------------------------------------------------------------------------------------------------


def _ours(engine: str, count: int) -> Tool:
    def command(size: Size, bug: int) -> Command:
        claim = {each.number: each.claim for each in BUGS}.get(bug)
        spec = SPECS / (f"peers_bug{bug}.luo" if bug else "peers.luo")
        out: Command = [*_OURS, spec, "--scope", size.scope, "--topology", size.topology]
        out += ["--engine", engine, "--threads", str(count)]
        return [*out, "--claim", claim] if claim is not None else out

    def build(size: Size, bug: int) -> Build:
        return Build(([*command(size, bug), "--max-states", "1"],), inside=True) if engine == "explore" else Build(())

    empty = [*command(SIZES["small"], 0), "--max-states", "1"]
    return Tool(f"luocheck {engine}", "luocheck", count, build, command, _read_ours, empty)


# The module is found from whatever folder the run is in, and what is compiled stays in that folder.
_OURS: Command = ["sh", "-c", 'HOME="$PWD" XDG_CACHE_HOME="$PWD/cache" exec "$@"', "sh"]
_OURS += [PYTHON, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); from benchmarks.ours import main; main()"]


def _read_ours(run: Run) -> Found | None:
    try:
        answer = json.loads(run.output.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return None
    steps = min(answer["broken"].values(), default=None)
    return Found(answer["states"], answer["transitions"], answer["depth"], answer["search"], bool(answer["broken"]), steps)
