"""Promela of what happens to the whole state: an element dies, kexec, and the return to the state before anything was chosen."""

from __future__ import annotations

from luocheck.checker.export.cells import Cells
from luocheck.checker.export.starts import Starts
from luocheck.checker.export.writer import assigned
from luocheck.model.ir.vocabulary import Field, Lifetime, Sort
from luocheck.model.semantics.lifetimes import survivors


class Lifetimes:
    """Writes the `inline`s that change many cells."""

    def __init__(self, cells: Cells, starts: Starts) -> None:
        self.cells = cells
        self.starts = starts

    def frees(self) -> list[str]:
        """What `free` does.  The element is no argument: SPIN takes no array element as one."""
        out: list[str] = []
        for sort in self.cells.system.sorts:
            if not sort.pool:
                continue
            lines = [f"{self.cells.alive(sort, 'at_')} = false;"]
            for f in self.cells.system.fields:
                if f.lifetime is Lifetime.FIXED or sort not in f.owners:
                    continue
                for position in [p for p, o in enumerate(f.owners) if o is sort]:
                    for owners in self.cells.owners(f):
                        if owners[position] == 0:
                            texts = [str(x) if p != position else "at_" for p, x in enumerate(owners)]
                            lines.append(assigned(self.cells.positions(f, texts), self.cells.default(f)))
            out += [
                f"inline free_{sort.name}() {{  /* the element at_ */",
                "   d_step {",
                *(f"      {line}" for line in lines),
                "      at_ = 0",
                "   }",
                "}",
            ]
        return out

    def after_reboot(self) -> list[str]:
        """What kexec does to the state."""
        system = self.cells.system
        fields, sorts = survivors(system)
        lines = [
            assigned(self._cells(f), self.cells.default(f))
            for f in system.fields
            if f.index not in fields and f.lifetime is not Lifetime.FIXED
        ]
        lines += [assigned(self._lives(sort), "false") for sort in system.sorts if sort.pool and sort.index not in sorts]
        lines += [f"kept[{lock}] = 0;" for lock in range(self.cells.locks)]
        return ["inline after_reboot() {", "   d_step {", *(f"      {line}" for line in lines if line), "      skip", "   }", "}"]

    def _cells(self, field: Field) -> list[str]:
        """All places of a field.  What stands for the cells of a sort without elements is none of them, and always 0."""
        return [place for owners in self.cells.owners(field) for place in self.cells.positions(field, [str(x) for x in owners])]

    def _lives(self, sort: Sort) -> list[str]:
        return [self.cells.alive(sort, str(x)) for x in range(self.cells.sizes[sort.index])]

    def nothing_yet(self) -> list[str]:
        """The state before anything is chosen: everything is 0."""
        lines = self.starts.cleared()
        lines += [assigned(self._cells(f), "0") for f in self.cells.system.fields]
        lines += [assigned(self._lives(sort), "false") for sort in self.cells.system.sorts if sort.pool]
        lines += [f"kept[{lock}] = 0;" for lock in range(self.cells.locks)]
        return ["inline nothing_yet() {", "   d_step {", *(f"      {line}" for line in lines if line), "      skip", "   }", "}"]
