"""The user API."""

from __future__ import annotations

from luocheck.model.syntax.tree import Name, Node, Number, Text, rule
from luocheck.model.syntax.tree_declarations import Decl


class AbiItem(Node):
    __slots__ = ()


@rule("handle_form")
class HandleForm(Node):
    type: Name
    length: Number


@rule("handle_bad")
class HandleBad(Node):
    causes: tuple[Name, ...]
    predicate: Name


@rule("abi_handle")
class AbiHandle(AbiItem):
    name: Name
    form: HandleForm | None
    space: Name | None
    targets: tuple[Name, ...]
    bad: HandleBad | None


@rule("abi_clause")
class AbiClause(Node):
    words: tuple[Node, ...]  # Name, Number, Text, or Name for punctuation


@rule("abi_device")
class AbiDevice(AbiItem):
    path: Text
    clauses: tuple[AbiClause, ...]


@rule("abi_object")
class AbiObject(AbiItem):
    sort: Name
    clauses: tuple[AbiClause, ...]


@rule("abi_process")
class AbiProcess(AbiItem):
    sort: Name
    clauses: tuple[AbiClause, ...]


@rule("abi_tree")
class AbiTree(AbiItem):
    filesystem: Text
    clauses: tuple[AbiClause, ...]


@rule("abi_sized")
class AbiSized(AbiItem):
    type: Name
    name: Name
    clauses: tuple[AbiClause, ...]


@rule("role_in")
class RoleIn(Node):
    parameter: Name


@rule("role_out")
class RoleOut(Node):
    parameter: Name


@rule("role_zero")
class RoleZero(Node):
    errno: Name


@rule("role_ignored")
class RoleIgnored(Node):
    pass


@rule("array")
class Array(Node):
    length: Number


class AbiField(Node):
    __slots__ = ()


@rule("abi_sized_header")
class AbiSizedHeader(AbiField):
    name: Name


@rule("abi_struct_field")
class AbiStructField(AbiField):
    type: Name
    name: Name
    array: Array | None
    role: RoleIn | RoleOut | RoleZero | RoleIgnored


@rule("abi_aligned_field")
class AbiAlignedField(AbiStructField):
    pass


@rule("abi_ioctl")
class AbiIoctl(AbiItem):
    override: bool
    event: Name
    number: Number
    target: Name | None
    fields: tuple[AbiField, ...]


@rule("abi_syscall")
class AbiSyscall(AbiItem):
    event: Name
    function: Name
    arguments: tuple[Name, ...]
    clauses: tuple[AbiClause, ...]


@rule("abi_path")
class AbiPath(AbiItem):
    path: Text
    clauses: tuple[AbiClause, ...]


@rule("any_errno")
class AnyErrno(Node):
    pass


@rule("errno_names")
class ErrnoNames(Node):
    names: tuple[Name, ...]


@rule("abi_errno")
class AbiErrno(AbiItem):
    name: Name
    values: AnyErrno | ErrnoNames


@rule("abi_decl")
class AbiDecl(Decl):
    items: tuple[AbiItem, ...]
