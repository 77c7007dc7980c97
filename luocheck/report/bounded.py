"""The answer of `prove --bounded`, as text and as a document: what is proved and how, and what induction trips over."""

from __future__ import annotations

from luocheck.checker.symbolic.bounded.prove import BoundedProofs, NotInductive, Proof
from luocheck.model.answer import Result
from luocheck.model.ir.system import System
from luocheck.report import document as documents
from luocheck.report.page import Page, Part
from luocheck.report.witness import steps, tell, why

_MARKS = {True: Part("ok", "good"), False: Part("!!", "bad"), None: Part("??", "open")}
_REACHABLE = {
    True: "a run comes to this state",
    False: "no run comes to this state: this is no violation",
    None: "whether a run comes to this state is not known: this is not known to be a violation",
}


def write(page: Page, answer: BoundedProofs) -> None:
    """The whole report."""
    system = answer.spec.system
    page.wrap(f"{system.name}  ", system.title, style="title")
    page.blank()
    sizes = " ".join(f"{name}={size}" for name, size in answer.scope.sizes)
    where = f"topology {answer.topology.name}" if answer.topology is not None else f"scope {answer.scope.name}"
    page.wrap(f"  {where}: ", sizes)
    proved = sum(proof.verdict.result is Result.PROVED for proof in answer.proofs)
    page.wrap("  prove  ", f"{proved} of {len(answer.proofs)} claims proved for runs of any length  {answer.seconds:.1f} s")
    if answer.stopped is not None:
        page.wrap("         ", answer.stopped)
    page.blank()
    page.table(
        [[Part("  "), Part("PROPERTY", "dim"), Part("RESULT", "dim"), Part("EXPECTED", "dim")], *map(_row, answer.proofs)], "  "
    )
    page.blank()
    for proof in answer.proofs:
        if proof.verdict.witness is not None:
            tell(page, system, proof.verdict, "")
        elif proof.obstacle is not None:
            _obstacle(page, system, proof, proof.obstacle)
    style = {"as-expected": "good", "unexpected": "bad", "undecided": "open"}[answer.verdict]
    right = sum(proof.verdict.as_expected is True for proof in answer.proofs)
    text = f"; {right} of {len(answer.proofs)} verdicts as expected; exit status {answer.exit_status}"
    page.add(Part(f"{system.name}: {answer.verdict.replace('-', ' ')}", style), text)


def _row(proof: Proof) -> list[Part]:
    verdict = proof.verdict
    text = verdict.text
    if verdict.result is Result.UNKNOWN and proof.obstacle is not None:
        text = "not proved (not inductive)"
    expected = verdict.expected or "nothing"
    return [_MARKS[verdict.as_expected], Part(verdict.property), Part(text), Part(expected)]


def _obstacle(page: Page, system: System, proof: Proof, obstacle: NotInductive) -> None:
    page.add(Part(f"{proof.verdict.property} is not inductive", "open"))
    if proof.verdict.doc:
        page.wrap("  ", proof.verdict.doc, style="dim")
    if obstacle.witness.graph:
        names = "/".join(graph.name for graph in system.graphs)
        page.wrap(f"  {names}: ", ", ".join(f"{a} -> {b}" for a, b in obstacle.witness.graph))
    page.wrap("  from the state: ", "; ".join(obstacle.state) or "all cells initial")
    page.wrap("  which is: ", _REACHABLE[obstacle.reachable], style="dim")
    steps(page, obstacle.witness.steps)
    why(page, obstacle.witness.clauses, proof.verdict)
    page.blank()


# ---- JSON -----------------------------------------------------------------------------------------------------------


def document(answer: BoundedProofs) -> documents.Document:
    """The document of `prove --bounded` for one spec."""
    return documents.document(
        "prove",
        spec=answer.spec.name,
        file=answer.spec.source.name,
        scope=documents.scope(answer.scope),
        topology=documents.topology(answer.topology),
        bounded=True,
        verdict=answer.verdict,
        stopped=answer.stopped,
        seconds=round(answer.seconds, 3),
        properties=[_property(proof) for proof in answer.proofs],
    )


def _property(proof: Proof) -> documents.Document:
    verdict, obstacle = proof.verdict, proof.obstacle
    return {
        "name": verdict.property,
        "kind": verdict.kind,
        "doc": verdict.doc,
        "result": verdict.result.value,
        "method": verdict.method,
        "certificate": list(proof.certificate),
        "seconds": round(proof.seconds, 3) if proof.seconds is not None else None,
        "expected": verdict.expected,
        "as_expected": verdict.as_expected,
        "note": verdict.note,
        "line": verdict.span.line if verdict.span.source.text else None,
        "witness": documents.witness(verdict.witness) if verdict.witness is not None else None,
        "not_inductive": {
            "state": list(obstacle.state),
            "reachable": obstacle.reachable,
            "step": documents.witness(obstacle.witness),
        }
        if obstacle is not None
        else None,
    }
