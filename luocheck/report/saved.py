"""Witnesses written as scenarios, and the commands that play them again."""

from __future__ import annotations

import shlex
from pathlib import Path

from luocheck.checker.check import CheckAnswer, CheckedRun
from luocheck.model.answer import Verdict
from luocheck.model.scenario.write import scenario_text

SUFFIX = ".scenario"


class Saved:
    """Saves the witnesses of an answer into a folder (nothing when it is None), one file for each.

    name, scope: how the spec and the scope were named on the command line.  Raises OSError when a file cannot be written.
    """

    def __init__(self, name: str, answer: CheckAnswer, folder: Path | None, scope: str | None = None) -> None:
        self.name = name
        self.scope = ["--scope", scope] if scope is not None else []
        self.answer = answer
        self.paths: dict[tuple[str, str], Path] = {}
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        for number, run in enumerate(answer.runs):
            for verdict in run.verdicts:
                if verdict.witness is not None and verdict.witness.steps:
                    place = "" if number == 0 else f".{run.name}"
                    path = folder / f"{answer.spec.name}{place}.{verdict.property}{SUFFIX}"
                    title = f"{answer.spec.name}: {verdict.property} {verdict.text}"
                    path.write_text(scenario_text(verdict.witness, verdict, title), encoding="utf-8")
                    self.paths[run.name, verdict.property] = path

    def path(self, run: CheckedRun, verdict: Verdict) -> str | None:
        """The file of a verdict's witness."""
        path = self.paths.get((run.name, verdict.property))
        return str(path) if path is not None else None

    def command(self, run: CheckedRun, verdict: Verdict) -> str:
        """`luocheck replay SPEC FILE`; without files, the command that writes one."""
        path = self.path(run, verdict)
        if path is not None:
            made_up = self.scope if run.scope not in self.answer.spec.system.scopes else []
            return shlex.join(["luocheck", "replay", self.name, path, *made_up])
        if verdict.witness is None or not verdict.witness.steps:
            return ""
        where = self.scope
        if not where and run.scope != self.answer.spec.system.scopes[0]:
            where = ["--scope", run.scope.name]
        if run.topology is not None:
            where = [*where, "--topology", run.topology.name]
        return shlex.join(["luocheck", "check", self.name, *where, "--property", verdict.property, "--save-scenarios", "DIR"])
