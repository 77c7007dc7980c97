"""Where pages and documents go: standard output, with colours only where a person looks at it."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from luocheck.report.pace import Pace
from luocheck.report.page import NARROW, Page

if TYPE_CHECKING:
    from luocheck.checker.explore.result import Progress

_STYLES = {"good": "green", "bad": "bold red", "open": "yellow", "title": "bold", "dim": "dim"}


class Terminal:
    """Prints answers.  color: `auto` (a terminal, unless NO_COLOR is set or TERM is `dumb`), `always` or `never`."""

    def __init__(self, color: str = "auto", out: TextIO | None = None) -> None:
        self.out = out if out is not None else sys.stdout
        tty = self.out.isatty()
        quiet = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self.colored = color == "always" or (color == "auto" and tty and not quiet)
        self.width = max(40, min(120, shutil.get_terminal_size((NARROW, 24)).columns)) if tty else NARROW

    def page(self) -> Page:
        """An empty page of this terminal's width."""
        return Page(self.width)

    def show(self, page: Page) -> None:
        """Prints a page."""
        if not self.colored:
            self.text(page.text())
            return
        from rich.console import Console
        from rich.text import Text

        text = io.StringIO()
        console = Console(file=text, force_terminal=True, color_system="standard", highlight=False, soft_wrap=True)
        for line in page.lines:
            console.print(Text.assemble(*((part.text, _STYLES.get(part.style, "")) for part in line)))
        self.text(text.getvalue())

    def document(self, document: dict[str, Any]) -> None:
        """Prints a JSON document, with escapes for everything that is not ASCII."""
        self.text(json.dumps(document, indent=2) + "\n")

    def text(self, text: str) -> None:
        """Prints a text as it is.  When nobody reads any more, the rest is dropped quietly: the exit status still tells the answer."""
        try:
            self.out.write(text)
            self.out.flush()
        except BrokenPipeError:
            drop_output(self.out)


def drop_output(out: TextIO) -> None:
    """Points a stream whose reader has gone to nowhere, so that closing it at the end is quiet too."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, out.fileno())
    os.close(null)


class NoteLine:
    """What a long run is doing, on standard error: one line that is rewritten on a terminal, a line every 10 s elsewhere.

    Nothing is said in the first 2 s (10 s when it is not a terminal).
    """

    def __init__(self, name: str, err: TextIO | None = None) -> None:
        self.name = name
        self.err = err if err is not None else sys.stderr
        self.tty = self.err.isatty()
        self.started = time.monotonic()
        self.next = self.started + (2.0 if self.tty else 10.0)
        self.shown = False

    def __call__(self, what: str) -> None:
        """Shows it, when it is time to."""
        self.show(f"{self.name}: {what}")

    def show(self, line: str) -> None:
        """Shows a whole line, when it is time to, with the seconds that have passed."""
        now = time.monotonic()
        if now < self.next:
            return
        self.next = now + (0.2 if self.tty else 10.0)
        text = f"{line}, {now - self.started:.0f} s"
        if self.tty:
            self.err.write("\r\x1b[K" + text[: shutil.get_terminal_size((NARROW, 24)).columns - 1])
        else:
            self.err.write(text + "\n")
        self.err.flush()
        self.shown = True

    def done(self) -> None:
        """Takes the line away."""
        if self.shown and self.tty:
            self.err.write("\r\x1b[K")
            self.err.flush()

    def tell(self, sentence: str) -> None:
        """Takes the line away and prints a sentence about what is not as it should be."""
        self.done()
        print(f"luocheck: {sentence}", file=self.err)


class ProgressLine:
    """How far a long run is, in a NoteLine."""

    def __init__(self, name: str, err: TextIO | None = None) -> None:
        self.line = NoteLine(name, err)
        self.pace = Pace()

    def __call__(self, where: str, progress: Progress) -> None:
        now = time.monotonic()
        self.pace.add(where, progress, now)
        if now >= self.line.next:
            self.line.show(f"{self.line.name} {where}: {self.pace.text(progress)}")

    def done(self) -> None:
        """Takes the line away."""
        self.line.done()
