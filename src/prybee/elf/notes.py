"""ELF notes: (owner, type, content) records in PT_NOTE segments and SHT_NOTE sections."""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def notes(data: bytes, order: str, align: int = 4) -> Iterator[tuple[bytes, int, bytes]]:
    """The notes of a segment or section: owner without its NUL, type, content.

    Args:
        data: the bytes.
        order: "<" or ">".
        align: alignment of the segment or section; 8 makes records aligned to 8 (GNU properties).

    A damaged note ends the walk: what follows it cannot be found.
    """
    header = struct.Struct(order + "III")
    mask = 7 if align == 8 else 3
    at = 0
    while at + header.size <= len(data):
        name_size, content_size, kind = header.unpack_from(data, at)
        name_at = at + header.size
        content_at = (name_at + name_size + mask) & ~mask
        end = content_at + content_size
        if end > len(data):
            return
        yield data[name_at : name_at + name_size].rstrip(b"\0"), kind, data[content_at:end]
        at = (end + mask) & ~mask
