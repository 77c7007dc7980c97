"""A run that was stopped and taken up again, however often, comes to what an uninterrupted one comes to, to the letter."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from engine.agreement import QUICK, told

from luocheck.checker.checkpoint import keeper
from luocheck.checker.checkpoint.file import MAGIC, Reader
from luocheck.checker.checkpoint.keeper import Checkpoint
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.result import Exploration
from luocheck.checker.native import build
from luocheck.model.diagnostics import SpecError
from luocheck.model.ir.system import Scope, System, Topology
from luocheck.model.source import Source
from luocheck.model.spec import load, load_source

TESTS = Path(__file__).parents[1]
PEERS = str(TESTS / "specs" / "peers.luo")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FLAGS", QUICK)


def place(spec: str, scope: str, topology: str | None = None) -> tuple[System, Scope, Topology | None]:
    system = load(spec).system
    return (
        system,
        next(s for s in system.scopes if s.name == scope),
        next((t for t in system.topologies if t.name == topology), None),
    )


def head(path: Path) -> dict[str, object]:
    reader = Reader(path)
    reader.close()
    return reader.head


def middle(path: Path) -> bool:
    """Is the search that the file keeps in the middle of a level?"""
    reader = Reader(path)
    levels = reader.head["levels"]
    try:
        if levels is None:
            return False
        first = bytearray(reader.arrays[0][1])
        reader.read_into(memoryview(first))
        (source,) = struct.unpack_from("=q", first)
        return bool(levels[-2] < source < levels[-1])
    finally:
        reader.close()


@pytest.mark.parametrize("symmetry", [True, False])
@pytest.mark.parametrize(
    ("spec", "scope", "topology", "stops"),
    [
        ("linux_7_3", "share", None, (1, 20, 77, 100, 150, 184)),
        ("linux_7_3", "race", None, (50, 700, 1_500)),
        ("linux_7_3", "small", None, (100, 700, 1_000, 3_333)),
        ("rfc_v2", "small", None, (10, 400, 1_000, 5_000)),
        ("rfc_v2", "race_preserve", None, (100, 1_111)),
        ("rfc_v2", "subsystems", None, (3, 40, 200)),
        ("intent", "small", None, (40, 1_000, 2_000, 3_000)),
        ("intent", "pair", "guest", (17, 18, 19)),
        (PEERS, "three", "star3", (33, 50, 700)),
        (PEERS, "three", None, (1_000, 2_000)),
    ],
)
def test_stopped_and_taken_up_is_uninterrupted(
    spec: str, scope: str, topology: str | None, stops: tuple[int, ...], symmetry: bool, tmp_path: Path
) -> None:
    where = place(spec, scope, topology)
    path = tmp_path / "checkpoint"
    whole = explore(*where, engine="explore", symmetry=symmetry)
    stops = tuple(most for most in stops if most < whole.states) or (whole.states // 2,)
    went_on = 0
    for most in stops:
        before = head(path)["found"] if path.exists() else None
        found = explore(*where, limits=Limits(max_states=most), checkpoint=Checkpoint(path), symmetry=symmetry)
        assert told(found) == told(explore(*where, engine="explore", limits=Limits(max_states=most), symmetry=symmetry)), most
        went_on += head(path)["found"] != before or head(path)["levels"] is not None
    assert went_on == len(stops)
    found = explore(*where, checkpoint=Checkpoint(path), symmetry=symmetry)
    assert found.stopped is None and told(found) == told(whole)
    again = explore(*where, checkpoint=Checkpoint(path), symmetry=symmetry)  # complete: it is read, and says the same
    assert told(again) == told(found) and head(path)["levels"] is None


@pytest.mark.nightly
def test_every_stop_of_a_search_can_be_taken_up(tmp_path: Path) -> None:
    """Wherever it is stopped, also in the middle of a state, of a level, and between two instances; without symmetry every third."""
    where = place("linux_7_3", "share")
    in_the_middle = 0
    for symmetry, step in ((True, 1), (False, 3)):
        whole = explore(*where, engine="explore", symmetry=symmetry)
        assert (whole.symmetry > 1) == symmetry
        for most in range(1, whole.states, step):
            path = tmp_path / f"{most} {symmetry}"
            assert explore(*where, limits=Limits(max_states=most), checkpoint=Checkpoint(path), symmetry=symmetry).stopped
            in_the_middle += middle(path)
            assert told(explore(*where, checkpoint=Checkpoint(path), symmetry=symmetry)) == told(whole), most
    assert in_the_middle > 20


def test_what_was_done_is_not_done_again(tmp_path: Path) -> None:
    """The states that were expanded before are not expanded again, so that a long run gets somewhere however often it is stopped."""
    where = place(PEERS, "crowd", "star5")
    path = tmp_path / "checkpoint"
    explore(*where, limits=Limits(max_states=100_000), symmetry=False, checkpoint=Checkpoint(path))
    told_first: list[int] = []

    def first(progress: object) -> None:
        told_first.append(getattr(progress, "states", 0))

    explore(*where, limits=Limits(max_states=130_000), symmetry=False, checkpoint=Checkpoint(path), progress=first)
    assert middle(path)
    assert all(states >= 90_000 for states in told_first)


def test_it_is_written_while_the_search_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "SHARE", 1)  # however long a writing takes
    where = place(PEERS, "crowd", "star5")
    path = tmp_path / "checkpoint"
    versions: set[tuple[int, int]] = set()  # with the time: a file system gives the number of a replaced file to the next one

    def interrupted() -> str | None:
        if path.exists():
            versions.add((path.stat().st_ino, path.stat().st_mtime_ns))
        return "interrupted" if len(versions) >= 3 else None

    found = explore(*where, limits=Limits(interrupted=interrupted), symmetry=False, checkpoint=Checkpoint(path, every=0))
    assert found.stopped == "interrupted" and len(versions) >= 3
    assert not path.with_name("checkpoint.part").exists()


def test_it_is_written_between_instances_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches of many instances may each be too short to be asked while they run."""
    monkeypatch.setattr(keeper, "SHARE", 1)  # however long a writing takes
    where = place("intent", "small")
    path = tmp_path / "checkpoint"
    finished: set[int] = set()

    def interrupted() -> None:
        if path.exists():
            finished.add(head(path)["found"]["instances"])  # type: ignore[index]

    found = explore(*where, limits=Limits(interrupted=interrupted), symmetry=False, checkpoint=Checkpoint(path, every=0))
    assert found.stopped is None and found.instances > 3
    assert len(finished) >= found.instances - 1


def test_a_writing_that_fails_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    where = place("linux_7_3", "share")
    folder = tmp_path / "gone"
    folder.mkdir()
    path = folder / "checkpoint"
    said: list[str] = []
    state = {"asked": 0}

    def interrupted() -> None:
        state["asked"] += 1
        if folder.exists():
            folder.rmdir()

    found = explore(*where, limits=Limits(interrupted=interrupted), symmetry=False, checkpoint=Checkpoint(path, tell=said.append))
    assert told(found) == told(explore(*where, engine="explore", symmetry=False))
    assert said == [f"the checkpoint {path} could not be written: No such file or directory"]


# ---- other files ------------------------------------------------------------------------------------------------

TEXT = """spec counter;
scope s { }
scope t { }
volatile var x: count(63) = 0;
volatile var y: count(63) = 0;
env X() { x = x + 1; }
env Y() { fail EBUSY when y == 63; y = y + 1; }
reachable far: x == 5 and y == 7;
invariant small: x + y < 100;
recoverable back: x == 1 can reach x == 0;
"""


def system(text: str = TEXT) -> System:
    return load_source(Source("counter.luo", text)).system


def kept(path: Path, made: System, **options: object) -> Exploration:
    scope = made.scopes[0]
    return explore(made, scope, checkpoint=Checkpoint(path), **options)  # type: ignore[arg-type]


def refused(path: Path, made: System | None = None, **options: object) -> tuple[str, str]:
    """The code and the message; the file is left as it is."""
    before = path.read_bytes()
    with pytest.raises(SpecError) as error:
        kept(path, made if made is not None else system(), **options)
    assert path.read_bytes() == before
    (problem,) = error.value.diagnostics
    assert problem.help and str(path) == problem.span.source.name
    return problem.code, problem.message


@pytest.fixture
def unfinished(tmp_path: Path) -> Path:
    path = tmp_path / "unfinished"
    assert kept(path, system(), limits=Limits(max_states=2_000)).stopped
    return path


def test_files_that_are_no_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"", b"hello, world\n", MAGIC[:5], MAGIC, MAGIC + bytes(16), bytes(1000), b"\x80\x04\x95pickle"):
        path.write_bytes(content)
        code, message = refused(path)
        assert code == ("LUO612" if content == MAGIC + bytes(16) else "LUO611"), message


def test_a_file_that_was_cut_off_is_refused_wherever(unfinished: Path, tmp_path: Path) -> None:
    whole = unfinished.read_bytes()
    for length in (*range(0, 300, 9), *range(300, len(whole), 2_003), len(whole) - 33, len(whole) - 1):
        path = tmp_path / "cut"
        path.write_bytes(whole[:length])
        assert refused(path)[0] == "LUO611", length
    path.write_bytes(whole + b"x")
    assert refused(path)[0] == "LUO611"


def test_a_flipped_bit_is_noticed_wherever(unfinished: Path, tmp_path: Path) -> None:
    whole = unfinished.read_bytes()
    version = range(len(MAGIC), len(MAGIC) + 8)
    for at in (*range(0, 80, 3), *range(80, len(whole), 1_499), len(whole) - 1):
        path = tmp_path / "flipped"
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert refused(path)[0] == ("LUO612" if at in version else "LUO611"), at


def test_a_checkpoint_of_another_run_is_refused(unfinished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = system()
    code, message = refused(unfinished, system(TEXT + "// a comment\n"))
    assert code == "LUO612" and "the text of the spec was changed" in message
    _, message = refused(unfinished, system(TEXT.replace("spec counter", "spec other")))
    assert "its spec is `counter`, and here it is `other`" in message
    _, message = refused(unfinished, claims=made.properties[:1])
    assert "other claims, only there `small`, `back`" in message
    _, message = refused(unfinished, symmetry=False)
    assert "its symmetry is `on`, and here it is `off`" in message
    with pytest.raises(SpecError, match="its scope is `s: `, and here it is `t: `"):
        explore(made, made.scopes[1], checkpoint=Checkpoint(unfinished))


def test_a_checkpoint_of_another_program_is_refused(unfinished: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from luocheck.checker.native import program

    changed = tmp_path / "engine.c"
    engine, *others = program.RUNTIME
    changed.write_text(engine.read_text() + "\n/* of another version */\n")
    monkeypatch.setattr(program, "RUNTIME", (changed, *others))
    assert refused(unfinished) == ("LUO612", "the checkpoint is of another run: it was written by another version of luocheck")


def test_of_two_topologies_and_graphs_only_its_own(tmp_path: Path) -> None:
    tiny = TESTS / "cli" / "specs" / "tiny.luo"
    made = load(str(tiny)).system
    path = tmp_path / "checkpoint"
    explore(made, made.scopes[0], made.topologies[0], checkpoint=Checkpoint(path))
    with pytest.raises(SpecError, match="its topology is `pair`, and here it is `none`"):
        explore(made, made.scopes[0], checkpoint=Checkpoint(path))


def forged(path: Path, change: object) -> None:
    """Writes a head with right sums, and something else in it."""
    import hashlib

    whole = path.read_bytes()
    start = len(MAGIC) + 16
    (length,) = struct.unpack_from("<Q", whole, len(MAGIC) + 8)
    said = json.loads(whole[start : start + length])
    change(said)  # type: ignore[operator]
    text = json.dumps(said).encode()
    first = MAGIC + struct.pack("<QQ", 1, len(text)) + text
    path.write_bytes(first + hashlib.sha256(first).digest() + whole[start + length + 32 :])


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.pop("found"),
        lambda said: said["found"].update(states="many"),
        lambda said: said["found"].update(best={"far": 1}),
        lambda said: said.update(levels=[0, 1]),
        lambda said: said.update(levels=[0, 1, 1, 2, 10**30]),
        lambda said: said.update(levels=["0"]),
        lambda said: said.update(levels=None),
        lambda said: said.update(arrays=[]),
        lambda said: said.update(arrays=[["point", 0, 1]]),
        lambda said: said.update(run=[]),
        lambda said: said["arrays"].reverse(),
    ],
)
def test_a_head_that_says_nonsense_is_refused(change: object, unfinished: Path) -> None:
    forged(unfinished, change)
    assert refused(unfinished)[0] == "LUO611"
