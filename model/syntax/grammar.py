"""The grammar of .luo as Lark reads it, and the words that it uses."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

from lark import Lark


@lru_cache(maxsize=1)
def grammar_text() -> str:
    return resources.files("luocheck.model.syntax").joinpath("grammar.lark").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def lark() -> Lark:
    return Lark(grammar_text(), start=["header", "decl", "expr"], parser="lalr", maybe_placeholders=True, propagate_positions=True)


@lru_cache(maxsize=1)
def keywords() -> frozenset[str]:
    """Every word that the grammar uses as a keyword somewhere."""
    words = (t.pattern.value for t in lark().terminals if t.pattern.type == "str")
    return frozenset(word for word in words if word.isidentifier())
