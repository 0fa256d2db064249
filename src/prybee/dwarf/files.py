"""Files with debug sections: their units, and references between these."""

from __future__ import annotations

from bisect import bisect_right

from prybee.dwarf import abbrevs
from prybee.dwarf import constants as c
from prybee.dwarf.units import FILE_SHIFT, TYPES_BIT, Unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal

    from prybee.dwarf.abbrevs import Abbrev
    from prybee.dwarf.entries import Entry
    from prybee.dwarf.sections import Sections

    ByteOrder = Literal["little", "big"]

# Units whose bytes are kept, and how many bytes of them.
_UNITS_KEPT = 16
_BYTES_KEPT = 64 << 20
# The number of the file that several debug files share.
SHARED_FILE = (1 << 10) - 1


class File:
    """One file with debug sections: the program's own, or one that was split off.

    Attributes:
        number: tells the files of a program apart, in ids.
    """

    def __init__(self, sections: Sections, number: int = 0) -> None:
        self.sections = sections
        self.number = number
        self.order: ByteOrder = "little" if sections.order == "<" else "big"
        self._units: list[Unit] | None = None
        self._starts: dict[bool, list[int]] = {}
        self._of: dict[bool, list[Unit]] = {}
        self._abbrevs: dict[int, dict[int, Abbrev]] = {}
        self._types: dict[int, Unit] | None = None
        self._loaded: list[Unit] = []
        # Finds the file with what several debug files share.
        self.find_shared: Callable[[], File] | None = None

    def units(self) -> Sequence[Unit]:
        """All units, in the order of the file; their headers are read now.

        Raises:
            DwarfError: a header makes no sense.
        """
        if self._units is None:
            found = []
            for from_types in (False, True):
                part = []
                name = "types" if from_types else "info"
                at, end = 0, self.sections.size(name)
                while at < end:
                    unit = Unit(self, at, from_types)
                    part.append(unit)
                    at += unit.length
                self._of[from_types] = part
                self._starts[from_types] = [unit.offset for unit in part]
                found += part
            self._units = found
        return self._units

    def unit_at(self, offset: int, from_types: bool = False) -> Unit:
        """The unit that covers an offset of its section.

        Raises:
            DwarfError: there is none.
        """
        self.units()
        at = bisect_right(self._starts[from_types], offset) - 1
        if at >= 0:
            unit = self._of[from_types][at]
            if offset < unit.offset + unit.length:
                return unit
        raise self.sections.damaged(f"no unit at {offset:#x}")

    def abbrevs(self, unit: Unit) -> dict[int, Abbrev]:
        """The table of a unit."""
        offset = self.base_of(unit, "abbrev") + unit.abbrev_offset
        found = self._abbrevs.get(offset)
        if found is None:
            found = self._abbrevs[offset] = abbrevs.read(self.sections, offset)
        return found

    def abbrev(self, unit: Unit, code: int) -> Abbrev | None:
        """One row of the table of a unit, which need not be read for it; None: not found so."""
        offset = self.base_of(unit, "abbrev") + unit.abbrev_offset
        known = self._abbrevs.get(offset)
        return abbrevs.row(self.sections, offset, code) if known is None else known.get(code)

    def base_of(self, unit: Unit, section: str) -> int:
        """Where a unit's part of a section starts: packages of split units have many."""
        return 0

    def referred(self, form: int, value: int) -> Entry | None:
        """The entry that a reference out of its unit means."""
        if form == c.FORM_REF_ADDR:
            unit = self.unit_at(value)
            return unit.entry(value - unit.offset)
        if form == c.FORM_REF_SIG8:
            if self._types is None:
                self._types = {unit.signature: unit for unit in self.units() if unit.is_types}
            found = self._types.get(value)
            return found.entry(found.type_at) if found is not None else None
        if form in (c.FORM_GNU_REF_ALT, c.FORM_REF_SUP4, c.FORM_REF_SUP8):
            unit = self.shared().unit_at(value)
            return unit.entry(value - unit.offset)
        return None

    def shared(self) -> File:
        """The file that has what several debug files share (as ``dwz -m`` leaves it).

        Raises:
            DwarfError: there is none, or it was not found.
        """
        if self.find_shared is None:
            raise self.sections.damaged("it names a shared file, and there is no link to one")
        return self.find_shared()

    def loaded(self, unit: Unit) -> None:
        """A unit has read its bytes: those read long ago are given up."""
        self._loaded.append(unit)
        while len(self._loaded) > _UNITS_KEPT or (
            len(self._loaded) > 1 and sum(len(each.data) for each in self._loaded) > _BYTES_KEPT
        ):
            self._loaded.pop(0).data = b""


def place_of(id: int) -> tuple[int, bool, int]:  # noqa: A002 - what everyone calls it
    """Number of the file, whether in ``.debug_types``, and offset, of an entry's id."""
    return id >> FILE_SHIFT, bool(id & TYPES_BIT), id & (TYPES_BIT - 1)
