"""The lab says plainly what it misses; where nothing is missing, a real kernel does what the programs and the spec say."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
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
    assert {path.name for path in SCRIPTS} >= {
        "build",
        "fetch",
        "paths.sh",
        "init",
        "inject",
        "main.sh",
        "record.sh",
        "recorder.sh",
    }


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
ffffffff81000300 t memfd_luo_freeze
ffffffff81000400 t memfd_luo_freeze
ffffffff81000500 r luo_file_deserialize
"""

HOST = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from faults import Faults
faults = Faults(Path(sys.argv[2]), Path(sys.argv[3]))
begun = time.monotonic()
while time.monotonic() - begun < float(sys.argv[4]):
    faults.step()
    time.sleep(0.01)
"""


def injected(folder: Path, *words: str, answer: bool = True) -> tuple[int, str | None]:
    """How guest/inject ends, and what it asked the host for."""
    (folder / "kallsyms").write_text(SYMBOLS)
    environment = {"FAULTS": str(folder), "KALLSYMS": str(folder / "kallsyms"), "PATH": os.environ["PATH"], "PATIENCE": "100"}
    if not answer:
        environment["PATIENCE"] = "0"
    with subprocess.Popen(["sh", LAB / "guest" / "inject", *words], env=environment, stdout=subprocess.DEVNULL) as asking:
        while answer and asking.poll() is None:
            if (folder / "wanted").exists():
                (folder / "armed").touch()
            time.sleep(0.01)
        status = asking.wait(timeout=30)
    wanted = folder / "wanted"
    return status, wanted.read_text() if wanted.exists() else None


def test_a_fault_is_asked_for_by_the_place_of_a_function(tmp_path: Path) -> None:
    asked = injected(tmp_path, "CREATE_SESSION(agent, name)", "nomem", "ENOMEM at nomem")
    assert asked == (0, "0xffffffff81000200 -12\n")


@pytest.mark.parametrize(
    ("call", "label"),
    [
        ("FINISH(agent, session)", "reluctant"),  # no function to fail: memfd is never reluctant
        ("CREATE_SESSION(agent, name)", "no_fd"),
        ("RETRIEVE_FD(a, s, t)", "callback"),  # the function is not there,
        ("REBOOT(agent)", "callback"),  # there twice,
        ("OPEN(agent)", "eio"),  # and no function
    ],
)
def test_what_cannot_be_arranged_is_not_asked_for(call: str, label: str, tmp_path: Path) -> None:
    assert injected(tmp_path, call, label, "ERRNO") == (1, None)


def test_a_host_that_does_not_answer_arranges_nothing(tmp_path: Path) -> None:
    assert injected(tmp_path, "CREATE_SESSION(a, n)", "nomem", "ENOMEM", answer=False)[0] == 1


class Emulator(threading.Thread):
    """The debugging interface of an emulator whose processor comes to a breakpoint as soon as it may run."""

    STACK = 0xFFFF_8880_0000_1000
    CALLER = 0xFFFF_FFFF_8100_0777

    def __init__(self, path: Path, *, reached: bool = True) -> None:
        super().__init__(daemon=True)
        self.reached = reached
        self.heard: list[str] = []
        self.registers = bytearray(608)
        self.registers[56:64] = self.STACK.to_bytes(8, "little")
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(path))
        self.listening.listen()

    def __enter__(self) -> Emulator:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.join()
        self.listening.close()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:  # the end
                return
            with connection:
                self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        self.say(connection, "T02thread:01;")
        received = b""
        while more := connection.recv(4096):
            received += more
            if b"\x03" in received:
                self.heard.append("interrupt")
                self.say(connection, "T02thread:01;")
                received = received.replace(b"\x03", b"")
            while b"$" in received and len(received.partition(b"#")[2]) >= 2:
                text, _, rest = received.partition(b"$")[2].partition(b"#")
                assert int(rest[:2], 16) == sum(text) % 256
                received = rest[2:]
                connection.sendall(b"+")
                self.answer(connection, text.decode())

    def answer(self, connection: socket.socket, text: str) -> None:
        self.heard.append(text[:1] if text[0] == "G" else text)
        if text == "c":
            if self.reached:
                self.say(connection, "T05thread:02;")
        elif text == "g":
            self.say(connection, self.registers.hex())
        elif text.startswith("m"):
            assert text == f"m{self.STACK:x},8"
            self.say(connection, self.CALLER.to_bytes(8, "little").hex())
        else:
            if text.startswith("G"):
                self.registers[:] = bytes.fromhex(text[1:])
            self.say(connection, "OK")

    def say(self, connection: socket.socket, text: str) -> None:
        connection.sendall(b"$%s#%02x" % (text.encode(), sum(text.encode()) % 256))

    def register(self, number: int) -> int:
        return int.from_bytes(self.registers[8 * number : 8 * number + 8], "little")


def hosted(folder: Path, seconds: float) -> None:
    subprocess.run([sys.executable, "-c", HOST, LAB, folder, folder / "debugger", str(seconds)], check=True, timeout=60)


def test_a_function_that_is_reached_returns_the_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "wanted").write_text("0xffffffff81000200 -12\n")
    with Emulator(tmp_path / "debugger") as emulator:
        hosted(tmp_path, 1)
    assert (tmp_path / "armed").exists() and not (tmp_path / "wanted").exists()
    at = "ffffffff81000200"
    assert emulator.heard == [f"Z0,{at},1", "c", "Hg02", "g", f"m{emulator.STACK:x},8", "G", f"z0,{at},1", "D"]
    result, stack, place = emulator.register(0), emulator.register(7), emulator.register(16)
    assert (result, stack, place) == (2**64 - 12, emulator.STACK + 8, emulator.CALLER)


def test_a_fault_that_was_not_reached_gives_way_to_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "wanted").write_text("0xffffffff81000200 -12\n")
    with Emulator(tmp_path / "debugger", reached=False) as emulator:
        hosting = threading.Thread(target=hosted, args=(tmp_path, 2))
        hosting.start()
        while not (tmp_path / "armed").exists() and hosting.is_alive():
            time.sleep(0.01)
        (tmp_path / "wanted").write_text("0xffffffff81000100 -28\n")
        hosting.join()
    one, other = "ffffffff81000200", "ffffffff81000100"
    assert emulator.heard == [f"Z0,{one},1", "c", "interrupt", f"z0,{one},1", "D", f"Z0,{other},1", "c"]


def test_without_a_debugger_nothing_is_arranged(tmp_path: Path) -> None:
    (tmp_path / "wanted").write_text("0xffffffff81000200 -12\n")
    hosted(tmp_path, 0.3)
    assert not (tmp_path / "armed").exists()


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


def test_a_program_that_is_stopped_after_its_time_is_undecided(tmp_path: Path) -> None:
    found = collected(tmp_path / "run", tap1="ok 1\n", status1="143\n", kernel1="")
    assert found == ["1 (143,)", "stage 1 was stopped after its time (--limit), before the program had ended"]


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
        "    box._watch(machine, Path(sys.argv[2]).parent, 1, box.Faults(Path(sys.argv[2]), Path('none')))\n"
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
def test_faults_that_no_program_causes() -> None:
    """Each call that needs a fault gets one, and none is left out."""
    done = lab("run", LAB / "programs" / "faults.scenario")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SKIP" not in done.stdout
    for line in (
        "CREATE_SESSION(agent, name) -> ENOMEM",
        "PRESERVE_FD(agent, session, bad_fd, token) -> ENOMEM",
        "RETRIEVE_FD(agent, session, token) -> EIO",
        "REBOOT(agent) -> EIO",
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
