"""Lines of Promela, indented, and the constants and operators that are folded while they are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

NONE = "NONE"
"""What stands for `none`, and for a local that is not set."""

_EQUAL = re.compile(r"\(([^()=&|]*) == ([^()=&|]*)\)")
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"-?\d+")


class Writer:
    """Collects statements."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.depth = 0
        self.labels = 0

    def emit(self, line: str) -> None:
        self.out.append("   " * self.depth + line)

    def fresh(self) -> str:
        """A label that nothing else has."""
        self.labels += 1
        return f"L{self.labels}"

    def label(self, name: str) -> None:
        self.emit(f"{name}: skip;")

    @contextmanager
    def captured(self) -> Iterator[list[str]]:
        """What is written meanwhile goes to a list of its own."""
        saved, self.out = self.out, []
        inner = self.out
        try:
            yield inner
        finally:
            self.out = saved

    @contextmanager
    def block(self, head: str, tail: str) -> Iterator[None]:
        """Lines between a head and a tail, further in."""
        self.emit(head)
        with self.deeper():
            yield
        self.emit(tail)

    @contextmanager
    def deeper(self) -> Iterator[None]:
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    @contextmanager
    def step(self) -> Iterator[None]:
        """Statements without a choice or a jump, which SPIN executes as one."""
        with self.block("d_step {", "};"):
            yield

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """Statements that are executed when a condition holds."""
        self.emit("if")
        self.emit(f":: {'true' if condition == '1' else condition} ->")
        with self.deeper():
            yield
        self.emit(":: else")
        self.emit("fi;")

    @contextmanager
    def repeat(self, variable: str, count: int | str) -> Iterator[None]:
        """A loop whose variable takes 0 to count - 1; it is `count` afterwards."""
        self.emit(f"{variable} = 0;")
        self.emit("do")
        self.emit(f":: {variable} < {count} ->")
        with self.deeper():
            yield
            self.emit(f"{variable}++")
        self.emit(":: else -> break")
        self.emit("od;")

    def options(self, options: Iterable[tuple[str, str]], otherwise: str | None = None) -> None:
        """A choice between statements: each with the condition under which it can be taken."""
        self.emit("if")
        for condition, statement in options:
            self.emit(f":: {condition} -> {statement}" if condition != "1" else f":: {statement}")
        if otherwise is not None:
            self.emit(f":: else -> {otherwise}")
        self.emit("fi;")


def is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def negated(text: str) -> str:
    """The opposite of a truth value, which is an atom or stands in brackets."""
    if text in ("0", "1"):
        return "1" if text == "0" else "0"
    if text.startswith("!"):
        return text[1:]
    same = _EQUAL.fullmatch(text)
    return f"({same[1]} != {same[2]})" if same else f"!{text}"


def conjunction(terms: Iterable[str]) -> str:
    """All of some truth values."""
    left = [term for term in terms if term != "1"]
    if "0" in left:
        return "0"
    return _joined(left, " && ", "1")


def disjunction(terms: Iterable[str]) -> str:
    """One of some truth values at least."""
    left = [term for term in terms if term != "0"]
    if "1" in left:
        return "1"
    return _joined(left, " || ", "0")


def _joined(terms: list[str], operator: str, empty: str) -> str:
    if len(terms) <= 1:
        return terms[0] if terms else empty
    return f"({operator.join(terms)})"


def equal(left: str, right: str) -> str:
    """Are two scalars the same?"""
    if left == right:
        return "1"
    if (is_number(left) and is_number(right)) or ({left, right} & {NONE} and (is_number(left) or is_number(right))):
        return "0"
    return f"({left} == {right})"


def bit(mask: str, position: str) -> str:
    """Is an element in a set?"""
    return f"(({mask} >> {position}) & 1)"


def with_bit(position: str) -> str:
    """The set of one element."""
    return str(1 << int(position)) if is_number(position) else f"(1 << {position})"


def offset(indices: Iterable[str], sizes: Iterable[int]) -> str:
    """Number of a cell in an array that stands for several dimensions."""
    text = "0"
    for index, size in zip(indices, sizes, strict=True):
        text = added(scaled(text, size), index)
    return text


def scaled(text: str, factor: int) -> str:
    if is_number(text):
        return str(int(text) * factor)
    return text if factor == 1 else f"{text} * {factor}" if text.isidentifier() else f"({text}) * {factor}"


def added(left: str, right: str) -> str:
    if is_number(left) and is_number(right):
        return str(int(left) + int(right))
    if left == "0":
        return right
    return left if right == "0" else f"{left} + {right}"


def assigned(places: Iterable[str], value: str) -> str:
    """Statements that give one value to several places."""
    return " ".join(f"{place} = {value};" for place in places)


def words(lines: Iterable[str]) -> set[str]:
    """All names and numbers in a text."""
    return {word for line in lines for word in _WORD.findall(line)}
