"""What each method of the recorder switches on, taken from recordings of a real kernel, is enough for an audit.

The recordings were made of the same run with many recorders side by side. Their events are put together here as one instance with the
events of a method would have had them.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from record.tracefs import Tracefs

from luocheck.model.spec import Spec, load
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.call import Kind

CAPTURES = Path(__file__).parents[1] / "traces/captures"
EVENT = re.compile(rb".{16}-(\d+) +.*?\[\d+\] \S+ +(\d+\.\d+): (\w+)(?:\(|:| ->)")
RECORDERS = {"one": ("one", "dyn", "sys"), "sc": ("sc", "sys"), "eprobe": ("ep", "sys"), "syscalls": ("sys",)}
"""Recordings of a run that together have the events of a method."""


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


@pytest.fixture(scope="module")
def switched_on(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The events of each method, as a trace names them."""
    made = {}
    for method in (*RECORDERS, "kprobe"):
        fake = Tracefs(tmp_path_factory.mktemp(method))
        assert fake.run("start", "--method", method).returncode == 0
        made[method] = {re.sub("^sys_(enter|exit)_", "sys_", each.split("/")[1]) for each in fake.enabled()}
    return made


def lines(run: str, recorder: str) -> list[bytes]:
    return gzip.decompress((CAPTURES / f"{run}.{recorder}.trace.txt.gz").read_bytes()).split(b"\n")


def recorded(run: str, method: str, events: set[str]) -> bytes:
    """What an instance with these events would have shown of the run."""
    taken: list[tuple[float, int, bytes]] = []
    seen: set[str] = set()
    for place, recorder in enumerate(RECORDERS[method]):
        mine = set()
        for line in lines(run, recorder):
            match = EVENT.match(line)
            name = match[3].decode() if match is not None else ""
            if match is not None and name in events - seen:
                # What the system call did stands before its return, and so do events that have the same time as it.
                taken.append((float(match[2]), place, line))
                mine.add(name)
        seen |= mine
    taken.sort(key=lambda each: each[:2])
    return b"# tracer: nop\n#\n" + b"".join(line + b"\n" for *_, line in taken)


@pytest.mark.parametrize("method", RECORDERS)
@pytest.mark.parametrize("run", ["agent-killed/killed", "kexec-happy/stage1", "kexec-happy/stage2"])
def test_it_is_enough(run: str, method: str, spec: Spec, switched_on: dict[str, set[str]], tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    path.write_bytes(recorded(run, method, switched_on[method]))
    answer = audit(spec, str(path))
    assert answer.verdict is Conformance.CONFORMS, answer
    assert answer.recording is not None
    ioctls = [each for each in answer.recording.calls if each.kind is Kind.IOCTL]
    truth = [json.loads(line) for line in (CAPTURES / f"{run}.truth.jsonl").read_text().splitlines()]
    made = [
        each
        for each in truth
        if each["op"] in ("CREATE_SESSION", "RETRIEVE_SESSION", "PRESERVE_FD", "RETRIEVE_FD", "FINISH", "GET_NAME")
    ]
    assert [each.event for each in ioctls] == [each["op"] for each in made] and len(made) > 2
    assert [each.fd for each in ioctls] == [
        each.get("sfd", each.get("fd")) if "SESSION" not in each["op"] else each["fd"] for each in made
    ]
    with_token = [each for each in ioctls if "token" in each.given]
    assert len(with_token) == (0 if method == "syscalls" else sum(each["op"] in ("PRESERVE_FD", "RETRIEVE_FD") for each in made))


def around(run: str) -> Iterator[bytes]:
    """The probes of functions with the system calls around them, whose descriptors are in the ground truth: no recorder had both."""
    truth = [json.loads(line) for line in (CAPTURES / f"{run}.kp.truth.jsonl").read_text().splitlines()]
    ioctls = iter([each for each in truth if each["op"] in ("CREATE_SESSION", "PRESERVE_FD")])
    for line in lines(run, "kp"):
        match = EVENT.match(line)
        if match is None or match[3] not in (b"p_ioctl", b"r_ioctl", b"p_session_ioctl", b"r_session_ioctl"):
            continue
        frame = line[: match.start(3)]
        if match[3].startswith(b"p_"):
            each = next(ioctls)
            number = re.search(rb"cmd=(0x[0-9a-f]+) arg=(0x[0-9a-f]+)", line)
            assert number is not None
            fd = each["sfd"] if "sfd" in each else each["fd"]
            yield frame + b"sys_ioctl(fd: %d, cmd: %b, arg: %b)" % (fd, number[1], number[2])
            yield line
        else:
            yield line
            result = re.search(rb"ret=(-?\d+)", line)
            assert result is not None
            yield frame + b"sys_ioctl -> %b" % hex(int(result[1]) % 2**64).encode()
    assert next(ioctls, None) is None


def test_probes_of_functions_with_system_calls_around_are_enough(
    spec: Spec, switched_on: dict[str, set[str]], tmp_path: Path
) -> None:
    assert {"p_ioctl", "r_ioctl", "p_session_ioctl", "r_session_ioctl", "sys_ioctl", "sys_close"} <= switched_on["kprobe"]
    path = tmp_path / "trace.txt"
    path.write_bytes(b"# tracer: nop\n#\n" + b"".join(line + b"\n" for line in around("agent-killed/killed")))
    answer = audit(spec, str(path))
    assert answer.verdict is Conformance.CONFORMS and answer.recording is not None
    calls = [each for each in answer.recording.calls if each.kind is Kind.IOCTL]
    assert [(each.event, each.fd) for each in calls] == [("CREATE_SESSION", 3), ("PRESERVE_FD", 4), ("PRESERVE_FD", 4)]
    assert [each.given.get("token") for each in calls] == [None, 1, 2]
