"""Abbreviations: what attributes the entries of a unit have, and in which forms."""

from __future__ import annotations

from prybee.dwarf import constants as c
from prybee.dwarf.leb128 import sleb, uleb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.dwarf.sections import Sections

# The first bytes of a table that are read; most are shorter.
_FIRST = 4096
# Those in which one row is looked for.
_FIRST_ROWS = 1 << 14

# Steps over what has no fixed size; sizes themselves are steps of 0 and more.
STRING, NUMBER, BLOCK, INDIRECT, SIBLING = -1, -2, -3, -4, -5
_BLOCK_SIZES = {c.FORM_BLOCK1: -11, c.FORM_BLOCK2: -12, c.FORM_BLOCK4: -14}
# A block behind a size of so many bytes is the step SIZED_BLOCK - bytes.
SIZED_BLOCK = -10


class Abbrev:
    """The shape of an entry.

    Attributes:
        tag: the entry's.
        children: whether entries below it may follow.
        attributes: (attribute, form, constant) in the order of the bytes.
    """

    __slots__ = ("_measured", "attributes", "children", "tag")

    def __init__(
        self, tag: int, children: bool, attributes: tuple[tuple[int, int, int], ...]
    ) -> None:
        self.tag = tag
        self.children = children
        self.attributes = attributes
        self._measured: dict[tuple[int, int, int], tuple[int, int, tuple[int, ...]]] = {}

    def has(self, attribute: int) -> bool:
        """Whether entries of this shape have an attribute."""
        return any(row[0] == attribute for row in self.attributes)

    def measure(self, shape: tuple[int, int, int]) -> tuple[int, int, tuple[int, ...]]:
        """How to step over the attributes of an entry.

        Args:
            shape: size of offsets, size of addresses and version of the unit.

        Returns:
            All their bytes (-1: no fixed number); where among them the place of the next entry of
            the list stands, as four bytes (-1: nowhere); the steps, where there is no fixed number.
        """
        found = self._measured.get(shape)
        if found is None:
            found = self._measured[shape] = self._plan(shape)
        return found

    def _plan(self, shape: tuple[int, int, int]) -> tuple[int, int, tuple[int, ...]]:
        sizes = [size_of(form, shape) for _attribute, form, _constant in self.attributes]
        if min(sizes, default=0) >= 0:
            sibling = -1
            for index, (attribute, form, _constant) in enumerate(self.attributes):
                if attribute == c.AT_SIBLING and form == c.FORM_REF4:
                    sibling = sum(sizes[:index])
            return sum(sizes), sibling, ()
        steps: list[int] = []
        for (attribute, form, _constant), size in zip(self.attributes, sizes, strict=True):
            if attribute == c.AT_SIBLING and form == c.FORM_REF4:
                steps.append(SIBLING)
            elif size < 0:
                steps.append(_step(form))
            elif steps and steps[-1] >= 0:
                steps[-1] += size
            else:
                steps.append(size)
        return -1, -1, tuple(steps)


def _step(form: int) -> int:
    if form == c.FORM_STRING:
        return STRING
    if form in c.NUMBERS:
        return NUMBER
    if form in (c.FORM_EXPRLOC, c.FORM_BLOCK):
        return BLOCK
    return _BLOCK_SIZES.get(form, INDIRECT)


def size_of(form: int, shape: tuple[int, int, int]) -> int:
    """Bytes that a form takes in units of a shape; -1 where its bytes say so."""
    size = c.FIXED_SIZES.get(form)
    if size is not None:
        return size
    offset_size, address_size, version = shape
    if form in c.OFFSETS:
        return offset_size
    if form == c.FORM_ADDR:
        return address_size
    if form == c.FORM_REF_ADDR:
        return address_size if version == 2 else offset_size
    return -1


def row(sections: Sections, offset: int, code: int) -> Abbrev | None:
    """One row of a table; None where it is not among the first bytes.

    A kernel has thousands of units with a hundred rows each, and who only asks for the units' names
    wants one of each: the others are stepped over.

    Raises:
        DwarfError: there is no such place.
    """
    data = sections.start_of("abbrev", offset, _FIRST_ROWS)
    at = 0
    try:
        while True:
            found, at = uleb(data, at)
            if found == code:
                return _row(data, at)[0]
            if found == 0:
                return None
            at = _behind(data, at)
    except IndexError:
        return None


def _behind(data: bytes, at: int) -> int:
    """Where a row ends that starts at ``at``: behind a pair of zeros, as no attribute is 0."""
    start = at
    while data[at] & 0x80:
        at += 1
    end = data.find(b"\0\0", at + 2)
    if end < 0:
        raise IndexError
    # A constant may end in a zero, and the table, too.
    return end + 2 if data[end + 2] else _row(data, start)[1]


def read(sections: Sections, offset: int) -> dict[int, Abbrev]:
    """The table at an offset of ``.debug_abbrev``, by code.

    Raises:
        DwarfError: it does not end in the section.
    """
    size = _FIRST
    while True:
        data = sections.start_of("abbrev", offset, size)
        try:
            return _parse(data)
        except IndexError:
            if len(data) < size:
                raise sections.damaged(f"abbreviations at {offset:#x} have no end") from None
            size *= 8


def _parse(data: bytes) -> dict[int, Abbrev]:
    table: dict[int, Abbrev] = {}
    at = 0
    while True:
        code, at = uleb(data, at)
        if code == 0:
            return table
        table[code], at = _row(data, at)


def _row(data: bytes, at: int) -> tuple[Abbrev, int]:
    """What stands behind a code, and where it ends."""
    tag, at = uleb(data, at)
    children = data[at] != 0
    at += 1
    attributes: list[tuple[int, int, int]] = []
    while True:
        attribute, at = uleb(data, at)
        form, at = uleb(data, at)
        constant = 0
        if form == c.FORM_IMPLICIT_CONST:
            constant, at = sleb(data, at)
        if attribute == 0 and form == 0:
            return Abbrev(tag, children, tuple(attributes)), at
        attributes.append((attribute, form, constant))
