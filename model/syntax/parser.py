"""Text to syntax tree.

A file is cut into declarations by counting braces before Lark sees it, and each declaration is parsed on its own.  So one run reports
a syntax error in every declaration that has one, and all other declarations still reach the later passes.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from lark import TextSlice, Token, Transformer, Tree, UnexpectedInput
from lark.visitors import v_args

from luocheck.model.diagnostics import Diagnostics
from luocheck.model.source import Source, Span
from luocheck.model.syntax import nodes
from luocheck.model.syntax.errors import LEXEME, report, word_end
from luocheck.model.syntax.grammar import keywords, lark
from luocheck.model.syntax.nodes import BY_RULE, Decl, Expr, Header, Name, Node, Number, SpecText, Text

MAX_TEXT = 1_000_000
"""Characters of the longest text that is read (the shipped specs have about 30,000)."""
MAX_NESTING = 100
"""Deepest nesting of parentheses and braces."""
MAX_DEPTH = 200
"""Deepest tree of a declaration; a chain such as `a and b and c` adds a level for each operand."""
MAX_ERRORS = 100
"""Syntax errors after which the rest of a text is not looked at."""

BLOCK_KEYWORDS = frozenset([
    "enum", "extend", "per", "proc", "walk", "ioctl", "syscall", "env", "boot", "scope", "topology", "patch", "scenario",
    "expect", "abi", "on", "override",
])  # fmt: skip
STATEMENT_KEYWORDS = frozenset([
    "spec", "sort", "graph", "rwlock", "mutex", "volatile", "preserved", "ghost", "fixed", "define", "invariant", "lemma",
    "reachable", "after", "at", "never", "recoverable", "liveness", "remove",
])  # fmt: skip
DECLARATION_KEYWORDS = BLOCK_KEYWORDS | STATEMENT_KEYWORDS

_LISTS = frozenset([
    "enum_members", "sort_attributes", "fields", "binders", "params", "stmts", "scope_bounds", "bounds", "edits",
    "scenario_items", "scenario_args", "expectations", "abi_items", "handle_targets", "abi_clauses", "abi_words", "abi_fields",
    "assumptions", "each", "topology_body", "names", "exprs", "quantified", "except",
])  # fmt: skip
_FIRST_CHILD = frozenset(["where", "label", "returns"])
_WORDS = frozenset([
    "sort_attribute", "lifetime", "event_kind", "lock_kind", "rollback_extent", "removable", "patchable", "quantifier_kind",
    "compare_op", "sum_op",
])  # fmt: skip
_PUNCTUATION = {
    "comma": ",",
    "equals": "=",
    "dots": "..",
    "word_release": "release",
    "word_with": "with",
    "word_in": "in",
    "word_shared": "shared",
}


def parse(source: Source, diagnostics: Diagnostics) -> SpecText | None:
    """The syntax tree of a spec.  Syntax errors go to `diagnostics`; declarations with an error are left out.

    Returns None when not even the header could be read.
    """
    if not _readable(source, diagnostics):
        return None
    header: Header | None = None
    declarations: list[Decl] = []
    pieces = list(_declarations(source, diagnostics))
    for tree in _trees(source, pieces, diagnostics):
        if isinstance(tree, Decl):
            declarations.append(tree)
        elif header is not None:
            diagnostics.error("LUO104", "a file has one `spec` line, and this is the second", tree.span)
        else:
            header = tree
            if tree.span.start != pieces[0][0]:
                diagnostics.error("LUO104", "the `spec` line must come first", tree.span)
    if header is None:
        if not diagnostics.errors:
            help = "begin the file with `spec NAME;`"
            what = "this text is empty" if not pieces else "this text does not begin with a `spec` line"
            start = pieces[0][0] if pieces else 0
            diagnostics.error("LUO104", what, Span(source, start, word_end(source, start)), help=help)
        return None
    return SpecText(Span(source, 0, len(source.text)), header, tuple(declarations))


def parse_declarations(source: Source, diagnostics: Diagnostics) -> tuple[Decl, ...]:
    """The declarations of a text without a `spec` line (a saved scenario)."""
    if not _readable(source, diagnostics):
        return ()
    found = list(_trees(source, _declarations(source, diagnostics), diagnostics))
    for tree in found:
        if isinstance(tree, Header):
            diagnostics.error("LUO104", "no `spec` line can stand here", tree.span)
    return tuple(tree for tree in found if isinstance(tree, Decl))


def parse_expression(source: Source, diagnostics: Diagnostics) -> Expr | None:
    """A single expression, as given on the command line."""
    if not _readable(source, diagnostics):
        return None
    text = source.text
    start = len(text) - len(text.lstrip())
    end = max(start, len(text.rstrip()))
    try:
        tree = _parse_piece(source, start, end, "expr", diagnostics)
    except UnexpectedInput as error:
        report(error, source, start, end, diagnostics)
        return None
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


def _lexemes(source: Source, start: int, end: int) -> Iterator[re.Match[str]]:
    return (match for match in LEXEME.finditer(source.text, start, end) if not match.group().startswith("//"))


def _begins_declaration(source: Source, lexeme: re.Match[str]) -> bool:
    """Is this a declaration's keyword in the first column?"""
    start = lexeme.start()
    return lexeme.group() in DECLARATION_KEYWORDS and (start == 0 or source.text[start - 1] == "\n")


def _declarations(source: Source, diagnostics: Diagnostics) -> Iterator[tuple[int, int]]:
    """Ranges of the top-level declarations.

    A declaration ends at a `;` outside of braces, or at a `}` that closes the outermost brace when a declaration (or nothing) follows.
    Where braces do not balance, a declaration's keyword in the first column starts a new one.
    """
    size = len(source.text)
    balanced = sum((m.group() == "{") - (m.group() == "}") for m in _lexemes(source, 0, size)) == 0
    depth = nesting = 0
    begin: int | None = None
    end = 0
    lexemes = _lexemes(source, 0, size)
    lexeme = next(lexemes, None)
    while lexeme is not None:
        following = next(lexemes, None)
        word, (start, stop) = lexeme.group(), lexeme.span()
        if begin is not None and depth > 0 and not balanced and _begins_declaration(source, lexeme):
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
        last = following is None or following.group() in DECLARATION_KEYWORDS or following.group() == "}"
        if depth <= 0 and (word == ";" or (word == "}" and last)):
            yield begin, end
            begin, depth, nesting = None, 0, 0
        lexeme = following
    if begin is not None:
        yield begin, end


def _trees(source: Source, pieces: Iterable[tuple[int, int]], diagnostics: Diagnostics) -> Iterator[Header | Decl]:
    """The trees of the pieces that have no error."""
    for start, end in pieces:
        if len(diagnostics.errors) >= MAX_ERRORS:
            return
        rule = "header" if re.compile(r"spec\b").match(source.text, start) else "decl"
        try:
            tree = _parse_piece(source, start, end, rule, diagnostics)
        except UnexpectedInput as error:
            parts = _cut(source, start, end)
            if len(parts) > 1:
                yield from _trees(source, parts, diagnostics)
            else:
                report(error, source, start, end, diagnostics)
                diagnostics.unsure |= {m.group() for m in _lexemes(source, start, end) if m.group().isidentifier()} - keywords()
            continue
        if isinstance(tree, Header | Decl):
            yield tree


def _cut(source: Source, start: int, end: int) -> list[tuple[int, int]]:
    """A piece with an error in it, cut where a declaration's keyword stands in the first column outside of braces: a `;` was forgotten."""
    parts: list[tuple[int, int]] = []
    begin, last, depth = start, start, 0
    for lexeme in _lexemes(source, start, end):
        if depth == 0 and lexeme.start() > start and _begins_declaration(source, lexeme):
            parts.append((begin, last))
            begin = lexeme.start()
        last = lexeme.end()
        depth += (lexeme.group() == "{") - (lexeme.group() == "}")
    return [*parts, (begin, end)]


def _parse_piece(source: Source, start: int, end: int, rule: str, diagnostics: Diagnostics) -> Node | None:
    """The tree of one declaration.  Raises Lark's UnexpectedInput; None (after reporting) when it is nested too deep."""
    tree = lark().parse(TextSlice(source.text, start, end), start=rule)
    if _depth(tree) > MAX_DEPTH:
        diagnostics.error("LUO105", "this is nested too deep", Span(source, start, end), help="use a `define` for a part of it")
        return None
    made = _Builder(source).transform(tree)
    assert isinstance(made, Node)
    return made


def _depth(tree: Tree[Token]) -> int:
    """How deep the tree is, found without recursion."""
    deepest = 0
    waiting: list[tuple[Tree[Token] | Token, int]] = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        if isinstance(node, Tree):
            waiting += [(child, depth + 1) for child in node.children]
    return deepest


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
        if rule == "nothing":
            return None
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
        return made(span, *_no_missing_lists(rule, children))


def _number(span: Span, text: str) -> Number:
    if text[:2].lower() == "0x":
        return Number(span, int(text, 16) if len(text) <= 18 else 1 << 64, True)
    digits, _, exponent = text.partition("e")
    if len(digits) > 18 or (exponent and len(exponent) > 2):
        return Number(span, 1 << 64)
    return Number(span, int(digits) * 10 ** int(exponent or 0))


@cache
def _list_fields(rule: str) -> tuple[bool, ...]:
    return tuple(str(f.type).startswith("tuple") for f in dataclasses.fields(BY_RULE[rule]) if f.name != "span")


def _no_missing_lists(rule: str, children: Iterable[Any]) -> Iterator[Any]:
    for child, is_list in zip(children, _list_fields(rule), strict=True):
        yield () if child is None and is_list else child
