"""Where a process has put an object file."""

from __future__ import annotations

import os

from prybee.elf import constants as c
from prybee.symbols.mappings import Mappings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.elf import ElfFile


def load_offset(elf: ElfFile, path: str, pid: int, page_size: int) -> int | None:
    """What is added to the link-time addresses of a file in a process; None: it has not mapped it.

    Args:
        elf: the file.
        path: of it, as we see it.
        pid: of the process.
        page_size: in bytes; mappings begin with whole pages.
    """
    try:
        inode = os.stat(path).st_ino
        with open(f"/proc/{pid}/maps", "rb") as file:
            mappings = Mappings(file.read())
    except OSError:
        return None
    code = [each for each in elf.segments if each.type == c.PT_LOAD and each.flags & c.PF_X]
    for mapping in mappings.items:
        for segment in code if mapping.inode == inode else ():
            first = segment.offset // page_size * page_size
            if first <= mapping.offset < segment.offset + segment.file_size:
                return mapping.start - mapping.offset + segment.offset - segment.address
    return None
