"""Where the types of a program and its inlined functions are, by name.

Made in one pass over the entries that stand right in their unit (or in a namespace there), unit by
unit, and kept on disk by build id.  A name is known by its place in ``.debug_str``, so the pass
reads no strings: for most of a large file, that is what takes the time.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from zlib import crc32

from prybee.dwarf import constants as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prybee.dwarf.abbrevs import Abbrev
    from prybee.dwarf.entries import Entry
    from prybee.dwarf.units import Unit

# Tags that are kept, in the order of their numbers in the index.
TAGS = (
    c.STRUCTURE_TYPE, c.CLASS_TYPE, c.UNION_TYPE, c.ENUMERATION_TYPE, c.TYPEDEF, c.SUBPROGRAM,
)  # fmt: skip
_WANTED = frozenset((*TAGS, c.NAMESPACE))
_NUMBERS = {tag: number for number, tag in enumerate(TAGS)}
# Keys of names that are not in .debug_str: a checksum, and this bit.
_HASHED = 1 << 63


class Names:
    """A sorted table: keys of names, and the ids of what is called so."""

    def __init__(self, keys: array[int], ids: array[int], tags: bytes) -> None:
        self.keys = keys
        self.ids = ids
        self.tags = tags

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, keys: Iterable[int], tags: Iterable[int]) -> Iterator[int]:
        """Ids of what has one of ``keys`` and one of ``tags``."""
        wanted = frozenset(_NUMBERS[tag] for tag in tags)
        for key in keys:
            at = bisect_left(self.keys, key)
            while at < len(self.keys) and self.keys[at] == key:
                if self.tags[at] in wanted:
                    yield self.ids[at]
                at += 1


def hashed(name: bytes) -> int:
    """The key of a name that is not in ``.debug_str``."""
    return _HASHED | crc32(name)


def make(units: Iterable[Unit]) -> Names:
    """The table of all types and inlined functions in some units.

    Raises:
        DwarfError: their bytes make no sense.
    """
    rows: list[tuple[int, int, int]] = []
    for unit in units:
        _scan(unit, rows)
        unit.data = b""
    rows.sort()
    return Names(
        array("Q", [row[0] for row in rows]),
        array("Q", [row[1] for row in rows]),
        bytes([row[2] for row in rows]),
    )


def _scan(unit: Unit, rows: list[tuple[int, int, int]]) -> None:
    top = unit.top
    if not top.abbrev.children:
        return
    shapes: dict[int, int] = {}
    lists = [top.end]
    while lists:
        for at, abbrev in unit.level(lists.pop(), _WANTED):
            if abbrev.tag == c.NAMESPACE:
                entry = unit.entry(at)
                if entry is not None and abbrev.children:
                    lists.append(entry.end)
                continue
            number = shapes.get(id(abbrev))
            if number is None:
                number = shapes[id(abbrev)] = _wanted(abbrev)
            if number < 0:
                continue
            entry = unit.entry(at)
            if entry is not None:
                key = _key(entry)
                if key is not None:
                    rows.append((key, entry.id, number))


def _wanted(abbrev: Abbrev) -> int:
    """The number of a tag, where entries of this shape are kept; else -1."""
    number = _NUMBERS.get(abbrev.tag, -1)
    if number < 0 or not abbrev.has(c.AT_NAME):
        return -1
    if abbrev.tag == c.SUBPROGRAM:
        return number if abbrev.has(c.AT_INLINE) else -1
    return -1 if abbrev.has(c.AT_DECLARATION) else number


def _key(entry: Entry) -> int | None:
    form, value = entry.values[c.AT_NAME]
    if form == c.FORM_STRP and isinstance(value, int) and entry.unit.file.number == 0:
        return value
    name = entry.name
    return hashed(name.encode("utf-8", "surrogatepass")) if name else None
