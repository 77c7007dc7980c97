"""Promela of events: each is one option of the process, an `atomic` from the choice of its arguments to the claims about its end."""

from __future__ import annotations

import re
from collections.abc import Iterable

from luocheck.checker.export.cells import Cells
from luocheck.checker.export.claims import Claims
from luocheck.checker.export.starts import Starts
from luocheck.checker.export.statements import Body, clearings
from luocheck.checker.export.writer import NONE, Writer, assigned, words
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, SeqT, Type

CLEAR = "@CLEAR@"
"""Stands where everything that only a call needs is set back: what that is, is known when the rest is written."""

_NOTED = re.compile(r"broke\[(\d+)\]")


class Events:
    """Writes the events of a system; `variables` are declarations of what only a call needs, by name."""

    def __init__(self, cells: Cells, starts: Starts, claims: Claims, writer: Writer) -> None:
        self.cells = cells
        self.system = cells.system
        self.starts = starts
        self.claims = claims
        self.w = writer
        self.variables: dict[str, str] = {}

    # ---- events -------------------------------------------------------------------------------------------------

    def event(self, event: Event | None) -> list[str]:
        """The option of one event, or (None) of the beginning; empty when it can never happen for want of elements."""
        types = event.slots if event is not None else self.system.boot_slots
        prefix = event.name if event is not None else "start"
        name = f"L_{prefix}"
        body = Body(self.cells, self.w, types, name, self.claims.numbers, quiet=event is None)
        with self.w.captured() as main:
            if event is None:
                self.starts.choose(self.cells, self.w)
                empty = st.Block((), (), self.system.span)
                body.boot(self.system.boot or empty)
            else:
                body.x.never_none |= set(event.argument_slots)
                body.block(event.body, None)
            self._returned(body, event)
        head: list[str] = []
        if event is not None:
            with self.w.captured() as head:
                if not self._arguments(event, body):
                    return []
        with self.w.captured() as tail:
            noted = {int(n) for n in _NOTED.findall("\n".join([*main, *body.late]))}
            self._ends(body, event, noted)
        self._declare(body, types)
        used = words([*head, *main, *body.late, *tail])
        text = [f"   :: atomic {{  /* {self._title(event)} */", f"      start {'!=' if event is not None else '=='} 0 ->", *head]
        text += self._copies(used)
        for line in [*main, *tail, *body.late]:
            text += self._cleared(used, body, noted) if line.endswith(CLEAR) else [line]
        return [*text, f"      L_{prefix}_over: skip", "   }"]

    def _title(self, event: Event | None) -> str:
        if event is None:
            return "the beginning"
        names = ", ".join(f"{self.cells.local(p.slot, p.type)}: {p.name}" for p in event.parameters)
        gives = f" gives {self.cells.local(event.result.slot, event.result.type)}: {event.result.name}" if event.result else ""
        return f"{event.kind} {event.name}({names}){gives}, line {event.span.line}"

    def _arguments(self, event: Event, body: Body) -> bool:
        """All combinations of arguments; False when there is none."""
        for parameter in event.parameters:
            local = self.cells.local(parameter.slot, parameter.type)
            match parameter.type:
                case ElemT(sort):
                    size = self.cells.sizes[sort.index]
                    if not size:
                        return False
                    there = [self.cells.alive(sort, str(x)) if sort.pool else "1" for x in range(size)]
                    otherwise = f"goto {body.end('refused')}" if sort.pool else None
                    self.w.options([(t, f"{local} = {x}") for x, t in enumerate(there)], otherwise)
                case EnumT(enum):
                    self.w.options([("1", f"{local} = {self.cells.member(enum, i)}") for i in range(len(enum.members))])
                case BoolT():
                    self.w.options([("1", f"{local} = 0"), ("1", f"{local} = 1")])
        for predicate in event.predicates:
            self.w.options([("1", f"x{predicate.slot} = 0"), ("1", f"x{predicate.slot} = 1")])
        return True

    def _returned(self, body: Body, event: Event | None) -> None:
        """What happens when the body is done: ghosts from outside, then the claims."""
        w = self.w
        if "stopped" in body.used_ends:
            w.label(body.end("stopped"))
        if event is not None:
            w.emit(f"err = r_OK; lab = {NONE};")
            if "returned" in body.used_ends:
                w.label(body.end("returned"))
            for effect in event.effects:
                matches = self.claims.matches(effect.pattern, event, panic=False)
                if matches is not None:
                    with w.when(matches):
                        body.block(effect.body, None)
            body.locks.at_the_end()

    def _ends(self, body: Body, event: Event | None, noted: set[int]) -> None:
        w = self.w
        self._asked(event, noted, panic=False)
        w.emit(CLEAR)
        w.emit("check_states();")
        over = f"L_{event.name if event is not None else 'start'}_over"
        w.emit(f"goto {over};")
        ends = body.used_ends
        if event is None and "returned" in ends:  # boot cannot fail, but the way out of a rollback wants to lead somewhere
            w.label(body.end("returned"))
            w.emit(f"goto {body.end('dead')};")
        if "panicked" in ends:
            w.label(body.end("panicked"))
            self._asked(event, noted, panic=True)
            w.emit(f"goto {body.end('dead')};")
        if "broken" in ends:
            w.label(body.end("broken"))
            if event is not None:
                with w.step():
                    self.claims.of_body(event, noted)
                    w.emit("skip")
        if ends & {"panicked", "broken", "dead"}:
            w.label(body.end("dead"))
            w.emit(CLEAR)
            w.emit("nothing_yet();")
            w.emit(f"goto {over};")
        if "refused" in ends:
            w.label(body.end("refused"))
            w.emit(CLEAR)
            w.emit(f"goto {over};")

    def _asked(self, event: Event | None, noted: set[int], *, panic: bool) -> None:
        if event is None:
            return
        with self.w.step():
            self.claims.of_calls(event, panic=panic)
            self.claims.of_body(event, noted)
            self.w.emit("skip")

    def _declare(self, body: Body, types: tuple[Type | None, ...]) -> None:
        """Variables of a body."""
        cells = self.cells
        for slot, type_ in enumerate(types):
            name = cells.local(slot, type_)
            if isinstance(type_, SeqT):
                size = max(1, cells.sizes[type_.sort.index])
                self.variables[name] = f"byte {name}[{size}] = {NONE}"
            else:
                self.variables[name] = f"byte {name} = {NONE}" if name[0] == "x" else f"int {name}"
        for walk in body.walks:
            name, length = walk.name, walk.length
            for suffix in ("left", "seen", "all", "ready"):
                self._array(f"{name}_{suffix}", length, "bool" if suffix == "ready" else "byte")
                self.variables[f"{name}_{suffix}s"] = f"byte {name}_{suffix}s"
            for suffix in ("now", "err", "lab", "i"):
                self.variables[f"{name}_{suffix}"] = f"byte {name}_{suffix}"
        for number in range(body.catches):
            for suffix in ("err", "lab"):
                self.variables[f"c{number}_{suffix}"] = f"byte c{number}_{suffix}"
        self.variables |= body.buffers
        if body.locks.guards:
            self._array("guard", body.locks.guards, "byte")

    def _array(self, name: str, length: int, type_: str) -> None:
        """A variable that several events use, as long as the longest needs it."""
        before = self.variables.get(name)
        known = int(before[:-1].partition("[")[2]) if before is not None else 0
        self.variables[name] = f"{type_} {name}[{max(length, known)}]"

    def _copies(self, used: set[str]) -> list[str]:
        """The state before the call, as far as somebody asks for it."""
        lines = [self._pairs(new, old, count) for new, old, count in self._kept(used)]
        return ["      d_step {", *(f"         {line}" for line in lines), "         skip", "      };"] if lines else []

    def _kept(self, used: set[str]) -> Iterable[tuple[str, str, int]]:
        """What is kept from before the call: where it stands, where it is kept, and how many elements it has (0: no array)."""
        for f in self.system.fields:
            old = self.cells.array(f, "o")
            if old in used:
                is_array = bool(f.owners) or isinstance(f.type, SeqT)
                yield self.cells.array(f), old, self.cells.count(f) if is_array else 0
        for sort in self.system.sorts:
            if f"o_alive_{sort.name}" in used:
                yield f"s_alive_{sort.name}", f"o_alive_{sort.name}", max(1, self.cells.sizes[sort.index])

    def _pairs(self, new: str, old: str, count: int) -> str:
        return " ".join(f"{old}[{i}] = {new}[{i}];" for i in range(count)) if count else f"{old} = {new};"

    def _cleared(self, used: set[str], body: Body, noted: set[int]) -> list[str]:
        """Sets back everything that only a call needs."""
        lines = ["err = 0; lab = 0; at_ = 0;"]
        for slot, type_ in enumerate(body.types):
            if self.cells.local(slot, type_) in used:
                lines.append(" ".join(f"{name} = {empty};" for name, empty in clearings(self.cells, slot, type_)))
        for walk in body.walks:
            for list_ in ("left", "seen", "all"):
                if f"{walk.name}_{list_}" in used:
                    lines.append(f"clear_rounds({walk.name}_{list_}, {walk.name}_{list_}s);")
            if f"{walk.name}_ready" in used:
                lines.append(assigned([f"{walk.name}_ready[{i}]" for i in range(walk.length)], "false") + f" {walk.name}_i = 0;")
            lines.append(
                " ".join(f"{walk.name}_{suffix} = 0;" for suffix in ("now", "err", "lab") if f"{walk.name}_{suffix}" in used)
            )
        for number in range(body.catches):
            lines.append(f"c{number}_err = 0; c{number}_lab = 0;")
        lines += [f"guard[{number}] = 0;" for number in range(body.locks.guards)]
        if body.locks.guards or "held" in used:
            lines.append(assigned([f"held[{lock}]" for lock in range(self.cells.locks)], "0"))
        for name, text in self.variables.items():
            if name in used and name[:2] in ("w_", "c_", "a_", "d_"):
                lines.append(assigned([f"{name}[{i}]" for i in range(int(text[:-1].partition("[")[2]))], "0"))
            elif name in used and name.startswith("freed_"):
                lines.append(f"{name} = 0;")
        if noted:
            lines.append(assigned([f"broke[{n}]" for n in sorted(noted)], "false"))
        for _, old, count in self._kept(used):
            lines.append(assigned([f"{old}[{i}]" for i in range(count)], "0") if count else f"{old} = 0;")
        return ["      d_step {", *(f"         {line}" for line in lines if line), "         skip", "      };"]
