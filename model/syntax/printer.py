"""The canonical form of a spec text (`luocheck fmt`).

What is canonical: four spaces per level, at most 110 columns where a line can be broken (before `and` and `or`, after `=>`, `|` and
commas), one item per line in a block over several lines.  A block that the author wrote on one line stays on one line as long as it fits
(as gofmt does it); single empty lines between items stay, more become one; comments stay where they are, and those at the ends of
neighbouring lines begin in one column.

One spelling for each thing: no `()` after an event or define without parameters (procs, walks and calls in scenarios keep theirs), no
comma after the last item of a list, no `;` after the sizes of a scope that cuts no call, a `;` after the calls of one that does.  Numbers
keep the spelling of the author, hexadecimal or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from luocheck.model.diagnostics import Diagnostics
from luocheck.model.source import Source, Span
from luocheck.model.syntax import nodes as n
from luocheck.model.syntax.layout import (
    Doc,
    Gap,
    Group,
    Nest,
    Where,
    Word,
    end_of,
    lines_of,
    parts_of,
    start_of,
    text_of,
    with_comments,
)
from luocheck.model.syntax.parser import parse, parse_declarations
from luocheck.model.syntax.printer_code import (
    block,
    braces,
    claim_head,
    continued,
    enclosed,
    expression,
    gives_doc,
    hanging,
    inside_braces,
    listed,
    names,
    several_lines,
    statements,
    text,
    type_doc,
    where_doc,
    words,
)


def format_text(source: Source) -> str:
    """The canonical form of a spec, or of declarations without a `spec` line (a saved scenario).

    The result parses to the same tree, and its canonical form is itself.  Raises SpecError when the text has syntax errors.
    """
    diagnostics = Diagnostics()
    if _has_header(source.text):
        tree = parse(source, diagnostics)
        declarations: Sequence[n.Node] = (tree.header, *tree.declarations) if tree is not None else ()
    else:
        declarations = parse_declarations(source, diagnostics)
    diagnostics.raise_errors()
    parts = with_comments(parts_of(declarations_doc(declarations)), Span(source, 0, len(source.text)))
    assert parts is not None
    return text_of(lines_of(parts))


def _has_header(text: str) -> bool:
    for line in text.splitlines():
        begin = line.strip()
        if begin and not begin.startswith("//"):
            return begin.split(maxsplit=1)[0] == "spec"
    return False


def declarations_doc(declarations: Iterable[n.Node]) -> Doc:
    """A header and declarations, each on lines of its own."""
    out: list[Doc] = []
    for decl in declarations:
        out += [Gap("", Where.BETWEEN), declaration(decl)] if out else [declaration(decl)]
    return out


def declaration(node: n.Node) -> Doc:
    return [start_of(node.span), _header(node) if isinstance(node, n.Header) else _declaration(node)]


def _header(node: n.Header) -> Doc:
    base = f"extends {node.base.text}" if node.base is not None else None
    return [words("spec", node.name.text, base, text(node.title)), ";"]


def _declaration(node: n.Node) -> Doc:
    match node:
        case n.EnumDecl(span, name, members):
            return _enum(f"enum {name.text}", members, span)
        case n.EnumExtension(span, name, members):
            return _enum(f"extend enum {name.text}", members, span)
        case n.SortDecl(name=name, attributes=attributes):
            return [words("sort", name.text, *attributes), ";"]
        case n.GraphDecl():
            return _graph(node)
        case n.LockDecl(kind=kind, name=name, owner=owner):
            return [words(kind, name.text, f"per {owner.text}" if owner is not None else None), ";"]
        case n.GlobalDecl(lifetime=lifetime, name=name, type=type_, init=init):
            return _field([lifetime, " var ", name.text], type_, init)
        case n.PerDecl(span, owners, fields):
            return words("per", names(owners), _fields(fields, span))
        case n.PerOverride(span, owners, fields):
            return words("override per", names(owners), _fields(fields, span))
        case n.DefineDecl(name=name, params=params, value=value):
            return [words("define", [name.text, parameters(params) if params else ""], "="), hanging(expression(value)), ";"]
        case n.ProcDecl(name=name, params=params, gives=gives, body=body):
            return words("proc", [name.text, parameters(params)], gives_doc(gives), block(body))
        case n.WalkDecl():
            return _walk(node)
        case n.EventDecl(kind=kind, name=name, params=params, gives=gives, body=body):
            return words(kind, [name.text, parameters(params) if params else ""], gives_doc(gives), block(body))
        case n.BootDecl(body=body):
            return words("boot", block(body))
        case n.PropertyDecl(claim=claim):
            return [_claim(claim), ";"]
        case n.EffectDecl(outcome=outcome, body=body):
            return words("on", _outcome(outcome), block(body))
        case n.OverrideDecl(declaration=inner):
            return ["override ", _declaration(inner)]
    return _part(node)


def _part(node: n.Node) -> Doc:
    match node:
        case n.ScopeDecl():
            return _scope(node)
        case n.TopologyDecl(span, name, items):
            return words("topology", name.text, braces(_topology(items), span))
        case n.RemoveDecl(kind=kind, name=name):
            return ["remove ", kind, " ", name.text, ";"]
        case n.RemoveScenario(title=title):
            return ["remove scenario ", f'"{title.text}"', ";"]
        case n.PatchDecl(span, kind, name, edits):
            return words("patch", kind, name.text if name is not None else None, braces([_edit(e) for e in edits], span))
        case n.ScenarioDecl(span, title, scope, items):
            head = words("scenario", text(title), f"in scope {scope.text}" if scope is not None else None)
            return words(head, braces([[start_of(item.span), _scenario_item(item)] for item in items], span))
        case n.ExpectDecl(span, items):
            return words("expect", braces([[start_of(item.span), _expectation(item), ";"] for item in items], span))
        case n.AbiDecl(span, items):
            return words("abi", braces([[start_of(item.span), _abi_item(item)] for item in items], span))
    raise AssertionError(node)


# ---- vocabulary and state ---------------------------------------------------------------------------------------


def _enum(head: str, members: Sequence[n.EnumMember], written: Span) -> Doc:
    inner: list[Doc] = []
    for member in members:
        if inner:
            inner += [",", Gap(" ", Where.BETWEEN)]
        number = f" = {member.number.span.text}" if member.number is not None else ""
        inner.append([start_of(member.span), member.name.text + number])
    body: list[Doc] = ["{", Nest([Gap(" ", Where.FIRST), inner]), Gap(" ", Where.LAST), end_of(written), "}"]
    return words(head, Group(body, several_lines(written)))


def _graph(node: n.GraphDecl) -> Doc:
    where: Doc = ""
    if node.where is not None:
        ends = f"{node.where.left.text}, {node.where.right.text}"
        where = [f" where edge({ends}):", hanging(expression(node.where.condition))]
    return [words("graph", node.name.text, "on", node.sort.text, "acyclic" if node.acyclic else None), where, ";"]


def _field(head: Doc, type_: n.TypeNode, init: n.Expr | None) -> Doc:
    return [head, ": ", type_doc(type_), [" = ", continued(init)] if init is not None else "", ";"]


def _fields(fields: Sequence[n.FieldDecl], written: Span) -> Doc:
    return braces([[start_of(f.span), _field([f.lifetime, " ", f.name.text], f.type, f.init)] for f in fields], written)


def parameters(params: Sequence[n.Param]) -> Doc:
    return enclosed("(", [f"{param.name.text}: {param.sort.text}" for param in params], ")")


# ---- behaviour --------------------------------------------------------------------------------------------------


def _walk(node: n.WalkDecl) -> Doc:
    head = Group(["walk ", node.name.text, parameters(node.params), Nest([Gap(), _walk_head(node.head)])])
    items = statements(node.statements)
    if node.rollback is not None:
        back = node.rollback
        reverse = "reversed" if back.reversed else None
        items.append([start_of(back.span), words("rollback", back.extent, reverse, block(back.body))])
    return words(head, braces(items, Span(node.span.source, node.head.span.end, node.span.end)))


def _walk_head(node: n.OverHead | n.DrainsHead) -> Doc:
    reverse = "reversed" if node.reversed else None
    if isinstance(node, n.DrainsHead):
        return words("drains", node.name.text, "in", expression(node.sequence), reverse)
    return words("over", Group(Nest(listed(_binder(b) for b in node.binders))), where_doc(node.where), reverse)


def _binder(node: n.SortBinder | n.SeqBinder) -> Doc:
    if isinstance(node, n.SeqBinder):
        return [node.name.text, " in ", expression(node.sequence)]
    head = f"{node.name.text}: {node.sort.text}"
    match node.order:
        case n.InOrder():
            return f"{head} in order"
        case n.Along(graph=graph):
            return f"{head} along {graph.text}"
        case n.AnyOrder():
            return f"{head} in any order"
    return head


def _edit(node: n.Replace | n.Drop | n.InsertBefore | n.InsertAfter) -> Doc:
    match node:
        case n.Replace(label=label, block=body):
            made = words("replace", label.text, block(body))
        case n.Drop(label=label):
            made = ["drop ", label.text, ";"]
        case n.InsertBefore(label=label, block=body):
            made = words("insert before", label.text, block(body))
        case n.InsertAfter(label=label, block=body):
            made = words("insert after", label.text, block(body))
    return [start_of(node.span), made]


# ---- claims -----------------------------------------------------------------------------------------------------


def _outcome(node: n.OutcomeOf | n.OutcomeOfAny) -> Doc:
    who = node.event.text if isinstance(node, n.OutcomeOf) else words("any", node.kind)
    match node.returns:
        case n.ReturnsName(outcome=outcome, label=label):
            return words(who, "returns", outcome.text, f"at {label.text}" if label is not None else None)
        case n.ReturnsError():
            return words(who, "returns error")
    return who


def _claim(node: n.Claim) -> Doc:
    match node:
        case n.Invariant(name=name, doc=doc, condition=condition):
            return [claim_head("invariant", name, doc), hanging(expression(condition))]
        case n.Lemma(name=name, doc=doc, condition=condition):
            return [claim_head("lemma", name, doc), hanging(expression(condition))]
        case n.Reachable(name=name, doc=doc, condition=condition):
            return [claim_head("reachable", name, doc), hanging(expression(condition))]
        case n.After(outcome=outcome, name=name, doc=doc, condition=condition):
            return [words("after", _outcome(outcome), claim_head("check", name, doc)), hanging(expression(condition))]
        case n.At(label=label, name=name, doc=doc, condition=condition):
            return [words("at", label.text, claim_head("check", name, doc)), hanging(expression(condition))]
        case n.Never(event=event, outcome=outcome):
            return words("never", event.text, "returns", outcome.text)
        case n.Stuck(name=name, doc=doc, unless=unless):
            exception: Doc | None = ["unless ", continued(unless)] if unless is not None else None
            return words("never stuck", name.text, text(doc), exception)
        case n.Recoverable(name=name, doc=doc, condition=condition, goal=goal, using=using, with_faults=with_faults):
            parts: list[Doc] = [expression(condition), ["can reach ", continued(goal)]]
            parts += [["using ", names(using)]] if using else []
            parts += ["with faults"] if with_faults else []
            return [claim_head("recoverable", name, doc), _clauses(parts)]
        case n.Liveness(name=name, doc=doc, each=each, condition=condition, goal=goal, assuming=assuming):
            parts = [expression(condition), ["leads to ", continued(goal)]]
            assumed = [[start_of(a.span), a.event.text, " succeeds" if a.succeeds else ""] for a in assuming]
            parts += [["assuming ", Group(Nest(listed(assumed)))]] if assuming else []
            binders = f"all {', '.join(f'{b.name.text}: {b.sort.text}' for b in each)}" if each else None
            return [words("liveness", name.text, text(doc), binders), ":", _clauses(parts)]
    raise AssertionError(node)


def _clauses(parts: Sequence[Doc]) -> Doc:
    """The parts of a claim on one line, or each on its own."""
    return Group(Nest([[Gap(), part] for part in parts]))


# ---- scopes, topologies, scenarios, expectations ------------------------------------------------------------------


def _scope(node: n.ScopeDecl) -> Doc:
    bounds: list[Doc] = [[start_of(bound.span), f"{bound.sort.text} = {bound.size.span.text}"] for bound in node.items.bounds]
    sizes: Doc = Group(listed(bounds))
    items = [sizes] if node.items.bounds else []
    if node.items.stepwise is not None:
        events = node.items.stepwise.events
        items = [[sizes, ";"], [start_of(events[0].span), "stepwise ", names(events), Word(";", added=True)]]
    return words("scope", node.name.text, Group(inside_braces(items, node.span), several_lines(node.span)))


def _topology(items: Iterable[n.TopologyElement | n.TopologyEdges]) -> list[Doc]:
    out: list[Doc] = []
    for item in items:
        if isinstance(item, n.TopologyElement):
            made: Doc = f"{item.name.text}: {item.kind.text};"
        else:
            made = [item.name.text, " -> ", names(item.targets), ";"]
        out.append([start_of(item.span), made])
    return out


def _scenario_item(node: n.ScenarioItem) -> Doc:
    match node:
        case n.ScenarioLet(name=name, sort=sort):
            return f"let {name.text}: {sort.text};"
        case n.ScenarioTopology(name=name):
            return f"topology {name.text};"
        case n.ScenarioGraph(span, items):
            return words("topology", braces(_topology(items), span))
        case n.ScenarioGiven(condition=condition):
            return ["given ", continued(condition), ";"]
        case n.ScenarioAssert(condition=condition):
            return ["assert ", continued(condition), ";"]
        case n.ScenarioViolates(property=name):
            return f"violates {name.text};"
        case n.ScenarioReaches(property=name):
            return f"reaches {name.text};"
        case n.ScenarioCall(event=event, arguments=arguments, result=result):
            return [words([event.text, enclosed("(", [_argument(a) for a in arguments], ")")], _result(result)), ";"]
    raise AssertionError(node)


def _argument(node: n.Node) -> str:
    return node.span.text


def _result(node: n.ResultReturns | n.ResultBlocks | n.ResultReaches) -> Doc:
    match node:
        case n.ResultReturns(outcome=outcome, label=label, gives=gives):
            at = f"at {label.text}" if label is not None else None
            return words("=", outcome.text, at, f"gives {_argument(gives)}" if gives is not None else None)
        case n.ResultBlocks():
            return "blocks"
        case n.ResultReaches(label=label, number=number):
            return f"reaches {label.text}" + (f".{number.span.text}" if number is not None else "")
    raise AssertionError(node)


_VERDICTS = {
    n.VerdictHolds: "holds",
    n.VerdictFails: "fails",
    n.VerdictVacuous: "vacuous",
    n.VerdictReachable: "is reachable",
    n.VerdictUnreachable: "is not reachable",
}


def _expectation(node: n.Expectation) -> Doc:
    match node:
        case n.ExpectProperty(property=name, verdict=verdict, where=where, within=within, event=event, label=label):
            bound = f"within {within.span.text}" if within is not None else None
            by = f"by {event.text}" if event is not None else None
            at = f"at {label.text}" if label is not None else None
            return words(name.text, _VERDICTS[type(verdict)], _in(where), bound, by, at)
        case n.ExpectStates(low=low, high=high, where=where):
            span = low.span.text + (f"..{high.span.text}" if high is not None else "")
            return words("states", span, _in(where))
        case n.ExpectCoverage(where=where):
            return words("coverage all", _in(where))
    raise AssertionError(node)


def _in(where: n.InScope | n.InTopology | None) -> Doc | None:
    if where is None:
        return None
    return f"in {'scope' if isinstance(where, n.InScope) else 'topology'} {where.name.text}"


# ---- abi --------------------------------------------------------------------------------------------------------


def _abi_item(node: n.AbiItem) -> Doc:
    match node:
        case n.AbiHandle():
            return _handle(node)
        case n.AbiDevice(span, path, clauses):
            return words("device", text(path), _abi_clauses(clauses, span))
        case n.AbiObject(span, sort, clauses):
            return words("object", sort.text, _abi_clauses(clauses, span))
        case n.AbiProcess(span, sort, clauses):
            return words("process", sort.text, _abi_clauses(clauses, span))
        case n.AbiTree(span, filesystem, clauses):
            return words("tree", text(filesystem), _abi_clauses(clauses, span))
        case n.AbiPath(span, path, clauses):
            return words("path", text(path), _abi_clauses(clauses, span))
        case n.AbiSized(span, type_, name, clauses):
            return words("sized", type_.text, name.text, _abi_clauses(clauses, span))
        case n.AbiIoctl(span, override, event, number, target, fields):
            kind = "override ioctl" if override else "ioctl"
            on = f"on {target.text}" if target is not None else None
            return words(kind, event.text, number.span.text, on, braces([_member(f) for f in fields], span))
        case n.AbiSyscall(span, event, function, arguments, clauses):
            call: Doc = [function.text, enclosed("(", [a.text for a in arguments], ")"), ";"]
            return words("syscall", event.text, braces([call, *map(_clause, clauses)], span))
        case n.AbiErrno(name=name, values=values):
            what: Doc = "any"
            if isinstance(values, n.ErrnoNames):
                what = enclosed("{", [each.text for each in values.names], "}", " ")
            return ["errno ", name.text, " = ", what, ";"]
    raise AssertionError(node)


def _handle(node: n.AbiHandle) -> Doc:
    form = f"{node.form.type.text}[{node.form.length.span.text}]" if node.form is not None else None
    space = f"of {node.space.text}" if node.space is not None else None
    bad: Doc | None = None
    if node.bad is not None:
        bad = ["bad when ", names(node.bad.causes), f" as {node.bad.predicate.text}"]
    return [words("handle", node.name.text, form, space, "->", names(node.targets), bad), ";"]


def _abi_clauses(clauses: Iterable[n.AbiClause], written: Span) -> Doc:
    return braces([_clause(clause) for clause in clauses], written)


def _clause(node: n.AbiClause) -> Doc:
    out = ""
    for word in node.words:
        written = word.span.text
        glued = not out or written in (",", "..") or out.endswith("..")
        out += written if glued else f" {written}"
    return [start_of(node.span), f"{out};"]


def _member(node: n.AbiField) -> Doc:
    match node:
        case n.AbiSizedHeader(name=name):
            made = f"{name.text};"
        case n.AbiStructField(type=type_, name=name, array=array, role=role):
            aligned = "aligned " if isinstance(node, n.AbiAlignedField) else ""
            length = f"[{array.length.span.text}]" if array is not None else ""
            made = f"{aligned}{type_.text} {name.text}{length} {_role(role)};"
        case _:
            raise AssertionError(node)
    return [start_of(node.span), made]


def _role(node: n.RoleIn | n.RoleOut | n.RoleZero | n.RoleIgnored) -> str:
    match node:
        case n.RoleIn(parameter=name):
            return f"in {name.text}"
        case n.RoleOut(parameter=name):
            return f"out {name.text}"
        case n.RoleZero(errno=errno):
            return f"zero {errno.text}"
    return "ignored"
