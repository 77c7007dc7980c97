"""A witness names no more elements than are claimed to be enough, also where single calls could be made with others."""

from __future__ import annotations

from luocheck.checker.explore.exploration import explore
from luocheck.model.source import Source
from luocheck.model.spec import load_source

SPEC = """\
spec t;
sort Agent symmetric caller;
sort File symmetric;
scope s { Agent = 1, File = 3 }
per File { fixed special: bool = any; }
volatile var opened: bool = false;
volatile var broken: bool = false;
ioctl OPEN(a: Agent, f: File) { opened = true; }
ioctl BREAK(a: Agent, f: File) { fail EIO when not opened; fail EPERM when not f.special; broken = true; }
ioctl LATER(a: Agent, f: File) { fail EIO when not broken; fail EPERM when not f.special; }
invariant never_broken: not broken;
never LATER returns OK;
"""


def test_elements_of_the_witness_are_those_that_were_minimised() -> None:
    spec = load_source(Source("t.luo", SPEC))
    run = explore(spec.system, spec.system.scopes[0])
    for name, calls in (("never_broken", 2), ("LATER_never_OK", 3)):
        witness = next(v.witness for v in run.verdicts if v.property == name)
        assert witness is not None and witness.calls == calls and "elements" in witness.minimal
        assert len({value for step in witness.steps for _, value in step.arguments}) == 2, [s.text for s in witness.steps]
