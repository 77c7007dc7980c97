"""python3 -m benchmarks.traces: how fast recordings are decoded, and replayed against linux_7_3."""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import luocheck
from benchmarks.callers import Overlapping
from benchmarks.callers import measured as overlap
from benchmarks.captures import CAPTURES, RECORDERS, long, recording, repeated, repeated_dat, repeating
from benchmarks.figures import number, table
from benchmarks.processes import machine, run
from benchmarks.results_file import write
from luocheck.model.spec import Spec
from luocheck.traces.answer import Conformance
from luocheck.traces.decode import decode
from luocheck.traces.formats.trace_dat import read_records
from luocheck.traces.records import Tally
from luocheck.traces.replay.kernels import Replay, parts_of
from luocheck.traces.replay.world import Beginning
from luocheck.traces.source import open_capture

SPEC = "linux_7_3"


@dataclass(slots=True)
class Decoded:
    """A recording decoded: its size, and CPU seconds of each run."""

    name: str
    copies: int
    size: int
    events: int = 0
    calls: int = 0
    cpu: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Replayed:
    """A recording replayed, decoding included: CPU seconds of each run.  verdict: of the last one."""

    name: str
    copies: int
    calls: int = 0
    states: int = 0
    verdict: str = ""
    cpu: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Long:
    """`luocheck audit` of a recording with few calls as a process: CPU seconds of each run, and the peak of its memory in bytes."""

    events: int
    size: int
    verdict: str = ""
    cpu: list[float] = field(default_factory=list)
    peak: int = 0


@dataclass(slots=True)
class Binary:
    """A trace.dat: CPU seconds of each run that only reads its records, of each that decodes it, of each `trace-cmd report`, and of each that
    decodes the text which that prints."""

    name: str
    copies: int
    size: int
    events: int = 0
    records: int = 0
    read: list[float] = field(default_factory=list)
    decoded: list[float] = field(default_factory=list)
    trace_cmd: list[float] = field(default_factory=list)
    text: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Repeated:
    """Calls that repeat: CPU seconds of each run that reads and decodes them, replays them alone, follows them, and the peak of that in bytes."""

    calls: int
    events: int
    decoded: list[float] = field(default_factory=list)
    replayed: list[float] = field(default_factory=list)
    followed: list[float] = field(default_factory=list)
    peak: int = 0


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints tables, writes JSON.  1 when a repeated recording shows other calls than the single one does, else 0."""
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.traces")
    parser.add_argument("--events", type=int, default=100_000, help="events of a recording that is decoded (default 100000)")
    parser.add_argument(
        "--copies", type=int, default=16, help="most copies of the agent in a recording that is replayed (default 16)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often everything runs (default 5)")
    parser.add_argument("--cap", type=float, default=60.0, help="seconds after which a replay is stopped (default 60)")
    parser.add_argument(
        "--long", type=int, nargs="+", default=[], metavar="EVENTS", help="only audit recordings of so many events with few calls"
    )
    parser.add_argument(
        "--repeated",
        type=int,
        nargs="+",
        default=[],
        metavar="CALLS",
        help="only follow and replay recordings of so many calls that repeat",
    )
    parser.add_argument(
        "--callers",
        type=int,
        nargs="+",
        default=[],
        metavar="CALLERS",
        help="only replay --events calls of so many callers at once that repeat",
    )
    parser.add_argument("--noise", type=int, default=9, help="other events before each call that repeats (default 9)")
    parser.add_argument("--output", type=Path, help="file for the JSON (default: a new one in benchmarks/results)")
    args = parser.parse_args(arguments)
    about = machine()
    spec = luocheck.load(SPEC)
    if args.long:
        with tempfile.TemporaryDirectory(prefix="luocheck-bench-") as folder:
            audited = [_long(events, args.rounds, Path(folder)) for events in args.long]
        print(_long_table(audited))
        measured = {"machine": about, "rounds": args.rounds, "spec": SPEC, "long": [asdict(each) for each in audited]}
        print(f"\nwritten to {write('traces-long', measured, args.output)}")
        return 0 if all(each.verdict == Conformance.CONFORMS.value for each in audited) else 1
    if args.repeated:
        with tempfile.TemporaryDirectory(prefix="luocheck-bench-") as folder:
            found_again = [_repeated(spec, calls, args.noise, args.rounds, Path(folder)) for calls in args.repeated]
        print(_repeated_table(found_again))
        measured = {"machine": about, "rounds": args.rounds, "spec": SPEC, "repeated": [asdict(each) for each in found_again]}
        print(f"\nwritten to {write('traces-repeated', measured, args.output)}")
        return 0
    if args.callers:
        at_once = [overlap(spec.system, callers, args.events, args.rounds) for callers in args.callers]
        print(_callers_table(at_once))
        measured = {"machine": about, "rounds": args.rounds, "spec": SPEC, "callers": [asdict(each) for each in at_once]}
        print(f"\nwritten to {write('traces-callers', measured, args.output)}")
        return 0
    with tempfile.TemporaryDirectory(prefix="luocheck-bench-") as folder:
        decoded, agree = _decode(spec, args.events, args.rounds, Path(folder))
        print(_decoded_table(decoded), flush=True)
        binary = _binary(spec, args.events, args.rounds, Path(folder))
        print("\n" + _binary_table(binary), flush=True)
        replayed = _replay(spec, args.copies, args.rounds, args.cap, Path(folder))
        print("\n" + _replayed_table(replayed))
    found: dict[str, object] = {"machine": about, "rounds": args.rounds, "spec": SPEC}
    found |= {"binary": [asdict(each) for each in binary]}
    found |= {"decoded": [asdict(each) for each in decoded], "replayed": [asdict(each) for each in replayed]}
    print(f"\nwritten to {write('traces', found, args.output)}")
    return 0 if agree else 1


def _decode(spec: Spec, events: int, rounds: int, folder: Path) -> tuple[list[Decoded], bool]:
    """Recordings of about so many events by each recorder, in alternation; and whether each copy shows what the single one shows."""
    out: list[Decoded] = []
    agree = True
    for recorder in RECORDERS:
        lines = recording(recorder)
        single = decode(str(_written(folder / f"{recorder}-single.txt", lines)), spec.system.abi, threads_share=True)
        copies = max(math.ceil(events / single.events), 1)
        path = _written(folder / f"{recorder}.txt", repeated(lines, copies))
        out.append(Decoded(recorder, copies, path.stat().st_size, single.events * copies, len(single.calls) * copies))
    for _ in range(rounds):
        for each in out:
            before = time.process_time()
            found = decode(str(folder / f"{each.name}.txt"), spec.system.abi, threads_share=True)
            each.cpu.append(time.process_time() - before)
            if (found.events, len(found.calls)) != (each.events, each.calls):
                agree = False
                print(f"{each.name}: {found.events} events and {len(found.calls)} calls instead of {each.events} and {each.calls}")
    return out, agree


def _binary(spec: Spec, events: int, rounds: int, folder: Path) -> list[Binary]:
    """Vendored files of trace-cmd, repeated to about so many events: all system calls of a busy machine, and of an agent."""
    out = []
    for name in ("lost.sys", "errors.raw"):
        source, path = CAPTURES / "trace-dat" / f"{name}.dat", folder / f"{name}.dat"
        single = decode(str(source), spec.system.abi).events
        copies = max(math.ceil(events / single), 1)
        repeated_dat(source, path, copies)
        out.append(Binary(name, copies, path.stat().st_size))
    for _ in range(rounds):
        for each in out:
            path = folder / f"{each.name}.dat"
            tally = Tally()
            before = time.process_time()
            each.records = sum(1 for _ in read_records(open_capture(str(path)), "trace.dat", tally))
            each.read.append(time.process_time() - before)
            before = time.process_time()
            each.events = decode(str(path), spec.system.abi, threads_share=True).events
            each.decoded.append(time.process_time() - before)
            if shutil.which("trace-cmd") is not None:
                text = folder / f"{each.name}.txt"
                before = os.times().children_user + os.times().children_system
                with text.open("wb") as file:
                    subprocess.run(["trace-cmd", "report", "-i", str(path)], stdout=file, stderr=subprocess.DEVNULL, check=True)
                each.trace_cmd.append(os.times().children_user + os.times().children_system - before)
                before = time.process_time()
                decode(str(text), spec.system.abi, threads_share=True)
                each.text.append(time.process_time() - before)
    return out


def _repeated(spec: Spec, calls: int, noise: int, rounds: int, folder: Path) -> Repeated:
    """An agent that makes the same calls again and again, with other events between them."""
    path = _written(folder / "repeated.txt", repeating(calls, noise=noise))
    out = Repeated(calls, calls * (noise + 1))
    for _ in range(rounds):
        before = time.process_time()
        recording = decode(str(path), spec.system.abi, threads_share=True)
        out.decoded.append(time.process_time() - before)
        gc.collect()  # what decoding left is none of replay's
        before = time.process_time()
        found = Replay(spec.system, parts_of([recording]), Beginning.COLD, True, lambda: None, promises=True).run()
        out.replayed.append(time.process_time() - before)
        if not found.explains or found.calls != calls:
            raise RuntimeError(f"{found.calls} of {calls} calls are explained")
        del recording, found
        command = f'cat "$1" | "$0" -m luocheck audit {SPEC} - --follow'
        done = run(["sh", "-c", command, sys.executable, path], Path.cwd(), 600)
        if done.status != 0:
            raise RuntimeError(f"status {done.status}")
        out.followed.append(done.cpu)
        out.peak = max(out.peak, done.peak)
    path.unlink()
    return out


def _repeated_table(lines: list[Repeated]) -> str:
    heads = ["repeated calls", "events", "calls/s replayed", "calls/s decoded", "CPU s followed", "events/s followed", "peak MB"]
    rows = []
    for line in lines:
        decoded, replayed, followed = map(statistics.median, (line.decoded, line.replayed, line.followed))
        cells = [number(line.calls / replayed), number(line.calls / decoded), number(followed, ".2f")]
        cells += [number(line.events / followed), number(line.peak / 1e6, ".1f")]
        rows.append([number(line.calls), number(line.events), *cells])
    return table(heads, rows)


def _callers_table(lines: list[Overlapping]) -> str:
    heads = ["callers at once", "calls", "calls/s, quick search", "complete search"]
    rows = [
        [number(line.callers), number(line.calls), number(statistics.median(line.quick)), number(statistics.median(line.complete))]
        for line in lines
    ]
    return table(heads, rows)


def _binary_table(lines: list[Binary]) -> str:
    heads = [
        "trace.dat",
        "copies",
        "MB",
        "events",
        "records",
        "events/s read",
        "events/s decoded",
        "CPU of trace-cmd report = 1",
        "read",
        "decoded",
        "its text decoded",
    ]
    rows = []
    for line in lines:
        cells = [number(line.copies), number(line.size / 1e6, ".1f"), number(line.events), number(line.records)]
        cells += [number(line.events / statistics.median(line.read)), number(line.events / statistics.median(line.decoded))]
        cells += [f"{statistics.median(line.trace_cmd):.2f} s" if line.trace_cmd else "-"]
        for own in (line.read, line.decoded, line.text):
            ratios = [mine / other for mine, other in zip(own, line.trace_cmd)]
            cells.append(number(statistics.median(ratios), ".1f") if ratios else "-")
        rows.append([line.name, *cells])
    return table(heads, rows)


def _replay(spec: Spec, most: int, rounds: int, cap: float, folder: Path) -> list[Replayed]:
    """The vendored recordings of single probes as they are, then the concurrent agent repeated; the last until its time is up."""
    out: list[Replayed] = []
    jobs: list[tuple[Replayed, Path]] = []
    for path in sorted(CAPTURES.glob("*/*.one.trace.txt.gz")):
        jobs.append((Replayed(f"{path.parent.name}/{path.name.split('.')[0]}", 1), path))
    _alternate(jobs, rounds, lambda job: _audit(spec, *job, cap))
    out += [each for each, _ in jobs]
    for recorder in ("one", "sys"):
        copies = 2
        while copies <= most:
            each = Replayed(f"concurrent, {recorder}", copies)
            path = _written(folder / f"{recorder}-replayed.txt", repeated(recording(recorder), copies))
            out.append(each)
            _alternate([(each, path)], rounds, lambda job: _audit(spec, *job, cap))
            if each.verdict != Conformance.CONFORMS.value:
                break
            copies *= 2
    return out


def _long(events: int, rounds: int, folder: Path) -> Long:
    """One recording with so many events, audited by processes of their own."""
    path = _written(folder / "long.txt", long(recording("one"), events))
    out = Long(events, path.stat().st_size)
    for _ in range(rounds):
        done = run([sys.executable, "-m", "luocheck", "audit", SPEC, path, "--json"], Path.cwd(), 600)
        out.verdict = json.loads(done.output)["verdict"] if done.status == 0 else f"status {done.status}"
        out.cpu.append(done.cpu)
        out.peak = max(out.peak, done.peak)
    path.unlink()
    return out


def _alternate(jobs: list[tuple[Replayed, Path]], rounds: int, work: Callable[[tuple[Replayed, Path]], None]) -> None:
    """Each job once, then each again; slow ones and such as found no explanation in time only once."""
    for _ in range(rounds):
        for job in jobs:
            if not job[0].cpu or job[0].cpu[-1] < 5:
                work(job)


def _audit(spec: Spec, each: Replayed, path: Path, cap: float) -> None:
    before = time.process_time()
    answer = luocheck.audit(spec, str(path), timeout=cap)
    each.cpu.append(time.process_time() - before)
    each.calls, each.states, each.verdict = answer.calls, answer.states, answer.verdict.value


def _written(path: Path, lines: Iterable[str]) -> Path:
    with path.open("w", encoding="latin-1") as file:
        file.writelines(line + "\n" for line in lines)
    return path


def _decoded_table(lines: list[Decoded]) -> str:
    heads = ["decoded", "copies", "MB", "events", "calls", "CPU s", "events/s", "MB/s"]
    rows = []
    for line in lines:
        cpu = statistics.median(line.cpu)
        size = line.size / 1e6
        cells = [number(line.copies), number(size, ".1f"), number(line.events), number(line.calls), number(cpu, ".2f")]
        rows.append([line.name, *cells, number(line.events / cpu), number(size / cpu, ".1f")])
    return table(heads, rows)


def _long_table(lines: list[Long]) -> str:
    heads = ["events", "MB", "verdict", "CPU s", "events/s", "peak MB"]
    rows = []
    for line in lines:
        cpu = statistics.median(line.cpu)
        cells = [line.verdict, number(cpu, ".2f"), number(line.events / cpu), number(line.peak / 1e6, ".1f")]
        rows.append([number(line.events), number(line.size / 1e6, ".1f"), *cells])
    return table(heads, rows)


def _replayed_table(lines: list[Replayed]) -> str:
    heads = ["replayed", "copies", "calls", "states", "verdict", "CPU s", "calls/s"]
    rows = []
    for line in lines:
        cpu = statistics.median(line.cpu)
        rate = number(line.calls / cpu) if line.verdict == Conformance.CONFORMS.value else "-"
        rows.append(
            [line.name, number(line.copies), number(line.calls), number(line.states), line.verdict, number(cpu, ".3f"), rate]
        )
    return table(heads, rows)


if __name__ == "__main__":
    sys.exit(main())
