"""Unwind rows of files, in memory that programs in the kernel read (unwind_layout.py)."""

from __future__ import annotations

from prybee.elf import ElfError, ElfFile
from prybee.symbols import placed
from prybee.symbols import unwind_layout as layout
from prybee.symbols.unwind_pages import NEEDED, WANTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.dwarf.eh_frame import EhFrame
    from prybee.symbols.mappings import Mapping
    from prybee.symbols.unwind_pages import Pages

# What a block without rows is given.
_NOTHING = (layout.row_word(layout.NONE),)


class CodeFile:
    """One file's directory of blocks, and its rows as they are asked for.

    Attributes:
        directory: the slice of the directory, as a word; 0: there is nothing to look at.
        origin: the link-time address that blocks are counted from.
        bits: 32 or 64, of the file's addresses.
        rows: where the rows of blocks are: page, first word, and how many.
        users: how many ranges of processes lead to the directory.
    """

    def __init__(self, pages: Pages, elf: ElfFile) -> None:
        """
        Raises:
            NoRoom: there is none for the directory.
        """
        self._pages = pages
        self._frames: EhFrame | None = None
        self._place = (0, 0)
        self._loaded = bytearray()
        self.rows: dict[int, tuple[int, int, int]] = {}
        self.users = 0
        self.directory = 0
        self.origin = 0
        self.bits = elf.bits
        try:
            self._code = placed.code(elf.segments)
        except ElfError:
            self._code = []
        if not self._code:
            return
        from prybee.dwarf.eh_frame import EhFrame
        from prybee.dwarf.sections import DwarfError

        try:
            frames = EhFrame(elf)
        except (DwarfError, ElfError):
            return
        if not len(frames):
            return
        begin = min(segment.address for segment in self._code)
        end = max(segment.address + segment.memory_size for segment in self._code)
        self.origin = begin & -layout.BLOCK_BYTES
        count = (end - self.origin + layout.BLOCK_BYTES - 1) >> layout.BLOCK_SHIFT
        if count > layout.MOST_BLOCKS:
            return
        place = pages.take(count, NEEDED)
        pages.write(*place, [0] * count)
        self._frames, self._place = frames, place
        self._loaded = bytearray(count)
        self.directory = layout.slice_word(*place, count)

    @property
    def blocks(self) -> int:
        """How many blocks of code there are."""
        return len(self._loaded)

    @property
    def missing(self) -> list[int]:
        """The numbers of blocks that have no rows yet."""
        return [number for number, loaded in enumerate(self._loaded) if not loaded]

    def base(self, mapping: Mapping) -> int | None:
        """What is subtracted from addresses of a mapping to count blocks; None: it has no code."""
        bias = placed.bias(self._code, mapping)
        return None if bias is None else bias + self.origin

    def block_at(self, offset: int) -> int | None:
        """The block that a place in the file lies in; None: it has no code."""
        for segment in self._code:
            if segment.offset <= offset < segment.offset + segment.file_size:
                address = offset - segment.offset + segment.address
                return address - self.origin >> layout.BLOCK_SHIFT
        return None

    def load(self, number: int, need: int = WANTED) -> bool:
        """Brings the rows of a block; whether there was anything to do.

        Args:
            number: of the block.
            need: what is done for room (unwind_pages.py).

        Raises:
            NoRoom: there is none.
        """
        if self._frames is None or not 0 <= number < len(self._loaded) or self._loaded[number]:
            return False
        from prybee.symbols.unwind_rules import block

        rows = block(self._frames, self.origin + (number << layout.BLOCK_SHIFT)) or _NOTHING
        place = self._pages.take(len(rows), need)
        self._loaded[number] = 1
        self.rows[number] = (*place, len(rows))
        self._pages.write(*place, rows)
        # At last: from here on it is looked at.
        self._lead(number, layout.slice_word(*place, len(rows)))
        return True

    def drop(self, number: int) -> int:
        """Gives back the room of a block's rows; how many words that is."""
        self._lead(number, 0)
        place = self.rows.pop(number)
        self._loaded[number] = 0
        self._pages.give_back(*place)
        return place[2]

    def _lead(self, number: int, slice_: int) -> None:
        page, first = self._place
        self._pages.write(page, first + number, (slice_,))

    def close(self) -> int:
        """Gives back all room, of a file that no process leads to; how many words that is."""
        words = sum([self.drop(number) for number in list(self.rows)]) + self.blocks
        self._pages.give_back(*self._place, self.blocks)
        self._frames, self.directory = None, 0
        self._loaded = bytearray()
        return words
