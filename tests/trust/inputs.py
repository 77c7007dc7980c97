"""Hostile inputs: mutations of captures, and the conditions that every input must leave true."""

from __future__ import annotations

import gzip
import random
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from luocheck.model.abi import Abi
from luocheck.model.diagnostics import SpecError
from luocheck.traces.call import Recording
from luocheck.traces.decode import decode
from luocheck.traces.formats.registry import FORMATS

CORPUS = Path(__file__).parent / "corpus"

SECONDS = 20.0
"""Longest time for one input on a busy machine.  A hang is longer, and so is quadratic time over an input of the size that is made here."""

MEMORY = 3 << 30


class Hang(Exception):
    """An input took too long."""


def seeds() -> dict[str, bytes]:
    """Name and bytes of every seed; packed ones as they are."""
    return {path.name: path.read_bytes() for path in sorted(CORPUS.iterdir()) if path.suffix != ".md"}


# ---- mutations --------------------------------------------------------------------------------------------------

TOKENS: tuple[bytes, ...] = (
    b"\0",
    b"\r",
    b"\r\n",
    b"\xef\xbb\xbf",  # byte order mark
    b"\xff\xfe",
    b"\xc3\x28",  # no UTF-8
    "\u202e\u2066".encode(),  # bidi controls
    b"\x1b[2J\x1b]0;x\x07",
    b'"',
    b'\\"',
    b'""""',
    b"' \" ' \"",
    b"(" * 300,
    b"{[(" * 100,
    b"9" * 4301,
    b"0x" + b"f" * 10_000,
    b"-9223372036854775808",
    b"18446744073709551616",
    b"1e9",
    b"0x",
    b"-",
    b" " * 500,
    b"=> ",
    b"...",
    b"%n%s",
    b"${x}",
    b"x-1 [0] 1: y",
    b"          <...>-1       [000] .....     1.000000: sys_ioctl(fd: 3, cmd: 0xba00, arg: 0)",
    b"\n     luo-agent-64      [001] .....     1.000000: sys_ioctl(fd: 3, cmd: 0xba00, arg: 0)\n",
    b"tracing_mark_write: x\n  agent-1 [000] ..... 1.000000: sys_ioctl -> 0x0\n",
    b"CPU:0 [LOST 99999999999999999999 EVENTS]\n",
    b"[LOST EVENTS]",
    b"##### CPU 999999 buffer started ####\n",
    b"# entries-in-buffer/entries-written: 1/99999999999999999999   #P:2\n",
    b"sys_enter: NR 16 (3, ba00, 7ffc, 0, 0, 0)",
    b"sys_exit: NR 16 = -99999999999999999999",
    b"sched_process_exit: comm=a pid=1 prio=1 pid=2 prio=120 group_dead=true",
    b"sched_process_fork: comm=a child_pid=2 child_comm=b child_pid=0",
    b"<unfinished ...>",
    b"<... ioctl resumed>",
    b"--- SIGKILL {si_signo=SIGKILL} ---",
    b"+++ killed by SIGKILL +++",
    b"?",
)

NAMES = (b"a b-12 c", b"x-1 [0] 1: y", b"\t\t", b"nl\nine", b"", b"[]()-:.", b"\xff" * 15, b"]-64 [001] ....")

Mutation = Callable[[bytes, random.Random], bytes]


def _lines(change: Callable[[list[bytes], random.Random], list[bytes]]) -> Mutation:
    return lambda data, rng: b"\n".join(change(data.split(b"\n"), rng))


def _cut_line(lines: list[bytes], rng: random.Random) -> list[bytes]:
    begin = rng.randrange(len(lines))
    return lines[:begin] + lines[begin + rng.randint(1, 5) :]


def _repeat_line(lines: list[bytes], rng: random.Random) -> list[bytes]:
    at = rng.randrange(len(lines))
    return lines[:at] + [lines[at]] * rng.choice((2, 3, 200)) + lines[at:]


def _swap_lines(lines: list[bytes], rng: random.Random) -> list[bytes]:
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return lines


def _long_line(lines: list[bytes], rng: random.Random) -> list[bytes]:
    at = rng.randrange(len(lines))
    place = rng.randint(0, len(lines[at]))
    filler = rng.choice((b"-", b"[", b" ", b"0", b"a", b"(", b",", b'"', b"=", b"\\", b": ", b"ab=1 ", b'x="', b"\xff"))
    lines[at] = lines[at][:place] + filler * (rng.choice((200, 5_000, 40_000)) // len(filler)) + lines[at][place:]
    return lines


def _rename(lines: list[bytes], rng: random.Random) -> list[bytes]:
    at = rng.randrange(len(lines))
    lines[at] = rng.choice(NAMES).rjust(16)[:16] + lines[at][16:]
    return lines


def _number(data: bytes, rng: random.Random) -> bytes:
    digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    if not digits:
        return data
    at = rng.choice(digits)
    wide = rng.choice((b"", b"-1", b"0", b"4294967295", b"18446744073709551615", b"9" * 20, b"9" * 4301, b"0x" + b"f" * 10_000))
    return data[:at] + wide + data[at + 1 :]


def _splice(data: bytes, rng: random.Random) -> bytes:
    other = rng.choice(list(seeds().values()))
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(TOKENS) + data[at:]


def _flip(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        if out:
            out[rng.randrange(len(out))] = rng.randrange(256)
    return bytes(out)


def _delete(data: bytes, rng: random.Random) -> bytes:
    begin = rng.randint(0, len(data))
    return data[:begin] + data[begin + rng.randint(1, 40) :]


def _truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randint(0, len(data))]


def _word(data: bytes, rng: random.Random) -> bytes:
    """A word of 2, 4 or 8 bytes becomes an extreme one: sizes and offsets of binary files."""
    width = rng.choice((2, 4, 8))
    at = rng.randint(0, max(0, len(data) - width))
    value = rng.choice((0, 1, (1 << 8 * width) - 1, 1 << (8 * width - 1), (1 << (8 * width - 1)) - 1, at, len(data)))
    value &= (1 << 8 * width) - 1
    return data[:at] + value.to_bytes(width, rng.choice(("little", "big"))) + data[at + width :]


def _crlf(data: bytes, rng: random.Random) -> bytes:
    return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n> ", b"\n\n")))


def _utf16(data: bytes, rng: random.Random) -> bytes:
    return data.decode("latin-1").encode("utf-16")


def _packed(data: bytes, rng: random.Random) -> bytes:
    packed = gzip.compress(data, 1, mtime=0)
    return rng.choice((packed, packed[: rng.randint(0, len(packed))], _flip(packed, rng), packed + packed, packed + data))


MUTATIONS: tuple[Mutation, ...] = (
    *map(_lines, (_cut_line, _repeat_line, _swap_lines, _long_line, _rename)),
    _number,
    _splice,
    _insert,
    _flip,
    _delete,
    _truncate,
    _word,
    _crlf,
    _utf16,
    _packed,
)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A seed after one to five mutations."""
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        data = rng.choice(MUTATIONS)(data, rng)[: 1 << 20]
    return data


# ---- what must hold ---------------------------------------------------------------------------------------------


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    def hang(number: int, frame: FrameType | None) -> None:
        raise Hang(f"took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def bound_memory() -> None:
    """What needs more memory than any capture of this size should is a MemoryError from now on, in this process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


class Reader:
    """Decodes inputs in whatever format they seem to have, and in a format that they do not have.  last: what was read last."""

    def __init__(self, abi: Abi, folder: Path) -> None:
        self.abi = abi
        self.last: Recording
        self.formats = (None, *(each.name for each in FORMATS))
        self.path = folder / "capture"

    def read(self, data: bytes, format: str | None) -> bool:
        """Was it a capture?  Any other exception than SpecError passes through."""
        self.path.write_bytes(data)
        try:
            with _no_longer_than(SECONDS):
                self.last = recording = decode(str(self.path), self.abi, format=format)
        except SpecError as error:
            assert error.diagnostics and all(d.code.startswith("LUO7") for d in error.diagnostics), error
            return False
        assert [call.number for call in recording.calls] == list(range(len(recording.calls)))
        assert all(note.code.startswith("LUO7") and note.text for note in recording.notes)
        assert len(recording.notes) < 100
        return True
