"""Writes docs/history.md: every promise in every version, with the shortest story where it is broken.

    python tests/history/page.py [--check]

It checks the specs of the versions as `luocheck check` does, which takes about two minutes.  With --check nothing is written; exit status 1
when the page is not what the specs say.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from luocheck.checker.check import check
from luocheck.model.answer import Result, Verdict
from luocheck.model.spec import load

PAGE = Path(__file__).parents[2] / "docs" / "history.md"
VERSIONS = ("intent", "rfc_v2", "v1", "v3", "v4", "linux_6_19", "linux_7_0", "linux_7_1", "linux_7_3")
WHEN = {
    "intent": "promised, May 2025",
    "rfc_v2": "posted, May 2025",
    "v1": "June 2025",
    "v3": "August 2025",
    "v4": "September 2025",
    "linux_6_19": "merged",
    "linux_7_0": "",
    "linux_7_1": "",
    "linux_7_3": "7.2 and 7.3",
}
PROMISES = {
    "P-STATE": "the states follow each other as documented; a call that returns 0 has moved them",
    "P-ERRNOFX": "a call that fails has no effect",
    "P-ERRCODE": "the errno is that of the layer that failed",
    "P-REF": "what is used is referenced, and no reference is left",
    "P-TOKUNIQ": "a token, or a name, stands for one thing",
    "P-ONEOWNER": "a file is preserved once",
    "P-ONCE": "retrieve and finish run once",
    "P-UNREC": "FINISH releases what nobody took, and tells handlers the truth",
    "P-NOLOSS": "nothing preserved disappears in silence",
    "P-ROLLBACK": "what fails is undone, for all who took part",
    "P-REVERSE": "undone in the reverse order",
    "P-FREEZEATOMIC": "all is frozen and the kexec happens, or nothing is and reboot() fails",
    "P-NODANGLING": "what the new kernel reads was alive at the kexec",
    "P-SERSTABLE": "nothing changes between serialization and kexec",
    "P-SERCOMPLETE": "everything is recorded",
    "P-INOUT": "incoming is only retrieved and finished, outgoing only preserved and closed",
    "P-CANFINISH": "a finish that starts cannot fail",
    "P-FLB": "a shared object is kept while files use it, and finished once after the last",
    "P-NOTRACE": "cancel, or a close, leaves nothing",
    "P-SESSION": "who dies before the kexec takes its files along",
    "P-ISOLATION": "nobody cancels or finishes what is somebody else's",
    "P-EXCL": "the device has one opener",
    "P-DESERSTICKY": "what could not be read in keeps everybody out",
    "P-DEP": "nothing goes without what it depends on",
    "P-KHO": "what KHO forgets or restores was kept",
    "P-CONTENT": "size and seals come back as they were",
    "P-ABI": "names are looked at",
    "P-DISABLED": "nothing works unless it is switched on",
    "P-LOCK": "what is initialised once is initialised once",
    "P-CANCELLABLE": "from PREPARED there is a way back",
    "P-RETRY": "what failed can be tried again",
    "P-FINISHABLE": "every session can be ended",
    "P-RESTORE": "every file can be had again",
    "P-UPDNORM": "UPDATED is left",
    "P-NODEADLOCK": "nobody waits for ever",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A promise in a version.  claims: how many say it; worst: the broken one with the shortest story; broken: how many are."""

    claims: int
    broken: int
    worst: Verdict | None


def cells(version: str) -> dict[str, Cell]:
    """The promises that a version's claims are about."""
    answer = check(load(version))
    assert answer.verdict == "as-expected", version
    by_promise: dict[str, dict[str, list[Verdict]]] = {}
    for run in answer.runs:
        for verdict in run.verdicts:
            if verdict.doc.startswith("P-") and verdict.kind != "reachable":
                by_promise.setdefault(verdict.doc.split()[0].rstrip(":,"), {}).setdefault(verdict.property, []).append(verdict)
    return {promise: _cell(claims) for promise, claims in by_promise.items()}


def _cell(claims: dict[str, list[Verdict]]) -> Cell:
    told = {name: [v for v in every if v.result in (Result.HOLDS, Result.FAILS)] for name, every in claims.items()}
    told = {name: every for name, every in told.items() if every}  # the rest is vacuous in every scope
    broken = [v for every in told.values() for v in every if v.result is Result.FAILS]
    worst = min(broken, key=lambda v: (v.witness.calls, v.witness.faults) if v.witness is not None else (99, 0), default=None)
    return Cell(len(told), len({v.property for v in broken}), worst)


def anchor(promise: str, version: str) -> str:
    return f"{promise.lower()}-in-{version}"


def page(versions: Sequence[str] = VERSIONS) -> str:
    """The whole page."""
    table = {version: cells(version) for version in versions}
    unknown = {promise for each in table.values() for promise in each} - set(PROMISES)
    assert not unknown, unknown
    return "\n".join([*_head(versions), *_rows(table), "", *_stories(table)]) + "\n"


def _head(versions: Sequence[str]) -> Iterable[str]:
    yield "# The promises, version by version"
    yield ""
    yield "<!-- written by tests/history/page.py; not by hand -->"
    yield ""
    yield "What the Live Update Orchestrator promised in May 2025 and after, and what each version of it keeps. `ok`: every claim about the promise"
    yield "holds, in every scope of the version's spec that was looked at. A number is the calls of the shortest story that breaks one of them, with a link"
    yield "to it. Empty: the version has nothing that the promise could be about, or no claim about it. `luocheck check VERSION` tells all."
    yield ""
    yield "| promise | " + " | ".join(f"`{v}`" for v in versions) + " |"
    yield "|---|" + "---|" * len(versions)
    yield "| | " + " | ".join(WHEN[v] for v in versions) + " |"


def _rows(table: dict[str, dict[str, Cell]]) -> Iterable[str]:
    for promise, text in PROMISES.items():
        row = [f"{text} ({promise})"]
        for version, every in table.items():
            cell = every.get(promise)
            if cell is None or not cell.claims:
                row.append("")
            elif cell.worst is None or cell.worst.witness is None:
                row.append("ok")
            else:
                row.append(f"[{cell.worst.witness.calls}](#{anchor(promise, version)})")
        if any(row[1:]):
            yield "| " + " | ".join(row) + " |"


def _stories(table: dict[str, dict[str, Cell]]) -> Iterable[str]:
    yield "## The stories"
    for version, every in table.items():
        for promise, text in PROMISES.items():
            cell = every.get(promise)
            if cell is None or cell.worst is None or cell.worst.witness is None:
                continue
            witness = cell.worst.witness
            place = f"topology `{witness.topology}`" if witness.topology is not None else f"scope `{witness.scope}`"
            yield ""
            yield f"### {promise} in {version}"
            yield ""
            more = f"; {cell.broken} of {cell.claims} claims are broken" if cell.claims > 1 else ""
            yield f"Not: {text}. `{cell.worst.property}` in {place}{more}."
            yield ""
            yield "```"
            for number, step in enumerate(witness.steps):
                if number == witness.loop:
                    yield "-- and then for ever:"
                yield step.text
            if witness.loop == len(witness.steps):
                yield "-- and then nothing any more"
            yield "```"


def main(arguments: list[str]) -> int:
    text = page()
    if "--check" in arguments:
        return int(text != PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
