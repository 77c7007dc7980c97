"""What the progress line says, and what it does not pretend to know."""

from __future__ import annotations

from pathlib import Path

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.result import Progress
from luocheck.model.spec import load
from luocheck.report.pace import Pace, remaining, shrinks

PEERS = Path(__file__).parents[1] / "specs" / "peers.luo"


def at(
    states: int, waiting: int, levels: tuple[int, ...] = (1, 2, 4), next_level: int = 0, start: int = 1, starts: int | None = 1
) -> Progress:
    return Progress(states, len(levels) - 1, waiting, levels, next_level, start, starts)


def test_speed_is_of_the_last_seconds_and_of_this_exploration() -> None:
    pace = Pace()
    pace.add("one", at(1_000_000, 10), 0.0)  # taken up from a checkpoint: these were not found now
    assert pace.text(at(1_000_000, 10)) == "depth 2, 1,000,000 states, 10 waiting"
    pace.add("one", at(1_000_500, 10), 1.0)
    assert pace.text(at(1_000_500, 10)) == "depth 2, 1,000,500 states, 500/s, 10 waiting"
    for second in range(2, 30):
        pace.add("one", at(1_000_500 + 2_000 * (second - 1), 10), float(second))
    assert "2,000/s" in pace.text(at(1_056_500, 10))
    pace.add("two", at(50, 10), 30.0)
    assert "/s" not in pace.text(at(50, 10))


def test_several_starting_points_are_counted() -> None:
    pace = Pace()
    pace.add("s", at(7, 3), 0.0)
    assert pace.text(at(7, 3, start=12, starts=60)).endswith("3 waiting, start 12 of 60")
    assert pace.text(at(7, 3, start=5_000, starts=None)).endswith("3 waiting, start 5,000")


def test_an_estimate_only_while_levels_shrink() -> None:
    # 800, 400, 200 and half of 100: of the 100, 50 are expanded and led to 25 new ones.
    shrinking = at(1_575, 75, (800, 400, 200, 100), 25)
    assert shrinks(shrinking) and remaining(shrinking) == 50 + 50 + 25 + 12.5 + 6.25 + 3.125 + 3.125  # 50 + 50 / (1 - 1/2)
    for growing in (
        at(3_000, 75, (100, 200, 400, 100), 25),  # not long enough
        at(3_000, 110, (800, 400, 200, 100), 60),  # the next one grows
        at(3_000, 100, (800, 400, 200, 100), 0),  # nothing of the level is known yet
        at(10, 5, (4, 2), 0),
    ):
        assert not shrinks(growing)
        assert "shrinking" not in spoken(growing)
    assert spoken(shrinking).endswith("75 waiting, queue shrinking, about 2 s left")
    assert spoken(at(1_575, 75, (800, 400, 200, 100), 25, 2, 3)).endswith("start 2 of 3, queue shrinking, about 2 s left of it")


def spoken(progress: Progress) -> str:
    """After a second in which 100 states were expanded, and then none for a while."""
    pace = Pace()
    pace.add("s", at(progress.states - 10, progress.waiting + 90, progress.levels), 0.0)
    pace.add("s", progress, 1.0)
    return pace.text(progress)


def test_an_exploration_tells_what_it_did() -> None:
    """The levels that are told are those of the answer, and the queue is what is not expanded."""
    system = load(str(PEERS)).system
    scope = next(s for s in system.scopes if s.name == "crowd")
    shape = next(t for t in system.topologies if t.name == "star5")
    seen: list[Progress] = []
    found = explore(system, scope, shape, engine="explore", progress=seen.append)
    assert seen and all(each.levels == tuple(found.levels[: each.depth + 1]) for each in seen)
    for each in seen:
        assert each.states == sum(each.levels) + each.next_level
        assert each.next_level <= each.waiting <= each.next_level + each.levels[-1]
        assert (each.start, each.starts) == (1, 1)


def test_starting_points_are_told_in_their_order() -> None:
    system = load("intent").system
    seen: list[Progress] = []
    found = explore(system, system.scopes[0], engine="interpreter", progress=seen.append)
    assert {each.starts for each in seen} == {found.instances}
    starts = [each.start for each in seen]
    assert starts == sorted(starts) and 1 <= starts[0] < starts[-1] <= found.instances
