"""Which files' unwind rows are in the memory that programs in the kernel read, and what makes room
for others when its limit is reached: files that no process has any more, and then the rows that
were wanted the longest time ago.  Who needs them asks again.
"""

from __future__ import annotations

from time import monotonic

from prybee.elf import ElfError, ElfFile
from prybee.symbols import unwind_layout as layout
from prybee.symbols.unwind_pages import SPARE, NoRoom, Pages
from prybee.symbols.unwind_tables import CodeFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.linux.maps import Map
    from prybee.symbols.binary import Binary

# Files with no more blocks (of 64 KiB) are brought whole.
_WHOLE = 128
# Work between two looks at other things, in seconds.
_SLICE = 0.004
# What was wanted so short a time ago stays, in seconds: else all time would go into making rows
# where programs need more of them than there is room for.
_STAYS = 10.0
# Part of the memory that is made free at once, so that it is not to be done often.
_AT_ONCE = 16


class CodeFiles:
    """Brings rows of files, and lets go of them.

    Attributes:
        pages: the memory.
        dropped: blocks that made room for others, of files that processes have.
        refused: requests that there was no room for.
    """

    def __init__(self, maps: Map, ask_again: Callable[[], None]) -> None:
        """
        Args:
            maps: the array of maps that pages become elements of.
            ask_again: lets programs ask for everything once more.
        """
        self.pages = Pages(maps, make_room=self._make_room)
        self.dropped = self.refused = 0
        self._ask_again = ask_again
        self._files: dict[int, CodeFile] = {}
        # Blocks that have rows, in the order in which they were wanted, and when.
        self._order: dict[tuple[CodeFile, int], float] = {}
        # Files whose blocks are still to be brought.
        self._rest: dict[CodeFile, list[int]] = {}
        # By file: blocks that were without rows for a time, because there was no room.
        self._lacking: dict[int, tuple[CodeFile, set[int]]] = {}
        # The file that something is brought of.
        self._current: CodeFile | None = None
        # Since when there are requests that were refused; 0: there are none.
        self._refused_at = 0.0

    def opened(self, binary: Binary) -> CodeFile:
        """The directory of a file.

        Raises:
            NoRoom: there is none for it.
        """
        file = self._files.get(id(binary))
        if file is None:
            file = self._files[id(binary)] = self._open(binary.elf)
        return file

    def _open(self, elf: ElfFile) -> CodeFile:
        file = CodeFile(self.pages, elf)
        if not file.directory:
            # Perhaps its symbols were read, and it was closed.
            try:
                with ElfFile.open(elf.path) as again:
                    return CodeFile(self.pages, again)
            except ElfError:
                pass
        return file

    def load(self, file: CodeFile, number: int) -> None:
        """Brings the rows of a block that are wanted now."""
        self._current = file
        try:
            if file.load(number):
                self._order[file, number] = monotonic()
                if file not in self._rest and file.blocks <= _WHOLE:
                    self._rest[file] = file.missing
        except NoRoom:
            self.refuse()
            self._lack(file, number)
        self._current = None

    def work(self) -> bool:
        """Does some of what can wait; whether there is more."""
        end = monotonic() + _SLICE
        while self._rest:
            file, missing = next(iter(self._rest.items()))
            while missing:
                number = missing.pop()
                try:
                    if file.load(number, SPARE):
                        self._order[file, number] = monotonic()
                except NoRoom:
                    # What is needed of it is asked for.
                    missing.clear()
                if monotonic() >= end:
                    return True
            del self._rest[file]
        return False

    # -- room ------------------------------------------------------------------------------------

    def refuse(self) -> None:
        """Counts a request that there was no room for; it may come once more after a while."""
        self.refused += 1
        self._refused_at = self._refused_at or monotonic()

    def look(self) -> None:
        """Lets programs ask for what was refused, when that may be successful."""
        if self._refused_at and monotonic() - self._refused_at > _STAYS:
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._refused_at = 0.0
        self._ask_again()

    def _make_room(self, anything: bool) -> bool:
        """Gives back what is needed least; whether there was any.

        Args:
            anything: also what was wanted a short time ago.
        """
        unused = {
            key: file
            for key, file in self._files.items()
            if file.blocks and not file.users and file is not self._current
        }
        if unused:
            self._close(unused)
            return True
        goal, now = max(layout.PAGE_WORDS, self.pages.most // _AT_ONCE), monotonic()
        freed = 0
        for (file, number), wanted_at in list(self._order.items()):
            if freed >= goal or (now - wanted_at < _STAYS and not anything):
                break
            freed += file.drop(number)
            del self._order[file, number]
            self.dropped += 1
            self._lack(file, number)
        if freed:
            self._begin_anew()
        return freed > 0

    def _close(self, files: dict[int, CodeFile]) -> None:
        gone = set(files.values())
        self._order = {key: at for key, at in self._order.items() if key[0] not in gone}
        for key, file in files.items():
            file.close()
            self._rest.pop(file, None)
            del self._files[key]

    # -- what that means for stacks --------------------------------------------------------------

    def _lack(self, file: CodeFile, number: int) -> None:
        key = next((key for key, each in self._files.items() if each is file), None)
        if key is not None:
            self._lacking.setdefault(key, (file, set()))[1].add(number)

    @property
    def whole(self) -> bool:
        """Whether there was room for all rows that were wanted, all the time."""
        return not self._lacking

    def lacked(self, binary: Binary, place: int) -> bool:
        """Whether there was no room, at some time, for the rows of code of a file.

        Args:
            binary: the file.
            place: in it, in bytes.
        """
        file, numbers = self._lacking.get(id(binary), (None, ()))
        block = file.block_at(place) if file is not None else None
        return block in numbers

    def close(self) -> None:
        """Gives memory back."""
        self.pages.close()
