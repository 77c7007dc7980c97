"""The calls of a recording, as a table and as a document."""

from __future__ import annotations

from luocheck.model.diagnostics import printable
from luocheck.model.errnos import errno_name
from luocheck.report import document
from luocheck.report.page import Page, Part
from luocheck.traces.call import Call, Kind, Moment, OpenFile, Recording

SECOND = 10**9


def show(page: Page, recording: Recording) -> None:
    """A line about the recording, one per call, then the notes."""
    page.add(Part(recording.name, "title"), f": {summary(recording)}")
    unit = has_seconds(recording)
    rows = [
        (Part(lines_text(call), "dim"), Part(call_time(call, unit), "dim"), Part(caller_text(call)), _shown(call))
        for call in recording.calls
    ]
    page.table(rows)
    for note in recording.notes:
        place = "" if note.line is None else f"line {note.line}: "
        page.wrap("note: ", f"[{note.code}] {place}{note.text}")


def summary(recording: Recording) -> str:
    """One sentence: format, how much was read, how many calls of how many processes, losses."""
    processes = len({call.process for call in recording.calls})
    parts = [recording.format, f"{recording.events} events in {recording.lines} lines"]
    parts.append(f"{len(recording.calls)} calls" + (f" by {processes} process{'es' if processes > 1 else ''}" if processes else ""))
    if recording.losses:
        parts.append(f"{len(recording.losses)} losses")
    if recording.truncated_start:
        parts.append("the beginning was overwritten")
    return ", ".join(parts)


def lines_text(call: Call) -> str:
    """The lines that a call was recorded in; in parentheses where nobody recorded it."""
    if call.inferred:
        return f"({call.enter.line}-{call.exit.line if call.exit is not None else ''})"
    if call.exit is None:
        return f"{call.enter.line}-"
    return f"{call.exit.line}" if not call.exact or call.exit.line == call.enter.line else f"{call.enter.line}-{call.exit.line}"


def time_text(moment: Moment, seconds: bool) -> str:
    """Seconds, or the bare number of a clock that counts something else; empty without a clock."""
    if moment.time is None:
        return ""
    if not seconds:
        return str(moment.time)
    return f"{moment.time // SECOND}.{moment.time % SECOND // 1000:06d}"


def call_time(call: Call, seconds: bool) -> str:
    """When it returned; when it began, where the recording shows only that."""
    return time_text(call.exit if call.exit is not None and call.exit.time is not None else call.enter, seconds)


def has_seconds(recording: Recording) -> bool:
    """Does the clock count time?"""
    return not any(note.code == "LUO710" for note in recording.notes)


def caller_text(call: Call) -> str:
    """`PROCESS`, or `PROCESS/THREAD`."""
    return str(call.thread) if call.thread == call.process else f"{call.process}/{call.thread}"


def _shown(call: Call) -> Part:
    return Part(printable(call_text(call)), "bad" if call.result is not None and call.result < 0 else "")


def name_text(call: Call) -> str:
    """The event, or the number of an ioctl that the abi does not know."""
    return call.event or (f"{call.command:#x}" if call.command is not None else call.kind.value.upper())


def given_text(call: Call) -> str:
    """What a call was made on and with."""
    words = ["(last reference)"] if call.kind is Kind.RELEASE else []
    if call.kind in (Kind.FORK, Kind.PASS):
        words.append(f"process {call.process} from {call.parent}")
    subject = " = ".join(x for x in (f"fd {call.fd}" if call.fd is not None else "", file_name(call.on)) if x)
    if subject:
        words.append(f"on {subject}")
    words += [f"{member}={_value(call, member, value)}" for member, value in call.given.items()]
    return " ".join(words)


def call_text(call: Call) -> str:
    """A call on one line: what was called on what, with what, and what came back.  It can have any characters in it."""
    text = " ".join(word for word in (name_text(call), given_text(call)) if word)
    if call.kind not in (Kind.RELEASE, Kind.FORK, Kind.EXIT) and not call.inferred:
        text += f" -> {result_text(call)}"
        text += "".join(f" {member}={_value(call, member, value)}" for member, value in call.got.items())
    if call.kind is Kind.PASS:
        text += " (not recorded, but the process uses it)"
    elif call.inferred:
        text += " (not recorded, but the number was used again)"
    return text


def file_name(file: OpenFile | None) -> str:
    """`device`, `Session#3 "name"`, or `file#7` for one of an unknown kind."""
    if file is None:
        return ""
    label = "" if file.label is None else f' "{_text(file.label)}"'
    return f"{file.target or 'file'}#{file.number}{label}"


def result_text(call: Call) -> str:
    """The return value as a C programmer reads it."""
    if call.killed:
        return "killed"
    if call.result is None:
        return "?" if call.exit is not None else "did not return"
    if call.result < 0:
        return f"-{errno_name(-call.result)}"
    return f"{call.result} or an error later on" if call.inner else str(call.result)


def _value(call: Call, member: str, value: int | bytes) -> str:
    if isinstance(value, bytes):
        return f'"{_text(value)}"'
    if member in call.files:
        return f"{value} ({file_name(call.files[member])})"
    if member in call.closed:
        return f"{value} (not open)"
    return str(value) if -(1 << 16) < value < 1 << 8 else f"{value:#x}"


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def calls(recording: Recording) -> document.Document:
    """The document of `calls` for one capture."""
    return document.document(
        "calls",
        file=recording.name,
        format=recording.format,
        events=recording.events,
        lines=recording.lines,
        undecodable=recording.undecodable,
        truncated_start=recording.truncated_start,
        tables_unsure=recording.tables_unsure,
        observes=sorted(kind.value for kind in recording.observes),
        calls=[_call(each) for each in recording.calls],
        losses=[{"line": loss.line, "count": loss.count, "reason": loss.reason} for loss in recording.losses],
        notes=[{"code": note.code, "line": note.line, "text": note.text} for note in recording.notes],
    )


def _call(call: Call) -> document.Document:
    return {
        "number": call.number,
        "kind": call.kind.value,
        "event": call.event,
        "process": call.process,
        "thread": call.thread,
        "parent": call.parent,
        "enter": _moment(call.enter),
        "exit": None if call.exit is None else _moment(call.exit),
        "on": None if call.on is None else _file(call.on),
        "fd": call.fd,
        "command": call.command,
        "given": _members(call.given),
        "got": _members(call.got),
        "files": {member: _file(file) for member, file in call.files.items()},
        "closed": sorted(call.closed),
        "result": call.result,
        "errno": errno_name(-call.result) if call.result is not None and call.result < 0 else None,
        "exact": call.exact,
        "inferred": call.inferred,
        "killed": call.killed,
        "inner": call.inner,
        "refused": list(call.refused),
    }


def _moment(moment: Moment) -> document.Document:
    return {"line": moment.line, "time": moment.time}


def _file(file: OpenFile) -> document.Document:
    return {"number": file.number, "target": file.target, "label": None if file.label is None else _json_text(file.label)}


def _members(members: object) -> document.Document:
    assert isinstance(members, dict)
    return {name: _json_text(value) if isinstance(value, bytes) else value for name, value in members.items()}


def _json_text(value: bytes) -> str:
    """Bytes that are no UTF-8 stand as `\\xNN`."""
    return value.decode("utf-8", "backslashreplace")
