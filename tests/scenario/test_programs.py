"""Programs that are made of scenarios: they compile without a warning, and run against a kernel that is the interpreter."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from scenario.standin.server import Flip, StandIn

from luocheck.checker.native.build import compiler
from luocheck.checker.scenarios.answer import Chosen
from luocheck.generate.calls import Calls, stages
from luocheck.generate.program import program
from luocheck.model.scenario.resolve import load_scenarios
from luocheck.model.source import Source
from luocheck.model.spec import Spec

STANDIN = Path(__file__).parent / "standin"
STRICT = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1")


def compiled(spec: Spec, chosen: Chosen, place: Path, *, style: str = "tap", standin: bool = True) -> Path:
    """The program of a scenario."""
    source, made = place / f"{chosen.name}.c", place / chosen.name
    source.write_text(program(spec, chosen, style=style))
    flags = [f'-DLUO_STANDIN="{STANDIN / "standin.h"}"'] if standin else []
    done = subprocess.run(
        [*compiler(), *STRICT, *flags, "-o", str(made), str(source)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return made


def run(spec: Spec, chosen: Chosen, place: Path, flip: Flip = lambda n, outcome: outcome) -> tuple[list[int], str]:
    """Exit statuses and output of all stages of a program, against the stand-in."""
    made = compiled(spec, chosen, place)
    (scenario,) = load_scenarios(spec, Source("scenario", chosen.text))
    count = len(stages(Calls(spec.system, chosen.witness).made()))
    expected = [(step.event, step.outcome) for step in chosen.witness.steps]
    statuses, output = [], ""
    with StandIn(spec, scenario, expected, place, flip) as kernel:
        environment = {**os.environ, "LUO_STANDIN_SOCKET": str(kernel.path)}
        for stage in range(1, count + 1):
            done = subprocess.run([str(made), str(stage)], capture_output=True, text=True, env=environment, timeout=60, check=False)
            statuses.append(done.returncode)
            output += done.stdout + done.stderr
    assert kernel.failure is None, (kernel.failure, output)
    return statuses, output
