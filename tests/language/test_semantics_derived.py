"""Specs that extend others: add, override, remove, patch, extend enum; inherited expectations; what the flat text says."""

import pytest

from luocheck.model.diagnostics import SpecError
from luocheck.model.library import read_path
from luocheck.model.spec import load_source

BASE = """spec base "the base";
enum P { NORMAL, PREPARED }
sort U symmetric;  scope s { U = 1 }  scope two { U = 2 }
volatile var phase: P = NORMAL;  volatile var late: bool = false;
define settled = phase == NORMAL;
proc verify() { busy: fail EBUSY when phase != NORMAL; }
walk each() over u: U in any order { one: skip; rollback visited { undo: skip; } }
ioctl PREPARE() { run verify(); first: skip; if late { inner: fail EIO; } phase = PREPARED; }
ioctl CANCEL() { fail EINVAL when settled; phase = NORMAL; run each(); }
invariant sane: phase in { NORMAL, PREPARED };
reachable prepared: phase == PREPARED;
never CANCEL returns EIO;
abi {
    device "/dev/x" { magic 0xBA; }
    ioctl PREPARE 0xBA04 { } ioctl CANCEL 0xBA05 { u32 reserved zero EINVAL; }
}
scenario "first" { PREPARE() = OK; }
expect { sane holds; prepared is reachable; }
"""


@pytest.fixture
def derived(tmp_path):
    """Loads a derived spec whose base lies beside it; the codes of its errors when it has some."""

    def load(text, base=BASE):
        (tmp_path / "base.luo").write_text(base)
        (tmp_path / "next.luo").write_text(f"spec next extends base;\n{text}")
        try:
            return load_source(read_path(tmp_path / "next.luo"))
        except SpecError as error:
            return [d.code for d in error.diagnostics if d.severity.value == "error"]

    return load


def explored(spec, scope="s"):
    from luocheck.checker.explore.exploration import explore

    found = explore(spec.system, next(s for s in spec.system.scopes if s.name == scope))
    return {v.property: v.result.value for v in found.verdicts} | {"size": (found.states, found.transitions)}


def test_everything_is_inherited(derived):
    spec = derived("")
    assert spec.system.name == "next" and spec.system.title == "the base" and spec.system.bases == ("base",)
    assert [e.name for e in spec.system.events] == ["PREPARE", "CANCEL"]
    assert all(e.inherited for e in spec.system.expectations)
    assert explored(spec)["size"] == (2, 4)


def test_additions(derived):
    spec = derived(
        "ioctl KEXEC() { reboot; } invariant more: settled; per U { volatile x: bool = false; } extend enum P { FROZEN }"
    )
    assert [e.name for e in spec.system.events] == ["PREPARE", "CANCEL", "KEXEC"]
    assert explored(spec)["more"] == "fails"
    assert [m for e in spec.system.enums for m in e.members] == ["NORMAL", "PREPARED", "FROZEN"]


def test_a_second_declaration_is_no_override(derived):
    assert derived("ioctl CANCEL() { skip; }") == ["LUO201"]
    assert derived("invariant sane: true;") == ["LUO201"]


def test_override_takes_the_whole_place(derived):
    spec = derived(
        "override ioctl CANCEL() { fail EPERM; } override define settled = phase == PREPARED; override invariant sane: settled;"
    )
    assert explored(spec)["size"] == (2, 4) and explored(spec)["sane"] == "fails"


def test_override_of_one_field(derived):
    base = BASE.replace("define settled", "per U { volatile a: bool = false; volatile b: bool = false; } define settled")
    spec = derived("override per U { b: bool = true; }".replace("b:", "preserved b:"), base)
    fields = {f.name: (f.lifetime.value, f.initial) for f in spec.system.fields if f.owners}
    assert fields == {"a": ("volatile", False), "b": ("preserved", True)}
    assert derived("override per U { preserved c: bool = true; }", base) == ["LUO207"]


def test_override_of_a_scope_and_of_an_abi_entry(derived):
    spec = derived("override scope s { U = 3 } abi { override ioctl CANCEL 0xBA05 { u32 reserved ignored; } }")
    assert dict(spec.system.scopes[0].sizes) == {"U": 3}
    cancel = next(i for i in spec.system.abi.ioctls if i.event == "CANCEL")
    assert [f.role for f in cancel.fields] == ["ignored"]


def test_remove_an_event_takes_its_abi_entry_with_it(derived):
    spec = derived("remove ioctl CANCEL; remove never CANCEL_never_EIO;")
    assert [e.name for e in spec.system.events] == ["PREPARE"]
    assert [i.event for i in spec.system.abi.ioctls] == ["PREPARE"]


def test_remove_something_that_is_still_used(derived):
    assert set(derived("remove define settled;")) == {"LUO223"}


def test_remove_a_claim_takes_its_expectation_with_it(derived):
    spec = derived("remove invariant sane;")
    assert [e.property for e in spec.system.expectations] == ["prepared"]


def test_remove_an_expectation_and_a_scenario(derived):
    spec = derived('remove expect sane; remove scenario "first";')
    assert [e.property for e in spec.system.expectations] == ["prepared"]


def test_a_new_expectation_answers_an_inherited_one(derived):
    spec = derived("override ioctl PREPARE() { fail EPERM; } expect { prepared is not reachable; }")
    assert [(e.property, e.verdict.value, e.inherited) for e in spec.system.expectations] == [
        ("sane", "holds", True),
        ("prepared", "is not reachable", False),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "override ioctl NOPE() { skip; }",
        "override syscall CANCEL() { skip; }",
        "remove ioctl NOPE;",
        "remove invariant nope;",
        "remove expect nope;",
        'remove scenario "nope";',
        "patch ioctl NOPE { drop x; }",
        "patch walk verify { drop busy; }",
        "extend enum NOPE { X }",
        "abi { override ioctl NOPE 1 { } }",
    ],
)
def test_what_the_base_lacks_is_an_error(derived, text):
    assert derived(text) == ["LUO207"]


# ---- patch ------------------------------------------------------------------------------------------------------


def test_drop(derived):
    spec = derived("patch proc verify { drop busy; }")
    assert explored(spec)["size"] == (2, 4)
    ways = [s for s in spec.flat.declarations if type(s).__name__ == "ProcDecl"]
    assert ways[0].body.statements == ()


def test_replace(derived):
    assert explored(derived("patch proc verify { replace busy { fail EPERM; } }"))["prepared"] == "unreached"


def test_insert_before_and_after(derived):
    spec = derived(
        "volatile var log: bool = false; patch ioctl PREPARE { insert before first { log = true; } insert after first { assert logged: log; } }"
    )
    assert explored(spec)["logged"] == "holds"


def test_a_label_deep_inside_and_in_a_rollback(derived):
    spec = derived(
        "patch ioctl PREPARE { replace inner { fail EPERM; } } patch walk each { drop one; replace undo { late = true; } }"
    )
    assert not isinstance(spec, list)


def test_edits_are_applied_in_order(derived):
    spec = derived("patch proc verify { insert after busy { extra: fail EIO; } replace extra { skip; } }")
    assert explored(spec)["prepared"] == "reached"


def test_an_unknown_label(derived):
    assert derived("patch proc verify { drop nope; }") == ["LUO208"]
    assert derived("patch proc verify { drop busy; drop busy; }") == ["LUO208"]


def test_types_are_checked_in_the_flat_text(derived):
    assert derived("remove proc verify;") == ["LUO223"]  # PREPARE runs it
    assert derived("patch proc verify { replace busy { nowhere = true; } }") == ["LUO200"]


def test_a_patch_of_boot(derived):
    spec = derived("patch boot { drop start; }", BASE + "boot { start: late = true; }")
    assert spec.system.boot.statements == ()


def test_specs_in_a_circle(derived):
    assert derived("", base="spec base extends next;") == ["LUO221"]


def test_a_missing_base_and_a_base_with_errors(derived, tmp_path):
    (tmp_path / "lonely.luo").write_text("spec lonely extends nobody;")
    with pytest.raises(SpecError) as error:
        load_source(read_path(tmp_path / "lonely.luo"))
    assert [d.code for d in error.value.diagnostics] == ["LUO222"]
    assert derived("", base="spec base; sort ;")[-1] == "LUO222"


def test_three_generations(derived, tmp_path):
    derived("patch proc verify { replace busy { mark: skip; } }")
    (tmp_path / "third.luo").write_text("spec third extends next; patch proc verify { replace mark { fail EPERM; } }")
    spec = load_source(read_path(tmp_path / "third.luo"))
    assert spec.system.bases == ("next", "base")
    assert explored(spec)["prepared"] == "unreached"


def test_each_spec_of_a_chain_may_answer_an_expectation(tmp_path):
    """The answer of the last one counts; two in one text are still an error."""
    answers = {"middle": "prepared is reachable within 1;", "top": "prepared is reachable within 2;"}
    (tmp_path / "base.luo").write_text(BASE)
    (tmp_path / "middle.luo").write_text("spec middle extends base;\nexpect { " + answers["middle"] + " }\n")
    top = tmp_path / "top.luo"
    top.write_text("spec top extends middle;\nexpect { " + answers["top"] + " }\n")
    [entry] = [e for e in load_source(read_path(top)).system.expectations if e.property == "prepared"]
    assert entry.within == 2 and not entry.inherited
    top.write_text("spec top extends middle;\n")
    [entry] = [e for e in load_source(read_path(top)).system.expectations if e.property == "prepared"]
    assert entry.within == 1 and entry.inherited
    top.write_text("spec top extends middle;\nexpect { " + answers["top"] + answers["top"] + " }\n")
    with pytest.raises(SpecError):
        load_source(read_path(top))
