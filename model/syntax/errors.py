"""What Lark could not parse, said in the words of somebody who writes C."""

from __future__ import annotations

import re
from typing import Any

from lark import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from luocheck.model.diagnostics import Diagnostics, did_you_mean
from luocheck.model.source import Source, Span
from luocheck.model.syntax.grammar import lark

LEXEME = re.compile(r"//[^\n]*|\"[^\"\n]*\"|[A-Za-z_][A-Za-z0-9_]*|[{}();]|\S")
"""A comment, a string, a word, or one character; spaces are between them."""

_FOREIGN = {
    "&": "write `and`",
    "|": "write `or`",
    "!": "write `not`",
    "?": "`?` stands after a sort only, as in `Session?`",
    "'": "strings stand in double quotes",
    '"': "this string has no closing quote on its line",
    "/": "comments begin with `//`; there is no division",
    "*": "there is no multiplication and no pointer in a spec",
    "%": "there is no remainder in a spec",
    "#": "comments begin with `//`",
    "[": "write `f(s, t)` for a field of a pair, `e in q` for a member",
    "->": "write `s.open` for a field; `->` stands between elements of a topology",
    "-": "write `->` between elements of a topology; minus stands between two numbers",
}


def report(error: UnexpectedInput, source: Source, start: int, end: int, diagnostics: Diagnostics) -> None:
    if isinstance(error, UnexpectedCharacters):
        position: Any = error.pos_in_stream
        char = source.text[position]
        if _would_be_keyword_clash(error, position, source, diagnostics):
            return
        diagnostics.error(
            "LUO101",
            f"`{char}` cannot stand here",
            Span(source, position, position + 1),
            label="unexpected character",
            help=_FOREIGN.get(char, ""),
        )
        return
    assert isinstance(error, UnexpectedToken)
    token = error.token
    accepts = set(error.accepts or error.expected)
    foreign = _FOREIGN.get(str(token))
    if token.type == "$END":
        _report_end(source, start, end, accepts, diagnostics)
        return
    assert token.start_pos is not None and token.end_pos is not None
    span = Span(source, token.start_pos, token.end_pos)
    if token == "=" and _accepts_word(accepts, "=="):
        diagnostics.error(
            "LUO103", "`=` assigns; compare with `==`", span, label="here", help="write `==`, or `in { A, B }` for one of several"
        )
        return
    if foreign:
        diagnostics.error("LUO101", f"`{token}` cannot stand here", span, label="unexpected", help=foreign)
        return
    previous = _end_of_previous(source, token.start_pos, start)
    if "SEMICOLON" in accepts and (source.place(previous)[0] < span.line or token == "}"):
        place = Span(source, max(start, previous - 1), previous)
        diagnostics.error("LUO102", "`;` is missing at the end of this line", place, label="after this")
        return
    if "NAME" in accepts and token.type != "NAME" and str(token).isidentifier():
        diagnostics.error(
            "LUO106",
            f"`{token}` is a keyword and cannot be a name",
            span,
            label="keyword",
            help=f"call it `{token}_` or another word",
        )
        return
    expected = _expected_words(accepts)
    near = did_you_mean(str(token), [w for w in _plain_words(accepts)]) if str(token).isidentifier() else ""
    diagnostics.error(
        "LUO100",
        f"`{_shorten(str(token))}` cannot stand here; expected {expected}",
        span,
        label="unexpected",
        help=near,
    )


def _would_be_keyword_clash(error: UnexpectedCharacters, position: int, source: Source, diagnostics: Diagnostics) -> bool:
    """The contextual lexer reports a word that no terminal of this place matches as a bad character."""
    word = re.compile(r"[A-Za-z_0-9]+").match(source.text, position)
    if word is None:
        return False
    span = Span(source, word.start(), word.end())
    previous = _end_of_previous(source, span.start, 0)
    accepts = set(error.allowed or ())
    if "SEMICOLON" in accepts and source.place(previous)[0] < span.line:
        diagnostics.error(
            "LUO102", "`;` is missing at the end of this line", Span(source, previous - 1, previous), label="after this"
        )
        return True
    near = did_you_mean(word.group(), _plain_words(accepts))
    diagnostics.error(
        "LUO100",
        f"`{_shorten(word.group())}` cannot stand here; expected {_expected_words(accepts)}",
        span,
        label="unexpected",
        help=near,
    )
    return True


def _report_end(source: Source, start: int, end: int, accepts: set[str], diagnostics: Diagnostics) -> None:
    place = Span(source, max(start, end - 1), end)
    opened = source.text.count("{", start, end) - source.text.count("}", start, end)
    if opened > 0:
        diagnostics.error(
            "LUO107", "`}` is missing: this declaration is never closed", Span(source, start, word_end(source, start))
        )
    elif "SEMICOLON" in accepts:
        diagnostics.error("LUO102", "`;` is missing at the end of this declaration", place, label="after this")
    else:
        diagnostics.error("LUO100", f"this ends too early; expected {_expected_words(accepts)}", place, label="ends here")


def word_end(source: Source, start: int) -> int:
    """End of the word that begins at an offset."""
    match = re.compile(r"\S+").match(source.text, start)
    return match.end() if match else min(start + 1, len(source.text))


def _end_of_previous(source: Source, position: int, start: int) -> int:
    """Offset just after the last character before `position` that belongs to no comment and no space."""
    end = start
    for match in LEXEME.finditer(source.text, start, position):
        if not match.group().startswith("//"):
            end = match.end()
    return end


def _accepts_word(accepts: set[str], text: str) -> bool:
    return text in {t.pattern.value for t in lark().terminals if t.name in accepts}


def _plain_words(accepts: set[str]) -> list[str]:
    return sorted(t.pattern.value for t in lark().terminals if t.name in accepts and t.pattern.type == "str")


_KINDS = {
    "a statement": {"fail", "require", "run", "choose", "let", "append", "if", "guard", "stop", "skip"},
    "an expression": {"not", "all", "some", "old", "none", "true", "(", "{"},
    "an operator": {"==", "!=", "<", "<=", "+", "-"},
}
"""What the words of a kind stand for: where all of them could stand, the kind is named instead of the words."""
_BELONGING = {
    "a statement": {
        "panic",
        "cut",
        "await",
        "find",
        "add",
        "remove",
        "new",
        "free",
        "forall",
        "assert",
        "lock",
        "unlock",
        "release",
        "keep",
    }
    | {"reboot", "step", "arguments"},
    "an expression": {"no", "number", "unchanged", "false"},
    "an operator": {">=", ">", "in", "and", "or", "=>", ".", "not"},
}


def _expected_words(accepts: set[str]) -> str:
    named = {"NAME": "a name", "NUMBER": "a number", "STRING": "a string", "$END": "the end of the file"}
    plain = set(_plain_words(accepts))
    kinds: list[str] = []
    for kind, words in _KINDS.items():
        if words <= plain:
            kinds.append(kind)
            plain -= words | _BELONGING[kind]
    if kinds:
        named = {"STRING": "a string"}
    shown = kinds + [named[a] for a in sorted(accepts & named.keys())] + [f"`{word}`" for word in sorted(plain)]
    if not shown:
        return "something else"
    if len(shown) > 8:
        return ", ".join(shown[:7]) + " or another word"
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " or " + shown[-1]


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
