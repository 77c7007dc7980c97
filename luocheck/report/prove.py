"""The answer of `prove` as text: a table of verdicts, the lemmas that can be pasted, and what stands in the way of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from luocheck.checker.proving import ProofRun, ProveAnswer, Unproved
from luocheck.model.answer import Result
from luocheck.model.spec import Spec
from luocheck.report.page import Page, Part
from luocheck.report.witness import tell

if TYPE_CHECKING:
    from luocheck.checker.symbolic.parametric.certificate import Checked

_STYLES = {0: "good", 1: "bad", 3: "open"}
_CHECKED = "checked by z3 for every size"
_MARKS = {True: Part("ok", "good"), False: Part("!!", "bad"), None: Part("??", "open")}


def write(page: Page, answer: ProveAnswer, certificate: str | None, tell_all: bool = False) -> None:
    """The whole report.  certificate: the file that was written.  tell_all: also the lemmas about the middle of calls."""
    system = answer.spec.system
    page.wrap(f"{system.name}  ", system.title, style="title")
    page.blank()
    rows = [[Part("  "), Part("PROPERTY", "dim"), Part("RESULT", "dim"), Part("", "dim")]]
    for verdict in answer.verdicts:
        said = verdict.text if verdict.result is not Result.UNKNOWN else "not proved"
        rows.append(
            [
                _MARKS[verdict.as_expected],
                Part(verdict.property),
                Part(said, "bad" if verdict.as_expected is False else ""),
                Part(verdict.note.removeprefix("not proved: ")),
            ]
        )
    if answer.verdicts:
        page.table(rows, "  ")
    else:
        page.wrap("  ", "it has no claim that says that something is never so: nothing to prove")
    for run in answer.runs:
        if run.lemmas:
            page.blank()
            _proof(page, run, tell_all)
    alone = [run for run in answer.runs if not run.lemmas]
    if alone:
        page.blank()
        page.wrap("  proved without a lemma  ", ", ".join(claim for run in alone for claim in run.claims))
        page.wrap("    ", f"{sum(run.checks for run in alone):,} questions, {sum(run.seconds for run in alone):.1f} s; {_CHECKED}")
    for name, unproved in answer.unproved.items():
        page.blank()
        _unproved(page, name, unproved)
    page.blank()
    for verdict in answer.verdicts:
        if verdict.witness is not None:
            tell(page, system, verdict, "")
    if answer.other:
        page.wrap("  not about every state, so `luocheck check` decides: ", ", ".join(answer.other), "    ", style="dim")
    if certificate is not None:
        page.wrap("  certificate: ", f"{certificate} (check it with `luocheck prove --check {certificate}`)")
    proved = sum(v.result is Result.PROVED for v in answer.verdicts)
    why = f" ({answer.stopped})" if answer.stopped is not None else ""
    text = f"{answer.spec.name}: {answer.verdict.replace('-', ' ')}"
    rest = f"{why}; {proved} of {len(answer.verdicts)} proved for every size; exit status {answer.exit_status}"
    page.add(Part(text, _STYLES[answer.exit_status]), rest)


def _proof(page: Page, run: ProofRun, tell_all: bool) -> None:
    """Claims that were proved by lemmas."""
    numbers = f"{_lemmas_of(len(run.lemmas))} from {run.counterexamples} counterexamples to induction, {run.checks:,} questions"
    page.wrap("  proved together  " if len(run.claims) > 1 else "  proved  ", ", ".join(run.claims))
    page.wrap("    ", f"{numbers}, views of {run.states:,} states, {run.seconds:.1f} s; {_CHECKED}")
    _lemmas(page, "between calls", run.between_calls)
    if tell_all:
        _lemmas(page, "at the heads of walks, too", run.lemmas)


def _lemmas_of(count: int) -> str:
    return f"{count} lemma{'' if count == 1 else 's'}"


def _lemmas(page: Page, where: str, lemmas: Sequence[str]) -> None:
    if lemmas:
        page.wrap("    ", f"lemmas {where}:", style="dim")
    for lemma in lemmas:
        page.wrap("      ", lemma + ";", " " * 10)


def _unproved(page: Page, name: str, unproved: Unproved) -> None:
    page.add(Part(f"  {name} is not proved", "open"))
    if unproved.reachable is False:
        where = (
            f"No run comes to it: all {unproved.explored:,} states of that size were explored; of larger sizes nothing is known."
        )
    else:
        where = f"Whether a run comes to it is not known; {unproved.explored:,} states of that size were explored."
    page.wrap("    ", f"from this state of {unproved.sizes}, {unproved.call} leads to a state in which it is false; no lemma that is true "
              f"of all explored states excludes it.  {where}")  # fmt: skip
    if unproved.graph:
        page.wrap("    graph: ", ", ".join(unproved.graph))
    page.wrap("    state: ", ", ".join(unproved.state) or "as in the beginning")


def write_check(page: Page, spec: Spec, checked: Sequence[Checked], status: int) -> None:
    """What the check of a certificate gave."""
    for each in checked:
        said = "accepted" if each.gap is None else f"{'not decided' if each.undecided else 'REJECTED'}: {each.gap}"
        style = "good" if each.gap is None else "open" if each.undecided else "bad"
        page.wrap("  ", f"{', '.join(each.claims)} by {_lemmas_of(each.lemmas)}: {said}", "    ", style=style)
    proved = [claim for each in checked if each.gap is None for claim in each.claims]
    page.add(Part(f"{spec.name}", _STYLES[status]), f": {len(proved)} claims proved for every size; exit status {status}")
