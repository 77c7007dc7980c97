"""Witnesses as scenario texts."""

from __future__ import annotations

from pathlib import Path

from luocheck.checker.explore.exploration import explore
from luocheck.model.answer import Result, Step, Verdict, Witness
from luocheck.model.scenario.write import scenario_text
from luocheck.model.spec import load

SMALL = Path(__file__).parent / "small"


def text_of(name: str, claim: str, scope: int = 0, topology: int | None = None) -> str:
    system = load(str(SMALL / f"{name}.luo")).system
    where = system.topologies[topology] if topology is not None else None
    (verdict,) = explore(system, system.scopes[scope], where, claims=[system.claim(claim)]).verdicts
    assert verdict.witness is not None
    return scenario_text(verdict.witness, verdict, f"{claim} {verdict.text}")


def test_a_counterexample() -> None:
    assert text_of("calls", "CREATE_never_EEXIST") == (
        'scenario "CREATE_never_EEXIST FAILS (2 calls)" in scope small {\n'
        "    let agent0: Agent;\n"
        "    let agent1: Agent;\n"
        "    let session0: Session;\n"
        "    let name0: Name;\n"
        "    CREATE(agent0, name0) = OK gives session0;\n"
        "    CREATE(agent1, name0) = EEXIST at taken;\n"
        "    violates CREATE_never_EEXIST;\n"
        "}\n"
    )


def test_a_goal_with_bad_bytes() -> None:
    text = text_of("calls", "bad_name_seen")
    assert "CREATE(agent0, bad_name) = EINVAL;\n    reaches bad_name_seen;\n" in text


def test_steps_of_calls() -> None:
    text = text_of("steps", "swept_same")
    assert "SWEEP(agent0) reaches half;" in text and "SWEEP(agent0) = OK;" in text


def test_what_the_start_was_given_is_declared() -> None:
    text = text_of("boots", "saved_is_here")
    assert "    given VM.can_save;\n" in text or "    given MEMFD.can_save;\n" in text
    assert "    let file2: File;\n" in text and "    given file2.here;\n" in text


def test_elements_that_only_the_start_names_are_declared() -> None:
    text = text_of("boots", "no_vm_here")
    assert text.splitlines()[1:] == [
        "    let file2: File;",
        "    given file2.kind == VM;",
        "    given file2.here;",
        "    violates no_vm_here;",
        "}",
    ]


def test_a_topology_names_its_elements() -> None:
    text = text_of("boots", "saved_is_here", topology=1)
    assert "    topology pair;\n" in text and "SAVE(agent0, low)" in text
    assert "let low" not in text


def test_edges_and_titles() -> None:
    step = Step("GO", (("f", "a"),), "OK", None, None, (), (), 0, False)
    edges = (("a", "b"), ("a", "c"), ("b", "c"))
    witness = Witness("s", None, (step,), edges, ("a.on", "n == 2"), (("a", "File"), ("b", "File"), ("c", "File")), (), ())
    verdict = Verdict("p", "invariant", "", Result.FAILS, "", witness)
    assert scenario_text(witness, verdict, 'he said "no"\n  twice') == (
        "scenario \"he said 'no' twice\" in scope s {\n"
        "    let a: File;\n"
        "    let b: File;\n"
        "    let c: File;\n"
        "    topology { a -> b, c; b -> c; }\n"
        "    given a.on;\n"
        "    given n == 2;\n"
        "    GO(a) = OK;\n"
        "    violates p;\n"
        "}\n"
    )


def test_the_same_witness_gives_the_same_text() -> None:
    assert text_of("steps", "stale_iteration") == text_of("steps", "stale_iteration")
