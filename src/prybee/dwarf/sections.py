"""The debug sections of one file, read piece by piece.

A debug file may have gigabytes. Nothing here reads a whole section unless it is compressed; small
pieces come from blocks of 64 KiB, of which the last few are kept.
"""

from __future__ import annotations

from prybee.diagnostics import PrybeeError
from prybee.elf import ElfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.dwarf.relocations import Relocations
    from prybee.elf import ElfFile
    from prybee.elf.records import Section

_BLOCK = 1 << 16
_BLOCKS_KEPT = 64
_COMPRESSED = 0x800  # SHF_COMPRESSED
_ZLIB = 1  # ELFCOMPRESS_ZLIB
_UNLINKED = "REL"  # ET_REL
_NO_BYTES = 8  # SHT_NOBITS
# Identifiers of C++ templates can be long; beyond this a string has no end.
_LONGEST_STRING = 1 << 20


class DwarfError(PrybeeError):
    """Debug information that cannot be read; ``path`` and ``reason`` say which and why."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: debug information {reason}")


class Sections:
    """Sections by their short name: ``info`` for ``.debug_info``.

    Args:
        elf: the file; it stays the caller's.
        split: take those of a ``.dwo`` or ``.dwp`` file (``.debug_info.dwo``).

    Attributes:
        order: byte order as :mod:`struct` writes it.
        bytes_read: how much was read of the file so far (tests and benchmarks look at it).
    """

    def __init__(self, elf: ElfFile, split: bool = False) -> None:
        self.elf = elf
        self.path = elf.path
        self.order = elf.order
        self.split = split
        self.bytes_read = 0
        self._found: dict[str, Section | None] = {}
        self._unpacked: dict[str, bytes] = {}
        self._blocks: dict[tuple[str, int], bytes] = {}
        self._relocations: dict[str, Relocations | None] = {}

    def _section(self, name: str) -> Section | None:
        if name not in self._found:
            # A package's indexes are named like sections of other files.
            split = self.split and not name.endswith("_index")
            full = f".debug_{name}.dwo" if split else f".debug_{name}"
            try:
                found = self.elf.section(full)
                if found is None:
                    found = self.elf.section(full.replace(".debug", ".zdebug", 1))
            except ElfError as error:
                raise DwarfError(self.path, f"cannot be found: {error.reason}") from None
            if found is not None and (found.type == _NO_BYTES or not found.size):
                found = None
            self._found[name] = found
            if found is not None and (
                found.flags & _COMPRESSED or found.name.startswith(".zdebug")
            ):
                self._unpacked[name] = self._relocated(name, 0, self._unpack(found))
        return self._found[name]

    def has(self, name: str) -> bool:
        """Whether the file has that section, with bytes in it."""
        return self._section(name) is not None

    def size(self, name: str) -> int:
        """Bytes of a section; 0 where there is none."""
        section = self._section(name)
        if section is None:
            return 0
        unpacked = self._unpacked.get(name)
        return section.size if unpacked is None else len(unpacked)

    def read(self, name: str, offset: int, size: int) -> bytes:
        """``size`` bytes at ``offset`` in a section.

        Raises:
            DwarfError: they are not all there.
        """
        if offset < 0 or size < 0 or offset + size > self.size(name):
            raise self.damaged(f"{size:#x} bytes at {offset:#x} of .debug_{name} are not there")
        unpacked = self._unpacked.get(name)
        if unpacked is not None:
            return unpacked[offset : offset + size]
        if size > _BLOCK:
            return self._file(name, offset, size)
        parts = []
        while size > 0:
            number, at = divmod(offset, _BLOCK)
            part = self._block(name, number)[at : at + size]
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def start_of(self, name: str, offset: int, size: int) -> bytes:
        """At most ``size`` bytes at ``offset``: fewer at the section's end."""
        return self.read(name, offset, max(0, min(size, self.size(name) - offset)))

    def peek(self, name: str, offset: int, size: int) -> bytes:
        """As :meth:`start_of`, for places far from each other: nothing around them is read."""
        size = max(0, min(size, self.size(name) - offset))
        if not size or name in self._unpacked or (name, offset // _BLOCK) in self._blocks:
            return self.start_of(name, offset, size)
        return self._file(name, offset, size)

    def text(self, name: str, offset: int) -> str:
        """The NUL-terminated string at ``offset``.

        Raises:
            DwarfError: the offset is outside, or the string has no end.
        """
        parts = b""
        step = 128
        while len(parts) < _LONGEST_STRING:
            more = self.start_of(name, offset + len(parts), step)
            end = more.find(b"\0")
            if end >= 0:
                return (parts + more[:end]).decode("utf-8", "backslashreplace")
            if not more:
                break
            parts += more
            step *= 4
        raise self.damaged(f"the string at {offset:#x} of .debug_{name} has no end")

    def places(self, name: str, wanted: bytes) -> Iterator[int]:
        """Offsets in a section at which ``wanted`` stands."""
        size = self.size(name)
        piece = 1 << 20
        for start in range(0, size, piece):
            data = self.start_of(name, start, piece + len(wanted) - 1)
            at = data.find(wanted)
            while at >= 0:
                yield start + at
                at = data.find(wanted, at + 1)

    def damaged(self, reason: str) -> DwarfError:
        """The error for information that makes no sense."""
        return DwarfError(self.path, f"is damaged: {reason}")

    def _block(self, name: str, number: int) -> bytes:
        key = (name, number)
        block = self._blocks.pop(key, None)
        if block is None:
            start = number * _BLOCK
            block = self._file(name, start, min(_BLOCK, self.size(name) - start))
            if len(self._blocks) >= _BLOCKS_KEPT:
                del self._blocks[next(iter(self._blocks))]
        self._blocks[key] = block  # the last one: dictionaries keep their order
        return block

    def _file(self, name: str, offset: int, size: int) -> bytes:
        section = self._found[name]
        assert section is not None
        self.bytes_read += size
        try:
            data = self.elf.read(section.offset + offset, size, f"section {section.name!r}")
            return self._relocated(name, offset, data)
        except ElfError as error:
            raise DwarfError(self.path, f"cannot be read: {error.reason}") from None

    def _relocated(self, name: str, offset: int, data: bytes) -> bytes:
        """Bytes of a section with the addresses that a linker would put there."""
        if self.elf.type != _UNLINKED:
            return data
        if name not in self._relocations:
            from prybee.dwarf import relocations

            section = self._found[name]
            found = relocations.table(self.elf, section.name) if section is not None else None
            self._relocations[name] = found
        table = self._relocations[name]
        return table.apply(data, offset) if table is not None else data

    def _unpack(self, section: Section) -> bytes:
        """The contents of a compressed section (``gcc -gz``), which cannot be read in parts."""
        import struct
        import zlib

        try:
            data = self.elf.data(section)
        except ElfError as error:
            raise DwarfError(self.path, f"cannot be read: {error.reason}") from None
        self.bytes_read += len(data)
        if section.flags & _COMPRESSED:
            head = struct.Struct(f"{self.order}{'IIQQ' if self.elf.bits == 64 else 'III'}")
            if len(data) < head.size:
                raise self.damaged(f"{section.name} is too short for a compressed section")
            fields = head.unpack_from(data)
            kind, size = fields[0], fields[2] if self.elf.bits == 64 else fields[1]
            if kind != _ZLIB:
                raise DwarfError(
                    self.path,
                    f"is compressed in a way (number {kind}) that cannot be read; "
                    "`objcopy --decompress-debug-sections` makes it plain",
                )
            body = data[head.size :]
        else:  # GNU's older way: "ZLIB" and the size, big-endian
            size = int.from_bytes(data[4:12], "big")
            body = data[12:]
        try:
            unpacked = zlib.decompressobj().decompress(body, size + 1)
        except zlib.error as error:
            raise self.damaged(f"{section.name} cannot be decompressed ({error})") from None
        if len(unpacked) != size:
            raise self.damaged(f"{section.name} has {len(unpacked)} bytes instead of {size}")
        return unpacked
