"""Open files and the tables of descriptors that lead to them, as far as the recording tells.

An entry of a table is an open file, surely free, or missing: unknown.  What a recorder cannot show, such as a dup in a recording without
that call, makes entries stale; the callers here say what they know, and a contradiction means that the number was given up in between.
Two nodes can be the same open file where the recording does not tell them apart; one node is never two.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from luocheck.model.abi import DEVICE
from luocheck.traces.call import Moment


@dataclass(slots=True, eq=False)
class Node:
    """An open file.  target, label and pointer are None as long as nothing showed them."""

    target: str | None
    label: bytes | None = None
    pointer: int | None = None
    released: bool = False


@dataclass(slots=True, eq=False)
class Entry:
    """node is None for a number that is surely free.  since: when this was learnt; used: the latest call through this number."""

    node: Node | None
    since: Moment
    used: Moment
    sure: bool = True  # the way by which the number came to be was recorded


@dataclass(slots=True)
class Table:
    entries: dict[int, Entry] = field(default_factory=dict)
    loose: list[Node] = field(default_factory=list)  # opened, under a number that was not shown

    def nodes(self) -> tuple[Node, ...]:
        """The open files that the table leads to."""
        return (*(e.node for e in self.entries.values() if e.node is not None), *self.loose)

    def holds(self, node: Node) -> bool:
        return node in self.loose or any(e.node is node for e in self.entries.values())


@dataclass(frozen=True, slots=True)
class Given:
    """What is known about the file behind a number beside the number."""

    target: str | None = None
    label: bytes | None = None
    pointer: int | None = None

    def agrees(self, node: Node) -> bool:
        """Can `node` be that file?"""
        if self.pointer is not None and node.pointer is not None:
            return self.pointer == node.pointer
        same_target = self.target is None or node.target is None or self.target == node.target
        return same_target and (self.label is None or node.label is None or self.label == node.label)

    def tell(self, node: Node) -> None:
        node.target = self.target if node.target is None else node.target
        node.label = self.label if node.label is None else node.label
        node.pointer = self.pointer if node.pointer is None else node.pointer


class Descriptors:
    """All tables.  complete: the recording shows closes, so that an entry stays right until one is seen."""

    def __init__(self, complete: bool) -> None:
        self.complete = complete
        self.tables: dict[int, Table] = {}
        self.alive: dict[Node, None] = {}

    def table(self, process: int) -> Table:
        found = self.tables.get(process)
        if found is None:
            found = self.tables[process] = Table()
        return found

    def new(self, given: Given) -> Node:
        node = Node(given.target, given.label, given.pointer)
        self.alive[node] = None
        return node

    def look(self, process: int, number: int) -> Entry | None:
        return self.table(process).entries.get(number)

    def bind(self, process: int, number: int, node: Node, moment: Moment, *, sure: bool = True) -> Entry | None:
        """Let `number` mean `node`; returns the entry that was there when it still led to another open file."""
        table = self.table(process)
        old = table.entries.get(number)
        table.entries[number] = Entry(node, moment, moment, sure)
        if node in table.loose:
            table.loose.remove(node)
        return old if old is not None and old.node is not None and old.node is not node and not old.node.released else None

    def close(self, process: int, number: int, moment: Moment) -> tuple[Node | None, bool]:
        """Free `number`: what it led to, and whether it was the last descriptor of that in the process."""
        table = self.table(process)
        old = table.entries.get(number)
        table.entries[number] = Entry(None, moment, moment)
        if old is None or old.node is None:
            return None, False
        return old.node, not table.holds(old.node)

    def unknown(self, process: int, number: int) -> None:
        self.table(process).entries.pop(number, None)

    def candidates(self, given: Given) -> list[Node]:
        """Open files that can be meant when the number says nothing."""
        if given.pointer is not None:
            exact = [n for n in self.alive if n.pointer == given.pointer]
            if exact:
                return exact
        if given.target is None:
            return []
        return [n for n in self.alive if n.target == given.target and n.label == given.label and given.agrees(n)]

    def identify(self, process: int, given: Given) -> Node | None:
        """The open file that a call is about when its number does not say it: by its address, its label, or as the only one of its kind.

        None when that leaves more than one, or none.  Objects without a label are never told apart that way.
        """
        loose = [n for n in self.table(process).loose if given.agrees(n) and (given.target is None or n.target == given.target)]
        found = self.candidates(given)
        if given.pointer is None and given.label is None and given.target != DEVICE:
            return None
        if len(loose) == 1 and (loose[0] in found or not found):
            found = loose
        if len(found) > 1:
            found = [n for n in found if self.table(process).holds(n)]
        if len(found) != 1:
            return None
        given.tell(found[0])
        return found[0]

    def forget_unsure(self, process: int) -> None:
        """The process got a number that was not shown: it may be any that looked taken before."""
        entries = self.table(process).entries
        for number in [n for n, e in entries.items() if not e.sure]:
            del entries[number]

    def fork(self, parent: int, child: int) -> None:
        """Copy the table."""
        table = self.table(parent)
        self.tables[child] = Table({n: Entry(e.node, e.since, e.used, e.sure) for n, e in table.entries.items()}, list(table.loose))

    def execute(self, process: int) -> None:
        """Another program: which descriptors it keeps is not known."""
        self.tables[process] = Table()

    def exit(self, process: int) -> None:
        self.tables.pop(process, None)

    def forget(self) -> None:
        """After lost events numbers may mean anything; the open files themselves can still be recognised by what is shown of them."""
        self.tables.clear()

    def release(self, node: Node) -> None:
        node.released = True
        node.pointer = None
        self.alive.pop(node, None)
        for table in self.tables.values():
            if node in table.loose:
                table.loose.remove(node)
            for number in [n for n, e in table.entries.items() if e.node is node]:
                del table.entries[number]
