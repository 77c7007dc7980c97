"""Recording on this machine: the shell script of `luocheck record` is run before and after a command."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from luocheck.jobs.job import Interrupted, Tell
from luocheck.model.diagnostics import fail
from luocheck.model.source import Source, Span
from luocheck.traces.recorded import Recorded, read_recorded
from luocheck.traces.recorders import NAME, script

PATIENCE = 0.1
"""Seconds between two looks at whether the command has ended."""
_SAID = "luo-record: "
_HELP = "`luocheck record --run` needs root; `luocheck record > luo-record.sh` and `sh luo-record.sh check` tell what this kernel offers"
_STILL_THERE = "what was recorded is still there: `luocheck record > luo-record.sh`, `sh luo-record.sh stop --out DIR`"


@dataclass(frozen=True, slots=True)
class RecordAnswer:
    """A recording that was made.

    folder: a capture, for `luocheck audit`.  status: how the command ended, as a shell tells it; None when there was none, or it could
    not be started (why: `failure`).
    """

    folder: str
    recorded: Recorded
    status: int | None
    interrupted: bool
    failure: str | None = None


def record(
    command: Sequence[str],
    options: Mapping[str, Sequence[str]],
    *,
    interrupted: Interrupted = lambda: None,
    tell: Tell = lambda sentence: None,
) -> RecordAnswer:
    """Records while a command runs, or without one until it is interrupted, and undoes the set-up.

    options: of the script (`--pid`) and their values.  tell: takes what the script says.  Raises SpecError LUO740 when this machine or this
    user cannot record, and nothing is left of the set-up then; or when the recording cannot be saved, which is still in the set-up then.
    """
    with tempfile.TemporaryDirectory(prefix="luocheck-") as place:
        path = Path(place, NAME)
        path.write_text(script(), encoding="utf-8")
        options = {"--out": [time.strftime("luo-record-%Y%m%dT%H%M%SZ", time.gmtime())], **options}
        given = [word for name, values in options.items() for value in values for word in (name, value)]
        where = [word for name in ("--instance", "--state") for value in options.get(name, ()) for word in (name, value)]
        _run(path, ["start", *given], tell)
        try:
            status, failure = _performed(command, interrupted)
        except BaseException:
            _run(path, ["undo", *where], tell)
            raise
        # Not undone when this fails: what was recorded is in the set-up still.
        folder = _run(path, ["stop", *where], tell, help=_STILL_THERE).strip()
        recorded = read_recorded(folder)
    return RecordAnswer(folder, recorded, status, bool(command) and interrupted() is not None, failure)


def _run(path: Path, words: Sequence[str], tell: Tell, help: str = _HELP) -> str:
    """Runs the script, out of reach of Ctrl-C: it must do what it does to the end.  Gives what it printed."""
    try:
        ended = subprocess.run(
            ["sh", str(path), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, start_new_session=True
        )
    except (OSError, ValueError) as error:
        _fail(f"the recorder cannot be run: {getattr(error, 'strerror', None) or error}", help)
    said = [line.removeprefix(_SAID) for line in ended.stderr.splitlines() if line]
    if ended.returncode:
        for line in said[:-1]:
            tell(line)
        _fail(said[-1] if said else f"the recorder ended with status {ended.returncode}", help)
    for line in said:
        tell(line)
    return ended.stdout


def _performed(command: Sequence[str], interrupted: Interrupted) -> tuple[int | None, str | None]:
    """The status of the command when it has ended, or why it could not be started.  Without one: waits for an interrupt."""
    if not command:
        while interrupted() is None:
            time.sleep(PATIENCE)
        return None, None
    try:
        process = subprocess.Popen(list(command))
    except (OSError, ValueError) as error:
        return None, f"{command[0]} cannot be run: {getattr(error, 'strerror', None) or error}"
    asked = False
    try:
        while True:
            try:
                status = process.wait(PATIENCE)
                return (status if status >= 0 else 128 - status), None
            except subprocess.TimeoutExpired:
                if interrupted() is not None and not asked:
                    process.terminate()  # Ctrl-C has reached it as well; a SIGTERM has not
                    asked = True
    except BaseException:
        process.kill()
        process.wait()
        raise


def _fail(message: str, help: str) -> NoReturn:
    fail("LUO740", message, Span(Source("luocheck record", ""), 0, 0), help=help)
