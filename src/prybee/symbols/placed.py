"""Where a process has put an object file."""

from __future__ import annotations

import os
from mmap import PAGESIZE

from prybee.elf import constants as c
from prybee.symbols.mappings import Mappings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from prybee.elf import ElfFile
    from prybee.elf.records import Segment
    from prybee.symbols.mappings import Mapping


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
    for mapping in mappings.items:
        found = bias(elf.segments, mapping, page_size) if mapping.inode == inode else None
        if found is not None:
            return found
    return None


def code(segments: Iterable[Segment]) -> list[Segment]:
    """Those segments of a file that are mapped to be run."""
    return [each for each in segments if each.type == c.PT_LOAD and each.flags & c.PF_X]


def bias(segments: Iterable[Segment], mapping: Mapping, page_size: int = PAGESIZE) -> int | None:
    """What is added to a file's link-time addresses where code of it is mapped; None: it is none.

    Args:
        segments: of the file.
        mapping: of the file in a process.
        page_size: in bytes; mappings begin with the page that a segment begins in.
    """
    for segment in code(segments):
        first = segment.offset & -page_size
        if first <= mapping.offset < segment.offset + segment.file_size:
            return mapping.start - mapping.offset + segment.offset - segment.address
    return None
