"""Lines of `intent` deleted one by one: each mutant is told apart by a shortest sequence that replays, or is the same in the scope."""

from __future__ import annotations

import pytest
from diff.played import accepts
from mutation.delete_lines import Deletion, deletions, tree_of

from luocheck.checker.diff.behaviour import Comparison
from luocheck.checker.diff.pairing import pair
from luocheck.checker.explore.limits import Limits
from luocheck.checker.selection import with_scope
from luocheck.model.diagnostics import SpecError
from luocheck.model.library import read_shipped
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load_source
from luocheck.model.syntax.nodes import Node

SIZES = "Agent=1,File=2,Token=2"


def text() -> str:
    """`intent` without its scenarios: they name labels, and would refuse mutants."""
    return read_shipped("intent").text.partition("// ---- scenarios")[0]


def loaded(made: str) -> Spec:
    return with_scope(load_source(Source("intent.luo", made)), SIZES)


def mutant(deletion: Deletion) -> Spec | None:
    """The spec without the statement; None when there is no such spec."""
    node: Node = tree_of("intent")
    for name, index in deletion.path:
        value = getattr(node, name)
        node = value if index is None else value[index]
    whole = text()
    try:
        return loaded(whole[: node.span.start] + whole[node.span.end :])
    except SpecError:
        return None


def lengths(old: Spec, new: Spec) -> list[int | str]:
    """For each direction how many calls tell the two apart, or `same` when nothing in the scope does."""
    scope = old.system.scopes[-1]
    pairing = pair(old.system, new.system)
    found: list[int | str] = []
    for one, other, pairs in ((old, new, pairing), (new, old, pairing.swapped())):
        direction = Comparison(one.system, other.system, scope, scope, pairs).compare(Limits(timeout=120), None)
        assert direction.stopped is None
        if direction.distinction is None:
            assert direction.complete
            found.append("same")
            continue
        assert accepts(one, scope.name, direction.distinction) and not accepts(other, scope.name, direction.distinction)
        found.append(direction.distinction.calls)
    return found


EVERY = deletions(tree_of("intent"))

KNOWN: dict[str, list[int | str]] = {
    "unmet: fail ENOENT when some g: File | needs(f, g) and g.stage != PREPARED;": ["same", 3],
    "rollback visited reversed { run undo(f); }": ["same", 6],
    "f.owner = none;": [8, 8],
    "perm: fail EACCES sometimes;": [1, "same"],
    "preserve_reply: fail EFAULT sometimes copy_out;": [2, "same"],
    "early: fail EAGAIN when some g: File | needs(f, g) and g.stage == HANDED;": ["same", 7],
    "unfinished: fail EBUSY when phase == UPDATED;": [4, 4],
    "f.stage = RESTORED;": [8, 7],
}
"""Deletions with the lengths of the sequences that tell: what `intent` can do and the mutant cannot, and the other way round."""


@pytest.mark.parametrize("line", KNOWN)
def test_known_mutants(line: str) -> None:
    (deletion,) = [each for each in EVERY if each.text == line]
    made = mutant(deletion)
    assert made is not None and lengths(loaded(text()), made) == KNOWN[line]


def test_intent_is_no_mutant_of_itself() -> None:
    assert lengths(loaded(text()), loaded(text())) == ["same", "same"]


@pytest.mark.nightly
def test_every_mutant_is_told_apart_or_the_same() -> None:
    """What is the same in the scope is what user space does not see, such as whether the handler keeps memory, or would need two processes."""
    original = loaded(text())
    found = [lengths(original, made) for made in map(mutant, EVERY) if made is not None]
    assert len(found) == 62 and sum(each != ["same", "same"] for each in found) == 46
