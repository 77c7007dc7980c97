"""What is said about wrong specs: each code has a fixture that produces it, and no text leads to anything but a clear error with a place.

The fixtures stand in `diagnostics/`; the first line of each says which codes it gives, and at which lines.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from luocheck.model.codes import CODES
from luocheck.model.diagnostics import Diagnostic, SpecError, render
from luocheck.model.library import SUFFIX
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load, load_source
from luocheck.model.syntax.parser import MAX_ERRORS
from luocheck.model.syntax.printer import format_text

FOLDER = Path(__file__).parent / "diagnostics"
ROOT = Path(__file__).parents[2]
FIXTURES = sorted(FOLDER.glob("LUO*.luo"))
GOLDEN = sorted(FOLDER.glob("*.txt"))

NOT_FROM_A_SPEC = {
    "LUO500": "the command line asks for an engine",
    "LUO501": "a bounded check or proof meets what it does not translate",
    "LUO510": "a proof for every size meets what has no form for it",
    "LUO511": "a certificate cannot be read",
    "LUO520": "an export meets what Promela cannot say",
    "LUO521": "an export leaves out a claim about whole runs",
    "LUO522": "an export meets a scope that is too large",
    "LUO601": "a run compares verdicts with expectations",
    "LUO602": "a run replays a scenario",
    "LUO603": "the command line names a scope, topology or property",
    "LUO604": "a run has nothing to check",
    "LUO605": "a run evaluates a claim",
    "LUO606": "a run enumerates starting points",
    "LUO607": "the argument names no spec that can be read (see test_no_such_spec)",
    "LUO608": "a run meets two writers in one forall",
    "LUO609": "the command line",
    "LUO610": "the command line writes a file",
    "LUO611": "a file is no checkpoint",
    "LUO612": "a checkpoint is of another run",
    "LUO613": "a file of results is something else",
    "LUO614": "a cluster cannot be used",
    "LUO615": "a worker process died at its start",
    "LUO620": "a file is no catalogue",
    "LUO630": "a program is made of a scenario",
}
"""Codes below LUO700 that loading a spec cannot give, and who gives them.  LUO7xx are about captures."""


def diagnostics_of(path: Path) -> list[Diagnostic]:
    """Errors and warnings of a spec file, in the order of the text."""
    try:
        return list(load(str(path)).system.warnings)
    except SpecError as error:
        return list(error.diagnostics)


# ---- fixtures ---------------------------------------------------------------------------------------------------


def expected(path: Path) -> set[tuple[str, int, str]]:
    """`// LUO200 line 7, LUO102 line 3 of base.luo` as (code, line, file)."""
    first = path.read_text(encoding="utf-8").splitlines()[0]
    found = re.findall(r"(LUO\d+) line (\d+)(?: of (\S+?))?(?:,|$)", first)
    assert found and first.startswith("// "), first
    return {(code, int(line), file or path.name) for code, line, file in found}


@pytest.mark.parametrize("path", FIXTURES, ids=lambda p: p.stem)
def test_fixture(path: Path) -> None:
    """Every expected diagnostic is there at its line, and no other.  (Lints count in their own fixtures only.)"""
    found = diagnostics_of(path)
    about_lints = path.name.startswith("LUO3")
    shown = {(d.code, d.span.line, Path(d.span.source.name).name) for d in found if about_lints or not d.code.startswith("LUO3")}
    assert shown == expected(path)
    assert path.stem.split("_")[0] in {code for code, _, _ in shown}


@pytest.mark.parametrize("path", FIXTURES, ids=lambda p: p.stem)
def test_messages_can_be_read(path: Path) -> None:
    for each in diagnostics_of(path):
        assert each.code in CODES
        assert 10 <= len(each.message) <= 130 and not each.message.endswith("."), each.message
        assert not re.search(r"None|<\w+ \w+>|__|luocheck\.|Token\(|Tree\(", each.message + each.help), each.message
        assert each.span.text.strip() or each.span.end == each.span.start, each
        marked = render(each).splitlines()
        assert marked[0].startswith(f"{each.severity.value}[{each.code}]: ") and any("^" in line for line in marked)


def test_every_code_has_a_fixture() -> None:
    covered = {code for path in FIXTURES for code, _, _ in expected(path)}
    from_specs = {code for code in CODES if code < "LUO700"}
    assert from_specs - covered == set(NOT_FROM_A_SPEC)
    assert covered <= set(CODES)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_rendered_text(path: Path) -> None:
    """The whole text with places, carets, labels and help."""
    shown = "\n\n".join(render(each) for each in diagnostics_of(path.with_suffix(SUFFIX)))
    assert shown.replace(f"{FOLDER}/", "") + "\n" == path.read_text(encoding="utf-8")


def test_there_are_rendered_texts() -> None:
    assert len(GOLDEN) >= 12


# ---- hostile texts ----------------------------------------------------------------------------------------------

SMALL = "spec x;\nsort File symmetric;\nvolatile var b: bool = false;\nscope one { File = 1 }\nenv A { b = not b; }\n"

HOSTILE: dict[str, tuple[bytes, str, int]] = {
    "empty": (b"", "LUO104", 1),
    "white": (b" \n\t\n", "LUO104", 1),
    "only_a_comment": (b"// nothing\n", "LUO104", 1),
    "binary": (bytes(range(256)) * 100, "LUO105", 1),
    "elf": (b"\x7fELF\x02\x01\x01" + b"\x00" * 1000, "LUO105", 1),
    "nul": (b"spec x;\nsort A\x00;\n", "LUO105", 2),
    "latin_1": ("spec x;\n// gr\xfc\xdfe\n".encode("latin-1"), "LUO105", 2),
    "utf_16": ("spec x;\n".encode("utf-16"), "LUO105", 1),
    "too_large": (b"spec x;\n" + b"// c\n" * 4_000_000, "LUO105", 1),
    "huge_line": (b"spec x; " + b"a" * 900_000, "LUO100", 1),
    "many_words": (b"spec x;\n" + b"a " * 300_000, "LUO100", 2),
    "many_semicolons": (b"spec x;\n" + b";" * 200_000, "LUO100", 2),
    "many_errors": (b"spec x;\n" + b"sort;\n" * 50_000, "LUO100", 2),
    "unterminated_string": (b'spec x "title;\nsort S;\n', "LUO101", 1),
    "no_such_letter": ("spec x;\nsort Gr\u00f6\u00dfe;\n".encode(), "LUO101", 2),
    "bidi": ("spec x;\nsort A\u202eB;\n".encode(), "LUO101", 2),
    "open_braces": (SMALL.encode() + b"env B { " + b"if b { " * 50_000, "LUO105", 6),
    "open_parentheses": (SMALL.encode() + b"invariant I: " + b"(" * 50_000, "LUO105", 6),
    "closing_braces": (b"spec x;\n" + b"}" * 1000, "LUO100", 2),
    "nots": (SMALL.encode() + b"invariant I: " + b"not " * 4_000 + b"b;", "LUO105", 6),
    "ands": (SMALL.encode() + b"invariant I: b" + b" and b" * 4_000 + b";", "LUO105", 6),
    "arrows": (SMALL.encode() + b"invariant I: b" + b" => b" * 4_000 + b";", "LUO105", 6),
    "sums": (SMALL.encode() + b"invariant I: 0 == 1" + b" + 1" * 4_000 + b";", "LUO105", 6),
    "fields": (SMALL.encode() + b"invariant I: b" + b".b" * 4_000 + b";", "LUO105", 6),
    "quantifiers": (SMALL.encode() + b"invariant I: " + b"all f: File | " * 5_000 + b"b;", "LUO105", 6),
    "nested_procs": (
        SMALL.encode() + b"proc p0() { b = true; }\n" + b"".join(b"proc p%d() { run p%d(); }\n" % (i + 1, i) for i in range(2_000)) + b"env B { run p2000(); }",
        "LUO105",
        1,
    ),
    "doubling_defines": (
        SMALL.encode() + b"define d0 = b;\n" + b"".join(b"define d%d = d%d and d%d;\n" % (i + 1, i, i) for i in range(50)) + b"invariant I: d50;",
        "LUO231",
        8,
    ),
    "scope_of_60": (b"spec x;\nsort File;\nscope a { File = 60 }\n", "LUO219", 3),
    "scope_without_end": (b"spec x;\nsort File;\nscope a { File = 99999999999999999999999999 }\n", "LUO219", 3),
    "scope_of_1e99": (b"spec x;\nsort File;\nscope a { File = 1e99 }\n", "LUO219", 3),
    "hexadecimal": (b"spec x;\nsort File;\nscope a { File = 0x" + b"F" * 100_000 + b" }\n", "LUO219", 3),
    "count_without_end": (b"spec x;\nvolatile var n: count(1e99) = 0;\n", "LUO226", 2),
    "enum_number": (b"spec x;\nenum E { A = 18446744073709551616, B = 18446744073709551616 }\n", "LUO229", 2),
}  # fmt: skip


def errors_of(path: Path) -> list[Diagnostic]:
    with pytest.raises(SpecError) as caught:
        load(str(path))
    return [d for d in caught.value.diagnostics if d.severity.value == "error"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text(name: str, tmp_path: Path) -> None:
    """One clear error with a place (of few), no traceback, quickly, and a text that cannot drive the terminal."""
    data, code, line = HOSTILE[name]
    path = tmp_path / "hostile.luo"
    path.write_bytes(data)
    begin = time.process_time()
    found = errors_of(path)
    shown = [render(each) for each in found]
    assert time.process_time() - begin < 20
    assert (found[0].code, found[0].span.line) == (code, line), shown[0][:2000]
    assert len(found) <= MAX_ERRORS
    assert sum(map(len, shown)) < 200_000
    assert all(c == "\n" or c.isprintable() or c == "\t" for text in shown for c in text)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("byte_order_mark", b"\xef\xbb\xbf" + SMALL.encode()),
        ("crlf", SMALL.replace("\n", "\r\n").encode()),
        ("cr_in_a_comment", SMALL.encode() + b"// a\rb\n"),
        ("tabs_and_form_feeds", SMALL.replace(" ", "\t").replace("\n", "\n\f").encode()),
        ("no_line_end", SMALL.rstrip("\n").encode()),
        ("other_letters_in_comments", SMALL.encode() + "// \u65e5\u672c\u8a9e \u202e \U0001f600\n".encode()),
    ],
)
def test_odd_but_correct(name: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.luo"
    path.write_bytes(data)
    spec = load(str(path))
    assert [event.name for event in spec.system.events] == ["A"]
    assert load_source(Source("again.luo", format_text(spec.source))).tree == spec.tree


def test_lines_are_counted_right_with_crlf(tmp_path: Path) -> None:
    path = tmp_path / "crlf.luo"
    path.write_bytes(b"\xef\xbb\xbfspec x;\r\n\r\nsort A\r\nsort B;\r\n")
    (error,) = errors_of(path)
    assert (error.code, error.span.line, error.span.column) == ("LUO102", 3, 6)
    assert "\r" not in render(error)


def test_a_chain_that_closes(tmp_path: Path) -> None:
    for name, base in (("a", "b"), ("b", "c"), ("c", "a")):
        (tmp_path / f"{name}.luo").write_text(f"spec {name} extends {base};\n", encoding="utf-8")
    for name in ("a", "b", "c"):
        (error,) = errors_of(tmp_path / f"{name}.luo")
        assert error.code == "LUO221" and error.message.count("->") == 3


def test_a_long_chain(tmp_path: Path) -> None:
    """A chain of bases is as deep as the author likes, within reason."""
    (tmp_path / "s0.luo").write_text(SMALL.replace("spec x", "spec s0"), encoding="utf-8")
    for i in range(40):
        (tmp_path / f"s{i + 1}.luo").write_text(f"spec s{i + 1} extends s{i};\n", encoding="utf-8")
    assert len(load(str(tmp_path / "s40.luo")).system.bases) == 40


@pytest.mark.parametrize("what", ["missing.luo", "a_folder.luo", "no_such_shipped_spec", "with\0nul.luo", "linux_7_4"])
def test_no_such_spec(what: str, tmp_path: Path) -> None:
    (tmp_path / "a_folder.luo").mkdir()
    with pytest.raises(SpecError) as caught:
        load(str(tmp_path / what) if what.endswith(".luo") else what)
    (error,) = caught.value.diagnostics
    assert error.code == "LUO607"
    assert what != "linux_7_4" or error.help == "did you mean `linux_7_3`?"


# ---- texts that are almost right --------------------------------------------------------------------------------

RICH = """\
spec rich "everything once";
enum Phase { NORMAL, FROZEN = 4 }
sort Agent symmetric caller;
sort Token ordered;
sort File symmetric;
sort Session symmetric pool;
graph needs on File acyclic where edge(x, y): x.good or y.good;
scope one { Agent = 1, Token = 2, File = 2, Session = 1; stepwise MAKE; }
scope two { Agent = 2, Token = 1, File = 1, Session = 1 }
topology pair { a: File; b: File; a -> b; }
rwlock big;
mutex m per Session;
volatile var phase: Phase = NORMAL;
volatile var next_token: Token = Token.first;
preserved var files: seq File;
per Agent { volatile own: set Session; ghost seen: count(3) = 0; }
per File { fixed good: bool = any; volatile open: bool = false; }
per Session { preserved queue: seq Token; volatile last_error: errno = EIO; preserved what: File? = none; }
per Agent, Token { volatile used: bool = false; }
define held(s: Session) = some a: Agent | s in a.own;
define quiet = idle and phase == NORMAL;
proc take(a: Agent) gives s: Session { new s; add s to a.own; }
walk close_all(a: Agent) over s: Session in any order where s in a.own { remove s from a.own; free s; }
walk freeze(a: Agent) over f in files where f.open { late: fail EBUSY sometimes callback; f.open = false; rollback visited reversed { f.open = true; } }
walk empty(s: Session) drains t in s.queue reversed { used(t_owner(s), t) = false; }
ioctl MAKE(a: Agent, f: File) gives s: Session {
    require a.seen_before == false;
    arguments;
    guard big shared;
    grow: fail ENOMEM when (number of x: Session | held(x)) > 1;
    step;
    run take(a) gives s else { fail; }
    if f.good and sometimes copy_out { fail s.last_error; } else { s.what = f; }
    run freeze(a) else { phase = FROZEN; stop; }
    find g in files where needs(g, f) or needs+(f, g) else { append f to files; }
    choose t: Token where t >= next_token else { fail ENOSPC; }
    let n = next(t);
    cut when n == none;
    await phase != FROZEN or EINTR;
    used(a, t) = not used(a, t);
    forall x: File where x in { f } { x.open = false; }
    lock m(s);
    unlock m(s);
    assert old_is_there "doc": old(phase) == phase;
}
env REBOOT { reboot; }
boot { if phase == FROZEN { bad: panic sometimes; } phase = NORMAL; }
on MAKE returns OK { a.seen = a.seen + 1; }
invariant good_files "P-GOOD": all f: File, g: File | f.open and needs(f, g) => g.open;
lemma small: no s: Session | s.what == none and before(files, first(files), last(files));
reachable some_open: some f: File | f.open;
after any ioctl returns error check nothing: unchanged except phase, Agent.own;
at grow check at_grow: phase == NORMAL;
never MAKE returns PANIC;
never stuck not_stuck unless phase == FROZEN;
recoverable way_out: phase == FROZEN can reach quiet using MAKE, REBOOT with faults;
liveness ends: phase == FROZEN leads to phase == NORMAL assuming REBOOT succeeds;
expect { good_files holds; some_open is not reachable in scope two; nothing fails within 4 by MAKE at grow; states 1..1e4; coverage all; }
scenario "one call" in scope two { let x: Agent; let f: File; given not f.open; MAKE(x, f) = OK gives s; assert held(s); }
abi {
    handle fd of Agent -> device, Session, File bad when closed as bad_fd;
    device "/dev/x" { magic 0xBA; nr 0x00..0x3f; unknown EINVAL; encoding ENOTTY; }
    process Agent { }
    sized u32 size { short EINVAL; tail E2BIG; }
    ioctl MAKE 0xBA00 on device { size; s32 fd out s; s32 file in f; aligned u64 spare zero EINVAL; }
    errno EANY = { EIO, ENOMEM };
}
""".replace("    require a.seen_before == false;\n", "    require phase == NORMAL;\n").replace(
    "used(t_owner(s), t) = false;", "skip;"
)

LEXEME = re.compile(r"\"[^\"\n]*\"|[A-Za-z_][A-Za-z_0-9]*\+?|[0-9]\w*|\.\.|->|=>|[=!<>]=|\S")
TOKENS = LEXEME.findall(RICH)


def joined(tokens: list[str]) -> str:
    return " ".join(tokens).replace("needs+ (", "needs+(")


def load_text(text: str) -> Spec:
    return load_source(Source("test.luo", text))


def test_the_rich_text_is_correct() -> None:
    assert [event.name for event in load_text(RICH).system.events] == ["MAKE", "REBOOT"]
    assert load_text(joined(TOKENS)).tree == load_text(RICH).tree


@settings(max_examples=150, deadline=None)
@given(some.data())
def test_almost_right_texts(data: some.DataObject) -> None:
    """With some words exchanged, doubled or taken away, a spec is still correct or gives errors with places in it."""
    tokens = list(TOKENS)
    for _ in range(data.draw(some.integers(1, 3))):
        place = data.draw(some.integers(0, len(tokens) - 1))
        other = data.draw(some.sampled_from(TOKENS))
        match data.draw(some.sampled_from(["replace", "drop", "insert", "swap"])):
            case "replace":
                tokens[place] = other
            case "drop":
                del tokens[place]
            case "insert":
                tokens.insert(place, other)
            case "swap":
                there = data.draw(some.integers(0, len(tokens) - 1))
                tokens[place], tokens[there] = tokens[there], tokens[place]
    text = joined(tokens)
    try:
        load_text(text)
    except SpecError as error:
        assert any(d.severity.value == "error" for d in error.diagnostics)
        for each in error.diagnostics:
            assert 0 <= each.span.start <= each.span.end <= len(text) and each.span.source.name == "test.luo"
            assert each.code in CODES and "^" in render(each)
