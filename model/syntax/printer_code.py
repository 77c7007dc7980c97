"""Expressions, types and statements as layout docs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from luocheck.model.source import Span
from luocheck.model.syntax import nodes as n
from luocheck.model.syntax.layout import Doc, Gap, Group, Nest, Where, end_of, start_of

# ---- putting docs together --------------------------------------------------------------------------------------


def words(*parts: Doc | None) -> Doc:
    """The parts on one line with a space between them; those that are None are left out."""
    out: list[Doc] = []
    for part in parts:
        if part is not None:
            out += [" ", part] if out else [part]
    return out


def listed(items: Iterable[Doc]) -> Doc:
    """Items with commas, a line break possible after each."""
    out: list[Doc] = []
    for item in items:
        out += [",", Gap(), item] if out else [item]
    return out


def names(items: Sequence[n.Name]) -> Doc:
    return Group(Nest(listed([start_of(each.span), each.text] for each in items)))


def text(node: n.Text | None) -> Doc | None:
    return f'"{node.text}"' if node is not None else None


def enclosed(opening: str, items: Sequence[Doc], closing: str, pad: str = "") -> Doc:
    """A bracketed list, in braces with a space inside of them."""
    if not items:
        return [opening, pad, closing]
    return Group([opening, Nest([Gap(pad), listed(items)]), Gap(pad), closing])


def inside_braces(items: Sequence[Doc], closing: Span) -> Doc:
    """Items between braces, without the decision whether on one line: the caller's group makes it."""
    if not items:
        return ["{", Gap(" ", Where.LAST), end_of(closing), "}"]
    inner: list[Doc] = []
    for item in items:
        inner += [Gap(" ", Where.BETWEEN if inner else Where.FIRST), item]
    return ["{", Nest(inner), Gap(" ", Where.LAST), end_of(closing), "}"]


def braces(items: Sequence[Doc], written: Span) -> Doc:
    """Items between braces: on one line if `written` is and they fit, else one on each line."""
    return Group(inside_braces(items, written), several_lines(written))


def several_lines(written: Span) -> bool:
    return "\n" in written.text


# ---- expressions ------------------------------------------------------------------------------------------------


def expression(node: n.Expr) -> Doc:
    return [start_of(node.span), _expression(node)]


def _expression(node: n.Expr) -> Doc:
    match node:
        case n.Implies():
            first, *rest = _operands(node, n.Implies)
            return Group([first, " =>", Nest([Gap(), _joined(rest, " =>", after=True)])])
        case n.And():
            return Group(_joined(_operands(node, n.And), "and "))
        case n.Or():
            return Group(_joined(_operands(node, n.Or), "or "))
        case n.Not(operand=operand):
            return ["not ", expression(operand)]
        case n.Quantifier(kind=kind, binders=binders, body=body):
            head = words("number of" if kind == "number" else kind, Group(Nest(listed(_binder(b) for b in binders))))
            return Group([head, " |", Nest([Gap(), expression(body)])])
        case n.Compare(left=left, operator=operator, right=right) | n.Arithmetic(left=left, operator=operator, right=right):
            return words(expression(left), operator, expression(right))
        case n.Member(item=item, collection=collection):
            return words(expression(item), "in", expression(collection))
        case n.NotMember(item=item, collection=collection):
            return words(expression(item), "not in", expression(collection))
        case n.Select(owner=owner, field=field):
            return [expression(owner), ".", field.text]
        case n.NameExpr(name=name):
            return name.text
        case n.Apply(name=name, arguments=arguments):
            return [name.text, enclosed("(", expressions(arguments), ")")]
        case n.ApplyClosure(name=name, left=left, right=right):
            return [f"{name.text}+(", Group([Nest([Gap(""), listed(expressions((left, right)))]), Gap("")]), ")"]
        case n.NumberExpr(span=span):
            return span.text
        case n.BoolExpr(value=value):
            return "true" if value else "false"
        case n.NoneExpr():
            return "none"
        case n.Unchanged(exceptions=()):
            return "unchanged"
        case n.Unchanged(exceptions=exceptions):
            return ["unchanged except ", Group(Nest(listed(expressions(exceptions))))]
        case n.Old(operand=operand):
            return ["old(", continued(operand), ")"]
        case n.SetLiteral(items=items):
            return enclosed("{", expressions(items), "}", " ")
        case n.Parenthesised(operand=operand):
            return ["(", continued(operand), ")"]
        case n.AnyValue():
            return "any"
    raise AssertionError(node)


def expressions(nodes: Iterable[n.Expr]) -> list[Doc]:
    return [expression(node) for node in nodes]


def continued(node: n.Expr) -> Doc:
    """An expression that begins in the middle of a line: its further lines are indented."""
    return Nest(expression(node)) if isinstance(node, n.And | n.Or | n.Implies) else expression(node)


def _operands(node: n.Expr, kind: type[n.And] | type[n.Or] | type[n.Implies]) -> list[Doc]:
    """Operands of a chain of one operator.  `and` and `or` chain to the left, `=>` to the right."""
    out: list[n.Expr] = []
    while isinstance(node, kind):
        inner, other = (node.right, node.left) if kind is n.Implies else (node.left, node.right)
        out.append(other)
        node = inner
    out.append(node)
    if kind is not n.Implies:
        out.reverse()
    return [Nest(expression(each)) if kind is n.Or and isinstance(each, n.And) else expression(each) for each in out]


def _joined(operands: Sequence[Doc], operator: str, after: bool = False) -> Doc:
    out: list[Doc] = []
    for operand in operands:
        if out:
            out += [operator, Gap()] if after else [Gap(), operator]
        out.append(operand)
    return out


def _binder(node: n.OverSort | n.OverCollection) -> Doc:
    if isinstance(node, n.OverSort):
        return f"{node.name.text}: {node.sort.text}"
    return [node.name.text, " in ", expression(node.collection)]


def type_doc(node: n.TypeNode) -> str:
    match node:
        case n.NamedType(name=name):
            return name.text
        case n.OptionalType(name=name):
            return f"{name.text}?"
        case n.BoolType():
            return "bool"
        case n.ErrnoType():
            return "errno"
        case n.CountType(limit=limit):
            return f"count({limit.span.text})"
        case n.SetType(sort=sort):
            return f"set {sort.text}"
        case n.SeqType(sort=sort):
            return f"seq {sort.text}"
    raise AssertionError(node)


# ---- statements -------------------------------------------------------------------------------------------------


def block(node: n.Block) -> Doc:
    return braces(statements(node.statements), node.span)


def statements(nodes: Iterable[n.Stmt]) -> list[Doc]:
    return [statement(each) for each in nodes]


def statement(node: n.Stmt) -> Doc:
    label = [node.label.text, ": "] if node.label is not None else ""
    return [start_of(node.span), label, _bare(node.bare)]


def claim_head(kind: str, name: n.Name, doc: n.Text | None) -> Doc:
    """`invariant NAME "doc":`"""
    return [words(kind, name.text, text(doc)), ":"]


def hanging(body: Doc) -> Doc:
    """On the same line, or on the next ones, indented."""
    return Group(Nest([Gap(), body]))


def where_doc(node: n.Expr | None) -> Doc | None:
    return ["where ", continued(node)] if node is not None else None


def gives_doc(node: n.Gives | None) -> Doc | None:
    return f"gives {node.name.text}: {node.sort.text}" if node is not None else None


def _bare(node: n.Bare) -> Doc:
    match node:
        case n.FailAgain():
            return "fail;"
        case n.Fail(errno=errno):
            return ["fail ", expression(errno), ";"]
        case n.FailWhen(errno=errno, condition=condition):
            return ["fail ", expression(errno), " when ", continued(condition), ";"]
        case n.FailSometimes(errno=name, fault=fault):
            return [words("fail", name.text, "sometimes", _optional(fault)), ";"]
        case n.PanicWhen(condition=condition):
            return ["panic when ", continued(condition), ";"]
        case n.PanicSometimes():
            return "panic sometimes;"
        case n.Require(condition=condition):
            return ["require ", continued(condition), ";"]
        case n.Cut(condition=condition):
            return ["cut when ", continued(condition), ";"]
        case n.Await(condition=condition, errno=awaited):
            return ["await ", continued(condition), f" or {awaited.text};" if awaited is not None else ";"]
        case n.Run(name=name, arguments=arguments, result=result, orelse=orelse):
            call: Doc = ["run ", name.text, enclosed("(", expressions(arguments), ")")]
            return _or_else(words(call, f"gives {result.text}" if result is not None else None), orelse)
        case n.Choose(name=name, sort=sort, where=where, orelse=orelse):
            return _or_else(words(f"choose {name.text}: {sort.text}", where_doc(where)), orelse)
        case n.Find(name=name, sequence=sequence, where=where, orelse=orelse):
            return _or_else(words("find", name.text, "in", expression(sequence), where_doc(where)), orelse)
        case n.Assign(target=target, value=value):
            return [expression(target), " = ", continued(value), ";"]
        case n.Let(name=name, value=value):
            return ["let ", name.text, " = ", continued(value), ";"]
        case n.Append(item=item, target=target):
            return ["append ", expression(item), " to ", expression(target), ";"]
        case n.Add(item=item, target=target):
            return ["add ", expression(item), " to ", expression(target), ";"]
        case n.Remove(item=item, target=target):
            return ["remove ", expression(item), " from ", expression(target), ";"]
        case n.New(name=name, sort=of):
            return f"new {name.text}: {of.text};" if of is not None else f"new {name.text};"
        case n.Free(target=target):
            return ["free ", expression(target), ";"]
        case n.Forall(name=name, sort=sort, where=where, body=body):
            return words(f"forall {name.text}: {sort.text}", where_doc(where), block(body))
        case n.If():
            return _if(node)
        case n.Assert(name=name, doc=doc, condition=condition):
            return [claim_head("assert", name, doc), hanging(expression(condition)), ";"]
    return _lock_or_word(node)


_SINGLE = {n.Reboot: "reboot;", n.Stop: "stop;", n.Step: "step;", n.Skip: "skip;", n.Arguments: "arguments;"}


def _lock_or_word(node: n.Bare) -> Doc:
    match node:
        case n.Guard(lock=lock, shared=shared):
            return ["guard ", _lock(lock), " shared;" if shared else ";"]
        case n.Lock(lock=lock, shared=shared):
            return ["lock ", _lock(lock), " shared;" if shared else ";"]
        case n.Unlock(lock=lock):
            return ["unlock ", _lock(lock), ";"]
        case n.Release(lock=lock):
            return ["release ", _lock(lock), ";"]
        case n.Keep(lock=lock):
            return ["keep ", _lock(lock), ";"]
    return _SINGLE[type(node)]


def _lock(node: n.LockRef) -> Doc:
    return [node.name.text, "(", expression(node.owner), ")"] if node.owner is not None else node.name.text


def _optional(name: n.Name | None) -> Doc | None:
    return name.text if name is not None else None


def _or_else(head: Doc, orelse: n.NoElse | n.Else) -> Doc:
    return [head, ";"] if isinstance(orelse, n.NoElse) else words(head, "else", block(orelse.block))


def _if(node: n.If) -> Doc:
    """Both branches stand on the line of the `if`, or none does."""
    branches = [node.then] + ([node.orelse] if node.orelse is not None else [])
    docs = [inside_braces(statements(branch.statements), branch.span) for branch in branches]
    whole = words("if", Nest(_condition(node.condition)), docs[0], *(words("else", doc) for doc in docs[1:]))
    return Group(whole, any(several_lines(branch.span) for branch in branches))


def _condition(node: n.Condition) -> Doc:
    match node:
        case n.PlainCondition(condition=condition):
            return expression(condition)
        case n.Sometimes(fault=fault):
            return words("sometimes", _optional(fault))
        case n.AndSometimes(condition=condition, fault=fault):
            return Group([expression(condition), Gap(), words("and", "sometimes", _optional(fault))])
    raise AssertionError(node)
