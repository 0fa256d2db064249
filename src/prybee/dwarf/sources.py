"""Which code was made from which source file, by the units' own entries alone.

A unit's entry has the name of its file and the ranges of its code; nothing below it is read, so
that all units of a kernel take a fraction of a second.
"""

from __future__ import annotations

from os.path import normpath

from prybee.dwarf import constants as c
from prybee.dwarf.ranges import ranges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.dwarf.info import DebugInfo
    from prybee.dwarf.units import Unit


def files(info: DebugInfo) -> Iterator[tuple[str, Unit]]:
    """The source file that each unit with code may be made from, with its folder, and the unit.

    Raises:
        DwarfError: a unit makes no sense.
    """
    for unit in info.main.units():
        if unit.from_types or unit.is_types:
            continue
        top = unit.top
        # A unit whose entries were split off may have its name with them.
        name = top.name or info.whole(unit).top.name
        if name:
            yield normpath(_path(top.text(c.AT_COMP_DIR), name)), unit


def _path(folder: str, name: str) -> str:
    return name if name.startswith("/") or not folder else f"{folder}/{name}"


def code(units: list[Unit]) -> list[tuple[int, int]]:
    """(start, end) of the code of units, as link-time addresses.

    Raises:
        DwarfError: the lists make no sense.
    """
    return sorted({piece for unit in units for piece in ranges(unit.top)})
