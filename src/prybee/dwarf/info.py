"""The debug information of one program: functions, types and lines, each found when asked for."""

from __future__ import annotations

import os
from bisect import bisect_right

from prybee.data import Data
from prybee.dwarf import constants as c
from prybee.dwarf.files import SHARED_FILE, File, place_of
from prybee.dwarf.lines import LineTable, line_table
from prybee.dwarf.ranges import AddressTable, ranges
from prybee.dwarf.sections import DwarfError, Sections
from prybee.dwarf.types import DwarfTypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prybee.dwarf.abbrevs import Abbrev
    from prybee.dwarf.entries import Entry
    from prybee.dwarf.names import Names
    from prybee.dwarf.split import SplitFiles
    from prybee.dwarf.units import Unit
    from prybee.elf import ElfFile


class SourceLine(Data):
    """A function at a line of a source file. ``file`` is "" and ``line`` 0 where that is unknown.

    ``inlined`` tells a function whose code was copied into the one that the next line names.
    """

    function: str
    file: str
    line: int
    column: int = 0
    inlined: bool = False


class Inlined(Data):
    """A copy of an inlined function: where its code starts, and the function that it is in."""

    address: int
    inside: str


class DebugInfo:
    """Debug information of a program or library.

    Args:
        elf: the file that has it: the program's own, or its debug file. It stays the caller's.
        program: path of the program, beside which split units are looked for.
        directories: where they are looked for too.
        cache: as :func:`prybee.btf.cache.cache_directory` takes it.

    Attributes:
        types: the program's types.

    All methods raise :class:`DwarfError` for information that makes no sense.
    """

    def __init__(
        self,
        elf: ElfFile,
        program: str = "",
        directories: Sequence[str] = (),
        cache: str | None = None,
    ) -> None:
        self.path = elf.path
        self._elf = elf
        self._program = program or elf.path
        self._directories = tuple(directories)
        self._cache = cache
        self.main = File(Sections(elf))
        self.types = DwarfTypes(self)
        self._addresses = AddressTable(self.main)
        self._splits: SplitFiles | None = None
        self._shared: File | None = None
        self.main.find_shared = self._find_shared
        self._names: Names | None = None
        self._functions: dict[int, tuple[list[int], list[tuple[int, int, int]]]] = {}
        self._tables: dict[int, LineTable | None] = {}
        self._frames: dict[int, tuple[SourceLine, ...]] = {}
        self._made_from: list[tuple[str, Unit]] | None = None

    @staticmethod
    def inside(elf: ElfFile) -> bool:
        """Whether a file has debug information."""
        return Sections(elf).has("info")

    def __repr__(self) -> str:
        return f"DebugInfo({self.path})"

    def close(self) -> None:
        """Closes the files of split units, and a shared one."""
        if self._shared is not None:
            self._shared.sections.elf.close()
        if self._splits is not None:
            self._splits.close()

    @property
    def bytes_read(self) -> int:
        """How much was read so far."""
        files = [self.main, *(self._splits.files if self._splits is not None else ())]
        if self._shared is not None:
            files.append(self._shared)
        return sum(file.sections.bytes_read for file in files)

    @property
    def missing(self) -> Sequence[str]:
        """Names of split files that were needed and not found."""
        return self._splits.missing if self._splits is not None else ()

    def damaged(self, reason: str) -> DwarfError:
        """The error for information that makes no sense."""
        return self.main.sections.damaged(reason)

    def entry(self, id: int) -> Entry:  # noqa: A002 - what BTF calls it
        """The entry with an id."""
        number, from_types, offset = place_of(id)
        file: File = self.main
        if number == SHARED_FILE:
            file = self._find_shared()
        elif number:
            splits = self._splits
            if splits is None or number > len(splits.files):
                raise self.damaged(f"no file number {number}")
            file = splits.files[number - 1]
        unit = file.unit_at(offset, from_types)
        found = unit.entry(offset - unit.offset)
        if found is None:
            raise unit.damaged(offset - unit.offset)
        return found

    def _find_shared(self) -> File:
        if self._shared is None:
            from prybee.dwarf.shared import open_shared

            self._shared = open_shared(self._elf, self._directories)
        return self._shared

    def whole(self, unit: Unit) -> Unit:
        """The unit with all entries: of a skeleton, the one that was split off."""
        if unit.kind != c.UT_SKELETON and not unit.top.has(c.AT_GNU_DWO_NAME):
            return unit
        if self._splits is None:
            from prybee.dwarf.split import SplitFiles

            self._splits = SplitFiles(self._program, self._directories)
        return self._splits.resolve(unit)

    # -- functions -----------------------------------------------------------------------------

    def function(self, address: int) -> Entry | None:
        """The function that starts at a link-time address; None where none is described."""
        unit = self._addresses.find(address)
        if unit is None:
            return None
        unit = self.whole(unit)
        found = self._function_at(unit, address)
        if found is None or found[0] != address:
            return None
        return unit.entry(found[2])

    def _function_at(self, unit: Unit, address: int) -> tuple[int, int, int] | None:
        """(start, end, place) of the function that covers an address."""
        known = self._functions.get(unit.base)
        if known is None:
            rows = sorted(_functions(unit))
            known = self._functions[unit.base] = [row[0] for row in rows], rows
        starts, rows = known
        at = bisect_right(starts, address) - 1
        while at >= 0:
            if address < rows[at][1]:
                return rows[at]
            # Functions do not overlap, but for pieces that share a start.
            if rows[at][0] != starts[max(0, at - 1)]:
                break
            at -= 1
        return None

    # -- types ---------------------------------------------------------------------------------

    def find_type(self, name: str, tags: Sequence[int], near: Entry | None = None) -> Entry | None:
        """A type by its name; those of the unit of ``near`` come before others."""
        if near is not None:
            for at, abbrev in _toplevel(near.unit, frozenset(tags)):
                if abbrev.tag in tags and not abbrev.has(c.AT_DECLARATION):
                    entry = near.unit.entry(at)
                    if entry is not None and entry.name == name:
                        return entry
        return next(self.named(name, tags), None)

    def named(self, name: str, tags: Sequence[int]) -> Iterator[Entry]:
        """All types (or inlined functions) of a name."""
        from prybee.dwarf.names import hashed

        wanted = name.encode("utf-8", "backslashreplace")
        if self._names is None:
            self._names = self._load_names()
        if self._names is None and not self._mentions(wanted):
            return  # as most types of the kernel that a script names
        names = self._index()
        keys = {hashed(wanted)}
        keys.update(self.main.sections.places("str", wanted + b"\0"))
        for id_ in names.find(sorted(keys), tags):
            try:
                entry = self.entry(id_)
            except DwarfError:
                continue
            if entry.name == name:
                yield entry

    def _sizes(self) -> tuple[int, int]:
        sections = self.main.sections
        return sections.size("info"), sections.size("str")

    def _load_names(self) -> Names | None:
        from prybee.dwarf import cache

        return cache.load(self._elf.build_id, self._sizes(), self._cache)

    def _mentions(self, name: bytes) -> bool:
        """Whether a name is anywhere in the file: to look for it takes less than an index."""
        from prybee.dwarf.shared import has_link

        units = self.main.units()
        if has_link(self._elf) or (units and self.whole(units[0]) is not units[0]):
            return True  # It may be in another file.
        places = self.main.sections.places
        return any(
            next(places(section, name + b"\0"), None) is not None
            for section in ("str", "info", "types")
        )

    def _index(self) -> Names:
        if self._names is None:
            from prybee.dwarf import cache, names
            from prybee.dwarf.shared import has_link

            units = [self.whole(unit) for unit in self.main.units()]
            if has_link(self._elf):
                units += self._find_shared().units()
            self._names = names.make(units)
            if self._splits is None:
                # Ids name files by the order in which they were found.
                cache.save(self._elf.build_id, self._sizes(), self._names, self._cache)
        return self._names

    # -- lines ---------------------------------------------------------------------------------

    def _lines(self, unit: Unit) -> LineTable | None:
        if unit.offset not in self._tables:
            self._tables[unit.offset] = line_table(unit)
        return self._tables[unit.offset]

    def source_files(self, name: str) -> dict[str, list[Unit]]:
        """Source files whose path ends in ``name``, and the units with code of theirs."""
        found: dict[str, list[Unit]] = {}
        for unit in self.main.units():
            if unit.is_types:
                continue
            table = self._lines(unit)
            if table is None:
                continue
            for path in set(table.files.values()):
                if path == name or path.endswith(f"/{name.lstrip('/')}"):
                    found.setdefault(os.path.normpath(path), []).append(unit)
        return found

    def source_names(self) -> set[str]:
        """The source files that units were made from."""
        return {unit.top.name for unit in self.main.units() if not unit.is_types}

    def made_from(self) -> Sequence[tuple[str, Unit]]:
        """The units, with the source file that each was made from (and not those it includes)."""
        if self._made_from is None:
            from prybee.dwarf.sources import files

            self._made_from = list(files(self))
        return self._made_from

    def copy_at(self, address: int) -> tuple[int, ...]:
        """What tells the copies of a line apart: ids of the functions that an address is in,
        those that were inlined behind the one that they are in."""
        unit = self._addresses.find(address)
        if unit is None:
            return (0,)
        unit = self.whole(unit)
        place = self._function_at(unit, address)
        function = unit.entry(place[2]) if place is not None else None
        if function is None:
            return (unit.base,)
        return (function.id, *(entry.id for entry in _inlined_at(function, address)))

    def line_addresses(self, units: Sequence[Unit], path: str) -> Iterator[tuple[int, int, int]]:
        """(line, column, address) of the rows of a source file, in the order of the tables."""
        for unit in units:
            table = self._lines(unit)
            if table is None:
                continue
            numbers = {n for n, each in table.files.items() if os.path.normpath(each) == path}
            for row in table.rows:
                if row.file in numbers and not row.ends:
                    yield row.line, row.column, row.address

    def frames(self, address: int) -> tuple[SourceLine, ...]:
        """The functions that an address is in, innermost first; empty where nothing is known.

        The last one is the function itself; those before it were inlined.
        """
        found = self._frames.get(address)
        if found is None:
            found = self._frames[address] = tuple(self._find_frames(address))
        return found

    def _find_frames(self, address: int) -> list[SourceLine]:
        skeleton = self._addresses.find(address)
        if skeleton is None:
            return []
        table = self._lines(skeleton)
        row = table.at(address) if table is not None else None
        file = table.files.get(row.file, "") if table is not None and row is not None else ""
        line, column = (row.line, row.column) if row is not None else (0, 0)
        unit = self.whole(skeleton)
        place = self._function_at(unit, address)
        function = unit.entry(place[2]) if place is not None else None
        if function is None:
            return [SourceLine("", file, line, column)] if line else []
        frames = []
        for entry in reversed(_inlined_at(function, address)):
            name = _linkage_name(entry)
            frames.append(SourceLine(name, file, line, column, True))
            number = entry.number(c.AT_CALL_FILE)
            file = table.files.get(number or 0, "") if table is not None else ""
            line, column = entry.number(c.AT_CALL_LINE) or 0, 0
        name = _linkage_name(function)
        frames.append(SourceLine(name, file, line, column))
        return frames

    def inlined(self, name: str) -> list[Inlined]:
        """The copies of an inlined function."""
        found = []
        for abstract in self.named(name, (c.SUBPROGRAM,)):
            unit = abstract.unit
            for start, _end, place in sorted(_functions(unit)):
                function = unit.entry(place)
                if function is None:
                    continue
                inside = function.inherited(c.AT_NAME).name
                for entry in _all_inlined(function):
                    origin = entry.reference(c.AT_ABSTRACT_ORIGIN)
                    if origin is not None and origin.id == abstract.id:
                        at = entry.address(c.AT_ENTRY_PC) or start
                        pieces = ranges(entry)
                        if pieces and not any(low <= at < high for low, high in pieces):
                            at = pieces[0][0]
                        found.append(Inlined(at, inside))
        return found


def _linkage_name(function: Entry) -> str:
    """The name that linkers know a function by, or else that in its source."""
    linkage = function.inherited(c.AT_LINKAGE_NAME).text(c.AT_LINKAGE_NAME)
    return linkage or function.inherited(c.AT_NAME).name


def _toplevel(unit: Unit, tags: frozenset[int]) -> Iterator[tuple[int, Abbrev]]:
    """Places and shapes of the entries with some tags right in a unit and in its namespaces."""
    tags |= {c.NAMESPACE}
    top = unit.top
    lists = [top.end] if top.abbrev.children else []
    while lists:
        for at, abbrev in unit.level(lists.pop(), tags):
            if abbrev.tag == c.NAMESPACE and abbrev.children:
                entry = unit.entry(at)
                if entry is not None:
                    lists.append(entry.end)
            else:
                yield at, abbrev


def _functions(unit: Unit) -> Iterator[tuple[int, int, int]]:
    """(start, end, place) of each piece of the functions of a unit."""
    for at, abbrev in _toplevel(unit, frozenset((c.SUBPROGRAM,))):
        if abbrev.tag != c.SUBPROGRAM or not (abbrev.has(c.AT_LOW_PC) or abbrev.has(c.AT_RANGES)):
            continue
        entry = unit.entry(at)
        if entry is not None:
            for start, end in ranges(entry):
                yield start, end, at


def _inlined_at(function: Entry, address: int) -> list[Entry]:
    """The inlined functions that cover an address, outermost first."""
    found: list[Entry] = []
    where: Entry | None = function
    while where is not None and len(found) < 256:
        inner = None
        for entry in where.children():
            if entry.tag not in (c.INLINED_SUBROUTINE, c.LEXICAL_BLOCK):
                continue
            pieces = ranges(entry)
            if any(start <= address < end for start, end in pieces) or (
                not pieces and entry.tag == c.LEXICAL_BLOCK and _inlined_at(entry, address)
            ):
                inner = entry
                break
        if inner is not None and inner.tag == c.INLINED_SUBROUTINE:
            found.append(inner)
        where = inner
    return found


def _all_inlined(where: Entry, depth: int = 0) -> Iterator[Entry]:
    """All copies of other functions in a function."""
    for entry in where.children():
        if entry.tag == c.INLINED_SUBROUTINE:
            yield entry
        if entry.tag in (c.INLINED_SUBROUTINE, c.LEXICAL_BLOCK) and depth < 64:
            yield from _all_inlined(entry, depth + 1)
