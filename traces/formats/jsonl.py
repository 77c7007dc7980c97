"""JSON Lines of our own: one record per line, everything that a record can carry.  `docs/jsonl.md` is for those who write it.

The first line says which version it is.  Fields that are not known are ignored; a line with a wrong one is left out and noted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from luocheck.model.diagnostics import fail
from luocheck.model.source import Source, Span
from luocheck.traces.call import Note
from luocheck.traces.records import (
    Ended,
    Enter,
    Event,
    Executed,
    Exit,
    Forked,
    Gap,
    Hit,
    Marker,
    Other,
    Record,
    Struct,
    Tally,
    Value,
)
from luocheck.traces.source import Capture

VERSION = 1
MAGIC = b'{"luocheck"'
_LARGEST = 1 << 64
_LONGEST_NAME = 200
_MOST_NOTES = 3


class _Wrong(Exception):
    """A line that does not have the form; the text says which field."""


# ---- writing --------------------------------------------------------------------------------------------------------


def write_jsonl(records: Iterable[Record], tally: Tally, origin: str) -> Iterator[bytes]:
    """Lines without their ends.  tally: of the reader that gives the records, for its clock and its notes.  origin: its format."""
    source = iter(records)
    first = next(source, None)
    clock = "counter" if tally.integer_clock else "ns"
    yield _line({"luocheck": VERSION, "records": origin, "clock": clock})
    if first is not None:
        yield _line(_record(first))
    for record in source:
        yield _line(_record(record))
    for note in tally.notes:
        place = "" if note.line is None else f"line {note.line} of the original: "
        yield _line({"event": "note", "code": note.code, "text": place + note.text})
    if tally.unread_count:
        yield _line({"event": "note", "code": "LUO706", "text": f"{tally.unread_count} lines of the original are no events"})


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _record(record: Record) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in ("time", "thread", "process", "cpu"):
        value = getattr(record, name)
        if value is not None:
            out[name] = value
    out.update(_event(record.event))
    out["line"] = record.line
    return out


def _event(event: Event) -> dict[str, Any]:
    out: dict[str, Any]
    match event:
        case Enter():
            out = {"event": "enter", "syscall": event.syscall, "arguments": list(event.arguments), "source": event.source}
            if event.path is not None:
                out["path"] = _value(event.path)
            if event.links:
                out["links"] = [_value(each) for each in event.links]
            return out | _struct(event.struct)
        case Exit():
            out = {"event": "exit", "syscall": event.syscall, "result": event.result, "source": event.source}
            if event.link is not None:
                out["link"] = _value(event.link)
            return out | _struct(event.struct)
        case Hit():
            out = {"event": "hit", "name": event.name, "function": event.function, "returns": event.returns}
            out["fields"] = {name: _value(value) for name, value in event.fields.items()}
            if event.caller is not None:
                out["caller"] = event.caller
            return out
        case Forked():
            return {"event": "forked", "child": event.child} | ({} if event.parent is None else {"parent": event.parent})
        case Executed():
            return {"event": "executed"}
        case Ended():
            return {"event": "ended", "task": event.thread} | ({} if event.last is None else {"last": event.last})
        case Marker():
            return {"event": "marker", "text": _value(event.text)}
        case Other():
            return {"event": "other", "name": event.name}
        case Gap():
            return {"event": "gap", "count": event.count, "reason": event.reason, "start": event.start}


def _struct(struct: Struct | None) -> dict[str, Any]:
    if struct is None:
        return {}
    if isinstance(struct, bytes):
        return {"memory": struct.hex()}
    return {"struct": {name: _value(value) for name, value in struct.items()}}


def _value(value: Value) -> Any:
    """A number, null, or text; bytes that are no UTF-8 are `{"hex": ".."}`."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"hex": value.hex()}


# ---- reading --------------------------------------------------------------------------------------------------------


def read_jsonl(capture: Capture, name: str, tally: Tally) -> Iterator[Record]:
    """Records of a file of JSON Lines; raises SpecError LUO700 when its first line says another version."""
    wrong = 0
    for line, text in capture.lines():
        tally.lines = line
        if line == 1:
            _header(capture, text, tally)
            continue
        if not text.strip():
            continue
        try:
            fields = _object(text)
            if fields.get("event") == "note":
                tally.remark(Note(_text(fields, "code"), None, _text(fields, "text", longest=4096)))
                continue
            record = _read_record(line, fields)
        except _Wrong as error:
            wrong += 1
            if wrong <= _MOST_NOTES:
                tally.remark(Note("LUO706", line, f"this line is left out: {error}"))
            tally.skip(line, text)
            continue
        if not isinstance(record.event, Gap):
            tally.events += 1
            tally.count(_name(record.event))
        yield record


def _header(capture: Capture, text: bytes, tally: Tally) -> None:
    where = Span(Source(capture.name, ""), 0, 0)
    try:
        fields = _object(text)
        version = _number(fields, "luocheck")
        clock = fields.get("clock", "ns")
        if clock not in ("ns", "counter"):
            raise _Wrong('"clock" is neither "ns" nor "counter"')
    except _Wrong as error:
        fail(
            "LUO700", f"this is no JSON Lines of luocheck: {error}", where, help='its first line is {"luocheck": 1, "clock": "ns"}'
        )
    if version != VERSION:
        fail("LUO700", f"this is version {version} of the JSON Lines, and version {VERSION} can be read", where)
    tally.integer_clock = clock == "counter"


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text.decode("utf-8").removeprefix("\ufeff"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _Wrong("it is no JSON") from error
    if not isinstance(value, dict):
        raise _Wrong("it is no JSON object")
    return value


def _no_constant(text: str) -> None:
    raise ValueError(text)


def _read_record(line: int, fields: dict[str, Any]) -> Record:
    time, thread, process, cpu = (_number(fields, name, optional=True, lowest=0) for name in ("time", "thread", "process", "cpu"))
    return Record(line, time, thread, process, cpu, _read_event(fields))


def _read_event(fields: dict[str, Any]) -> Event:
    match fields.get("event"):
        case "enter":
            source = _text(fields, "source", default="syscalls")
            path = _bytes(fields, "path")
            return Enter(_text(fields, "syscall"), _arguments(fields), source, path, _links(fields), _read_struct(fields))
        case "exit":
            syscall = None if fields.get("syscall") is None else _text(fields, "syscall")
            source = _text(fields, "source", default="syscalls")
            return Exit(syscall, _needed(fields, "result"), source, _bytes(fields, "link"), _read_struct(fields))
        case "hit":
            caller = None if fields.get("caller") is None else _text(fields, "caller")
            values = _values(fields.get("fields", {}), "fields")
            return Hit(_text(fields, "name"), _text(fields, "function"), _flag(fields, "returns") or False, values, caller)
        case "forked":
            return Forked(_number(fields, "parent", optional=True, lowest=0), _needed(fields, "child"))
        case "executed":
            return Executed()
        case "ended":
            return Ended(_needed(fields, "task"), _flag(fields, "last"))
        case "marker":
            return Marker(_bytes(fields, "text") or b"")
        case "other":
            return Other(_text(fields, "name"))
        case "gap":
            count = _number(fields, "count", optional=True, lowest=0)
            return Gap(count, _text(fields, "reason", default="events are missing", longest=1000), _flag(fields, "start") or False)
    raise _Wrong('"event" is no kind of event')


def _number(fields: dict[str, Any], name: str, *, optional: bool = False, lowest: int = -_LARGEST) -> int | None:
    value = fields.get(name)
    if value is None and optional:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value < _LARGEST:
        raise _Wrong(f'"{name}" is no whole number of 64 bits' + (" from 0 on" if lowest == 0 else ""))
    return value


def _needed(fields: dict[str, Any], name: str) -> int:
    value = _number(fields, name)
    assert value is not None
    return value


def _text(fields: dict[str, Any], name: str, *, default: str | None = None, longest: int = _LONGEST_NAME) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise _Wrong(f'"{name}" is no text of 1 to {longest} characters')
    return value


def _flag(fields: dict[str, Any], name: str) -> bool | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise _Wrong(f'"{name}" is neither true nor false')
    return value


def _read_value(value: Any, name: str) -> Value:
    match value:
        case None:
            return None
        case int() if not isinstance(value, bool) and -_LARGEST <= value < _LARGEST:
            return value
        case str():
            try:
                return value.encode("utf-8")
            except UnicodeEncodeError as error:
                raise _Wrong(f'"{name}" has half of a surrogate pair; bytes that are no UTF-8 are {{"hex": ".."}}') from error
        case {"hex": str(text)}:
            try:
                return bytes.fromhex(text)
            except ValueError as error:
                raise _Wrong(f'"{name}" has a "hex" that is not hexadecimal') from error
    raise _Wrong(f'"{name}" is no number of 64 bits, text or {{"hex": ".."}}')


def _bytes(fields: dict[str, Any], name: str) -> bytes | None:
    value = _read_value(fields.get(name), name)
    if isinstance(value, int):
        raise _Wrong(f'"{name}" is no text')
    return value


def _values(fields: Any, name: str) -> dict[str, Value]:
    if not isinstance(fields, dict) or any(not 0 < len(each) <= _LONGEST_NAME for each in fields):
        raise _Wrong(f'"{name}" is no object of values')
    return {each: _read_value(value, each) for each, value in fields.items()}


def _arguments(fields: dict[str, Any]) -> tuple[int, ...]:
    values = fields.get("arguments", [])
    if not isinstance(values, list) or len(values) > 6:
        raise _Wrong('"arguments" is no list of up to six numbers')
    return tuple(_needed({"arguments": each}, "arguments") & (_LARGEST - 1) for each in values)


def _links(fields: dict[str, Any]) -> tuple[bytes | None, ...]:
    values = fields.get("links", [])
    if not isinstance(values, list) or len(values) > 6:
        raise _Wrong('"links" is no list of up to six texts')
    return tuple(_bytes({"links": each}, "links") for each in values)


def _read_struct(fields: dict[str, Any]) -> Struct | None:
    """`memory`: the bytes of a struct in hexadecimal; `struct`: its members by name."""
    memory = fields.get("memory")
    if memory is not None:
        return _bytes({"memory": {"hex": memory}}, "memory")
    return None if fields.get("struct") is None else _values(fields["struct"], "struct")


def _name(event: Event) -> str:
    match event:
        case Enter(syscall=name):
            return f"enter {name}"
        case Exit(syscall=name):
            return f"exit {name or ''}".rstrip()
        case Hit(name=name) | Other(name=name):
            return name
    return type(event).__name__.lower()
