"""Programs that are made of scenarios: they compile without a warning, and run against a kernel that is the interpreter."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from functools import cache
from pathlib import Path

import pytest
from scenario.covered import covered
from scenario.standin.server import Flip, StandIn

from luocheck.checker.check import check
from luocheck.checker.explore.limits import Limits
from luocheck.checker.native.build import compiler
from luocheck.checker.scenarios.answer import Chosen
from luocheck.checker.scenarios.choosing import covering, played, violating
from luocheck.checker.scenarios.finding import Search
from luocheck.generate.calls import Calls, stages
from luocheck.generate.program import program, refusing
from luocheck.generate.script import script
from luocheck.model.diagnostics import SpecError
from luocheck.model.scenario.resolve import load_scenarios
from luocheck.model.scenario.write import scenario_text
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load, load_source

STANDIN = Path(__file__).parent / "standin"
STRICT = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1")


def usual(number: int, outcome: str) -> str:
    return outcome


def compiled(spec: Spec, chosen: Chosen, place: Path, *, style: str = "tap", standin: bool = True) -> Path:
    """The program of a scenario."""
    folder = place / "tests"
    folder.mkdir(exist_ok=True)
    source, made = folder / f"{chosen.name}.c", place / chosen.name
    source.write_text(program(spec, chosen, style=style))
    flags = [f'-DLUO_STANDIN="{STANDIN / "standin.h"}"'] if standin else []
    build(source, made, *flags)
    return made


def build(source: Path, made: Path, *flags: str) -> None:
    command = [*compiler(), *STRICT, *flags, "-o", str(made), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def run(spec: Spec, chosen: Chosen, place: Path, flip: Flip = usual, *, willing: bool = True) -> tuple[list[int], list[str]]:
    """Exit statuses of all stages of a program, against the stand-in, and the lines of their output."""
    made = compiled(spec, chosen, place)
    (scenario,) = load_scenarios(spec, Source("scenario", chosen.text))
    count = len(stages(Calls(spec.system, chosen.witness).made()))
    expected = [(step.event, step.outcome) for step in chosen.witness.steps]
    statuses: list[int] = []
    lines: list[str] = []
    with StandIn(spec, scenario, expected, place, flip, willing=willing) as kernel:
        environment = {**os.environ, "LUO_STANDIN_SOCKET": str(kernel.path)}
        for stage in range(1, count + 1):
            done = subprocess.run([str(made), str(stage)], capture_output=True, text=True, env=environment, timeout=60, check=False)
            statuses.append(done.returncode)
            lines += (done.stdout + done.stderr).splitlines()
            if done.returncode:
                break
    assert kernel.failure is None, (kernel.failure, lines)
    return statuses, lines


def all_fine(spec: Spec, chosen: Chosen, place: Path) -> None:
    """Every call returns what the scenario says, and none is left out."""
    statuses, lines = run(spec, chosen, place)
    assert set(statuses) == {0}, lines
    results = [line for line in lines if re.match(r"(not )?ok ", line)]
    assert all(line.startswith("ok ") and "SKIP" not in line for line in results), lines
    told = [call for call in Calls(spec.system, chosen.witness).made() if call.ends]
    assert len(results) == len(told) == sum(int(line.removeprefix("1..")) for line in lines if line.startswith("1.."))


@cache
def found_in(name: str) -> tuple[Spec, dict[str, Chosen]]:
    """What `check` finds in a spec, by claim: scenarios of every scope and topology that `expect` names."""
    spec = load(name)
    found: dict[str, Chosen] = {}
    for explored in check(spec).runs:
        for verdict in explored.verdicts:
            if verdict.witness is not None and verdict.witness.steps:
                text = scenario_text(verdict.witness, verdict, verdict.property)
                found.setdefault(verdict.property, Chosen(verdict.property, verdict.property, verdict.witness, text))
    return spec, found


# ---- every claim of rfc_v2, the covering set of linux_7_3 ------------------------------------------------------------


def test_the_program_of_every_claim_compiles(tmp_path: Path) -> None:
    spec, found = found_in("rfc_v2")
    assert len(found) > 40
    sources = []
    for number, chosen in enumerate(found.values()):
        source = tmp_path / f"p{number}.c"
        source.write_text(program(spec, chosen))
        sources.append(str(source))
    done = subprocess.run(
        [*compiler(), *STRICT, "-fsyntax-only", *sources], capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr


SOME = (
    "FINISH_never_PANIC",
    "retrieve_once",
    "cancel_spares_others",
    "finish_is_told_the_truth",
    "unwound_in_reverse",
    "updated_is_left",
)


@pytest.mark.parametrize("claim", SOME)
def test_programs_run(claim: str, tmp_path: Path) -> None:
    spec, found = found_in("rfc_v2")
    all_fine(spec, found[claim], tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["rfc_v2", "v1", "v3", "linux_6_19", "linux_7_3"])
def test_the_program_of_every_finding_runs(name: str, tmp_path: Path) -> None:
    spec, found = found_in(name)
    for chosen in found.values():
        if any(step.outcome.startswith("reaches") for step in chosen.witness.steps[-1:]):
            continue  # it ends inside of a call
        place = tmp_path / chosen.name
        place.mkdir()
        all_fine(spec, chosen, place)


def covering_set() -> tuple[Spec, tuple[Chosen, ...]]:
    spec, answer = covered("linux_7_3")
    return spec, answer.scenarios


@pytest.mark.parametrize("number", range(3))
def test_the_covering_set_of_linux_7_3_runs(number: int, tmp_path: Path) -> None:
    spec, chosen = covering_set()
    assert len(chosen) == 3
    all_fine(spec, chosen[number], tmp_path)


@pytest.mark.nightly
def test_the_covering_set_of_rfc_v2_runs(tmp_path: Path) -> None:
    spec = load("rfc_v2")
    for chosen in covering(spec, Search(), Limits()).scenarios:
        place = tmp_path / chosen.name
        place.mkdir()
        all_fine(spec, chosen, place)


# ---- a kernel that is wrong -----------------------------------------------------------------------------------------


def wrong_at(line: int) -> Flip:
    """A kernel that answers one line of the scenario with another errno, or fails where it should not."""
    return lambda number, outcome: outcome if number != line else "EPERM" if outcome == "OK" else "EIO"


@pytest.mark.parametrize("line", [1, 3, 12])
def test_one_wrong_outcome_is_noticed(line: int, tmp_path: Path) -> None:
    spec, (chosen, *_) = covering_set()
    statuses, lines = run(spec, chosen, tmp_path, wrong_at(line))
    wrong = [text for text in lines if text.startswith("not ok")]
    step = chosen.witness.steps[line - 1]
    came = "EPERM" if step.outcome == "OK" else "EIO"
    assert 1 in statuses and step.event in wrong[0] and f"-> {came}, and the spec says {step.outcome}" in wrong[0]


def test_another_file_is_no_success(tmp_path: Path) -> None:
    """RETRIEVE_FD has to give the file that was preserved."""
    spec = load("linux_7_3")
    text = """scenario "two files" in scope story {
        let a: Agent; let n: Name; let f: File; let g: File; let t: Token; let u: Token; given f.known; given g.known;
        OPEN(a) = OK; CREATE_SESSION(a, n) = OK gives s; PRESERVE_FD(a, s, f, t) = OK; PRESERVE_FD(a, s, g, u) = OK;
        REBOOT(a) = OK; OPEN(a) = OK; RETRIEVE_SESSION(a, n) = OK gives s; RETRIEVE_FD(a, s, t) = OK gives f; }"""
    (chosen,) = played(spec, Source("two.scenario", text), Search()).scenarios
    all_fine(spec, chosen, tmp_path)
    made = (tmp_path / "tests" / f"{chosen.name}.c").read_text()
    swapped = made.replace('is_file(arg->fd, "luo-f")', 'is_file(arg->fd, "luo-g")')
    assert swapped != made
    other = tmp_path / "swapped"
    other.mkdir()
    (scenario,) = load_scenarios(spec, Source("scenario", chosen.text))
    (other / "p.c").write_text(swapped)
    build(other / "p.c", other / "p", f'-DLUO_STANDIN="{STANDIN / "standin.h"}"')
    with StandIn(spec, scenario, [(s.event, s.outcome) for s in chosen.witness.steps], other) as kernel:
        environment = {**os.environ, "LUO_STANDIN_SOCKET": str(kernel.path)}
        first, second = (
            subprocess.run([other / "p", stage], capture_output=True, text=True, env=environment, timeout=60, check=False)
            for stage in "12"
        )
    assert first.returncode == 0 and second.returncode == 1
    assert "RETRIEVE_FD(a, s, t) -> OK with another result" in second.stdout


def test_without_the_device_nothing_is_fine(tmp_path: Path) -> None:
    spec, (chosen, *_) = covering_set()
    made = compiled(spec, chosen, tmp_path, standin=False)
    if Path("/dev/liveupdate").exists():
        pytest.skip("this machine has LUO")
    done = subprocess.run([str(made), "4"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "not ok 1 - OPEN(agent0) -> ENOENT, and the spec says OK" in done.stdout
    done = subprocess.run([str(made), "1"], capture_output=True, text=True, timeout=60, check=False)
    assert (
        done.returncode == 1 and done.stdout.splitlines()[-1] == "ok 8 - REBOOT(agent0) # SKIP"
    )  # nothing is rebooted after a failure
    for arguments in (["5"], ["0"], ["x"], ["1", "2"]):
        assert subprocess.run([str(made), *arguments], capture_output=True, timeout=60, check=False).returncode == 2


ROOT = Path(__file__).parents[2]


def test_the_example_of_the_documentation_runs(tmp_path: Path) -> None:
    spec = load("linux_7_3")
    text = (ROOT / "docs" / "examples" / "handover.scenario").read_text(encoding="utf-8")
    (chosen,) = played(spec, Source("handover.scenario", text), Search()).scenarios
    all_fine(spec, chosen, tmp_path)


def test_the_figures_of_the_documentation() -> None:
    page = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    spec, chosen = covering_set()
    calls = [each.witness.calls for each in chosen]
    coverage = covered("linux_7_3")[1].coverage
    assert coverage is not None
    said = f"these are {sum(calls)} calls in {len(calls)} runs, where no set has fewer than {coverage.calls_bound} calls"
    assert said in " ".join(page.split()) and f"The first run has {calls[0]} calls" in page
    assert len(stages(Calls(spec.system, chosen[0].witness).made())) == 4 and "goes over four kernels" in page


# ---- what no program causes -----------------------------------------------------------------------------------------


def test_what_cannot_be_arranged_is_left_out_with_all_that_depends_on_it(tmp_path: Path) -> None:
    spec, found = found_in("rfc_v2")
    chosen = found["finish_is_told_the_truth"]  # the handler's retrieve fails, then FINISH
    statuses, lines = run(spec, chosen, tmp_path, willing=False)
    assert statuses == [0, 0] and [line for line in lines if "SKIP" in line] == [
        "ok 2 - FD_RESTORE(agent0, token0) # SKIP",
        "ok 3 - FINISH(agent0) # SKIP",
    ]
    assert any(line.startswith("# what the next call needs could not be arranged") for line in lines)


def test_a_fault_that_changes_nothing_is_left_out_alone(tmp_path: Path) -> None:
    spec = load("linux_7_3")
    text = """scenario "no memory" { let a: Agent; let n: Name; given enabled;
        OPEN(a) = OK; CREATE_SESSION(a, n) = ENOMEM at nomem; CREATE_SESSION(a, n) = OK gives s; CLOSE(a, s) = OK; }"""
    (chosen,) = played(spec, Source("nomem.scenario", text), Search()).scenarios
    statuses, lines = run(spec, chosen, tmp_path, willing=False)
    assert statuses == [0] and sum("SKIP" in line for line in lines) == 1
    assert "ok 3 - CREATE_SESSION(a, n) -> OK" in lines


def test_a_command_arranges_what_no_program_causes(tmp_path: Path) -> None:
    """LUO_INJECT is asked with the call, the label and the outcome; here it says no, and is seen to be asked."""
    spec, found = found_in("rfc_v2")
    made = compiled(spec, found["cancel_spares_others"], tmp_path, standin=False)
    command, heard = tmp_path / "inject", tmp_path / "heard"
    command.write_text(f'#!/bin/sh\nprintf "%s|" "$@" > {heard}\nexit 1\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    environment = {**os.environ, "LUO_INJECT": str(command)}
    done = subprocess.run([str(made)], capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert heard.read_text() == "OTHER_PRESERVE(other0)||OK|"
    assert "ok 3 - PREPARE(agent0) # SKIP" in done.stdout


def test_what_no_program_can_do_at_all_is_refused() -> None:
    spec = load("deps_none")
    (chosen,) = violating(spec, next(iter(found_in("deps_none")[1])), Search(), Limits()).scenarios
    with pytest.raises(SpecError) as caught:
        program(spec, chosen)
    assert caught.value.diagnostics[0].code == "LUO630"


# ---- how the programs are written -----------------------------------------------------------------------------------


def test_a_selftest_of_the_kernel(tmp_path: Path) -> None:
    """It uses only what tools/testing/selftests/kselftest.h has; here a few lines stand in for that."""
    (tmp_path / "kselftest.h").write_text((STANDIN / "kselftest.h").read_text())
    spec, (chosen, *_) = covering_set()
    made = compiled(spec, chosen, tmp_path, style="kselftest", standin=False)
    text = (tmp_path / "tests" / f"{chosen.name}.c").read_text()
    assert '#include "../kselftest.h"' in text and not re.search(r"^\s*f?printf\((?!stderr)", text, re.MULTILINE)
    done = subprocess.run([str(made), "4"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and done.stdout.startswith("TAP version 13\n1..3\nnot ok 1 OPEN(agent0) -> ")


def test_numbers_and_structs_come_from_the_spec(tmp_path: Path) -> None:
    spec, found = found_in("rfc_v2")
    text = program(spec, found["finish_is_told_the_truth"])
    assert "#define LUO_FD_PRESERVE 0xc010ba00ul" in text
    assert "_Static_assert(sizeof(struct luo_fd_preserve) == 16" in text
    assert "_Static_assert(offsetof(struct luo_fd_preserve, token) == 8" in text


def test_files_that_are_refused_are_no_memfds() -> None:
    spec = load("linux_7_3")
    assert refusing(spec.system, "File") == ["known"]
    assert refusing(load("rfc_v2").system, "File") == []


def test_the_script_builds_and_records(tmp_path: Path) -> None:
    spec, (chosen, *_) = covering_set()
    file = tmp_path / "run.sh"
    file.write_text(script(spec, chosen))
    recorder = tmp_path / "strace"
    recorder.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    recorder.chmod(0o755)
    environment = {**os.environ, "DIR": str(tmp_path), "STRACE": str(recorder), "CC": " ".join(compiler())}
    done = subprocess.run(["sh", str(file), "2"], capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text()
    assert f"-o {tmp_path}/{chosen.name}.stage2.strace {tmp_path}/{chosen.name} 2" in asked and "ioctl" in asked


def test_words_and_marks_of_c_do_no_harm(tmp_path: Path) -> None:
    source = Source(
        "words.luo",
        "spec words; sort Agent symmetric caller; sort Token symmetric; scope one { Agent = 1, Token = 1 }"
        "per Agent { volatile dev: bool = false; } syscall OPEN(a: Agent) { a.dev = true; }"
        "ioctl GO(a: Agent, t: Token) { require a.dev; skip; } abi { handle fd of Agent -> device; handle token -> Token;"
        'device "/dev/words" { open OPEN; magic 0xBA; } ioctl GO 0xBA00 { u32 int in t; u32 struct zero EINVAL; } }',
    )
    spec = load_source(source)
    text = 'scenario "words */ of /* C \\\\ %s" { let a: Agent; let t: Token; OPEN(a) = OK; GO(a, t) = OK; }'
    (chosen,) = played(spec, Source("words.scenario", text), Search()).scenarios
    compiled(spec, chosen, tmp_path, standin=False)
