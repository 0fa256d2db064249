"""The object file: header, segments, sections, and the way to everything else in it."""

from __future__ import annotations

import struct

from prybee.elf import constants as c
from prybee.elf.records import Section, Segment
from prybee.elf.source import ElfError, Source
from prybee.elf.symbols import SymbolTable
from prybee.machines import ELF_MACHINES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from mmap import mmap
    from typing import Self

    from prybee.elf.functions import FunctionTable
    from prybee.elf.records import Symbol, UsdtProbe


class ElfFile:
    """An object file, 32 or 64 bits, of either byte order.

    Opening reads the header; every table is read when it is first asked for and kept.  Errors of
    the file's structure are :class:`ElfError` at the call that meets them.

    Attributes:
        path: the name for messages.
        machine: as uname(2) says it ("x86_64", "aarch64", "i386" …), or "machine N".
        type: "EXEC" (fixed addresses), "DYN" (library or PIE), "REL" or "CORE".
        bits: 32 or 64.
        byte_order: "little" or "big".
        entry: address of the first instruction.
        container: the file that holds it: ``path``, or the archive that it is a member of.
        start: where in that file it begins, in bytes; 0 but for members of archives.
        supplement: finds the file that the symbols of a stripped one went to, opened; asked at
            most once, when names are wanted that this file does not have.  None: there is none.
    """

    def __init__(self, data: bytes | bytearray | memoryview | mmap, path: str = "") -> None:
        """Reads an object file that is in memory.

        Args:
            data: all its bytes.
            path: the name for messages.

        Raises:
            ElfError: it is not an object file, or its header is damaged.
        """
        whole = data if isinstance(data, bytes) else bytes(data)
        self._start(Source(whole, -1, len(whole), path or "<memory>"))

    @classmethod
    def open(cls, path: str) -> Self:
        """Opens the object file at ``path``; close it, or use it in a ``with``.

        ``ARCHIVE!/MEMBER`` is a member that a zip file stores without compression.

        Raises:
            ElfError: it cannot be opened, is not an object file, or its header is damaged.
        """
        source = Source.open(path)
        self = cls.__new__(cls)
        try:
            self._start(source)
        except ElfError:
            source.close()
            raise
        return self

    def _start(self, source: Source) -> None:
        self._source = source
        self.path = source.path
        self.start = source.start
        self.container = self.path.partition("!/")[0] if source.start else self.path
        head = source.read(0, min(64, source.size), "header")
        if head[:4] != b"\x7fELF":
            what = "is empty" if not head else "is not an ELF file"
            if head[:2] == b"#!":
                what += ": it is a script"
            raise ElfError(self.path, what)
        if len(head) < 52:
            raise ElfError(self.path, "is truncated: the header is not complete")
        bits = {1: 32, 2: 64}.get(head[4])
        order = {1: "<", 2: ">"}.get(head[5])
        if bits is None or order is None:
            raise ElfError(
                self.path, f"has an unknown word size or byte order ({head[4]}, {head[5]})"
            )
        layout = struct.Struct(order + c.HEADER[bits])
        if len(head) < 16 + layout.size:
            raise ElfError(self.path, "is truncated: the header is not complete")
        (
            file_type,
            machine,
            _version,
            self.entry,
            self._segments_at,
            self._sections_at,
            _flags,
            _size,
            self._segment_size,
            self._segment_count,
            self._section_size,
            self._section_count,
            self._section_names,
        ) = layout.unpack_from(head, 16)
        self.bits = bits
        self.byte_order = "little" if order == "<" else "big"
        self.order = order
        self.type = c.FILE_TYPES.get(file_type, f"type {file_type}")
        self.machine = ELF_MACHINES.get(machine, f"machine {machine}")
        if bits == 32 and self.machine == "riscv64":
            self.machine = "riscv32"
        self._segments: tuple[Segment, ...] | None = None
        self._sections: tuple[Section, ...] | None = None
        self._tables: tuple[SymbolTable, ...] | None = None
        self.supplement: Callable[[], ElfFile | None] | None = None
        self._further: tuple[SymbolTable, ...] | None = None
        self._functions: FunctionTable | None = None
        self._build_id: bytes | None = None
        self._loads: list[Segment] | None = None
        self._probes: tuple[UsdtProbe, ...] | None = None

    def __repr__(self) -> str:
        return f"ElfFile({self.path!r}, {self.machine}, {self.type}, {self.bits} bits)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file. What has been read stays usable; what has not raises ElfError."""
        self._source.close()

    # ------------------------------------------------------------------ segments and sections

    def read(self, offset: int, size: int, what: str = "data") -> bytes:
        """``size`` bytes at file offset ``offset``; ``what`` names them in the error.

        Raises:
            ElfError: they are not all in the file.
        """
        return self._source.read(offset, size, what)

    def data(self, section: Section) -> bytes:
        """The bytes of a section; none for one without (``.bss``, or stripped to a debug file).

        Raises:
            ElfError: they are not all in the file.
        """
        if section.type == c.SHT_NOBITS:
            return b""
        return self._source.read(section.offset, section.size, f"section {section.name!r}")

    def _section_zero(self) -> tuple[int, ...]:
        layout = struct.Struct(self.order + c.SECTION_HEADER[self.bits])
        return layout.unpack(self._source.read(self._sections_at, layout.size, "section header"))

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The program headers, in the file's order."""
        if self._segments is None:
            count = self._segment_count
            if count == c.PN_XNUM and self._sections_at:
                count = self._section_zero()[7]
            layout = struct.Struct(self.order + c.PROGRAM_HEADER[self.bits])
            table = self._records(self._segments_at, self._segment_size, count, layout, "program")
            if self.bits == 64:
                self._segments = tuple(
                    Segment(kind, flags, offset, address, in_file, in_memory, align)
                    for kind, flags, offset, address, _, in_file, in_memory, align in table
                )
            else:
                self._segments = tuple(
                    Segment(kind, flags, offset, address, in_file, in_memory, align)
                    for kind, offset, address, _, in_file, in_memory, flags, align in table
                )
        return self._segments

    @property
    def sections(self) -> tuple[Section, ...]:
        """The section headers, in the file's order, number 0 included; none in a stripped image."""
        if self._sections is None:
            count, names_index = self._section_count, self._section_names
            if self._sections_at == 0:
                count = 0
            elif count == 0 or names_index == c.SHN_XINDEX:
                zero = self._section_zero()
                count = count or zero[5]
                if names_index == c.SHN_XINDEX:
                    names_index = zero[6]
            layout = struct.Struct(self.order + c.SECTION_HEADER[self.bits])
            rows = list(
                self._records(self._sections_at, self._section_size, count, layout, "section")
            )
            names = b""
            if 0 < names_index < len(rows) and rows[names_index][1] != c.SHT_NOBITS:
                row = rows[names_index]
                names = self._source.read(row[4], row[5], "section names")
            self._sections = tuple(Section(_text(names, row[0]), *row[1:]) for row in rows)
        return self._sections

    def _records(
        self, offset: int, size: int, count: int, layout: struct.Struct, what: str
    ) -> Iterator[tuple[int, ...]]:
        """``count`` records of ``size`` bytes, of which ``layout`` covers the first part."""
        if count == 0:
            return iter(())
        if size < layout.size:
            raise ElfError(
                self.path, f"is corrupt: {what} headers of {size} bytes, not {layout.size}"
            )
        data = self._source.read(offset, size * count, f"{what} headers")
        if size == layout.size:
            return layout.iter_unpack(data)
        return (layout.unpack_from(data, at) for at in range(0, size * count, size))

    def section(self, name: str) -> Section | None:
        """The first section of that name."""
        for section in self.sections:
            if section.name == name:
                return section
        return None

    @property
    def interpreter(self) -> str:
        """Path of the dynamic loader; "" for a static program or a library."""
        for segment in self.segments:
            if segment.type == c.PT_INTERP:
                data = self._source.read(segment.offset, segment.file_size, "interpreter")
                return data.split(b"\0")[0].decode("utf-8", "backslashreplace")
        return ""

    # ------------------------------------------------------------------ addresses

    def _load_segments(self) -> list[Segment]:
        """What is mapped, executable parts first: they win where mappings share a page."""
        if self._loads is None:
            self._loads = sorted(
                (s for s in self.segments if s.type == c.PT_LOAD),
                key=lambda segment: not segment.flags & c.PF_X,
            )
        return self._loads

    def file_offset(self, address: int) -> int | None:
        """File offset of a link-time address; None where the file has no byte for it."""
        for segment in self._load_segments():
            distance = address - segment.address
            if 0 <= distance < segment.file_size:
                return segment.offset + distance
        return None

    def virtual_address(self, offset: int) -> int | None:
        """Link-time address of a file offset; None where that byte is not mapped."""
        for segment in self._load_segments():
            distance = offset - segment.offset
            if 0 <= distance < segment.file_size:
                return segment.address + distance
        return None

    # ------------------------------------------------------------------ identity

    @property
    def build_id(self) -> bytes:
        """The build id (usually 20 bytes); empty where there is none."""
        if self._build_id is None:
            self._build_id = self._find_build_id()
        return self._build_id

    def _find_build_id(self) -> bytes:
        from prybee.elf.notes import notes

        for segment in self.segments:
            if segment.type == c.PT_NOTE:
                try:
                    data = self._source.read(segment.offset, segment.file_size, "notes")
                except ElfError:
                    continue  # a debug file keeps the headers of segments it no longer has
                for owner, kind, content in notes(data, self.order, segment.align):
                    if owner == b"GNU" and kind == c.NT_GNU_BUILD_ID and content:
                        return content
        section = self.section(".note.gnu.build-id")
        if section is not None:
            for owner, kind, content in notes(self.data(section), self.order, section.align):
                if owner == b"GNU" and kind == c.NT_GNU_BUILD_ID:
                    return content
        return b""

    @property
    def debuglink(self) -> tuple[str, int] | None:
        """Name and CRC-32 of the separate debug file, from ``.gnu_debuglink``."""
        section = self.section(".gnu_debuglink")
        if section is None:
            return None
        data = self.data(section)
        name = data.split(b"\0")[0]
        at = (len(name) + 4) & ~3
        if not name or len(data) < at + 4:
            return None
        crc: int = struct.unpack_from(self.order + "I", data, at)[0]
        return name.decode("utf-8", "surrogateescape"), crc

    # ------------------------------------------------------------------ symbols

    @property
    def symbol_tables(self) -> tuple[SymbolTable, ...]:
        """``.symtab`` and ``.dynsym``, in this order, those that there are."""
        if self._tables is None:
            from prybee.elf.symbols import symbol_tables

            self._tables = symbol_tables(self)
        return self._tables

    @property
    def has_symtab(self) -> bool:
        """Whether the full symbol table is there (the file was not stripped)."""
        return any(table.name == ".symtab" for table in self.symbol_tables)

    @property
    def further_tables(self) -> tuple[SymbolTable, ...]:
        """``.symtab`` of the :attr:`supplement`, where this file has none itself."""
        if self._further is None:
            self._further = ()
            other = self.supplement() if self.supplement and not self.has_symtab else None
            if other is not None:
                try:
                    self._further = tuple(t for t in other.symbol_tables if t.name == ".symtab")
                except ElfError:
                    pass  # A damaged one is as none.
                other.close()
        return self._further

    @property
    def _all_tables(self) -> tuple[SymbolTable, ...]:
        return self.further_tables + self.symbol_tables

    def symbols(self, name: str) -> list[Symbol]:
        """The defined symbols of that name: functions first, default versions first.

        ``name`` may carry a version: ``memcpy@@GLIBC_2.14`` (the default one) or
        ``memcpy@GLIBC_2.2.5`` (that version, default or not).

        Raises:
            ElfError: a table is damaged.
        """
        base, _, version = name.partition("@")
        default_only = version.startswith("@")
        version = version.removeprefix("@")
        return self._named(base, version, default_only, self.symbol_tables) or (
            self._named(base, version, default_only, self.further_tables)
        )

    def _named(
        self, base: str, version: str, default_only: bool, tables: tuple[SymbolTable, ...]
    ) -> list[Symbol]:
        found: list[Symbol] = []
        for table in tables:
            for symbol in table.find(base):
                if version and (symbol.version != version or (default_only and not symbol.default)):
                    continue
                # .dynsym repeats what .symtab has; its entries alone know the versions.
                for at, other in enumerate(found):
                    if symbol.value == other.value and symbol.kind == other.kind:
                        if symbol.version and not other.version:
                            found[at] = symbol
                        break
                else:
                    found.append(symbol)
        found.sort(key=lambda symbol: (not symbol.is_function, not symbol.default))
        return found

    def function_names(self) -> list[str]:
        """The names of all defined functions, sorted, each once, without versions."""
        names: set[bytes] = set()
        for table in self._all_tables:
            names.update(table.function_names())
        return sorted(name.decode("utf-8", "backslashreplace") for name in names)

    def variable_names(self) -> list[str]:
        """The names of all variables, sorted, each once."""
        return sorted({name for table in self._all_tables for name in table.variable_names()})

    def match(self, pattern: str) -> list[Symbol]:
        """The defined functions whose name matches a glob (``*``, ``?``, ``[…]``), by name.

        Each (name, address) once; of a name with several versions, the default one.
        """
        from fnmatch import translate
        from re import compile as compile_pattern

        # "." has to match bytes that are no characters, so the pattern is one of bytes.
        matches = compile_pattern(translate(pattern).encode()).match
        found: dict[tuple[str, int], Symbol] = {}
        old: dict[str, Symbol] = {}
        for table in self._all_tables:
            for symbol in table.functions(matches):
                if symbol.default:
                    found.setdefault((symbol.name, symbol.value), symbol)
                else:
                    old.setdefault(symbol.name, symbol)
        for name in old.keys() - {name for name, _ in found}:
            found[name, old[name].value] = old[name]
        return [found[key] for key in sorted(found)]

    def function_at(self, address: int) -> tuple[Symbol, int] | None:
        """The function that covers a link-time address, and the offset into it in bytes.

        Of several names for one function the one is taken that a reader knows best: fewest
        leading underscores, then global before weak before local, then the shortest.
        """
        table = self._by_address()
        return table.at(address) if table is not None else None

    def functions_in(self, places: Iterable[tuple[int, int]]) -> list[Symbol]:
        """The functions that start in one of several (start, end) of link-time addresses."""
        table = self._by_address()
        if table is None:
            return []
        return [symbol for start, end in places for symbol in table.starting_in(start, end)]

    def _by_address(self) -> FunctionTable | None:
        """The functions of the first table that has some; None without tables."""
        if self._functions is None:
            from prybee.elf.functions import FunctionTable

            for table in self._all_tables:
                self._functions = FunctionTable(self, table)
                if len(self._functions):
                    break
        return self._functions

    # ------------------------------------------------------------------ USDT

    def usdt_probes(self) -> tuple[UsdtProbe, ...]:
        """The statically defined probes of ``.note.stapsdt``, in the file's order.

        One probe has an entry for each place where it is compiled in.

        Raises:
            ElfError: the notes are damaged.
        """
        if self._probes is None:
            from prybee.elf.usdt import usdt_probes

            self._probes = usdt_probes(self)
        return self._probes


def _text(strings: bytes, at: int) -> str:
    """The NUL-terminated string at an offset; "" beyond the end."""
    end = strings.find(b"\0", at)
    return strings[at : end if end >= 0 else len(strings)].decode("utf-8", "backslashreplace")
