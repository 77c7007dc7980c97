"""Messages as libtraceevent prints them, for trace-cmd and perf: the name of the event first, then what its format says.

They differ from those of the kernel's own text in three ways: `sys_enter_ioctl: fd: 0x.., ..` instead of `sys_ioctl(fd: .., ..)`, addresses
where the kernel writes names of functions, and the graph of functions as events.  With raw fields (`trace-cmd report -R`) they are `k=v`.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field, replace

from luocheck.traces.call import Note
from luocheck.traces.formats.ftrace_messages import parse_graph_message, parse_message, probe_fields, shown_fields, signed
from luocheck.traces.formats.recorders import FUNCTIONS, Role, probed_by
from luocheck.traces.records import Enter, Event, Exit, Hit, Marker, Other, Tally
from luocheck.traces.syscalls import OPENERS, X86_64

_EVENT = re.compile(rb"([A-Za-z_][A-Za-z0-9_]{0,127}): *(.*)", re.DOTALL)
_ADDRESS = re.compile(r"[0-9a-f]{8,16}")
_QUOTED = re.compile(rb"(?:^| )[A-Za-z_][A-Za-z0-9_]{0,63}=\"")
_RAW_CALL = re.compile(rb"(?:__syscall_nr|id)=(-?\d{1,10})(?: (.*))?", re.DOTALL)
_RAW_ARRAY = re.compile(rb"args=ARRAY\[([0-9a-f, ]{0,400})\]")
_RAW_RETURN = re.compile(rb"ret=(-?\d{1,20}|0x[0-9a-f]{1,16})")
_RAW_PROBE = re.compile(rb"__probe_(ip|func)=([0-9a-f]{1,16})(?: __probe_ret_ip=([0-9a-f]{1,16}))?(?: (.*))?", re.DOTALL)
_PATH = re.compile(rb"(?:^| )__filename_val=(.*)", re.DOTALL)
_ARROW = re.compile(rb"([A-Za-z_][A-Za-z0-9_.]{0,127}) <-- ([A-Za-z_][A-Za-z0-9_.]{0,127})")
_GRAPH = re.compile(rb"[^|]{0,40}\|  ( {0,200})(.*)", re.DOTALL)
_RETURNED = re.compile(rb"(.*) \((?:ret=)?(0x[0-9a-f]{1,16}|-?\d{1,20})\)", re.DOTALL)
_HANDLERS = (Role.IOCTL, Role.OPEN, Role.RELEASE)
_MOST_TASKS = 4096
"""Tasks whose nesting of functions is kept; the one that was not heard of for longest is forgotten first."""


@dataclass(slots=True)
class EventMessages:
    """Reads messages of one recording; what is to be said about them goes to the notes of `tally`."""

    tally: Tally
    _stacks: OrderedDict[int, dict[int, str]] = field(default_factory=OrderedDict)
    _said: set[str] = field(default_factory=set)

    def events(self, message: bytes, thread: int | None) -> list[Event] | None:
        """What `name: text` says, printed for that task; None when it has no form that is known."""
        match = _EVENT.fullmatch(message)
        if match is None:
            return None
        name, text = match.groups()
        if name.startswith(b"sys_"):
            call = _call(name, text)
            if call is not None:
                return [call]
        match name:
            case b"funcgraph_entry" | b"funcgraph_exit":
                return self._graph(text, thread or 0)
            case b"function":
                arrow = _ARROW.fullmatch(text.rstrip(b" "))
                text = text if arrow is None else arrow.group(1) + b" <-" + arrow.group(2)
                event = parse_message(text)
                return [event if isinstance(event, Hit) else Other("function")]
            case b"print":
                return [Marker(text.partition(b": ")[2] or text)]
        raw = _RAW_PROBE.fullmatch(text)
        if raw is not None:
            where, function, caller, rest = raw.groups()
            returns = where == b"func" and caller is not None
            return [self._named(Hit(name.decode(), function.decode(), returns, shown_fields(rest or b"", bare=True)))]
        hit = _event_probe(name.decode(), text)
        event = parse_message(name + b": " + text) if hit is None else hit
        return None if event is None else [self._named(event) if isinstance(event, Hit) else event]

    def _named(self, hit: Hit) -> Event:
        """The hit with the function that the event's recipe probes, where the recording has its address only."""
        if hit.caller is not None and _ADDRESS.fullmatch(hit.caller):
            hit = replace(hit, caller=None)
        if _ADDRESS.fullmatch(hit.function) is None and hit.function.isidentifier():
            return hit
        function = probed_by(hit.name, hit.fields)
        if function is None:
            return Other(hit.name)
        self._say(
            "addresses",
            "probes show addresses only: what they probe is told from the names of their events, which are those of the recipes",
        )
        own = sorted(hit.fields.keys() & {"sfd", "dfd"})  # recipes have events of one name in several groups, which are not shown
        return replace(hit, name=" ".join((hit.name, *own)), function=function)

    def _graph(self, text: bytes, thread: int) -> list[Event] | None:
        """A function that begins, ends, or both; an end does not repeat the name, so that depths are followed."""
        match = _GRAPH.fullmatch(text)
        if match is None:
            return None
        stack = self._stack(thread)
        depth, call = len(match.group(1)), match.group(2)
        returned = _RETURNED.fullmatch(call)
        value = b"" if returned is None else b" ret=" + returned.group(2)
        call = call if returned is None else returned.group(1)
        for deeper in [each for each in stack if each > depth]:
            del stack[deeper]
        if call == b"}":
            name = stack.pop(depth, None)
            return [Other("}")] if name is None else parse_graph_message(b"} /* %s%s */" % (name.encode(), value))
        events = parse_graph_message(call + (b" /*%s */" % value if value else b""))
        if events is None or not isinstance(events[0], Hit):
            return events
        name = events[0].function
        if self._impossible(name, depth, stack):
            self._say("symbols", "names of functions are wrong here: the recording has not all symbols of its kernel")
            return [Other(name)]
        if call.endswith(b"{"):
            stack[depth] = name
        return events

    def _impossible(self, name: str, depth: int, stack: dict[int, str]) -> bool:
        """Would a system call begin inside of a handler that it calls?"""
        part = FUNCTIONS.get(name)
        if part is None or part.role is not Role.SYSCALL:
            return False
        around = [FUNCTIONS.get(function) for each, function in stack.items() if each < depth]
        return any(each is not None and each.role in _HANDLERS for each in around)

    def _stack(self, thread: int) -> dict[int, str]:
        stack = self._stacks.setdefault(thread, {})
        self._stacks.move_to_end(thread)
        if len(self._stacks) > _MOST_TASKS:
            self._stacks.popitem(last=False)
        return stack

    def _say(self, what: str, text: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self.tally.remark(Note("LUO711", None, text))


def _event_probe(name: str, text: bytes) -> Hit | None:
    """An eprobe of the recipes, of which only the fields are printed: it has no place but its event.  None for any other event."""
    function = probed_by(name, {})
    if function is None or FUNCTIONS[function].role not in (Role.ENTER, Role.EXIT) or text.startswith(b"("):
        return None
    fields = probe_fields(text) if _QUOTED.search(text) is not None else shown_fields(text, bare=True)
    return Hit(name, function, False, fields) if fields else None


def _call(name: bytes, text: bytes) -> Event | None:
    """An event of a system call; None for an event that only has such a name."""
    raw = _RAW_CALL.fullmatch(text)
    if name in (b"sys_enter", b"sys_exit"):
        return _numbered(name, raw) if raw is not None else parse_message(name + b": " + text)
    _, kind, call = name.split(b"_", 2) if name.count(b"_") >= 2 else (b"", b"", b"")
    if kind == b"exit":
        if raw is None:
            return parse_message(b"sys_" + call + b" -> " + text)
        value = _RAW_RETURN.fullmatch(raw.group(2) or b"")
        return None if value is None else _exit(call, value.group(1))
    if kind != b"enter":
        return None
    if raw is None:
        return parse_message(b"sys_" + call + b"(" + text + b")")
    return _entered(call, raw.group(2) or b"")


def _exit(call: bytes, value: bytes) -> Event | None:
    if value.startswith(b"0x"):
        return parse_message(b"sys_" + call + b" -> " + value)
    return Exit(call.decode(), signed(int(value)), "syscalls")


def _entered(call: bytes, text: bytes) -> Event:
    """Raw fields: the arguments in their order, then copies of what some of them point to."""
    path = _PATH.search(text) if call.decode() in OPENERS else None
    values = []
    for value in shown_fields(text if path is None else text[: path.start()], bare=True).values():
        if not isinstance(value, int):
            break
        values.append(value & (1 << 64) - 1)
    return Enter(call.decode(), tuple(values), "syscalls", None if path is None else path.group(1))


def _numbered(name: bytes, raw: re.Match[bytes]) -> Event:
    number = int(raw.group(1))
    call = X86_64.get(number, f"nr{number}")
    if name == b"sys_exit":
        value = _RAW_RETURN.fullmatch(raw.group(2) or b"")
        return Other("sys_exit") if value is None else Exit(call, signed(int(value.group(1), 0)), "raw")
    array = _RAW_ARRAY.fullmatch(raw.group(2) or b"")
    data = b"" if array is None else bytes(int(each, 16) & 0xFF for each in array.group(1).split(b", ") if 0 < len(each) <= 2)
    return Enter(call, tuple(int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data) - 7, 8)), "raw")
