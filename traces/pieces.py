"""A recording decoded piece by piece: what is behind a piece is not kept, only what it has led to.

Calls of a piece are the same as those of the whole recording where nothing later says more about them; so a piece ends where no call of
interest is going on.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

from luocheck.traces.assembly import Assembler
from luocheck.traces.call import Moment, Recording
from luocheck.traces.decode import Decoder, Reading
from luocheck.traces.drafts import Numbers, Subjects, kept
from luocheck.traces.formats.recorders import Role
from luocheck.traces.involved import Survey, survey
from luocheck.traces.pairing import Pairing
from luocheck.traces.processes import Processes


@dataclass(slots=True)
class Decoded:
    """What decoding has come to at the end of a piece: tables of descriptors, tasks, numbers, and what the recorder was seen to show."""

    assembler: Assembler
    pairing: Pairing
    processes: Processes
    survey: Survey
    numbers: Numbers
    subjects: Subjects

    def copy(self) -> Decoded:
        abi = self.assembler.abi
        return deepcopy(self, {id(abi): abi})


class PieceDecoder(Decoder):
    """Makes the calls out of the records that are there since the end of a piece; None: since the beginning."""

    def __init__(self, reading: Reading, threads_share: bool, before: Decoded | None) -> None:
        self.before = None if before is None else before.copy()
        super().__init__(reading.capture, reading.abi, reading.format, reading.records, reading.tally, threads_share)
        if self.before is not None:
            self.numbers, self.subjects = self.before.numbers, self.before.subjects

    def _look(self) -> None:
        found, before = survey(self.records, self.abi), self.before
        if before is None:
            self.processes = Processes(found.tasks, found.callers, self.threads_share)
        else:
            self.processes = before.processes
            self.processes.learn(found.tasks, found.callers)
            found.names |= before.survey.names
            found.kinds |= before.survey.kinds
            found.roles |= before.survey.roles
        self.survey, self.names, self.roles = found, found.names, found.roles

    def _assembled(self) -> tuple[Assembler, Pairing]:
        assembler, pairing = self._fed()
        assembler.run(pairing.rest())
        return assembler, pairing

    def _fed(self) -> tuple[Assembler, Pairing]:
        complete, probed = "close" in self.names, Role.IOCTL in self.roles
        if self.before is None:
            first = Moment(self.records[0].line, self.records[0].time) if self.records else None
            assembler, pairing = Assembler(self.abi, self.processes, complete=complete, probed=probed), Pairing(first)
        else:
            assembler, pairing = self.before.assembler, self.before.pairing
            assembler.descriptors.complete, assembler.probed = complete, probed
        assembler.run(pairing.steps(self.records))
        return assembler, pairing

    def piece(self) -> tuple[Recording, Decoded] | None:
        """The calls, and what comes after them; None when the piece cannot end here.  Instead of `recording`, once."""
        assembler, pairing = self._fed()
        if pairing.is_busy() or (Role.RELEASE in self.roles and self._releases_missing(assembler.drafts)):
            return None
        recording = self._recording(assembler, pairing)
        assembler.settle({id(draft) for draft in kept(assembler.drafts, self.subjects)})
        alive = assembler.descriptors.alive
        self.numbers.files = {node: number for node, number in self.numbers.files.items() if node in alive}
        self.subjects.nodes &= alive.keys()
        self.processes.births.clear()
        found = Survey(self.names, self.survey.kinds, self.roles)
        return recording, Decoded(assembler, pairing, self.processes, found, self.numbers, self.subjects)
