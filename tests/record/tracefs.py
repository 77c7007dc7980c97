"""A folder that is laid out as a tracefs, and programs that make it behave as one where a folder does not.

A kernel fills a new instance with files and empties it when it is removed: `mkdir` and `rmdir` that come first in PATH do so here.
Definitions stay as lines in `dynamic_events`, also those that remove one, so that a test sees all that was written; `grep` looks at what is
left of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "traces/recorders/luo-record.sh"

SYSCALLS = ("open", "openat", "close", "dup", "dup2", "dup3", "fcntl", "ioctl", "reboot", "kexec_file_load", "memfd_create")
SCHED = ("sched_process_fork", "sched_process_exec", "sched_process_exit")
ONE = {
    "one/ioctl",
    "one/session_ioctl",
    "luo/dev_open",
    "luo/dev_release",
    "luo/session_release",
    "luo/luo_session_deserialize",
    "luo/luo_file_freeze",
    "luo/luo_session_serialize",
    "luo/liveupdate_reboot",
}
"""The dynamic events of the method `one`."""

CONFIG = "CONFIG_X86_64=y\nCONFIG_SMP=y\n"
STATISTICS = "entries: 2\noverrun: 0\ncommit overrun: 0\ndropped events: 0\nread events: 0\n"
TRACE = "# tracer: nop\n#\n"

_MKDIR = """#!/bin/sh
for last; do :; done
case $last in
    "$FAKE"/instances/*) [ -z "$HINDER_MKDIR" ] || exit 1
        cp -r "$FAKE/../instance" "$last" && cp -r "$FAKE/events" "$last/events" || exit
        grep '^[a-z]' "$FAKE/dynamic_events" | sed 's/^[a-z]*:\\([^ ]*\\) .*/\\1/' | while read -r name; do
            /bin/mkdir -p "$last/events/$name" && echo 0 >"$last/events/$name/enable" && echo none >"$last/events/$name/filter"
        done
        echo 0 >"$last/events/enable"
        if [ -n "$BREAK" ]; then rm -rf "$last/$BREAK"; eval "$BREAK_WITH"; fi
        [ -z "$SIGNAL" ] || kill "-$SIGNAL" "$PPID"
        exit 0 ;;
    *) exec /bin/mkdir "$@" ;;
esac
"""
_GREP = """#!/bin/sh
for last; do :; done
[ "$last" = "$FAKE/dynamic_events" ] || exec /bin/grep "$@"
awk '/^-/ { delete defined[substr($1, 3)]; next } { name = $1; sub(/^[a-z0-9]*:/, "", name); defined[name] = $0 }
    END { for (name in defined) print defined[name] }' "$last" | /bin/grep "$1" "$2"
"""
_RMDIR = """#!/bin/sh
case $1 in
    "$FAKE"/instances/*) [ -z "$HINDER_RMDIR" ] || exit 1; exec rm -rf "$1" ;;
    *) exec /bin/rmdir "$@" ;;
esac
"""


@dataclass
class Tracefs:
    """A tracefs at `root`; `place` has the programs, the state and the folders of recordings."""

    place: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = self.place / "tracefs"
        self.state = self.place / "state"
        self.config = self.place / "config"
        self.config.write_text(CONFIG)
        for group, names in (
            ("syscalls", [f"sys_{way}_{name}" for name in SYSCALLS for way in ("enter", "exit")]),
            ("sched", SCHED),
        ):
            for number, name in enumerate(names):
                self.write(f"events/{group}/{name}/enable", "0")
                self.write(f"events/{group}/{name}/filter", "none")
                self.write(f"events/{group}/{name}/id", f"{300 + number}")
        for name in ("dynamic_events", "error_log", "saved_cmdlines", "saved_tgids", "set_event"):
            self.write(name, "")
        (self.root / "instances").mkdir()
        self.fill(self.place / "instance")
        programs = self.place / "bin"
        programs.mkdir()
        for name, text in (("mkdir", _MKDIR), ("rmdir", _RMDIR), ("grep", _GREP)):
            self.program(name, text)
        self.program("id", "#!/bin/sh\necho 0\n")
        self.program("uname", '#!/bin/sh\ncase $1 in -m) echo x86_64 ;; *) exec /bin/uname "$@" ;; esac\n')

    def fill(self, folder: Path) -> None:
        """The files of an instance."""
        for name, text in (
            ("tracing_on", "1"),
            ("trace_clock", "[local] global counter mono boot x86-tsc"),
            ("buffer_size_kb", "7 (expanded: 1408)"),
            ("set_event_pid", ""),
            ("set_event", ""),
            ("trace", TRACE.rstrip("\n")),
            ("options/record-tgid", "0"),
            ("options/event-fork", "0"),
            ("per_cpu/cpu0/stats", STATISTICS.rstrip("\n")),
            ("per_cpu/cpu1/stats", STATISTICS.rstrip("\n")),
        ):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")

    def persistent(self, name: str) -> Path:
        """An instance of the kernel's command line."""
        folder = self.root / "instances" / name
        self.fill(folder)
        (folder / "tracing_on").write_text("0\n")
        (folder / "last_boot_info").write_text("# Current\n")
        shutil.copytree(self.root / "events", folder / "events")
        (folder / "events" / "enable").write_text("0\n")
        return folder

    def defined(self, number: int, *names: str) -> None:
        """Dynamic events have numbers when they are defined; a folder must have the files before."""
        for group in (self.root / "events", *self.root.glob("instances/*/events")):
            for place, name in enumerate(names):
                (group / name).mkdir(parents=True, exist_ok=True)
                (group / name / "id").write_text(f"{number + place}\n")
                (group / name / "enable").write_text("0\n")

    def next_kernel(self, name: str) -> None:
        """After a kexec: nothing is left but the persistent instance, and the events can be defined again with the same numbers."""
        shutil.rmtree(self.state)
        shutil.rmtree(self.root / "instances" / name)
        self.write("dynamic_events", "")
        self.persistent(name)
        self.defined(1136, *sorted(ONE))

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n" if text else "")

    def program(self, name: str, text: str) -> None:
        path = self.place / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def command(self, command: str, *options: object, shell: tuple[str, ...] = ("sh",)) -> list[str]:
        where = ("--tracefs", self.root, "--state", self.state, "--kernel-config", self.config)
        return [*shell, str(SCRIPT), command, *map(str, (*where, *options))]

    @property
    def variables(self) -> dict[str, str]:
        names = dict.fromkeys(("HINDER_MKDIR", "HINDER_RMDIR", "BREAK", "BREAK_WITH", "SIGNAL"), "")
        path = f"{self.place / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, **names, "FAKE": str(self.root), "PATH": path, **self.environment}

    def run(self, command: str, *options: object, shell: tuple[str, ...] = ("sh",)) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(command, *options, shell=shell),
            env=self.variables,
            cwd=self.place,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    # ---- what there is --------------------------------------------------------------------------------------------

    @property
    def definitions(self) -> list[str]:
        """Everything that was written into dynamic_events, in order."""
        return (self.root / "dynamic_events").read_text().splitlines()

    @property
    def events(self) -> set[str]:
        """The dynamic events that are defined: a line `-:NAME` removes one."""
        found: set[str] = set()
        for line in self.definitions:
            kind, name = line.split(" ")[0].split(":")
            if kind == "-":
                found.remove(name)
            else:
                assert name not in found
                found.add(name)
        return found

    @property
    def tree(self) -> dict[str, str]:
        """All files and their contents, without the definitions."""
        files = {str(path.relative_to(self.root)): path for path in self.root.rglob("*") if path.is_file()}
        return {name: path.read_text() for name, path in sorted(files.items()) if name != "dynamic_events"}

    def instance(self, name: str = "luo") -> dict[str, str]:
        """The files of an instance, without the ends of lines."""
        start = f"instances/{name}/"
        return {each.removeprefix(start): text.rstrip("\n") for each, text in self.tree.items() if each.startswith(start)}

    def enabled(self, name: str = "luo") -> list[str]:
        """Events that are switched on in an instance."""
        values = self.instance(name).items()
        return sorted(
            each.removeprefix("events/").removesuffix("/enable") for each, on in values if each.endswith("/enable") and on == "1"
        )
