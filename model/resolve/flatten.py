"""A derived spec as one list of declarations: the base's, with the additions, overrides, removals and patches applied in the order of
the text.  Nodes keep the spans of the file they came from, which is how `show --flat` knows the origin of each line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from luocheck.model.diagnostics import Diagnostics, did_you_mean
from luocheck.model.library import read_base
from luocheck.model.source import Source, Span
from luocheck.model.syntax import nodes as n
from luocheck.model.syntax.parser import parse


@dataclass(slots=True)
class FlatSpec:
    """Name and title of the derived spec, the bases (and their texts) from the nearest to the farthest, and all declarations.

    `inherited` holds ids of declarations and expectations that a base contributed.  `removed` says where which name was removed.
    """

    name: str
    title: str
    span: Span
    bases: tuple[str, ...]
    declarations: list[n.Decl]
    inherited: set[int] = field(default_factory=set)
    removed: dict[str, Span] = field(default_factory=dict)
    texts: tuple[Source, ...] = ()


ReadBase = Callable[[str, Source], Source | None]
"""Finds the text of a base by its name and the text that extends it."""


def flatten(tree: n.SpecText, diagnostics: Diagnostics, above: tuple[str, ...] = (), read: ReadBase = read_base) -> FlatSpec:
    """Applies a spec to its base, its base's base and so on.  What cannot be applied goes to `diagnostics`."""
    header = tree.header
    flat = FlatSpec(header.name.text, header.title.text if header.title else "", header.span, (), [])
    if header.base is not None:
        text = _base_text(header.base, header.name.text, tree.span.source, diagnostics, above, read)
        base = _load_base(header.base, text, diagnostics, (*above, header.name.text), read) if text is not None else None
        if text is None or base is None:  # all that follows would be errors about what the base declares
            diagnostics.raise_errors()
            return flat
        flat.bases = (base.name, *base.bases)
        flat.texts = (text, *base.texts)
        flat.declarations = base.declarations
        flat.title = flat.title or base.title
        flat.inherited = {id(decl) for decl in base.declarations}
        flat.removed = base.removed
        flat.inherited |= {id(e) for d in base.declarations if isinstance(d, n.ExpectDecl) for e in d.items}
    _Applier(flat, diagnostics).apply(tree.declarations)
    return flat


def _base_text(
    base: n.Name, name: str, source: Source, diagnostics: Diagnostics, above: tuple[str, ...], read: ReadBase
) -> Source | None:
    chain = (*above, name)
    if base.text in chain:
        circle = " -> ".join((*chain[chain.index(base.text) :], base.text))
        diagnostics.error("LUO221", f"these specs extend each other in a circle: {circle}", base.span)
        return None
    text = read(base.text, source)
    if text is None:
        diagnostics.error(
            "LUO222",
            f"the base spec `{base.text}` was not found",
            base.span,
            help=f"there is no {base.text}.luo beside this file, and no shipped spec of that name",
        )
    return text


def _load_base(base: n.Name, text: Source, diagnostics: Diagnostics, chain: tuple[str, ...], read: ReadBase) -> FlatSpec | None:
    before = len(diagnostics.errors)
    tree = parse(text, diagnostics)
    if tree is None or len(diagnostics.errors) > before:
        diagnostics.error("LUO222", f"the base spec `{base.text}` has errors", base.span)
        return None
    return flatten(tree, diagnostics, chain, read)


KeyOf = tuple[str, str]


def key_of(decl: n.Decl) -> KeyOf | None:
    """What a declaration declares, as (category, name); None for those without a name of their own."""
    match decl:
        case n.EventDecl(kind=kind, name=name):
            return kind, name.text
        case n.ProcDecl(name=name):
            return "proc", name.text
        case n.WalkDecl(name=name):
            return "walk", name.text
        case n.DefineDecl(name=name):
            return "define", name.text
        case n.ScopeDecl(name=name):
            return "scope", name.text
        case n.TopologyDecl(name=name):
            return "topology", name.text
        case n.GlobalDecl(name=name):
            return "var", name.text
        case n.GraphDecl(name=name):
            return "graph", name.text
        case n.LockDecl(name=name):
            return "lock", name.text
        case n.SortDecl(name=name):
            return "sort", name.text
        case n.EnumDecl(name=name):
            return "enum", name.text
        case n.BootDecl():
            return "boot", "boot"
        case n.PropertyDecl(claim=claim):
            return claim_key(claim)
    return None


def claim_key(claim: n.Claim) -> KeyOf:
    match claim:
        case n.Never(event=event, outcome=outcome):
            return "never", never_name(event.text, outcome.text)
        case n.Stuck(name=name):
            return "never", name.text
        case (
            n.Invariant(name=name)
            | n.Lemma(name=name)
            | n.Reachable(name=name)
            | n.After(name=name)
            | n.At(name=name)
            | n.Recoverable(name=name)
            | n.Liveness(name=name)
        ):
            return type(claim).__name__.lower(), name.text
    raise AssertionError(claim)


def never_name(event: str, outcome: str) -> str:
    """Name of the claim `never EVENT returns OUTCOME`."""
    return f"{event}_never_{outcome}"


class _Applier:
    def __init__(self, flat: FlatSpec, diagnostics: Diagnostics) -> None:
        self.flat = flat
        self.diagnostics = diagnostics

    def apply(self, declarations: Sequence[n.Decl]) -> None:
        for decl in declarations:
            match decl:
                case n.OverrideDecl(declaration=inner):
                    self._override(decl, inner)
                case n.RemoveDecl():
                    self._remove(decl)
                case n.RemoveScenario():
                    self._remove_scenario(decl)
                case n.PatchDecl():
                    self._patch(decl)
                case n.EnumExtension():
                    self._extend_enum(decl)
                case n.PerOverride():
                    self._override_fields(decl)
                case n.AbiDecl():
                    self._abi(decl)
                case _:
                    self.flat.declarations.append(decl)

    def _find(self, key: KeyOf) -> int | None:
        for index, decl in enumerate(self.flat.declarations):
            if key_of(decl) == key:
                return index
        return None

    def _missing(self, what: str, key: KeyOf, span: Span) -> None:
        same = [k[1] for k in map(key_of, self.flat.declarations) if k is not None and k[0] == key[0]]
        others = {k[0] for k in map(key_of, self.flat.declarations) if k is not None and k[1] == key[1]}
        help = f"`{key[1]}` is declared as {', '.join(sorted(others))}" if others else did_you_mean(key[1], same)
        self.diagnostics.error("LUO207", f"there is no {key[0]} `{key[1]}` to {what}", span, help=help)

    def _replace(self, index: int, decl: n.Decl) -> None:
        self.flat.declarations[index] = decl

    def _override(self, outer: n.OverrideDecl, inner: n.Decl) -> None:
        key = key_of(inner)
        assert key is not None
        index = self._find(key)
        if index is None:
            self._missing("override", key, outer.span)
        else:
            self._replace(index, inner)

    def _remove(self, decl: n.RemoveDecl) -> None:
        name = decl.name.text
        if decl.kind == "expect":
            if not self._drop_expectations(lambda e: isinstance(e, n.ExpectProperty) and e.property.text == name):
                self.diagnostics.error("LUO207", f"there is no expectation about `{name}` to remove", decl.span)
            return
        index = self._find((decl.kind, name))
        if index is None:
            self._missing("remove", (decl.kind, name), decl.span)
            return
        removed = self.flat.declarations.pop(index)
        self.flat.removed[name] = decl.span
        if isinstance(removed, n.PropertyDecl):
            self._drop_expectations(lambda e: isinstance(e, n.ExpectProperty) and e.property.text == name)
        if isinstance(removed, n.EventDecl):
            self._drop_abi_of(name)

    def _remove_scenario(self, decl: n.RemoveScenario) -> None:
        for index, each in enumerate(self.flat.declarations):
            if isinstance(each, n.ScenarioDecl) and each.title.text == decl.title.text:
                del self.flat.declarations[index]
                return
        titles = [each.title.text for each in self.flat.declarations if isinstance(each, n.ScenarioDecl)]
        self.diagnostics.error(
            "LUO207", "there is no scenario of this title to remove", decl.title.span, help=did_you_mean(decl.title.text, titles)
        )

    def _drop_expectations(self, drop: Callable[[n.Expectation], bool]) -> bool:
        """Drops matching entries of `expect` blocks; true when there was one."""
        found = False
        for index, decl in enumerate(self.flat.declarations):
            if isinstance(decl, n.ExpectDecl) and any(drop(e) for e in decl.items):
                found = True
                self._replace(index, replace(decl, items=tuple(e for e in decl.items if not drop(e))))
        return found

    def _drop_abi_of(self, event: str) -> None:
        for index, decl in enumerate(self.flat.declarations):
            if isinstance(decl, n.AbiDecl):
                kept = tuple(
                    item for item in decl.items if not (isinstance(item, n.AbiIoctl | n.AbiSyscall) and item.event.text == event)
                )
                self._replace(index, replace(decl, items=kept))

    def _abi(self, decl: n.AbiDecl) -> None:
        """Adds an abi block; an `override ioctl` in it takes the place of the entry of that event."""
        kept: list[n.AbiItem] = []
        for item in decl.items:
            if isinstance(item, n.AbiIoctl) and item.override:
                if not self._replace_ioctl(item):
                    self.diagnostics.error("LUO207", f"the abi has no ioctl `{item.event}` to override", item.span)
            else:
                kept.append(item)
        if kept:
            self.flat.declarations.append(replace(decl, items=tuple(kept)))

    def _replace_ioctl(self, item: n.AbiIoctl) -> bool:
        for index, each in enumerate(self.flat.declarations):
            if isinstance(each, n.AbiDecl) and any(isinstance(i, n.AbiIoctl) and i.event == item.event for i in each.items):
                plain = replace(item, override=False)
                items = tuple(plain if isinstance(i, n.AbiIoctl) and i.event == item.event else i for i in each.items)
                self._replace(index, replace(each, items=items))
                return True
        return False

    def _extend_enum(self, decl: n.EnumExtension) -> None:
        index = self._find(("enum", decl.name.text))
        if index is None:
            self._missing("extend", ("enum", decl.name.text), decl.span)
            return
        base = self.flat.declarations[index]
        assert isinstance(base, n.EnumDecl)
        self._replace(index, replace(base, members=base.members + decl.members))

    def _override_fields(self, decl: n.PerOverride) -> None:
        owners = [name.text for name in decl.owners]
        for field_decl in decl.fields:
            for index, each in enumerate(self.flat.declarations):
                if not isinstance(each, n.PerDecl) or [o.text for o in each.owners] != owners:
                    continue
                if any(f.name.text == field_decl.name.text for f in each.fields):
                    changed = tuple(field_decl if f.name.text == field_decl.name.text else f for f in each.fields)
                    self._replace(index, replace(each, fields=changed))
                    break
            else:
                self.diagnostics.error(
                    "LUO207", f"`per {', '.join(owners)}` has no field `{field_decl.name.text}` to override", field_decl.span
                )

    def _patch(self, decl: n.PatchDecl) -> None:
        name = decl.name.text if decl.name is not None else "boot"
        index = self._find((decl.kind, name))
        if index is None:
            self._missing("patch", (decl.kind, name), decl.name.span if decl.name else decl.span)
            return
        for edit in decl.edits:
            target = self.flat.declarations[index]
            patched, hits = edit_declaration(target, edit)
            if hits == 0:
                labels = sorted(labels_of(target))
                help = did_you_mean(edit.label.text, labels) or (
                    f"its labels are {', '.join(labels)}" if labels else "it has no labels"
                )
                self.diagnostics.error(
                    "LUO208", f"`{name}` has no statement labelled `{edit.label.text}`", edit.label.span, help=help
                )
            self._replace(index, patched)


Edit = n.Replace | n.Drop | n.InsertBefore | n.InsertAfter


def edit_declaration(decl: n.Decl, edit: Edit) -> tuple[n.Decl, int]:
    """The declaration with one edit applied, and how many statements bore the label."""
    match decl:
        case n.EventDecl(body=body) | n.ProcDecl(body=body) | n.BootDecl(body=body):
            block, hits = _edit_block(body, edit)
            return replace(decl, body=block), hits
        case n.WalkDecl(statements=statements, rollback=rollback):
            edited, hits = _edit_statements(statements, edit)
            if rollback is not None:
                block, more = _edit_block(rollback.body, edit)
                rollback, hits = replace(rollback, body=block), hits + more
            return replace(decl, statements=edited, rollback=rollback), hits
    raise AssertionError(decl)


def _edit_block(block: n.Block, edit: Edit) -> tuple[n.Block, int]:
    statements, hits = _edit_statements(block.statements, edit)
    return (replace(block, statements=statements) if hits else block), hits


def _edit_statements(statements: tuple[n.Stmt, ...], edit: Edit) -> tuple[tuple[n.Stmt, ...], int]:
    out: list[n.Stmt] = []
    hits = 0
    for stmt in statements:
        if stmt.label is not None and stmt.label.text == edit.label.text:
            hits += 1
            match edit:
                case n.Replace(block=block):
                    out += block.statements
                case n.Drop():
                    pass
                case n.InsertBefore(block=block):
                    out += [*block.statements, stmt]
                case n.InsertAfter(block=block):
                    out += [stmt, *block.statements]
            continue
        bare, inner = _edit_inside(stmt.bare, edit)
        hits += inner
        out.append(replace(stmt, bare=bare) if inner else stmt)
    return tuple(out), hits


def _edit_inside(bare: n.Bare, edit: Edit) -> tuple[n.Bare, int]:
    hits = 0
    changes: dict[str, n.Node] = {}
    for name, block in inner_blocks(bare):
        edited, count = _edit_block(block, edit)
        if count:
            hits += count
            changes[name] = n.Else(getattr(bare, name).span, edited) if isinstance(getattr(bare, name), n.Else) else edited
    return (replace(bare, **changes) if changes else bare), hits  # type: ignore[arg-type]


def inner_blocks(bare: n.Bare) -> list[tuple[str, n.Block]]:
    """The blocks directly inside a statement, with the name of the attribute they stand in."""
    match bare:
        case n.If(then=then, orelse=orelse):
            return [("then", then)] + ([("orelse", orelse)] if orelse is not None else [])
        case n.Forall(body=body):
            return [("body", body)]
        case n.Run(orelse=n.Else(block=block)) | n.Choose(orelse=n.Else(block=block)) | n.Find(orelse=n.Else(block=block)):
            return [("orelse", block)]
    return []


def statements_of(decl: n.Decl) -> list[n.Stmt]:
    """All statements of an event, proc, walk or boot, at any depth."""
    match decl:
        case n.EventDecl(body=body) | n.ProcDecl(body=body) | n.BootDecl(body=body):
            return _all_statements(body.statements)
        case n.WalkDecl(statements=statements, rollback=rollback):
            return _all_statements(statements) + (_all_statements(rollback.body.statements) if rollback else [])
    return []


def _all_statements(statements: Sequence[n.Stmt]) -> list[n.Stmt]:
    out: list[n.Stmt] = []
    for stmt in statements:
        out.append(stmt)
        for _, block in inner_blocks(stmt.bare):
            out += _all_statements(block.statements)
    return out


def labels_of(decl: n.Decl) -> set[str]:
    return {stmt.label.text for stmt in statements_of(decl) if stmt.label is not None}
