"""Formulas of propositional logic, as a graph of and-gates with shared nodes (an and-inverter graph).

A formula is a number: twice the number of a node, plus one when it is negated.  Equal formulas get the same number, and constants fold,
so that what cannot happen costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

Lit = int
"""A formula: the number of a node times two, plus one when it is negated."""

FALSE: Lit = 0
TRUE: Lit = 1


OFTEN = 1 << 14
"""Nodes that are made between two polls."""


class Gates:
    """The nodes of all formulas of one question.  Node 0 is the constant `false`; an input has no operands.

    poll: called now and then while formulas are made; what it raises ends the work.
    """

    def __init__(self, poll: Callable[[], None] = lambda: None) -> None:
        self.poll = poll
        self.left: list[Lit] = [-1]
        self.right: list[Lit] = [-1]
        self._known: dict[tuple[Lit, Lit], Lit] = {}

    def __len__(self) -> int:
        return len(self.left)

    def input(self) -> Lit:
        """A new variable."""
        self.left.append(-1)
        self.right.append(-1)
        return 2 * len(self.left) - 2

    def is_input(self, node: int) -> bool:
        return self.left[node] < 0

    def and_(self, a: Lit, b: Lit) -> Lit:
        if a > b:
            a, b = b, a
        if a == FALSE or a ^ b == 1:
            return FALSE
        if a in (TRUE, b):
            return b
        known = self._known.get((a, b))
        if known is not None:
            return known
        node = b >> 1
        x, y = self.left[node], self.right[node]  # -1 for an input, which equals nothing
        if b & 1:
            if a in (x ^ 1, y ^ 1) and x >= 0:  # a is false in the conjunction that b denies
                return a
            if a == x:
                return self.and_(a, y ^ 1)
            if a == y:
                return self.and_(a, x ^ 1)
        elif x >= 0:
            if a in (x, y):
                return b
            if a in (x ^ 1, y ^ 1):
                return FALSE
        made = 2 * len(self.left)
        self.left.append(a)
        self.right.append(b)
        self._known[a, b] = made
        if not len(self.left) % OFTEN:
            self.poll()
        return made

    def or_(self, a: Lit, b: Lit) -> Lit:
        return self.and_(a ^ 1, b ^ 1) ^ 1

    def any_of(self, lits: Iterable[Lit]) -> Lit:
        """The disjunction, balanced so that it is not deep."""
        left = list(lits)
        while len(left) > 1:
            left = [self.or_(left[i], left[i + 1]) if i + 1 < len(left) else left[i] for i in range(0, len(left), 2)]
        return left[0] if left else FALSE

    def all_of(self, lits: Iterable[Lit]) -> Lit:
        return self.any_of(lit ^ 1 for lit in lits) ^ 1

    def mux(self, choice: Lit, yes: Lit, no: Lit) -> Lit:
        """`yes` where `choice` is true, `no` elsewhere."""
        if yes == no:
            return yes
        if choice in (TRUE, FALSE):
            return yes if choice else no
        return self.or_(self.and_(choice, yes), self.and_(choice ^ 1, no))

    def cone(self, roots: Iterable[Lit]) -> list[int]:
        """The nodes that formulas consist of, operands first (a node is always made after its operands)."""
        found: set[int] = set()
        todo = [root >> 1 for root in roots]
        while todo:
            node = todo.pop()
            if node in found:
                continue
            found.add(node)
            if self.left[node] >= 0:
                todo += (self.left[node] >> 1, self.right[node] >> 1)
        return sorted(found)


class Valuation:
    """The values of formulas when the inputs have given values; an input without one is false."""

    def __init__(self, gates: Gates, inputs: Mapping[int, bool]) -> None:
        """`inputs`: by node."""
        self.gates = gates
        self.inputs = inputs
        self.known: dict[int, bool] = {0: False}

    def __call__(self, lit: Lit) -> bool:
        known = self.known.get(lit >> 1)
        if known is None:
            for node in self.gates.cone([lit]):
                if node not in self.known:
                    self.known[node] = self._value(node)
            known = self.known[lit >> 1]
        return known != bool(lit & 1)

    def _value(self, node: int) -> bool:
        left, right = self.gates.left[node], self.gates.right[node]
        if left < 0:
            return self.inputs.get(node, False)
        return self.known[left >> 1] != bool(left & 1) and self.known[right >> 1] != bool(right & 1)
