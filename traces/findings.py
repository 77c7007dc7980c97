"""What an audit found, as findings and notes: no replay happens here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from luocheck.model.errnos import errno_name
from luocheck.traces.answer import Edit, Finding
from luocheck.traces.call import Call, Note, Origin, Recording
from luocheck.traces.replay.configurations import Refusal, returned
from luocheck.traces.replay.kernels import Part, Replayed
from luocheck.traces.replay.knowledge import common, texts
from luocheck.traces.replay.promises import Broken


def what_is_missing(recordings: Sequence[Recording]) -> str:
    """Why recordings that are explained are not known to conform; empty when nothing is missing."""
    losses = [(each, loss) for each in recordings for loss in each.losses]
    if not losses and any(each.is_partial for each in recordings):
        return "the calls of other tasks are not in this recording (LUO717); what is there is as the spec allows"
    if not losses:
        return ""
    recording, first = losses[0]
    count = f"{first.count:,} events" if first.count is not None else "events"
    where = recording.place(first.line) + (f" of {recording.name}" if len(recordings) > 1 else "")
    more = f", and at {len(losses) - 1:,} more places" if len(losses) > 1 else ""
    return f"{count} were lost before {where} ({first.reason}){more}; what is left is as the spec allows"


def unless_others(part: Part, refusal: Refusal) -> str:
    """Why a call that is refused is no violation where calls of other tasks are missing."""
    place = part.recording.place(returned(refusal.call))
    return f"{place} is not allowed after the calls that are there, but other tasks can have made calls before it (LUO717)"


def unless_closed(part: Part, refusal: Refusal, line: int) -> str:
    """Why a call that is refused is no violation where it is not known what a close, at a line, closed."""
    place, close = part.recording.place(returned(refusal.call)), part.recording.place(line)
    return f"{place} is not allowed after the calls before it, but it is not known what the close at {close} closed (LUO719)"


def observed(call: Call) -> str:
    """What a call returned: `OK`, an errno, or a number."""
    if call.result is None:
        return "did not return"
    return "OK" if call.result >= 0 else errno_name(-call.result)


def call_finding(part: Part, refusal: Refusal, edit: Edit | None, core: tuple[Call, ...]) -> Finding:
    call = refusal.call
    line = returned(call)
    name = call.event or (f"ioctl {call.command:#x}" if call.command is not None else call.kind.value)
    states = "the only state that agrees" if refusal.states == 1 else f"any of the {refusal.states} states that agree"
    if refusal.possible:
        message = f"{name} returned {observed(call)}, which {states} with the calls before it does not allow"
    else:
        message = f"{name} cannot be called in {states} with the calls before it"
    stores = [each.store for each in refusal.before]
    lines = {each.enter.line if each.exact and each is call else returned(each) for each in core} | {line}
    lines |= {call.enter.line} if call.exact else set()
    return Finding(
        part.recording.name,
        line,
        name,
        observed(call),
        refusal.possible,
        refusal.certain,
        refusal.states,
        tuple(sorted(lines)),
        message,
        call=call.number,
        known=texts(common(stores), stores[0]) if stores else (),
        since=refusal.since,
        edit=edit,
        edited=_edited(refusal, edit),
        origins=_origins(part.recording, sorted(lines)),
    )


def _origins(recording: Recording, lines: Sequence[int]) -> tuple[Origin, ...]:
    """Where the lines stand in the files that a recording was merged from."""
    found = [recording.origins[line] for line in lines if line in recording.origins]
    return tuple(found) if len(found) == len(lines) else ()


def promise_finding(part: Part, broken: Broken) -> Finding:
    claim, call = broken.promise, broken.call
    return Finding(
        part.recording.name,
        broken.line,
        claim.name,
        "does not hold",
        (),
        (),
        1,
        (broken.line,),
        f"`{claim.name}` does not hold after {call.event or call.kind.value} in any state that agrees"
        + (f" ({claim.doc})" if claim.doc else ""),
        rule="LUO712",
        call=call.number,
        origins=_origins(part.recording, [broken.line]),
    )


def promises_told(replayed: Replayed, cold: bool) -> Iterator[Note]:
    """Promises that do not hold in some state, or that the spec does not really make.

    States of a kernel that did not begin cold need not be reachable, so that a promise is broken in some of them says little.
    """
    for _, each in replayed.broken:
        claim = each.promise
        if each.expected:
            where = "does not hold here" if each.definite else "may not hold here"
            yield Note("LUO712", each.line, f"`{claim.name}` {where}, as the spec says can happen")
        elif not each.definite and cold:
            yield Note("LUO712", each.line, f"`{claim.name}` may not hold here: it does not in some of the states that agree")
    if replayed.unwatched is not None:
        yield Note(
            "LUO712", replayed.unwatched, "the invariants of the spec were looked at up to here; that takes too long in such states"
        )


def _edited(refusal: Refusal, edit: Edit | None) -> str:
    """The nearest edit in words."""
    match edit:
        case Edit.RESULT:
            allowed = list(dict.fromkeys(each.split(" at ")[0] for each in refusal.certain or refusal.possible))
            return f"the call returned {' or '.join(allowed) if allowed else 'something else'}"
        case Edit.INSERTED:
            return "a call before it was not recorded"
        case Edit.DROPPED:
            return "the call is not there"
    return ""
