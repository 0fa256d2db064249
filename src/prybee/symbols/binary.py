"""A mapped file and its names."""

from __future__ import annotations

from prybee.elf import ElfError, ElfFile
from prybee.symbols import debug_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.dwarf import SourceLine
    from prybee.symbols.debug_info import DebugFile


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
        program: str = "",
    ) -> None:
        """
        Args:
            elf: the file.
            folder: the directory that it is in, as its process sees it.
            root: the process's root directory, "" for ours.
            directories: where separate debug files are looked for.
            demangle: show C++ and Rust names as their source has them.
            program: the file's path, where :meth:`source` will be asked for; it keeps the file
                with debug information open.
        """
        self.elf = elf
        self._program = program
        self._debug: DebugFile | None = None
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
        if self._debug is not None:
            self._debug.close()
        for table in self._tables or ():
            table.close()

    def _load(self) -> list[ElfFile]:
        """Files to ask, best first. A damaged table is as none: the other file may have names."""
        elf = self.elf
        tables = [elf]
        if self._program:
            from prybee.symbols import debug_info

            self._debug = debug_info.find(elf, self._program, self._directories, self._root)
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
            if self._debug is None or table is not elf:
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
                result = self._readable(symbol.name), offset
                break
        names[address] = result
        return result

    def source(self, address: int) -> tuple[str, tuple[tuple[str, str], ...]]:
        """``folder/file:line`` of a link-time address, and the functions inlined there.

        Each of these has its own such place; "" where nothing is known.
        """
        if self._tables is None:
            self.name(address)
        if self._debug is None:
            return "", ()
        from prybee.dwarf import DwarfError

        try:
            lines = self._debug.info.frames(address)
        except (DwarfError, ElfError):
            return "", ()
        if not lines:
            return "", ()
        inlined = tuple((self._readable(line.function), _place(line)) for line in lines[:-1])
        return _place(lines[-1]), inlined

    def _readable(self, name: str) -> str:
        if self._demangle and name[:2] in ("_Z", "_R", "__"):
            from prybee.symbols.demangling import demangle

            return demangle(name)
        return name

    def name_at_offset(self, offset: int) -> tuple[str, int] | None:
        """(function, offset in bytes) of a file offset."""
        try:
            address = self.elf.virtual_address(offset)
        except ElfError:
            return None
        return None if address is None else self.name(address)


def _place(line: SourceLine) -> str:
    if not line.file or not line.line:
        return ""
    from os.path import normpath

    return f"{normpath(line.file)}:{line.line}"
