"""Closes that overlap other things that are done with the same number by other threads of the process.

The kernel frees a number at one moment between the begin and the return of close(2), and open(2) takes one before it returns.  So of two
closes of one number the one that returned EBADF was late, whichever began first; and a close of a number that was surely free, which
succeeded, closed what an open that had not returned yet had just got.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from luocheck.model.errnos import GENERIC
from luocheck.traces.pairing import Operation

_Number = tuple[int, int]
"""A process and a number of its table."""


MOST_WAITING = 8
"""So many closes of one number are remembered for opens that have not returned."""


@dataclass(slots=True)
class _Race:
    """Closes of a number that go on at the same time.

    owners: those that are taken to have freed it, each what it meant then; an open got it again in between.  others: began when it was
    surely free, each with the number of owners at that time, of whose files it can have closed the last one or a later one.  since: for each
    owner, the line at which the number came to mean what it freed.  going: how many have not returned.
    """

    owners: list[Operation] = field(default_factory=list)
    others: dict[Operation, int] = field(default_factory=dict)
    since: list[int] = field(default_factory=list)
    going: int = 0


@dataclass(slots=True)
class Closes:
    """What is known of closes of single numbers while they are going on.

    early: of those of a number that was surely free, the last that succeeded and that no open is known of.
    """

    races: dict[_Number, _Race] = field(default_factory=dict)
    early: dict[_Number, list[Operation]] = field(default_factory=dict)

    def begin(self, process: int, number: int, operation: Operation, *, free: bool, since: int = 0) -> Operation | None:
        """A close begins.  free: nothing surely stands behind the number; else what does, since a line.

        The close that is going on there and took what did, or None.
        """
        race = self.races.setdefault((process, number), _Race())
        race.going += 1
        if not free:
            race.owners.append(operation)
            race.since.append(since)
            return None
        race.others[operation] = len(race.owners)
        return race.owners[-1] if race.owners else None

    def going(self, process: int, number: int) -> Operation | None:
        """The close of a number that has not returned yet and took what stood behind it."""
        race = self.races.get((process, number))
        return race.owners[-1] if race is not None and race.owners else None

    def end(self, process: int, number: int, operation: Operation) -> tuple[Operation | None, list[Operation]]:
        """A close is over.  When it did not close what it was taken to have closed: the one that did it instead.

        And the closes that succeeded though others, or nobody, have freed all that the number meant when they began: an open had got it.
        """
        race = self.races.get((process, number))
        if race is None or (operation not in race.owners and operation not in race.others):
            return None, []
        race.going -= 1
        heir, late = None, []
        if operation in race.owners:
            place = race.owners.index(operation)
            able = [each for each, owners in race.others.items() if owners <= place + 1]
            done = [each for each in able if each.result == 0 and each.exit is not None and each.exit.line > race.since[place]]
            if operation.result == -GENERIC["EBADF"]:
                heir = next(iter([*done, *(each for each in able if not each.returned)]), None)
            elif operation.result == 0 and done:  # both closed something, and that one returned first
                heir = done[0]
                race.others[operation] = place + 1
            if heir is not None:
                del race.others[heir]
                race.owners[place] = heir
        if all(each.returned and each.result == 0 for each in race.owners):
            late = [each for each in race.others if each.returned and each.result == 0]
            race.others = {each: owners for each, owners in race.others.items() if each not in late}
        if race.going <= 0:
            del self.races[process, number]
        return heir, late

    def await_open(self, process: int, number: int, operation: Operation) -> None:
        """A close succeeded that must have closed what an open that has not returned yet had got."""
        waiting = self.early.setdefault((process, number), [])
        waiting.append(operation)
        del waiting[:-MOST_WAITING]

    def closed_early(self, process: int, number: int, opened: Operation) -> Operation | None:
        """The close of what an open has got, when that succeeded before the open had returned."""
        waiting = self.early.get((process, number), [])
        for close in waiting:
            if close.exit is not None and opened.exit is not None and opened.enter.line < close.exit.line < opened.exit.line:
                waiting.remove(close)
                return close
        return None
