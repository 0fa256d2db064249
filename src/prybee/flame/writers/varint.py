"""Numbers in groups of seven bits, the lowest first; the highest bit says that more follow.

Protocol buffers have them, and so has the data of our own pages; ``prybee.dwarf.leb128.uleb``
reads them.
"""

from __future__ import annotations

_SHORT = [bytes((value,)) for value in range(0x80)]


def encode(value: int) -> bytes:
    """A number that is not negative."""
    if value < 0x80:
        return _SHORT[value]
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)
