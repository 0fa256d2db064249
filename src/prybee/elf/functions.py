"""From an address to the function that covers it."""

from __future__ import annotations

from array import array
from bisect import bisect_right

from prybee.elf import constants as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from prybee.elf.file import ElfFile
    from prybee.elf.records import Symbol
    from prybee.elf.symbols import SymbolTable

_BINDING_ORDER = {"global": 0, "unique": 0, "weak": 1, "local": 2}


class FunctionTable:
    """The functions of some symbol tables, sorted by address."""

    def __init__(self, elf: ElfFile, tables: Iterable[SymbolTable]) -> None:
        self._tables = tuple(tables)
        mask = ~1 if elf.machine == "arm" else ~0
        rows: list[tuple[int, int, int]] = []
        for number, table in enumerate(self._tables):
            # The number of the table and of the entry in one integer, to sort by as little as
            # possible: 2 ** 40 entries would be a file of 16 TiB.
            first = number << 40
            rows += [
                (value & mask, size, first + entry)
                for entry, (_, info, index, value, size) in enumerate(table.rows())
                if info & 15 in (c.STT_FUNC, c.STT_GNU_IFUNC) and index
            ]
        rows.sort()
        self._starts = array("Q", [row[0] for row in rows])
        self._sizes = array("Q", [row[1] for row in rows])
        self._entries = array("Q", [row[2] for row in rows])
        # reach[i] is the highest end of the functions 0 … i: where to stop looking backwards.
        self._reach = array("Q")
        highest = 0
        for start, size, _ in rows:
            highest = max(highest, min(start + size, 2**64 - 1))
            self._reach.append(highest)
        self._segment_ends = sorted(
            min(s.address + s.memory_size, 2**64 - 1)
            for s in elf.segments
            if s.type == c.PT_LOAD and s.flags & c.PF_X
        )

    def __len__(self) -> int:
        return len(self._starts)

    def _symbol(self, at: int) -> Symbol:
        entry = self._entries[at]
        return self._tables[entry >> 40].symbol(entry & (1 << 40) - 1)

    def at(self, address: int) -> tuple[Symbol, int] | None:
        """The function covering a link-time address and the offset into it.

        A function without a size (hand-written assembly) reaches to the next one.
        """
        if not 0 <= address < 2**64:
            return None
        starts, sizes = self._starts, self._sizes
        last = bisect_right(starts, address) - 1
        if last < 0:
            return None
        at = last
        while at >= 0 and self._reach[at] > address:
            start = starts[at]
            if address < start + sizes[at]:
                return self._best(start, address)
            at -= 1
        if sizes[last] == 0 and self._is_code(starts[last], address):
            return self._best(starts[last], address)
        return None

    def _is_code(self, start: int, address: int) -> bool:
        """Whether both lie in one executable segment (or nothing is known of segments)."""
        ends = self._segment_ends
        return not ends or bisect_right(ends, start) == bisect_right(ends, address) < len(ends)

    def _best(self, start: int, address: int) -> tuple[Symbol, int]:
        """Of the functions that begin at ``start`` the one with the best known name."""
        starts, sizes = self._starts, self._sizes
        at = bisect_right(starts, start) - 1
        candidates = []
        while at >= 0 and starts[at] == start:
            if sizes[at] == 0 or address < start + sizes[at]:
                candidates.append(at)
            at -= 1
        symbol = min(map(self._symbol, candidates), key=_familiarity)
        return symbol, address - start


def _familiarity(symbol: Symbol) -> tuple[object, ...]:
    name = symbol.name
    return (
        symbol.size == 0,
        len(name) - len(name.lstrip("_")),
        _BINDING_ORDER[symbol.binding],
        len(name),
        name,
    )
