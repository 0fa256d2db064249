"""Symbol versions: the names that the numbers of ``.gnu.version`` stand for."""

from __future__ import annotations

import struct

from prybee.elf import constants as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.elf.file import ElfFile


def version_names(elf: ElfFile) -> dict[int, str]:
    """Names by version number, from ``.gnu.version_d``: the versions that the file defines.

    Only defined symbols are looked up here, so what the file needs of others is not read.
    A damaged chain ends where it is damaged.
    """
    names: dict[int, str] = {}
    sections = elf.sections
    for section in sections:
        if section.type != c.SHT_GNU_VERDEF or section.link >= len(sections):
            continue
        data = elf.data(section)
        strings = elf.data(sections[section.link])
        # Elfxx_Verdef: version, flags, index, count (u16 each), hash, aux, next (u32 each).
        definition = struct.Struct(elf.order + "HHHHIII")
        auxiliary = struct.Struct(elf.order + "II")
        at = 0
        while at + definition.size <= len(data):
            _, _, index, _, _, aux, following = definition.unpack_from(data, at)
            if at + aux + auxiliary.size <= len(data):
                name_at, _ = auxiliary.unpack_from(data, at + aux)
                end = strings.find(b"\0", name_at)
                if end >= 0:
                    names[index] = strings[name_at:end].decode("utf-8", "backslashreplace")
            if following == 0:
                break
            at += following
    return names
