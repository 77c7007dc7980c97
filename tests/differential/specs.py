"""Random specs over the whole language, as texts, each with the scope to explore it in.

A spec is drawn from a seed, so a seed is all that is needed to see it again: `python -m differential.specs SEED` in tests/ prints it.
Everything is well typed by construction; what is still refused (LUO errors) is measured by test_specs.py.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from math import factorial, prod
from random import Random

from differential.claims import Claims, EventWord
from differential.expressions import PROPERTY, Expressions, Place
from differential.statements import FAILING, FULL, PURE, Body, Callee, Lines, Statements, indented
from differential.vocabulary import BOOL, Local, Type, Vocabulary, declarations, repaired, vocabulary
from hypothesis import strategies as some

MOST_SEEDS = 2**32 - 1


@dataclass(frozen=True)
class RandomSpec:
    """The text of a spec, and the scope, and perhaps the topology, in which it is meant to be explored.

    words, events, statements, labels and claims are what it was made of, for texts that extend it.
    """

    seed: int
    text: str
    scope: str
    topology: str | None
    words: Vocabulary
    events: tuple[EventWord, ...]
    statements: Statements
    labels: dict[str, list[tuple[str, str]]]  # of each event, proc, walk and boot: label, and the word that stands there
    claims: tuple[tuple[str, str], ...]  # kind as `remove` names it, and name

    def __repr__(self) -> str:
        return f"<spec of seed {self.seed}, scope {self.scope}, topology {self.topology}>\n{self.text}"


def random_specs() -> some.SearchStrategy[RandomSpec]:
    """Random specs for Hypothesis; reduction of a failing one is by lines (reduction.py), not by Hypothesis."""
    return some.integers(0, MOST_SEEDS).map(random_spec)


def random_spec(seed: int) -> RandomSpec:
    return _Maker(seed).spec()


class _Maker:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.words = vocabulary(self.rng)
        repaired(self.words)
        self.expressions = Expressions(self.words)
        self.statements = Statements(self.words, self.expressions)
        self.labels: dict[str, list[tuple[str, str]]] = {}  # event, proc, walk or boot -> its labels
        self.lines: Lines = []

    def spec(self) -> RandomSpec:
        words, rng = self.words, self.rng
        title = ' "a random spec"' if words.chance(0.3) else ""
        self.lines = [f"spec drawn{title};", *declarations(words)]
        self._graph()
        for _ in range(words.weighted([(3, 0), (3, 1), (1, 2)])):
            self._define()
        for _ in range(rng.randint(0, 4)):
            self._proc() if words.chance(0.4) else self._walk()
        if words.chance(0.45):
            body = Body(Place(), FAILING, returns=False)
            self.lines += self._braced("boot", self.statements.block(body, rng.randint(1, 3)), [])
            self.labels["boot"] = body.labels
            self.statements.reboots *= body.forks[0]
        events = [self._event(number) for number in range(rng.randint(2, 4))]
        events += self._drivers()
        claims = Claims(words, self.expressions, self.statements, events, self.labels)
        self.lines += [f"invariant always: {self.expressions.boolean(PROPERTY)};", *claims.lines()]
        scope, topology = self._scopes(events)
        self._abi()
        text = "\n".join(self.lines) + "\n"
        return RandomSpec(
            self.seed, text, scope, topology, words, tuple(events), self.statements, self.labels, tuple(claims.removable)
        )

    def _braced(self, head: str, lines: Lines, last: Lines) -> Lines:
        return [f"{head} {{", *indented([*lines, *last]), "}"]

    def _graph(self) -> None:
        graph = self.words.graph
        if graph is None:
            return
        where = ""
        if self.words.chance(0.5) and any(f.lifetime == "fixed" for f in self.words.fields):
            x, y = Local("end1", Type("elem", graph.sort)), Local("end2", Type("elem", graph.sort))
            place = Place((x, y), fixed=True, safe=True)
            where = f" where edge(end1, end2): {self.expressions.boolean(place, 1)}"
        self.lines.append(f"graph {graph.name} on {graph.sort}{' acyclic' if graph.acyclic else ''}{where};")

    def _parameters(self, most: int) -> list[Local]:
        words = self.words
        found = []
        for _ in range(self.rng.randint(0, most)):
            kinds = [(5, Type("elem", words.pick([*words.sorts]))), (1, Type("enum", words.pick([*words.enums]))), (0.7, BOOL)]
            found.append(Local(words.fresh("p"), words.weighted(kinds)))
        return found

    def _define(self) -> None:
        parameters = self._parameters(2)
        value = self.expressions.boolean(Place(tuple(parameters), safe=True), 2)
        name = self.words.fresh("def")
        listed = ", ".join(f"{p.name}: {p.type.text}" for p in parameters)
        self.lines.append(f"define {name}{f'({listed})' if listed else ''} = {value};")
        self.expressions.defines.append((name, tuple(p.type for p in parameters)))

    # ---- procs and walks ----------------------------------------------------------------------------------------

    def _power(self) -> int:
        return self.words.weighted([(2, PURE), (3, FAILING), (4, FULL)])

    def _proc(self) -> None:
        words = self.words
        name, power, parameters = words.fresh("proc"), self._power(), self._parameters(2)
        result, first = self._result(parameters) if words.chance(0.5) else (None, [])
        body = Body(Place(tuple(parameters)), power, in_call=power == FULL, result=result)
        lines = [*first, *self.statements.block(body, self.rng.randint(1, 4))]
        gives = f" gives {result.name}: {result.type.text}" if result is not None else ""
        self.lines += self._braced(f"proc {name}({self._listed(parameters)}){gives}", lines, [])
        self.labels[name] = body.labels
        result_type = result.type if result is not None else None
        self.statements.callees.append(Callee(name, tuple(p.type for p in parameters), result_type, power, body.forks[0]))

    def _listed(self, parameters: list[Local]) -> str:
        return ", ".join(f"{p.name}: {p.type.text}" for p in parameters)

    def _result(self, parameters: list[Local]) -> tuple[Local | None, Lines]:
        """A result and the statement that sets it before anything else."""
        words = self.words
        type_ = words.pick([Type("elem", words.pick([*words.sorts])), Type("enum", words.pick([*words.enums])), BOOL])
        name = words.fresh("r")
        if type_.kind == "elem":
            value = self.expressions.element(type_.of, Place(tuple(parameters)))
            if value is None:
                return None, []
        else:
            value = self.expressions.value(type_, Place(tuple(parameters)), 0) or ""
        return Local(name, type_), [f"{name} = {value};"]

    def _walk(self) -> None:
        words = self.words
        name, power, parameters = words.fresh("walk"), self._power(), self._parameters(1)
        place = Place(tuple(parameters))
        head, bound, walked = self._head(place)
        rounds = prod(words.sorts[local.type.of].size for local in bound)
        if rounds > 4:
            return
        place = place.binding(*bound)
        step = Body(place, power, in_call=power == FULL, walked=walked)
        inner = self.statements.run(step) if words.chance(0.4) else None
        lines = [*(inner.lines if inner is not None else []), *self.statements.block(step, self.rng.randint(1, 3))]
        labels = list(step.labels)
        if words.chance(0.6 if power > PURE else 0.1):
            if power > PURE and not any("fail" in line for line in lines):
                lines.append("fail ECANCELED sometimes callback;")
            undo = Body(place, PURE)
            extent = words.pick(["visited", "visited", "all"]) + words.pick(["", " reversed"])
            lines += self._braced(f"rollback {extent}", self.statements.block(undo, 2), [])
            labels += undo.labels
        self.lines += self._braced(f"walk {name}({self._listed(parameters)}) {head}", lines, [])
        self.labels[name] = labels
        forks = step.forks[0] ** rounds * (factorial(rounds) if "any order" in head else 1)
        self.statements.callees.append(Callee(name, tuple(p.type for p in parameters), None, power, forks))

    def _head(self, place: Place) -> tuple[str, list[Local], tuple[str, str] | None]:
        """A head, the names that it binds, and the list that it walks with its current element."""
        words = self.words
        backwards = words.pick(["", "", " reversed"])
        if words.chance(0.4):
            sort = self._sort_of_a_sequence()
            sequence = self.expressions.read(Type("seq", sort), place, 0)
            if sequence is not None and not sequence.startswith("("):
                name = words.fresh("w")
                backwards = words.pick(["", " reversed"])
                return f"drains {name} in {sequence}{backwards}", [Local(name, Type("elem", sort))], (sequence, name)
        binders, bound, walked = [], [], None
        for _ in range(words.weighted([(3, 1), (1, 2)])):
            text, local, over = self._binder(place.binding(*bound))
            binders.append(text)
            bound.append(local)
            walked = over or walked
        where = f" where {self.expressions.boolean(place.binding(*bound), 1)}" if words.chance(0.4) else ""
        return f"over {', '.join(binders)}{where}{backwards}", bound, walked

    def _sort_of_a_sequence(self) -> str:
        options = [f.type.of for f in self.words.fields if f.type.kind == "seq"]
        return self.words.pick(options or [*self.words.sorts])

    def _binder(self, place: Place) -> tuple[str, Local, tuple[str, str] | None]:
        words = self.words
        name, sort = words.fresh("w"), words.pick([*words.sorts])
        if words.chance(0.4):
            sort = self._sort_of_a_sequence()
        sequence = self.expressions.read(Type("seq", sort), place, 0) if words.chance(0.7) else None
        if sequence is not None:
            return f"{name} in {sequence}", Local(name, Type("elem", sort)), (sequence, name)
        graph = words.graph
        if graph is not None and words.chance(0.5):
            return f"{name}: {graph.sort} along {graph.name}", Local(name, Type("elem", graph.sort)), None
        ordered = words.sorts[sort].ordered and words.chance(0.7)
        return f"{name}: {sort} in {'order' if ordered else 'any order'}", Local(name, Type("elem", sort)), None

    # ---- events -------------------------------------------------------------------------------------------------

    def _event(self, number: int) -> EventWord:
        words = self.words
        name, kind = f"E{number}", words.weighted([(3, "ioctl"), (1, "syscall"), (2, "env")])
        parameters = self._parameters(2)
        caller = words.caller
        if caller is not None and words.chance(0.7):
            parameters.insert(0, Local(words.fresh("p"), Type("elem", caller.name)))
        asks = tuple(p.name for p in parameters if p.type.kind == "elem" and p.type.of == self._named())
        place = Place(tuple(parameters), asks=asks if words.predicate else ())
        lines: Lines = []
        while words.chance(0.2):
            lines.append(f"require {self.expressions.boolean(replace(place, asks=()), 1)};")
        result, first = self._result(parameters) if words.chance(0.35) else (None, [])
        body = Body(place, FULL, in_call=True, result=result)
        lines += [*first, *self.statements.block(body, self.rng.randint(2, 6))]
        listed = self._listed(parameters)
        gives = f" gives {result.name}: {result.type.text}" if result is not None else ""
        self.lines += self._braced(f"{kind} {name}{f'({listed})' if listed else ''}{gives}", lines, [])
        self.labels[name] = body.labels
        return EventWord(kind, name, tuple(parameters), result)

    def _drivers(self) -> list[EventWord]:
        """Short events that only write, so that the state moves whatever the others do."""
        words, found = self.words, []
        written = [f for f in words.fields if f.lifetime in ("volatile", "preserved")]
        for each in words.rng.sample(written, min(len(written), 3)):
            owners = [Local(words.fresh("p"), Type("elem" if o in words.sorts else "enum", o)) for o in each.owners]
            known = {"count": 0, "errno": 0, "bool": 1, "enum": 1}.get(each.type.kind)
            item = Local(words.fresh("p"), each.type if known else Type("elem", each.type.of))
            parameters = [*owners, item] if known != 0 else owners
            text = self.expressions.place_of(each, Place(tuple(owners)), 0)
            match each.type.kind:
                case "set":
                    line = f"add {item.name} to {text};"
                case "seq":
                    line = f"append {item.name} to {text};"
                case "count" | "errno":
                    line = f"{text} = {self.expressions.value(each.type, Place(tuple(owners)), 0)};"
                case _:
                    line = f"{text} = {item.name};"
            if text is not None:
                found.append(self._short(parameters, line))
        for sort in words.sorts.values():
            if sort.pool and words.chance(0.7):
                found.append(self._short([], f"new {words.fresh('v')}: {sort.name};"))
        return found

    def _short(self, parameters: list[Local], line: str) -> EventWord:
        name = self.words.fresh("S")
        listed = self._listed(parameters)
        self.lines += self._braced(f"env {name}{f'({listed})' if listed else ''}", [line], [])
        self.labels[name] = []
        return EventWord("env", name, tuple(parameters), None)

    # ---- scopes -------------------------------------------------------------------------------------------------

    def _named(self) -> str:
        return next(iter(self.words.sorts))

    def _scopes(self, events: list[EventWord]) -> tuple[str, str | None]:
        """One scope that cuts calls where it can, one that does not, one with one of each; and which of them to explore."""
        words = self.words
        sizes = ", ".join(f"{s.name} = {s.size}" for s in words.sorts.values())
        caller = words.caller
        cut = [e.name for e in events if caller is not None and any(p.type.of == caller.name for p in e.parameters)]
        scopes = ["plain"]
        if cut:
            some_of_them = cut if words.chance(0.5) else [words.pick(cut)]
            self.lines.append(f"scope race {{ {sizes}; stepwise {', '.join(some_of_them)} }}")
            scopes += ["race", "race"]
        self.lines.append(f"scope plain {{ {sizes} }}")
        self.lines.append(f"scope tiny {{ {', '.join(f'{s.name} = 1' for s in words.sorts.values())} }}")
        topology = None
        graph = words.graph
        if graph is not None and words.chance(0.4):
            names = [f"n{number}" for number in range(words.sorts[graph.sort].size)]
            edges = f" {names[-1]} -> {', '.join(names[:-1])};" if len(names) > 1 else ""
            self.lines.append(f"topology shape {{ {' '.join(f'{n}: {graph.sort};' for n in names)}{edges} }}")
            topology = "shape"
        return words.pick(scopes), topology

    def _abi(self) -> None:
        if self.words.predicate is not None:
            self.lines.append(f"abi {{ handle name u8[8] -> {self._named()} bad when empty as {self.words.predicate}; }}")


if __name__ == "__main__":
    print(random_spec(int(sys.argv[1])))
