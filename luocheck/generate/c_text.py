"""Pieces of C: names, structs with their layout checked, strings, and the templates of programs."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from luocheck.generate.calls import Value
from luocheck.model.abi import SCALARS, Ioctl

_C = {"u8": "uint8_t", "s8": "int8_t", "u16": "uint16_t", "s16": "int16_t", "u32": "uint32_t", "s32": "int32_t"}
_C |= {"u64": "uint64_t", "s64": "int64_t"}


_KEYWORDS = frozenset(
    [
        "auto",
        "break",
        "case",
        "char",
        "const",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "float",
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "register",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "typedef",
        "union",
        "unsigned",
        "void",
        "volatile",
        "while",
    ]
)


def member_name(name: str) -> str:
    """The name of a struct's member; what is a word of C gets an underscore."""
    return f"{name}_" if name in _KEYWORDS else name


def c_names(prefix: str, names: list[str]) -> dict[str, str]:
    """Names for an enum, all different."""
    found: dict[str, str] = {}
    for name in names:
        made = f"{prefix}_{name.upper()}"
        while made in found.values():
            made += "_"
        found[name] = made
    return found


def macro(event: str) -> str:
    """The name of an ioctl number."""
    return f"LUO_{event}"


def struct_name(event: str) -> str:
    """The tag of an ioctl's struct."""
    return f"luo_{event.lower()}"


def struct(event: str, ioctl: Ioctl) -> str:
    """The struct of an ioctl, with its layout checked by the compiler."""
    name = struct_name(event)
    lines = [f"\nstruct {name} {{"]
    checks = [f'_Static_assert(sizeof(struct {name}) == {ioctl.size}, "{event}");']
    for field in ioctl.fields:
        length = f"[{field.length}]" if field.length is not None else ""
        aligned = " __attribute__((aligned(8)))" if SCALARS[field.type] == 8 and field.length is None else ""
        lines.append(f"\t{_C[field.type]} {member_name(field.name)}{length}{aligned};")
        checks.append(f'_Static_assert(offsetof(struct {name}, {member_name(field.name)}) == {field.offset}, "{event}");')
    return "\n".join([*lines, "};", *checks])


def string_for(value: Value) -> str:
    """The string that stands for an element, short enough for its member."""
    assert value.member.length is not None
    return escaped(f"luo-{value.value}"[: value.member.length - 1])


def escaped(text: str) -> str:
    """A text between the quotes of a string literal."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


@cache
def template(name: str) -> str:
    """A part of every program, with `#ifdef NAME` around what not every program needs."""
    return resources.files("luocheck.generate").joinpath("templates", name).read_text(encoding="utf-8")


_CONDITIONAL = re.compile(r"^#ifdef (?!LUO_)([A-Z_]+)\n((?:(?!#endif\n).*\n)*?)#endif\n", re.MULTILINE)


def selected(text: str, flags: set[str]) -> str:
    """A template without the functions that a program does not need."""

    def chosen(match: re.Match[str]) -> str:
        return match[2] if match[1] in flags else ""

    return re.sub(r"\n{3,}", "\n\n", _CONDITIONAL.sub(chosen, text))
