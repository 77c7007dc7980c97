"""The `abi` block to `model.abi.Abi`."""

from __future__ import annotations

from dataclasses import replace

from luocheck.model.abi import (
    CONSTANTS,
    DEVICE,
    SCALARS,
    Abi,
    Descriptor,
    Handle,
    Ioctl,
    PathEntry,
    Process,
    Sized,
    StructField,
    Syscall,
)
from luocheck.model.diagnostics import did_you_mean
from luocheck.model.ir.system import Event
from luocheck.model.ir.vocabulary import ElemT
from luocheck.model.resolve.symbols import Symbols
from luocheck.model.source import Span
from luocheck.model.syntax import nodes as n

Words = list[str]


def resolve_abi(symbols: Symbols, declarations: list[n.Decl], events: dict[str, Event]) -> Abi:
    """All abi blocks as one value; what is wrong in them goes to the diagnostics."""
    items = [item for decl in declarations if isinstance(decl, n.AbiDecl) for item in decl.items]
    return _AbiResolver(symbols, events).resolve(items)


class _AbiResolver:
    def __init__(self, symbols: Symbols, events: dict[str, Event]) -> None:
        self.symbols = symbols
        self.events = events
        self.handles: list[Handle] = []
        self.descriptors: list[Descriptor] = []
        self.ioctls: list[Ioctl] = []
        self.syscalls: list[Syscall] = []
        self.paths: list[PathEntry] = []
        self.process: Process | None = None
        self.sized: Sized | None = None

    def error(self, message: str, span: Span, help: str = "", code: str = "LUO400") -> None:
        self.symbols.diagnostics.error(code, message, span, help=help)

    def resolve(self, items: list[n.AbiItem]) -> Abi:
        for item in items:
            match item:
                case n.AbiHandle():
                    self._handle(item)
                case n.AbiDevice(span, path, clauses):
                    self._descriptor(DEVICE, path.text, clauses, span)
                case n.AbiObject(span, name, clauses):
                    if self.symbols.sort(name) is not None:
                        self._descriptor(name.text, None, clauses, span)
                case n.AbiProcess():
                    self._process(item)
                case n.AbiSized():
                    self._sized(item)
        for item in items:
            match item:
                case n.AbiIoctl():
                    self._ioctl(item)
                case n.AbiSyscall():
                    self._syscall(item)
                case n.AbiPath(path=path, clauses=clauses) | n.AbiTree(filesystem=path, clauses=clauses):
                    self.paths.append(PathEntry(path.text, tuple(tuple(_words(c)) for c in clauses)))
        self._check_numbers()
        errnos = tuple(self.symbols.errno_classes.items())
        return Abi(
            tuple(self.handles),
            tuple(self.descriptors),
            self.process,
            self.sized,
            tuple(self.ioctls),
            tuple(self.syscalls),
            tuple(self.paths),
            errnos,
        )

    # ---- handles and descriptors --------------------------------------------------------------------------------

    def _handle(self, item: n.AbiHandle) -> None:
        for target in (*item.targets, *([item.space] if item.space else [])):
            if target.text != DEVICE:
                self.symbols.sort(target)
        causes: tuple[str, ...] = ()
        if item.bad is not None:
            causes = tuple(cause.text for cause in item.bad.causes)
            known = ("empty", "unterminated") if item.form is not None else ("closed",)
            for cause in item.bad.causes:
                if cause.text not in known:
                    self.error(
                        f"`{cause}` is no way in which this handle can be bad",
                        cause.span,
                        "it can be " + " or ".join(f"`{k}`" for k in known),
                    )
        self.handles.append(
            Handle(
                item.name.text,
                item.space.text if item.space else None,
                tuple(target.text for target in item.targets),
                item.form.length.value if item.form else None,
                causes,
                item.bad.predicate.text if item.bad else None,
                item.span,
            )
        )

    def _event(self, name: str, span: Span) -> str | None:
        if name == "none":
            return None
        if name not in self.events:
            self.error(f"there is no event `{name}`", span, did_you_mean(name, self.events))
        return name

    def _descriptor(self, target: str, path: str | None, clauses: tuple[n.AbiClause, ...], span: Span) -> None:
        made = Descriptor(target, path, None, None, None, None, None, None, None, span)
        for clause in clauses:
            words = _words(clause)
            match words:
                case ["open", event]:
                    made = replace(made, open=self._event(event, clause.span))
                case ["release", event]:
                    made = replace(made, release=self._event(event, clause.span))
                case ["exit", event]:
                    self._set_exit(self._event(event, clause.span), clause.span)
                case ["magic", number] if number.isdigit():
                    made = replace(made, magic=int(number))
                case ["nr", low, "..", high] if low.isdigit() and high.isdigit():
                    made = replace(made, numbers=(int(low), int(high)))
                case ["unknown", errno]:
                    made = replace(made, unknown=self._errno(errno, clause.span))
                case ["encoding", errno]:
                    made = replace(made, encoding=self._errno(errno, clause.span))
                case ["link", text]:
                    made = replace(made, link=text)
                    label = made.label_field
                    if label is not None and label not in self.symbols.fields.get(target, {}):
                        self.error(f"`{target}` has no field `{label}`", clause.span)
                case _:
                    self.error(f"`{' '.join(words)}` says nothing about a descriptor", clause.span, _DESCRIPTOR_HELP)
        self.descriptors.append(made)

    def _errno(self, name: str, span: Span) -> str:
        return self.symbols.check_errno(n.Name(span, name))

    def _set_exit(self, event: str | None, span: Span) -> None:
        caller = next((s.name for s in self.symbols.sorts.values() if s.caller), None)
        if caller is None:
            self.error("`exit` needs a sort that is declared `caller`", span)
        elif self.process is None:
            self.process = Process(caller, event, (), span)

    def _process(self, item: n.AbiProcess) -> None:
        self.symbols.sort(item.sort)
        exit_event: str | None = None
        passing: list[str] = []
        for clause in item.clauses:
            words = _words(clause)
            match words:
                case ["exit", event]:
                    exit_event = self._event(event, clause.span)
                case [("fork" | "dup" | "pass"), *_]:
                    for word in words:
                        if word not in (",", "fork", "dup", "pass"):
                            event_name = self._event(word, clause.span)
                            if event_name is not None:
                                passing.append(event_name)
                case _:
                    self.error(
                        f"`{' '.join(words)}` says nothing about a process",
                        clause.span,
                        "`exit EVENT;` or `fork, dup, pass EVENT;`",
                    )
        self.process = Process(item.sort.text, exit_event, tuple(passing), item.span)

    def _sized(self, item: n.AbiSized) -> None:
        errnos: dict[str, str] = {}
        for clause in item.clauses:
            words = _words(clause)
            if len(words) == 2 and words[0] in ("short", "tail", "fault"):
                errnos[words[0]] = self._errno(words[1], clause.span)
            else:
                self.error(
                    f"`{' '.join(words)}` says nothing about a sized struct", clause.span, "`short E;`, `tail E;` or `fault E;`"
                )
        self.sized = Sized(item.type.text, item.name.text, errnos.get("short"), errnos.get("tail"), errnos.get("fault"))

    # ---- calls --------------------------------------------------------------------------------------------------

    def _ioctl(self, item: n.AbiIoctl) -> None:
        event = self.events.get(item.event.text)
        if event is None:
            self.error(f"there is no event `{item.event}`", item.event.span, did_you_mean(item.event.text, self.events))
            return
        errors = len(self.symbols.diagnostics.errors)
        if item.number.value >= 1 << 32:
            self.error("an ioctl number has 32 bits", item.number.span)
        target = item.target.text if item.target else DEVICE
        if target != DEVICE and target not in self.symbols.sorts:
            self.error(f"`{target}` is no sort", item.target.span if item.target else item.span)
        fields: list[StructField] = []
        offset = 0
        for each in item.fields:
            made = self._struct_field(each, event, offset)
            if made is not None:
                if any(f.name == made.name for f in fields):
                    self.error(f"the struct has a member `{made.name}` already", each.span)
                fields.append(made)
                offset = made.offset + made.size
        if any(i.event == event.name for i in self.ioctls):
            self.error(f"`{event.name}` has an ioctl already", item.span)
        self.ioctls.append(Ioctl(event.name, item.number.value, target, tuple(fields), item.span))
        if len(self.symbols.diagnostics.errors) == errors:
            self._check_parameters(event, target, fields, item.span)

    def _struct_field(self, node: n.AbiField, event: Event, offset: int) -> StructField | None:
        if isinstance(node, n.AbiSizedHeader):
            if self.sized is None or node.name.text != self.sized.name:
                self.error(f"`{node.name}` has no type and no role here", node.span, "declare `sized u32 size { ... }`")
                return None
            return StructField(self.sized.type, self.sized.name, None, offset, SCALARS.get(self.sized.type, 4), "size", None, None)
        assert isinstance(node, n.AbiStructField)
        unit = SCALARS.get(node.type.text)
        if unit is None:
            self.error(f"`{node.type}` is no type of a struct member", node.type.span, "one of " + ", ".join(SCALARS))
            return None
        offset = -(-offset // unit) * unit
        length = node.array.length.value if node.array else None
        if length is not None and not 1 <= length <= 4096:
            self.error("an array has 1 to 4096 elements here", node.span)
            length = 1
        size = unit * (length or 1)
        match node.role:
            case n.RoleIn(parameter=name):
                text, sort = self._parameter(name, event, False)
                return StructField(node.type.text, node.name.text, length, offset, size, "in", text, None, sort)
            case n.RoleOut(parameter=name):
                text, sort = self._parameter(name, event, True)
                return StructField(node.type.text, node.name.text, length, offset, size, "out", text, None, sort)
            case n.RoleZero(errno=errno):
                checked = self.symbols.check_errno(errno)
                return StructField(node.type.text, node.name.text, length, offset, size, "zero", None, checked)
        return StructField(node.type.text, node.name.text, length, offset, size, "ignored", None, None)

    def _parameter(self, name: n.Name, event: Event, out: bool) -> tuple[str, str | None]:
        """The name, and its sort when it is an element."""
        known = {p.name: p.type for p in event.parameters}
        if out and event.result is not None:
            known[event.result.name] = event.result.type
        if name.text not in known:
            self.error(
                f"`{event.name}` has no {'result' if out else 'parameter'} `{name}`", name.span, did_you_mean(name.text, known)
            )
        found = known.get(name.text)
        return name.text, found.sort.name if isinstance(found, ElemT) else None

    def _check_parameters(self, event: Event, target: str, fields: list[StructField], span: Span) -> None:
        """Every parameter is the caller, the descriptor itself, or a member of the struct."""
        given = {f.parameter for f in fields if f.role == "in"}
        descriptor_taken = target == DEVICE
        for parameter in event.parameters:
            if parameter.slot == event.caller or parameter.name in given:
                continue
            if not descriptor_taken and isinstance(parameter.type, ElemT) and parameter.type.sort.name == target:
                descriptor_taken = True
                continue
            self.error(f"the abi does not say where `{parameter.name}` of `{event.name}` stands", span, code="LUO402")
        if not descriptor_taken:
            self.error(f"`{event.name}` is an ioctl on {target}, but has no parameter of that sort", span)

    def _syscall(self, item: n.AbiSyscall) -> None:
        name = self._event(item.event.text, item.event.span)
        for argument in item.arguments:
            if argument.text.isupper() and argument.text not in CONSTANTS:
                self.error(f"`{argument}` is no known constant", argument.span, did_you_mean(argument.text, CONSTANTS))
        ends = False
        for clause in item.clauses:
            if _words(clause) == ["kernel_ends"]:
                ends = True
            else:
                self.error(f"`{' '.join(_words(clause))}` says nothing about a system call", clause.span, "`kernel_ends;`")
        if name is not None:
            self.syscalls.append(Syscall(name, item.function.text, tuple(a.text for a in item.arguments), ends, item.span))

    def _check_numbers(self) -> None:
        seen: dict[tuple[str, int], Ioctl] = {}
        for ioctl in self.ioctls:
            other = seen.setdefault((ioctl.target, ioctl.number), ioctl)
            if other is not ioctl:
                self.error(f"`{other.event}` has the number {ioctl.number:#x} already", ioctl.span, code="LUO401")


_DESCRIPTOR_HELP = (
    '`open E;`, `release E;`, `exit E;`, `magic N;`, `nr LOW..HIGH;`, `unknown ERRNO;`, `encoding ERRNO;` or `link "TEXT";`'
)


def _words(clause: n.AbiClause) -> Words:
    out: Words = []
    for word in clause.words:
        match word:
            case n.Number(value=value):
                out.append(str(value))
            case n.Name(text=text) | n.Text(text=text):
                out.append(text)
    return out
