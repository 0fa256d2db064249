"""Symbol tables, searched in place: names are looked for among the strings, not listed first.

The linker shares string tails (``malloc`` may be the end of ``__libc_malloc``), so a name's
candidates are all the places where its text ends at a NUL; the entries that point at one of them
are found by searching for the offset's bytes in the table.  On libc this takes 20 µs, where making
a dictionary of all names takes milliseconds.
"""

from __future__ import annotations

import struct
import sys

from prybee.elf import constants as c
from prybee.elf.records import Symbol
from prybee.elf.source import ElfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterator

    from prybee.elf.file import ElfFile

# Above this many candidate offsets one pass over the table is cheaper than a search for each.
_MANY = 32

_FUNCTION_KINDS = (c.STT_FUNC, c.STT_GNU_IFUNC)


class SymbolTable:
    """One table of symbols with its strings, and its versions where it has them."""

    def __init__(
        self,
        elf: ElfFile,
        name: str,
        entries: bytes,
        strings: bytes,
        versions: bytes = b"",
        definitions: tuple[bytes, bytes] = (b"", b""),
    ) -> None:
        """A table of ``elf``, which is not kept: a file should go when nobody has it any more.

        Args:
            elf: the file.
            name: ``.symtab`` or ``.dynsym``.
            entries: the table's bytes, whole entries.
            strings: its string table.
            versions: ``.gnu.version``.
            definitions: ``.gnu.version_d`` and its string table.
        """
        self.name = name
        self.entries = entries
        self.strings = strings
        self._order = elf.order
        self._swapped = sys.byteorder != elf.byte_order
        self._versions = versions
        self._definitions = definitions
        self._names_by_version: dict[int, str] | None = None
        self.layout = struct.Struct(elf.order + c.SYMBOL[elf.bits])
        self._wide = elf.bits == 64
        self._functions: list[int] | None = None
        # Thumb functions have bit 0 of their address set.
        self._value_mask = ~1 if elf.machine == "arm" else ~0

    def __len__(self) -> int:
        return len(self.entries) // self.layout.size

    def words(self, code: str) -> array[int]:
        """All entries as one array of unsigned words: "I" 4 bytes, "Q" 8 bytes."""
        # Not at import: it brings collections.abc along, and one name needs no columns.
        from array import array

        words = array(code)
        words.frombytes(self.entries)
        if self._swapped:
            words.byteswap()
        return words

    def name_offsets(self) -> array[int]:
        """Each entry's place among the strings."""
        return self.words("I")[:: self.layout.size // 4]

    def values_and_sizes(self) -> tuple[array[int], array[int]]:
        """Each entry's address and size."""
        words, step = (self.words("Q"), 3) if self._wide else (self.words("I"), 4)
        return words[1::step], words[2::step]

    def function_indexes(self) -> list[int]:
        """The numbers of the entries that define functions."""
        if self._functions is None:
            entries, size = self.entries, self.layout.size
            info = 4 if self._wide else 12
            section = info + 2
            # Byte columns are the cheapest to make and to walk (40 ns an entry).
            self._functions = [
                number
                for number, (kind, low, high) in enumerate(
                    zip(
                        entries[info::size],
                        entries[section::size],
                        entries[section + 1 :: size],
                        strict=True,
                    )
                )
                if kind & 15 in _FUNCTION_KINDS and low | high
            ]
        return self._functions

    def text(self, at: int) -> bytes:
        """The string at an offset, without a version suffix (``@…`` of some linkers)."""
        strings = self.strings
        end = strings.find(b"\0", at)
        name = strings[at:end] if end >= 0 else strings[at:]
        return name.partition(b"@")[0] if b"@" in name else name

    def symbol(self, index: int) -> Symbol:
        """Entry number ``index`` as a record."""
        fields = self.layout.unpack_from(self.entries, index * self.layout.size)
        if self._wide:
            name, info, _, _, value, size = fields
        else:
            name, value, size, info, _, _ = fields
        kind = c.SYMBOL_KINDS.get(info & 15, "other")
        if kind == "func":
            value &= self._value_mask
        end = self.strings.find(b"\0", name)
        full = self.strings[name : end if end >= 0 else len(self.strings)]
        text, mark, version = full.decode("utf-8", "backslashreplace").partition("@")
        default = not mark or version.startswith("@")
        version = version.removeprefix("@")
        if not version and 2 * index + 2 <= len(self._versions):
            version, default = self._version(index)
        binding = c.SYMBOL_BINDINGS.get(info >> 4, "local")
        return Symbol(text, value, size, kind, binding, version, default)

    def _version(self, index: int) -> tuple[str, bool]:
        (number,) = struct.unpack_from(self._order + "H", self._versions, 2 * index)
        if self._names_by_version is None:
            from prybee.elf.versions import version_names

            self._names_by_version = version_names(*self._definitions, self._order)
        name = self._names_by_version.get(number & ~c.VERSYM_HIDDEN, "")
        return name, not number & c.VERSYM_HIDDEN

    def find(self, name: str) -> list[Symbol]:
        """The defined symbols called ``name`` (without version), in the table's order."""
        try:
            wanted = name.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return []
        if not wanted or b"\0" in wanted:
            return []
        offsets = self._string_offsets(wanted)
        if not offsets:
            return []
        size = self.layout.size
        indexes: list[int] = []
        if len(offsets) > _MANY:
            indexes = [i for i, offset in enumerate(self.name_offsets()) if offset in offsets]
        else:
            entries = self.entries
            pack = struct.Struct(self._order + "I").pack
            for offset in offsets:
                pattern = pack(offset)
                at = entries.find(pattern)
                while at >= 0:
                    # Both layouts begin with the name; other fields may have the same bytes.
                    if at % size == 0 and at + size <= len(entries):
                        indexes.append(at // size)
                    at = entries.find(pattern, at + 1)
            indexes.sort()
        defined = self.layout.unpack_from
        section_field = 3 if self._wide else 5
        return [
            self.symbol(index)
            for index in indexes
            if defined(self.entries, index * size)[section_field] != c.SHN_UNDEF
        ]

    def _string_offsets(self, wanted: bytes) -> set[int]:
        strings = self.strings
        offsets: set[int] = set()
        for ended in (wanted + b"\0", wanted + b"@"):
            at = strings.find(ended)
            while at >= 0:
                offsets.add(at)
                at = strings.find(ended, at + 1)
        return offsets

    def function_names(self) -> set[bytes]:
        """The names of all defined functions, without versions."""
        strings, find = self.strings, self.strings.find
        offsets = self.name_offsets()
        names = {
            strings[at : find(b"\0", at)]
            for at in map(offsets.__getitem__, self.function_indexes())
        }
        if any(b"@" in name for name in names):
            names = {name.partition(b"@")[0] for name in names}
        names.discard(b"")
        return names

    def variable_names(self) -> set[str]:
        """The names of all variables, without versions."""
        size, info = self.layout.size, 4 if self._wide else 12
        kinds = self.entries[info::size]
        objects = [number for number, kind in enumerate(kinds) if kind & 15 == c.STT_OBJECT]
        return {self.symbol(number).name for number in objects}

    def functions(self, matches: Callable[[bytes], object]) -> Iterator[Symbol]:
        """The defined functions whose name ``matches`` accepts, in the table's order."""
        text = self.text
        offsets = self.name_offsets()
        for number in self.function_indexes():
            name = text(offsets[number])
            if name and matches(name):
                yield self.symbol(number)


def symbol_tables(elf: ElfFile) -> tuple[SymbolTable, ...]:
    """``.symtab`` and ``.dynsym`` of a file; a file without sections is asked by its segments.

    Raises:
        ElfError: a table, or its strings, are not where the headers say.
    """
    sections = elf.sections
    tables = []
    for kind in (c.SHT_SYMTAB, c.SHT_DYNSYM):
        for section in sections:
            if section.type != kind:
                continue
            size = struct.calcsize(elf.order + c.SYMBOL[elf.bits])
            if section.entry_size not in (0, size):
                raise ElfError(
                    elf.path,
                    f"is corrupt: {section.name} has entries of {section.entry_size} bytes",
                )
            if section.link >= len(sections):
                raise ElfError(elf.path, f"is corrupt: {section.name} has no string table")
            entries = elf.data(section)
            entries = entries[: len(entries) - len(entries) % size]
            strings = elf.data(sections[section.link])
            versions, definitions = b"", (b"", b"")
            if kind == c.SHT_DYNSYM:
                for other in sections:
                    if other.type == c.SHT_GNU_VERSYM:
                        versions = elf.data(other)
                    elif other.type == c.SHT_GNU_VERDEF and other.link < len(sections):
                        definitions = elf.data(other), elf.data(sections[other.link])
            name = ".symtab" if kind == c.SHT_SYMTAB else ".dynsym"
            tables.append(SymbolTable(elf, name, entries, strings, versions, definitions))
            break
    if not sections:
        from prybee.elf.dynamic import dynamic_symbols

        table = dynamic_symbols(elf)
        if table is not None:
            tables.append(table)
    return tuple(tables)
