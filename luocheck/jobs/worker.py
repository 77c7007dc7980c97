"""What happens in the process that does a task."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.connection import wait
from types import FrameType

from luocheck.jobs.job import Interrupted, Perform, Plain

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_reason: str | None = None


def begin() -> None:
    """Prepares a process of this machine's pool: signals are noted, and it ends when the process that began it is gone.

    It is started with the signals blocked, so that Ctrl-C does not end it in the middle of its imports.
    """

    def note(number: int, frame: FrameType | None) -> None:
        global _reason
        _reason = "interrupted"

    for each in SIGNALS:
        signal.signal(each, note)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def interrupted() -> str | None:
    """Was this process told to stop?"""
    return _reason


def perform(function: Perform, payload: Plain, stop: Interrupted = interrupted) -> tuple[Plain, float] | None:
    """The result of a task and the seconds it took; None when it was told to stop, so that the result may not be the whole."""
    began = time.monotonic()
    result = function(payload, stop)
    return None if stop() is not None else (result, time.monotonic() - began)
