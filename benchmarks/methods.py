"""python3 -m benchmarks.methods: every claim of the shipped specs by every method, as a table in Markdown (docs/methods.md).

Each method is asked once for all claims of a spec, in the default scope, as a process of its own that gives way to others (nice).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.processes import Run, machine, run
from benchmarks.results_file import write
from benchmarks.tools import PYTHON, ROOT
from luocheck.model.ir.system import Kind
from luocheck.model.library import shipped
from luocheck.model.spec import load

PEERS = ROOT / "tests" / "specs" / "peers.luo"
_LUOCHECK = f"""
import resource, signal, sys
def up(*_):
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    signal.raise_signal(signal.SIGINT)
signal.signal(signal.SIGXCPU, up)
resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, resource.RLIM_INFINITY))
sys.path.insert(0, {str(ROOT)!r})
sys.argv[0] = "luocheck"
from luocheck.cli.main import run
sys.exit(run())
"""
"""A luocheck whose limit is in seconds of CPU, so that a busy machine takes nothing from it: it is interrupted then, and tells what it has."""
PATIENCE = 20
"""So many times as long as its limit may a method take by the clock."""


@dataclass(slots=True)
class Answer:
    """What a method says of a spec's claims.

    seconds: of CPU of the whole process.  over: the limit ended it.  depth: of `bmc`, the calls of the longest runs that were looked at.
    cells: of each claim, in few words.  decided: claims of which it gave a verdict.  reasons: why claims have no form, with how many.
    """

    seconds: float
    over: bool = False
    depth: int | None = None
    cells: dict[str, str] = field(default_factory=dict)
    decided: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    trouble: str | None = None


METHODS = {
    "check": ("check", "--scope", "{scope}"),
    "bmc": ("check", "--scope", "{scope}", "--engine", "bmc", "--depth", "{depth}"),
    "bounded": ("prove", "--bounded", "--scope", "{scope}"),
    "prove": ("prove",),
}
ENDLESS = (Kind.RECOVERABLE.value, Kind.STUCK.value, Kind.LIVENESS.value)
"""Kinds of which runs of a bounded length say nothing."""
OPEN, TIME, NOTHING = "open", "no time", "-"
"""Not decided; not decided within the limit; not for this method."""


def main(arguments: list[str] | None = None) -> int:
    """Asks, prints the tables, writes JSON.  1 when two methods contradict each other, else 0."""
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.methods")
    parser.add_argument("--specs", default=",".join([*shipped(), str(PEERS)]), help="only these, with commas between")
    parser.add_argument("--limit", type=int, default=60, help="seconds of CPU for a method and all claims of a spec (default 60)")
    parser.add_argument("--depth", type=int, default=8, help="most calls of the runs that bmc looks at (default 8)")
    parser.add_argument("--nice", type=int, default=10, help="how much the methods give way to other processes (default 10)")
    parser.add_argument("--output", type=Path, help="file for the JSON (default: a new one in benchmarks/results)")
    parser.add_argument(
        "--tables", type=Path, nargs="+", metavar="FILE", help="only print the tables of results that were written before"
    )
    args = parser.parse_args(arguments)
    if args.tables:
        written = [json.loads(path.read_text()) for path in args.tables]
        told = {name: {m: Answer(**a) for m, a in answers.items()} for each in written for name, answers in each["specs"].items()}
        print("\n".join(page(told)))
        return 1 if any(contradictions(answers) for answers in told.values()) else 0
    about, found = machine(), {}
    with tempfile.TemporaryDirectory(prefix="luocheck-bench-") as folder:
        for name in args.specs.split(","):
            found[name] = {method: _asked(name, method, args, Path(folder)) for method in METHODS}
            results = {name: {method: asdict(answer) for method, answer in answers.items()} for name, answers in found.items()}
            about["load_after"] = round(os.getloadavg()[0], 2)
            args.output = write("methods", {"machine": about, "limit": args.limit, "specs": results}, args.output)
            print(f"{Path(name).stem} done, load {about['load_after']}", file=sys.stderr, flush=True)
    print("\n".join(page(found)))
    wrong = [f"{name}: {claim}" for name, answers in found.items() for claim in contradictions(answers)]
    for each in wrong:
        print(f"\nCONTRADICTION: {each}")
    print(f"written to {args.output}; load {about['load_before']} before, {about['load_after']} after", file=sys.stderr)
    return 1 if wrong else 0


def _asked(name: str, method: str, args: argparse.Namespace, folder: Path) -> Answer:
    scope = load(name).system.scopes[0].name
    words = [word.format(scope=scope, depth=args.depth) for word in METHODS[method]]
    given = str(Path(name).resolve()) if Path(name).exists() else name
    code = _LUOCHECK.replace("SECONDS", str(args.limit))
    command = ["nice", "-n", str(args.nice), PYTHON, "-c", code, words[0], given, *words[1:], "--json"]
    done = run(command, folder, args.limit * PATIENCE)
    try:
        data = json.loads(done.output[done.output.index("{") : done.output.rindex("}") + 1])
        return read(method, data, done)
    except (ValueError, KeyError):
        return Answer(done.cpu, trouble="did not end" if done.over else done.output.strip()[-200:])


# ---- what the methods say ---------------------------------------------------------------------------------------


def read(method: str, data: dict[str, Any], done: Run) -> Answer:
    """The answer in the JSON that a command printed for one spec."""
    answer = Answer(done.cpu, over=bool(data.get("stopped")))
    share = done.cpu / done.wall  # what the process says of its parts is by the clock
    properties = data["properties"]
    if method in ("check", "bmc"):
        answer.over = data["runs"][0]["stopped"] is not None
        answer.depth = data["depth"] if method == "bmc" else None
    took = {claim: share * proof["seconds"] for proof in data.get("proofs", ()) for claim in proof["properties"]}
    took |= {each["name"]: share * each["seconds"] for each in properties if each.get("seconds") is not None}
    for each in properties:
        if each["kind"] == Kind.BUILT_IN.value:
            continue
        text, decided = _cell(method, each, took, answer)
        answer.cells[each["name"]] = text
        answer.decided += decided
    return answer


def _cell(method: str, claim: dict[str, Any], took: dict[str, float], answer: Answer) -> tuple[str, bool]:
    """A claim in few words, and whether it is decided."""
    result, note = claim["result"], claim["note"]
    if claim["witness"] is not None:
        return f"{result}, {len(claim['witness']['calls'])} calls", True
    if result == "unknown" and note.startswith("LUO510"):
        reason = note.split(": ", 1)[1]
        answer.reasons[reason] = answer.reasons.get(reason, 0) + 1
        return "no form", False
    if method == "bmc" and claim["kind"] in ENDLESS:
        return NOTHING, False
    if method == "bmc":
        return (f"to depth {answer.depth}", False) if result in ("holds", "unreached") or answer.over else (NOTHING, False)
    if result == "unknown":
        return NOTHING if "decide" in note else TIME if answer.over else OPEN, False
    if method == "check":
        return result, True
    seconds = took.get(claim["name"])
    shown = f", {seconds:.1f} s" if seconds is not None else ""
    how = claim["method"].replace("property directed reachability", "Spacer").replace("every size, ", "")
    return f"{how}{shown}" if result == "proved" else f"{result}{shown}", True


def contradictions(answers: dict[str, Answer]) -> list[str]:
    """Claims of which one method shows a run that breaks them, and another says that there is none."""
    found = []
    for claim in answers["check"].cells:
        said = [answer.cells.get(claim, NOTHING) for answer in answers.values()]
        broken = any(text.startswith("fails") for text in said)
        kept = said[0] == "holds" or any("induction" in text or "Spacer" in text or "lemma" in text for text in said[2:])
        if broken and kept:
            found.append(claim)
    return found


# ---- the page ---------------------------------------------------------------------------------------------------


def page(found: dict[str, dict[str, Answer]]) -> list[str]:
    """Lines of Markdown: a summary, then a table for each spec."""
    lines = ["| spec | claims | `check` | `check --engine bmc` | `prove --bounded` | `prove` |", "|---|---|---|---|---|---|"]
    for name, answers in found.items():
        claims = len(answers["check"].cells)
        lines.append(f"| {Path(name).stem} | {claims} | {' | '.join(_summary(a) for a in answers.values())} |")
    for name, answers in found.items():
        lines += ["", f"## {Path(name).stem}", ""]
        lines += ["| claim | `check` | `check --engine bmc` | `prove --bounded` | `prove` |", "|---|---|---|---|---|"]
        for claim in answers["check"].cells:
            cells = [answer.cells.get(claim, NOTHING) for answer in answers.values()]
            lines.append(f"| `{claim}` | {' | '.join(cells)} |")
        reasons = Counter(answers["prove"].reasons)
        if reasons:
            told = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
            lines += ["", f"No form for every size, and for how many claims: {told}."]
        lines += [f"\n{method}: {answer.trouble}" for method, answer in answers.items() if answer.trouble is not None]
    return lines


def _summary(answer: Answer) -> str:
    if answer.trouble is not None:
        return "none"
    depth = f", to depth {answer.depth}" if answer.depth is not None else ""
    ended = ", ended by the limit" if answer.over else ""
    return f"{answer.decided} in {answer.seconds:.1f} s{depth}{ended}"


if __name__ == "__main__":
    sys.exit(main())
