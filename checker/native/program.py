"""The whole C text for one scope and some claims: types, state, events, claims, and the loop over everything that can happen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from luocheck.checker.explore.labels import LABEL_SHIFT, Labels
from luocheck.checker.native.claims_text import ClaimsText
from luocheck.checker.native.continuations import Continuations
from luocheck.checker.native.expressions import Expressions
from luocheck.checker.native.layout import Layout, Piece
from luocheck.checker.native.orbits import Orbits
from luocheck.checker.native.statements import Body, Shared
from luocheck.checker.native.store_text import StoreText
from luocheck.model.instances import Instance
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Effect, Event, Kind, Property
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT
from luocheck.model.semantics.machine import Machine, _leading_requires
from luocheck.model.source import Span

RUNTIME = tuple(Path(__file__).with_name(name) for name in ("engine.c", "interface.c", "threads.c"))


@dataclass(slots=True)
class Text:
    """The generated program and what is needed to read its states and its errors.

    flags: how many a state has.  flag_of: the first one of a claim.
    """

    source: str
    layout: Layout
    pieces: list[Piece]
    continuations: Continuations
    orbits: Orbits
    cuts: list[str]
    spans: list[Span]
    max_args: int
    flags: int
    flag_of: dict[str, int]
    lines: int


class Generator:
    """Writes the program of one scope.  `apart`: sorts (by index) that symmetry does not exchange.  Raises Refused."""

    def __init__(self, instance: Instance, machine: Machine, claims: tuple[Property, ...], apart: Collection[int]) -> None:
        self.instance = instance
        self.machine = machine
        self.system = instance.system
        self.layout = Layout(instance)
        self.orbits = Orbits(self.layout, apart)
        self.shared = Shared(machine)
        self.number = self.shared.claims
        self.callers = instance.sizes[self.system.caller.index] if self.system.caller and instance.scope.stepwise else 0
        self.store = StoreText(self.layout, self.callers)
        self.claims = ClaimsText(instance, self.layout, self.shared, claims)
        self.labels = Labels(instance, [claim for claim in claims if claim.kind is Kind.LIVENESS])
        self.max_args = max([1, *(len(event.argument_slots) for event in self.system.events)])

    def text(self) -> Text:
        pieces = self.layout.pieces()
        claims, flags = self.claims.functions()
        bodies = [self._event(event) for event in self.system.events]
        waits = Continuations(self.layout, self.machine, self.shared.stops, self.callers)
        bodies = [waits.fill(body) for body in bodies]
        lines = len(self.machine.program.lines)
        prelude = [
            "#define _GNU_SOURCE",
            "#include <pthread.h>",
            "#include <stdatomic.h>",
            "#include <stdint.h>",
            "#ifdef __linux__",
            "#include <sys/mman.h>",
            "#endif",
            "#include <stdlib.h>",
            "#include <string.h>",
            "#include <time.h>",
            "typedef uint64_t u64; typedef int64_t i64;",
            f"#define W {max(1, self.layout.words) + waits.words * self.callers}",
            f"#define N_EVENTS {len(self.system.events)}",
            f"#define N_CLAIMS {len(self.system.properties)}",
            f"#define N_CUTS {len(self.shared.cuts)}",
            f"#define N_LINES {lines}",
            f"#define N_FLAGS {flags}",
            f"#define ASKS_STATES {int(self.claims.asks_states)}",
            f"#define MAX_ARGS {self.max_args}",
            f"#define MAX_HELD {waits.max_held}",
            *self.orbits.macros(),
            *self.store.sequences(),
            *self.store.graphs(),
            waits.struct(),
            *self.store.state(),
            *(part.read_text(encoding="utf-8") for part in RUNTIME),
            *self.store.sequence_code(),
            waits.tables(),
            *self.store.locks(waits),
            self.store.idle(),
            self.store.defaults(),
            *self.store.pools(waits),
            self.store.after_reboot(),
            *self.store.packing(pieces, waits),
            *self.orbits.code(waits),
            *claims,
            *bodies,
            self._masks(),
            self._labels(),
            self._expand(waits),
            self.store.load(),
        ]
        return Text(
            "\n".join(prelude) + "\n",
            self.layout,
            pieces,
            waits,
            self.orbits,
            self.shared.cuts,
            self.shared.spans,
            self.max_args,
            flags,
            self.claims.flag_of,
            lines,
        )

    # ---- events -------------------------------------------------------------------------------------------------

    def _event(self, event: Event) -> str:
        stepwise = self.machine.stepwise[event.index]
        body = Body(self.shared, self.layout, event, stepwise)
        first_stop = len(self.shared.stops)
        w = self.shared.writer
        with w.captured() as main:
            leading = set() if self._can_break(event) else set(map(id, _leading_requires(event.body)))
            statements = tuple(s for s in event.body.statements if id(s) not in leading)
            dropped = len(event.body.statements) - len(statements)
            body.block(event.body if not dropped else _without(event.body, leading), None, skipped=dropped)
        blocks = self.shared.blocks  # the interpreter counts those of effects later
        with w.captured() as effects:
            for effect in event.effects:
                self._effect(body, event, effect)
        self.shared.blocks = blocks
        stops = self.shared.stops[first_stop:]
        arguments = "".join(f", int a{i}" for i in range(len(event.argument_slots)))
        out = [f"static void event{event.index}(struct R *r, const struct S *src, int who, int pc{arguments}) {{"]
        out.append(
            "struct S st = *src; struct S *s = &st; const struct S *o = src; struct held h; h.n = h.guards = 0; u64 result = 0;"
        )
        if stops:
            out.append("struct S before;")
        out.append(
            "int err = 0, lab = -1, oops = 0, cut = 0, touched = 0, stopped = 0; (void)pc; (void)who; (void)oops; (void)cut;"
        )
        given = {slot: f"a{i}" for i, slot in enumerate(event.argument_slots)}
        for slot, type_ in enumerate(event.slots):
            if slot == 0 or type_ is None:
                continue
            ctype = self.layout.local_type(type_)
            start = "0" if ctype == "u64" else "{0}" if ctype != "int" else given.get(slot, "-1")
            out.append(f"{ctype} v{slot} = {start}; (void)v{slot};")
        out += [f"int C{i}_err = -1, C{i}_lab = -1;" for i in range(body.catches)]
        for walk in body.walks:
            name = f"W{walk.id}"
            out.append(
                f"struct {{ int n; uint16_t x[{walk.length}]; }} {name}_left, {name}_seen, {name}_all; {name}_left.n = {name}_seen.n = {name}_all.n = 0;"
            )
            out.append(
                f"int {name}_now = -1, {name}_err = -1, {name}_lab = -1; (void){name}_now; (void){name}_err; (void){name}_lab;"
            )
        if stops:
            out.append("if (pc) { defaults(&before); o = &before; touched = 1; const struct C *c = &src->c[who]; switch (pc) {")
            for stop in stops:
                waited = int(self.machine.program.waits_for_lock(stop.label))
                out.append(f"case {stop.pc}: @LOAD{stop.pc}@ r->had_waited = {waited}; goto P{stop.pc};")
            out.append("} }")
        out.append("{")
        out += main
        out.append("}")
        out.append(
            "goto STOPPED; goto FAILED; goto PANICKED; goto NOTHING; goto BAIL; goto BLOCKED; goto CUT; goto OOPS; goto SUSPENDED;"
        )
        out += body.late
        out.append("STOPPED:; err = 0; lab = -1; FAILED:;")
        out += effects
        if self.layout.locks:
            claim = self.number["held_at_return"]
            out.append(
                f"if (h.n) {{ finding(r, {claim}); for (int i = 0; i < h.n; i++) keep_lock(s, h.x[i] >> 1, 2); touched = 1; }}"
            )
        gives = event.result.type if event.result is not None else None
        if event.result is not None and isinstance(gives, ElemT) and not gives.sort.pool and sum(self.layout.sizes) <= 64:
            offset = sum(self.layout.sizes[: gives.sort.index])
            out.append(f"if (!err && v{event.result.slot} >= 0) result = BIT({offset} + v{event.result.slot});")
        out.append(
            f"{self.claims.asked(event, False)} RETURNING:; commit(r, s, OUT_RETURNS, err, lab, result, touched, who); return;"
        )
        out.append(
            f"PANICKED:; {self.claims.asked(event, True)} PANICKING:; commit(r, s, OUT_PANIC, 1, lab, 0, touched, who); return;"
        )
        out.append("SUSPENDED:; commit(r, s, OUT_SUSPENDS, 0, stopped, 0, 1, who); return;")
        out.append("OOPS:; finding(r, oops); commit(r, s, OUT_OOPS, 0, -1, 0, touched, who); return;")
        out.append("CUT:; commit(r, s, OUT_CUT, 0, cut, 0, touched, who); return;")
        out.append("BLOCKED:; blocks(r); return;")
        out.append("BAIL:; stop_with(r, NOT_DONE_HERE); return;")
        out.append("NOTHING:; return;")
        out.append("}")
        return "\n".join(out)

    def _effect(self, body: Body, event: Event, effect: Effect) -> None:
        condition = self.claims.matches(effect.pattern, event, False)
        if condition is None:
            return
        self.shared.writer.emit(f"if ({condition}) {{")
        body.block(effect.body, None)
        self.shared.writer.emit("}")

    def _masks(self) -> str:
        """The elements that the arguments of a call name; those of pools do not count."""
        out = ["static u64 event_mask(const struct R *r) { u64 m = 0; switch (r->event) {"]
        if sum(self.layout.sizes) <= 64:
            for event in self.system.events:
                parts = [
                    f"m |= BIT({sum(self.layout.sizes[: p.type.sort.index])} + r->args[{i}]);"
                    for i, p in enumerate(event.parameters)
                    if isinstance(p.type, ElemT) and not p.type.sort.pool
                ]
                if parts:
                    out.append(f"case {event.index}: {' '.join(parts)} break;")
        return " ".join([*out, "} return m; }"])

    def _labels(self) -> str:
        """The label of a call, where edges have it; see `labels.py`."""
        out = ["static u64 call_label(const struct R *r) { switch (r->event) {"]
        for event, radices in self.labels.radices.items():
            number = "(u64)0"
            for i, radix in enumerate(radices):
                number = f"({number} * {radix} + (u64)r->args[{i}])" if i else "(u64)r->args[0]"
            out.append(f"case {event}: return ({number} + 1) << {LABEL_SHIFT};")
        return " ".join([*out, "} return 0; }"])

    # ---- what can happen ----------------------------------------------------------------------------------------

    def _expand(self, waits: Continuations) -> str:
        out = [
            "static void expand(struct R *r, const struct S *s) {",
            "i64 tick = 0, last = 0; int over = r->n + r->npending > r->most;",
        ]
        out.append("if (over) { settle(r); over = r->n > r->most; }")
        for event in self.system.events:
            out += self._made(event)
        out.append(
            "if (tick && (over || (last && last != tick)) && pulse(r)) return;  /* the interpreter looks before each call, also those that cannot be made */"
        )
        if self.callers:
            out.append(
                f"r->resumed = 1; for (int who = 0; who < {self.callers}; who++) {{ int pc = s->c[who].pc; if (!pc) continue; switch (waiting_event(pc)) {{"
            )
            for event in self.system.events:
                if self.machine.stepwise[event.index] and any(stop.event is event for stop in self.shared.stops):
                    zeros = ", 0" * len(event.argument_slots)
                    out.append(
                        f"case {event.index}: r->event = {event.index}; begin_call(r); do {{ begin_run(r); event{event.index}(r, s, who, pc{zeros}); }} while (another_run(r)); break;"
                    )
            out.append("} if (r->status) return; }")
        return "\n".join([*out, "}"])

    def _can_break(self, event: Event) -> bool:
        """Can a `require` that the event begins with do what no code may do?  Then it is asked again in the body, where that is found."""
        broken: list[str] = []

        def oops(claim: str, span: Span) -> str:
            broken.append(claim)
            return ";"

        writer = Expressions(self.layout, self.shared.writer, oops, checked=True)
        writer.never_none |= set(event.argument_slots)
        with self.shared.writer.captured():
            for require in _leading_requires(event.body):
                writer.condition(require.condition)
        return bool(broken)

    def _made(self, event: Event) -> list[str]:
        """The calls of one event that can be made."""
        out = ["{", f"r->event = {event.index}; r->resumed = 0;"]
        names = [f"v{slot}" for slot in event.argument_slots]
        types = [p.type for p in event.parameters] + [BoolT()] * len(event.predicates)
        for name, type_ in zip(names, types, strict=True):
            match type_:
                case ElemT(sort):
                    size = self.layout.sizes[sort.index]
                    live = f"if (!(s->live{sort.index} >> {name} & 1)) continue;" if sort.pool else ""
                case EnumT(enum):
                    size, live = len(enum.members), ""
                case _:
                    size, live = 2, ""
            out.append(f"for (int {name} = 0; {name} < {size}; {name}++) {{ {live}")
        out.append("if (!(++tick & 4095) && slow_poll(r)) return;")
        if event.caller is not None and self.callers:
            out.append(f"if (s->c[v{event.caller}].pc) continue;")
        writer = Expressions(self.layout, self.shared.writer, lambda claim, span: f"goto made{event.index};", checked=True)
        writer.never_none |= set(event.argument_slots)
        with self.shared.writer.captured() as inner:
            for require in _leading_requires(event.body):
                text = writer.condition(require.condition)
                inner.append(f"if (!{text}) {'continue' if names else f'goto next{event.index}'};")
        out += inner
        out.append(f"made{event.index}:;")  # a `require` that does what no code may do is met again in the body
        out.append("if (pulse(r)) return;")
        out += [f"r->args[{i}] = {name};" for i, name in enumerate(names)]
        caller = f"v{event.caller}" if event.caller is not None else "-1"
        out.append(
            f"begin_call(r); do {{ begin_run(r); event{event.index}({', '.join(['r', 's', caller, '0', *names])}); }} while (another_run(r));"
        )
        out.append("if (r->status) return;")
        out.append("if (r->n + r->npending > r->most) { settle(r); if (r->n > r->most) last = tick; }")
        out += ["}"] * len(names)
        if not names and _leading_requires(event.body):
            out.append(f"next{event.index}:;")
        return [*out, "}"]


def _without(block: st.Block, leading: set[int]) -> st.Block:
    return st.Block(tuple(s for s in block.statements if id(s) not in leading), block.locals, block.span)
