"""A window of a recording as lanes: one for each thread with its calls as bars, one for what was known, and marks of findings and losses.

The axis is that of time, with long pauses shortened; a recording without a clock has its lines there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from luocheck.report.audit import found_call, shortened
from luocheck.report.audits.html_text import attribute, text
from luocheck.report.audits.html_window import Window
from luocheck.report.calls import SECOND, call_text, caller_text, has_seconds, lines_text, name_text
from luocheck.traces.answer import AuditAnswer, Belief
from luocheck.traces.call import Call, Moment, Recording

ROW = 24
"""Height of a row, in px."""
HEAD = 44
"""Height of the axis."""
BAR = 10
"""Narrowest bar; one whose begin is not recorded is as wide."""
CHARACTER = 6.65
"""Width of a character of a label."""
APART = 84
"""Least distance of two labels of the axis."""
NARROWEST, WIDEST = 30.0, 120.0
"""Distance of two moments that follow each other."""


@dataclass(frozen=True, slots=True)
class Bar:
    call: Call
    begin: float
    end: float
    since: float  # where it can have begun at the earliest


class Axis:
    """Places of lines, in px."""

    def __init__(self, recording: Recording, moments: Iterable[Moment]) -> None:
        by_line = {moment.line: moment for moment in moments}
        self.moments = [by_line[line] for line in sorted(by_line)]
        self.seconds = has_seconds(recording)
        self.timed = all(moment.time is not None for moment in self.moments)
        self.place: dict[int, float] = {}
        at, before = 30.0, None
        for moment in self.moments:
            at += 0.0 if before is None else self._distance(before, moment)
            self.place[moment.line] = at
            before = moment
        self.width = at + 40

    def _distance(self, before: Moment, after: Moment) -> float:
        """Grows with the logarithm of what is between two moments: of microseconds, or of lines."""
        if self.timed and before.time is not None and after.time is not None:
            between = max(0, after.time - before.time) / 1000
        else:
            between = after.line - before.line
        return min(WIDEST, NARROWEST + 16 * math.log10(1 + between))

    def at(self, line: int) -> float:
        """The place of a line; of one that no call of the window has, the end of the window before or after it."""
        if line in self.place:
            return self.place[line]
        later = [moment.line for moment in self.moments if moment.line > line]
        return self.place[later[0]] - BAR if later else self.width - BAR

    def labels(self) -> Iterator[tuple[float, str, str]]:
        """(place, line, time) for every moment that there is room for."""
        free = 0.0
        for moment in self.moments:
            at = self.place[moment.line]
            if at >= free:
                yield at, f"line {moment.line}", self._time(moment)
                free = at + APART

    def _time(self, moment: Moment) -> str:
        if moment.time is None:
            return ""
        if not self.seconds:
            return f"{moment.time}"
        return f"{moment.time // SECOND}.{moment.time % SECOND // 1000:06d} s"


class Lanes:
    """One window as SVG.  key: prefix of the ids of the calls of its kernel; capture: of those of the findings."""

    def __init__(self, answer: AuditAnswer, window: Window, key: str, capture: str) -> None:
        assert answer.recording is not None
        self.answer, self.recording, self.window, self.key, self.capture = answer, answer.recording, window, key, capture
        moments = [moment for call in window.calls for moment in _moments(call)]
        self.axis = Axis(self.recording, moments)
        self.first, self.last = min(m.line for m in moments), max(m.line for m in moments)
        self.found = {call.number for finding in answer.findings if (call := found_call(answer, finding)) is not None}

    def svg(self) -> str:
        lanes = self._lanes()
        belief = [each for each in self.answer.trail if self.first <= each.line <= self.last and each.line in self.axis.place]
        names: list[tuple[str, int]] = [("states that agree", 1)] if belief else []
        names += [(name, len(rows)) for name, rows in lanes]
        height = HEAD + ROW * sum(rows for _, rows in names) + 6
        out: list[str] = []
        y = HEAD
        if belief:
            out += self._belief(belief, y)
            y += ROW
        for number, (_, rows) in enumerate(lanes):
            shade = "lane odd" if number % 2 else "lane"
            out.append(f'<rect class="{shade}" x="0" y="{y}" width="{self.axis.width:.0f}" height="{ROW * len(rows)}"/>')
            for row in rows:
                out += self._row(row, y)
                y += ROW
        marks = [*self._losses(height), *self._findings(height)]
        width = f"{self.axis.width:.0f}"
        head = (
            f'<svg class="lanes" role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            f'aria-label="{len(self.window.calls)} calls on {len(lanes)} threads; the table below has the same">'
        )
        return (
            _labels(names, height)
            + f'<div class="scroll" tabindex="0">{head}{"".join([*self._ticks(height), *out, *marks])}</svg></div>'
        )

    # ---- calls ----------------------------------------------------------------------------------------------------

    def _lanes(self) -> list[tuple[str, list[list[Bar]]]]:
        """Each thread with its rows; bars of one row do not overlap."""
        threads: dict[str, list[Bar]] = {}
        for call in self.window.calls:
            threads.setdefault(caller_text(call), []).append(self._bar(call))
        return [(f"process {name}", _rows(bars)) for name, bars in threads.items()]

    def _bar(self, call: Call) -> Bar:
        since = self.axis.at(call.enter.line)
        end = self.axis.width - BAR if call.exit is None else self.axis.at(call.exit.line)
        begin = since if call.exact and since < end else end - BAR
        return Bar(call, begin, max(end, begin + BAR), min(since, begin))

    def _row(self, row: Sequence[Bar], y: int) -> Iterator[str]:
        for bar, after in zip(row, [*row[1:], None], strict=True):
            call = bar.call
            room = (after.begin if after is not None else self.axis.width) - bar.begin - 8
            told = f"{lines_text(call)}: {call_text(call)}"
            name = _fitting(name_text(call), room)
            whisker = (
                f'<line class="whisker" x1="{bar.since:.1f}" x2="{bar.begin:.1f}" y1="{y + ROW / 2}" y2="{y + ROW / 2}"/>'
                if bar.since < bar.begin - 1
                else ""
            )
            yield (
                f'{whisker}<a class="bar {self._class(call)}" href="#{self.key}-call-{call.number}" aria-label="{attribute(told)}">'
                f"<title>{text(told)}</title>"
                f'<rect x="{bar.begin:.1f}" y="{y + 4}" width="{bar.end - bar.begin:.1f}" height="{ROW - 8}" rx="2"/>'
                f'<text x="{bar.begin + 3:.1f}" y="{y + ROW - 8}">{text(name)}</text></a>'
            )

    def _class(self, call: Call) -> str:
        if call.number in self.found:
            return "wrong"
        if call.exit is None or call.inferred:
            return "unsure"
        return "refused" if call.result is not None and call.result < 0 else "fine"

    # ---- what was known, findings, losses ---------------------------------------------------------------------------

    def _belief(self, trail: Sequence[Belief], y: int) -> Iterator[str]:
        for each, after in zip(trail, [*trail[1:], None], strict=True):
            begin = self.axis.at(each.line)
            end = self.axis.at(after.line) if after is not None else self.axis.width - 6
            count = f"{each.states:,}"
            told = f"after line {each.line}: {count} {'state agrees' if each.states == 1 else 'states agree'}"
            told += "".join(f"\n{shortened(known)}" for known in each.known)
            shown = count if len(count) * CHARACTER + 4 <= end - begin else ""
            level = "one" if each.states == 1 else "few" if each.states <= 8 else "many"
            yield (
                f'<g class="belief {level}"><title>{text(told)}</title>'
                f'<rect x="{begin:.1f}" y="{y + 3}" width="{max(1.0, end - begin - 1):.1f}" height="{ROW - 6}"/>'
                f'<text x="{begin + 3:.1f}" y="{y + ROW - 8}">{shown}</text></g>'
            )

    def _findings(self, height: int) -> Iterator[str]:
        for number, finding in enumerate(self.answer.findings, 1):
            if finding.file == self.recording.name and self.first <= finding.line <= self.last:
                at = self.axis.at(finding.line)
                yield (
                    f'<a class="finding" href="#{self.capture}-f{number}" aria-label="finding {number}"><title>{text(finding.message)}</title>'
                    f'<line x1="{at:.1f}" x2="{at:.1f}" y1="14" y2="{height}"/>'
                    f'<text x="{at + 2:.1f}" y="12">✗ {number}</text></a>'
                )

    def _losses(self, height: int) -> Iterator[str]:
        for loss in self.recording.losses:
            if self.first <= loss.line <= self.last:
                at = self.axis.at(loss.line)
                yield (
                    f'<g class="loss"><title>line {loss.line}: events were lost, {text(loss.reason)}</title>'
                    f'<line x1="{at:.1f}" x2="{at:.1f}" y1="14" y2="{height}"/><text x="{at + 2:.1f}" y="12">lost</text></g>'
                )

    def _ticks(self, height: int) -> Iterator[str]:
        for at, line, time in self.axis.labels():
            yield (
                f'<g class="tick"><line x1="{at:.1f}" x2="{at:.1f}" y1="{HEAD - 4}" y2="{height}"/>'
                f'<text x="{at:.1f}" y="26">{line}</text><text x="{at:.1f}" y="38">{time}</text></g>'
            )


def _labels(names: Sequence[tuple[str, int]], height: int) -> str:
    width = max(9, *(len(name) for name, _ in names)) * CHARACTER + 12
    out, y = [], HEAD
    for name, rows in names:
        out.append(f'<text x="4" y="{y + ROW - 8}">{text(name)}</text>')
        y += ROW * rows
    return f'<svg class="names" aria-hidden="true" width="{width:.0f}" height="{height}">{"".join(out)}</svg>'


def _rows(bars: Sequence[Bar]) -> list[list[Bar]]:
    """Each bar in the first row where it is free."""
    rows: list[list[Bar]] = []
    for bar in sorted(bars, key=lambda each: (each.begin, each.end)):
        row = next((row for row in rows if row[-1].end <= bar.begin), None)
        if row is None:
            rows.append([bar])
        else:
            row.append(bar)
    return rows


def _moments(call: Call) -> Iterator[Moment]:
    """The moments of a call that the axis has a place for."""
    if call.exact or call.exit is None:
        yield call.enter
    if call.exit is not None:
        yield call.exit


def _fitting(name: str, room: float) -> str:
    most = int(room / CHARACTER)
    if len(name) <= most:
        return name
    return name[: most - 1] + "…" if most >= 4 else ""
