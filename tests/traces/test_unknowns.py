"""What a recording does not show stays open until it makes a difference, and states that differ in numbers only are one."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from luocheck.model.ir.vocabulary import ElemT, SeqT, SetT
from luocheck.model.semantics.store import live_index
from luocheck.model.spec import Spec, load
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.call import Recording
from luocheck.traces.decode import decode
from luocheck.traces.replay.cells import BOUND, KNOWN, UNKNOWNS
from luocheck.traces.replay.configurations import Configuration, Explained
from luocheck.traces.replay.handles import Handles
from luocheck.traces.replay.machine import ReplayMachine
from luocheck.traces.replay.renaming import choosable_sorts, exchangeable_sorts
from luocheck.traces.replay.search import Search
from luocheck.traces.replay.step import Stepper
from luocheck.traces.replay.unknowns import Unknown, comparable_sorts
from luocheck.traces.replay.world import Beginning, World, WorldStore
from luocheck.traces.witness_check import check_witness

CAPTURES = Path(__file__).parent / "captures"
CONCURRENT = CAPTURES / "strace" / "conc.strace.txt.gz"


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


def searched(spec: Spec, recording: Recording, *, quick: bool) -> tuple[Explained, list[int]]:
    """What a search of a recording that begins with the kernel finds, and how many configurations there were after each call."""
    handles = Handles.of(spec.system, recording)
    machine = ReplayMachine(World(spec.system, Beginning.COLD, tuple(handles.counts), handles.names(), quick))
    sizes: list[int] = []
    search = Search(Stepper(machine, handles, recording), recording, lambda: None, quick)
    search.watch = lambda call, belief: sizes.append(len(belief))
    return search.run(machine.beginnings()), sizes


def strace(folder: Path, *lines: str) -> str:
    path = folder / "made.strace.txt"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


# ---- sorts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "comparable", "choosable"),
    [
        ("linux_7_3", {"Name", "Token"}, {"File", "Flb"}),
        ("linux_6_19", {"Name", "Token"}, {"File", "Handler", "Seal"}),
        ("v4", {"Name", "Token"}, {"File"}),
        ("rfc_v2", set(), {"Handler", "Other"}),  # its files have dependencies, its tokens are counted
    ],
)
def test_which_sorts_can_stay_open(name: str, comparable: set[str], choosable: set[str]) -> None:
    system = load(name).system
    assert {system.sorts[index].name for index in comparable_sorts(system)} == comparable
    assert {system.sorts[index].name for index in choosable_sorts(system)} == choosable
    assert not comparable_sorts(system) & exchangeable_sorts(system)


# ---- overlapping calls whose structs are not shown -----------------------------------------------------------------------

NAMES = ("a", "b", "c")


def making(*shown: str) -> list[str]:
    """Three threads make sessions at once; which made which is seen later, by the names of descriptors."""
    return [
        '1 1.0 openat(AT_FDCWD, "/dev/liveupdate", O_RDWR) = 3</dev/liveupdate> <0.000100>',
        *(f"{2 + n} 2.{n} ioctl(3</dev/liveupdate>, LIVEUPDATE_IOCTL_CREATE_SESSION, 0x7f00 <unfinished ...>" for n in range(3)),
        *(f"{2 + n} 3.{n} <... ioctl resumed>) = 0 <1.000000>" for n in range(3)),
        *(
            f"1 4.{n} ioctl({4 + n}<anon_inode:[luo_session] {name}>, LIVEUPDATE_SESSION_PRESERVE_FD, 0x7f00) = 0 <0.000100>"
            for n, name in enumerate(shown)
        ),
    ]


def test_names_that_are_not_shown_are_found_out_later(spec: Spec, tmp_path: Path) -> None:
    recording = decode(strace(tmp_path, *making(*NAMES)), spec.system.abi, threads_share=True)
    explained, sizes = searched(spec, recording, quick=False)
    assert explained.refusal is None and explained.gave_up is None and explained.calls == 7
    assert sizes[3] == 1, "sessions that nothing distinguishes yet"
    assert sizes[4:] == [3, 6, 6], "one for each of the sessions that a descriptor can be"


@pytest.mark.parametrize(("shown", "line"), [("aba", None), ("abcd", 11), ("abca", None)])
def test_three_of_them_have_three_names(shown: str, line: int | None, spec: Spec, tmp_path: Path) -> None:
    """Two descriptors can be of one session."""
    recording = decode(strace(tmp_path, *making(*shown)), spec.system.abi, threads_share=True)
    explained, _ = searched(spec, recording, quick=False)
    assert explained.gave_up is None
    assert (explained.refusal.call.enter.line if explained.refusal is not None else None) == line


def test_a_witness_says_what_they_were(spec: Spec, tmp_path: Path) -> None:
    capture = strace(tmp_path, *making(*NAMES))
    answer = audit(spec, capture, beginning=Beginning.COLD, witness=True)
    assert answer.verdict is Conformance.CONFORMS and answer.witness is not None, answer.unwitnessed
    created = [dict(step.arguments)["n"] for step in answer.witness.steps if step.event == "CREATE_SESSION"]
    shown = {each.name: each.value for each in answer.witness.scope["Name"]}
    assert sorted(str(shown[name]) for name in created) == [f"b'{name}'" for name in NAMES]
    assert check_witness(spec, answer.witness, capture, "w.json").accepted


@pytest.mark.nightly
def test_six_threads_at_once(spec: Spec) -> None:
    answer = audit(spec, str(CONCURRENT), timeout=400, witness=True)
    assert answer.verdict is Conformance.CONFORMS and answer.explained == 49, answer
    assert answer.witness is not None and check_witness(spec, answer.witness, str(CONCURRENT), "w.json").accepted


def test_a_name_that_the_next_kernel_shows_first(spec: Spec) -> None:
    """The recorder of the first kernel shows no structs: the name under which a session was made is seen in the second one."""
    folder = CAPTURES / "kexec-happy"
    pair = [str(folder / "stage1.sys.trace.txt.gz"), str(folder / "stage2.one.trace.txt.gz")]
    answer = audit(spec, pair, beginning=Beginning.COLD)
    assert answer.verdict is Conformance.CONFORMS, answer


# ---- numbers ------------------------------------------------------------------------------------------------------------


def beliefs(spec: Spec, tmp_path: Path) -> list[Configuration]:
    recording = decode(strace(tmp_path, *making(*NAMES)), spec.system.abi, threads_share=True)
    return searched(spec, recording, quick=False)[0].belief


def exchanged(store: WorldStore, rng: random.Random) -> WorldStore:
    """The same state in which elements have other numbers, and some numbers are not used."""
    system = store.instance.system
    new: dict[tuple[int, int], int] = {}
    other = WorldStore(store.instance)
    other.world = store.world
    for index in exchangeable_sorts(system):
        count = store.get((KNOWN, index), 0)
        if count:
            other[KNOWN, index] = count + 2
            new |= {(index, x): y for x, y in enumerate(rng.sample(range(count + 2), count))}
    for index in comparable_sorts(system):
        count = store.get((UNKNOWNS, index), 0)
        if count:
            order = rng.sample(range(count), count)
            new |= {(index, Unknown.of(index, x)): Unknown.of(index, y) for x, y in enumerate(order)}

    def renumbered(type_: Any, value: Any) -> Any:
        match type_:
            case ElemT(sort):
                return new.get((sort.index, value), value)
            case SeqT(sort) | SetT(sort):
                return type(value)(new.get((sort.index, x), x) for x in value)
        return value

    for cell, value in store.items():
        if 0 <= cell[0] < len(system.fields):
            f = system.fields[cell[0]]
            owners = (new.get((getattr(o, "index", -1), x), x) for o, x in zip(f.owners, cell[1:], strict=True))
            other[cell[0], *owners] = renumbered(f.type, value)
        elif any(sort.pool and cell[0] == live_index(system, sort) for sort in system.sorts):
            other[cell[0], new[cell[0] - len(system.fields), cell[1]]] = value
        elif cell[0] == BOUND:
            other[cell] = new.get((cell[2], value), value)
        elif cell not in other and (cell[0] != KNOWN or cell[1] not in exchangeable_sorts(system)):
            other[cell] = value
    pairs = [c for c in other if isinstance(other[c], frozenset) and any(isinstance(p, frozenset) for p in other[c])]
    for cell in pairs:
        sorts = [next(x.sort for x in pair if type(x) is Unknown) for pair in other[cell]]
        other[cell] = frozenset(
            frozenset(new.get((sort, x), x) for x in pair) for sort, pair in zip(sorts, other[cell], strict=True)
        )
    return other


@pytest.mark.parametrize("seed", range(4))
def test_numbers_make_no_difference(seed: int, spec: Spec, tmp_path: Path) -> None:
    rng = random.Random(seed)
    found = [each.store.canonical() for each in beliefs(spec, tmp_path)]
    assert len({frozenset(each.items()) for each in found}) == 6, "they differ in more than numbers"
    for store in found:
        assert store.canonical() is store
        other = exchanged(store, rng)
        assert dict(other) != dict(store)
        assert dict(other.canonical()) == dict(store)
