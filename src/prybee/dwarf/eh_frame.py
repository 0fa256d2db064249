"""``.eh_frame``: the call frame information that programs carry for their exceptions.

Nearly every program has it, stripped or not, because the C++ runtime and ``backtrace(3)`` read it.
``.eh_frame_hdr`` has a table of the functions, sorted by address, so that what is not asked for is
not read (Linux Standard Base Core 5.0, 10.6).
"""

from __future__ import annotations

import struct
from bisect import bisect_right

from prybee.dwarf.call_frames import MACHINES, Common
from prybee.dwarf.leb128 import sleb, uleb
from prybee.dwarf.sections import DwarfError
from prybee.elf import ElfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prybee.dwarf.call_frames import Row
    from prybee.elf import ElfFile

_PT_GNU_EH_FRAME = 0x6474E550
_PT_LOAD = 1

# DW_EH_PE_*: how an address is written (LSB Core, 10.5).
_OMIT = 0xFF
_INDIRECT = 0x80
_PCREL, _DATAREL = 0x10, 0x30
_TABLE = _DATAREL | 0x0B  # what all linkers write: distances from the header, s32
_FORMATS = {0x00: "Q", 0x02: "H", 0x03: "I", 0x04: "Q", 0x0A: "h", 0x0B: "i", 0x0C: "q"}


class Function:
    """One description: the code in [start, end), in link-time addresses, and its rows."""

    __slots__ = ("_code", "common", "end", "start")

    def __init__(self, start: int, end: int, common: Common, code: bytes) -> None:
        self.start = start
        self.end = end
        self.common = common
        self._code = code

    def rows(self) -> list[Row]:
        """What holds from which distance from ``start`` on.

        Raises:
            DwarfError: the description is damaged.
        """
        return self.common.run(self._code)


class EhFrame:
    """The descriptions of one file; read when they are asked for.

    Args:
        elf: the file, which has to be open while this is in use.

    Raises:
        DwarfError: its machine is not known here, or its tables are damaged.
    """

    def __init__(self, elf: ElfFile) -> None:
        self.path = elf.path
        machine = MACHINES.get(elf.machine)
        if machine is None or elf.bits != 64 or elf.byte_order != "little":
            raise DwarfError(self.path, f"of call frames is not read for {elf.machine}")
        self.machine = machine
        self._common: dict[int, Common | None] = {}
        # Addresses of functions, ascending, and where in the section their descriptions are.
        self.starts: Sequence[int] = ()
        self._places: Sequence[int] = ()
        # What is added to both.
        self._base = 0
        try:
            self._address, self._data = self._read(elf)
            if not self.starts:
                self._scan()
        except ElfError as error:
            raise DwarfError(self.path, f"cannot be read: {error.reason}") from None
        except (struct.error, IndexError):
            raise self._damaged("the table of functions ends within") from None

    def __len__(self) -> int:
        return len(self.starts)

    def _damaged(self, reason: str) -> DwarfError:
        return DwarfError(self.path, f"is damaged: {reason}")

    # -- finding -------------------------------------------------------------------------------

    def _read(self, elf: ElfFile) -> tuple[int, bytes]:
        """The section's address and bytes; takes over the header's table where there is one."""
        for segment in elf.segments:
            if segment.type == _PT_GNU_EH_FRAME and segment.file_size >= 12:
                header = elf.read(segment.offset, segment.file_size, "eh_frame_hdr")
                address = self._header(header, segment.address)
                break
        else:
            address = 0
        section = elf.section(".eh_frame")
        if section is not None and section.address == (address or section.address):
            return section.address, elf.data(section)
        if not address:
            return 0, b""
        # Without section headers: up to the end of what is mapped there.
        for segment in elf.segments:
            distance = address - segment.address
            if segment.type == _PT_LOAD and 0 <= distance < segment.file_size:
                size = segment.file_size - distance
                return address, elf.read(segment.offset + distance, size, "eh_frame")
        raise self._damaged("the call frames are not in the file")

    def _header(self, header: bytes, address: int) -> int:
        version, where, counted, table = header[:4]
        if version != 1:
            raise self._damaged(f"an eh_frame_hdr of version {version}")
        frames, at = _pointer(header, 4, where, address + 4, address)
        if counted == _OMIT or table != _TABLE:
            return frames
        count, at = _pointer(header, at, counted, address + at, address)
        if at + 8 * count > len(header):
            raise self._damaged("the table of functions ends within")
        pairs = memoryview(header[at : at + 8 * count]).cast("i")
        self.starts, self._places = pairs[::2], pairs[1::2]
        self._base = address
        return frames

    def _scan(self) -> None:
        """Finds the functions by reading all descriptions."""
        found = []
        at = 0
        data = self._data
        while at + 4 <= len(data):
            # An entry of no bytes is a terminator, of which files put together may have several.
            begin, end = self._extent(at)
            if begin < end and int.from_bytes(data[begin : begin + 4], "little"):
                function = self._function(at)
                if function is not None:
                    found.append((function.start, at + self._address))
            at = end
        found.sort()
        self._base = 0
        self.starts = [start for start, _ in found]
        self._places = [place for _, place in found]

    # -- questions -----------------------------------------------------------------------------

    def functions(self, start: int = 0, end: int = 1 << 64) -> Iterator[Function]:
        """The functions that have code in [start, end), ascending. Damaged ones are left out."""
        base = self._base
        # Functions do not overlap: at most the one in front reaches into the range.
        first = max(0, bisect_right(self.starts, start - base) - 1)
        for index in range(first, len(self.starts)):
            if self.starts[index] + base >= end:
                return
            try:
                function = self._function(self._places[index] + base - self._address)
            except (DwarfError, IndexError, struct.error):
                continue
            if function is not None and function.end > start:
                yield function

    def _function(self, at: int) -> Function | None:
        """The description at a place of the section; None where it describes nothing."""
        data = self._data
        if not 0 <= at < len(data):
            raise self._damaged(f"a description at {at:#x}, outside")
        at, end = self._extent(at)
        if end > len(data):
            raise self._damaged("a description ends outside")
        back = int.from_bytes(data[at : at + 4], "little")
        common = self._find_common(at - back)
        if common is None:
            return None
        at += 4
        encoding = common.encoding
        start, at = _pointer(data, at, encoding, self._address + at, 0)
        length, at = _pointer(data, at, encoding & 0x07, 0, 0)
        if common.augmented:
            size, at = uleb(data, at)
            at += size
        if not start or not length:  # of a function that the linker left out
            return None
        return Function(start, start + length, common, data[at:end])

    def _extent(self, at: int) -> tuple[int, int]:
        """Where an entry's bytes begin, behind their number, and where they end."""
        size = int.from_bytes(self._data[at : at + 4], "little")
        at += 4
        if size == 0xFFFFFFFF:
            size = int.from_bytes(self._data[at : at + 8], "little")
            at += 8
        return at, at + size

    def _find_common(self, at: int) -> Common | None:
        if at not in self._common:
            self._common[at] = self._read_common(at)
        return self._common[at]

    def _read_common(self, at: int) -> Common | None:
        data = self._data
        if not 0 <= at < len(data):
            raise self._damaged(f"a common description at {at:#x}, outside")
        at, end = self._extent(at)
        version = data[at + 4]
        if int.from_bytes(data[at : at + 4], "little") or version not in (1, 3, 4):
            raise self._damaged(f"a common description of version {version}")
        stop = data.index(b"\0", at + 5)
        augmentation = data[at + 5 : stop].decode("ascii", "replace")
        at = stop + 1
        if version == 4:
            at += 2
        code, at = uleb(data, at)
        factor, at = sleb(data, at)
        if version == 1:
            at += 1
        else:
            _, at = uleb(data, at)
        encoding = 0
        augmented = augmentation.startswith("z")
        if augmented:
            size, at = uleb(data, at)
            inside, at = at, at + size
            for letter in augmentation[1:]:
                if letter == "R":
                    encoding = data[inside]
                    inside += 1
                elif letter == "P":
                    _, inside = _pointer(data, inside + 1, data[inside] & 0x0F, 0, 0)
                elif letter == "L":
                    inside += 1
        elif augmentation:
            return None  # "eh" of GCC 2
        return Common(
            code, factor, encoding, augmented, "S" in augmentation, data[at:end], self.machine
        )


def _pointer(data: bytes, at: int, encoding: int, here: int, header: int) -> tuple[int, int]:
    """An encoded address and where it ends; ``here`` is the address that it is written at."""
    how = encoding & 0x0F
    if how in (0x01, 0x09):
        value, at = uleb(data, at) if how == 0x01 else sleb(data, at)
    else:
        code = _FORMATS.get(how)
        if code is None or encoding & _INDIRECT:
            raise DwarfError("", f"has an encoding of addresses that is not known: {encoding:#x}")
        (value,) = struct.unpack_from("<" + code, data, at)
        at += struct.calcsize("<" + code)
    relative = encoding & 0x70
    if relative == _PCREL:
        value += here
    elif relative == _DATAREL:
        value += header
    elif relative:
        raise DwarfError("", f"has an encoding of addresses that is not known: {encoding:#x}")
    return value & (1 << 64) - 1, at
