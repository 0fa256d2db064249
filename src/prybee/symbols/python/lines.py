"""Which line an instruction of a Python function belongs to.

``co_linetable`` since 3.11 (PEP 657, Objects/locations.md, later InternalDocs/code_objects.md): an
entry for each run of instructions. Its first byte has the highest bit set, a code of four bits and
the number of instructions less one; what follows depends on the code, and has that bit clear.
"""

from __future__ import annotations

# Codes: 0 to 9, a place in the same line; these three, in that or one of the next two lines; no
# columns; everything; no line at all.
_ONE_LINE = range(10, 13)
_NO_COLUMNS = 13
_LONG = 14
_NONE = 15

# A table longer than this is none; the longest known are some hundred KiB.
MOST = 4 << 20


def line(table: bytes, first: int, instruction: int) -> int:
    """The line of an instruction; 0 where it has none, or the table does not tell.

    Args:
        table: ``co_linetable``.
        first: ``co_firstlineno``.
        instruction: its number, in units of two bytes.
    """
    at, current, covered = 0, first, 0
    while at < len(table):
        head = table[at]
        if not head & 0x80:
            return 0
        at += 1
        code = head >> 3 & 15
        if code in _ONE_LINE:
            current += code - 10
        elif code in (_NO_COLUMNS, _LONG):
            current += _signed(table, at)
        covered += (head & 7) + 1
        if instruction < covered:
            return 0 if code == _NONE else current
        while at < len(table) and not table[at] & 0x80:
            at += 1
    return 0


def _signed(table: bytes, at: int) -> int:
    """A number of six bits for each byte, the lowest first; the lowest bit is the sign."""
    value = shift = 0
    for byte in table[at : at + 8]:
        value |= (byte & 63) << shift
        shift += 6
        if not byte & 64:
            break
    return -(value >> 1) if value & 1 else value >> 1
