"""One run of the lab's machine: a folder that host and guest share, the emulator, what comes back, and what the audit says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from faults import Faults

from luocheck.cli.status import UNDECIDED, worst

LAB = Path(__file__).resolve().parent
ROOT = LAB.parent
CACHE = Path(os.environ.get("LUOCHECK_LAB") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "luocheck-lab")
IMAGES = CACHE / "images"
RECORDER = ROOT / "traces" / "recorders" / "luo-record.sh"
METHODS = ("one", "sc", "eprobe", "kprobe", "syscalls")
"""Of the script of `luocheck record`."""

COMPILE = ("-O2", "-Wall", "-Wextra", "-static", "-pthread")
COMMAND_LINE = (
    "console=ttyS0 panic=-1 no_timer_check kho=on liveupdate=on reserve_mem=16M:4096:lab trace_instance=lab^traceoff@lab stage=1"
)
"""no_timer_check: a boot expects a few ticks of the timer within a time that is told by the processor's counter, and panics or hangs when
an emulator on a busy host gives too few."""

PATIENCE = 120
"""Seconds that a machine may be silent beside the time of the program: a boot takes five when nothing else runs."""

STOPPED = 143
"""Exit status of a program that was stopped in the machine, after --limit seconds of its clock, which a busy host can make fast."""

NO_SUCH_STAGE = 2
"""Exit status of a program whose last act was the live update, when it is run once more after it, and prints nothing."""


class Unavailable(Exception):
    """The lab cannot run here; the message says what is missing."""


class Refused(Exception):
    """The program given cannot be used."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back from one run.

    folder: everything the guest wrote.  captures: one recording, a file or a folder, for each kernel, in order.  reports: what the
    program printed in each kernel.  statuses: with what it ended; None for a kernel that was left by the live update before that.
    """

    folder: Path
    release: str
    captures: tuple[Path, ...]
    reports: tuple[str, ...]
    statuses: tuple[int | None, ...]

    def failures(self) -> list[str]:
        """What a program said or did against itself; empty when all its tests are ok."""
        found = [f"stage {n}: exit status {status}" for n, status in enumerate(self.statuses, 1) if status and status != STOPPED]
        for number, report in enumerate(self.reports, 1):
            found += [f"stage {number}: {line}" for line in report.splitlines() if line.startswith(("not ok", "Bail out!"))]
        if "Kernel panic" in (self.folder / "console.txt").read_text(errors="replace"):
            found.append(f"the kernel panicked, see {self.folder / 'console.txt'}")
        return found

    @property
    def unfinished(self) -> str | None:
        """Why the end of the program is not known: an emulated machine can hang on its way into the next kernel."""
        if STOPPED in self.statuses:
            return f"stage {self.statuses.index(STOPPED) + 1} was stopped after its time (--limit), before the program had ended"
        if self.statuses and self.statuses[-1] is None:
            return (
                f"the machine stopped after stage {len(self.statuses)}, before the program had ended: {self.folder / 'console.txt'}"
            )
        return None


def build() -> None:
    """Build the kernel and the initramfs where they are not there yet.  Raises Unavailable."""
    status = subprocess.run([LAB / "build"], stdout=sys.stderr).returncode
    if status:
        raise Unavailable("the lab's machine cannot be built here" if status == UNDECIDED else f"lab/build ended with {status}")


def version() -> str:
    """Release of the kernel and the package that its source came from."""
    return " from ".join((IMAGES / "version").read_text().split("\n")[:2])


def compiled(source: Path, folder: Path) -> Path:
    """A C program, linked statically with the headers of the kernel that it is to run on.  Raises Refused with what the compiler says."""
    binary = folder / "program"
    compiler = os.environ.get("CC", "cc")
    command = [compiler, *COMPILE, "-isystem", str(CACHE / "kernel" / "usr" / "include"), "-o", str(binary), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"{source} does not compile:\n{done.stderr}")
    return binary


def run(program: Path, folder: Path, *, limit: int = 120, boot: str = "", method: str | None = None) -> Outcome:
    """Boot the machine with an executable that is run as `program STAGE` after each boot, and collect what it and the recorder wrote.

    folder: empty or not there.  limit: seconds that the program may take in one kernel.  boot: added to the command line of each
    kernel.  method: record with the script of `luocheck record`, not with the lab's own recorder.  Raises Unavailable when the machine
    does not even start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for image in ("bzImage", "initramfs"):
        _link(IMAGES / image, folder / image)
    shutil.copytree(LAB / "guest", folder / "guest", dirs_exist_ok=True)
    if method is not None:
        shutil.copy2(RECORDER, folder)
        boot = f"recorder={method} {boot}"
    if program != folder / "program":
        shutil.copy2(program, folder / "program")
    (folder / "program").chmod(0o755)
    (folder / "faults").mkdir()
    with (folder / "console.txt").open("wb") as console, tempfile.TemporaryDirectory(prefix="lab-") as private:
        debugger = Path(private) / "debugger"
        try:
            command = [*_emulator(folder, f"{COMMAND_LINE} limit={limit} {boot}"), "-gdb", f"unix:{debugger},server=on,wait=off"]
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT) as machine:
                _watch(machine, folder, limit + PATIENCE, Faults(folder / "faults", debugger))
        except FileNotFoundError as error:
            raise Unavailable(f"{error.filename} is not installed") from error
    for spent in ("bzImage", "initramfs"):
        (folder / spent).unlink()
    if not (folder / "release").exists():
        tail = (folder / "console.txt").read_text(errors="replace")[-2000:]
        raise Unavailable(f"the machine did not start; the end of its console:\n{tail}")
    return _outcome(folder)


def _watch(machine: subprocess.Popen[bytes], folder: Path, patience: int, faults: Faults) -> None:
    """Wait until the machine powers off; stop it when it has written nothing for so many seconds, or at an interrupt."""
    try:
        while machine.poll() is None:
            time.sleep(0.1)
            faults.step()
            if time.time() - max(path.stat().st_mtime for path in folder.iterdir()) > patience:
                break
    finally:
        machine.kill()


def _emulator(folder: Path, line: str) -> list[str]:
    return [
        *("qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "1G", "-smp", "2"),
        *("-nographic", "-nodefaults", "-no-reboot", "-serial", "stdio"),
        *("-virtfs", f"local,path={folder},mount_tag=lab,security_model=none,multidevs=remap"),
        *("-kernel", str(folder / "bzImage"), "-initrd", str(folder / "initramfs")),
        *("-append", line),
    ]


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        shutil.copy2(source, target)


def _outcome(folder: Path) -> Outcome:
    captures, reports, statuses = [], [], []
    stage = 1
    while (report := folder / f"stage-{stage}.tap").exists():
        reports.append(report.read_text(errors="replace"))
        status = folder / f"stage-{stage}.status"
        ended = int(status.read_text()) if status.exists() else None
        over = stage > 1 and ended == NO_SUCH_STAGE and not reports[-1].strip()
        statuses.append(0 if over else ended)
        captures += [capture for capture in (folder / f"kernel-{stage}.txt", folder / f"kernel-{stage}") if capture.exists()]
        stage += 1
    return Outcome(folder, (folder / "release").read_text().strip(), tuple(captures), tuple(reports), tuple(statuses))


def luocheck(*arguments: str) -> subprocess.CompletedProcess[str]:
    """luocheck of this tree, with the Python that runs this."""
    return subprocess.run([sys.executable, "-m", "luocheck", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def audited(spec: str, captures: tuple[Path, ...], timeout: int = 300) -> tuple[int, str]:
    """Exit status and report of an audit of all kernels together: the first was booted cold, each of the others by the one before it.

    Where that is undecided, as with a thousand files that go over, each kernel is audited by itself, which says less.
    """
    if not captures:
        return UNDECIDED, "lab: nothing was recorded\n"
    first, *others = (str(capture) for capture in captures)
    limit = ("--timeout", str(timeout))
    after = [word for other in others for word in ("--kernel-b", other)]
    together = luocheck("audit", spec, first, *after, "--begins", "cold", *limit)
    if together.returncode != UNDECIDED or not others:
        return together.returncode, together.stdout
    apart = [
        luocheck("audit", spec, first, "--begins", "cold", *limit),
        luocheck("audit", spec, *others, "--begins", "warm", *limit),
    ]
    reports = [together.stdout, "lab: each kernel by itself:\n", *(each.stdout for each in apart)]
    return worst(each.returncode for each in apart), "".join(reports)


def copied(capture: Path, target: Path) -> Path:
    """A recording, which may be a folder, at another place."""
    if capture.is_dir():
        return Path(shutil.copytree(capture, target, dirs_exist_ok=True))
    return Path(shutil.copy2(capture, target))


def new_folder(name: str) -> Path:
    """An empty folder for one run, in the cache."""
    (CACHE / "runs").mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=CACHE / "runs"))
