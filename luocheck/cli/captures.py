"""Options of the commands that read recordings, and their status."""

from __future__ import annotations

import argparse

from luocheck.cli.limits import size
from luocheck.cli.status import FINE, UNDECIDED, UNEXPECTED
from luocheck.demo import capture_file
from luocheck.traces.answer import Conformance
from luocheck.traces.parts import Captured
from luocheck.traces.source import MOST_BYTES

AUDITED = {Conformance.CONFORMS: FINE, Conformance.VIOLATED: UNEXPECTED, Conformance.INCONCLUSIVE: UNDECIDED}
"""The status of an audit."""


def file_of(capture: Captured) -> Captured:
    """The file meant by a capture: the packaged recording for `demo`."""
    return capture_file(capture) if isinstance(capture, str) else capture


def add_most_bytes(parser: argparse.ArgumentParser) -> None:
    """`--max-bytes`: how much of a recording is read."""
    text = "unpacked size of a recording at which reading stops, such as 2G (default: 64G)"
    parser.add_argument("--max-bytes", metavar="SIZE", type=size, default=MOST_BYTES, help=text)
