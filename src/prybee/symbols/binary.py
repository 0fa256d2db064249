"""A mapped file and its names."""

from __future__ import annotations

from prybee.elf import ElfError, ElfFile
from prybee.symbols import debug_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Binary:
    """Names of one file's addresses, each found once.

    The file stays open until its symbols have been read (or forever readable when it came from
    memory): it may be deleted, or its process gone, by the time a name is wanted.
    """

    def __init__(
        self,
        elf: ElfFile,
        folder: str = "",
        root: str = "",
        directories: Sequence[str] = debug_files.DEBUG_DIRECTORIES,
        demangle: bool = True,
    ) -> None:
        self.elf = elf
        self._folder = folder
        self._root = root
        self._directories = directories
        self._demangle = demangle
        self._names: dict[int, tuple[str, int] | None] = {}
        self._tables: list[ElfFile] | None = None
        try:
            self.build_id = elf.build_id
        except ElfError:
            self.build_id = b""

    def close(self) -> None:
        """Closes the file."""
        self.elf.close()
        for table in self._tables or ():
            table.close()

    def _load(self) -> list[ElfFile]:
        """Files to ask, best first. A damaged table is as none: the other file may have names."""
        elf = self.elf
        tables = [elf]
        try:
            if not elf.has_symtab:
                debug = debug_files.find(elf, self._folder, self._directories, self._root)
                if debug is not None:
                    tables.insert(0, debug)
        except ElfError:
            pass
        usable = []
        for table in tables:
            try:
                table.function_at(0)  # builds the table
                usable.append(table)
            except ElfError:
                pass
            table.close()
        self._root = ""  # It may be held open for us.
        return usable

    def name(self, address: int) -> tuple[str, int] | None:
        """(function, offset in bytes) of a link-time address."""
        names = self._names
        if address in names:
            return names[address]
        if self._tables is None:
            try:
                elf = self.elf
                _ = elf.segments
            except ElfError:
                self._tables = []
            else:
                self._tables = self._load()
        result = None
        for table in self._tables:
            found = table.function_at(address)
            if found is not None:
                symbol, offset = found
                name = symbol.name
                if self._demangle and name[:2] in ("_Z", "_R", "__"):
                    from prybee.symbols.demangling import demangle

                    name = demangle(name)
                result = name, offset
                break
        names[address] = result
        return result

    def name_at_offset(self, offset: int) -> tuple[str, int] | None:
        """(function, offset in bytes) of a file offset."""
        try:
            address = self.elf.virtual_address(offset)
        except ElfError:
            return None
        return None if address is None else self.name(address)
