"""Options of the commands that read recordings."""

from __future__ import annotations

import argparse

from luocheck.cli.limits import size
from luocheck.traces.source import MOST_BYTES


def add_most_bytes(parser: argparse.ArgumentParser) -> None:
    """`--max-bytes`: how much of a recording is read."""
    text = "unpacked size of a recording at which reading stops, such as 2G (default: 64G)"
    parser.add_argument("--max-bytes", metavar="SIZE", type=size, default=MOST_BYTES, help=text)
