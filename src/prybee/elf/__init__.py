"""Object files: symbols, addresses, build ids, USDT probes. Own reader, nothing but bytes in.

``ElfFile`` reads what it is asked for and no more: opening a library costs a header and the
program headers; one symbol costs a search through the names.
"""

from prybee.elf.file import ElfFile
from prybee.elf.records import Section, Segment, Symbol, UsdtArgument, UsdtProbe
from prybee.elf.source import ElfError

__all__ = ["ElfError", "ElfFile", "Section", "Segment", "Symbol", "UsdtArgument", "UsdtProbe"]
