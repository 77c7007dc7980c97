"""Files for the tests of trace.dat: vendored ones, and such as our own writer makes."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence
from pathlib import Path

from luocheck.traces.call import Recording
from luocheck.traces.formats.trace_dat import read_records
from luocheck.traces.formats.trace_dat_writer import Pages, Style, write_pages, write_trace_dat
from luocheck.traces.records import Enter, Exit, Record, Tally
from luocheck.traces.source import open_capture

CAPTURES = Path(__file__).parents[1] / "traces" / "captures" / "trace-dat"
VENDORED = sorted(path.name for path in CAPTURES.glob("*.dat*"))
SEVEN = Style(7)
STYLES = [
    Style(6),
    SEVEN,
    Style(7, "zlib"),
    Style(7, "zstd"),
    Style(6, order=">"),
    Style(7, "zlib", ">"),
    Style(7, order="<", word=4),
    Style(6, order=">", word=4),
]


def contents(name: str) -> bytes:
    data = (CAPTURES / name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


def read(path: Path) -> tuple[list[Record], Tally, str | None]:
    capture, tally = open_capture(str(path)), Tally()
    records = list(read_records(capture, "trace.dat", tally))
    capture.close()
    return records, tally, capture.damage


def written(path: Path, records: Sequence[Record], style: Style = SEVEN) -> Path:
    with path.open("wb") as file:
        write_trace_dat(file, records, style)
    return path


def ioctl(time: int, cpu: int = 0, thread: int = 7, command: int = 0xBA00, result: int = 0, fd: int = 3) -> list[Record]:
    enter = Enter("ioctl", (fd, command, 0x7FFC_0000, 0, 0, 0), "syscalls")
    return [Record(0, time, thread, None, cpu, enter), Record(0, time + 5, thread, None, cpu, Exit("ioctl", result, "syscalls"))]


def codes(recording: Recording) -> list[str]:
    return [note.code for note in recording.notes]


def number(data: bytes, place: int, value: int, size: int = 8) -> bytes:
    return data[:place] + value.to_bytes(size, "little") + data[place + size :]


def options_of(data: bytes) -> int:
    """Where the list of options begins; its place stands behind the name and the version of the packing."""
    return int.from_bytes(data[data.index(b"none\x001\0") + 7 :][:8], "little")


def with_option(data: bytes, option: int, value: bytes) -> bytes:
    """A file of version 7 without packing, with one more option before all others."""
    place = options_of(data)
    size = int.from_bytes(data[place + 8 : place + 16], "little") + 6 + len(value)
    return data[: place + 8] + struct.pack("<QHI", size, option, len(value)) + value + data[place + 16 :]


COMMON = (
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
)
KALLSYMS = (
    b"ffffffff81000100 t luo_ioctl\nffffffff81000400 T luo_session_ioctl\nffffffff81000800 t other\nffffffff82000000 D luo_open\n"
)


def formed(number: int, name: str, *fields: tuple[str, int, int, int], shown: str = '"x"') -> bytes:
    lines = "".join(f"\tfield:{what};\toffset:{at};\tsize:{size};\tsigned:{signed};\n" for what, at, size, signed in fields)
    return f"name: {name}\nID: {number}\nformat:\n{COMMON}{lines}\nprint fmt: {shown}\n".encode()


def made(
    path: Path,
    formats: Sequence[tuple[str, bytes]],
    events: Sequence[tuple[int, bytes]],
    style: Style = SEVEN,
    kallsyms: bytes = KALLSYMS,
) -> Path:
    """A file with one CPU and these events of task 7: number of the kind, and the data behind what all events have."""
    pages = Pages(style.order, style.word)
    for n, (number, data) in enumerate(events):
        pages.add(100 + n, struct.pack(f"{style.order}HBBi", number, 0, 0, 7) + data)
    pages.close()
    with path.open("wb") as file:
        write_pages(file, [pages.done], formats, kallsyms, style)
    return path


def long_run() -> list[Record]:
    return [each for n in range(400) for each in ioctl(100 + 10 * n, n % 2, 7, 0xBA00, -17 if n else 4)]
