"""Runs one command and prints what the kernel says about it: python3 -I -S launch.py SECONDS OUTPUT COMMAND...

A program of its own because a child's peak memory as the kernel counts it begins with what its parent had at the fork: this one is small.
Prints one line of JSON: wall and CPU seconds, peak bytes, exit status, and whether the time was up (the command is killed then).
"""

import contextlib
import json
import os
import signal
import sys
import time


def launch(seconds: float, output: str, command: list[str]) -> dict[str, object]:
    """Runs the command, its output into a file.  CPU and memory are those of the command and of the children it waited for."""
    over = False
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            os.setpgid(0, 0)
            file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(file, 1)
            os.dup2(file, 2)
            os.execvp(command[0], command)
        except OSError as error:
            os.write(2, f"{command[0]}: {error}\n".encode())
        finally:
            os._exit(127)

    def stop(signal_number: int, _: object) -> None:
        nonlocal over
        over = True
        _kill(child)
        if signal_number != signal.SIGALRM:
            raise SystemExit(1)

    for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - started
    signal.setitimer(signal.ITIMER_REAL, 0)
    _kill(child)  # children that it left behind
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * 1024,
        "status": os.waitstatus_to_exitcode(status),
        "over": over,
    }


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    print(json.dumps(launch(float(sys.argv[1]), sys.argv[2], sys.argv[3:])))
