"""The text of exported models, without SPIN: a whole one, its structure for all shipped specs, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from luocheck.checker.expectations import default_scope
from luocheck.checker.explore.exploration import explore
from luocheck.checker.export.promela import Export, promela
from luocheck.checker.selection import scope_named
from luocheck.model.diagnostics import SpecError
from luocheck.model.library import shipped
from luocheck.model.source import Source
from luocheck.model.spec import load, load_source

ROOT = Path(__file__).parents[2]
DOOR = ROOT / "docs" / "examples" / "door.luo"
PEERS = ROOT / "tests" / "specs" / "peers.luo"


def exported(text: str, scope: str | None = None, **options: int | bool) -> Export:
    system = load_source(Source("t.luo", "spec t;\n" + text)).system
    return promela(system, scope_named(system, scope) if scope else default_scope(system), **options)  # type: ignore[arg-type]


def test_a_whole_model() -> None:
    """The model of the example, as the documentation shows it."""
    system = load(str(DOOR)).system
    golden = (ROOT / "docs" / "examples" / "door.pml").read_text(encoding="utf-8")
    assert promela(system, default_scope(system)).text == golden


def test_the_documentation_shows_a_part_of_it() -> None:
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    golden = (ROOT / "docs" / "examples" / "door.pml").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```promela\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(shown) > 500 and shown in golden


def test_the_documentation_says_the_right_number_of_states() -> None:
    system = load("linux_7_3").system
    found = explore(system, scope_named(system, "files"), symmetry=False, witnesses=False)
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    assert f"`{found.states + 1} states, stored`" in page and f" {found.states} states." in page


# ---- structure --------------------------------------------------------------------------------------------------

SPECS = [
    (name, scope.name) for name in shipped() for scope in load(name).system.scopes if not scope.stepwise and scope.name != "wide"
]


def bare(text: str) -> str:
    """A model without comments and strings."""
    return re.sub(r"/\*.*?\*/|\"[^\"]*\"", "", text, flags=re.DOTALL)


def assert_no_name_twice(text: str) -> None:
    head = text.partition("#ifdef")[0] + text.partition("#endif")[2].partition("#endif")[2]
    names = re.findall(r"^#define (\w+)", head, re.MULTILINE) + re.findall(r"^(?:byte|bool|short|int) (\w+)", text, re.MULTILINE)
    assert len(names) > 10 and len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})


def assert_jumps_arrive(text: str) -> None:
    labels = re.findall(r"^\s*(L\w*): skip", text, re.MULTILINE)
    assert len(labels) == len(set(labels)) > 0
    assert set(re.findall(r"goto (\w+)", text)) <= set(labels)


def test_a_rollback_in_boot_that_cannot_happen() -> None:
    made = exported(
        "sort Token ordered; scope two { Token = 2 } per Token { volatile kept_: bool = false; }\n"
        "walk keep_all() over t: Token in order { t.kept_ = true;  rollback visited { t.kept_ = false; } }\n"
        "boot { run keep_all(); }\nenv KEXEC { reboot; }"
    )
    assert_jumps_arrive(made.text)


def test_names_that_would_meet() -> None:
    """Names are made of several of the spec's; two that come out alike are still two."""
    made = exported(
        "sort A pool; sort B; scope one { A = 1, B = 1 } enum E_F { G } enum E { X, F_G }\n"
        "volatile var alive_A: bool = false; volatile var A_B_f: bool = false; volatile var e: E = F_G; volatile var g: E_F = G;\n"
        "per A, B { volatile f: bool = false; } per A { volatile B_f: bool = false; } env NEW { new a: A; }"
    )
    assert_no_name_twice(made.text)
    assert "e_E_F_G 0" in made.text and "e_E_F_G_ 1" in made.text


@pytest.mark.parametrize(("name", "scope"), [*SPECS, (str(PEERS), "three")])
def test_structure(name: str, scope: str) -> None:
    """Everything that is used is there, and everything that is opened is closed."""
    system = load(name).system
    where = scope_named(system, scope)
    try:
        made = promela(system, where, graph=1 if system.graphs else None)
    except SpecError as error:
        assert [d.code for d in error.diagnostics] == ["LUO522"]
        return
    text = bare(made.text)
    assert text.count("{") == text.count("}") and text.count("(") == text.count(")") and text.count("[") == text.count("]")
    words = re.findall(r"\w+", text)
    assert not re.search(r"^inline \w+\([^)]", text, re.MULTILINE), "SPIN takes no array, and no element of one, as an argument"
    assert words.count("if") - text.count("#if ") == words.count("fi") and words.count("do") == words.count("od")
    assert_no_name_twice(text)
    assert_jumps_arrive(text)
    declared = set(re.findall(r"^(?:byte|bool|short|int) (\w+)", text, re.MULTILINE))
    defined = set(re.findall(r"#define (\w+)", text)) | set(re.findall(r"^inline (\w+)", text, re.MULTILINE))
    used = set(re.findall(r"\b((?:s|o|w|c|a|d|e|r|at|edge|closure|order|CLAIM|free|freed)_\w+|[xnzq]\d\w*)\b", text))
    assert used - declared - defined == {"d_step"}
    assert not re.search(r"\b(\w+)\[[^\]]*\b\1\[", text), "SPIN takes no a[a[i]]"
    decided = {claim.name for claim in system.properties} - {"lock_order"} - {w.message.split("`")[1] for w in made.warnings}
    assert set(made.claims) == decided and all(f"CLAIM_{claim} " in made.text for claim in decided)


def test_it_is_the_same_each_time() -> None:
    made = [promela(load("intent").system, scope_named(load("intent").system, "pair")).text for _ in range(2)]
    assert made[0] == made[1]


def test_every_event_that_can_happen_is_there() -> None:
    system = load("rfc_v2").system
    text = promela(system, scope_named(system, "subsystems")).text
    there = set(re.findall(r"atomic \{  /\* \w+ (\w+)\(", text))
    sizes = dict(scope_named(system, "subsystems").sizes)
    without_elements = {e.name for e in system.events if any(sizes.get(str(p.type)) == 0 for p in e.parameters)}
    assert without_elements and there == {e.name for e in system.events} - without_elements


# ---- starting points --------------------------------------------------------------------------------------------

GRAPHS = "sort File symmetric; graph needs on File acyclic; scope three { File = 3 } per File { fixed kind: bool = any; }"


def test_one_graph() -> None:
    counts = [exported(GRAPHS, graph=number).starts for number in range(1, 7)]
    assert sum(counts) == exported(GRAPHS).starts and counts[0] == 4
    assert exported(GRAPHS, symmetry=False).starts == 25 * 8


@pytest.mark.parametrize("number", [0, -1, 7])
def test_there_is_no_such_graph(number: int) -> None:
    with pytest.raises(SpecError) as refused:
        exported(GRAPHS, graph=number)
    (error,) = refused.value.diagnostics
    assert error.code == "LUO603" and error.message == f"there is no graph {number}; the scope has 6"


# ---- what is refused --------------------------------------------------------------------------------------------

REFUSED = {
    "a call that is cut": (
        "sort Agent symmetric caller; scope race { Agent = 1; stepwise E }\nioctl E(a: Agent) { step; }",
        "LUO520",
        "`E`, which scope `race` cuts into steps, has no translation to Promela",
        3,
    ),
    "a local that is a written-out set": (
        "sort File symmetric; scope one { File = 1 } volatile var b: bool = false;\nenv E(f: File) { let z = { f }; b = f in z; }",
        "LUO520",
        "a value of type { File } has no translation to Promela",
        3,
    ),
    "a large number": (
        "scope none_ { } volatile var n: count(3) = 0;\ninvariant small: n < 1000001;",
        "LUO522",
        "the number 1,000,001, too much for a Promela model",
        3,
    ),
    "too many elements": (
        "sort File symmetric;\nscope many { File = 32 }",
        "LUO522",
        "`File` has more than 31 elements, too much for a Promela model",
        3,
    ),
    "too many starting points": (
        "sort File;\nscope many { File = 13 } per File { fixed known: bool = any; }",
        "LUO522",
        "scope `many` has more than 5,000 starting points, too much for a Promela model",
        3,
    ),
    "a long walk": (
        "sort File; sort Token; scope many { File = 16, Token = 16 } volatile var b: bool = false;\n"
        "walk w() over f: File in any order, t: Token in any order { b = true; }\nenv E { run w(); }",
        "LUO522",
        "`w` runs over more than 250 elements, too much for a Promela model",
        3,
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    text, code, message, line = REFUSED[what]
    with pytest.raises(SpecError) as refused:
        exported(text)
    (error,) = refused.value.diagnostics
    assert (error.code, error.message, error.span.line) == (code, message, line)


def test_what_is_left_out_is_said() -> None:
    made = exported(
        "volatile var b: bool = false; scope s { }\nenv E { b = true; }\n"
        "recoverable back: b can reach not b;\nnever stuck free_;\nliveness ends: b leads to not b assuming E;"
    )
    assert [(w.code, w.message.split("`")[1], w.span.line) for w in made.warnings] == [
        ("LUO521", "back", 4),
        ("LUO521", "free_", 5),
        ("LUO521", "ends", 6),
    ]
    assert "Left out: back, free_, ends, lock_order\n" in made.text
    assert not set(made.claims) & {"back", "free_", "ends", "lock_order"}
