"""The packaged recording: 60 calls of one process on a Linux 7.3.4 kernel, every error that an agent can get before a live update.

Recorded in a virtual machine with two fprobe events (one line for each ioctl, with its payload and its return value).
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

NAME = "demo"
"""What stands for it on the command line."""


def capture_file(capture: str) -> str:
    """The file meant by a CAPTURE argument: the packaged recording for `demo`, unless there is a file of that name."""
    return str(demo_capture()) if capture == NAME and not Path(NAME).exists() else capture


def demo_capture() -> Path:
    """The path of the packaged recording."""
    with as_file(files("luocheck.demo") / "errors.trace.txt") as path:
        return path
