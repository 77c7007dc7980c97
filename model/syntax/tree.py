"""What every node of the syntax tree has, and the table from the grammar's rules to the classes that are built from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, dataclass_transform

from luocheck.model.source import Span


@dataclass(frozen=True, slots=True)
class Node:
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Name(Node):
    """An identifier in the text."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A string literal, without its quotes."""

    text: str


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number literal: decimal, `1e4`, or hexadecimal."""

    value: int
    hexadecimal: bool = field(default=False, compare=False)


BY_RULE: dict[str, type[Node]] = {}
"""Rule or alias of the grammar -> class that is built from its children."""

_T = TypeVar("_T", bound=type)


@dataclass_transform(frozen_default=True)
def rule(name: str) -> Callable[[_T], _T]:
    def register(cls: _T) -> _T:
        made: Any = dataclass(frozen=True, slots=True)(cls)
        BY_RULE[name] = made
        return made  # type: ignore[no-any-return]

    return register
