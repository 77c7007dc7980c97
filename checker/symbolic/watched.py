"""Questions to z3 that a limit can end.

The solver runs in a thread of its own while this one watches, so that a timeout, the bound of memory and Ctrl-C end a question that is
under way.  z3 takes Ctrl-C for itself unless it is told not to (`ctrl_c`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import z3

WATCH = 0.05
"""Seconds between two looks at the limits."""


def watched(context: z3.Context, ask: Callable[[], z3.CheckSatResult], pulse: Callable[[], None]) -> z3.CheckSatResult:
    """The answer of a solver of this context.  pulse: called now and then; when it raises, the question is given up.

    Raises what `pulse` raises, and Z3Exception.
    """
    answer: list[z3.CheckSatResult] = []
    failure: list[z3.Z3Exception] = []

    def work() -> None:
        try:
            answer.append(ask())
        except z3.Z3Exception as error:
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        thread.join(WATCH)
        while thread.is_alive():
            pulse()
            thread.join(WATCH)
    finally:
        if thread.is_alive():
            _ended(thread, context)
    if failure:
        raise failure[0]
    return answer[0] if answer else z3.unknown


def _ended(thread: threading.Thread, context: z3.Context) -> None:
    while thread.is_alive():  # once may be too early: a question clears the flag when it begins
        context.interrupt()
        thread.join(WATCH)
    z3.Solver(ctx=context).check()  # clears the flag, so that it does not end the making of the next question
