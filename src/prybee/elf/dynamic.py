"""The dynamic section: libraries that a file needs, and its symbols by the segments alone."""

from __future__ import annotations

import struct

from prybee.elf import constants as c
from prybee.elf.source import ElfError
from prybee.elf.symbols import SymbolTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.elf.file import ElfFile

# Linkers aim at a few symbols per bucket.
_LONGEST_CHAIN = 1 << 16


def dynamic_symbols(elf: ElfFile) -> SymbolTable | None:
    """The table that PT_DYNAMIC describes; None where the file has none.

    The table has no size of its own: the hash table that covers it knows the number of symbols.

    Raises:
        ElfError: the tables are not where PT_DYNAMIC says.
    """
    tags: dict[int, int] = {}
    for tag, value in _entries(elf):
        tags.setdefault(tag, value)
    if c.DT_SYMTAB not in tags or c.DT_STRTAB not in tags:
        return None
    count = _count(elf, tags)
    size = struct.calcsize(elf.order + c.SYMBOL[elf.bits])
    entries = _at(elf, tags[c.DT_SYMTAB], count * size, "dynamic symbols")
    strings = _at(elf, tags[c.DT_STRTAB], tags.get(c.DT_STRSZ, 0), "dynamic strings")
    return SymbolTable(elf, ".dynsym", entries, strings)


def needed(elf: ElfFile) -> list[str]:
    """The names of the libraries that a file asks for, in its order.

    Raises:
        ElfError: the tables are not where PT_DYNAMIC says.
    """
    entries = list(_entries(elf))
    table = next((value for tag, value in entries if tag == c.DT_STRTAB), None)
    size = next((value for tag, value in entries if tag == c.DT_STRSZ), 0)
    if table is None:
        return []
    strings = _at(elf, table, size, "dynamic strings")
    return [
        strings[value:].partition(b"\0")[0].decode("utf-8", "surrogateescape")
        for tag, value in entries
        if tag == c.DT_NEEDED
    ]


def _entries(elf: ElfFile) -> Iterator[tuple[int, int]]:
    """Tags and values of PT_DYNAMIC."""
    for segment in elf.segments:
        if segment.type == c.PT_DYNAMIC:
            data = elf.read(segment.offset, segment.file_size, "dynamic section")
            entry = struct.Struct(elf.order + ("QQ" if elf.bits == 64 else "II"))
            usable = len(data) - len(data) % entry.size
            for tag, value in entry.iter_unpack(data[:usable]):
                if tag == c.DT_NULL:
                    break
                yield tag, value


def _at(elf: ElfFile, address: int, size: int, what: str) -> bytes:
    offset = elf.file_offset(address)
    if offset is None:
        raise ElfError(elf.path, f"is corrupt: {what} at {address:#x}, which is in no segment")
    return elf.read(offset, size, what)


def _count(elf: ElfFile, tags: dict[int, int]) -> int:
    """Number of dynamic symbols, from the hash table."""
    word = struct.Struct(elf.order + "I")
    if c.DT_HASH in tags:
        # s390x and alpha have 64-bit words here; they ship section headers.
        _, chains = struct.unpack(elf.order + "II", _at(elf, tags[c.DT_HASH], 8, "hash table"))
        return int(chains)
    if c.DT_GNU_HASH not in tags:
        return 0
    at = tags[c.DT_GNU_HASH]
    buckets, first, bloom, _ = struct.unpack(elf.order + "IIII", _at(elf, at, 16, "GNU hash table"))
    at += 16 + bloom * (elf.bits // 8)
    table = _at(elf, at, 4 * buckets, "GNU hash buckets")
    highest: int = max((value for (value,) in word.iter_unpack(table)), default=0)
    if highest < first:
        return int(first)
    at += 4 * buckets
    # The chain of the last bucket ends at the first word with bit 0 set.
    for last in range(highest, highest + _LONGEST_CHAIN):
        if word.unpack(_at(elf, at + 4 * (last - first), 4, "GNU hash chain"))[0] & 1:
            return last + 1
    raise ElfError(elf.path, "is corrupt: the GNU hash table has a chain without an end")
