"""Why a recording conforms, as a file: the order in which its calls took effect, and what was chosen where nothing was recorded.

Whoever checks one (`witness_check`) needs the spec, the recording and the reference interpreter, and none of the search that found it.
(McConnell et al., "Certifying algorithms", 2011: a small checker is trusted in the place of a large search.)
`luocheck/report/schemas/audit-witness.schema.json` describes the JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn

from luocheck.model.diagnostics import fail
from luocheck.model.ir.vocabulary import ElemT, Field, Lifetime, SeqT, SetT, Sort
from luocheck.model.source import Source, Span

SCHEMA = "luocheck/1"
KIND = "audit-witness"
MOST_BYTES = 256_000_000


class Began(Enum):
    """What the recording begins with, and so which facts may be given."""

    COLD = "cold"  # a kernel that was not live-updated: what is drawn (`= any`)
    WARM = "warm"  # one that was: what is drawn or preserved
    RUNNING = "running"  # one that had been running: everything


@dataclass(frozen=True, slots=True)
class Element:
    """An element, and the process id, number or string that stands for it in the recording; None when nothing does."""

    name: str
    value: int | bytes | None = None


FactValue = bool | int | str | None | tuple[str, ...]
"""A bool, a number, the name of an element or of an enum member, None, the names in a set or sequence."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A field's value at the beginning.  owners: names of the sorts or enums that have it; of: of each the element or member."""

    field: str
    owners: tuple[str, ...]
    of: tuple[str, ...]
    value: FactValue


@dataclass(frozen=True, slots=True)
class WitnessStep:
    """An event, at its place in the order.

    call: the number of the recorded call that it is, None when nobody recorded it.  lines: the lines of that call, for people; they are
    compared all the same.  arguments: of each parameter the element, enum member, `true` or `false`.  bad: hidden arguments that are
    true, such as `bad_name`.  outcome: OK, or an errno or class of errnos as the spec has it; label: of the line that failed.  gives:
    the element that was returned.  A pool element gets its name there.
    """

    call: int | None
    lines: tuple[int, ...]
    event: str
    arguments: tuple[tuple[str, str], ...]
    bad: tuple[str, ...] = ()
    outcome: str = "OK"
    label: str | None = None
    gives: str | None = None


@dataclass(frozen=True, slots=True)
class NextKernel:
    """What a witness says of a kernel that the one before it started by kexec.

    capture/capture_sha256, format, threads_share, files, steps: as of the first one.  processes: elements of the scope and their process
    ids in this recording.  facts: of what each kernel draws for itself (`tells_anew`).
    """

    capture: str
    capture_sha256: str | None
    format: str
    threads_share: bool
    processes: tuple[Element, ...]
    facts: tuple[Fact, ...]
    files: Mapping[int, tuple[str, ...]]
    steps: tuple[WitnessStep, ...]


@dataclass(frozen=True, slots=True)
class AuditWitness:
    """Everything that replay found out, in the order in which a checker needs it.

    spec/spec_sha256, capture/capture_sha256: what was audited, None where there is no hash.  format, threads_share: how it was decoded.
    scope: the elements of each sort; of a pool also those that are dead at first, as many as are alive at one time.  alive: pool elements
    that are there at the beginning.  graphs: edges, by graph.  files: what open files stand for, by their number in the recording; a
    file can be an element of more than one sort, such as a session that somebody tried to preserve as a file.
    then: the kernels after the first one.  All of it is one run of the spec, with one scope: steps end with the reboot where another
    kernel follows.
    """

    spec: str
    spec_sha256: str | None
    capture: str
    capture_sha256: str | None
    format: str
    threads_share: bool
    begins: Began
    scope: Mapping[str, tuple[Element, ...]]
    graphs: Mapping[str, tuple[tuple[str, str], ...]]
    alive: tuple[str, ...]
    facts: tuple[Fact, ...]
    files: Mapping[int, tuple[str, ...]]
    steps: tuple[WitnessStep, ...]
    then: tuple[NextKernel, ...] = ()

    @property
    def kernels(self) -> tuple[AuditWitness | NextKernel, ...]:
        """What is said of each kernel; of the first one that is the witness itself."""
        return self, *self.then

    @property
    def all_steps(self) -> tuple[WitnessStep, ...]:
        """The steps of all kernels."""
        return tuple(step for each in self.kernels for step in each.steps)


def tells_anew(f: Field) -> bool:
    """May `NextKernel.facts` give a field?  It is drawn anew by each kernel, and neither of elements of a pool nor with such values."""
    sorts = [owner for owner in f.owners if isinstance(owner, Sort)]
    if isinstance(f.type, ElemT | SetT | SeqT):
        sorts.append(f.type.sort)
    return f.drawn and f.lifetime is not Lifetime.FIXED and not any(sort.pool for sort in sorts)


# ---- writing --------------------------------------------------------------------------------------------------------


def dump(made: AuditWitness) -> dict[str, Any]:
    """The witness as a JSON document.  `then` is there only when more than one kernel is."""
    document = {
        "schema": SCHEMA,
        "kind": KIND,
        "spec": {"name": made.spec, "sha256": made.spec_sha256},
        "recording": {
            "name": made.capture,
            "sha256": made.capture_sha256,
            "format": made.format,
            "threads_share": made.threads_share,
            "begins": made.begins.value,
        },
        "scope": {sort: [_element(each) for each in elements] for sort, elements in made.scope.items()},
        "graphs": {graph: [list(edge) for edge in edges] for graph, edges in made.graphs.items()},
        "initial": {
            "alive": list(made.alive),
            "facts": [_fact(each) for each in made.facts],
        },
        "files": _files(made.files),
        "steps": [_step(each) for each in made.steps],
    }
    if made.then:
        document["then"] = [
            {
                "recording": {
                    "name": each.capture,
                    "sha256": each.capture_sha256,
                    "format": each.format,
                    "threads_share": each.threads_share,
                },
                "processes": [_element(process) for process in each.processes],
                "facts": [_fact(fact) for fact in each.facts],
                "files": _files(each.files),
                "steps": [_step(step) for step in each.steps],
            }
            for each in made.then
        ]
    return document


def _fact(each: Fact) -> dict[str, Any]:
    return {
        "field": each.field,
        "owners": list(each.owners),
        "of": list(each.of),
        "value": list(each.value) if isinstance(each.value, tuple) else each.value,
    }


def _files(files: Mapping[int, tuple[str, ...]]) -> list[dict[str, Any]]:
    return [{"file": number, "element": each} for number, elements in sorted(files.items()) for each in elements]


def _step(each: WitnessStep) -> dict[str, Any]:
    return {
        "call": each.call,
        "lines": list(each.lines),
        "event": each.event,
        "arguments": dict(each.arguments),
        "bad": list(each.bad),
        "outcome": each.outcome,
        "label": each.label,
        "gives": each.gives,
    }


def _element(each: Element) -> dict[str, Any]:
    """Strings that are no UTF-8 stand as hexadecimal bytes."""
    if isinstance(each.value, bytes):
        try:
            return {"name": each.name, "text": each.value.decode("utf-8")}
        except UnicodeDecodeError:
            return {"name": each.name, "bytes": each.value.hex()}
    return {"name": each.name} if each.value is None else {"name": each.name, "number": each.value}


# ---- reading --------------------------------------------------------------------------------------------------------


def read(path: str) -> AuditWitness:
    """A witness from a file.  Raises SpecError LUO730."""
    where = Span(Source(path, ""), 0, 0)
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            fail("LUO730", "this is too large for a witness", where)
        data = json.loads(Path(path).read_bytes())
    except OSError as error:
        fail("LUO730", f"cannot read this file: {error.strerror or error}", where)
    except (ValueError, RecursionError) as error:
        fail("LUO730", f"this is not JSON: {error}", where)
    return parse(data, path)


def parse(data: object, name: str) -> AuditWitness:
    """A witness from a JSON document; name: of the file, for errors.  Raises SpecError LUO730 that says where in the document."""
    top = _At(data, name, "")
    if not isinstance(data, dict) or data.get("kind") != KIND or data.get("schema") != SCHEMA:
        top.refuse("this is not a witness of an audit", "write one with `luocheck audit SPEC CAPTURE --witness FILE`")
    spec, recording, initial = top["spec"], top["recording"], top["initial"]
    begins = recording["begins"]
    if begins.text() not in [each.value for each in Began]:
        begins.refuse("should be cold, warm or running")
    return AuditWitness(
        spec=spec["name"].text(),
        spec_sha256=spec["sha256"].text_or_none(),
        capture=recording["name"].text(),
        capture_sha256=recording["sha256"].text_or_none(),
        format=recording["format"].text(),
        threads_share=recording["threads_share"].flag(),
        begins=Began(begins.text()),
        scope={sort: tuple(_read_element(each) for each in elements.items()) for sort, elements in top["scope"].members()},
        graphs={graph: tuple(_read_edge(each) for each in edges.items()) for graph, edges in top["graphs"].members()},
        alive=initial["alive"].texts(),
        facts=_read_facts(initial["facts"]),
        files=_read_files(top["files"]),
        steps=tuple(_read_step(each) for each in top["steps"].items()),
        then=tuple(_read_next(each) for each in top["then"].items()) if "then" in data else (),
    )


def _read_next(each: _At) -> NextKernel:
    recording = each["recording"]
    return NextKernel(
        capture=recording["name"].text(),
        capture_sha256=recording["sha256"].text_or_none(),
        format=recording["format"].text(),
        threads_share=recording["threads_share"].flag(),
        processes=tuple(_read_element(process) for process in each["processes"].items()),
        facts=_read_facts(each["facts"]),
        files=_read_files(each["files"]),
        steps=tuple(_read_step(step) for step in each["steps"].items()),
    )


def _read_facts(facts: _At) -> tuple[Fact, ...]:
    return tuple(
        Fact(each["field"].text(), each["owners"].texts(), each["of"].texts(), each["value"].fact()) for each in facts.items()
    )


def _read_files(said: _At) -> dict[int, tuple[str, ...]]:
    files: dict[int, tuple[str, ...]] = {}
    for each in said.items():
        number, element = each["file"].number(), each["element"].text()
        if element in files.get(number, ()):
            each.refuse("names a file twice")
        files[number] = (*files.get(number, ()), element)
    return files


def _read_element(each: _At) -> Element:
    name, members = each["name"].text(), dict(each.members())
    if "number" in members:
        return Element(name, each["number"].number())
    if "text" in members:
        return Element(name, each["text"].text().encode("utf-8", "surrogatepass"))
    if "bytes" in members:
        try:
            return Element(name, bytes.fromhex(each["bytes"].text()))
        except ValueError:
            each["bytes"].refuse("should be hexadecimal digits, two for each byte")
    return Element(name)


def _read_edge(each: _At) -> tuple[str, str]:
    ends = each.texts()
    if len(ends) != 2:
        each.refuse("should be two elements")
    return ends[0], ends[1]


def _read_step(each: _At) -> WitnessStep:
    return WitnessStep(
        call=None if each["call"].data is None else each["call"].number(),
        lines=tuple(line.number() for line in each["lines"].items()),
        event=each["event"].text(),
        arguments=tuple((name, value.text()) for name, value in each["arguments"].members()),
        bad=each["bad"].texts(),
        outcome=each["outcome"].text(),
        label=each["label"].text_or_none(),
        gives=each["gives"].text_or_none(),
    )


class _At:
    """A value of the document and its place there; every access checks the type."""

    def __init__(self, data: object, file: str, place: str) -> None:
        self.data, self.file, self.place = data, file, place

    def refuse(self, why: str, help: str = "") -> NoReturn:
        text = f"`{self.place}` {why}" if self.place else why
        fail("LUO730", text, Span(Source(self.file, ""), 0, 0), help=help)

    def __getitem__(self, name: str) -> _At:
        if not isinstance(self.data, dict):
            self.refuse("should be an object")
        if name not in self.data:
            self.refuse(f"lacks `{name}`" if self.place else f"the witness lacks `{name}`")
        return _At(self.data[name], self.file, f"{self.place}.{name}" if self.place else name)

    def members(self) -> Sequence[tuple[str, _At]]:
        if not isinstance(self.data, dict):
            self.refuse("should be an object")
        return [(name, self[name]) for name in self.data]

    def items(self) -> Sequence[_At]:
        if not isinstance(self.data, list):
            self.refuse("should be a list")
        return [_At(each, self.file, f"{self.place}[{number}]") for number, each in enumerate(self.data)]

    def text(self) -> str:
        if not isinstance(self.data, str):
            self.refuse("should be a string")
        return self.data

    def text_or_none(self) -> str | None:
        return None if self.data is None else self.text()

    def texts(self) -> tuple[str, ...]:
        return tuple(each.text() for each in self.items())

    def number(self) -> int:
        if not isinstance(self.data, int) or isinstance(self.data, bool):
            self.refuse("should be a whole number")
        return self.data

    def flag(self) -> bool:
        if not isinstance(self.data, bool):
            self.refuse("should be true or false")
        return self.data

    def fact(self) -> FactValue:
        if isinstance(self.data, list):
            return self.texts()
        if self.data is None or isinstance(self.data, bool | int | str):
            return self.data
        self.refuse("should be a value of a field")
