"""A scenario as a shell script that builds the program of it, and runs it under strace."""

from __future__ import annotations

import shlex

from luocheck.checker.scenarios.answer import Chosen
from luocheck.generate.program import program
from luocheck.model.spec import Spec

_END = "END_OF_PROGRAM"


def script(spec: Spec, chosen: Chosen) -> str:
    """The script.  Its arguments are the program's (the stage); the recording is written beside it.  Raises as `program` does."""
    name = chosen.name
    return f"""\
#!/bin/sh
# {chosen.title}: builds the program, and runs it under strace.
# Arguments: the stage, where the scenario goes over several kernels.  CC, STRACE and DIR may be set.
# The exit status is that of the program: 0 when the kernel returned what the spec says.
set -eu
dir=${{DIR:-.}}
name={shlex.quote(name)}
program=$dir/$name
cat > "$program.c" <<'{_END}'
{program(spec, chosen)}{_END}
"${{CC:-cc}}" -Wall -Wextra -o "$program" "$program.c"
exec "${{STRACE:-strace}}" -f -ttt -y -s 128 -e trace=openat,open,ioctl,close,dup,dup2,dup3,reboot,clone,fork,vfork,exit_group \\
    -o "$program.stage${{1:-1}}.strace" "$program" "$@"
"""
