"""A scenario as a picture: a sequence diagram for Mermaid, and a graph for Graphviz."""

from __future__ import annotations

from luocheck.checker.scenarios.answer import Chosen
from luocheck.generate.calls import Calls, Made
from luocheck.model.spec import Spec

KERNEL = "LUO"

_WORDS = frozenset(
    [
        "activate",
        "actor",
        "alt",
        "and",
        "as",
        "autonumber",
        "box",
        "break",
        "create",
        "critical",
        "deactivate",
        "destroy",
        "else",
        "end",
        "link",
        "links",
        "loop",
        "note",
        "opt",
        "option",
        "over",
        "par",
        "participant",
        "rect",
        "title",
    ]
)
"""Words of Mermaid, which it does not take for names."""


def mermaid(spec: Spec, chosen: Chosen) -> str:
    """A sequence diagram: who calls what, what comes back, what it changed, where the kernel is replaced."""
    calls = Calls(spec.system, chosen.witness).made()
    agents = list(dict.fromkeys(each for call in calls for each in (call.agent, call.receiver) if each is not None))
    lines = ["sequenceDiagram", f"    title {_plain(chosen.title)}"]
    lines += [f"    participant {_who(name)} as {name}" for name in agents]
    lines.append(f"    participant {KERNEL}")
    first = _who(agents[0]) if agents else KERNEL
    for text in _conditions(chosen):
        lines.append(f"    Note over {first},{KERNEL}: {_plain(text)}")
    for call in calls:
        lines += [f"    {line}" for line in _messages(call, first)]
    return "\n".join(lines) + "\n"


def _messages(call: Made, first: str) -> list[str]:
    step = call.step
    who = _who(call.agent) if call.agent is not None else KERNEL
    called = f"{step.event}({', '.join(value for _, value in step.arguments)})"
    out: list[str] = []
    if call.begins:
        out.append(f"{who}->>{KERNEL}: {_plain(called)}")
    if call.faults:
        out.append(f"Note over {KERNEL}: fault ({', '.join(call.faults)})")
    if call.kernel is not None:
        out.append(f"Note over {first},{KERNEL}: the kernel {call.kernel}")
    elif call.ends:
        gives = f" gives {step.gives[1]}" if step.gives is not None else ""
        arrow = "-->>" if step.outcome == "OK" else "--x"
        out.append(f"{KERNEL}{arrow}{who}: {_plain(call.outcome + gives)}")
    else:
        out.append(f"Note over {who}: {_plain(step.text)}")
    if step.changes:
        changed = ", ".join(f"{each.place} = {each.after}" for each in step.changes)
        out.append(f"Note right of {KERNEL}: {_plain(changed)}")
    return out


def _who(agent: str) -> str:
    """The name of an agent in a diagram, also when it is a word of Mermaid, or the kernel's."""
    return f"{agent}_" if agent.lower() in _WORDS or agent == KERNEL else agent


def _conditions(chosen: Chosen) -> list[str]:
    witness = chosen.witness
    edges = [f"{a} needs {b}" for a, b in witness.graph]
    return [text for text in (", ".join(edges), "given " + ", ".join(witness.given) if witness.given else "") if text]


def _plain(text: str) -> str:
    """Text in which nothing ends a line of Mermaid's."""
    return " ".join("".join({"#": "#35;", ";": "#59;"}.get(c, c) for c in text).split())


def dot(spec: Spec, chosen: Chosen) -> str:
    """A graph: the states of the run, one edge for each call, and beside it what needs what."""
    witness = chosen.witness
    lines = [f"digraph {_quoted(chosen.title)} {{", "    rankdir=TB;", '    node [shape=box, fontname="monospace"];']
    start = ["start", *witness.given]
    lines.append(f"    s0 [label={_label(start)}, style=rounded];")
    for number, step in enumerate(witness.steps, start=1):
        changed = [f"{each.place} = {each.after}" for each in step.changes] or ["nothing changed"]
        lines.append(f"    s{number} [label={_label(changed)}];")
        colour = ", color=red" if step.faults else ""
        lines.append(f"    s{number - 1} -> s{number} [label={_quoted(f'{number}. {step.text}')}{colour}];")
    if witness.loop is not None and witness.loop < len(witness.steps):
        lines.append(f'    s{len(witness.steps)} -> s{witness.loop} [label="again and again", style=dashed];')
    if witness.graph:
        graph = "/".join(each.name for each in spec.system.graphs)
        lines += ["    subgraph cluster_graph {", f"        label={_quoted(graph)};"]
        lines += [f"        {_quoted(a)} -> {_quoted(b)};" for a, b in witness.graph]
        lines.append("    }")
    return "\n".join([*lines, "}"]) + "\n"


def _label(lines: list[str]) -> str:
    return '"' + "".join(_escaped(line) + "\\l" for line in lines) + '"'


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
