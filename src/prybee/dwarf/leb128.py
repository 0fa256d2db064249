"""Numbers in groups of seven bits, the lowest first; the highest bit says that more follow.

LEB128 (DWARF 5, section 7.6); protocol buffers have the unsigned ones as well.
"""

from __future__ import annotations


def uleb(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number, and where it ends. IndexError beyond the data."""
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    value = byte & 0x7F
    shift = 7
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def sleb(data: bytes, at: int) -> tuple[int, int]:
    """A signed LEB128 number, and where it ends. IndexError beyond the data."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if byte & 0x40:
                value -= 1 << shift
            return value, at
