"""Which type fits where, and how a type is called in a message."""

from __future__ import annotations

from luocheck.model.ir.vocabulary import (
    BoolT,
    CountT,
    ElemT,
    EnumT,
    ErrnoT,
    IntT,
    LiteralT,
    NoneT,
    Owner,
    SeqT,
    SetT,
    Sort,
    Type,
)
from luocheck.model.resolve.symbols import Symbols
from luocheck.model.syntax import nodes as n


def owner_type(owner: Owner) -> Type:
    return ElemT(owner) if isinstance(owner, Sort) else EnumT(owner)


def param_type(symbols: Symbols, param: n.Param | n.Gives) -> Type | None:
    """Type of a parameter or result: a sort, an enum, `bool` or `errno`; None (after reporting) when it is none of them."""
    if param.sort.text == "bool":
        return BoolT()
    if param.sort.text == "errno":
        return ErrnoT()
    owner = symbols.owner(param.sort)
    return owner_type(owner) if owner is not None else None


def optional(type_: Type) -> Type:
    return ElemT(type_.sort, optional=True) if isinstance(type_, ElemT) else type_


def fits(given: Type, wanted: Type) -> bool:
    """Can a value of type `given` stand where `wanted` is needed?  none for an element that is not optional is found at run time."""
    match given, wanted:
        case ElemT(sort=a), ElemT(sort=b):
            return a is b
        case NoneT(), ElemT(optional=True):
            return True
        case ((IntT() | CountT()), (IntT() | CountT())):
            return True
        case LiteralT(None), (SetT() | SeqT()):
            return True
        case LiteralT(ElemT(sort=a)), SetT(sort=b):
            return a is b
    return given == wanted


def comparable(left: Type, right: Type) -> bool:
    if isinstance(left, NoneT):
        return isinstance(right, ElemT | NoneT)
    if isinstance(right, NoneT):
        return isinstance(left, ElemT)
    return fits(left, right) or fits(right, left)


def article(type_: Type) -> str:
    match type_:
        case ElemT():
            return f"a {type_}"
        case EnumT():
            return f"a {type_}"
        case BoolT():
            return "a condition"
        case ErrnoT():
            return "an errno"
        case CountT() | IntT():
            return "a number"
        case NoneT():
            return "`none`"
        case SetT() | SeqT():
            return f"a `{type_}`"
    return str(type_)


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
