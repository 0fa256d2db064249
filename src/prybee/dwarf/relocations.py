"""Addresses in debug information that nobody has linked yet, as modules of the kernel have it.

In such a file every section begins at 0, and a table beside each debug section tells which numbers
in it are to be made greater by a symbol's value.  Here a section with code gets addresses of its
own (:func:`base`); references among debug sections are places in them.
"""

from __future__ import annotations

import struct
from bisect import bisect_left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.elf import ElfFile
    from prybee.elf.records import Section

# An object file's type, and a section's flag of what is loaded.
_UNLINKED = "REL"
_ALLOCATED = 2
_RELA = 4  # SHT_RELA
_SHIFT = 32
# Bytes that a kind of relocation writes, by machine: the plain ones, symbol and addend added.  ELF
# ABI supplements: R_X86_64_64, _32, _32S; R_AARCH64_ABS64, _ABS32.
_WIDTHS = {"x86_64": {1: 8, 10: 4, 11: 4}, "aarch64": {257: 8, 258: 4}}
_WIDEST = 8


def base(index: int) -> int:
    """The address that the section of that number begins at, if it has code or variables."""
    return index << _SHIFT


class Relocations:
    """The table for one section.

    Args:
        elf: the file, of 64 bits.
        section: the table (``.rela.debug_info``).
    """

    def __init__(self, elf: ElfFile, section: Section) -> None:
        self._entry = struct.Struct(f"{elf.order}QQq")
        self._rows = elf.data(section)
        self._count = len(self._rows) // self._entry.size
        self._widths = _WIDTHS.get(elf.machine, {})
        self._symbols = elf.data(elf.sections[section.link])
        self._symbol = struct.Struct(f"{elf.order}IBBHQQ")
        self._loaded = [bool(each.flags & _ALLOCATED) for each in elf.sections]

    def apply(self, data: bytes, offset: int) -> bytes:
        """Bytes of the section, which begin at ``offset`` there, as a linker would leave them."""
        size = self._entry.size
        first = bisect_left(range(self._count), offset - _WIDEST + 1, key=self._place)
        changed = bytearray(data)
        for number in range(first, self._count):
            place, info, addend = self._entry.unpack_from(self._rows, number * size)
            if place >= offset + len(data):
                break
            width = self._widths.get(info & 0xFFFFFFFF, 0)
            value = (self._value(info >> 32) + addend) & ((1 << 8 * width) - 1)
            # The machines above have the lowest byte first.
            for at, byte in enumerate(value.to_bytes(width, "little"), place - offset):
                if 0 <= at < len(changed):
                    changed[at] = byte
        return bytes(changed)

    def _place(self, number: int) -> int:
        place: int = self._entry.unpack_from(self._rows, number * self._entry.size)[0]
        return place

    def _value(self, symbol: int) -> int:
        at = symbol * self._symbol.size
        if at + self._symbol.size > len(self._symbols):
            return 0  # Of a damaged table: what it leads to makes no sense, and is told there.
        _name, _info, _other, section, value, _size = self._symbol.unpack_from(self._symbols, at)
        loaded = section < len(self._loaded) and self._loaded[section]
        return int(value) + (base(section) if loaded else 0)


def table(elf: ElfFile, name: str) -> Relocations | None:
    """The relocations of a section; None where there are none."""
    if elf.type != _UNLINKED or elf.bits != 64:
        return None
    section = elf.section(f".rela{name}")
    if section is None or section.type != _RELA or section.link >= len(elf.sections):
        return None
    return Relocations(elf, section)
