"""Many captures as one job: which they are, one audit as a value for another process or machine, and the answer from what came back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from luocheck.checker.checkpoint.plain import NotPlain, Plain
from luocheck.checker.sweep.work import loaded
from luocheck.fleet import AuditedCapture, FleetAnswer
from luocheck.jobs.choosing import choose_workers
from luocheck.jobs.job import Interrupted, Job, Outcome, Task, Tell
from luocheck.jobs.run import Progress, run
from luocheck.model.build import build
from luocheck.model.diagnostics import Diagnostic, SpecError
from luocheck.model.problems import Problem, problem_of, problems_of
from luocheck.model.source import Source, Span
from luocheck.model.spec import Spec
from luocheck.traces.answer import AuditAnswer
from luocheck.traces.audit import MOST_DEVIATIONS, audit
from luocheck.traces.folders import Place, Skipped, folders_among, places
from luocheck.traces.formats.detect import detect
from luocheck.traces.formats.strace_parts import stem_of
from luocheck.traces.parts import Captured, Parts, name_of
from luocheck.traces.recorded import files_of, is_recorded
from luocheck.traces.replay.world import Beginning
from luocheck.traces.source import MOST_BYTES, open_capture

MOST_SENT = 64 << 20
"""Bytes of a capture that are sent to a worker on another machine.  A larger one must be there under the same path."""

_PLAIN = Plain([])


@dataclass(frozen=True, slots=True)
class Audited:
    """How an audit ended in the process that made it: with an answer, with problems, or `skipped`, because the file is no capture.

    name: what the capture was called there.
    """

    name: str
    answer: AuditAnswer | None = None
    problems: tuple[Problem, ...] = ()
    skipped: str | None = None


def audit_all(
    spec: Spec,
    captures: Sequence[Captured],
    *,
    format: str | None = None,
    beginning: Beginning | None = None,
    timeout: float = 120.0,
    max_deviations: int = MOST_DEVIATIONS,
    max_bytes: int = MOST_BYTES,
    jobs: int | None = None,
    cluster: str | None = None,
    results: Path | str | None = None,
    interrupted: Interrupted = lambda: None,
    progress: Callable[[Progress], None] = lambda progress: None,
    tell: Tell = lambda sentence: None,
) -> FleetAnswer:
    """See `luocheck.audit_all`.  tell: takes sentences about workers and files that are not as they should be."""
    began = time.monotonic()
    workers = choose_workers(jobs, cluster, tell)
    found = list(places(captures))
    options = {
        "format": format,
        "beginning": beginning.name if beginning is not None else None,
        "timeout": timeout,
        "max_deviations": max_deviations,
        "max_bytes": max_bytes,
    }
    with ExitStack() as stack:
        tasks = [
            _task(spec, each, each.parts or (_copied(each.path, stack),), options, known=results is not None)
            for each in found
            if isinstance(each, Place)
        ]
        outcomes = run(JOB, tasks, workers, results=results, accept=_accept, interrupted=interrupted, progress=progress, tell=tell)
    return _answer(spec, captures, found, outcomes, interrupted() is not None, time.monotonic() - began)


# ---- one audit as a value -----------------------------------------------------------------------------------------------


def _copied(path: str, stack: ExitStack) -> str:
    """A path that can be read more than once and in another process: standard input and pipes are copied into a file first."""
    try:
        if path != "-" and not stat.S_ISFIFO(os.stat(path).st_mode):
            return path
        copy = stack.enter_context(tempfile.NamedTemporaryFile(prefix="luocheck-"))  # noqa: SIM115 (closed by the stack)
        if path == "-":
            shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            with open(path, "rb") as source:
                shutil.copyfileobj(source, copy)
        copy.flush()
        return copy.name
    except (OSError, ValueError):  # reading it says what is wrong
        return path


def _task(spec: Spec, place: Place, paths: tuple[str, ...], options: dict[str, Any], *, known: bool) -> Task:
    """paths: of the files that the capture is in.  known: results are kept, so that what is in it must be known before it is audited."""
    payload = {
        "texts": [[text.name, text.text] for text in spec.texts],
        "paths": [os.path.abspath(each) for each in paths],
        "parts": bool(place.parts),
        "name": _name(place),
        "found": place.folder is not None,
        "options": options,
    }
    return Task(_key(payload, _content(paths) if known else None), place.path, payload)


def _name(place: Place) -> str:
    return place.path if place.path != "-" else "<stdin>"


def _key(payload: dict[str, Any], content: list[str] | None) -> str:
    """What an answer is known by.  It does not depend on where files are when their content is known."""
    texts = [[PurePath(name).name, text] for name, text in payload["texts"]]
    what = {
        "texts": texts,
        "capture": content if content is not None else payload["paths"],
        "found": payload["found"],
        "options": payload["options"],
        "version": version(),
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


def _content(paths: Sequence[str]) -> list[str] | None:
    """Sums of the files that an answer depends on; None when one cannot be read, or is none."""
    sums = []
    try:
        for each in _files(paths):
            if not stat.S_ISREG(os.stat(each).st_mode):
                return None
            with open(each, "rb") as file:
                sums.append(
                    f"{PurePath(each).name if [each] != [*paths] else ''} {hashlib.file_digest(file, 'sha256').hexdigest()}"
                )
    except (OSError, ValueError):
        return None
    return sums


def _files(paths: Sequence[str]) -> list[str]:
    return [file for path in paths for file in files_of(path)]


def send(payload: dict[str, Any]) -> dict[str, Any]:
    """What a worker on another machine gets: the payload with the capture itself, unless it is too large or cannot be read here."""
    paths, files, size = payload["paths"], {}, 0
    try:
        for each in _files(paths):
            size += os.stat(each).st_size
            if size > MOST_SENT or not stat.S_ISREG(os.stat(each).st_mode):
                return payload
            files[PurePath(each).name] = Path(each).read_bytes()
    except (OSError, ValueError):
        return payload
    return {**payload, "files": files, "folder": is_recorded(paths[0])}


def perform(payload: dict[str, Any], interrupted: Interrupted) -> dict[str, Any]:
    """Audits the capture, and gives an `Audited` as a JSON object."""
    name, paths = payload["name"], payload["paths"]
    with ExitStack() as stack:
        if "files" in payload:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="luocheck-"))
            for each, data in payload["files"].items():
                Path(folder, each).write_bytes(data)
            paths = [folder] if payload["folder"] else [os.path.join(folder, each) for each in payload["files"]]
        capture = _parts(paths) if payload["parts"] else paths[0]
        try:
            audited = _audited(payload, capture, interrupted)
        except SpecError as error:
            audited = Audited(name_of(capture), problems=problems_of(error))
    written: dict[str, Any] = _PLAIN.write(_called(audited, name))
    return written


def _parts(paths: Sequence[str]) -> Parts:
    """The files of one recording as they lie where they are audited."""
    return Parts(f"{stem_of(paths[0])}.*", tuple(paths))


def _audited(payload: dict[str, Any], capture: Captured, interrupted: Interrupted) -> Audited:
    options, name = payload["options"], name_of(capture)
    if payload["found"] and options["format"] is None and isinstance(capture, str) and not is_recorded(capture):
        opened = open_capture(capture)
        detected = detect(opened.beginning())
        opened.close()
        if detected.format is None and detected.option is None and not detected.foreign:
            return Audited(name, skipped=detected.why)
    answer = audit(
        loaded(tuple((name, text) for name, text in payload["texts"])),
        capture,
        format=options["format"],
        beginning=Beginning[options["beginning"]] if options["beginning"] is not None else None,
        timeout=options["timeout"],
        max_deviations=options["max_deviations"],
        max_bytes=options["max_bytes"],
        interrupted=interrupted,
    )
    return Audited(name, replace(answer, recordings=(), trail=()))


def _called(audited: Audited, name: str) -> Audited:
    """The same about a capture that is called otherwise: it was sent here, or another one has the same content."""

    stem, shown = audited.name.removesuffix("*"), name.removesuffix("*")

    def renamed(file: str) -> str:
        inside = file == audited.name or file.startswith(audited.name + os.sep) or (stem != audited.name and file.startswith(stem))
        return shown + file.removeprefix(stem) if inside else file

    answer = audited.answer
    if answer is not None:
        findings = tuple(
            replace(
                each, file=renamed(each.file), origins=tuple(replace(origin, file=renamed(origin.file)) for origin in each.origins)
            )
            for each in answer.findings
        )
        answer = replace(answer, capture=renamed(answer.capture), findings=findings)
    problems = tuple(
        problem_of(Diagnostic(each.code, each.message, Span(Source(renamed(each.file), ""), 0, 0), help=each.help))
        if each.line is None
        else each
        for each in audited.problems
    )
    return Audited(name, answer, problems, audited.skipped)


def audited_of(result: object) -> Audited:
    """What `perform` gave.  Raises ValueError for anything else."""
    try:
        audited: Audited = _PLAIN.read(Audited, result)
    except NotPlain:
        raise ValueError("not the result of an audit") from None
    return audited


def _accept(task: Task, result: object) -> bool:
    """Is this an answer about a capture with this spec?"""
    try:
        audited = audited_of(result)
    except ValueError:
        return False
    return not audited.problems and (audited.answer is not None) != (audited.skipped is not None)


def _worth_keeping(result: dict[str, Any]) -> bool:
    """What cannot be read may be there the next time."""
    return not audited_of(result).problems


def version() -> str:
    """The build of all that an answer depends on."""
    return build("luocheck.model", "luocheck.traces")


JOB = Job("audit", perform, version, _worth_keeping, send)


# ---- the answer ---------------------------------------------------------------------------------------------------------


def _answer(
    spec: Spec,
    arguments: Sequence[Captured],
    found: Sequence[Place | Skipped | Diagnostic],
    outcomes: Sequence[Outcome | None],
    stopped: bool,
    seconds: float,
) -> FleetAnswer:
    ended = iter(outcomes)
    captures: list[AuditedCapture] = []
    skipped: list[Skipped] = []
    problems: list[Diagnostic] = []
    without = dict.fromkeys(folders_among(arguments))
    for each in found:
        match each:
            case Skipped():
                skipped.append(each)
            case Diagnostic():
                problems.append(each)
            case Place():
                outcome = next(ended)
                audited = audited_of(outcome.result) if outcome is not None and outcome.result is not None else None
                if audited is not None and audited.skipped is not None:
                    skipped.append(Skipped(each.path, audited.skipped))
                else:
                    captures.append(_capture(each, outcome, audited))
                    without.pop(each.folder or "", None)
    problems += (
        Diagnostic("LUO700", "there is no capture in this folder", Span(Source(each, ""), 0, 0), help=_looked_at(each, skipped))
        for each in without
    )
    return FleetAnswer(spec.name, tuple(captures), tuple(skipped), tuple(map(problem_of, problems)), stopped, seconds)


def _looked_at(folder: str, skipped: Sequence[Skipped]) -> str:
    """Why nothing in a folder was taken for a capture."""
    inside = [each for each in skipped if each.path.startswith(os.path.join(folder, ""))]
    if not inside:
        return "it has no file at all"
    return f"{len(inside):,} skipped, the first: {inside[0].path} ({inside[0].why})"


def _capture(place: Place, outcome: Outcome | None, audited: Audited | None) -> AuditedCapture:
    name = _name(place)
    if outcome is None or audited is None:
        return AuditedCapture(name, None, (), 0.0, outcome.lost if outcome is not None else None)
    called = _called(audited, name)
    return AuditedCapture(name, called.answer, called.problems, outcome.seconds, None, outcome.kept)
