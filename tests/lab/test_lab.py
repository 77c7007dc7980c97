"""The lab says plainly what it misses; where nothing is missing, a real kernel does what the programs and the spec say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from luocheck.cli.main import main

ROOT = Path(__file__).parents[2]
LAB = ROOT / "lab"

SCRIPTS = sorted(
    path
    for path in LAB.rglob("*")
    if path.is_file() and (path.suffix == ".sh" or path.read_bytes()[:9] in (b"#!/bin/sh", b"#!/bin/bu"))
)


def lab(command: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    executed = [sys.executable, LAB / command] if command in ("run", "selftests") else [LAB / command]
    return subprocess.run(
        [*executed, *(str(each) for each in arguments)], env=dict(os.environ, **environment), capture_output=True, text=True
    )


def bare(folder: Path, *programs: str) -> str:
    """A PATH with nothing but these programs on it."""
    folder.mkdir()
    for program in programs:
        found = shutil.which(program)
        assert found is not None, program
        (folder / program).symlink_to(found)
    return str(folder)


# ---- without a machine ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(LAB)))
def test_scripts_are_in_the_language_of_sh(script: Path) -> None:
    done = subprocess.run(["sh", "-n", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_all_scripts_are_looked_at() -> None:
    assert {path.name for path in SCRIPTS} >= {"build", "fetch", "paths.sh", "init", "inject", "main.sh", "record.sh", "recorder.sh"}


def test_missing_programs_are_named_with_the_packages_that_have_them(tmp_path: Path) -> None:
    path = bare(tmp_path / "bin", "dirname", "uname")
    done = lab("build", PATH=path, LUOCHECK_LAB=str(tmp_path / "cache"))
    if os.uname().machine == "x86_64":
        assert "apt-get install qemu-system-x86 busybox-static" in done.stderr
    else:
        assert os.uname().machine in done.stderr
    assert done.returncode == 3 and done.stdout == ""
    assert not (tmp_path / "cache").exists()


def test_run_without_a_machine_is_undecided(tmp_path: Path) -> None:
    path = bare(tmp_path / "bin", "dirname", "uname", "sh")
    done = lab("run", LAB / "programs" / "happy.c", PATH=path, LUOCHECK_LAB=str(tmp_path / "cache"))
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == "lab: the lab's machine cannot be built here"
    assert "Traceback" not in done.stderr


def test_no_apt_no_source(tmp_path: Path) -> None:
    path = bare(tmp_path / "bin", "dirname")
    done = lab("fetch", "linux-source-7.3", tmp_path / "out", PATH=path, LUOCHECK_LAB=str(tmp_path / "cache"))
    assert done.returncode == 3 and "apt-get" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["missing.c", "program.py", "."])
def test_what_is_no_program_is_a_usage_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("")
    done = lab("run", tmp_path / name, LUOCHECK_LAB=str(tmp_path / "cache"))
    assert done.returncode == 2
    assert (
        done.stderr == f"lab: {tmp_path / name} is no file whose name ends in .luo or .scenario (a scenario) or in .c (a program)\n"
    )


def test_a_selftest_that_does_not_exist_is_a_usage_error() -> None:
    done = lab("selftests", "luo_kexec_hard")
    assert done.returncode == 2 and "no such selftest: luo_kexec_hard" in done.stderr


@pytest.mark.parametrize("scenario", sorted(LAB.rglob("*.scenario")), ids=lambda path: path.stem)
def test_scenarios_are_possible(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "linux_7_3", str(scenario)]) == 0, capsys.readouterr().out


# ---- faults, without a machine ----------------------------------------------------------------------------------

SYMBOLS = """\
ffffffff81000100 T kho_block_set_grow
ffffffff81000200 t luo_session_alloc
ffffffff81000200 t a_second_name
ffffffff81000300 T luo_preserve_file
ffffffff81000180 t kho_block_set_shrink
ffffffff81000340 r luo_preserve_file
ffffffff81000400 T the_last_one
"""


def injected(folder: Path, *words: str, settings: tuple[str, ...] = ("probability",)) -> tuple[int, dict[str, str]]:
    """How guest/inject ends, and what it wrote into the settings of fault injection."""
    failslab = folder / "failslab"
    failslab.mkdir(exist_ok=True)
    for setting in settings:
        (failslab / setting).write_text("")
    (folder / "kallsyms").write_text(SYMBOLS)
    environment = {"FAULTS": str(folder), "KALLSYMS": str(folder / "kallsyms"), "PATH": os.environ["PATH"]}
    done = subprocess.run(["sh", LAB / "guest" / "inject", *words], env=environment, capture_output=True, text=True)
    assert done.stdout == ""
    return done.returncode, {path.name: path.read_text().strip() for path in failslab.iterdir()}


def test_an_allocation_fails_in_one_function_only(tmp_path: Path) -> None:
    status, settings = injected(tmp_path, "CREATE_SESSION(agent, name)", "nomem", "ENOMEM at nomem")
    assert status == 0
    assert settings == {
        "probability": "100",
        "times": "1",
        "ignore-gfp-wait": "N",
        "require-start": "0xffffffff81000200",
        "require-end": "0xffffffff81000300",
        "reject-start": "0",
        "reject-end": "0",
    }


def test_an_allocation_fails_in_a_function_but_not_in_one_that_it_calls(tmp_path: Path) -> None:
    status, settings = injected(tmp_path, "PRESERVE_FD(agent, session, file, token)", "nomem", "ENOMEM at nomem")
    assert status == 0 and settings["times"] == "2"
    assert (settings["require-start"], settings["require-end"]) == ("0xffffffff81000300", "0xffffffff81000340")
    assert (settings["reject-start"], settings["reject-end"]) == ("0xffffffff81000100", "0xffffffff81000180")


@pytest.mark.parametrize(
    ("call", "label"),
    [("FINISH(agent, session)", "reluctant"), ("CREATE_SESSION(agent, name)", "no_fd"), ("RETRIEVE_FD(a, s, t)", "callback")],
)
def test_what_cannot_be_arranged_leaves_everything_as_it_is(call: str, label: str, tmp_path: Path) -> None:
    """No allocation causes the first two, and there is no symbol of the function for the last one."""
    status, settings = injected(tmp_path, call, label, "ERRNO")
    assert status == 1 and settings.get("probability") != "100"


def test_a_kernel_without_fault_injection_arranges_nothing(tmp_path: Path) -> None:
    assert injected(tmp_path, "CREATE_SESSION(a, n)", "nomem", "ENOMEM", settings=()) == (1, {})


# ---- what comes back, without a machine -------------------------------------------------------------------------

REPORTS = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import box
outcome = box._outcome(Path(sys.argv[2]))
print(len(outcome.captures), outcome.statuses)
for failure in outcome.failures():
    print(failure)
print(outcome.unfinished)
"""


def collected(folder: Path, **files: str) -> list[str]:
    folder.mkdir(exist_ok=True)
    (folder / "release").write_text("7.3.4\n")
    (folder / "console.txt").write_text(files.pop("console", ""))
    for name, text in files.items():
        number, kind = name[-1], name[:-1]
        file = f"kernel-{number}.txt" if kind == "kernel" else f"stage-{number}.{kind}"
        (folder / file).write_text(text)
    done = subprocess.run([sys.executable, "-c", REPORTS, LAB, folder], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.splitlines()


def test_all_ok(tmp_path: Path) -> None:
    found = collected(tmp_path / "run", tap1="ok 1 - OPEN -> OK\n", kernel1="", tap2="ok 1\n1..1\n", status2="0\n", kernel2="")
    assert found == ["2 (None, 0)", "None"]


def test_a_test_that_is_not_ok(tmp_path: Path) -> None:
    found = collected(tmp_path / "run", tap1="not ok 1 - OPEN -> EBUSY, expected OK\n", status1="1\n", kernel1="")
    assert found == ["1 (1,)", "stage 1: exit status 1", "stage 1: not ok 1 - OPEN -> EBUSY, expected OK", "None"]


def test_a_program_that_gives_up(tmp_path: Path) -> None:
    assert "stage 1: Bail out! no memory" in collected(tmp_path / "run", tap1="Bail out! no memory\n", status1="0\n")


def test_a_machine_that_stops_in_the_middle(tmp_path: Path) -> None:
    found = collected(tmp_path / "run", tap1="ok 1\n", kernel1="", tap2="ok 1\n")
    console = tmp_path / "run" / "console.txt"
    assert found == ["1 (None, None)", f"the machine stopped after stage 2, before the program had ended: {console}"]


def test_a_panic_is_a_failure(tmp_path: Path) -> None:
    found = collected(tmp_path / "run", tap1="ok 1\n", kernel1="", console="[    1.0] Kernel panic - not syncing: luo\n")
    assert found[1].startswith("the kernel panicked")


def test_a_recording_may_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for number in (1, 2):
        (tmp_path / "run" / f"kernel-{number}").mkdir()
    assert collected(tmp_path / "run", tap1="ok 1\n", tap2="ok 1\n", status2="0\n")[0] == "2 (None, 0)"


def test_a_silent_machine_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    script = (
        "import sys, subprocess; sys.path.insert(0, sys.argv[1]); import box; from pathlib import Path\n"
        "with subprocess.Popen(['sleep', '60']) as machine:\n"
        "    box._watch(machine, Path(sys.argv[2]).parent, 1)\n"
        "print(machine.returncode)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, LAB, tmp_path / "run"], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "-9\n"


def test_a_program_that_ends_with_the_update(tmp_path: Path) -> None:
    found = collected(tmp_path / "run", tap1="ok 1\n", kernel1="", tap2="", status2="2\n", kernel2="")
    assert found == ["2 (None, 0)", "None"]


@pytest.mark.parametrize(
    ("report", "status", "number"), [("not ok 1\n", "2\n", "2"), ("", "139\n", "2"), ("", "1\n", "2"), ("", "2\n", "1")]
)
def test_any_other_end_without_a_word_is_a_failure(report: str, status: str, number: str, tmp_path: Path) -> None:
    before = {"tap1": "ok 1\n"} if number == "2" else {}
    found = collected(tmp_path / "run", **before, **{f"tap{number}": report, f"status{number}": status})
    assert f"stage {number}: exit status {status.strip()}" in found


def test_a_recording_that_did_not_come_back_is_undecided(tmp_path: Path) -> None:
    script = "import sys; sys.path.insert(0, sys.argv[1]); import box; print(box.audited('linux_7_3', ()))"
    done = subprocess.run([sys.executable, "-c", script, LAB], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "(3, 'lab: nothing was recorded\\n')\n"


def test_kernels_that_cannot_be_decided_together_are_audited_one_by_one() -> None:
    script = (
        "import sys, subprocess; sys.path.insert(0, sys.argv[1]); import box\n"
        "asked = []\n"
        "def luocheck(*words):\n"
        "    asked.append(words[2:-2])\n"
        "    return subprocess.CompletedProcess(words, 3 if '--kernel-b' in words else 0, 'said\\n')\n"
        "box.luocheck = luocheck\n"
        "print(box.audited('linux_7_3', ('first', 'second')), *asked, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", script, LAB], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines() == [
        "(0, 'said\\nlab: each kernel by itself:\\nsaid\\nsaid\\n')",
        "('first', '--kernel-b', 'second', '--begins', 'cold')",
        "('first', '--begins', 'cold')",
        "('second', '--begins', 'warm')",
    ]


# ---- on a real kernel -------------------------------------------------------------------------------------------
# These fail where the machine cannot be built: a nightly run that tries nothing must not look like one that found nothing.


@pytest.mark.nightly
@pytest.mark.tools
@pytest.mark.parametrize("program", ["happy", "f1_retrieve_session"])
def test_a_real_kernel_does_what_the_program_and_the_spec_say(program: str, tmp_path: Path) -> None:
    done = lab("run", LAB / "programs" / f"{program}.c", "--keep", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{program}-kernel-1.txt", f"{program}-kernel-2.txt"]


@pytest.mark.nightly
@pytest.mark.tools
def test_a_scenario_is_written_as_a_program_and_run() -> None:
    done = lab("run", LAB / "programs" / "discarded.scenario")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "RETRIEVE_FD(agent, session, token) -> ENOENT" in done.stdout


@pytest.mark.nightly
@pytest.mark.tools
def test_memory_that_cannot_be_had() -> None:
    """Each call that needs a failing allocation gets one, and none is left out."""
    done = lab("run", LAB / "programs" / "nomem.scenario")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SKIP" not in done.stdout
    for line in (
        "CREATE_SESSION(agent, name) -> ENOMEM",
        "PRESERVE_FD(agent, session, bad_fd, token) -> ENOMEM",
        "RETRIEVE_FD(agent, session, token) -> ENOMEM",
        "OPEN(agent) -> EIO",
    ):
        assert line in done.stdout


@pytest.mark.nightly
@pytest.mark.tools
@pytest.mark.parametrize("method", ["one", "sc", "eprobe", "kprobe", "syscalls"])
def test_the_recorder_that_operators_have(method: str, tmp_path: Path) -> None:
    """`luocheck record` by each of its methods, over a live update."""
    done = lab("run", LAB / "programs" / "happy.c", "--recorder", method, "--keep", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for kernel in ("happy-kernel-1", "happy-kernel-2"):
        assert f"method: {method}\n" in (tmp_path / kernel / "luo-record.txt").read_text()
        assert "state: complete\n" in (tmp_path / kernel / "luo-record.txt").read_text()


@pytest.mark.nightly
@pytest.mark.tools
def test_a_program_whose_last_act_is_the_update(tmp_path: Path) -> None:
    shutil.copy(LAB / "programs" / "luo.h", tmp_path)
    (tmp_path / "last.c").write_text(
        '#include "luo.h"\n'
        "int main(int argc, char **argv)\n"
        '{\n\treturn argc > 1 && atoi(argv[1]) == 1 ? hand_over("vm", "memory", 1) : 2;\n}\n'
    )
    done = lab("run", tmp_path / "last.c")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.nightly
@pytest.mark.tools
def test_a_program_that_expects_something_else_fails(tmp_path: Path) -> None:
    text = (LAB / "programs" / "f8_outgoing.c").read_text()
    assert text.count("EPERM") == 1
    shutil.copy(LAB / "programs" / "luo.h", tmp_path)
    (tmp_path / "wrong.c").write_text(text.replace("EPERM", "0"))
    done = lab("run", tmp_path / "wrong.c")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "not ok 6 - ftruncate of the preserved memfd -> EPERM, expected OK" in done.stdout


@pytest.mark.nightly
@pytest.mark.tools
def test_a_program_that_does_not_compile_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.c").write_text("int main(void) { return }\n")
    done = lab("run", tmp_path / "broken.c")
    assert done.returncode == 2 and "does not compile" in done.stderr, done.stdout + done.stderr
