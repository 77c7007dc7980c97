"""What docs/reports.md shows is run: each `sh` block that is followed by a block of output.  As a program, it writes the outputs anew."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from pathlib import Path

from luocheck.cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reports.md"

_SHOWN = re.compile(r"^```sh\nluocheck ([^\n]*)\n```\n\n```\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def output(arguments: str) -> str:
    """What a command prints, started in the project's folder."""
    out = io.StringIO()
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        with contextlib.redirect_stdout(out):
            main(shlex.split(arguments))
    finally:
        os.chdir(before)
    return out.getvalue()


def anew(text: str) -> str:
    """The page with its outputs as they are now."""

    def block(found: re.Match[str]) -> str:
        return f"```sh\nluocheck {found[1]}\n```\n\n```\n{output(found[1])}```"

    return _SHOWN.sub(block, text)


def shown(text: str) -> int:
    """How many outputs the page has."""
    return len(_SHOWN.findall(text))


if __name__ == "__main__":
    PAGE.write_text(anew(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
