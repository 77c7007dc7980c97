"""Records of a binary recording as events: for each kind of event a function that reads its data, made from its format text.

What `print fmt` says is not used: fields have names and places.  Kinds that say nothing about calls get no function, so that their
records are passed over without being looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

from luocheck.traces.formats.event_format import EventFormat, Field
from luocheck.traces.formats.ftrace_messages import returned
from luocheck.traces.formats.kallsyms import Symbols
from luocheck.traces.formats.recorders import FUNCTIONS, PARAMETERS, probed_by
from luocheck.traces.formats.ring_buffer import Peek
from luocheck.traces.records import Ended, Enter, Event, Executed, Exit, Forked, Hit, Marker, Value
from luocheck.traces.syscalls import GENERIC_IOCTL

Read = Callable[[bytes, int, int], tuple[int, Event] | None]
"""page, begin and end of the data of a record -> its task and what it says.  Raises struct.error or ValueError for a record that is too
short; None for one that says nothing here."""

PLACES = frozenset({"__probe_ip", "__probe_func", "__probe_ret_ip"})
"""Fields of a probe that hold addresses."""

_SHORT = "a record is shorter than its format"
_CODES = {1: "b", 2: "h", 4: "i", 8: "q"}
_MOST_KNOWN = 1 << 12
"""Results of a system call that are kept: most return the same few values again and again."""

_OPENERS = frozenset({"open", "openat", "openat2", "creat"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What the events of a recording are read with.  numbers: the system calls of its machine.  buffer: where they stand, "" for the main one."""

    order: str
    word: int
    symbols: Symbols
    numbers: dict[int, str]
    buffer: str = ""

    def source(self, family: str) -> str:
        """Events of two buffers are two families: the same call may stand in each."""
        return f"{family} {self.buffer}" if self.buffer else family


def reader_of(kind: EventFormat, reading: Reading) -> Read | None:
    """The function that reads events of this kind, None when they say nothing about calls."""
    makers: tuple[Callable[[EventFormat, Reading], Read | None], ...]
    match kind.system, kind.name:
        case "syscalls", name if name.startswith("sys_enter_"):
            makers = (_syscall_enter,)
        case "syscalls", name if name.startswith("sys_exit_"):
            makers = (_syscall_exit,)
        case "raw_syscalls", "sys_enter":
            makers = (_raw_enter,)
        case "raw_syscalls", "sys_exit":
            makers = (_raw_exit,)
        case "sched", _:
            makers = (_task,)
        case "ftrace", _:
            makers = (_function, _graph, _marker)
        case _:
            makers = (_probe, _event_probe)
    for make in makers:
        read = make(kind, reading)
        if read is not None:
            return read
    return None


def peek_of(kind: EventFormat, reading: Reading) -> Peek | None:
    """What to look at before a record of this kind is read: of raw events of system calls, the number."""
    number = kind.field("id")
    if kind.system != "raw_syscalls" or number is None or number.size not in (4, 8) or number.offset % 4:
        return None
    unpack = _raw_numbers(kind, reading)
    if unpack is None:
        return None
    low = number.offset + (number.size - 4 if reading.order == ">" else 0)
    return Peek(low // 4, -(-unpack.size // 4), frozenset(_known(reading)))


def _unpacker(reading: Reading, *fields: Field) -> struct.Struct:
    """Unpacks the task and then these numbers, which are in the order of their places."""
    code = f"{reading.order}4xi"
    place = 8
    for each in fields:
        if each.offset < place:
            raise ValueError("fields overlap")
        letter = _CODES[each.size]
        code += f"{each.offset - place}x{letter if each.signed else letter.upper()}"
        place = each.offset + each.size
    return struct.Struct(code)


def _checked(unpack: struct.Struct, page: bytes, begin: int, end: int) -> tuple[int, ...]:
    if begin + unpack.size > end:
        raise ValueError(_SHORT)
    return unpack.unpack_from(page, begin)


def _text(field: Field, reading: Reading) -> Callable[[bytes, int, int], bytes | None]:
    """Reads a string: in the record, or where a word of it says.  None for what the kernel could not read, which has no length."""
    word = struct.Struct(f"{reading.order}I")

    def read(page: bytes, begin: int, end: int) -> bytes | None:
        place, size = begin + field.offset, field.size
        if field.place is not None:
            if place + 4 > end:
                raise ValueError(_SHORT)
            where: int = word.unpack_from(page, place)[0]
            size = where >> 16
            place = (begin if field.place == "data" else place + field.size) + (where & 0xFFFF)
            if size == 0:
                return None
        elif size == 0:  # a string up to the end of the record
            size = end - place
        if place + size > end or size < 0:
            raise ValueError("a string lies outside of its record")
        return page[place : place + size].partition(b"\0")[0]

    return read


# ---- system calls --------------------------------------------------------------------------------------------------


def _syscall_enter(kind: EventFormat, reading: Reading) -> Read | None:
    name, source = kind.name.removeprefix("sys_enter_"), reading.source("syscalls")
    given = [each for each in kind.fields if each.number and each.place is None and each.name != "__syscall_nr"][:6]
    unpack = _unpacker(reading, *(replace(each, signed=False) for each in given))
    shown = kind.field("__filename_val") if name in _OPENERS else None
    path = _text(shown, reading) if shown is not None and shown.text else None

    size = unpack.size

    def read(page: bytes, begin: int, end: int) -> tuple[int, Event]:
        if begin + size > end:
            raise ValueError(_SHORT)
        values = unpack.unpack_from(page, begin)
        return values[0], Enter(name, values[1:], source, path(page, begin, end) if path is not None else None)

    return read


def _syscall_exit(kind: EventFormat, reading: Reading) -> Read | None:
    name, source, ret = kind.name.removeprefix("sys_exit_"), reading.source("syscalls"), kind.field("ret")
    if ret is None or not ret.number:
        return None
    unpack = _unpacker(reading, replace(ret, signed=True))
    size, unpack_from = unpack.size, unpack.unpack_from
    known: dict[int, Exit] = {}

    def read(page: bytes, begin: int, end: int) -> tuple[int, Event]:
        if begin + size > end:
            raise ValueError(_SHORT)
        thread, value = unpack_from(page, begin)
        event = known.get(value)
        if event is None:
            if len(known) > _MOST_KNOWN:
                known.clear()
            event = known[value] = Exit(name, value, source)
        return thread, event

    return read


def _known(reading: Reading) -> dict[int, str]:
    """Numbers that mean something here; that of another machine is kept under its number, so that it can be told."""
    return {GENERIC_IOCTL: f"nr{GENERIC_IOCTL}", **reading.numbers}


def _raw_numbers(kind: EventFormat, reading: Reading) -> struct.Struct | None:
    """Unpacks the number of a raw event of a system call, and its arguments or its result; None for a format without these."""
    number = kind.field("id")
    if number is None or not number.number:
        return None
    if kind.name == "sys_exit":
        ret = kind.field("ret")
        return _unpacker(reading, number, replace(ret, signed=True)) if ret is not None and ret.number else None
    arguments, one = kind.field("args"), reading.word
    if arguments is None or arguments.size != 6 * one:
        return None
    return _unpacker(reading, number, *(Field("", arguments.offset + n * one, one, False, False, False) for n in range(6)))


def _raw_enter(kind: EventFormat, reading: Reading) -> Read | None:
    unpack, names, source = _raw_numbers(kind, reading), _known(reading), reading.source("raw")
    if unpack is None:
        return None
    size, unpack_from = unpack.size, unpack.unpack_from

    def read(page: bytes, begin: int, end: int) -> tuple[int, Event] | None:
        if begin + size > end:
            raise ValueError(_SHORT)
        values = unpack_from(page, begin)
        name = names.get(values[1])
        return None if name is None else (values[0], Enter(name, values[2:], source))

    return read


def _raw_exit(kind: EventFormat, reading: Reading) -> Read | None:
    unpack, names, source = _raw_numbers(kind, reading), _known(reading), reading.source("raw")
    if unpack is None:
        return None
    size, unpack_from = unpack.size, unpack.unpack_from

    def read(page: bytes, begin: int, end: int) -> tuple[int, Event] | None:
        if begin + size > end:
            raise ValueError(_SHORT)
        thread, number, value = unpack_from(page, begin)
        name = names.get(number)
        return None if name is None else (thread, Exit(name, value, source))

    return read


# ---- tasks and markers ---------------------------------------------------------------------------------------------


def _task(kind: EventFormat, reading: Reading) -> Read | None:
    who = kind.field("child_pid" if kind.name == "sched_process_fork" else "pid")
    if who is None or not who.number:
        return None
    dead = kind.field("group_dead")
    unpack = (
        _unpacker(reading, who, dead) if dead is not None and dead.number and dead.offset > who.offset else _unpacker(reading, who)
    )

    def read(page: bytes, begin: int, end: int) -> tuple[int, Event]:
        thread, task, *last = _checked(unpack, page, begin, end)
        match kind.name:
            case "sched_process_fork":
                return thread, Forked(None, task)
            case "sched_process_exec":
                return thread, Executed()
        return thread, Ended(task, bool(last[0]) if last else None)

    return read if kind.name in ("sched_process_fork", "sched_process_exec", "sched_process_exit") else None


def _marker(kind: EventFormat, reading: Reading) -> Read | None:
    buf = kind.field("buf")
    if kind.name != "print" or buf is None or not buf.text:
        return None
    unpack, text = _unpacker(reading), _text(buf, reading)

    def read(page: bytes, begin: int, end: int) -> tuple[int, Event]:
        return _checked(unpack, page, begin, end)[0], Marker((text(page, begin, end) or b"").rstrip(b"\n"))

    return read


# ---- functions and probes ------------------------------------------------------------------------------------------


class _Functions:
    """Names of traced functions that say something about calls; all others are None.  Addresses repeat, so answers are kept."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.names: dict[int, str | None] = {}

    def __call__(self, address: int) -> str | None:
        try:
            return self.names[address]
        except KeyError:
            if len(self.names) > 1 << 16:
                self.names.clear()
            name = next((name for name in self.symbols.functions(address) if name in FUNCTIONS), None)
            return self.names.setdefault(address, name)


def _arguments(name: str, page: bytes, begin: int, end: int, one: struct.Struct) -> dict[str, Value]:
    """The registers that `func-args` and `funcgraph-args` save behind the record, under the names that the function has for them."""
    names = PARAMETERS.get(name, ())
    count = min(max((end - begin) // one.size, 0), len(names))
    return {names[n]: one.unpack_from(page, begin + n * one.size)[0] for n in range(count)}


def _function(kind: EventFormat, reading: Reading) -> Read | None:
    ip, caller = kind.field("ip"), kind.field("parent_ip")
    if kind.name != "function" or ip is None or caller is None or not (ip.number and caller.number):
        return None
    unpack, functions, symbols, args = (
        _unpacker(reading, ip, caller),
        _Functions(reading.symbols),
        reading.symbols,
        kind.field("args"),
    )
    one = struct.Struct(reading.order + ("Q" if reading.word == 8 else "I"))

    def read(page: bytes, begin: int, end: int) -> tuple[int, Event] | None:
        thread, address, origin = _checked(unpack, page, begin, end)
        name = functions(address)
        if name is None:
            return None
        given = {} if args is None else _arguments(name, page, begin + args.offset, end, one)
        return thread, Hit("function", name, False, given, symbols.around(origin))

    return read


def _graph(kind: EventFormat, reading: Reading) -> Read | None:
    func, returns = kind.field("func"), kind.name == "funcgraph_exit"
    if kind.name not in ("funcgraph_entry", "funcgraph_exit", "fgraph_retaddr_entry") or func is None or not func.number:
        return None
    ret = kind.field("retval") if returns else None
    args = None if returns else kind.field("args")
    fields = [func, ret] if ret is not None and ret.number and ret.offset > func.offset else [func]
    unpack, functions = _unpacker(reading, *fields), _Functions(reading.symbols)
    one = struct.Struct(reading.order + ("Q" if reading.word == 8 else "I"))

    def read(page: bytes, begin: int, end: int) -> tuple[int, Event] | None:
        thread, address, *value = _checked(unpack, page, begin, end)
        name = functions(address)
        if name is None:
            return None
        shown: dict[str, Value] = {"ret": returned(value[0])} if value else {}
        if args is not None:
            shown = _arguments(name, page, begin + args.offset, end, one)
        return thread, Hit("function", name, returns, shown)

    return read


def _shown(kind: EventFormat, reading: Reading) -> Callable[[bytes, int, int], dict[str, Value]]:
    """Reads the fields of a probe: numbers and strings; arrays of numbers say nothing here."""
    numbers = [
        (e.name, e.offset, struct.Struct(reading.order + _letter(e)))
        for e in kind.fields
        if e.number and e.place is None and e.name not in PLACES
    ]
    texts = [(e.name, _text(e, reading)) for e in kind.fields if e.text]

    def read(page: bytes, begin: int, end: int) -> dict[str, Value]:
        out: dict[str, Value] = {}
        for name, offset, unpack in numbers:
            if begin + offset + unpack.size > end:
                raise ValueError(_SHORT)
            out[name] = unpack.unpack_from(page, begin + offset)[0]
        for name, text in texts:
            out[name] = text(page, begin, end)
        return out

    return read


def _letter(field: Field) -> str:
    return _CODES[field.size] if field.signed else _CODES[field.size].upper()


def _probe(kind: EventFormat, reading: Reading) -> Read | None:
    """A kprobe or fprobe: `__probe_ip` of one at entry, `__probe_func` and `__probe_ret_ip` of one on return."""
    place, returns = kind.field("__probe_ip"), False
    origin: Field | None = None
    if place is None:
        place, origin, returns = kind.field("__probe_func"), kind.field("__probe_ret_ip"), True
    if place is None or not place.number or (returns and (origin is None or not origin.number)):
        return None
    unpack = _unpacker(reading, place, origin) if origin is not None else _unpacker(reading, place)
    functions, symbols, fields = _Functions(reading.symbols), reading.symbols, _shown(kind, reading)
    name = reading.source(f"{kind.system}:{kind.name}")

    def read(page: bytes, begin: int, end: int) -> tuple[int, Event] | None:
        thread, address, *origins = _checked(unpack, page, begin, end)
        function = functions(address)
        if function is None:
            return None
        caller = symbols.around(origins[0]) if origins else None
        return thread, Hit(name, function, returns, fields(page, begin, end), caller)

    return read


def _event_probe(kind: EventFormat, reading: Reading) -> Read | None:
    """An eprobe.  Its format does not name the event that it is attached to, so that is taken from the name that recipes give it."""
    function = probed_by(kind.name, dict.fromkeys(each.name for each in kind.fields))
    if function is None or not function.startswith("syscalls.") or not kind.shown.startswith(b'" '):
        return None
    unpack, fields, name = _unpacker(reading), _shown(kind, reading), reading.source(f"{kind.system}:{kind.name}")

    def read(page: bytes, begin: int, end: int) -> tuple[int, Event]:
        return _checked(unpack, page, begin, end)[0], Hit(name, function, False, fields(page, begin, end))

    return read
