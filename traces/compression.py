"""zstd, which Python has from 3.14 on and the package `zstandard` brings before."""

from __future__ import annotations

import importlib
import io
import zlib
from typing import Any

LACKING = "zstd is not in this Python before 3.14: install the package `zstandard`"


class Unpacking(ValueError):
    """What was to be unpacked is damaged, or there is nothing that can unpack it."""


def zstd_module() -> tuple[Any, bool] | None:
    """The module that unpacks zstd, and whether it is the one of the standard library; None when there is neither."""
    for name in ("compression.zstd", "zstandard"):
        try:
            return importlib.import_module(name), name == "compression.zstd"
        except ImportError:
            continue
    return None


def unpack_zstd(data: bytes, size: int) -> bytes:
    """At most `size` bytes of what a zstd frame holds, whatever its header promises.  Raises Unpacking."""
    found = zstd_module()
    if found is None:
        raise Unpacking(LACKING)
    module, standard = found
    try:
        if standard:
            return bytes(module.ZstdDecompressor().decompress(data, max_length=size))
        with module.ZstdDecompressor(max_window_size=1 << 27).stream_reader(io.BytesIO(data)) as reader:
            return bytes(reader.read(size))
    except module.ZstdError as error:
        raise Unpacking(f"damaged zstd data: {error}") from error


def unpack_zlib(data: bytes, size: int) -> bytes:
    """At most `size` bytes of what a zlib stream holds.  Raises Unpacking."""
    try:
        return zlib.decompressobj().decompress(data, size)
    except zlib.error as error:
        raise Unpacking(f"damaged zlib data: {error}") from error
