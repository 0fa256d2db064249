"""Abbreviations: what attributes the entries of a unit have, and in which forms."""

from __future__ import annotations

from prybee.dwarf import constants as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.dwarf.sections import Sections

# The first bytes of a table that are read; most are shorter.
_FIRST = 4096


class Abbrev:
    """The shape of an entry.

    Attributes:
        tag: the entry's.
        children: whether entries below it may follow.
        attributes: (attribute, form, constant) in the order of the bytes.
        wide: sizes of the same (``-1`` for those that say it themselves), once :meth:`measure` was
            called for a unit's kind.
    """

    __slots__ = ("_measured", "attributes", "children", "tag")

    def __init__(
        self, tag: int, children: bool, attributes: tuple[tuple[int, int, int], ...]
    ) -> None:
        self.tag = tag
        self.children = children
        self.attributes = attributes
        self._measured: dict[tuple[int, int, int], tuple[int, int]] = {}

    def has(self, attribute: int) -> bool:
        """Whether entries of this shape have an attribute."""
        return any(row[0] == attribute for row in self.attributes)

    def measure(self, shape: tuple[int, int, int]) -> tuple[int, int]:
        """Bytes of all attributes, and where the sibling's offset stands; -1 for what varies.

        Args:
            shape: size of offsets, size of addresses and version of the unit.
        """
        found = self._measured.get(shape)
        if found is None:
            total, sibling = 0, -1
            for attribute, form, _constant in self.attributes:
                size = size_of(form, shape)
                if size < 0:
                    total = -1
                    break
                if attribute == c.AT_SIBLING and form == c.FORM_REF4:
                    sibling = total
                total += size
            found = self._measured[shape] = total, sibling
        return found


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
        tag, at = uleb(data, at)
        children = data[at] != 0
        at += 1
        attributes = []
        while True:
            attribute, at = uleb(data, at)
            form, at = uleb(data, at)
            constant = 0
            if form == c.FORM_IMPLICIT_CONST:
                constant, at = sleb(data, at)
            if attribute == 0 and form == 0:
                break
            attributes.append((attribute, form, constant))
        table[code] = Abbrev(tag, children, tuple(attributes))


def uleb(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number, and where it ends. IndexError beyond the data."""
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    value = byte & 0x7F
    shift = 7
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def sleb(data: bytes, at: int) -> tuple[int, int]:
    """A signed LEB128 number, and where it ends. IndexError beyond the data."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if byte & 0x40:
                value -= 1 << shift
            return value, at
