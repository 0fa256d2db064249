"""Unwind rows of files, in memory that programs in the kernel read (unwind_layout.py)."""

from __future__ import annotations

from array import array

from prybee.elf import ElfError, ElfFile
from prybee.linux import uapi
from prybee.linux.maps import Map
from prybee.symbols import placed
from prybee.symbols import unwind_layout as layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.dwarf.eh_frame import EhFrame
    from prybee.symbols.mappings import Mapping

# What a block without rows is given.
_NOTHING = (layout.row_word(layout.NONE),)


class Pages:
    """Memory by words, in pages that are made when they are needed, up to a limit.

    Attributes:
        refused: requests that the limit did not allow.
    """

    def __init__(self, maps: Map, most: int = layout.MOST_PAGES) -> None:
        """
        Args:
            maps: the array of maps that pages become elements of.
            most: pages.
        """
        self._maps = maps
        self._most = min(most, maps.max_entries)
        self._words: list[memoryview] = []
        self._used = layout.PAGE_WORDS
        self._free: dict[int, list[tuple[int, int]]] = {}
        self.refused = 0

    @property
    def bytes(self) -> int:
        """What the pages take."""
        return len(self._words) * layout.PAGE_BYTES

    def take(self, words: int, align: int = 1) -> tuple[int, int] | None:
        """Room for so many words: page and first word; None where there is no more.

        Raises:
            KernelError: the kernel has no more memory.
        """
        free = self._free.get(words)
        if free:
            return free.pop()
        first = (self._used + align - 1) // align * align
        if first + words > layout.PAGE_WORDS:
            if words > layout.PAGE_WORDS or len(self._words) >= self._most:
                self.refused += 1
                return None
            self._add_page()
            first = 0
        self._used = first + words
        return len(self._words) - 1, first

    def give_back(self, page: int, first: int, words: int) -> None:
        """Room that nobody looks at any more; it must have been taken by the same number."""
        self._free.setdefault(words, []).append((page, first))

    def _add_page(self) -> None:
        with Map.create(
            "array", 4, layout.PAGE_BYTES, 1, uapi.F_MMAPABLE, name="unwind_page"
        ) as page:
            number = len(self._words)
            self._maps.update(number.to_bytes(4, "little"), page.fd.to_bytes(4, "little"))
            self._words.append(memoryview(page.memory()).cast("Q"))

    def write(self, page: int, first: int, words: Sequence[int]) -> None:
        """Fills words of a page."""
        self._words[page][first : first + len(words)] = memoryview(array("Q", words))

    def close(self) -> None:
        """Gives the memory back; the kernel keeps what is in maps."""
        self._words = []


class CodeFile:
    """One file's directory of blocks, and its rows as they are asked for.

    Attributes:
        directory: the slice of the directory, as a word; 0: there is nothing to look at.
        origin: the link-time address that blocks are counted from.
        bits: 32 or 64, of the file's addresses.
    """

    def __init__(self, pages: Pages, elf: ElfFile) -> None:
        self._pages = pages
        self._frames: EhFrame | None = None
        self._place = (0, 0)
        self._loaded = bytearray()
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
        place = pages.take(count) if count <= layout.MOST_BLOCKS else None
        if place is None:
            return
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

    def load(self, number: int) -> bool:
        """Brings the rows of a block; whether there was anything to do.

        Raises:
            KernelError: the kernel has no more memory.
        """
        if self._frames is None or not 0 <= number < len(self._loaded) or self._loaded[number]:
            return False
        from prybee.symbols.unwind_rules import block

        self._loaded[number] = 1
        rows = block(self._frames, self.origin + (number << layout.BLOCK_SHIFT)) or _NOTHING
        place = self._pages.take(len(rows))
        if place is not None:
            self._pages.write(*place, rows)
            page, first = self._place
            # At last: from here on it is looked at.
            self._pages.write(page, first + number, (layout.slice_word(*place, len(rows)),))
        return True
