"""Values of typed dataclasses as JSON, and back.  Reading checks every type: a checkpoint may come from anywhere."""

from __future__ import annotations

import dataclasses
import hashlib
import types
import typing
from collections.abc import Iterator
from enum import Enum, EnumType
from typing import Any

from luocheck.model.ir.system import System
from luocheck.model.source import NOWHERE, Source, Span


class NotPlain(Exception):
    """A JSON value that is not one of the type that was wanted."""


def sources_of(system: System) -> list[Source]:
    """All texts that a system was made from, in an order that depends on nothing but the texts."""
    found: dict[int, Source] = {}
    seen: set[int] = set()
    todo: list[Any] = [system]
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Source):
            if value.text:
                found[id(value)] = value
        elif dataclasses.is_dataclass(value):
            todo += [getattr(value, each.name) for each in dataclasses.fields(value)]
        elif isinstance(value, dict):
            todo += [*value.keys(), *value.values()]
        elif isinstance(value, tuple | list | set | frozenset):
            todo += value
    return sorted(found.values(), key=digest)


def digest(source: Source) -> str:
    """What a text is known by: its name may differ between two machines."""
    return hashlib.sha256(source.text.encode("utf-8", "surrogatepass")).hexdigest()


class Plain:
    """Writes and reads values; a place in one of the texts is the number of the text, and two offsets."""

    def __init__(self, sources: list[Source]) -> None:
        self.sources = sources
        self.numbers = {id(source): number for number, source in enumerate(sources)}

    def write(self, value: Any) -> Any:
        """A dataclass, collection or scalar as JSON."""
        match value:
            case Enum():
                return value.name
            case None | bool() | int() | float() | str():
                return value
            case Span():
                number = self.numbers.get(id(value.source))
                return None if number is None else [number, value.start, value.end]
            case set():
                return sorted(value)
            case dict():
                return {key: self.write(each) for key, each in value.items()}
            case tuple() | list():
                return [self.write(each) for each in value]
        assert dataclasses.is_dataclass(value), type(value)
        return {each.name: self.write(getattr(value, each.name)) for each in dataclasses.fields(value)}

    def read(self, hint: Any, value: Any) -> Any:
        """The value of a type.  Raises NotPlain."""
        if hint is Span:
            return self._span(value)
        if hint in (str, int, bool, float):
            return _checked(value, hint)
        if isinstance(hint, EnumType):
            if _checked(value, str) not in hint.__members__:
                raise NotPlain
            return hint[value]
        if dataclasses.is_dataclass(hint):
            given = _checked(value, dict)
            hints = typing.get_type_hints(hint)
            if given.keys() != hints.keys():
                raise NotPlain
            return hint(**{name: self.read(each, given[name]) for name, each in hints.items()})  # type: ignore[operator]
        kind, inside = typing.get_origin(hint), typing.get_args(hint)
        if kind is types.UnionType:
            (other,) = (each for each in inside if each is not types.NoneType)
            return None if value is None else self.read(other, value)
        if kind is dict:
            return {_checked(key, str): self.read(inside[1], each) for key, each in _checked(value, dict).items()}
        assert kind in (tuple, list, set), hint
        return kind(self._items(inside, _checked(value, list)))

    def _items(self, inside: tuple[Any, ...], values: list[Any]) -> Iterator[Any]:
        """The items of a collection: all of one type, or those of a tuple that says the type of each."""
        if len(inside) > 1 and inside[1] is not Ellipsis:
            if len(inside) != len(values):
                raise NotPlain
            for hint, value in zip(inside, values, strict=True):
                yield self.read(hint, value)
            return
        for value in values:
            yield self.read(inside[0], value)

    def _span(self, value: Any) -> Span:
        if value is None:
            return NOWHERE
        number, start, end = self.read(tuple[int, int, int], value)
        if not 0 <= number < len(self.sources) or not 0 <= start <= end <= len(self.sources[number].text):
            raise NotPlain
        return Span(self.sources[number], start, end)


def _checked(value: Any, hint: type) -> Any:
    if type(value) is not hint:
        raise NotPlain
    return value
