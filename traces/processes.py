"""Which threads share a table of descriptors.

The recording may say it (thread group ids, flags of clone), imply it (a thread that ends while its group lives on), or be silent; then
the caller of the decoder decides, and may decode once with each answer.
"""

from __future__ import annotations

from collections.abc import Iterable

from luocheck.traces.records import Ended, Enter, Forked, Record
from luocheck.traces.syscalls import CLONE_FILES, FORKS


class Processes:
    """key(thread): the number that stands for the table of descriptors of a thread.

    records: those that tell where tasks come from, and one for each task whose process is shown.  shared: the answer for threads about which
    the recording is silent; None counts as no.  guessed: threads that needed the answer.  births: parents with their children.
    """

    def __init__(self, records: Iterable[Record], callers: Iterable[int], shared: bool | None) -> None:
        self.shared = shared
        self.groups: dict[int, int] = {}
        self.guessed: set[int] = set()
        self.births: list[tuple[int, int]] = []
        self.copies: set[int] = set()  # children that got a copy of their parent's table
        self._same: dict[int, int] = {}  # thread -> thread whose table it shares
        self._keys: dict[int, int] = {}  # what `key` has answered, as long as that holds
        self._cloning: dict[int, Enter] = {}
        self.learn(records, callers)

    def learn(self, records: Iterable[Record], callers: Iterable[int]) -> None:
        """Goes on with more records."""
        self._keys.clear()
        ends: dict[int, bool | None] = {}
        births: list[tuple[int, int, bool | None]] = []
        cloning = self._cloning
        for record in records:
            if record.thread is not None and record.process is not None:
                self.groups.setdefault(record.thread, record.process)
            match record.event:
                case Ended(thread=thread, last=last):
                    ends.setdefault(thread, last)
                case Enter() as enter if enter.syscall in FORKS and record.thread is not None:
                    cloning[record.thread] = enter
                case Forked(parent=parent, child=child):
                    origin = parent if parent is not None else record.thread
                    if origin is not None:
                        births.append((origin, child, _shares(cloning.pop(origin, None))))
        for parent, child, said in births:
            self.births.append((parent, child))
            self._birth(parent, child, said, ends)
        known = {child for _, child in self.births} | self._same.keys()
        self._silent([c for c in dict.fromkeys(callers) if c not in known], ends)
        self._keys.clear()

    def _birth(self, parent: int, child: int, said: bool | None, ends: dict[int, bool | None]) -> None:
        answer = said
        if answer is None and child in self.groups and parent in self.groups:
            answer = self.groups[child] == self.groups[parent]
        if answer is None and ends.get(child) is False:
            answer = True  # its group lived on
        if answer is None and ends.get(child) and ends.get(self.key(parent)):
            answer = False  # both were the last thread of their process
        if answer is None:
            self.guessed.add(child)
            answer = bool(self.shared)
        if answer:
            self._same[child] = parent
            self._keys.clear()
        else:
            self.copies.add(child)

    def _silent(self, callers: list[int], ends: dict[int, bool | None]) -> None:
        """Threads that nobody was seen to create: they are all one process when the caller says so."""
        loose = [c for c in callers if c not in self.groups]
        if len(loose) < 2:
            return
        first = next((c for c in loose if ends.get(c) is not False), loose[0])
        for each in loose:
            if each == first or (ends.get(each) and ends.get(first)):
                continue
            if not (ends.get(each) is False and sum(ends.get(c) is not False for c in loose) == 1):
                self.guessed.add(each)
                if not self.shared:
                    continue
            self._same[each] = first

    def key(self, thread: int) -> int:
        """The number of the table of a thread."""
        key = self._keys.get(thread)
        if key is None:
            key = self._keys[thread] = self._found(thread)
        return key

    def _found(self, thread: int) -> int:
        seen = set()
        while thread in self._same and thread not in seen:
            seen.add(thread)
            thread = self._same[thread]
        return self.groups.get(thread, thread)


def _shares(enter: Enter | None) -> bool | None:
    """What the call that created a task says about the table of descriptors."""
    match enter:
        case Enter(syscall="fork" | "vfork"):
            return False
        case Enter(syscall="clone", arguments=(flags, *_)):
            return bool(flags & CLONE_FILES)
        case Enter(syscall="clone3", struct={"flags": int(flags)}):
            return bool(flags & CLONE_FILES)
    return None
