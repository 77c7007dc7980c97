"""Text to syntax tree.

A file is cut into declarations by counting braces before Lark sees it, and each declaration is parsed on its own.  So one run reports
a syntax error in every declaration that has one, and all other declarations still reach the later passes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from lark import Lark, TextSlice, Token, Transformer, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.visitors import v_args

from luocheck.model.diagnostics import Diagnostics, did_you_mean
from luocheck.model.source import Source, Span
from luocheck.model.syntax import nodes
from luocheck.model.syntax.nodes import BY_RULE, Decl, Expr, Header, Name, Node, Number, SpecText, Text

MAX_TEXT = 4_000_000
"""Characters of the longest text that is read (the shipped specs have about 30,000)."""
MAX_NESTING = 200
"""Deepest nesting of parentheses and braces."""

BLOCK_KEYWORDS = frozenset(
    ["enum", "extend", "per", "proc", "walk", "ioctl", "syscall", "env", "boot", "scope", "topology", "patch", "scenario", "expect", "abi", "on", "override"]
)
STATEMENT_KEYWORDS = frozenset(
    ["spec", "sort", "graph", "rwlock", "mutex", "volatile", "preserved", "ghost", "fixed", "define", "invariant", "lemma", "reachable", "after", "at", "never", "recoverable", "liveness", "remove"]
)
DECLARATION_KEYWORDS = BLOCK_KEYWORDS | STATEMENT_KEYWORDS

_LISTS = frozenset(
    ["enum_members", "sort_attributes", "fields", "binders", "params", "stmts", "scope_bounds", "bounds", "edits", "scenario_items", "scenario_args", "expectations", "abi_items", "handle_targets", "abi_clauses", "abi_words", "abi_fields", "assumptions", "topology_body", "names", "exprs", "quantified", "except"]
)
_FIRST_CHILD = frozenset(["where", "label", "returns"])
_WORDS = frozenset(
    ["sort_attribute", "lifetime", "event_kind", "lock_kind", "rollback_extent", "removable", "patchable", "quantifier_kind", "compare_op", "sum_op"]
)
_PUNCTUATION = {
    "comma": ",",
    "equals": "=",
    "dots": "..",
    "word_release": "release",
    "word_with": "with",
    "word_in": "in",
    "word_shared": "shared",
}


@lru_cache(maxsize=1)
def grammar_text() -> str:
    return resources.files("luocheck.model.syntax").joinpath("grammar.lark").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _lark() -> Lark:
    return Lark(grammar_text(), start=["header", "decl", "expr"], parser="lalr", maybe_placeholders=True, propagate_positions=True)


@lru_cache(maxsize=1)
def keywords() -> frozenset[str]:
    """Every word that the grammar uses as a keyword somewhere."""
    words = (t.pattern.value for t in _lark().terminals if t.pattern.type == "str")
    return frozenset(word for word in words if word.isidentifier())


def parse(source: Source, diagnostics: Diagnostics) -> SpecText | None:
    """The syntax tree of a spec.  Syntax errors go to `diagnostics`; declarations with an error are left out.

    Returns None when not even the header could be read.
    """
    if not _readable(source, diagnostics):
        return None
    header: Header | None = None
    declarations: list[Decl] = []
    pieces = list(_declarations(source, diagnostics))
    for start, end in pieces:
        is_header = re.match(r"spec\b", source.text[start:end]) is not None
        if is_header and header is not None:
            diagnostics.error("LUO104", "a file has one `spec` line, and this is the second", Span(source, start, end))
            continue
        tree = _parse_piece(source, start, end, "header" if is_header else "decl", diagnostics)
        if isinstance(tree, Header):
            if start != pieces[0][0]:
                diagnostics.error("LUO104", "the `spec` line must come first", tree.span)
            header = tree
        elif isinstance(tree, Decl):
            declarations.append(tree)
    if header is None:
        if not diagnostics.errors:
            help = "begin the file with `spec NAME;`"
            what = "this text is empty" if not pieces else "this text does not begin with a `spec` line"
            diagnostics.error("LUO104", what, Span(source, 0, min(1, len(source.text))), help=help)
        return None
    return SpecText(Span(source, 0, len(source.text)), header, tuple(declarations))


def parse_declarations(source: Source, diagnostics: Diagnostics) -> tuple[Decl, ...]:
    """The declarations of a text without a `spec` line (a saved scenario)."""
    if not _readable(source, diagnostics):
        return ()
    found = (_parse_piece(source, a, b, "decl", diagnostics) for a, b in list(_declarations(source, diagnostics)))
    return tuple(tree for tree in found if isinstance(tree, Decl))


def parse_expression(source: Source, diagnostics: Diagnostics) -> Expr | None:
    """A single expression, as given on the command line."""
    if not _readable(source, diagnostics):
        return None
    text = source.text
    start = len(text) - len(text.lstrip())
    tree = _parse_piece(source, start, max(start, len(text.rstrip())), "expr", diagnostics)
    return tree if isinstance(tree, Expr) else None


def _readable(source: Source, diagnostics: Diagnostics) -> bool:
    if len(source.text) > MAX_TEXT:
        diagnostics.error(
            "LUO105", f"this text has {len(source.text):,} characters, more than the {MAX_TEXT:,} that are read", Span(source, 0, 1)
        )
        return False
    bad = re.search(r"[\x00\udc80-\udcff]", source.text)
    if bad:
        diagnostics.error(
            "LUO105", "this is not a UTF-8 text file", Span(source, bad.start(), bad.end()), help="is it a spec at all?"
        )
        return False
    return True


_LEXEME = re.compile(r"//[^\n]*|\"[^\"\n]*\"|[A-Za-z_][A-Za-z0-9_]*|[{}();]|\S")


def _declarations(source: Source, diagnostics: Diagnostics) -> Iterator[tuple[int, int]]:
    """Ranges of the top-level declarations.

    A declaration ends at a `;` outside of braces, or at a `}` that closes the outermost brace when a declaration (or nothing) follows.
    Where braces do not balance, a declaration's keyword in the first column starts a new one.
    """
    text = source.text
    lexemes = [(m.group(), m.start(), m.end()) for m in _LEXEME.finditer(text) if not m.group().startswith("//")]
    balanced = sum((word == "{") - (word == "}") for word, _, _ in lexemes) == 0
    depth = nesting = 0
    begin: int | None = None
    end = 0
    for index, (word, start, stop) in enumerate(lexemes):
        first_column = start == 0 or text[start - 1] == "\n"
        if begin is not None and depth > 0 and not balanced and first_column and word in DECLARATION_KEYWORDS:
            yield begin, end
            begin, depth, nesting = None, 0, 0
        if begin is None:
            begin = start
        end = stop
        depth += (word == "{") - (word == "}")
        nesting += (word in "{(") - (word in "})")
        if nesting > MAX_NESTING:
            diagnostics.error("LUO105", f"nested more than {MAX_NESTING} deep", Span(source, start, stop))
            return
        following = lexemes[index + 1][0] if index + 1 < len(lexemes) else None
        closes = word == "}" and depth <= 0 and (following is None or following in DECLARATION_KEYWORDS or following == "}")
        if closes or (word == ";" and depth <= 0):
            yield begin, end
            begin, depth, nesting = None, 0, 0
    if begin is not None:
        yield begin, end


def _parse_piece(source: Source, start: int, end: int, rule: str, diagnostics: Diagnostics) -> Node | None:
    try:
        tree = _lark().parse(TextSlice(source.text, start, end), start=rule)  # type: ignore[arg-type]
    except UnexpectedInput as error:
        _report(error, source, start, end, diagnostics)
        return None
    made = _Builder(source).transform(tree)
    assert isinstance(made, Node)
    return made


# ---- tree building ----------------------------------------------------------------------------------------------


@v_args(meta=True)
class _Builder(Transformer):  # type: ignore[type-arg]
    """Lark tree to the classes of `nodes`, by the name of the rule."""

    def __init__(self, source: Source) -> None:
        super().__init__(visit_tokens=True)
        self.source = source

    def _span(self, meta: Any) -> Span:
        return Span(self.source, 0, 0) if meta.empty else Span(self.source, meta.start_pos, meta.end_pos)

    def __default_token__(self, token: Token) -> Any:
        assert token.start_pos is not None and token.end_pos is not None
        span = Span(self.source, token.start_pos, token.end_pos)
        match token.type:
            case "NAME":
                return Name(span, str(token))
            case "CLOSURE":
                return Name(Span(self.source, span.start, span.end - 1), str(token)[:-1])
            case "STRING":
                return Text(span, str(token)[1:-1])
            case "NUMBER":
                return _number(span, str(token))
            case "TRUE" | "FALSE":
                return nodes.BoolExpr(span, token.type == "TRUE")
        return token

    def __default__(self, data: Any, children: list[Any], meta: Any) -> Any:
        rule = str(data)
        span = self._span(meta)
        if rule in ("yes", "no"):
            return rule == "yes"
        if rule in _PUNCTUATION:
            return Name(span, _PUNCTUATION[rule])
        if rule in _WORDS:
            return str(children[0])
        if rule == "abi_target":
            child = children[0]
            return child if isinstance(child, Name) else Name(span, str(child))
        if rule == "number_expr":
            return nodes.NumberExpr(span, children[0].value)
        if rule in _FIRST_CHILD or rule == "number":
            return children[0]
        if rule in _LISTS:
            return tuple(child for child in children if child is not None)
        made = BY_RULE.get(rule)
        if made is None:
            return children[0] if len(children) == 1 else Tree(rule, children, meta)
        return made(span, *_no_missing_lists(made, children))


def _number(span: Span, text: str) -> Number:
    if text[:2].lower() == "0x":
        return Number(span, int(text, 16) if len(text) <= 18 else 1 << 64, True)
    digits, _, exponent = text.partition("e")
    if len(digits) > 18 or (exponent and len(exponent) > 2):
        return Number(span, 1 << 64)
    return Number(span, int(digits) * 10 ** int(exponent or 0))


@cache
def _list_fields(cls: type[Node]) -> tuple[bool, ...]:
    return tuple(str(f.type).startswith("tuple") for f in dataclasses.fields(cls) if f.name != "span")


def _no_missing_lists(cls: type[Node], children: Iterable[Any]) -> Iterator[Any]:
    for child, is_list in zip(children, _list_fields(cls), strict=True):
        yield () if child is None and is_list else child


# ---- syntax errors ----------------------------------------------------------------------------------------------

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
    "-": "write `->` between elements of a topology; minus stands between two numbers",
}


def _report(error: UnexpectedInput, source: Source, start: int, end: int, diagnostics: Diagnostics) -> None:
    if isinstance(error, UnexpectedCharacters):
        position = error.pos_in_stream
        char = source.text[position]
        if _would_be_keyword_clash(error, source, diagnostics):
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
    if token.type == "$END":
        _report_end(source, start, end, accepts, diagnostics)
        return
    assert token.start_pos is not None and token.end_pos is not None
    span = Span(source, token.start_pos, token.end_pos)
    if token == "=" and {"__ANON_3", "CMP"} | accepts and _accepts_word(accepts, "=="):
        diagnostics.error(
            "LUO103", "`=` assigns; compare with `==`", span, label="here", help="write `==`, or `in { A, B }` for one of several"
        )
        return
    previous = _end_of_previous(source, token.start_pos, start)
    if "SEMICOLON" in accepts and source.place(previous)[0] < span.line:
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


def _would_be_keyword_clash(error: UnexpectedCharacters, source: Source, diagnostics: Diagnostics) -> bool:
    """The contextual lexer reports a word that no terminal of this place matches as a bad character."""
    word = re.compile(r"[A-Za-z_0-9]+").match(source.text, error.pos_in_stream)
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
            "LUO107", "`}` is missing: this declaration is never closed", Span(source, start, _word_end(source, start))
        )
    elif "SEMICOLON" in accepts:
        diagnostics.error("LUO102", "`;` is missing at the end of this declaration", place, label="after this")
    else:
        diagnostics.error("LUO100", f"this ends too early; expected {_expected_words(accepts)}", place, label="ends here")


def _word_end(source: Source, start: int) -> int:
    match = re.compile(r"\S+").match(source.text, start)
    return match.end() if match else start + 1


def _end_of_previous(source: Source, position: int, start: int) -> int:
    """Offset just after the last character before `position` that belongs to no comment and no space."""
    end = start
    for match in _LEXEME.finditer(source.text, start, position):
        if not match.group().startswith("//"):
            end = match.end()
    return end


def _accepts_word(accepts: set[str], text: str) -> bool:
    return text in {t.pattern.value for t in _lark().terminals if t.name in accepts}


def _plain_words(accepts: set[str]) -> list[str]:
    return sorted(t.pattern.value for t in _lark().terminals if t.name in accepts and t.pattern.type == "str")


def _expected_words(accepts: set[str]) -> str:
    named = {"NAME": "a name", "NUMBER": "a number", "STRING": "a string", "$END": "the end of the file"}
    words = [named[a] for a in sorted(accepts & named.keys())]
    words += [f"`{word}`" for word in _plain_words(accepts)]
    if not words:
        return "something else"
    if len(words) > 8:
        return ", ".join(words[:7]) + " or another keyword"
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
