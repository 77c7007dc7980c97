"""Short recordings made up at random: a few processes, names, files and tokens, whatever results, and recorders that miss a lot.

Most mean nothing; replay and enumeration must agree on them all the same.  `PYTHONPATH=tests python -m trust.stories FIRST COUNT` compares
the two on many.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from trust.agreement import replayed
from trust.brute import Brute, Needs, TooLarge

from luocheck.model.errnos import GENERIC
from luocheck.model.ir.system import System
from luocheck.model.spec import load
from luocheck.traces.call import Call, Kind, Moment, OpenFile, Recording

DEVICE = OpenFile(0, "device")
NAMES = (b"vm", b"db")
TOKENS = (1, 2)
RESULTS = {
    "OPEN": ("OK", "OK", "EBUSY", "ENOENT"),
    "CREATE_SESSION": ("OK", "OK", "EEXIST"),
    "RETRIEVE_SESSION": ("OK", "OK", "ENOENT", "EINVAL"),
    "PRESERVE_FD": ("OK", "OK", "EEXIST", "EBUSY", "EINVAL"),
    "RETRIEVE_FD": ("OK", "OK", "ENOENT", "EINVAL"),
    "FINISH": ("OK", "EINVAL", "EBADF"),
    "GET_NAME": ("OK",),
}
"""What is tried for each call."""

BEHIND = (Kind.CLOSE, Kind.EXIT, Kind.FORK)
"""What a recorder may not show."""


@dataclass(slots=True)
class Teller:
    """Makes up one recording."""

    system: System
    rng: random.Random
    calls: list[Call] = field(default_factory=list)
    lines: list[tuple[int, int]] = field(default_factory=list)
    sessions: list[OpenFile] = field(default_factory=list)
    files: list[OpenFile] = field(default_factory=list)
    numbers: int = 0

    def recording(self, length: int) -> Recording:
        rng = self.rng
        observes = {Kind.OPEN, Kind.IOCTL, *(kind for kind in BEHIND if rng.random() < 0.6)}
        targets = rng.choice((("device", "Session"), ("device", "Session"), ("device", "Session"), ("device",), ("Session",)))
        processes = list(range(1, 1 + rng.choice((1, 1, 2, 2, 3))))
        unborn = processes[1:] if Kind.FORK in observes and rng.random() < 0.5 else []
        alive = [p for p in processes if p not in unborn]
        ioctls = [each for each in self.system.abi.ioctls if each.target in targets]
        self._lines(length)
        while len(self.calls) < length:
            process = rng.choice(alive)
            kinds = [Kind.IOCTL] * 6 + [Kind.OPEN, *(kind for kind in BEHIND if kind in observes)]
            match Kind.OPEN if not self.calls and rng.random() < 0.8 else rng.choice(kinds):
                case Kind.OPEN:
                    self._add(Kind.OPEN, "OPEN", process, on=DEVICE)
                case Kind.FORK if unborn:
                    child = unborn.pop()
                    alive.append(child)
                    self._add(Kind.FORK, None, child, parent=process)
                case Kind.EXIT if len(alive) > 1:
                    alive.remove(process)
                    self._add(Kind.EXIT, "EXIT", process)
                case Kind.CLOSE:
                    on = rng.choice([DEVICE, *self.sessions, self._file(None)])
                    event = {"device": "CLOSE_DEV", "Session": "CLOSE"}.get(on.target or "")
                    self._add(Kind.CLOSE, event, process, on=on)
                case Kind.IOCTL:
                    self._ioctl(rng.choice(ioctls), process)
        return Recording("story", "made", tuple(self.calls), (), (), frozenset(observes), length, 0)

    def _lines(self, length: int) -> None:
        """Begin and end of each call: one after another, or some of them at the same time."""
        overlap = self.rng.random() < 0.3
        for position in range(length):
            begin = 10 * position + 1
            self.lines.append((begin, begin + (self.rng.choice((1, 1, 13)) if overlap else 1)))

    def _add(self, kind: Kind, event: str | None, process: int, **more: Any) -> None:
        number = len(self.calls)
        result = self.rng.choice(RESULTS.get(event or "", ("OK",)))
        begin, end = self.lines[number]
        busy = max((c.exit.line for c in self.calls if c.process == process and c.exit is not None), default=0)
        value = (3 if kind is Kind.OPEN else 0) if result == "OK" else -GENERIC[result]
        if value < 0:
            more = {**more, "got": {}, "files": {n: f for n, f in more.get("files", {}).items() if event == "PRESERVE_FD"}}
        begin = max(begin, busy + 1)
        self.calls.append(
            Call(
                number, kind, event, process, process, Moment(begin, None), Moment(max(begin + 1, end), None), result=value, **more
            )
        )
        for file in more.get("files", {}).values():
            known = self.sessions if file.target == "Session" else self.files
            if file not in known:
                known.append(file)

    def _file(self, target: str | None) -> OpenFile:
        self.numbers += 1
        return OpenFile(self.numbers, target)

    def _ioctl(self, ioctl: Any, process: int) -> None:
        rng = self.rng
        given: dict[str, Any] = {}
        files: dict[str, OpenFile] = {}
        if rng.random() < 0.8:
            given["size"] = ioctl.size
            for member in ioctl.fields:
                if member.name == "name" and member.role == "in":
                    given["name"] = rng.choice(NAMES)
                if member.name == "token":
                    given["token"] = rng.choice(TOKENS)
        on = DEVICE
        if ioctl.target == "Session":
            on = rng.choice([*self.sessions, self._file("Session")])
            if on not in self.sessions:
                self.sessions.append(on)
        if rng.random() < 0.8:
            if ioctl.event in ("CREATE_SESSION", "RETRIEVE_SESSION"):
                files["fd"] = self._file("Session")
            if ioctl.event == "PRESERVE_FD":
                files["fd"] = rng.choice([*self.files, self._file(None)])
            if ioctl.event == "RETRIEVE_FD":
                files["fd"] = self._file(None)
        got = {"name": rng.choice(NAMES)} if ioctl.event == "GET_NAME" else {}
        self._add(Kind.IOCTL, ioctl.event, process, on=on, command=ioctl.number, given=given, files=files, got=got)


def story(system: System, seed: int) -> Recording:
    """The recording of a seed: two to seven calls."""
    rng = random.Random(seed)
    return Teller(system, rng).recording(rng.randint(2, 7))


def verdicts(system: System, recording: Recording, *, most: int = 20_000) -> Iterator[tuple[bool, str]]:
    """(warm?, yes / no / false accept / false reject / undecided / too large) for a cold and a warm beginning."""
    needs = Needs.of([recording])
    for warm in (False, True):
        try:
            wanted = Brute(needs.replayer(system), needs, recording, most=most).conforms(warm=warm)
        except TooLarge:
            yield warm, "too large"
            continue
        found = replayed(system, recording, warm=warm)
        if found is None:
            yield warm, "undecided"
        elif found is wanted:
            yield warm, "yes" if found else "no"
        else:
            yield warm, "false accept" if found else "false reject"


def told(recording: Recording) -> str:
    """A recording in a few lines, for reports."""
    lines = [f"observes {sorted(kind.name for kind in recording.observes)}"]
    for c in recording.calls:
        on = f" on {c.on.target} {c.on.number}" if c.on is not None else ""
        shown = {**c.given, **{name: f"#{file.number}" for name, file in c.files.items()}, **c.got}
        shown.pop("size", None)
        end = c.exit.line if c.exit is not None else None
        lines.append(f"  {c.enter.line}-{end} p{c.process} {c.event or c.kind.name}{on} {shown} = {c.result}")
    return "\n".join(lines)


def main() -> int:
    system = load("linux_7_3").system
    first, count = (int(each) for each in sys.argv[1:3])
    counts: Counter[str] = Counter()
    for seed in range(first, first + count):
        recording = story(system, seed)
        for warm, verdict in verdicts(system, recording):
            counts[verdict] += 1
            if verdict.startswith("false") or verdict == "undecided":
                print(f"{verdict}: seed {seed}, {'warm' if warm else 'cold'}", flush=True)
                if verdict.startswith("false"):
                    print(told(recording), flush=True)
    print(dict(counts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
