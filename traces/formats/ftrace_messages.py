"""The message of an ftrace text line as an event.

Numbers in `sys_x(a: v)` are hexadecimal with or without `0x` (the kernel prints decimals only below 10, where both agree).  Strings are
the user's: they are not escaped and may contain quotes, commas and whole messages, so each is taken up to the last place where the rest
of the line still has the form that the kernel prints.
"""

from __future__ import annotations

import re
from itertools import takewhile

from luocheck.traces.records import Ended, Enter, Event, Executed, Exit, Forked, Hit, Marker, Other, Value
from luocheck.traces.syscalls import X86_64

_NAME = rb"[A-Za-z_][A-Za-z0-9_.:]{0,127}"
_RAW_ENTER = re.compile(rb"sys_enter: NR (-?\d{1,10}) \(([0-9a-fx, ]{0,200})\)")
_HEX = re.compile(rb"(?:0x)?[0-9a-f]{1,16}")
_RAW_EXIT = re.compile(rb"sys_exit: NR (-?\d{1,10}) = (-?\d{1,20})")
_ENTER = re.compile(rb"sys_([a-z0-9_]{1,64})\((.*)\)", re.DOTALL)
_EXIT = re.compile(rb"sys_([a-z0-9_]{1,64}) -> (0x[0-9a-f]{1,16}|\d{1,20})")
_ARGUMENT = re.compile(rb"[A-Za-z_][A-Za-z0-9_ *]{0,80}: (?:0x)?([0-9a-f]{1,20})(?=, |$| )")
_PROBE = re.compile(rb"(%s): \(([^()]{1,300})\)(?: (.*))?" % _NAME, re.DOTALL)
_NAMED = re.compile(rb"(%s): (.*)" % _NAME, re.DOTALL)
_PLACE = re.compile(rb"([A-Za-z_][A-Za-z0-9_.]{0,127})(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?(?: \[[^\]]{1,80}\])?")
_FIELD = re.compile(rb"(?:^| )([A-Za-z_][A-Za-z0-9_]{0,63})=(-?0x[0-9a-f]{1,16}|-?\d{1,20}|\(fault\))(?= |$)")
_STRING = re.compile(rb"(?:^| )([A-Za-z_][A-Za-z0-9_]{0,63})=\"")
_SHOWN = re.compile(rb"(?:^| )([A-Za-z_][A-Za-z0-9_]{0,63})=(?:(?:-?0x[0-9a-f]{1,16} )?\((-?\d{1,20})\)|\(fault\))(?= |$)")
_ASSIGNED = re.compile(rb"(?:^| )([A-Za-z_][A-Za-z0-9_]{0,63})=")
_PROBED = re.compile(
    rb"(__probe_func|__probe_ret_ip|__probe_ip)=([A-Za-z_][A-Za-z0-9_.]{0,127})(?:\+0x[0-9a-f]+/0x[0-9a-f]+)? \(-?\d{1,20}\) ?"
)
_FUNCTION = re.compile(rb"([A-Za-z_][A-Za-z0-9_.]{0,127})(?:\((.*)\))? <-([A-Za-z_][A-Za-z0-9_.]{0,127})", re.DOTALL)
_NUMBER_OF = re.compile(rb"(?:^|, )([A-Za-z_][A-Za-z0-9_]{0,63})=(-?0x[0-9a-f]{1,16}|-?\d{1,20})(?=,| |$)")
_GRAPH_CALL = re.compile(
    rb"([A-Za-z_][A-Za-z0-9_.]{0,127})\((.*)\)(?: \{|;)(?: /\* (?:ret=|= )(-?0x[0-9a-f]{1,16}|-?\d{1,20}) \*/)?", re.DOTALL
)
_GRAPH_END = re.compile(rb"\}(?: /\* ([A-Za-z_][A-Za-z0-9_.]{0,127})(?: (?:ret=|= )(-?0x[0-9a-f]{1,16}|-?\d{1,20}))? \*/)?")
_TASK_EXIT = re.compile(
    rb"comm=.* pid=(?:0x[0-9a-f]+ \()?(\d{1,10})\)? prio=[0-9a-fx]+(?: \(\d+\))?(?: group_dead=\(?(true|false|0|1)\)?)?", re.DOTALL
)
_TASK_FORK = re.compile(rb"comm=.* child_pid=(?:0x[0-9a-f]+ \()?(\d{1,10})\)?", re.DOTALL)
_OPENERS = frozenset({b"open", b"openat", b"openat2", b"creat"})
_PATH = re.compile(rb"filename: (?:0x)?[0-9a-f]{1,20} \"(.*)\"(?:, (?:flags|how|mode): [^\"]*)?$", re.DOTALL)


def integer(text: bytes) -> int:
    """A number as the kernel prints it: `0x..`, decimal, with a sign or not.  The patterns bound its length."""
    return int(text, 16 if text.lstrip(b"-").startswith(b"0x") else 10)


def signed(value: int, bits: int = 64) -> int:
    """Two's complement of `value` in `bits` bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def returned(value: int) -> int:
    """The return value of a system call printed as an unsigned number of 64 bits, or of 32 on such a kernel."""
    if 0xFFFFF000 <= value <= 0xFFFFFFFF:
        return signed(value, 32)
    return signed(value)


def parse_message(message: bytes) -> Event | None:
    """What a message says; None when it has no form that the kernel prints."""
    if message.startswith(b"sys_"):
        call = _syscall(message)
        if call is not None:
            return call
    match = _PROBE.fullmatch(message)
    if match is not None:
        probe = _probe(*match.groups())
        if probe is not None:
            return probe
    match = _NAMED.fullmatch(message)
    if match is not None:
        return _named(*match.groups())
    match = _FUNCTION.fullmatch(message)
    if match is not None:
        name, arguments, caller = match.groups()
        return Hit("function", name.decode(), False, _numbers(arguments or b""), caller.decode())
    if message.startswith(b"Unknown type ") or message.startswith(b"<stack trace>") or not message:
        return Other(message.decode("ascii", "replace") or "(empty)")
    return None


def parse_graph_message(message: bytes) -> list[Event] | None:
    """What a line of function_graph says: a call, a return, both at once for a leaf, or an event in a comment."""
    text = message.strip(b" ")
    if text.startswith(b"/* ") and text.endswith(b" */"):
        event = parse_message(text[3:-3])
        return None if event is None else [event]
    match = _GRAPH_CALL.fullmatch(text)
    if match is not None:
        name, arguments, ret = match.groups()
        begin = Hit("function", name.decode(), False, _numbers(arguments))
        if text.endswith(b" {"):
            return [begin]
        return [begin, Hit("function", name.decode(), True, _result(ret))]
    match = _GRAPH_END.fullmatch(text)
    if match is not None:
        end, ret = match.groups()
        return [Hit("function", end.decode(), True, _result(ret)) if end else Other("}")]
    return None


def _result(text: bytes | None) -> dict[str, Value]:
    """The returned value: an int of the kernel, printed small and negative, or as 32 or 64 bits in hexadecimal."""
    return {} if text is None else {"ret": returned(integer(text))}


def _numbers(arguments: bytes) -> dict[str, Value]:
    return {name.decode(): integer(value) for name, value in _NUMBER_OF.findall(arguments)}


def _syscall(message: bytes) -> Event | None:
    match = _RAW_ENTER.fullmatch(message)
    if match is not None:
        number, text = match.groups()
        values = tuple(int(value, 16) for value in takewhile(_HEX.fullmatch, text.split(b", ")))
        return Enter(X86_64.get(int(number), f"nr{int(number)}"), values, "raw")
    match = _RAW_EXIT.fullmatch(message)
    if match is not None:
        number, result = match.groups()
        return Exit(X86_64.get(int(number), f"nr{int(number)}"), signed(int(result)), "raw")
    match = _EXIT.fullmatch(message)
    if match is not None:
        name, result = match.groups()
        return Exit(name.decode(), returned(integer(result)), "syscalls")
    match = _ENTER.fullmatch(message)
    if match is not None and b" -> " not in message[: match.start(2)]:
        name, arguments = match.groups()
        return Enter(name.decode(), _arguments(arguments), "syscalls", _path(name, arguments))
    return None


def _arguments(text: bytes) -> tuple[int, ...]:
    """The numbers at the first positions, up to the first argument that is printed in another way."""
    out: list[int] = []
    place = 0
    while place < len(text) and len(out) < 6:
        match = _ARGUMENT.match(text, place)
        if match is None:
            break
        out.append(int(match.group(1), 16))
        place = match.end()
        if text[place : place + 2] != b", ":
            break
        place += 2
    return tuple(out)


def _path(name: bytes, arguments: bytes) -> bytes | None:
    """The path of a call that opens one, where the kernel shows it."""
    begin = arguments.find(b"filename: ") if name in _OPENERS else -1
    match = _PATH.match(arguments, begin) if begin >= 0 else None
    return None if match is None else match.group(1)


def _place(text: bytes) -> str | None:
    match = _PLACE.fullmatch(text)
    return None if match is None else match.group(1).decode()


def _probe(name: bytes, where: bytes, rest: bytes | None) -> Event | None:
    """`name: (function+0x0/0x10) ...` at entry, `name: (caller <- function) ...` on return, `name: (system.event) ...` of an eprobe."""
    caller, arrow, function = where.rpartition(b" <- ")
    place = _place(function)
    if place is None:
        return None
    return Hit(name.decode(), place, bool(arrow), probe_fields(rest or b""), _place(caller) if arrow else None)


def probe_fields(text: bytes) -> dict[str, Value]:
    """The fields of a probe: `k=v` numbers and at most one quoted string, which ends at the last quote of the line."""
    out: dict[str, Value] = {}
    begin = _STRING.search(text)
    head, tail = text, b""
    if begin is not None:
        end = text.rfind(b'"')
        if end >= begin.end():
            head, tail = text[: begin.start()], text[end + 1 :]
            out[begin.group(1).decode()] = text[begin.end() : end]
    for part in (head, tail):
        for name, value in _FIELD.findall(part):
            out[name.decode()] = None if value == b"(fault)" else integer(value)
    return out


def unfinished(message: bytes) -> bool:
    """Does a quoted string of a probe go on in the next line of the file?"""
    if _PROBE.match(message) is None:
        return False
    begin = _STRING.search(message)
    return begin is not None and message.rfind(b'"') < begin.end()


def shown_fields(text: bytes, *, bare: bool = False) -> dict[str, Value]:
    """The `fields` option: `k=0x.. (n)`, or bare `k=n`; what has no such number is a string.

    A name that stands twice says nothing: the user wrote one.
    """
    out: dict[str, Value] = {}
    seen: set[str] = set()
    taken: list[tuple[int, int]] = []
    for match in (_FIELD if bare else _SHOWN).finditer(text):
        name, value = match.group(1).decode(), match.group(2)
        out[name] = None if name in seen or value is None or value == b"(fault)" else integer(value)
        seen.add(name)
        taken.append(match.span())
    place = 0
    for begin, end in [*taken, (len(text), len(text))]:
        between = text[place:begin]
        found = _ASSIGNED.match(between)
        if found is not None and found.group(1).decode() not in seen:
            out[found.group(1).decode()] = between[found.end() :]
        place = end
    return out


def _named(name: bytes, rest: bytes) -> Event | None:
    text = name.decode()
    match text:
        case "sched_process_exit":
            found = _TASK_EXIT.fullmatch(rest)
            if found is None:
                return None
            dead = found.group(2)
            return Ended(int(found.group(1)), None if dead is None else dead in (b"true", b"1"))
        case "sched_process_fork":
            found = _TASK_FORK.fullmatch(rest)
            return None if found is None else Forked(None, int(found.group(1)))
        case "sched_process_exec":
            return Executed()
        case "tracing_mark_write" | "print":
            return Marker(rest)
    if rest.startswith(b"__syscall_nr="):
        return _syscall_fields(text, rest)
    probed = _PROBED.match(rest)
    if probed is None:
        return Other(text)
    function, returns = probed.group(2).decode(), probed.group(1) == b"__probe_func"
    caller = None
    place = probed.end()
    second = _PROBED.match(rest, place)
    if second is not None:
        caller, place = second.group(2).decode(), second.end()
    return Hit(text, function, returns, shown_fields(rest[place:]), caller)


def _syscall_fields(name: str, rest: bytes) -> Event:
    fields = shown_fields(rest)
    fields.pop("__syscall_nr", None)
    values: list[int] = []
    for value in fields.values():
        if not isinstance(value, int):
            break
        values.append(value)
    if name.startswith("sys_exit_") and "ret" in fields and isinstance(fields["ret"], int):
        return Exit(name.removeprefix("sys_exit_"), signed(fields["ret"]), "syscalls")
    if name.startswith("sys_enter_"):
        return Enter(name.removeprefix("sys_enter_"), tuple(v & (1 << 64) - 1 for v in values), "syscalls")
    return Other(name)
