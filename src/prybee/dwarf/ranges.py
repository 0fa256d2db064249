"""Which addresses a unit or an entry covers; which unit covers an address."""

from __future__ import annotations

from bisect import bisect_right

from prybee.dwarf import constants as c
from prybee.dwarf.leb128 import uleb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.dwarf.entries import Entry
    from prybee.dwarf.files import ByteOrder, File
    from prybee.dwarf.sections import Sections
    from prybee.dwarf.units import Unit

# Entries of .debug_rnglists (section 7.25).
_END, _BASE_X, _STARTX_ENDX, _STARTX_LENGTH, _OFFSETS, _BASE, _START_END, _START_LENGTH = range(8)
# More pieces than any function or unit has.
_MOST = 1 << 20
_FIRST = 1024


def ranges(entry: Entry) -> list[tuple[int, int]]:
    """(start, end) of the code of an entry, as link-time addresses; empty for none.

    Raises:
        DwarfError: the lists make no sense.
    """
    low = entry.address(c.AT_LOW_PC)
    listed = entry.values.get(c.AT_RANGES)
    if listed is not None and isinstance(listed[1], int):
        return _listed(entry.unit, listed[0], listed[1])
    if low is None:
        return []
    high = entry.values.get(c.AT_HIGH_PC)
    if high is None or not isinstance(high[1], int):
        return [(low, low + 1)]
    if high[0] == c.FORM_ADDR or high[0] in c.ADDRESS_INDEXES:
        end = entry.address(c.AT_HIGH_PC)
        return [(low, end)] if end is not None and end > low else []
    return [(low, low + high[1])] if high[1] > 0 else []


def _listed(unit: Unit, form: int, value: int) -> list[tuple[int, int]]:
    owner = unit.addressing()
    base = owner.top.address(c.AT_LOW_PC) or 0
    if unit.version >= 5:
        # Version 5 keeps a split unit's lists with it.
        sections = unit.file.sections
        at = value
        if form == c.FORM_RNGLISTX:
            size = unit.shape[0]
            start = unit.top.number(c.AT_RNGLISTS_BASE)
            if start is None:
                start = unit.file.base_of(unit, "rnglists") + (12 if size == 4 else 20)
            table = sections.read("rnglists", start + value * size, size)
            at = start + int.from_bytes(table, unit.file.order)
        return _version_5(unit, sections, at, base)
    if unit.skeleton is not None:
        value += owner.top.number(c.AT_GNU_RANGES_BASE) or 0
    return _version_4(unit, owner.file.sections, value, base)


def _version_5(unit: Unit, sections: Sections, at: int, base: int) -> list[tuple[int, int]]:
    size = _FIRST
    while True:
        data = sections.start_of("rnglists", at, size)
        try:
            return _parse_5(unit, data, base)
        except IndexError:
            if len(data) < size:
                raise sections.damaged(f"the ranges at {at:#x} have no end") from None
            size *= 8


def _parse_5(unit: Unit, data: bytes, base: int) -> list[tuple[int, int]]:
    order, wide = unit.file.order, unit.shape[1]
    at = 0
    found: list[tuple[int, int]] = []

    def address() -> int:
        nonlocal at
        at += wide
        if at > len(data):
            raise IndexError
        return int.from_bytes(data[at - wide : at], order)

    def number() -> int:
        nonlocal at
        value, at = uleb(data, at)
        return value

    def indexed() -> int:
        return unit.indexed_address(number()) or 0

    while len(found) < _MOST:
        kind = data[at]
        at += 1
        if kind == _END:
            return found
        if kind == _BASE_X:
            base = indexed()
        elif kind == _BASE:
            base = address()
        else:
            if kind == _STARTX_ENDX:
                start, end = indexed(), indexed()
            elif kind == _STARTX_LENGTH:
                start = indexed()
                end = start + number()
            elif kind == _OFFSETS:
                start, end = base + number(), base + number()
            elif kind == _START_END:
                start, end = address(), address()
            elif kind == _START_LENGTH:
                start = address()
                end = start + number()
            else:
                raise unit.file.sections.damaged(f"unknown kind of range {kind}")
            if end > start:
                found.append((start, end))
    raise unit.file.sections.damaged("too many ranges")


def _version_4(unit: Unit, sections: Sections, at: int, base: int) -> list[tuple[int, int]]:
    """``.debug_ranges``: pairs of offsets, until a pair of zeros."""
    wide, order = unit.shape[1], unit.file.order
    highest = (1 << 8 * wide) - 1
    found: list[tuple[int, int]] = []
    while len(found) < _MOST:
        data = sections.read("ranges", at, 2 * wide)
        at += 2 * wide
        start = int.from_bytes(data[:wide], order)
        end = int.from_bytes(data[wide:], order)
        if start == end == 0:
            return found
        if start == highest:
            base = end
        elif end > start:
            found.append((base + start, base + end))
    raise sections.damaged("too many ranges")


class AddressTable:
    """From an address to the unit that has its code.

    ``.debug_aranges`` tells it where the compiler wrote one (GCC does); what it leaves out is found
    by the ranges of the units' own entries.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self._told: tuple[list[int], list[int], list[int]] | None = None
        self._rest: tuple[list[int], list[int], list[Unit]] | None = None

    def find(self, address: int) -> Unit | None:
        """The unit that covers a link-time address, or None.

        Raises:
            DwarfError: the tables make no sense.
        """
        if self._told is None:
            rows = sorted(_aranges(self._file.sections, self._file.order))
            self._told = [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]
        starts, ends, offsets = self._told
        at = bisect_right(starts, address) - 1
        if at >= 0 and address < ends[at]:
            return self._file.unit_at(offsets[at])
        if self._rest is None:
            self._rest = self._by_units(frozenset(offsets))
        starts, ends, units = self._rest
        at = bisect_right(starts, address) - 1
        return units[at] if at >= 0 and address < ends[at] else None

    def _by_units(self, told: frozenset[int]) -> tuple[list[int], list[int], list[Unit]]:
        rows = []
        for unit in self._file.units():
            if unit.from_types or unit.is_types or unit.offset in told:
                continue
            for start, end in ranges(unit.top):
                rows.append((start, end, unit.offset, unit))
        rows.sort(key=lambda row: row[:3])
        return [r[0] for r in rows], [r[1] for r in rows], [r[3] for r in rows]


def _aranges(sections: Sections, order: ByteOrder) -> list[tuple[int, int, int]]:
    """(start, end, unit) of all rows of ``.debug_aranges``; none of a damaged table."""
    rows: list[tuple[int, int, int]] = []
    size = sections.size("aranges")
    at = 0
    while at + 12 <= size:
        head = sections.start_of("aranges", at, 32)
        length, wide, start = int.from_bytes(head[:4], order), 4, 4
        if length == 0xFFFFFFFF:
            length, wide, start = int.from_bytes(head[4:12], order), 8, 12
        end = at + start + length
        unit = int.from_bytes(head[start + 2 : start + 2 + wide], order)
        address_size = head[start + 2 + wide] if len(head) > start + 2 + wide else 0
        if end > size or address_size not in (4, 8) or length < wide + 4:
            return rows
        first = at + (start + wide + 4 + 2 * address_size - 1) // (2 * address_size) * (
            2 * address_size
        )
        data = sections.read("aranges", first, max(0, end - first))
        step = 2 * address_size
        for row in range(0, len(data) - step + 1, step):
            low = int.from_bytes(data[row : row + address_size], order)
            many = int.from_bytes(data[row + address_size : row + step], order)
            if many:
                rows.append((low, low + many, unit))
        at = end
    return rows
