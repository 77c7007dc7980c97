"""Proofs as files: the claims and the lemmas, nothing else.  Whoever checks one needs the spec and z3."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luocheck.checker.symbolic.parametric import certified, lemmas
from luocheck.checker.symbolic.parametric.cutpoints import PROVABLE, Cut, cut
from luocheck.checker.symbolic.parametric.formed import formed
from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.checker.symbolic.parametric.views import Clause
from luocheck.model.diagnostics import fail
from luocheck.model.source import Source, Span
from luocheck.model.spec import Spec

KIND = "certificate"
SCHEMA = "luocheck/1"
MOST_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check of a part of a certificate gave: `gap` None when its claims are proved by its lemmas."""

    claims: tuple[str, ...]
    lemmas: int
    gap: str | None
    undecided: bool = False


def document(spec: Spec, given: str, proofs: Iterable[tuple[Cut, Sequence[str], Sequence[Clause]]]) -> dict[str, Any]:
    """A certificate.  given: how the spec was named."""
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "spec": spec.name,
        "given": given,
        "proofs": [
            {"claims": list(claims), **_looked_at(made), "lemmas": [lemmas.dump(made, clause) for clause in found]}
            for made, claims, found in proofs
        ],
    }


def _looked_at(made: Cut) -> dict[str, Any]:
    """The fields that a proof looks at beside those of its claims, where it does not look at all; claims that hold inside of calls too."""
    found: dict[str, Any] = {}
    if made.chosen is not None:
        found["fields"] = sorted(lemmas.key(f) for f in made.system.fields if f.index in made.chosen)
    if made.everywhere:
        found["everywhere"] = sorted(made.everywhere)
    return found


def read(path: str) -> dict[str, Any]:
    """A certificate from a file.  Raises SpecError LUO607 and LUO511."""
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            fail("LUO511", "this is too large for a certificate", _place(path))
        data = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        fail("LUO607", f"cannot read this file: {error.strerror or error}", _place(path))
    except (ValueError, RecursionError) as error:
        fail("LUO511", f"this is not a certificate: {error}", _place(path))
    if not isinstance(data, dict) or data.get("kind") != KIND or data.get("schema") != SCHEMA:
        fail("LUO511", "this is not a certificate", _place(path), help="write one with `luocheck prove SPEC --certificate FILE`")
    if not isinstance(data.get("spec"), str) or not isinstance(data.get("given"), str) or not isinstance(data.get("proofs"), list):
        fail("LUO511", "this certificate lacks its spec or its proofs", _place(path))
    return data


def check(spec: Spec, data: dict[str, Any], path: str, timeout: float, pulse: Callable[[], None]) -> list[Checked]:
    """Checks every proof of a certificate against a spec, from nothing but their claims and lemmas.  Raises SpecError LUO511."""
    return [_check(spec, each, path, data["spec"], timeout, pulse) for each in data["proofs"]]


def smt2(spec: Spec, data: dict[str, Any], path: str) -> str:
    """What has to be shown, as SMT-LIB 2.  Raises SpecError LUO511 and LUO510."""
    try:
        return "".join(
            certified.smt2(made, clauses) for made, _, clauses in (_read(spec, each, path, data["spec"]) for each in data["proofs"])
        )
    except NoForm as reason:
        fail("LUO510", f"this has no form for every size: {reason.reason}", reason.span)


def _check(spec: Spec, data: Any, path: str, whose: str, timeout: float, pulse: Callable[[], None]) -> Checked:
    try:
        made, named, clauses = _read(spec, data, path, whose)
    except NoForm as reason:
        named = tuple(str(name) for name in data["claims"])
        return Checked(named, len(data["lemmas"]), f"it has no form for every size: {reason.reason}")
    for gap in certified.gaps(made, clauses, timeout, pulse):
        where = f"after {gap.event}" if gap.event is not None else "at the beginning"
        if gap.sizes is None:
            return Checked(named, len(clauses), f"the solver gave up {where}: {gap.reason}", undecided=True)
        return Checked(named, len(clauses), f"a claim or a lemma can be false {where}")
    return Checked(named, len(clauses), None)


def _read(spec: Spec, data: Any, path: str, whose: str) -> tuple[Cut, tuple[str, ...], list[Clause]]:
    """A proof as it stands in a file.  whose: the name of the spec that the file is of."""
    named, listed = (data.get("claims"), data.get("lemmas")) if isinstance(data, dict) else (None, None)
    if not isinstance(named, list) or not named or not isinstance(listed, list):
        fail("LUO511", "a proof lacks its claims or its lemmas", _place(path))
    known = {claim.name: claim for claim in spec.system.properties if claim.kind in PROVABLE}
    for name in named:
        if name not in known:
            help = (
                f"the certificate is of `{whose}`" if whose != spec.name else "this is not the version that the certificate is of"
            )
            fail("LUO511", f"`{spec.name}` has no claim `{name}` that could be proved", _place(path), help=help)
    chosen: frozenset[int] | None = None
    if "fields" in data:
        fields = {lemmas.key(f): f.index for f in formed(spec.system).system.fields}
        if not isinstance(data["fields"], list) or not all(isinstance(each, str) and each in fields for each in data["fields"]):
            fail("LUO511", f"a proof looks at fields that `{spec.name}` does not have", _place(path))
        chosen = frozenset(fields[each] for each in data["fields"])
    everywhere = data.get("everywhere", [])
    if not isinstance(everywhere, list) or not all(isinstance(each, str) for each in everywhere):
        fail("LUO511", "`everywhere` of a proof is no list of claims", _place(path))
    made = cut(spec.system, [known[name] for name in named], chosen, frozenset(everywhere))
    try:
        return made, tuple(named), [lemmas.read(made, each) for each in listed]
    except lemmas.Unreadable as reason:
        fail("LUO511", f"a lemma does not fit the spec `{spec.name}`: {reason}", _place(path))


def _place(path: str) -> Span:
    return Span(Source(path, ""), 0, 0)
