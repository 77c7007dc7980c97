"""The C text of a store: its types, what sequences and locks do, elements that come and go, kexec, packing, and the data of an instance."""

from __future__ import annotations

from luocheck.checker.native.continuations import Continuations
from luocheck.checker.native.layout import Layout, Piece, indices
from luocheck.model.instances import Instance
from luocheck.model.ir.vocabulary import ElemT, SeqT, SetT, Sort, Type
from luocheck.model.semantics.lifetimes import survivors


class StoreText:
    """Writes the parts of the program that a scope alone determines.  `callers`: how many may be in the middle of a call."""

    def __init__(self, layout: Layout, callers: int) -> None:
        self.layout = layout
        self.system = layout.system
        self.callers = callers

    def _size(self, sort: Sort) -> int:
        return self.layout.sizes[sort.index]

    def sequences(self) -> list[str]:
        return [f"typedef struct {{ uint8_t n; uint8_t x[{max(1, self._size(s))}]; }} Q{s.index};" for s in self.system.sorts]

    def graphs(self) -> list[str]:
        out = ["struct G {", "int nothing;"]
        for graph in self.system.graphs:
            size = max(1, self._size(graph.sort))
            out.append(f"u64 edge{graph.index}[{size}]; u64 closure{graph.index}[{size}]; uint8_t order{graph.index}[{size}];")
        out += [f"{self.layout.ctype(f.type)} f{f.index}{self.layout.dims(f)};" for f in self.layout.fixed]
        return [*out, "};"]

    def state(self) -> list[str]:
        out = ["struct S {"]
        out += [f"{self.layout.ctype(f.type)} f{f.index}{self.layout.dims(f)};" for f in self.layout.changing]
        out += [f"u64 live{sort.index};" for sort in self.system.sorts if sort.pool]
        if self.layout.locks:
            out.append(f"uint8_t kept[{len(self.layout.locks)}];")
        if self.callers:
            out.append(f"struct C c[{self.callers}];")
        return [*out, "char nothing;", "};"]

    def sequence_code(self) -> list[str]:
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

    def locks(self, waits: Continuations) -> list[str]:
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

    def idle(self) -> str:
        inside = f"for (int i = 0; i < {self.callers}; i++) if (s->c[i].pc) return 0;" if self.callers else "(void)s;"
        one = "return who < 0 || !s->c[who].pc;" if self.callers else "(void)s; (void)who; return 1;"
        return (
            f"static inline int idle(const struct S *s) {{ {inside} return 1; }} "
            f"static inline int idle_caller(const struct S *s, int who) {{ {one} }}"
        )

    def defaults(self) -> str:
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

    def pools(self, waits: Continuations) -> list[str]:
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

    def after_reboot(self) -> str:
        """What the interpreter's `after_reboot` keeps."""
        fields, sorts = survivors(self.system)
        out = ["static void after_reboot(struct R *r, struct S *s) { struct S d; (void)r; defaults(&d);"]
        out += [f"memcpy(&d.f{f.index}, &s->f{f.index}, sizeof d.f{f.index});" for f in self.layout.changing if f.index in fields]
        out += [f"d.live{s.index} = s->live{s.index};" for s in self.system.sorts if s.pool and s.index in sorts]
        return " ".join([*out, "*s = d; }"])

    # ---- packing ------------------------------------------------------------------------------------------------

    def packing(self, pieces: list[Piece], waits: Continuations) -> list[str]:
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

    # ---- data of an instance ------------------------------------------------------------------------------------

    def load(self) -> str:
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
