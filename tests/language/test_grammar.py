"""The grammar as a whole: its conflicts, and which of its words can be names."""

from __future__ import annotations

import logging
import re

import pytest
from lark import Lark, logger

from luocheck.model.diagnostics import SpecError
from luocheck.model.errnos import GENERIC
from luocheck.model.resolve.symbols import BUILT_IN_FUNCTIONS, RESERVED
from luocheck.model.source import Source
from luocheck.model.spec import load_source
from luocheck.model.syntax import nodes
from luocheck.model.syntax.grammar import grammar_text, keywords, lark
from luocheck.model.syntax.nodes import BY_RULE
from luocheck.model.syntax.parser import BLOCK_KEYWORDS, DECLARATION_KEYWORDS


def test_conflicts_are_known() -> None:
    """Each is settled as a shift, and each is one sentence of the reference.  (A reduce/reduce conflict would be an exception of Lark.)

    A quantifier's body extends as far right as it can: `and`, `or` and `=>` after it belong to the body.
    A comma after `unchanged except x` belongs to the exceptions.
    """
    seen: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())  # type: ignore[method-assign]
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        Lark(grammar_text(), start=["header", "decl", "expr"], parser="lalr", maybe_placeholders=True, debug=True)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    symbols = {terminal.name: terminal.pattern.value for terminal in lark().terminals}
    conflicts = [symbols[m.group(1)] for m in (re.search(r"Shift/Reduce conflict for terminal (\w+)", s) for s in seen) if m]
    assert sorted(conflicts) == [",", ",", "=>", "and", "and", "or"]


def test_every_rule_makes_a_node() -> None:
    """Every class of nodes.py that is made from a rule belongs to a rule or alias of the grammar."""
    made = {str(rule.alias or rule.origin.name) for rule in lark().rules}
    assert set(BY_RULE) <= made
    assert {cls for cls in BY_RULE.values()} >= {nodes.Run, nodes.ExpectStates, nodes.AbiIoctl}


def test_declarations_begin_with_known_words() -> None:
    """The parser cuts a text into declarations by the words that begin one."""
    first = {"spec"}
    todo, seen = ["decl"], set()
    while todo:
        origin = todo.pop()
        seen.add(origin)
        for rule in lark().rules:
            if rule.origin.name == origin:
                symbol = rule.expansion[0]
                if symbol.is_term:
                    first.add(next(t.pattern.value for t in lark().terminals if t.name == symbol.name))
                elif symbol.name not in seen:
                    todo.append(symbol.name)
    assert first == DECLARATION_KEYWORDS
    assert BLOCK_KEYWORDS < DECLARATION_KEYWORDS


# ---- words as names ---------------------------------------------------------------------------------------------

PLACES = {
    "sort": "sort W symmetric; scope a { W = 1 } per W { volatile f: bool; } env E(x: W) { x.f = true; } invariant I: all x: W | x.f;",
    "enum": "enum W { A, B } volatile var b: W = W.A; scope a { } invariant I: b == W.A;",
    "member": "enum M { W, B } volatile var b: M = W; scope a { } env E { b = W; } invariant I: b == W and b in { W, B };",
    "field": "sort S; scope a { S = 1 } per S { volatile W: bool; } env E(x: S) { x.W = not x.W; } invariant I: all x: S | x.W;",
    "variable": "volatile var W: bool; scope a { } env E { W = not W; if W { skip; } } invariant I: W; after E check J: unchanged except W;",
    "parameter": "sort S; scope a { S = 1 } per S { volatile f: bool; } proc p(W: S) { W.f = true; } env E(W: S) { run p(W); W.f = W.f; }",
    "local": "sort S; scope a { S = 1 } env E(a: S) { let W = a; choose x: S where x == W; } invariant I: all W: S | W == W;",
    "result": "sort S; scope a { S = 1 } env E gives W: S { choose W: S; } after E returns OK check I: W != none;",
    "event": 'scope a { } env W { skip; } never W returns EIO; on W returns OK { skip; } scenario "s" { W() = OK; }',
    "claim": "scope a { } invariant W: true; expect { W holds; }",
    "assert": "scope a { } env E { assert W: true; } expect { W holds; }",
    "define": "scope a { } define W = true; define d(b: bool) = W; invariant I: W and d(W);",
    "proc": "scope a { } proc W() { skip; } env E { run W(); }",
    "walk": "sort S; scope a { S = 1 } walk W() over s: S in any order { skip; } env E { run W(); }",
    "scope": 'scope W { } invariant I: true; expect { I holds in scope W; } scenario "s" in scope W { }',
    "lock": "mutex W; scope a { } env E { lock W; unlock W; }",
    "graph": "sort S; graph W on S; scope a { S = 1 } invariant I: all x: S | W(x, x) or W+(x, x);",
    "topology": "sort S; graph g on S; scope a { S = 1 } topology W { x: S; y: S; x -> y; } invariant I: true; expect { I holds in topology W; }",
}


def errors_with(word: str, place: str) -> list[str]:
    text = "spec x;\n" + re.sub(r"\bW\b", word, PLACES[place])
    try:
        load_source(Source("test.luo", text))
    except SpecError as error:
        return [d.code for d in error.diagnostics if d.severity.value == "error"]
    return []


@pytest.mark.parametrize("place", PLACES)
def test_an_ordinary_word_can_stand_there(place: str) -> None:
    assert errors_with("a_name", place) == []


@pytest.mark.parametrize("word", sorted(keywords() - RESERVED))
def test_other_words_can_be_names(word: str) -> None:
    assert {place: found for place in PLACES if (found := errors_with(word, place))} == {}


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_reserved_words_cannot_be_names(word: str) -> None:
    """The resolver says so, unless the parser has stumbled over the word before."""
    assert [place for place in PLACES if not {"LUO100", "LUO106"} & set(errors_with(word, place))] == []


def test_reserved_words_are_words_of_the_language() -> None:
    assert RESERVED - keywords() == (BUILT_IN_FUNCTIONS - keywords()) | {"idle", "OK", "PANIC"}
    assert not RESERVED & set(GENERIC)
