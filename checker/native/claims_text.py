"""The C text of claims: about states, about calls, and the flags of states for claims about the whole graph."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from luocheck.checker.explore.monitors import Combination, combinations, consequents
from luocheck.checker.native.expressions import Expressions
from luocheck.checker.native.layout import Layout
from luocheck.checker.native.statements import Shared
from luocheck.model.instances import Instance
from luocheck.model.ir import expressions as e
from luocheck.model.ir.system import PANIC, Event, Kind, OutcomePattern, Property
from luocheck.model.ir.vocabulary import BoolT, ElemT, Type
from luocheck.model.source import Span


class ClaimsText:
    """Writes functions for the claims of a program, and where calls ask them.

    flag_of: the first flag of a claim.  asks_states: is there something to ask of each state?  Both are known after `functions`.
    """

    def __init__(self, instance: Instance, layout: Layout, shared: Shared, claims: tuple[Property, ...]) -> None:
        self.instance = instance
        self.system = instance.system
        self.layout = layout
        self.shared = shared
        self.number = shared.claims
        self.claims = claims
        self.watched: dict[int, str] = {}
        for claim in claims:
            if claim.condition is not None and claim.kind in (Kind.INVARIANT, Kind.LEMMA, Kind.AFTER):
                for part in consequents(claim.condition):
                    self.watched[id(part)] = f"r->seen[{self.number[claim.name]}] = 1;"
        self.flag_of: dict[str, int] = {}
        self.asks_states = False
        self.transition_claims: list[tuple[Property, str | None, list[int]]] = []

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

    def functions(self) -> tuple[list[str], int]:
        """Functions for all claims, and `check_state`; and how many flags a state has (sides of `recoverable` and `liveness`, exceptions of
        `stuck`)."""
        functions: list[str] = []
        state: dict[str, list[str]] = {"invariant": [], "goal": []}
        flagged: dict[Kind, list[tuple[str, str]]] = {Kind.RECOVERABLE: [], Kind.LIVENESS: [], Kind.STUCK: []}
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

    def matches(self, pattern: OutcomePattern, event: Event, panic: bool) -> str | None:
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

    def asked(self, event: Event, panic: bool) -> str:
        """The claims about calls, in the order of the text."""
        out: list[str] = []
        for claim, name, slots in self.transition_claims:
            assert claim.pattern is not None
            condition = self.matches(claim.pattern, event, panic)
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
