"""Promela of sets and lists that change.  A list is an array of elements that ends with the first none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luocheck.checker.export.writer import NONE, equal, negated, with_bit
from luocheck.model.ir.vocabulary import Field, SeqT, SetT

if TYPE_CHECKING:
    from luocheck.checker.export.cells import Cells
    from luocheck.checker.export.statements import Body

MACROS = """\
/* x comes behind the others, unless it is in there */
#define append(q, first, room, x) \\
   at_ = first; item_ = x; k_ = 0; \\
   do \\
   :: k_ < room && q[at_ + k_] != NONE && q[at_ + k_] != item_ -> k_++ \\
   :: else -> break \\
   od; \\
   if \\
   :: k_ < room -> q[at_ + k_] = item_ \\
   :: else \\
   fi; \\
   at_ = 0; item_ = 0; k_ = 0
/* x goes, those behind it move up */
#define take_out(q, first, room, x) \\
   at_ = first; item_ = x; k_ = 0; \\
   do \\
   :: k_ < room && q[at_ + k_] != item_ -> k_++ \\
   :: else -> break \\
   od; \\
   do \\
   :: k_ + 1 < room -> q[at_ + k_] = q[at_ + k_ + 1]; k_++ \\
   :: else -> break \\
   od; \\
   if \\
   :: k_ < room -> q[at_ + k_] = NONE \\
   :: else \\
   fi; \\
   at_ = 0; item_ = 0; k_ = 0"""
"""What is written for every model that has lists; SPIN takes no array as the argument of an `inline`."""


def member(body: Body, target: Field, owners: list[str], item: str, adding: bool) -> None:
    """A member comes or goes; one that is none does not come (that was asked before), and is not in there."""
    cells = body.cells
    if isinstance(target.type, SeqT):
        body.w.emit(f"d_step {{ {list_change(cells, target, owners, item, adding)} }};")
        return
    assert isinstance(target.type, SetT)
    mask = f"{cells.at(target, owners)} {'|' if adding else '& ~'}{with_bit(item)}"
    if adding or equal(item, NONE) == "0":
        write(body, target, owners, mask)
    else:
        with body.w.when(negated(equal(item, NONE))):
            write(body, target, owners, mask)


def write(body: Body, target: Field, owners: list[str], value: str) -> None:
    """A cell that is no list gets a value."""
    place = body.cells.at(target, owners)
    if not place.startswith("("):
        body.w.emit(f"{place} = {value};")
    else:  # what says where it stands is in the same array
        body.w.emit(f"at_ = {body.cells.index(target, owners)}; item_ = {value};")
        body.w.emit(f"{body.cells.array(target)}[at_] = item_; at_ = 0; item_ = 0;")


def list_change(cells: Cells, target: Field, owners: list[str], item: str, adding: bool) -> str:
    """Statement that puts an element at the end of a list, or takes it out."""
    name, index = cells.array(target), cells.index(target, owners)
    return f"{'append' if adding else 'take_out'}({name}, {index}, {cells.room(target)}, {item});"


def copy_list(body: Body, target: Field, owners: list[str], texts: list[str]) -> None:
    """A whole list is written.  It goes through a copy: what says where it stands may be in the list itself."""
    room, name = body.cells.room(target), body.cells.array(target)
    with body.w.step():
        body.w.emit(f"at_ = {body.cells.index(target, owners)};")
        for i, text in enumerate(texts):
            body.w.emit(f"copy_[{i}] = {text};")
        for i in range(room):
            body.w.emit(f"{name}[at_ + {i}] = copy_[{i}]; copy_[{i}] = 0;")
        body.w.emit("at_ = 0")
