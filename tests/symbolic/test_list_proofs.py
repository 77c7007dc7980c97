"""Proofs for every size about lists, sets, counts, walks inside of walks, ordered sorts and a start that chooses."""

from __future__ import annotations

import copy
from contextlib import suppress
from functools import cache
from typing import Any

import pytest

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.proving import ProveAnswer, check_certificate, prove
from luocheck.checker.symbolic.parametric.proof import prove as prove_alone
from luocheck.model.answer import Result
from luocheck.model.diagnostics import SpecError
from luocheck.model.ir.system import Scope
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load_source

LISTS = """\
spec lists;
sort File symmetric;
graph needs on File acyclic;
scope two { File = 2 }
volatile var q: seq File;
per File { volatile saved: bool = false; }
ioctl PUT(f: File) {
    listed: fail EBUSY when f in q;
    unmet: fail ENOENT when some g: File | needs(f, g) and g not in q;
    append f to q;
    f.saved = true;
}
walk drop() drains f in q reversed {
    assert dependants_first: no g in q | needs(g, f);
    assert from_the_end: f == last(q);
    f.saved = false;
}
ioctl CLOSE() { run drop(); }
invariant saved_is_listed: all f: File | f.saved == (f in q);
invariant in_order: all f in q, g in q | needs(f, g) => before(q, g, f);
"""

ALONG = """\
spec along;
enum Stage { NEW, DONE }
sort File symmetric;
graph needs on File acyclic;
scope two { File = 2 }
preserved var q: seq File;
volatile var busy: bool = false;
per File { volatile stage: Stage = NEW; }
ioctl PUT(f: File) {
    fail EBUSY when busy or some g: File | needs(f, g) and g not in q;
    append f to q;
}
walk freeze() over f in q {
    assert prerequisites_first: all g: File | needs(f, g) => g.stage == DONE;
    fail EIO sometimes;
    f.stage = DONE;
    rollback visited reversed {
        assert dependants_first: no g: File | needs(g, f) and g.stage == DONE;
        f.stage = NEW;
    }
}
ioctl FREEZE() { fail EBUSY when busy;  run freeze();  busy = true; }
ioctl REBOOT() { reboot; }
after FREEZE returns EIO check undone: all f: File | f.stage == NEW;
"""

HELD = """\
spec held;
sort Agent symmetric caller;
sort File symmetric;
scope two { Agent = 2, File = 2 }
per Agent { volatile live: bool = false;  volatile fds: set File; }
per File { volatile gone: bool = false;  volatile uses: count(2) = 0; }
ioctl OPEN(a: Agent, f: File) { fail ENOENT when f.gone;  a.live = true;  add f to a.fds; }
ioctl USE(a: Agent, f: File) { fail EBADF when f not in a.fds;  f.uses = f.uses + 1; }
ioctl DONE(a: Agent, f: File) { fail EINVAL when f.uses == 0;  f.uses = f.uses - 1; }
ioctl DROP(a: Agent, f: File) {
    busy: fail EBUSY when some b: Agent | f in b.fds;
    used: fail EBUSY when f.uses > 0;
    f.gone = true;
}
ioctl EXIT(a: Agent) { a.fds = { };  a.live = false; }
invariant held_is_there: all a: Agent, f in a.fds | not f.gone;
invariant dead_hold_nothing: all a: Agent | not a.live => a.fds == { };
invariant used_is_there: all f: File | f.uses >= 1 => not f.gone;
"""

NESTED = """\
spec nested;
enum Phase { NORMAL, BUSY }
sort Layer symmetric;
sort File symmetric;
sort Token ordered;
scope two { Layer = 2, File = 2, Token = 2 }
volatile var phase: Phase = NORMAL;
volatile var next_token: Token? = Token.first;
preserved var again: bool = false;
volatile var started: bool = false;
per Layer { volatile ready: bool = false; }
per File { volatile kept: bool = false;  volatile token: Token? = none; }
ioctl ADD(f: File) { fail EBUSY when next_token == none or f.kept;  f.token = next_token;  next_token = next(next_token); }
walk hold() over f: File in any order where f.token != none { fail EIO sometimes;  f.kept = true;  rollback visited { f.kept = false; } }
walk forget() over f: File in any order where f.kept { f.kept = false; }
walk layers() over l: Layer in any order where not l.ready {
    fail EBUSY when phase == BUSY;
    run hold() else { run forget();  fail; }
    l.ready = true;
    rollback visited { l.ready = false;  run forget(); }
}
ioctl GO() { fail EBUSY when phase == BUSY;  run layers();  phase = BUSY; }
ioctl REBOOT() { again = phase == BUSY;  reboot; }
boot { if not again { stop; }  bad: panic sometimes;  started = true; }
after GO returns error check nothing_kept: phase == NORMAL => no f: File | f.kept;
after GO returns EIO check no_layer: no l: Layer | l.ready;
invariant started_again: started => again;
invariant nobody_without_token: all f: File | f.kept => f.token != none;
"""

QUICK = ("lists", "along")
SPECS = {"lists": LISTS, "along": ALONG, "held": HELD, "nested": NESTED}

BROKEN = [
    ("lists", "    unmet: fail ENOENT when some g: File | needs(f, g) and g not in q;\n", "", ("dependants_first", "in_order")),
    ("lists", "    listed: fail EBUSY when f in q;\n", "    remove f from q;\n", ("in_order",)),
    ("lists", "drains f in q reversed", "drains f in q", ("dependants_first", "from_the_end")),
    ("lists", "    f.saved = false;\n", "", ("saved_is_listed",)),
    ("lists", "    append f to q;\n", "", ("saved_is_listed",)),
    ("along", " or some g: File | needs(f, g) and g not in q", "", ("prerequisites_first", "dependants_first")),
    ("along", "over f in q {", "over f in q reversed {", ("prerequisites_first", "dependants_first")),
    ("along", "rollback visited reversed", "rollback visited", ("dependants_first",)),
    ("along", "        f.stage = NEW;\n", "", ("undone",)),
    ("held", "    busy: fail EBUSY when some b: Agent | f in b.fds;\n", "", ("held_is_there", "used_is_there")),
    ("held", "    used: fail EBUSY when f.uses > 0;\n", "", ("used_is_there",)),
    ("held", "a.live = true;", "", ("dead_hold_nothing",)),
    ("held", "a.fds = { };  ", "", ("dead_hold_nothing",)),
    ("nested", "  rollback visited { f.kept = false; }", "", ()),
    ("nested", "    rollback visited { l.ready = false;  run forget(); }\n", "", ("no_layer",)),
    ("nested", "run forget();  fail;", "fail;", ()),
    ("nested", " or f.kept", "", ()),
    ("nested", "run hold() else { run forget();  fail; }\n    l.ready = true;\n    rollback visited { l.ready = false;  run forget(); }",
     "run hold();\n    l.ready = true;\n    rollback visited { l.ready = false; }", ("nothing_kept",)),
    ("nested", "if not again { stop; }", "", ("started_again",)),
]  # fmt: skip
"""What is changed, and claims that fail then; none where another line makes up for it."""

SOME = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.nightly]) for name in SPECS]


@cache
def answered(name: str) -> tuple[Spec, ProveAnswer]:
    spec = load_source(Source(f"{name}.luo", SPECS[name]))
    return spec, prove(spec)


def rejections(spec: Spec, certificate: dict[str, Any]) -> list[str | None]:
    return [each.gap for each in check_certificate(spec, certificate, "file", Limits())]


@pytest.mark.parametrize("name", SPECS)
def test_proved_and_certified(name: str) -> None:
    spec, answer = answered(name)
    assert {v.property: v.result for v in answer.verdicts if v.result is not Result.PROVED} == {}
    assert answer.exit_status == 0 and set(rejections(spec, answer.certificate)) == {None}


@pytest.mark.parametrize(
    ("name", "old", "new", "fails"),
    [pytest.param(*each, marks=[] if each[0] in QUICK else [pytest.mark.nightly]) for each in BROKEN],
)
def test_without_a_guard_or_an_effect_it_is_not_proved(name: str, old: str, new: str, fails: tuple[str, ...]) -> None:
    assert SPECS[name].count(old) >= 1
    broken = load_source(Source("broken.luo", SPECS[name].replace(old, new, 1)))
    scope = Scope("large", tuple((sort.name, 3) for sort in broken.system.sorts), frozenset(), broken.system.span)
    found = explore(broken.system, scope, witnesses=False, limits=Limits(20_000))
    false = {v.property for v in found.verdicts if v.result is Result.FAILS}
    assert set(fails) <= false
    for claim in fails:
        assert not prove_alone(broken.system, [broken.system.claim(claim)], Limits(None, 20)).proved, claim
    _, answer = answered(name)
    if fails:
        with suppress(SpecError):  # it may not even fit
            assert set(rejections(broken, answer.certificate)) != {None}


@pytest.mark.parametrize("name", SOME)
def test_every_lemma_is_needed(name: str) -> None:
    spec, answer = answered(name)
    for i, proof in enumerate(answer.certificate["proofs"]):
        for j in range(len(proof["lemmas"])):
            broken = copy.deepcopy(answer.certificate)
            del broken["proofs"][i]["lemmas"][j]
            assert rejections(spec, broken)[i] is not None


@pytest.mark.parametrize("name", SOME)
def test_lemmas_are_of_the_language_and_hold_beyond_the_cut_off(name: str) -> None:
    _, answer = answered(name)
    pasted = list(dict.fromkeys(lemma for run in answer.runs for lemma in run.between_calls))
    text = SPECS[name] + "".join(f"lemma found{i}: {lemma};\n" for i, lemma in enumerate(pasted))
    system = load_source(Source("pasted.luo", text)).system
    scope = Scope("beyond", tuple((sort.name, 4 if sort.name == "File" else 2) for sort in system.sorts), frozenset(), system.span)
    claims = [claim for claim in system.properties if claim.name.startswith("found")]
    found = explore(system, scope, claims=claims, limits=Limits(8_000), witnesses=False)
    assert {verdict.result for verdict in found.verdicts} <= {Result.HOLDS, Result.UNKNOWN, Result.VACUOUS}


def test_a_claim_that_only_small_lists_keep_is_not_proved() -> None:
    """Two stand in a list of the default scope; the third is what breaks it."""
    text = LISTS + "invariant short: all f in q, g in q, h in q | f == g or g == h or f == h;\n"
    spec = load_source(Source("short.luo", text))
    assert not prove_alone(spec.system, [spec.system.claim("short")], Limits(None, 20)).proved
    (verdict,) = prove(spec, properties=["short"]).verdicts
    assert verdict.result is Result.FAILS


def test_a_certificate_cannot_say_what_is_so_of_a_list() -> None:
    """That the members of a list stand in a row is shown again by who checks; a lemma against it is rejected."""
    spec, answer = answered("lists")
    wrong = copy.deepcopy(answer.certificate)
    wrong["proofs"][0]["lemmas"].append(
        {
            "variables": [{"name": "f", "sort": "File"}, {"name": "g", "sort": "File"}],
            "never": [{"what": "File.File.q_order", "of": ["f", "g"], "in": [True]}],
        }
    )
    assert None not in rejections(spec, wrong)[:1]


CIRCLES = """\
spec circles;
sort File symmetric;
graph needs on File;
scope two { File = 2 }
per File { volatile saved: bool = false;  volatile late: bool = false; }
walk save() over f: File along needs {
    assert before_me: no g: File | needs(f, g) and not needs+(g, f) and not g.saved;
    assert all_before_me: no g: File | needs(f, g) and not g.saved;
    f.saved = true;
}
ioctl GO() { forall f: File { f.saved = false; }  run save(); }
invariant nothing_needs_itself: no f: File | needs(f, f);
"""


def test_in_a_circle_nobody_waits() -> None:
    spec = load_source(Source("circles.luo", CIRCLES))
    answer = prove(spec)
    found = {v.property: v.result for v in answer.verdicts}
    assert found == {"before_me": Result.PROVED, "all_before_me": Result.FAILS, "nothing_needs_itself": Result.PROVED}
    assert set(rejections(spec, answer.certificate)) == {None}
    assert not prove_alone(spec.system, [spec.system.claim("all_before_me")], Limits(None, 20)).proved
