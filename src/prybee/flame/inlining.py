"""Functions that were inlined at an address of a program, out of its debug information."""

from __future__ import annotations

import os

from prybee.elf import ElfError, ElfFile
from prybee.symbols.binary import Binary
from prybee.symbols.debug_files import DEBUG_DIRECTORIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Inlining:
    """Programs' debug information, each file's read once.

    Args:
        directories: where separate debug files are looked for.
    """

    def __init__(self, directories: Sequence[str] = DEBUG_DIRECTORIES) -> None:
        self._directories = directories
        self._binaries: dict[str, Binary | None] = {}

    def close(self) -> None:
        """Closes all files."""
        for binary in self._binaries.values():
            if binary is not None:
                binary.close()
        self._binaries.clear()

    def functions(
        self, path: str, address: int, symbol: str, offset: int | None, back: int = 0
    ) -> list[tuple[str, str]]:
        """The function at an address, then what was inlined there, the innermost last.

        Args:
            path: of the program or library.
            address: as a tracer tells it: in the file's own addresses, or its place in the file.
            symbol: the function's name as the tracer has it.
            offset: of the address in the function; None if it is not known.
            back: bytes in front of the address where the code lies that led there.

        Returns:
            (name, ``file:line``) of each; the place is empty where it is not known. Nothing if
            nothing is known.
        """
        binary = self._binary(path)
        if binary is None:
            return []
        linked = _linked(binary, address, symbol, offset)
        if linked is None:
            return []
        place, inlined = binary.source(linked - back)
        if not place and not inlined:
            return []
        return [(symbol, place), *reversed(inlined)]

    def _binary(self, path: str) -> Binary | None:
        if path not in self._binaries:
            found = None
            if path.startswith("/"):
                folder = os.path.dirname(path)
                try:
                    elf = ElfFile.open(path)
                    found = Binary(elf, folder, directories=self._directories, program=path)
                except (OSError, ElfError):
                    pass
            self._binaries[path] = found
        return self._binaries[path]


def _linked(binary: Binary, address: int, symbol: str, offset: int | None) -> int | None:
    """The address that the program was linked for."""
    try:
        if offset is not None:
            for each in binary.elf.symbols(symbol):
                return each.value + offset
        for one in (address, binary.elf.virtual_address(address)):
            named = binary.name(one) if one is not None else None
            if named is not None and named[0] == symbol and offset in (None, named[1]):
                return one
        return address if binary.elf.type == "EXEC" else None
    except ElfError:
        return None
