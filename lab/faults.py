"""Faults that no program causes: a function of the kernel fails once, by the debugging interface of the emulator.

The guest asks with a file in the folder that it shares with the host (guest/inject).  A breakpoint is set at the first instruction of the
function; when a processor comes there, the function is left at once with an error as its result, as if something in it had failed and
all that it had done before had been undone.  The kernel is the same as ever.  Packets are those of GDB's remote serial protocol.
"""

from __future__ import annotations

import contextlib
import select
import socket
from pathlib import Path
from types import TracebackType

PATIENCE = 30.0
"""Seconds until the emulator has to answer: a stopped machine answers at once, a busy host takes longer."""

RAX, RSP, RIP = 0, 7, 16
"""Numbers of registers in the protocol, for x86-64; each of the first 17 has eight bytes."""


class Debugger:
    """A connection to the emulator; the machine stands still from its beginning, and whenever it is not let go on."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self.received = b""

    def __enter__(self) -> Debugger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def ask(self, text: str) -> str:
        """Sends a packet and returns the answer.  That the machine stopped, as for the connection, is none."""
        self.send(text)
        while (answer := self.answer()).startswith("T"):
            pass
        return answer

    def send(self, text: str) -> None:
        data = text.encode()
        self.socket.sendall(b"$%s#%02x" % (data, sum(data) % 256))

    def answer(self) -> str:
        """The next packet.  Raises OSError when none comes."""
        while b"$" not in self.received or len(self.received.partition(b"$")[2].partition(b"#")[2]) < 2:
            self._more()
        text, _, rest = self.received.partition(b"$")[2].partition(b"#")
        self.received = rest[2:]
        self.socket.sendall(b"+")
        return text.decode()

    def _more(self) -> None:
        more = self.socket.recv(4096)
        if not more:
            raise ConnectionError("the emulator is gone")
        self.received += more

    def stopped(self) -> str | None:
        """Where the machine stopped, as the emulator says it, or None while it runs."""
        if select.select([self.socket], [], [], 0)[0]:
            self._more()
        return self.answer() if b"$" in self.received else None

    def leave_function(self, stopped: str, result: int) -> None:
        """Lets the processor that stopped at the beginning of a function return from it with a result."""
        thread = stopped.partition("thread:")[2].partition(";")[0]
        self.ask(f"Hg{thread}")
        registers = bytearray.fromhex(self.ask("g"))
        stack = int.from_bytes(registers[8 * RSP : 8 * RSP + 8], "little")
        caller = int.from_bytes(bytes.fromhex(self.ask(f"m{stack:x},8")), "little")
        for register, value in ((RAX, result % 2**64), (RSP, stack + 8), (RIP, caller)):
            registers[8 * register : 8 * register + 8] = value.to_bytes(8, "little")
        if self.ask(f"G{registers.hex()}") != "OK":
            raise OSError("the registers cannot be written")


class Faults:
    """The faults of one run.  `step` is called again and again while the machine runs."""

    def __init__(self, folder: Path, debugger: Path) -> None:
        """folder: the guest puts `wanted` there (an address, and what is to be returned), and finds `armed`."""
        self.folder = folder
        self.path = debugger
        self.armed: tuple[Debugger, str, int] | None = None

    def step(self) -> None:
        """Arms what is wanted, and returns from a function that was reached."""
        try:
            if self.armed is not None:
                self._look(*self.armed)
            wanted = self.folder / "wanted"
            if wanted.exists():
                address, result = wanted.read_text().split()
                wanted.unlink()
                self._arm(address.removeprefix("0x"), int(result))
        except (OSError, ValueError):  # the guest waits in vain, and leaves the call out
            self._drop()

    def _arm(self, address: str, result: int) -> None:
        if self.armed is not None:  # never reached; it must not act in some later call
            debugger, before, _ = self.armed
            debugger.socket.sendall(b"\x03")
            debugger.answer()
            self._let_go(debugger, before)
        debugger = Debugger(self.path)
        self.armed = debugger, address, result
        if debugger.ask(f"Z0,{address},1") != "OK":
            raise OSError("no breakpoint there")
        debugger.send("c")
        (self.folder / "armed").touch()

    def _look(self, debugger: Debugger, address: str, result: int) -> None:
        stopped = debugger.stopped()
        if stopped is not None:
            debugger.leave_function(stopped, result)
            self._let_go(debugger, address)

    def _let_go(self, debugger: Debugger, address: str) -> None:
        debugger.ask(f"z0,{address},1")
        debugger.ask("D")
        debugger.close()
        self.armed = None

    def _drop(self) -> None:
        if self.armed is not None:
            debugger, _, _ = self.armed
            self.armed = None
            with contextlib.suppress(OSError):
                debugger.ask("D")
            debugger.close()
