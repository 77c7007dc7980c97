"""Random specs that are little automata, made for liveness: calls that are there in some states only, fail, take turns, and are cut."""

from __future__ import annotations

import random

SCOPES = """\
scope whole { Agent = 2, Token = 2 }
scope steps { Agent = 2, Token = 1; stepwise E0, E1 }
scope small { Agent = 1, Token = 1 }
"""


def automaton(seed: int) -> tuple[str, str]:
    """The text of a spec, and the scope in which it is to be explored."""
    rng = random.Random(f"automaton {seed}")
    states = [f"S{i}" for i in range(rng.randint(3, 6))]
    lines = [
        "spec automaton;",
        "sort Agent symmetric caller;",
        "sort Token symmetric pool;",
        SCOPES,
        "mutex m;",
        f"enum Where {{ {', '.join(states)} }}",
        "volatile var at_: Where = S0;",
        "per Agent { volatile mark: bool = false; }",
    ]
    events = [f"E{i}" for i in range(rng.randint(2, 4))]
    for event in events:
        lines += _event(rng, event, states)
    for number in range(rng.randint(1, 3)):
        lines.append(
            f"liveness claim{number}: {_condition(rng, states)} leads to {_condition(rng, states)}{_assuming(rng, events)};"
        )
    scope = rng.choice(["whole", "steps", "steps", "small"])
    if scope == "steps":
        lines.append(f"liveness served all x: Agent: not idle(x) leads to idle(x){_assuming(rng, events)};")
    return "\n".join(lines) + "\n", scope


def _claim(rng: random.Random, name: str, states: list[str], events: list[str]) -> str:
    each, bound = rng.choice([("", ""), ("", ""), (" all x: Agent", "x"), (" all t: Token", "t")])
    ends = f"{_condition(rng, states, bound)} leads to {_condition(rng, states, bound)}"
    return f"liveness {name}{each}: {ends}{_assuming(rng, events)};"


def _some(rng: random.Random, states: list[str]) -> str:
    return "{ " + ", ".join(sorted(rng.sample(states, rng.randint(1, len(states) - 1)))) + " }"


def _condition(rng: random.Random, states: list[str]) -> str:
    return rng.choice(
        [f"at_ in {_some(rng, states)}", f"at_ == {rng.choice(states)}", "some a: Agent | a.mark", "not idle", "idle"]
    )


def _assuming(rng: random.Random, events: list[str]) -> str:
    chosen = rng.sample(events, rng.randint(0, len(events)))
    each = [name + (" succeeds" if rng.random() < 0.5 else "") for name in chosen]
    return f" assuming {', '.join(each)}" if each else ""


def _event(rng: random.Random, name: str, states: list[str]) -> list[str]:
    caller = rng.random() < 0.8 or name in ("E0", "E1")
    lines = [f"{'ioctl' if caller else 'env'} {name}{'(a: Agent)' if caller else ''} {{"]
    if rng.random() < 0.6:
        lines.append(f"    require at_ in {_some(rng, states)};")
    if caller and rng.random() < 0.3:
        lines.append(f"    require {rng.choice(['', 'not '])}a.mark;")
    for _ in range(rng.randint(1, 4)):
        lines.append(f"    {_statement(rng, states, caller)}")
    return [*lines, "}"]


def _statement(rng: random.Random, states: list[str], caller: bool) -> str:
    go = f"at_ = {rng.choice(states)};"
    options = [
        go,
        f"if at_ == {rng.choice(states)} {{ {go} stop; }}",
        f"if at_ in {_some(rng, states)} {{ {go} }} else {{ at_ = {rng.choice(states)}; }}",
        f"fail EINVAL when at_ in {_some(rng, states)};",
        "fail EIO sometimes;",
        f"if sometimes {{ {go} fail EBUSY; }}",
        f"if at_ == {rng.choice(states)} {{ new t: Token; }}",
        f"if at_ in {_some(rng, states)} {{ new t: Token; }}",
        f"if at_ == {rng.choice(states)} {{ choose u: Token; free u; }}",
        "panic sometimes;",
    ]
    if caller:
        options += [
            "step;",
            "step;",
            "guard m;",
            "guard m; step;",
            "guard m; step;",
            f"await at_ in {_some(rng, states)};",
            f"await at_ in {_some(rng, states)} or EINTR;",
            "a.mark = true;",
            "a.mark = false;",
            f"if a.mark {{ {go} }}",
        ]
    return rng.choice(options)
