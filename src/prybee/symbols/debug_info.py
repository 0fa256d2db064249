"""Finding the debug information of a program: in it, or in its separate debug file."""

from __future__ import annotations

import os

from prybee.dwarf.info import DebugInfo
from prybee.elf import ElfError
from prybee.symbols import debug_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.elf import ElfFile


class DebugFile:
    """Debug information, and the file that is open for it (None: the program's own)."""

    def __init__(self, info: DebugInfo, own: ElfFile | None) -> None:
        self.info = info
        self._own = own

    def close(self) -> None:
        """Closes what was opened for it."""
        self.info.close()
        if self._own is not None:
            self._own.close()


def find(
    elf: ElfFile, path: str, directories: Sequence[str] = (), root: str = ""
) -> DebugFile | None:
    """The debug information of a program; None where there is none.

    Args:
        elf: the program; it must stay open.
        path: of the program.
        directories: where debug files and split units are looked for, before ``/usr/lib/debug``.
        root: the root directory of the process that sees it there; "" for ours.
    """
    try:
        if DebugInfo.inside(elf):
            return DebugFile(DebugInfo(elf, path, directories), None)
        folder, name = os.path.split(path if root else os.path.realpath(path))
        # One that is not absolute may be meant from here or from beside the program.
        beside = [f"{folder}/{each}" for each in directories if not each.startswith("/")]
        where = (*directories, *beside, *debug_files.DEBUG_DIRECTORIES)
        debug = debug_files.find(elf, folder, where, root, DebugInfo.inside, name)
    except ElfError:
        return None
    if debug is None:
        return None
    return DebugFile(DebugInfo(debug, path, directories), debug)
