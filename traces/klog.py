"""The kernel's log beside a recording: which kernels booted, which of them came up by live update, and what the orchestrator said.

It shows no calls, so it decides nothing; what it says is noted next to the verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from luocheck.model.diagnostics import fail
from luocheck.model.source import Source, Span
from luocheck.traces.call import Note
from luocheck.traces.source import open_capture

_MOST_MESSAGES = 10

_TIME = (
    rb"(?:\[ {0,12}\d{1,12}\.\d{6}\](?:\[ {0,8}[CT]\d{1,10}\])?"  # dmesg, with the caller
    rb"|\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\]"  # dmesg -T
    rb"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[,.]\d{1,9})?(?:[+-]\d\d:?\d\d|Z)(?: [A-Za-z0-9._-]{1,64} kernel:)?"  # dmesg --time-format iso, journal
    rb"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [A-Za-z0-9._-]{1,64} kernel:(?: \[ {0,12}\d{1,12}\.\d{6}\])?"  # journal, syslog
    rb")"
)
_LINE = re.compile(rb"(?:<\d{1,3}>)?" + _TIME + rb" ?(.*)", re.DOTALL)
_RECORD = re.compile(rb"\d{1,4},\d{1,20},\d{1,20},[^;]{0,40};(.*)", re.DOTALL)  # /dev/kmsg
_BOOT = re.compile(rb"Linux version ([^ ]{1,100}).*", re.DOTALL)
_UPDATE = re.compile(rb"luo: Retrieved live update data, liveupdate number: (\d{1,20})")
_ORIGIN = re.compile(rb"KHO: exec from: ([^ ]{1,100}).*", re.DOTALL)
_OFF = re.compile(rb"(?:Kernel command line|Command line): (?:[^ ]+ )*?(?:liveupdate|kho)=(?:off|0|n)(?: .*)?", re.DOTALL)
_OURS = re.compile(rb"((?:luo|memfd_luo|liveupdate)[a-z_]{0,20}: .*)", re.DOTALL)


def message(line: bytes) -> bytes | None:
    """The message of a line of a kernel log, in any of the forms in which it is kept; None for any other line."""
    match = _LINE.fullmatch(line) or _RECORD.fullmatch(line)
    return None if match is None else match.group(1)


@dataclass(slots=True)
class _Boot:
    line: int
    version: str
    update: int | None = None
    origin: str | None = None
    off: bool = False

    def text(self) -> str:
        if self.off:
            return f"Linux {self.version} boots, with live update switched off on its command line"
        if self.update is not None:
            before = f" from {self.origin}" if self.origin is not None else ""
            return f"Linux {self.version} boots, by live update number {self.update}{before}: a recording of it begins warm"
        return f"Linux {self.version} boots; nothing of a live update is in the log"


def read_klog(path: str) -> list[Note]:
    """What a kernel log says about live updates.  Raises SpecError LUO700 for a file that cannot be read or is no kernel log."""
    capture = open_capture(path)
    boots: list[_Boot] = []
    said: list[tuple[int, str]] = []
    count = known = 0
    try:
        for line, text in capture.lines():
            shown = message(text)
            if shown is None:
                continue
            known += 1
            boot = _BOOT.fullmatch(shown)
            if boot is not None:
                boots.append(_Boot(line, _shown(boot.group(1))))
            elif _about_boot(boots, shown):
                continue
            elif (ours := _OURS.fullmatch(shown)) is not None:
                count += 1
                if count <= _MOST_MESSAGES:
                    said.append((line, _shown(ours.group(1))))
    finally:
        capture.close()
    if not known:
        where = Span(Source(path, ""), 0, 0)
        fail("LUO700", "no line of it is one of a kernel log", where, help="the output of dmesg, of journalctl -k, or /dev/kmsg")
    return list(_notes(path, boots, said, count))


def _about_boot(boots: list[_Boot], shown: bytes) -> bool:
    """Does the message tell how the latest kernel came up?"""
    if not boots:
        return False
    update, origin = _UPDATE.fullmatch(shown), _ORIGIN.fullmatch(shown)
    if update is not None:
        boots[-1].update = int(update.group(1))
    elif origin is not None:
        boots[-1].origin = _shown(origin.group(1))
    elif _OFF.fullmatch(shown):
        boots[-1].off = True
    else:
        return False
    return True


def _notes(path: str, boots: list[_Boot], said: list[tuple[int, str]], count: int) -> Iterator[Note]:
    for boot in boots[:_MOST_MESSAGES]:
        yield Note("LUO720", None, f"{path}:{boot.line}: {boot.text()}")
    if len(boots) > 1:
        yield Note("LUO720", None, f"{path}: {len(boots)} kernels: a recording of each is a recording of its own")
    for line, text in said:
        yield Note("LUO720", None, f"{path}:{line}: the kernel says `{text}`")
    if count > len(said):
        yield Note("LUO720", None, f"{path}: and {count - len(said)} more messages of the orchestrator")
    if not boots and not said:
        yield Note("LUO720", None, f"{path}: neither a boot nor a message of the orchestrator is in it")


def _shown(text: bytes) -> str:
    return text[:200].decode("utf-8", "backslashreplace")
