"""A spec in one scope as a Promela model that stands alone: SPIN finds the same states and the same broken claims.

One process tries every event with all its arguments.  A call is one `atomic`, and everything that only a call needs is set back at its end,
so that what SPIN stores are the states between calls, and one more: the one before anything was chosen.  A call without an outcome (a
`cut`, a wait, a panic) goes back to that one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from luocheck.checker.export import members, walks
from luocheck.checker.export.cells import Cells
from luocheck.checker.export.claims import Claims, translated
from luocheck.checker.export.events import Events
from luocheck.checker.export.lifetimes import Lifetimes
from luocheck.checker.export.refusal import refuse
from luocheck.checker.export.starts import Starts
from luocheck.checker.export.writer import NONE, Writer, words
from luocheck.model.diagnostics import Diagnostic, Severity
from luocheck.model.ir.system import Kind, Property, Scope, System, Topology

_WORD = re.compile(r"\w+")
_NOTED = re.compile(r"broke\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Export:
    """The text of a model, how many starting points it has, the claims that it decides, and those that it cannot, as warnings."""

    text: str
    starts: int
    claims: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]

    MARK: ClassVar[str] = "Made by `luocheck export`"


def promela(
    system: System, scope: Scope, topology: Topology | None = None, *, graph: int | None = None, symmetry: bool = True
) -> Export:
    """The model of one scope.

    graph: only the starting points of this graph, counted from 1 in the order in which they are explored.  symmetry: one starting point
    of those that differ only by names.  Raises SpecError LUO520 for what cannot be translated, LUO522 for a model that is too large, LUO603
    for a graph that there is not, LUO604 when the scope has no starting point.
    """
    for event in system.events:
        if event.name in scope.stepwise:
            refuse(
                f"`{event.name}`, which scope `{scope.name}` cuts into steps,", event.span, help="use a scope without `stepwise`"
            )
    starts = Starts(system, scope, topology, graph, symmetry)
    return _Model(Cells(starts.first), starts).export()


def _not_translated(claim: Property) -> Diagnostic:
    help = "`luocheck check` decides it" if claim.kind is not Kind.LIVENESS else ""
    message = f"`{claim.name}` is about whole runs, and is left out of the model"
    return Diagnostic("LUO521", message, claim.span, help=help, severity=Severity.WARNING)


class _Model:
    def __init__(self, cells: Cells, starts: Starts) -> None:
        self.cells = cells
        self.system = cells.system
        self.starts = starts
        self.w = Writer()
        self.claims = Claims(cells, self.w)
        self.events = Events(cells, starts, self.claims, self.w)

    def export(self) -> Export:
        self.w.depth = 2
        events = [self.events.event(None), *(text for event in self.system.events if (text := self.events.event(event)))]
        lifetimes = Lifetimes(self.cells, self.starts)
        shared = [*self._check_states(), *lifetimes.frees(), *lifetimes.after_reboot(), *lifetimes.nothing_yet()]
        code = [
            *shared,
            "active proctype luo() {",
            "end:  /* that nothing more can happen is no error */",
            "   do",
            *(line for text in events for line in text),
            "   od",
            "}",
        ]
        used = words(code)
        macros = [text for text in (members.MACROS, walks.MACROS) if used & _defined(text)]
        lines = [
            *self._head(),
            *self._constants(),
            "",
            "/* ---- state ---- */",
            *self.starts.declared(),
            *self.cells.declared(),
            "",
            "/* ---- a call that is made: all of this is 0 or NONE between calls ---- */",
            *self._declared(used),
            "",
            *macros,
            *code,
        ]
        left_out = [claim for claim in self.system.properties if not translated(claim) and claim.kind is not Kind.BUILT_IN]
        warnings = tuple(_not_translated(claim) for claim in left_out)
        return Export("\n".join(lines) + "\n", self.starts.count, tuple(self.claims.numbers), warnings)

    # ---- what stands first --------------------------------------------------------------------------------------

    def _head(self) -> list[str]:
        scope, topology = self.cells.instance.scope, self.cells.instance.topology
        where = f"scope {scope.name}" + (f", topology {topology.name}" if topology is not None else "")
        left_out = [claim.name for claim in self.system.properties if not translated(claim)]
        return [
            f"/* {self.system.name}, {where}: {self.starts.count} starting point{'' if self.starts.count == 1 else 's'}.  {Export.MARK}.",
            "",
            "   States:       spin -a -o2 MODEL && cc -O1 -DSAFETY -o pan pan.c && ./pan -m1000000",
            "   One claim:    spin -a -o2 -DPROPERTY=NAME MODEL, then the same; an error is a run that breaks it (or reaches it)",
            "   All claims:   spin -a -o2 -DREPORT MODEL && cc -O1 -DSAFETY -DPRINTF -o pan pan.c && ./pan -m1000000 | sort -u",
            "",
            *([f"   Left out: {', '.join(left_out)}"] if left_out else []),
            "*/",
        ]

    def _constants(self) -> list[str]:
        out = [f"#define {NONE} 255  /* no element, or nothing yet */"]
        for enum in self.system.enums:
            out += [f"#define {self.cells.member(enum, i)} {i}" for i in range(len(enum.members))]
        out += [f"#define {self.cells.errno(name)} {i}" for i, name in enumerate(self.cells.errnos)]
        out += [f"#define {self.cells.label(name)} {i}" for i, name in enumerate(self.cells.labels)]
        out += [f"#define CLAIM_{name} {number}" for name, number in self.claims.numbers.items()]
        out += [
            "#define SPEC_ERROR assert(false)",
            "#ifdef PROPERTY",
            "#define JOIN_(a, b) a##b",
            "#define JOIN(a, b) JOIN_(a, b)",
            "#if JOIN(CLAIM_, PROPERTY) == 0",
            "#error the model does not have this claim",
            "#endif",
            "#define ASKED(claim) (claim == JOIN(CLAIM_, PROPERTY))",
            "#define BROKEN(claim, text) assert(!ASKED(claim))",
            "#elif defined(REPORT)",
            "#define ASKED(claim) true",
            "#define BROKEN(claim, text) printf(text)",
            "#else",
            "#define ASKED(claim) false",
            "#define BROKEN(claim, text) skip",
            "#endif",
        ]
        return out

    def _declared(self, used: set[str]) -> list[str]:
        cells = self.cells
        out = ["byte err;", "byte lab;", "int item_;", "byte k_;", "short at_;"]
        if "copy_" in used:
            out.append(f"byte copy_[{max(1, *cells.sizes)}];")
        if "broke" in used:
            out.append(f"bool broke[{len(self.claims.numbers) + 1}];")
        if cells.locks:
            out.append(f"byte held[{cells.locks}];  /* how often shared, or 100 for exclusively */")
        out += [f"{text};" for name, text in self.events.variables.items() if name in used]
        for f in self.system.fields:
            if cells.array(f, "o") in used:
                out.append(cells.declaration(f, "o") + ";  /* before the call */")
        for sort in self.system.sorts:
            if f"o_alive_{sort.name}" in used:
                out.append(f"bool o_alive_{sort.name}[{max(1, cells.sizes[sort.index])}];")
        return out

    # ---- shared code --------------------------------------------------------------------------------------------

    def _check_states(self) -> list[str]:
        self.w.depth = 2
        with self.w.captured() as out:
            self.claims.of_states()
        return ["inline check_states() {", "   d_step {", *out, "      skip", "   }", "}"]


def _defined(macros: str) -> set[str]:
    """The names that a text of macros defines."""
    return set(re.findall(r"#define (\w+)", macros))
