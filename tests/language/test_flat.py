"""`luocheck show --flat`: a derived spec as one text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from luocheck.model.ir.dump import dump
from luocheck.model.resolve.flat_text import FlatLine, flat_lines
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load, load_source
from luocheck.model.syntax.printer import format_text

ROOT = Path(__file__).parents[2]
SPECS = sorted([*ROOT.glob("specs/*.luo"), *ROOT.glob("tests/specs/**/*.luo")])

BASE = """\
spec base "the title of the base";

// The phases.
enum Phase { NORMAL, DONE }  // two of them
sort S symmetric;
scope one { S = 1 }
scope two { S = 2 }
volatile var phase: Phase = NORMAL;
per S {
    volatile f: bool;
    volatile g: bool;  // about g
}
proc set_both(s: S) { first_label: s.f = true; second_label: s.g = true; }
env A(s: S) {
    run set_both(s);
    late: fail EIO when s.g;
}
env B(s: S) { s.f = false; }
invariant one_f: all s: S | s.f => s.g;
reachable some_f: some s: S | s.f;
expect {
    one_f holds;
    some_f is reachable within 3;
    states 4;
}
scenario "of the base" { let x: S; B(x) = OK; }
abi { errno EANY = any; }
"""

DERIVED = """\
spec derived extends base;

extend enum Phase { UNDEFINED }
override per S { volatile g: bool = true; }
per S { volatile h: bool; }
patch proc set_both {
    replace second_label { s.h = true; }
    insert after first_label { phase = UNDEFINED; }
}
remove env B;
remove scenario "of the base";
override invariant one_f: all s: S | s.f => s.h;
expect { one_f holds within 9; states 6; }
"""

FLAT = """\
derived.luo:1  spec derived "the title of the base";
:
base.luo:4  enum Phase { NORMAL, DONE, UNDEFINED }
base.luo:5  sort S symmetric;
base.luo:6  scope one { S = 1 }
base.luo:7  scope two { S = 2 }
base.luo:8  volatile var phase: Phase = NORMAL;
base.luo:9  per S {
base.luo:10      volatile f: bool;
derived.luo:4      volatile g: bool = true;
base.luo:12  }
base.luo:13  proc set_both(s: S) { first_label: s.f = true; phase = UNDEFINED; s.h = true; }
base.luo:14  env A(s: S) {
base.luo:15      run set_both(s);
base.luo:16      late: fail EIO when s.g;
base.luo:17  }
derived.luo:12  invariant one_f: all s: S | s.f => s.h;
base.luo:20  reachable some_f: some s: S | s.f;
base.luo:21  expect {
base.luo:23      some_f is reachable within 3;
base.luo:25  }
base.luo:27  abi { errno EANY = any; }
derived.luo:5  per S { volatile h: bool; }
derived.luo:13  expect { one_f holds within 9; states 6; }
"""


@pytest.fixture
def derived(tmp_path: Path) -> Spec:
    (tmp_path / "base.luo").write_text(BASE, encoding="utf-8")
    (tmp_path / "derived.luo").write_text(DERIVED, encoding="utf-8")
    return load(str(tmp_path / "derived.luo"))


def meaning(spec: Spec) -> dict[str, Any]:
    """The dump without places, and without what says that there was a base."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: bare(v) for k, v in value.items() if k not in ("span", "file", "extends", "inherited")}
        return [bare(each) for each in value] if isinstance(value, list) else value

    found = bare(dump(spec))
    assert isinstance(found, dict)
    return found


def text_of(lines: list[FlatLine]) -> str:
    return "".join(line.text + "\n" for line in lines)


def test_each_line_says_where_it_comes_from(derived: Spec) -> None:
    shown = [f"{Path(line.file or '').name}:{line.line or ''}  {line.text}".rstrip() for line in flat_lines(derived)]
    assert shown == FLAT.splitlines()


def test_the_flat_text_means_the_same(derived: Spec) -> None:
    text = text_of(flat_lines(derived))
    again = load_source(Source("flat.luo", text))
    assert again.tree.header.base is None
    assert meaning(again) == meaning(derived)
    assert again.system.expectations != () != derived.system.bases


@pytest.mark.parametrize("path", SPECS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_spec_has_a_flat_text(path: Path) -> None:
    spec = load(str(path))
    text = text_of(flat_lines(spec))
    assert meaning(load_source(Source("flat.luo", text))) == meaning(spec)


@pytest.mark.parametrize("path", SPECS, ids=lambda p: str(p.relative_to(ROOT)))
def test_lines_of_a_spec_without_a_base_come_from_itself(path: Path) -> None:
    spec = load(str(path))
    if spec.system.bases:
        assert {line.file for line in flat_lines(spec)} > {str(path)}
    else:
        source = path.read_text(encoding="utf-8").splitlines()
        for line in flat_lines(spec):
            assert line.line is None or line.text.split()[0].rstrip(";,") in source[line.line - 1], line


def test_the_flat_text_is_canonical(derived: Spec) -> None:
    text = text_of(flat_lines(derived))
    assert format_text(Source("flat.luo", text)) == text
