"""The reference interpreter as something that is asked again and again: what was executed once is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from luocheck.model.instances import Instance
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import OK, Event, System
from luocheck.model.semantics.bodies import Op
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.run import Run
from luocheck.model.semantics.statements import Program
from luocheck.model.semantics.store import Store


class TooLarge(Exception):
    """The scope is too small for what happens."""


@dataclass(frozen=True, slots=True)
class Reply:
    errno: str
    label: str | None
    store: int
    result: Any


class _CheckedProgram(Program):
    def _arguments(self, stmt: st.Arguments) -> Op:
        machine = self.machine
        assert isinstance(machine, _CheckedMachine)
        return machine.judge


class _CheckedMachine(Machine):
    """The reference interpreter, in which the checks of a call's bytes can refuse it where the text says `arguments;`."""

    refusals: frozenset[str | None] = frozenset({None})

    def make_program(self, instance: Instance) -> Program:
        return _CheckedProgram(instance, self)

    def judge(self, run: Run) -> Any:
        runs: list[Any] = []
        for errno in sorted(self.refusals, key=str):
            other = run.fork()
            if errno is None:
                runs.append(other)
                continue
            failed = self.fail(other, errno, None)
            runs += failed if isinstance(failed, list) else [other if failed is None else failed]
        return runs


class Interpreter:
    """Executes calls in one instance.  States are numbers; cold: those after boot."""

    def __init__(self, system: System, instance: Instance) -> None:
        self.system, self.instance = system, instance
        self.machine = _CheckedMachine(instance)
        self.ghosts = {f.index for f in system.fields if f.is_ghost}
        self.stores: list[Store] = []
        self.numbers: dict[frozenset[Any], int] = {}
        self.replies: dict[Any, tuple[Reply, ...]] = {}
        self.cold = [self.keep(store) for store in self.machine.initial(instance)]

    def keep(self, store: Store) -> int:
        cells = frozenset((cell, value) for cell, value in store.items() if cell[0] not in self.ghosts)
        if cells not in self.numbers:
            self.numbers[cells] = len(self.stores)
            self.stores.append(Store(self.instance, dict(cells)))
        return self.numbers[cells]

    def execute(self, number: int, event: Event, arguments: tuple[Any, ...], refusals: frozenset[str | None]) -> tuple[Reply, ...]:
        """All ways in which a call can return.  refusals: what the checks of its bytes can say.  Raises TooLarge."""
        key = (number, event.index, arguments, refusals)
        if key not in self.replies:
            self.machine.refusals = refusals
            found = []
            for outcome in self.machine.call(event, arguments, self.stores[number]):
                if outcome.kind == "cut":
                    raise TooLarge(f"{event.name} needs a larger scope")
                if outcome.kind == "returns":
                    result = outcome.env[event.result.slot] if event.result is not None and outcome.errno == OK else None
                    found.append(Reply(outcome.errno, outcome.label, self.keep(outcome.store), result))
            self.replies[key] = tuple(dict.fromkeys(found))
        return self.replies[key]
