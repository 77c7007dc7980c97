"""The whole C text for one scope and some claims: types, state, events, claims, and the loop over everything that can happen."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from luocheck.checker.explore.labels import LABEL_SHIFT, Labels
from luocheck.checker.explore.monitors import Combination, combinations, consequents
from luocheck.checker.native.continuations import Continuations
from luocheck.checker.native.expressions import Expressions
from luocheck.checker.native.layout import Layout, Piece, indices
from luocheck.checker.native.orbits import Orbits
from luocheck.checker.native.statements import Body, Shared
from luocheck.model.instances import Instance
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import PANIC, Effect, Event, Kind, OutcomePattern, Property
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, SeqT, SetT, Sort, Type
from luocheck.model.semantics.lifetimes import survivors
from luocheck.model.semantics.machine import Machine, _leading_requires
from luocheck.model.source import Span

RUNTIME = tuple(Path(__file__).with_name(name) for name in ("engine.c", "threads.c"))


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
        self.claims = claims
        self.layout = Layout(instance)
        self.orbits = Orbits(self.layout, apart)
        self.shared = Shared(machine)
        self.number = self.shared.claims
        self.callers = instance.sizes[self.system.caller.index] if self.system.caller and instance.scope.stepwise else 0
        self.out: list[str] = []
        self.watched: dict[int, str] = {}
        for claim in claims:
            if claim.condition is not None and claim.kind in (Kind.INVARIANT, Kind.LEMMA, Kind.AFTER):
                for part in consequents(claim.condition):
                    self.watched[id(part)] = f"r->seen[{self.number[claim.name]}] = 1;"
        self.labels = Labels(instance, [claim for claim in claims if claim.kind is Kind.LIVENESS])
        self.flag_of: dict[str, int] = {}
        self.max_args = max([1, *(len(event.argument_slots) for event in self.system.events)])

    def text(self) -> Text:
        pieces = self.layout.pieces()
        claims, flags = self._claims()
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
            f"#define ASKS_STATES {int(self.asks_states)}",
            f"#define MAX_ARGS {self.max_args}",
            f"#define MAX_HELD {waits.max_held}",
            *self.orbits.macros(),
            *self._sequences(),
            *self._graphs(),
            waits.struct(),
            *self._state(),
            *(part.read_text(encoding="utf-8") for part in RUNTIME),
            *self._sequence_code(),
            waits.tables(),
            *self._locks(waits),
            self._idle(),
            self._defaults(),
            *self._pools(waits),
            self._after_reboot(),
            *self._packing(pieces, waits),
            *self.orbits.code(waits),
            *claims,
            *bodies,
            self._masks(),
            self._labels(),
            self._expand(waits),
            self._load(),
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
            self.flag_of,
            lines,
        )

    # ---- types --------------------------------------------------------------------------------------------------

    def _size(self, sort: Sort) -> int:
        return self.layout.sizes[sort.index]

    def _sequences(self) -> list[str]:
        return [f"typedef struct {{ uint8_t n; uint8_t x[{max(1, self._size(s))}]; }} Q{s.index};" for s in self.system.sorts]

    def _graphs(self) -> list[str]:
        out = ["struct G {", "int nothing;"]
        for graph in self.system.graphs:
            size = max(1, self._size(graph.sort))
            out.append(f"u64 edge{graph.index}[{size}]; u64 closure{graph.index}[{size}]; uint8_t order{graph.index}[{size}];")
        out += [f"{self.layout.ctype(f.type)} f{f.index}{self.layout.dims(f)};" for f in self.layout.fixed]
        return [*out, "};"]

    def _state(self) -> list[str]:
        out = ["struct S {"]
        out += [f"{self.layout.ctype(f.type)} f{f.index}{self.layout.dims(f)};" for f in self.layout.changing]
        out += [f"u64 live{sort.index};" for sort in self.system.sorts if sort.pool]
        if self.layout.locks:
            out.append(f"uint8_t kept[{len(self.layout.locks)}];")
        if self.callers:
            out.append(f"struct C c[{self.callers}];")
        return [*out, "char nothing;", "};"]

    def _sequence_code(self) -> list[str]:
        out = [
            "static inline int first_free(u64 taken, int size) { for (int x = 0; x < size; x++) if (!(taken >> x & 1)) return x; return -1; }",
            "static inline int rounds_take(uint16_t *x, int *n, int at) { int taken = x[at]; for (int i = at; i + 1 < *n; i++) x[i] = x[i + 1]; --*n; return taken; }",
            "static inline void rounds_reverse(uint16_t *x, int n) { for (int i = 0; i < n / 2; i++) { uint16_t y = x[i]; x[i] = x[n - 1 - i]; x[n - 1 - i] = y; } }",
        ]
        for sort in self.system.sorts:
            i, size = sort.index, self._size(sort)
            out += [
                f"static inline int q{i}_at(const Q{i} *q, int x) {{ for (int i = 0; i < q->n; i++) if (q->x[i] == x) return i; return -1; }}",
                f"static inline int q{i}_has(const Q{i} *q, int x) {{ return q{i}_at(q, x) >= 0; }}",
                f"static inline int q{i}_before(const Q{i} *q, int a, int b) {{ int i = q{i}_at(q, a), j = q{i}_at(q, b); return i >= 0 && j >= 0 && i < j; }}",
                f"static inline u64 q{i}_bits(const Q{i} *q) {{ u64 bits = 0; for (int i = 0; i < q->n; i++) bits |= BIT(q->x[i]); return bits; }}",
                f"static inline int q{i}_append(Q{i} *q, int x) {{ if (q->n >= {size} || q{i}_has(q, x)) return 0; q->x[q->n++] = (uint8_t)x; return 1; }}",
                f"static inline int q{i}_remove(Q{i} *q, int x) {{ int at = q{i}_at(q, x); if (at < 0) return 0; "
                "for (int i = at; i + 1 < q->n; i++) q->x[i] = q->x[i + 1]; q->x[--q->n] = 0; return 1; }",
            ]
        return out

    def _locks(self, waits: Continuations) -> list[str]:
        """Locks that are held by the call that runs, and by others."""
        out = ["struct held { int n, guards; int16_t x[MAX_HELD], guard[MAX_HELD]; int block[MAX_HELD]; };"]
        if not self.layout.locks:
            return [*out, "static inline void guards_end(struct held *h, int block) { (void)h; (void)block; }"]
        out.append(
            "static inline int held_drop(struct held *h, int code) { for (int i = 0; i < h->n; i++) if (h->x[i] == code) "
            "{ for (; i + 1 < h->n; i++) h->x[i] = h->x[i + 1]; h->n--; return 1; } return 0; }"
        )
        out.append(
            "static inline void guards_end(struct held *h, int block) { int first = h->guards; while (first > 0 && h->block[first - 1] == block) first--; "
            "for (int i = first; i < h->guards; i++) held_drop(h, h->guard[i]); h->guards = first; }"
        )
        out.append(
            "static inline int held_against(const struct held *h, int lock, int shared) { for (int i = 0; i < h->n; i++) "
            "if (h->x[i] >> 1 == lock && !(shared && (h->x[i] & 1))) return 1; return 0; }"
        )
        out.append(
            "static int give_back(struct held *h, int lock) { int code = -1; for (int i = 0; i < h->n && code < 0; i++) if (h->x[i] >> 1 == lock) code = h->x[i]; "
            "if (code < 0) return -1; held_drop(h, code); int at = -1; for (int i = h->guards - 1; i >= 0; i--) { "
            "if (at >= 0 && h->block[i] != h->block[at]) break; if (h->guard[i] == code) at = i; } "
            "if (at >= 0) { for (; at + 1 < h->guards; at++) { h->guard[at] = h->guard[at + 1]; h->block[at] = h->block[at + 1]; } h->guards--; } return code & 1; }"
        )
        out.append(
            "static inline void keep_lock(struct S *s, int lock, int mode) { if (s->kept[lock] < mode) s->kept[lock] = mode; }"
        )
        out.append(waits.lock_code())
        return out

    def _idle(self) -> str:
        inside = f"for (int i = 0; i < {self.callers}; i++) if (s->c[i].pc) return 0;" if self.callers else "(void)s;"
        one = "return who < 0 || !s->c[who].pc;" if self.callers else "(void)s; (void)who; return 1;"
        return (
            f"static inline int idle(const struct S *s) {{ {inside} return 1; }} "
            f"static inline int idle_caller(const struct S *s, int who) {{ {one} }}"
        )

    def _defaults(self) -> str:
        out = ["static void defaults(struct S *s) { memset(s, 0, sizeof *s);"]
        for f in self.layout.changing:
            if isinstance(f.type, SeqT) or self.layout.default(f) in ("0", "0u"):
                continue
            for owners in indices(f, self.layout.sizes):
                out.append(f"{self.layout.place(f, 's', [str(x) for x in owners])} = {self.layout.default(f)};")
        return " ".join([*out, "}"])

    # ---- pools and kexec ----------------------------------------------------------------------------------------

    def _reset(self, place: str, type_: Type, default: str) -> str:
        return f"memset(&{place}, 0, sizeof({place}));" if isinstance(type_, SeqT) else f"{place} = {default};"

    def _pools(self, waits: Continuations) -> list[str]:
        out: list[str] = []
        for sort in self.system.sorts:
            if not sort.pool:
                continue
            parts = [f"static void free{sort.index}(struct S *s, int x) {{ s->live{sort.index} &= ~BIT(x);"]
            for f in self.layout.changing:
                for position in [p for p, o in enumerate(f.owners) if o is sort]:
                    names = [f"i{p}" if p != position else "x" for p in range(len(f.owners))]
                    loops = "".join(
                        f"for (int i{p} = 0; i{p} < {self.layout.size(o)}; i{p}++) "
                        for p, o in enumerate(f.owners)
                        if p != position
                    )
                    parts.append(f"{loops}{{ {self._reset(self.layout.place(f, 's', names), f.type, self.layout.default(f))} }}")
            out.append(" ".join([*parts, "}"]))
            named = [f"static u64 named{sort.index}(const struct R *r, const struct S *s) {{ u64 named = 0; (void)r; (void)s;"]
            for f in self.system.fields:
                if not (isinstance(f.type, ElemT | SetT | SeqT) and f.type.sort is sort):
                    continue
                names = [f"i{p}" for p in range(len(f.owners))]
                loops = "".join(f"for (int i{p} = 0; i{p} < {self.layout.size(o)}; i{p}++) " for p, o in enumerate(f.owners))
                place = self.layout.place(f, "s", names)
                match f.type:
                    case ElemT():
                        named.append(f"{loops}if ({place} >= 0) named |= BIT({place});")
                    case SetT():
                        named.append(f"{loops}named |= {place};")
                    case _:
                        named.append(f"{loops}named |= q{sort.index}_bits(&{place});")
            named.append(waits.named(sort))
            out.append(" ".join([*named, "return named; }"]))
        return out

    def _after_reboot(self) -> str:
        """What the interpreter's `after_reboot` keeps."""
        fields, sorts = survivors(self.system)
        out = ["static void after_reboot(struct R *r, struct S *s) { struct S d; (void)r; defaults(&d);"]
        out += [f"memcpy(&d.f{f.index}, &s->f{f.index}, sizeof d.f{f.index});" for f in self.layout.changing if f.index in fields]
        out += [f"d.live{s.index} = s->live{s.index};" for s in self.system.sorts if s.pool and s.index in sorts]
        return " ".join([*out, "*s = d; }"])

    # ---- packing ------------------------------------------------------------------------------------------------

    def _packing(self, pieces: list[Piece], waits: Continuations) -> list[str]:
        packing = ["static void pack(const struct S *s, u64 *w) {"]
        unpacking = ["static void unpack(const u64 *w, struct S *s) {", "defaults(s);"]
        for word in range(max(1, self.layout.words)):
            terms = []
            for p in (p for p in pieces if p.word == word):
                value = f"(u64)({p.place} + {p.bias})" if p.bias else f"(u64){p.place}"
                terms.append(f"{value} << {p.shift}" if p.shift else value)
            packing.append(f"w[{word}] = {' | '.join(terms) or '0'};")
        for p in pieces:
            mask = "~(u64)0" if p.width == 64 else hex((1 << p.width) - 1) + "u" + ("ll" if p.width > 31 else "")
            text = f"(w[{p.word}] >> {p.shift} & {mask})"
            unpacking.append(f"{p.place} = (int){text} - {p.bias};" if p.bias else f"{p.place} = {text};")
        if self.callers:
            packing.append(waits.pack_code(max(1, self.layout.words)))
            unpacking.append(waits.unpack_code(max(1, self.layout.words)))
        return ["\n".join([*packing, "}"]), "\n".join([*unpacking, "}"])]

    # ---- claims -------------------------------------------------------------------------------------------------

    def _writer(self, claim: Property) -> Expressions:
        how = "raise_later" if claim.kind in (Kind.AFTER, Kind.NEVER) else "raise_error"

        def oops(name: str, span: Span) -> str:
            error = f"{how}(r, 605, {self.number[claim.name]}, {self.shared.span(span)}, {self.number.get(name, -1)});"
            return f"{{ {error} return 0; }}"

        return Expressions(self.layout, self.shared.writer, oops, checked=False, watched=self.watched)

    def _function(self, name: str, claim: Property, condition: e.Expr, with_old: bool) -> tuple[str, list[int]]:
        """A C function for a condition, and the slots whose values it takes."""
        writer = self._writer(claim)
        with self.shared.writer.captured() as body:
            text = writer.condition(condition)
            body.append(f"return {text};")
        slots = sorted(writer.used)
        types: dict[int, Type | None] = {local.slot: local.type for local in claim.each}
        if claim.pattern is not None and claim.pattern.event is not None:
            types = dict(enumerate(self.system.event(claim.pattern.event).slots))
        parameters = "".join(f", {self.layout.local_type(types.get(s) or BoolT())} v{s}" for s in slots)
        old = ", const struct S *o, int touched" if with_old else ""
        used = "(void)r; (void)s;" + (" (void)o; (void)touched;" if with_old else "")
        return f"static int {name}(struct R *r, const struct S *s{old}{parameters}) {{ {used}\n" + "\n".join(body) + "\n}", slots

    def _claims(self) -> tuple[list[str], int]:
        """Functions for all claims, and `check_state`; and how many flags a state has (sides of `recoverable` and `liveness`, exceptions of
        `stuck`)."""
        functions: list[str] = []
        state: dict[str, list[str]] = {"invariant": [], "goal": []}
        flagged: dict[Kind, list[tuple[str, str]]] = {Kind.RECOVERABLE: [], Kind.LIVENESS: [], Kind.STUCK: []}
        self.transition_claims: list[tuple[Property, str | None, list[int]]] = []
        flags = 0
        for claim in self.claims:
            k = self.number[claim.name]
            if claim.kind in (Kind.AFTER, Kind.NEVER):
                name: str | None = None
                slots: list[int] = []
                if claim.condition is not None:
                    name = f"claim{k}"
                    text, slots = self._function(name, claim, claim.condition, True)
                    functions.append(text)
                self.transition_claims.append((claim, name, slots))
                continue
            found = f"discover(r, {k}, r->depth + 1, state, -1, 0, 5, -1, 0);"
            conditions: list[tuple[str, e.Expr]] = []
            if (
                claim.kind in (Kind.INVARIANT, Kind.LEMMA, Kind.REACHABLE, Kind.RECOVERABLE, Kind.LIVENESS, Kind.STUCK)
                and claim.condition is not None
            ):
                conditions.append((f"claim{k}", claim.condition))
            if claim.kind in (Kind.RECOVERABLE, Kind.LIVENESS) and claim.goal is not None:
                conditions.append((f"goal{k}", claim.goal))
            sides = {name: self._function(name, claim, condition, False) for name, condition in conditions}
            functions += [text for text, _ in sides.values()]
            match claim.kind:
                case Kind.INVARIANT | Kind.LEMMA:
                    state["invariant"].append(f"if (!claim{k}(r, s)) {{ if (r->status) return; {found} }}")
                case Kind.REACHABLE:
                    state["goal"].append(
                        f"if ((r->found_depth[{k}] < 0 || r->found_depth[{k}] == r->depth + 1) && claim{k}(r, s)) {found} if (r->status) return;"
                    )
                case Kind.RECOVERABLE:
                    flagged[claim.kind] += [(claim.name, f"claim{k}(r, s)"), (claim.name, f"goal{k}(r, s)")]
                case Kind.LIVENESS:
                    for elements in combinations(claim, self.instance):
                        flagged[claim.kind] += [(claim.name, text) for text in self._ends(claim, elements, sides)]
                case Kind.STUCK:
                    flagged[claim.kind].append((claim.name, f"claim{k}(r, s)" if claim.condition is not None else "0"))
        lines: list[str] = []
        for of_claim, value in chain(*flagged.values()):
            self.flag_of.setdefault(of_claim, len(lines))
            lines.append(f"flag[{len(lines)}] = {value}; if (r->status) return;")
        flags = len(lines)
        self.asks_states = bool(lines or state["invariant"] or state["goal"])
        arguments = "(struct R *r, const struct S *s, i64 state)"
        head = f"static void state_flags{arguments} {{ (void)s; (void)state;"
        flag = ["uint8_t *flag = r->flags + state * N_FLAGS;"] if flags else []
        functions.append("\n".join([head, *flag, *lines, "}"]))
        head = f"static void check_state{arguments} {{ (void)s; (void)state;"
        functions.append("\n".join([head, *state["invariant"], *state["goal"], "state_flags(r, s, state);", "}"]))
        return functions, flags

    def _ends(self, claim: Property, elements: Combination, sides: dict[str, tuple[str, list[int]]]) -> Iterator[str]:
        """C of both sides of a liveness claim, about some elements."""
        value = {local.slot: x for local, x in zip(claim.each, elements, strict=True)}
        pools = [(local.type.sort, x) for local, x in zip(claim.each, elements) if isinstance(local.type, ElemT)]
        alive = [f"(s->live{sort.index} >> {x} & 1)" for sort, x in pools if sort.pool]
        there = f"({' && '.join(alive) or '1'})"
        for (name, (_, slots)), text in zip(sides.items(), ("({there} && {call})", "(!{there} || {call})"), strict=True):
            yield text.format(there=there, call=f"{name}(r, s{''.join(f', {value[slot]}' for slot in slots)})")

    # ---- events -------------------------------------------------------------------------------------------------

    def _matches(self, pattern: OutcomePattern, event: Event, panic: bool) -> str | None:
        """C condition for an outcome of an event, None when it never matches."""
        if pattern.event not in (None, event.name) or pattern.kind not in (None, event.kind):
            return None
        if pattern.returns == "error":
            if panic:
                return None
            text = "err != 0"
        elif pattern.returns is None:
            text = "1"
        elif panic:
            if pattern.returns != PANIC:
                return None
            text = "1"
        elif pattern.returns in self.layout.errnos:
            text = f"err == {self.layout.errno(pattern.returns)}"
        else:
            return None
        return text + (f" && lab == {self.layout.label(pattern.label)}" if pattern.label is not None else "")

    def _asked(self, event: Event, panic: bool) -> str:
        """The claims about calls, in the order of the text."""
        out: list[str] = []
        for claim, name, slots in self.transition_claims:
            assert claim.pattern is not None
            condition = self._matches(claim.pattern, event, panic)
            if condition is None:
                continue
            k = self.number[claim.name]
            if name is None:
                out.append(f"if ({condition}) {{ r->seen[{k}] = 1; finding(r, {k}); }}")
                continue
            arguments = "".join(f", v{slot}" for slot in slots)
            out.append(
                f"if (({condition}) && !{name}(r, s, o, touched{arguments})) {{ if (r->late_error) goto RETURNED; finding(r, {k}); }}"
            )
        return f"if (!r->tracing) {{ {' '.join(out)} }}".replace("RETURNED", "PANICKING" if panic else "RETURNING") if out else ""

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
        out.append(f"{self._asked(event, False)} RETURNING:; commit(r, s, OUT_RETURNS, err, lab, result, touched, who); return;")
        out.append(f"PANICKED:; {self._asked(event, True)} PANICKING:; commit(r, s, OUT_PANIC, 1, lab, 0, touched, who); return;")
        out.append("SUSPENDED:; commit(r, s, OUT_SUSPENDS, 0, stopped, 0, 1, who); return;")
        out.append("OOPS:; finding(r, oops); commit(r, s, OUT_OOPS, 0, -1, 0, touched, who); return;")
        out.append("CUT:; commit(r, s, OUT_CUT, 0, cut, 0, touched, who); return;")
        out.append("BLOCKED:; blocks(r); return;")
        out.append("BAIL:; stop_with(r, NOT_DONE_HERE); return;")
        out.append("NOTHING:; return;")
        out.append("}")
        return "\n".join(out)

    def _effect(self, body: Body, event: Event, effect: Effect) -> None:
        condition = self._matches(effect.pattern, event, False)
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
                    size = self._size(sort)
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

    # ---- data of an instance ------------------------------------------------------------------------------------

    def _load(self) -> str:
        """Copies graphs and fixed choices; `data` gives them in the order of `instance_data`."""
        out = ["void luo_instance(struct R *r, const i64 *data) { i64 k = 0; (void)data; (void)k;"]
        for graph in self.system.graphs:
            size = self._size(graph.sort)
            for name in ("edge", "closure", "order"):
                out.append(f"for (int i = 0; i < {size}; i++) r->g.{name}{graph.index}[i] = data[k++];")
        for f in self.layout.fixed:
            for owners in indices(f, self.layout.sizes):
                if isinstance(f.type, SeqT):
                    continue
                out.append(f"{self.layout.place(f, 's', [str(x) for x in owners])} = data[k++];")
        return " ".join([*out, "}"])


def _without(block: st.Block, leading: set[int]) -> st.Block:
    return st.Block(tuple(s for s in block.statements if id(s) not in leading), block.locals, block.span)


def instance_data(layout: Layout, instance: Instance) -> list[int]:
    """Graphs and fixed choices of an instance, as `luo_instance` wants them."""
    out: list[int] = []
    for graph in instance.system.graphs:
        size = instance.sizes[graph.sort.index]
        for edges in (instance.edges[graph.index], instance.closure[graph.index]):
            out += [_signed(sum(1 << b for x, b in edges if x == a)) for a in range(size)]
        out += list(instance.order[graph.index])
    for f in layout.fixed:
        for owners in indices(f, instance.sizes):
            if not isinstance(f.type, SeqT):
                out.append(_signed(layout.code(f, instance.fixed.get((f.index, *owners), instance.defaults[f.index]))))
    return out


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
