"""C of symmetry reduction for one scope: a state after a turn of its elements, and what a state says of each element.

symmetry.c has the rest.  Which turns are allowed is data of an instance, so one build serves all dependency graphs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from luocheck.checker.explore.symmetry import Symmetry
from luocheck.checker.native.continuations import Continuations, Part
from luocheck.checker.native.layout import Layout
from luocheck.checker.native.walks import Walk
from luocheck.model.ir import statements as st
from luocheck.model.ir.vocabulary import ElemT, Field, SeqT, SetT, Sort, Type
from luocheck.model.semantics.renaming import Turn

RUNTIME = Path(__file__).with_name("symmetry.c")


class Orbits:
    """Writes it.  `apart`: indices of the sorts that are never moved."""

    def __init__(self, layout: Layout, apart: Collection[int]) -> None:
        self.layout = layout
        system = layout.system
        self.sorts = [s for s in system.sorts if s.index not in apart and layout.sizes[s.index] > 1]
        self.first: dict[int, int] = {}
        total = 0
        for sort in self.sorts:
            self.first[sort.index] = total
            total += layout.sizes[sort.index]
        self.total = total

    def macros(self) -> list[str]:
        """Definitions that engine.c needs."""
        if not self.sorts:
            return ["#define SYMMETRY 0"]
        sizes = [self.layout.sizes[s.index] for s in self.sorts]
        bits = [(n - 1).bit_length() for n in sizes]
        return [
            "#define SYMMETRY 1",
            f"#define N_MOVED {self.total}",
            f"#define N_KINDS {len(self.sorts)}",
            f"static const int kind_size[N_KINDS] = {{ {', '.join(map(str, sizes))} }};",
            f"static const int kind_first[N_KINDS] = {{ {', '.join(str(self.first[s.index]) for s in self.sorts)} }};",
            f"static const int kind_bits[N_KINDS] = {{ {', '.join(map(str, bits))} }};",
        ]

    def code(self, waits: Continuations) -> list[str]:
        """What stands behind engine.c."""
        if not self.sorts:
            return []
        caller = self.layout.system.caller
        mixing = (
            "static inline u64 mix(u64 a, u64 b) { a = (a ^ (a >> 31)) * 0x9e3779b97f4a7c15ull + b; "
            "return (a ^ (a >> 29)) * 0xbf58476d1ce4e5b9ull; }\n"
            "static inline u64 turn_set(const uint8_t *p, u64 bits) { u64 found = 0; "
            "for (; bits; bits &= bits - 1) found |= BIT(p[__builtin_ctzll(bits)]); return found; }"
        )
        out = [mixing]
        if waits.callers:
            out.append(self._turn_call(waits))
        out.append("static void turned(const struct S *s, const struct turn *t, struct S *d) { *d = *s; (void)t;")
        for f in self.layout.changing:
            out += self._turn_field(f)
        for sort in self._moved_pools():
            out.append(f"d->live{sort.index} = turn_set({self._map(sort)}, s->live{sort.index});")
        if self.layout.locks:
            moves = [(i, self._lock_after(i)) for i in range(len(self.layout.locks))]
            out += [f"d->kept[{after}] = s->kept[{i}];" for i, after in moves if after != str(i)]
        if waits.callers:
            assert caller is not None
            out.append(f"for (int k = 0; k < {waits.callers}; k++) turn_call(&s->c[k], t, &d->c[{self._after(caller, 'k')}]);")
        out.append("}")
        out.append("static void colour_round(const struct S *s, const u64 *c, u64 *sum) { (void)s; (void)c; (void)sum;")
        for f in self.layout.changing:
            out += self._colour_field(f)
        for sort in self._moved_pools():
            size, at = self.layout.sizes[sort.index], self.first[sort.index]
            out.append(f"for (int x = 0; x < {size}; x++) sum[{at} + x] += (s->live{sort.index} >> x & 1) * {self._salt()}u;")
        for i, lock in enumerate(self.layout.locks):
            owner = self._lock_owner(i)
            if owner is not None and self._moves(owner):
                out.append(f"sum[{self.first[owner.index]} + {lock[1]}] += s->kept[{i}] * {self._salt(lock[0])}u;")
        if waits.callers:
            out += self._colour_calls(waits)
        return [*out, "}", RUNTIME.read_text(encoding="utf-8")]

    def data(self, symmetry: Symmetry) -> bytes:
        """The group of an instance, as `luo_symmetry` wants it."""
        out = bytearray()
        for sort in self.sorts:
            group = symmetry.groups[sort.index]
            kind = 0 if group.order == 1 else 1 if group.listed is None else 2
            out += bytes([kind, len(group.listed or ()) & 0xFF, len(group.listed or ()) >> 8, *group.classes])
            for permutation in (group.listed or ()) if kind == 2 else ():
                out += bytes(permutation)
        return bytes(out)

    def turn(self, code: int, identity: Turn) -> Turn:
        """The turn that a code stands for."""
        found = list(identity)
        for sort in self.sorts:
            size = self.layout.sizes[sort.index]
            bits = (size - 1).bit_length()
            found[sort.index] = tuple(code >> bits * x & ((1 << bits) - 1) for x in range(size))
            code >>= bits * size
        return tuple(found)

    # ---- elements -----------------------------------------------------------------------------------------------

    def _moves(self, sort: object) -> bool:
        return isinstance(sort, Sort) and sort.index in self.first

    def _moved_pools(self) -> Iterator[Sort]:
        return (s for s in self.sorts if s.pool)

    def _map(self, sort: Sort) -> str:
        """The images of a sort's elements."""
        return f"t->x + {self.first[sort.index]}" if self.first[sort.index] else "t->x"

    def _after(self, sort: object, x: str) -> str:
        """Where an element comes to stand."""
        if isinstance(sort, Sort) and self._moves(sort):
            first = self.first[sort.index]
            return f"t->x[{first} + {x}]" if first else f"t->x[{x}]"
        return x

    def _colour(self, sort: object, x: str) -> str:
        if isinstance(sort, Sort) and self._moves(sort):
            return f"c[{self.first[sort.index]} + {x}]"
        return f"(u64)({x})"

    def _salt(self, number: int = 0) -> int:
        """A constant that tells the parts of a state apart."""
        return (0x9E3779B1 * (number + 2)) & 0xFFFFFFFF | 1

    def _lock_owner(self, index: int) -> Sort | None:
        system = self.layout.system
        return system.locks[self.layout.locks[index][0] - len(system.fields) - len(system.sorts)].owner

    def _lock_after(self, index: int) -> str:
        """Number of a lock after a turn."""
        cell, owner = self.layout.locks[index], self._lock_owner(index)
        if owner is None or not self._moves(owner):
            return str(index)
        return f"{index - cell[1]} + {self._after(owner, str(cell[1]))}"

    # ---- turning ------------------------------------------------------------------------------------------------

    def _touched(self, f: Field) -> bool:
        moved = isinstance(f.type, ElemT | SetT | SeqT) and self._moves(f.type.sort)
        return moved or any(self._moves(o) for o in f.owners)

    def _loops(self, f: Field) -> str:
        return "".join(f"for (int i{p} = 0; i{p} < {self.layout.size(o)}; i{p}++) " for p, o in enumerate(f.owners))

    def _turn_field(self, f: Field) -> Iterator[str]:
        if not self._touched(f):
            return
        here = self.layout.place(f, "s", [f"i{p}" for p in range(len(f.owners))])
        there = self.layout.place(f, "d", [self._after(o, f"i{p}") for p, o in enumerate(f.owners)])
        yield self._loops(f) + f"{{ {self._turn_value(f.type, here, there)} }}"

    def _turn_value(self, type_: Type, here: str, there: str) -> str:
        match type_:
            case ElemT(sort) if self._moves(sort):
                return f"int v = {here}; {there} = v < 0 ? v : {self._after(sort, 'v')};"
            case SetT(sort) if self._moves(sort):
                return f"{there} = turn_set({self._map(sort)}, {here});"
            case SeqT(sort) if self._moves(sort):
                return f"{there} = {here}; for (int i = 0; i < {here}.n; i++) {there}.x[i] = {self._after(sort, f'{here}.x[i]')};"
        return f"{there} = {here};"

    def _turn_call(self, waits: Continuations) -> str:
        out = ["static void turn_call(const struct C *c, const struct turn *t, struct C *d) { *d = *c; switch (c->pc) {"]
        for stop in waits.stops:
            out.append(f"case {stop.pc}: {{")
            first: dict[int, int] = {}  # where the cells of a field begin
            k = 0
            for part in waits.parts(stop):
                if part.cell is not None:
                    first.setdefault(part.cell[0], k)
                out += self._turn_part(part, k, first)
                k += len(part.items)
            out.append("break; }")
        return "\n".join([*out, "} }"])

    def _turn_part(self, part: Part, k: int, first: dict[int, int]) -> Iterator[str]:
        match part.what:
            case "value":
                yield from self._turn_kept(part, k, first)
            case "live":
                assert part.sort is not None
                if self._moves(part.sort):
                    yield f"d->v[{k}] = (i64)turn_set({self._map(part.sort)}, (u64)c->v[{k}]);"
            case "locks" | "guards":
                step = 1 if part.what == "locks" else 2
                codes = ", ".join(self._lock_after(i) for i in range(len(self.layout.locks)))
                yield (
                    f"{{ int after[] = {{ {codes} }}; for (int i = 0; i < c->v[{k}]; i++) {{ i64 code = c->v[{k + 1} + {step} * i] - 1; "
                    f"d->v[{k + 1} + {step} * i] = 2 * after[code >> 1] + (code & 1) + 1; }} }}"
                )
            case "now":
                assert part.walk is not None
                yield f"if (c->v[{k}]) d->v[{k}] = {self._round_after(part.walk, f'(int)c->v[{k}] - 1')} + 1;"
            case "rounds":
                assert part.walk is not None
                yield f"for (int i = 0; i < c->v[{k}]; i++) d->v[{k + 1} + i] = {self._round_after(part.walk, f'(int)c->v[{k + 1} + i]')};"
                if part.sorted:
                    yield (
                        f"for (int i = 1; i < d->v[{k}]; i++) for (int j = i; j > 0 && d->v[{k + 1} + j] < d->v[{k} + j]; j--) "
                        f"{{ i64 x = d->v[{k + 1} + j]; d->v[{k + 1} + j] = d->v[{k} + j]; d->v[{k} + j] = x; }}"
                    )

    def _turn_kept(self, part: Part, k: int, first: dict[int, int]) -> Iterator[str]:
        """A local, or a cell of the state before the call, which may come to stand elsewhere."""
        to = str(k)
        if part.cell is not None:
            f = self.layout.system.fields[part.cell[0]]
            number = "0"
            for owner, x in zip(f.owners, part.cell[1:], strict=True):
                number = f"({number} * {self.layout.size(owner)} + {self._after(owner, str(x))})"
            to = f"{first[f.index]} + {len(part.items)} * {number}"
        elif not (isinstance(part.type, ElemT | SetT | SeqT) and self._moves(part.type.sort)):
            return
        match part.type:
            case ElemT(sort) if self._moves(sort):
                yield f"d->v[{to}] = c->v[{k}] ? {self._after(sort, f'c->v[{k}] - 1')} + 1 : 0;"
            case SetT(sort) if self._moves(sort):
                yield f"d->v[{to}] = (i64)turn_set({self._map(sort)}, (u64)c->v[{k}]);"
            case SeqT(sort):
                size = self.layout.sizes[sort.index]
                image = self._after(sort, f"c->v[{k + 1} + i]")
                yield f"d->v[{to}] = c->v[{k}];"
                yield f"for (int i = 0; i < {size}; i++) d->v[{to} + 1 + i] = i < c->v[{k}] ? {image} : 0;"
            case _:
                yield f"d->v[{to}] = c->v[{k}];"

    def _round_after(self, walk: Walk, code: str) -> str:
        """The number of a walk's element after a turn."""
        sorts = [st.sort_walked(b) for b in walk.stmt.binders]
        text, below = "0", 1
        parts: list[str] = []
        for sort, size in zip(reversed(sorts), reversed(walk.sizes), strict=True):
            digit = f"({code}) / {below} % {size}"
            parts.append(self._after(sort, digit))
            below *= size
        for part, size in zip(reversed(parts), walk.sizes, strict=True):
            text = f"({text} * {size} + {part})"
        return text

    # ---- colours ------------------------------------------------------------------------------------------------

    def _colour_field(self, f: Field) -> Iterator[str]:
        if not self._touched(f):
            return
        here = self.layout.place(f, "s", [f"i{p}" for p in range(len(f.owners))])
        about = f"{self._salt(f.index)}u"
        for p, owner in enumerate(f.owners):
            about = f"mix({about}, {self._colour(owner, f'i{p}')})"
        body: list[str] = []
        members: list[str] = []
        match f.type:
            case SetT(sort):
                body.append(f"if (!{here}) continue; u64 said = 0;")
                each = f"for (u64 bits = {here}; bits; bits &= bits - 1) {{ int x = __builtin_ctzll(bits); "
                body.append(each + f"said += mix({self._colour(sort, 'x')}, 7); }} u64 h = mix({about}, said);")
                if self._moves(sort):
                    members.append(each + f"sum[{self.first[sort.index]} + x] += mix(h, 8); }}")
            case SeqT(sort):
                body.append(f"if (!{here}.n) continue; u64 h = {about};")
                body.append(f"for (int i = 0; i < {here}.n; i++) h = mix(h, {self._colour(sort, f'{here}.x[i]')});")
                if self._moves(sort):
                    members.append(
                        f"for (int i = 0; i < {here}.n; i++) sum[{self.first[sort.index]} + {here}.x[i]] += mix(h, 9 + i);"
                    )
            case _:
                said = "(u64)v"
                body.append(f"int v = {here}; if (v == {self.layout.default(f)}) continue;")
                if isinstance(f.type, ElemT):
                    said = f"(v < 0 ? 1 : {self._colour(f.type.sort, 'v')})"
                    if self._moves(f.type.sort):
                        members.append(f"if (v >= 0) sum[{self.first[f.type.sort.index]} + v] += mix(h, 8);")
                body.append(f"u64 h = mix({about}, {said});")
        for p, owner in enumerate(f.owners):
            if isinstance(owner, Sort) and self._moves(owner):
                members.append(f"sum[{self.first[owner.index]} + i{p}] += mix(h, {p + 1});")
        inner = " ".join([*body, *members])
        yield f"{self._loops(f)}{{ {inner} }}" if f.owners else f"do {{ {inner} }} while (0);"

    def _colour_calls(self, waits: Continuations) -> Iterator[str]:
        """Where a caller is, and the elements that its locals name; what else it keeps is left to the comparison of whole states."""
        caller = self.layout.system.caller
        assert caller is not None
        yield f"for (int k = 0; k < {waits.callers}; k++) {{ const struct C *call = &s->c[k]; if (!call->pc) continue;"
        yield f"u64 h = mix({self._salt(len(self.layout.system.fields))}u, mix({self._colour(caller, 'k')}, (u64)call->pc)); (void)h;"
        mine = f"sum[{self.first[caller.index]} + k] += " if self._moves(caller) else ""
        yield f"{mine}h; switch (call->pc) {{" if mine else "switch (call->pc) {"
        for stop in waits.stops:
            yield f"case {stop.pc}:"
            k = 0
            for part in waits.parts(stop):
                if part.what == "value" and part.cell is None and isinstance(part.type, ElemT) and self._moves(part.type.sort):
                    x = f"{self.first[part.type.sort.index]} + call->v[{k}] - 1"
                    told = f"{mine}mix(c[{x}], {k + 16});" if mine else ""
                    yield f"if (call->v[{k}]) {{ sum[{x}] += mix(h, {k + 16}); {told} }}"
                k += len(part.items)
            yield "break;"
        yield "} }"
