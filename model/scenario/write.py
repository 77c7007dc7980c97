"""Witnesses as scenario texts, which parse and replay."""

from __future__ import annotations

from luocheck.model.answer import Result, Step, Verdict, Witness


def scenario_text(witness: Witness, verdict: Verdict, title: str) -> str:
    """A witness of a verdict as the text of one scenario declaration, ending in a newline.

    The claim at its end is the verdict's: `reaches` for a goal that was reached, else `violates`.  No list of calls shows what a run that
    goes on for ever does: there the calls stand alone, and a comment says which ones repeat.
    """
    if witness.loop is None:
        return run_text(witness, title, f"{'reaches' if verdict.result is Result.REACHED else 'violates'} {verdict.property};")
    lines = _beginning(witness)
    lines += [_call(step) for step in witness.steps[: witness.loop]]
    lines += _for_ever(witness.steps[witness.loop :], verdict.property)
    return _declaration(lines, witness.scope, title)


def run_text(witness: Witness, title: str, *ending: str) -> str:
    """A run as the text of one scenario declaration; `ending`: the lines after its calls."""
    return _declaration([*_beginning(witness), *(_call(step) for step in witness.steps), *ending], witness.scope, title)


def _beginning(witness: Witness) -> list[str]:
    """What stands before the calls: elements, topology, choices."""
    lines = [f"let {name}: {sort};" for name, sort in witness.elements]
    if witness.topology is not None:
        lines.append(f"topology {witness.topology};")
    elif witness.graph:
        lines.append(f"topology {{ {' '.join(_edges(witness.graph))} }}")
    return lines + [f"given {condition};" for condition in witness.given]


def _declaration(lines: list[str], scope: str, title: str) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f'scenario "{_quotable(title)}" in scope {scope} {{\n{body}}}\n'


def _for_ever(loop: tuple[Step, ...], claim: str) -> list[str]:
    """The calls that repeat, and what they break."""
    if not loop:
        return [f"// nothing has to happen any more, so `{claim}` fails"]
    return [f"// what follows can repeat for ever, so `{claim}` fails", *(_call(step) for step in loop)]


def _edges(graph: tuple[tuple[str, str], ...]) -> list[str]:
    """`a -> b, c;` for each element that needs others, in the order of the edges."""
    needs: dict[str, list[str]] = {}
    for a, b in graph:
        needs.setdefault(a, []).append(b)
    return [f"{a} -> {', '.join(others)};" for a, others in needs.items()]


def _call(step: Step) -> str:
    return f"{step.text};"


def _quotable(title: str) -> str:
    """A title without what cannot stand between the quotes of a text."""
    return " ".join(title.replace('"', "'").split())
