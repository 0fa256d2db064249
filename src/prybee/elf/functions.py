"""From an address to the function that covers it."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate
from operator import add

from prybee.elf import constants as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.elf.file import ElfFile
    from prybee.elf.records import Symbol
    from prybee.elf.symbols import SymbolTable

_BINDING_ORDER = {"global": 0, "unique": 0, "weak": 1, "local": 2}


class FunctionTable:
    """The functions of a symbol table, sorted by address."""

    def __init__(self, elf: ElfFile, table: SymbolTable) -> None:
        self._table = table
        # Functions that are alone at their address, which are looked up again and again.
        self._alone: dict[int, Symbol] = {}
        values, sizes = table.values_and_sizes()
        if elf.machine == "arm":
            # Thumb functions have bit 0 of their address set.
            values = array(values.typecode, [value & ~1 for value in values])
        if elf.type == "REL" and elf.bits == 64:
            # Nothing is linked: each section's functions are apart (dwarf/relocations.py).
            within = table.words("H")[3::12]
            values = array("Q", [at + (n << 32) for at, n in zip(values, within, strict=True)])
        entries = sorted(table.function_indexes(), key=values.__getitem__)
        self._entries = array("Q", entries)
        self._starts = array("Q", [values[entry] for entry in entries])
        self._sizes = array("Q", [sizes[entry] for entry in entries])
        # reach[i] is the highest end of the functions 0 … i: where to stop looking backwards.
        self._reach = list(accumulate(map(add, self._starts, self._sizes), max))
        self._segment_ends = sorted(
            s.address + s.memory_size
            for s in elf.segments
            if s.type == c.PT_LOAD and s.flags & c.PF_X
        )

    def __len__(self) -> int:
        return len(self._starts)

    def starting_in(self, start: int, end: int) -> list[Symbol]:
        """The functions that start at ``start`` or behind it, and before ``end``, by address."""
        first, last = bisect_left(self._starts, start), bisect_left(self._starts, end)
        return [self._table.symbol(entry) for entry in self._entries[first:last]]

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
        alone = self._alone.get(start)
        if alone is not None:
            return alone, address - start
        starts, sizes = self._starts, self._sizes
        last = at = bisect_right(starts, start) - 1
        candidates = []
        while at >= 0 and starts[at] == start:
            if sizes[at] == 0 or address < start + sizes[at]:
                candidates.append(at)
            at -= 1
        if last - at == 1:
            alone = self._alone[start] = self._table.symbol(self._entries[last])
            return alone, address - start
        symbol = min((self._table.symbol(self._entries[at]) for at in candidates), key=_familiarity)
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
