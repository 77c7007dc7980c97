"""`format_text`: the canonical form of spec texts.

Texts for the round trip are drawn from the grammar itself, so a rule that is added to grammar.lark is covered without touching this file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some
from lark.grammar import NonTerminal, Rule, Symbol, Terminal

from luocheck.model.diagnostics import Diagnostics, SpecError
from luocheck.model.source import Source
from luocheck.model.syntax.grammar import lark
from luocheck.model.syntax.layout import WIDTH
from luocheck.model.syntax.nodes import Decl, SpecText
from luocheck.model.syntax.parser import parse, parse_declarations
from luocheck.model.syntax.printer import format_text

ROOT = Path(__file__).parents[2]
SPECS = sorted([*ROOT.glob("specs/*.luo"), *ROOT.glob("tests/specs/**/*.luo")])


def formatted(text: str) -> str:
    return format_text(Source("test.luo", text))


def tree(text: str) -> SpecText | None:
    return parse(Source("test.luo", text), Diagnostics())


def comments(text: str) -> list[str]:
    return [each.rstrip() for each in re.findall(r"//[^\n]*|\"[^\"\n]*\"", text) if each.startswith("//")]


def check_round_trip(text: str) -> str:
    """The form of a text has the same tree and the same comments in the same order, and is its own form."""
    found = tree(text)
    assert found is not None
    out = formatted(text)
    assert tree(out) == found
    assert comments(out) == comments(text)
    assert formatted(out) == out
    return out


# ---- golden cases -----------------------------------------------------------------------------------------------

GOLDEN = {
    "spaces": (
        'spec   x   extends y"t" ;\nenum E{A,B=0x1F,}\nsort  S   symmetric pool;',
        'spec x extends y "t";\nenum E { A, B = 0x1F }\nsort S symmetric pool;\n',
    ),
    "empty_lines": ("\n\nspec x;\n\n\n\nsort S;\nsort T;\n\n", "spec x;\n\nsort S;\nsort T;\n"),
    "no_parentheses": (
        "spec x;\nenv E() { }\ndefine d() = true;\nproc p() { }\nenv F { run p(); }",
        "spec x;\nenv E { }\ndefine d = true;\nproc p() { }\nenv F { run p(); }\n",
    ),
    "scope": (
        "spec x;\nscope a { S = 1, T = 2, }\nscope b { S = 1; }\nscope c { S = 1; stepwise E, F }",
        "spec x;\nscope a { S = 1, T = 2 }\nscope b { S = 1 }\nscope c { S = 1; stepwise E, F; }\n",
    ),
    "one_line_stays": (
        "spec x;\nenv E { a = 1;   b = 2; }\nenv F { a = 1;\n  b = 2; }",
        "spec x;\nenv E { a = 1; b = 2; }\nenv F {\n    a = 1;\n    b = 2;\n}\n",
    ),
    "branches_stand_alike": (
        "spec x;\nenv E {\nif c { a = 1; } else {\n b = 2; }\n}",
        "spec x;\nenv E {\n    if c {\n        a = 1;\n    } else {\n        b = 2;\n    }\n}\n",
    ),
    "comments": (
        "// first\nspec x; // header\n/// doc\nenv E { // opens\n  // above\n  a = 1;  // beside\n\n  // before the end\n}\n// last",
        "// first\nspec x;  // header\n/// doc\nenv E {  // opens\n    // above\n    a = 1;  // beside\n\n    // before the end\n}\n// last\n",
    ),
    "comments_in_a_column": (
        "spec x;\nsort S; // a\nsort Long; // b\n\nsort T; // c",
        "spec x;\nsort S;     // a\nsort Long;  // b\n\nsort T;  // c\n",
    ),
    "comment_in_an_expression": (
        "spec x;\ninvariant I: a // one\n and b\n // two\n and c;",
        "spec x;\ninvariant I:\n    a  // one\n    and b\n    // two\n    and c;\n",
    ),
    "comment_at_a_dropped_comma": ("spec x;\nenum E {\n A, B, // why\n}", "spec x;\nenum E {\n    A,\n    B  // why\n}\n"),
    "long_and": (
        'spec x;\ninvariant I "doc": '
        + " and ".join(f"condition_number_{i}" for i in range(6))
        + " => all s: S | s.first_field == s.second_field;",
        'spec x;\ninvariant I "doc":\n    condition_number_0\n    and condition_number_1\n    and condition_number_2\n'
        "    and condition_number_3\n    and condition_number_4\n    and condition_number_5 =>\n"
        "        all s: S | s.first_field == s.second_field;\n",
    ),
    "long_list": (
        "spec x;\nenv E { require state in { " + ", ".join(f"A_LONG_MEMBER_NAME_{i}" for i in range(5)) + " }; }",
        "spec x;\nenv E {\n    require state in {\n        A_LONG_MEMBER_NAME_0,\n        A_LONG_MEMBER_NAME_1,\n"
        "        A_LONG_MEMBER_NAME_2,\n        A_LONG_MEMBER_NAME_3,\n        A_LONG_MEMBER_NAME_4\n    };\n}\n",
    ),
    "walk": (
        "spec x;\nwalk w(s:S)over e in s.q where e.ok reversed{step;rollback visited reversed{e.ok=false;}}",
        "spec x;\nwalk w(s: S) over e in s.q where e.ok reversed { step; rollback visited reversed { e.ok = false; } }\n",
    ),
    "abi": (
        'spec x;\nabi { device "/d" { nr 0x00..0x3F; fork,dup , pass P; magic 0xba; } ioctl I 0xBA01 on S{size;u8 n[64]in p;} errno E={EIO}; }',
        'spec x;\nabi {\n    device "/d" { nr 0x00..0x3F; fork, dup, pass P; magic 0xba; }\n'
        "    ioctl I 0xBA01 on S { size; u8 n[64] in p; }\n    errno E = { EIO };\n}\n",
    ),
    "numbers": ("spec x;\nexpect { states 1e4..0x2710; }", "spec x;\nexpect { states 1e4..0x2710; }\n"),
    "crlf": ("spec x;\r\n// c\r\nsort S;\r\n", "spec x;\n// c\nsort S;\n"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    text, wanted = GOLDEN[name]
    assert check_round_trip(text) == wanted


@pytest.mark.parametrize("path", SPECS, ids=lambda p: str(p.relative_to(ROOT)))
def test_specs_survive(path: Path) -> None:
    out = check_round_trip(path.read_text(encoding="utf-8"))
    for line in out.splitlines():
        assert len(line) <= WIDTH or "//" in line or '"' in line or line.startswith("    ioctl "), line


def test_declarations_without_a_header() -> None:
    text = 'scenario   "s" in scope a {\n let a: A; // one\n OPEN( a ) = OK gives s;\n  X(_,1,none,true) blocks; }\n'
    wanted = 'scenario "s" in scope a {\n    let a: A;  // one\n    OPEN(a) = OK gives s;\n    X(_, 1, none, true) blocks;\n}\n'
    assert formatted(text) == wanted
    assert formatted(wanted) == wanted
    before, after = (parse_declarations(Source("s.luo", each), Diagnostics()) for each in (text, wanted))
    assert before == after != ()


@pytest.mark.parametrize("text", ["", "\n\n", "// only a comment\n"])
def test_nothing_to_format(text: str) -> None:
    assert formatted(text) == text.lstrip("\n")


def test_syntax_errors_are_reported() -> None:
    with pytest.raises(SpecError) as caught:
        formatted("spec x;\nsort S\nenum E { A\n")
    assert [d.code for d in caught.value.diagnostics] == ["LUO102", "LUO107"]


# ---- every rule of the grammar ----------------------------------------------------------------------------------

NAMES = ("x", "File", "EBUSY", "a_name_that_is_not_short", "visited_all", "i")
TERMINALS = {
    "NUMBER": ("0", "7", "0x1F", "0XaB", "1e4", "65535"),
    "STRING": ('""', '"a title"', '"braces { } ; // inside"'),
    "CLOSURE": ("needs+", "a_graph+"),
    "TRUE": ("true",),
    "FALSE": ("false",),
    "NAME": NAMES,
}


@cache
def rules_of(origin: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in lark().rules if rule.origin.name == origin)


@cache
def sizes() -> dict[str, int]:
    """Tokens of the shortest text of each rule."""
    found: dict[str, int] = {}
    while True:
        before = dict(found)
        for rule in lark().rules:
            if all(s.is_term or s.name in found for s in rule.expansion):
                size = sum(1 if s.is_term else found[s.name] for s in rule.expansion)
                found[rule.origin.name] = min(size, found.get(rule.origin.name, size))
        if found == before:
            return found


def size_of(symbols: Sequence[Symbol]) -> int:
    return sum(1 if s.is_term else sizes()[s.name] for s in symbols)


def spelling(terminal: str) -> tuple[str, ...]:
    if terminal in TERMINALS:
        return TERMINALS[terminal]
    return (next(t.pattern.value for t in lark().terminals if t.name == terminal),)


def tokens(draw: some.DrawFn, origin: str, budget: int) -> Iterator[str]:
    """Tokens of a text of a rule; the longer alternatives are drawn while the budget lasts."""
    fitting = [rule for rule in rules_of(origin) if size_of(rule.expansion) <= budget]
    rules = fitting or [min(rules_of(origin), key=lambda rule: size_of(rule.expansion))]
    rule = draw(some.sampled_from(rules))
    spare = budget - size_of(rule.expansion)
    for symbol in rule.expansion:
        if symbol.is_term:
            yield draw(some.sampled_from(spelling(symbol.name)))
        else:
            yield from tokens(draw, symbol.name, sizes()[symbol.name] + spare)


SPACE = (" ", " ", " ", " ", "\n", "\n\n\n", "\t", " // c\n", "\n// own line\n", ' /// doc ; { } "\n\n', "\r\n")


@some.composite
def spec_texts(draw: some.DrawFn) -> str:
    """A spec of drawn declarations, with drawn spaces and comments between its tokens."""
    all_tokens = [*tokens(draw, "header", 6)]
    for _ in range(draw(some.integers(1, 4))):
        all_tokens += tokens(draw, "decl", draw(some.integers(8, 60)))
    return joined(all_tokens, [draw(some.sampled_from(SPACE)) for _ in all_tokens])


def joined(all_tokens: Sequence[str], spaces: Sequence[str]) -> str:
    return "".join(
        token if token.endswith("+") and len(token) > 1 else token + space for token, space in zip(all_tokens, spaces, strict=True)
    )


@settings(max_examples=100, deadline=None)
@given(spec_texts())
def test_drawn_texts_survive(text: str) -> None:
    diagnostics = Diagnostics()
    assume(parse(Source("test.luo", text), diagnostics) is not None and not diagnostics.errors)
    check_round_trip(text)


def shortest(symbol: Symbol) -> list[str]:
    if symbol.is_term:
        return [spelling(symbol.name)[0]]
    rule = min(rules_of(symbol.name), key=lambda rule: size_of(rule.expansion))
    return [token for s in rule.expansion for token in shortest(s)]


@cache
def context_of(origin: str) -> tuple[tuple[Symbol, ...], tuple[Symbol, ...]]:
    """What stands before and after a rule in a short declaration."""
    if origin in ("decl", "header"):
        return (), ()
    best: tuple[tuple[Symbol, ...], tuple[Symbol, ...]] | None = None
    seen, waiting = {origin}, [(origin, (), ())]
    while waiting:
        name, before, after = waiting.pop(0)
        for rule in lark().rules:
            for index, symbol in enumerate(rule.expansion):
                if symbol.name == name and not symbol.is_term and rule.origin.name not in seen:
                    seen.add(rule.origin.name)
                    made = (rule.origin.name, (*rule.expansion[:index], *before), (*after, *rule.expansion[index + 1 :]))
                    if rule.origin.name in ("decl", "header"):
                        best = best or (made[1], made[2])
                    waiting.append(made)
    assert best is not None, origin
    return best


def text_with(rule: Rule) -> str:
    """A short spec whose one declaration uses a rule of the grammar."""
    before, after = context_of(rule.origin.name)
    symbols = [*before, *rule.expansion, *after]
    all_tokens = [token for symbol in symbols for token in shortest(symbol)]
    in_header = rule.origin.name in ("header", "_list", "start") or (all_tokens and all_tokens[0] == "spec")
    return joined([*([] if in_header else ["spec", "x", ";"]), *all_tokens], [" "] * (len(all_tokens) + (0 if in_header else 3)))


def _rule_name(rule: Rule) -> str:
    return f"{rule.origin.name}: {' '.join(s.name for s in rule.expansion)}"


@pytest.mark.parametrize("rule", [r for r in lark().rules if not r.origin.name.startswith("$")], ids=_rule_name)
def test_every_rule_survives(rule: Rule) -> None:
    text = text_with(rule)
    diagnostics = Diagnostics()
    found = parse(Source("test.luo", text), diagnostics)
    assert found is not None and not diagnostics.errors, f"{text}\n{diagnostics.errors}"
    check_round_trip(text)


def test_the_rules_are_all_there() -> None:
    assert len(lark().rules) > 250
    assert {NonTerminal("decl"), Terminal("NAME")} <= {s for rule in lark().rules for s in (rule.origin, *rule.expansion)}
    assert issubclass(SpecText, object) and Decl.__subclasses__()
