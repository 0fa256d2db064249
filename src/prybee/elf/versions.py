"""Symbol versions: the names that the numbers of ``.gnu.version`` stand for."""

from __future__ import annotations

import struct


def version_names(definitions: bytes, strings: bytes, order: str) -> dict[int, str]:
    """Names by version number: the versions that a file defines.

    Only defined symbols are looked up here, so what the file needs of others is not read.
    A damaged chain ends where it is damaged.

    Args:
        definitions: ``.gnu.version_d``.
        strings: its string table.
        order: "<" or ">".
    """
    names: dict[int, str] = {}
    # Elfxx_Verdef: version, flags, index, count (u16 each), hash, aux, next (u32 each).
    definition = struct.Struct(order + "HHHHIII")
    auxiliary = struct.Struct(order + "II")
    at = 0
    while at + definition.size <= len(definitions):
        _, _, index, _, _, aux, following = definition.unpack_from(definitions, at)
        if at + aux + auxiliary.size <= len(definitions):
            name_at, _ = auxiliary.unpack_from(definitions, at + aux)
            end = strings.find(b"\0", name_at)
            if end >= 0:
                names[index] = strings[name_at:end].decode("utf-8", "backslashreplace")
        if following == 0:
            break
        at += following
    return names
