"""The memory that unwind rows lie in, which programs in the kernel read (unwind_layout.py)."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort

from prybee.diagnostics import KernelError
from prybee.linux import uapi
from prybee.linux.maps import Map
from prybee.symbols import unwind_layout as layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Room is taken by so many words: slices of ranges begin with a whole range.
_UNIT = layout.RANGE_WORDS

# How much is done for room: nothing; what has not been wanted for long goes; anything goes.
SPARE, WANTED, NEEDED = range(3)


class NoRoom(Exception):
    """Memory has reached its limit."""


class Pages:
    """Memory by words, in pages that are made when they are needed, up to a limit.

    What is given back may be looked at by programs that run at that moment.  It is taken again when
    none of them runs any more: the kernel waits for that when an array of maps is changed
    (maybe_wait_bpf_programs in kernel/bpf/syscall.c).
    """

    def __init__(
        self,
        maps: Map,
        most: int = layout.MOST_PAGES,
        make_room: Callable[[bool], bool] = lambda _anything: False,
    ) -> None:
        """
        Args:
            maps: the array of maps that pages become elements of.
            most: pages.
            make_room: called when there is none: gives back what is needed least, and tells whether
                there was any. Its argument is whether all may go, or only what is old.
        """
        self._maps = maps
        self._most = min(most, maps.max_entries)
        self._make_room = make_room
        self._first: Map | None = None
        self._words: list[memoryview] = []
        # Free runs of words: their lengths and places, ascending; lengths by place; places by end.
        self._free: list[tuple[int, int]] = []
        self._lengths: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        # What programs may still look at: places and lengths.
        self._left: list[tuple[int, int]] = []
        self._left_words = 0

    @property
    def bytes(self) -> int:
        """What the pages take."""
        return len(self._words) * layout.PAGE_BYTES

    @property
    def most(self) -> int:
        """How many words there can be."""
        return self._most * layout.PAGE_WORDS

    def take(self, words: int, need: int = NEEDED) -> tuple[int, int]:
        """Room for so many words: page and first word.

        Args:
            words: at most those of a page.
            need: what is done to have it.

        Raises:
            NoRoom: there is no more.
        """
        size = -(-words // _UNIT) * _UNIT
        if size > layout.PAGE_WORDS:
            raise NoRoom
        while True:
            place = self._take_free(size)
            if place is None and self._left_words >= layout.PAGE_WORDS:
                self._settle()
                place = self._take_free(size)
            if place is None and self._grow():
                place = self._take_free(size)
            if place is None and self._left:
                self._settle()
                place = self._take_free(size)
            if place is not None:
                return divmod(place, layout.PAGE_WORDS)
            if need == SPARE or not self._make_room(need == NEEDED):
                raise NoRoom

    def give_back(self, page: int, first: int, words: int) -> None:
        """Room that nobody is led to any more; it was taken by the same number of words."""
        size = -(-words // _UNIT) * _UNIT
        self._left.append((page * layout.PAGE_WORDS + first, size))
        self._left_words += size

    def _take_free(self, size: int) -> int | None:
        """A place in the smallest run that is large enough."""
        at = bisect_left(self._free, (size, 0))
        if at == len(self._free):
            return None
        length, place = self._free.pop(at)
        del self._lengths[place], self._ends[place + length]
        if length > size:
            self._add_free(place + size, length - size)
        return place

    def _add_free(self, place: int, size: int) -> None:
        """Makes a run free, as one with those beside it in its page."""
        end = place + size
        if place % layout.PAGE_WORDS and (before := self._ends.pop(place, None)) is not None:
            self._forget_free(before)
            place = before
        if end % layout.PAGE_WORDS and end in self._lengths:
            length = self._forget_free(end)
            del self._ends[end + length]
            end += length
        insort(self._free, (end - place, place))
        self._lengths[place] = end - place
        self._ends[end] = place

    def _forget_free(self, place: int) -> int:
        length = self._lengths.pop(place)
        del self._free[bisect_left(self._free, (length, place))]
        return length

    def _grow(self) -> bool:
        """Makes another page; false where there may be no more."""
        if len(self._words) >= self._most:
            return False
        try:
            self._add_page()
        except KernelError:
            # That is all that the kernel gives.
            self._most = len(self._words)
            return False
        self._add_free((len(self._words) - 1) * layout.PAGE_WORDS, layout.PAGE_WORDS)
        self._free_left()
        return True

    def _add_page(self) -> None:
        page = Map.create(
            "array", 4, layout.PAGE_BYTES, 1, uapi.F_MMAPABLE, name="unwind_page"
        )  # fmt: skip
        try:
            self._put(len(self._words), page)
            self._words.append(memoryview(page.memory()).cast("Q"))
        finally:
            if self._words and self._first is None:
                self._first = page
            else:
                page.close()

    def _put(self, number: int, page: Map) -> None:
        self._maps.update(number.to_bytes(4, "little"), page.fd.to_bytes(4, "little"))

    def _settle(self) -> None:
        """Waits until no program runs that was there when something was given back."""
        if self._first is not None:
            self._put(0, self._first)
        self._free_left()

    def _free_left(self) -> None:
        for place, size in self._left:
            self._add_free(place, size)
        self._left.clear()
        self._left_words = 0

    def write(self, page: int, first: int, words: Sequence[int]) -> None:
        """Fills words of a page."""
        self._words[page][first : first + len(words)] = memoryview(array("Q", words))

    def close(self) -> None:
        """Gives the memory back; the kernel keeps what is in maps."""
        self._words = []
        if self._first is not None:
            self._first.close()
            self._first = None
