"""USDT probes: the notes that SystemTap's ``<sys/sdt.h>`` macros leave in ``.note.stapsdt``.

The format is SystemTap's (https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation):
owner "stapsdt", type 3, three words (address of the place, link-time address of
``.stapsdt.base``, address of the semaphore or 0) and three strings (provider, name, arguments).
prelink moves a file's addresses without touching the notes; the distance between the noted and
the actual base says by how much.
"""

from __future__ import annotations

import struct

from prybee.elf import constants as c
from prybee.elf.notes import notes
from prybee.elf.operands import OperandError, parse_arguments
from prybee.elf.records import UsdtProbe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.elf.file import ElfFile
    from prybee.elf.records import UsdtArgument


def usdt_probes(elf: ElfFile) -> tuple[UsdtProbe, ...]:
    """All probe places of a file, in the order of its notes.

    Places that lie in no segment are left out: nothing can be attached there.

    Raises:
        ElfError: a section is not where its header says.
    """
    words = struct.Struct(elf.order + ("QQQ" if elf.bits == 64 else "III"))
    limit = (1 << elf.bits) - 1
    base_section = elf.section(".stapsdt.base")
    parsed: dict[bytes, tuple[tuple[UsdtArgument, ...] | None, str]] = {}
    probes = []
    for section in elf.sections:
        if section.type != c.SHT_NOTE or section.name != ".note.stapsdt":
            continue
        for owner, kind, content in notes(elf.data(section), elf.order, section.align):
            if owner != b"stapsdt" or kind != c.NT_STAPSDT or len(content) < words.size:
                continue
            place, base, semaphore = words.unpack_from(content)
            moved = base_section.address - base if base_section is not None and base else 0
            address = (place + moved) & limit
            offset = elf.file_offset(address)
            strings = content[words.size :].split(b"\0")
            if offset is None or len(strings) < 2:
                continue
            specification = strings[2] if len(strings) > 2 else b""
            if specification not in parsed:
                text = specification.decode("utf-8", "backslashreplace")
                try:
                    written = parse_arguments(text, elf.machine)
                    parsed[specification] = tuple(_placed(elf, each) for each in written), ""
                except OperandError as error:
                    parsed[specification] = None, str(error)
            arguments, problem = parsed[specification]
            probes.append(
                UsdtProbe(
                    strings[0].decode("utf-8", "backslashreplace"),
                    strings[1].decode("utf-8", "backslashreplace"),
                    offset,
                    elf.file_offset((semaphore + moved) & limit) or 0 if semaphore else 0,
                    arguments,
                    address,
                    specification.decode("utf-8", "backslashreplace"),
                    problem,
                )
            )
    return tuple(probes)


def _placed(elf: ElfFile, argument: UsdtArgument) -> UsdtArgument:
    """An argument whose symbol, where it has one, has become its address.

    Raises:
        OperandError: the file does not tell where the symbol is.
    """
    if not argument.symbol:
        return argument
    found = {symbol.value for symbol in elf.symbols(argument.symbol)}
    if len(found) != 1:
        problem = "is not unique" if found else "is not in the file's symbol table (stripped?)"
        raise OperandError(f"the address of '{argument.symbol}' {problem}")
    return argument.replace(symbol="", value=found.pop() + argument.value)
