"""Split DWARF: units whose entries are in a ``.dwo`` file, or in a ``.dwp`` package of them."""

from __future__ import annotations

import os

from prybee.dwarf import constants as c
from prybee.dwarf.files import File
from prybee.dwarf.sections import DwarfError, Sections
from prybee.elf import ElfError, ElfFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.dwarf.files import ByteOrder
    from prybee.dwarf.units import Unit

# Columns of a package's index: version 2 (GNU) and 5 (section 7.3.5.3).
_COLUMNS = {
    2: {1: "info", 2: "types", 3: "abbrev", 4: "line", 5: "loc", 6: "str_offsets"},
    5: {1: "info", 3: "abbrev", 4: "line", 5: "loclists", 6: "str_offsets", 8: "rnglists"},
}


class SplitFile(File):
    """A ``.dwo`` file, or a package."""

    def __init__(self, sections: Sections, number: int) -> None:
        super().__init__(sections, number)
        self._parts: dict[int, dict[str, tuple[int, int]]] = {}
        if sections.has("cu_index"):
            self._parts = _package_index(sections, self.order)

    def base_of(self, unit: Unit, section: str) -> int:
        if not self._parts:
            return 0
        for parts in self._parts.values():
            start, size = parts.get("info", (0, 0))
            if start <= unit.offset < start + size:
                return parts.get(section, (0, 0))[0]
        return 0

    def unit_of(self, identity: int) -> Unit | None:
        """The unit that a skeleton with this number means."""
        units = [unit for unit in self.units() if not unit.is_types]
        if self._parts:
            start = self._parts.get(identity, {}).get("info", (-1, 0))[0]
            return next((unit for unit in units if unit.offset == start), None)
        for unit in units:
            own = unit.signature if unit.version >= 5 else unit.top.number(c.AT_GNU_DWO_ID)
            if own == identity:
                return unit
        return None


def _package_index(sections: Sections, order: ByteOrder) -> dict[int, dict[str, tuple[int, int]]]:
    """Number of a unit → section → (start, size) of its part."""
    data = sections.read("cu_index", 0, sections.size("cu_index"))

    def number(at: int, size: int = 4) -> int:
        if at + size > len(data):
            raise sections.damaged("the package's index is cut off")
        return int.from_bytes(data[at : at + size], order)

    version = number(0) if number(0) == 2 else number(0, 2)
    names = _COLUMNS.get(version)
    if names is None:
        raise sections.damaged(f"the package's index is of version {version}")
    columns, units, slots = number(4), number(8), number(12)
    hashes = 16
    rows = hashes + 8 * slots
    heads = rows + 4 * slots
    starts = heads + 4 * columns
    sizes = starts + 4 * columns * units
    found: dict[int, dict[str, tuple[int, int]]] = {}
    for slot in range(slots):
        row = number(rows + 4 * slot)
        if not 0 < row <= units:
            continue
        parts = {}
        for column in range(columns):
            name = names.get(number(heads + 4 * column))
            at = 4 * ((row - 1) * columns + column)
            if name is not None:
                parts[name] = number(starts + at), number(sizes + at)
        found[number(hashes + 8 * slot, 8)] = parts
    return found


class SplitFiles:
    """Finds the split units of a program.

    Args:
        program: path of the program, beside which a package is looked for.

    Attributes:
        missing: names of the files that were looked for and not found.
    """

    def __init__(self, program: str, directories: tuple[str, ...] = ()) -> None:
        self._program = program
        self._directories = directories
        self._files: dict[str, SplitFile | None] = {}
        self.files: list[SplitFile] = []
        self.missing: list[str] = []

    def close(self) -> None:
        """Closes all files."""
        for file in self.files:
            file.sections.elf.close()

    def resolve(self, skeleton: Unit) -> Unit:
        """The split unit of a skeleton; the unit itself where it is none, or nothing is found."""
        if skeleton.split is not None:
            return skeleton.split
        top = skeleton.top
        name = top.text(c.AT_DWO_NAME) or top.text(c.AT_GNU_DWO_NAME)
        if not name or skeleton.is_types:
            return skeleton
        identity = skeleton.signature if skeleton.version >= 5 else top.number(c.AT_GNU_DWO_ID)
        folder = top.text(c.AT_COMP_DIR)
        beside = os.path.dirname(self._program)
        base = os.path.basename(name)
        for path in (
            f"{self._program}.dwp",
            os.path.join(folder, name),
            os.path.join(beside, name),
            os.path.join(beside, base),
            *(os.path.join(each, base) for each in self._directories),
        ):
            file = self._open(path)
            unit = file.unit_of(identity or 0) if file is not None else None
            if unit is not None:
                unit.skeleton = skeleton
                skeleton.split = unit
                return unit
        if base not in self.missing:
            self.missing.append(base)
        skeleton.split = skeleton
        return skeleton

    def _open(self, path: str) -> SplitFile | None:
        if path not in self._files:
            self._files[path] = None
            try:
                elf = ElfFile.open(path)
            except ElfError:
                return None
            try:
                file = SplitFile(Sections(elf, split=True), len(self.files) + 1)
            except (ElfError, DwarfError):
                elf.close()
                return None
            self.files.append(file)
            self._files[path] = file
        return self._files[path]
