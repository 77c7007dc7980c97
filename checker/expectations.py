"""Verdicts against what a spec says it expects.

A claim without an entry is expected to hold (a goal: to be reached) in the default scope, the first that is declared; so are the
built-in claims.  An entry is about the scope or topology that it names, or about the default scope.  Elsewhere the default's entry is
shown, and changes the verdict only when a claim that is expected to hold fails in a scope that is at least as large: what a smaller or
an incomparable scope shows is no contradiction.  `vacuous` is as expected only where an entry says so; liveness without an entry has
no expectation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from luocheck.checker.explore.result import Exploration
from luocheck.model.answer import Result, Verdict, Witness
from luocheck.model.diagnostics import fail
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Expectation, Expected, Kind, Property, Scope, StateExpectation, System, Topology
from luocheck.model.source import Span


@dataclass(frozen=True, slots=True)
class RunCheck:
    """An expectation about a whole run: `states LOW..HIGH`, `coverage all`, or what `--strict` asks for.

    as_expected is None when the run was not complete enough to tell.
    """

    what: str  # states, coverage
    expected: str
    found: str
    as_expected: bool | None
    span: Span = field(repr=False, compare=False)


def default_scope(system: System) -> Scope:
    """The scope that entries without a place are about.  Raises SpecError LUO604 when the spec declares none."""
    if not system.scopes:
        fail("LUO604", f"`{system.name}` declares no scope, so there is nothing to check", system.span, help="add a `scope`")
    return system.scopes[0]


class Judge:
    """Judges the verdicts of explorations of one system.

    `strict`: `within n` is the minimum itself, not a bound.  `symmetry`: whether isomorphic starting points were left out, as
    `states` entries mean it.
    """

    def __init__(self, system: System, *, strict: bool = False, symmetry: bool = True) -> None:
        self.system = system
        self.strict = strict
        self.symmetry = symmetry

    @property
    def default(self) -> Scope:
        """The scope that entries without a place are about.  Raises SpecError LUO604."""
        return default_scope(self.system)

    def verdicts(self, run: Exploration) -> tuple[Verdict, ...]:
        """The verdicts of a run with `expected`, `as_expected`, `note` and `inherited` filled in."""
        return tuple(_as_far_as_seen(run, self._judge(run, verdict)) for verdict in run.verdicts)

    def checks(self, run: Exploration) -> tuple[RunCheck, ...]:
        """The `states` and `coverage` entries that are about this scope or topology."""
        entries = [e for e in self.system.state_expectations if self.is_about(e, run.scope, run.topology)]
        return tuple(self._coverage(run, e) if e.low is None else self._states(run, e) for e in entries)

    def last_calls(self, scope: Scope, topology: Topology | None) -> dict[str, tuple[str, str | None]]:
        """How runs are expected to end in a scope or topology: claim -> event and label of `by EVENT at LABEL`."""
        entries = [e for e in self.system.expectations if self.is_about(e, scope, topology)]
        return {e.property: (e.event, e.label) for e in entries if e.event is not None}

    def is_about(self, entry: Expectation | StateExpectation, scope: Scope, topology: Topology | None) -> bool:
        """Is an entry about this scope (or this topology, in the default scope)?"""
        default = default_scope(self.system)
        if entry.topology is not None:
            return topology is not None and topology.name == entry.topology and scope == default
        declared = next((s for s in self.system.scopes if s.name == (entry.scope or default.name)), None)
        return topology is None and scope == declared

    # ---- one verdict --------------------------------------------------------------------------------------------

    def _judge(self, run: Exploration, verdict: Verdict) -> Verdict:
        entries = [e for e in self.system.expectations if e.property == verdict.property]
        here = [e for e in entries if self.is_about(e, run.scope, run.topology)]
        if here:
            judged = [self._against(verdict, entry, run) for entry in here]
            return min(judged, key=lambda v: {False: 0, None: 1, True: 2}[v.as_expected])
        default = default_scope(self.system)
        if run.topology is None and run.scope == default:
            return self._without_entry(verdict)
        elsewhere = next((e for e in entries if self.is_about(e, default, None)), None)
        return self._from_default(verdict, elsewhere, run, default)

    def _without_entry(self, verdict: Verdict) -> Verdict:
        kind = self.system.claim(verdict.property).kind
        if kind is Kind.LIVENESS and verdict.result is Result.UNKNOWN:
            return replace(verdict, note=verdict.note or "no engine decides it")
        expected = _implied(kind)
        return replace(verdict, expected=expected.value, as_expected=_matches(verdict.result, expected))

    def _from_default(self, verdict: Verdict, entry: Expectation | None, run: Exploration, default: Scope) -> Verdict:
        """A verdict in a scope or topology that no entry is about."""
        claim: Property = self.system.claim(verdict.property)
        if entry is None and claim.kind is Kind.LIVENESS:
            return verdict
        expected = entry.verdict if entry is not None else _implied(claim.kind)
        verdict = replace(verdict, expected=expected.value, inherited=entry is not None and entry.inherited)
        same = _matches(verdict.result, expected)
        if same is not False:
            return replace(verdict, as_expected=same)
        rule = f"the expectation is about scope `{default.name}`"
        if expected is Expected.HOLDS and verdict.result is Result.FAILS and at_least_as_large(self.system, run, default):
            return replace(verdict, as_expected=False, note=_note(verdict, f"{rule}, and this one is at least as large"))
        return replace(verdict, as_expected=None, note=_note(verdict, f"{rule}; here it is shown and not counted"))

    def _against(self, verdict: Verdict, entry: Expectation, run: Exploration) -> Verdict:
        """A verdict against an entry about this very run."""
        as_expected = _matches(verdict.result, entry.verdict)
        note = verdict.note
        if as_expected and verdict.witness is not None:
            as_expected, why = self._details(verdict.witness, entry, run)
            note = _note(verdict, why) if why else note
        elif as_expected and run.stopped is not None and (entry.within is not None or entry.event is not None):
            as_expected = None  # it came to an end before the shortest run was told
        return replace(verdict, expected=_text(entry), as_expected=as_expected, note=note, inherited=entry.inherited)

    def _details(self, witness: Witness, entry: Expectation, run: Exploration) -> tuple[bool | None, str]:
        """Do length and last step of a witness agree with `within n` and `by EVENT at LABEL`?  None: not decided."""
        calls, bound = witness.calls, entry.within
        shortest = "calls" in witness.minimal
        unit = "steps" if witness.stepwise else "calls"
        if bound is not None and calls > bound:
            if not shortest and run.stopped is not None:
                return None, f"a run with at most {bound} {unit} may exist: {run.stopped}"
            return False, f"the shortest run has {calls} {unit}, more than {bound}"
        if bound is not None and self.strict and (calls < bound or not shortest):
            if calls < bound:
                return False, f"{calls} {unit} are enough; --strict wants exactly {bound}"
            if run.stopped is not None:
                return None, f"a shorter run may exist: {run.stopped}"
        if entry.event is None or not witness.steps:
            return True, ""
        last = witness.steps[-1]
        if last.event != entry.event:
            return False, f"the last call is {last.event}, not {entry.event}"
        if entry.label is not None and last.label != entry.label:
            at = f"at `{last.label}`" if last.label is not None else "without a label"
            return False, f"{last.event} ends {at}, not at `{entry.label}`"
        return True, ""

    # ---- whole runs ---------------------------------------------------------------------------------------------

    def _states(self, run: Exploration, entry: StateExpectation) -> RunCheck:
        assert entry.low is not None and entry.high is not None
        wanted = f"{entry.low:,}" if entry.low == entry.high else f"{entry.low:,}..{entry.high:,}"
        found = f"{run.states:,}" if run.complete else f"{run.states:,} so far" if run.bound is None else "not counted"
        as_expected: bool | None
        if not self.symmetry:
            as_expected, found = None, f"{found}, without symmetry"
        elif run.states > entry.high:
            as_expected = False
        else:
            as_expected = run.states >= entry.low if run.complete else None
        return RunCheck("states", wanted, found, as_expected, entry.span)

    def _coverage(self, run: Exploration, entry: StateExpectation) -> RunCheck:
        if run.bound is not None:
            return RunCheck("coverage", "all", "not looked at", None, entry.span)
        dead = dead_texts(run.events_never_fired, run.lines_never_fired)
        as_expected = None if dead and not run.complete else not dead
        return RunCheck("coverage", "all", "all" if not dead else "never: " + ", ".join(dead), as_expected, entry.span)


def _as_far_as_seen(run: Exploration, verdict: Verdict) -> Verdict:
    """What a bounded search did not find is no contradiction: a longer run may show it."""
    found_nothing = verdict.result in (Result.HOLDS, Result.UNREACHED) and verdict.property != "lock_order"
    if run.bound is None or not found_nothing or verdict.as_expected is not False:
        return verdict
    return replace(verdict, as_expected=None, note=_note(verdict, "a longer run may show it"))


def at_least_as_large(system: System, run: Exploration, other: Scope) -> bool:
    """Has a run as many elements of every sort as a scope, and does it cut at least the same calls into steps?"""
    for sort in system.sorts:
        size = run.scope.size(sort.name)
        if run.topology is not None and run.topology.sort == sort.name:
            size = len(run.topology.elements)
        if size < other.size(sort.name):
            return False
    return run.scope.stepwise >= other.stepwise


def dead_texts(events: Iterable[str], lines: Iterable[st.Stmt]) -> list[str]:
    """Names of events and places of lines that never fired."""
    return [*events, *(line_text(line) for line in lines)]


def line_text(line: st.Stmt) -> str:
    """`PRESERVE_FD: fail EFAULT at reply (NAME.luo:12)`: a line that can end a call."""
    what = "panic"
    if isinstance(line, st.Fail):
        errno = line.errno if line.errno is None or isinstance(line.errno, str) else line.errno.span.text
        what = f"fail {errno}" if errno is not None else "fail"
    at = f" at {line.label}" if line.label is not None else ""
    return f"{line.place}: {what}{at} ({line.span.source.name.rpartition('/')[2]}:{line.span.line})"


def _implied(kind: Kind) -> Expected:
    return Expected.REACHABLE if kind is Kind.REACHABLE else Expected.HOLDS


def _matches(result: Result, expected: Expected) -> bool | None:
    """Does a result agree with an expectation?  None: it is not known."""
    if result is Result.UNKNOWN:
        return None
    match expected:
        case Expected.HOLDS:
            return result in (Result.HOLDS, Result.PROVED)
        case Expected.FAILS:
            return result is Result.FAILS
        case Expected.VACUOUS:
            return result is Result.VACUOUS
        case Expected.REACHABLE:
            return result is Result.REACHED
        case Expected.UNREACHABLE:
            return result is Result.UNREACHED


def _text(entry: Expectation) -> str:
    within = f" within {entry.within}" if entry.within is not None else ""
    by = f" by {entry.event}" if entry.event is not None else ""
    at = f" at {entry.label}" if entry.label is not None else ""
    return entry.verdict.value + within + by + at


def _note(verdict: Verdict, text: str) -> str:
    return f"{verdict.note}; {text}" if verdict.note else text
