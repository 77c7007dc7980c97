"""The struct of engine.c as Python sees it.  Its beginning must be in step with `struct R` there."""

from __future__ import annotations

import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int16, c_int32, c_int64, c_uint8, c_uint16, c_uint64, c_void_p
from typing import Any

RUNNING, STOPPED_MOST, STOPPED_POLL, NO_MEMORY, NOT_DONE_HERE, SPEC_ERROR, OVER_BUDGET = range(7)
KINDS = ("returns", "suspends", "panic", "oops", "cut", "state")
"""Names of the ways in which a call ends; the last stands for a discovery that is a state."""

POLL = CFUNCTYPE(c_int, c_int64, c_int64)


class NativeEdges(Structure):
    _fields_ = (
        ("n", c_int64),
        ("room", c_int64),
        ("source", POINTER(c_int64)),
        ("target", POINTER(c_int64)),
        ("event", POINTER(c_int16)),
        ("faults", POINTER(c_int16)),
        ("mask", POINTER(c_uint64)),
        ("turn", POINTER(c_uint64)),
    )


class NativeArray(Structure):
    _fields_ = (
        ("name", c_char_p),
        ("place", POINTER(c_void_p)),
        ("room", POINTER(c_int64)),
        ("item", c_int64),
        ("count", c_int64),
    )


MOST_ARRAYS = 64
"""More than `luo_arrays` gives."""


POINT = ("source", "n", "transitions", "edges", "moments", "cut_states", "waits")


class NativePoint(Structure):
    """The beginning of `struct point`."""

    _fields_ = tuple((name, c_int64) for name in POINT)


def structures(
    max_args: int, events: int, claims: int, cuts: int, lines: int
) -> tuple[type[Structure], type[Structure], type[Structure]]:
    """The structs of one program: moments, waiting calls, and the part of R that Python reads."""

    class NativeMoment(Structure):
        _fields_ = (
            ("source", c_int64),
            ("mask", c_uint64),
            *((name, c_int32) for name in ("claim", "event", "resumed", "errno", "kind", "label", "faults")),
            ("args", c_int32 * max_args),
        )

    class NativeWaiting(Structure):
        _fields_ = (("source", c_int64), ("event", c_int32), ("args", c_int32 * max_args))

    class NativeRun(Structure):
        _fields_ = (
            *((name, c_int64) for name in ("n", "transitions", "first", "last", "depth", "most", "status")),
            *((name, c_int64) for name in ("error_code", "error_claim", "error_span", "error_name")),
            ("states", POINTER(c_uint64)),
            ("faults_of", POINTER(c_uint16)),
            ("turns", POINTER(c_uint64)),
            ("flags", POINTER(c_uint8)),
            ("marks", POINTER(c_uint8)),
            ("all", NativeEdges),
            ("cone", NativeEdges),
            ("moments_n", c_int64),
            ("moments", POINTER(NativeMoment)),
            ("cut_n", c_int64),
            ("cut_states", POINTER(c_int64)),
            ("waiting_n", c_int64),
            ("waits", POINTER(NativeWaiting)),
            ("table_bytes", c_int64),
            ("states_room", c_int64),
            ("poll", POLL),
            ("keep_edges", c_int64),
            ("tracing", c_int64),
            ("threads", c_int64),
            ("budget", c_int64),
            ("held", c_int64),
            ("fired", c_uint8 * (events + 1)),
            ("blocked", c_uint8 * (events + 1)),
            ("seen", c_uint8 * (claims + 1)),
            ("cuts", c_int64 * (cuts + 1)),
            ("covered", c_uint64 * (lines // 64 + 1)),
        )

    return NativeMoment, NativeWaiting, NativeRun


def declare(library: ctypes.CDLL, run: type[Structure]) -> Any:
    """The library with the types of its functions."""
    pointer = POINTER(run)
    library.luo_new.restype = pointer
    library.luo_new.argtypes = ()
    for name in ("luo_free", "luo_level", "luo_trace"):
        function = getattr(library, name)
        function.argtypes, function.restype = (pointer,), None
    library.luo_instance.argtypes, library.luo_instance.restype = (pointer, POINTER(c_int64)), None
    library.luo_symmetry.argtypes, library.luo_symmetry.restype = (pointer, POINTER(c_uint8), c_int64), c_int
    library.luo_start.argtypes, library.luo_start.restype = (pointer, POINTER(c_uint64)), None
    library.luo_arrays.argtypes, library.luo_arrays.restype = (pointer, POINTER(NativeArray)), c_int64
    library.luo_make_room.argtypes, library.luo_make_room.restype = (pointer, POINTER(NativeArray)), c_int
    library.luo_take_up.argtypes, library.luo_take_up.restype = (pointer,), c_int
    library.luo_mark.argtypes, library.luo_mark.restype = (pointer, POINTER(c_int64), c_int64), c_int
    library.luo_backward.argtypes = (pointer, POINTER(c_uint8), c_int, c_int64, POINTER(c_uint8))
    library.luo_backward.restype = c_int
    return library
