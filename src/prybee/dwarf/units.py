"""Units (compilations), and the way through their entries.

A unit's entries are read when someone asks: the first few bytes for its own entry, and all of its
bytes at once for those below it.
"""

from __future__ import annotations

from prybee.dwarf import abbrevs
from prybee.dwarf import constants as c
from prybee.dwarf.abbrevs import size_of
from prybee.dwarf.entries import Entry
from prybee.dwarf.leb128 import sleb, uleb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.dwarf.abbrevs import Abbrev
    from prybee.dwarf.files import File
    from prybee.dwarf.sections import DwarfError

# The first bytes of a unit that are read for its own entry.
_HEAD = 512
# Where ids of entries carry the number of their file, and the bit for .debug_types.
FILE_SHIFT = 44
TYPES_BIT = 1 << 43


class Unit:
    """A unit of ``.debug_info`` or ``.debug_types``.

    Attributes:
        file: where it is.
        offset: of its header, in the section; ``length`` is its size with the header.
        base: what makes the id of an entry from its place in the unit.
        version: of the standard.
        kind: the UT_ number; 0 before version 5.
        shape: sizes of offsets and addresses, and version: what sizes of forms depend on.
        signature: of a type, or the number that pairs a skeleton with its split unit.
        type_at: of a type unit: where the type is.
    """

    __slots__ = (
        "_abbrevs", "_top", "abbrev_offset", "base", "data", "file", "first", "from_types",
        "kind", "length", "offset", "shape", "signature", "skeleton", "split", "string_base",
        "type_at", "version",
    )  # fmt: skip

    def __init__(self, file: File, offset: int, from_types: bool) -> None:
        self.file = file
        self.offset = offset
        self.from_types = from_types
        self.base = (file.number << FILE_SHIFT) + (TYPES_BIT if from_types else 0) + offset
        self.data = b""
        self.signature = self.type_at = self.kind = 0
        self.string_base = -1
        # Of a split unit: that which has its addresses; of a skeleton: the split unit, if found.
        self.skeleton: Unit | None = None
        self.split: Unit | None = None
        self._abbrevs: dict[int, Abbrev] | None = None
        self._top: Entry | None = None
        self._header()

    def __repr__(self) -> str:
        return f"Unit({self.file.sections.path} at {self.offset:#x})"

    @property
    def section(self) -> str:
        """The section that it is in."""
        return "types" if self.from_types else "info"

    def _header(self) -> None:
        sections = self.file.sections
        order = self.file.order
        data = sections.peek(self.section, self.offset, 48)

        def number(at: int, size: int) -> int:
            if at + size > len(data):
                raise sections.damaged(f"the unit at {self.offset:#x} is cut off")
            return int.from_bytes(data[at : at + size], order)

        length, at, offset_size = number(0, 4), 4, 4
        if length == 0xFFFFFFFF:
            length, at, offset_size = number(4, 8), 12, 8
        self.length = length + at
        if length < 7 or self.offset + self.length > sections.size(self.section):
            raise sections.damaged(f"the unit at {self.offset:#x} has {length:#x} bytes")
        self.version = number(at, 2)
        at += 2
        if not 2 <= self.version <= 5:
            raise sections.damaged(f"the unit at {self.offset:#x} is of version {self.version}")
        if self.version >= 5:
            self.kind = number(at, 1)
            address_size = number(at + 1, 1)
            at += 2
            self.abbrev_offset = number(at, offset_size)
            at += offset_size
        else:
            self.abbrev_offset = number(at, offset_size)
            at += offset_size
            address_size = number(at, 1)
            at += 1
            if self.from_types:
                self.kind = c.UT_TYPE
        if self.kind in (c.UT_SKELETON, c.UT_SPLIT_COMPILE):
            self.signature = number(at, 8)
            at += 8
        elif self.kind in (c.UT_TYPE, c.UT_SPLIT_TYPE):
            self.signature = number(at, 8)
            self.type_at = number(at + 8, offset_size)
            at += 8 + offset_size
        if address_size not in (4, 8):
            raise sections.damaged(f"addresses of {address_size} bytes at {self.offset:#x}")
        self.first = at
        self.shape = (offset_size, address_size, self.version)

    @property
    def is_types(self) -> bool:
        """Whether it has a single type and no code."""
        return self.kind in (c.UT_TYPE, c.UT_SPLIT_TYPE)

    @property
    def abbrevs(self) -> dict[int, Abbrev]:
        """The shapes of its entries."""
        if self._abbrevs is None:
            self._abbrevs = self.file.abbrevs(self)
        return self._abbrevs

    # -- entries -------------------------------------------------------------------------------

    @property
    def top(self) -> Entry:
        """The unit's own entry.

        Raises:
            DwarfError: there is none.
        """
        if self._top is None:
            sections = self.file.sections
            size = min(_HEAD, self.length)
            data = self.data or sections.peek(self.section, self.offset, size)
            try:
                top = self._parse(data, self.first, alone=True)
            except IndexError:
                top = self.entry(self.first)
            if top is None:
                raise sections.damaged(f"the unit at {self.offset:#x} is empty")
            self._top = top
        return self._top

    def load(self) -> bytes:
        """All bytes of the unit."""
        if not self.data:
            self.data = self.file.sections.read(self.section, self.offset, self.length)
            self.file.loaded(self)
        return self.data

    def entry(self, at: int) -> Entry | None:
        """The entry that starts ``at`` bytes from the unit's start; None for the end of a list.

        Raises:
            DwarfError: there is no such place, or no entry that makes sense.
        """
        data = self.load()
        try:
            if self.first <= at:
                return self._parse(data, at)
        except IndexError:
            pass
        raise self.damaged(at)

    def damaged(self, at: int) -> DwarfError:
        """The error for bytes that are no entry."""
        return self.file.sections.damaged(f"no entry at {self.offset + at:#x}")

    def _shape_of(self, code: int, at: int) -> Abbrev:
        found = self.abbrevs.get(code)
        if found is None:
            raise self.damaged(at)
        return found

    def _parse(self, data: bytes, at: int, alone: bool = False) -> Entry | None:
        code, end = uleb(data, at)
        if code == 0:
            return None
        abbrev = (self.file.abbrev(self, code) if alone else None) or self._shape_of(code, at)
        values: dict[int, tuple[int, int | bytes]] = {}
        for attribute, form, constant in abbrev.attributes:
            if form == c.FORM_INDIRECT:
                form, end = uleb(data, end)
            if form == c.FORM_IMPLICIT_CONST:
                values[attribute] = form, constant
                continue
            value, end = self._value(data, end, form)
            values[attribute] = form, value
        return Entry(self, at, end, abbrev, values)

    def _value(self, data: bytes, at: int, form: int) -> tuple[int | bytes, int]:
        size = size_of(form, self.shape)
        if size >= 0:
            if form == c.FORM_FLAG_PRESENT:
                return 1, at
            end = at + size
            if end > len(data):
                raise IndexError
            if form == c.FORM_DATA16:
                return data[at:end], end
            return int.from_bytes(data[at:end], self.file.order), end
        if form == c.FORM_SDATA:
            return sleb(data, at)
        if form in c.NUMBERS:
            return uleb(data, at)
        if form == c.FORM_STRING:
            end = data.find(b"\0", at)
            if end < 0:
                raise IndexError
            return data[at:end], end + 1
        at, end = self._block(data, at, form)
        if end > len(data):
            raise IndexError
        return data[at:end], end

    def _block(self, data: bytes, at: int, form: int) -> tuple[int, int]:
        """Where the bytes of a block start and end."""
        if form in (c.FORM_EXPRLOC, c.FORM_BLOCK):
            size, at = uleb(data, at)
        elif form in (c.FORM_BLOCK1, c.FORM_BLOCK2, c.FORM_BLOCK4):
            wide = {c.FORM_BLOCK1: 1, c.FORM_BLOCK2: 2, c.FORM_BLOCK4: 4}[form]
            size = int.from_bytes(data[at : at + wide], self.file.order)
            at += wide
        else:
            raise self.file.sections.damaged(f"unknown form {form:#x} at {self.offset + at:#x}")
        return at, at + size

    # -- walking -------------------------------------------------------------------------------

    def children(self, parent: Entry) -> Iterator[Entry]:
        """The entries right below another."""
        if not parent.abbrev.children:
            return
        for at, _abbrev in self.level(self._first_child(parent)):
            entry = self.entry(at)
            if entry is not None:
                yield entry

    def _first_child(self, parent: Entry) -> int:
        self.load()
        return parent.end

    def level(self, at: int, tags: frozenset[int] | None = None) -> Iterator[tuple[int, Abbrev]]:
        """Places and shapes of the entries from ``at`` on to the end of their list.

        The fast way through a unit: attributes are stepped over, not read.

        Args:
            at: where the first of them is, in bytes from the unit's start.
            tags: of those that are wanted; None for all.

        Raises:
            DwarfError: the bytes make no sense.
        """
        data = self.load()
        table, shape, order = self.abbrevs, self.shape, self.file.order
        # By code: shape of the entry, whether it is wanted, and how to step over it.
        plans: dict[int, tuple[Abbrev, bool, int, int, bool]] = {}
        try:
            while True:
                code = data[at]
                end = at + 1
                if code >= 0x80:
                    code, end = uleb(data, at)
                plan = plans.get(code)
                if plan is None:
                    if code == 0:
                        return
                    abbrev = table.get(code)
                    if abbrev is None:
                        raise self.damaged(at)
                    total, sibling, _steps = abbrev.measure(shape)
                    wanted = tags is None or abbrev.tag in tags
                    plan = plans[code] = abbrev, wanted, total, sibling, abbrev.children
                abbrev, wanted, total, sibling, below = plan
                if wanted:
                    yield at, abbrev
                if total >= 0 and not below:
                    at = end + total
                elif sibling >= 0:
                    start = end + sibling
                    at = int.from_bytes(data[start : start + 4], order)
                    if at < end + total:
                        at = self._behind(data, end, abbrev)
                else:
                    at = self._behind(data, end, abbrev)
        except IndexError:
            raise self.damaged(at) from None

    def _behind(self, data: bytes, at: int, abbrev: Abbrev) -> int:
        """Behind an entry and all below it, from where its attributes start."""
        end, sibling = self._skip(data, at, abbrev)
        if not abbrev.children:
            return end
        if sibling > end:
            if sibling > len(data):
                raise IndexError
            return sibling
        depth = 1
        table = self.abbrevs
        while depth:
            code, at = uleb(data, end)
            if code == 0:
                depth -= 1
                end = at
                continue
            below = table.get(code)
            if below is None:
                raise self.damaged(end)
            end, sibling = self._skip(data, at, below)
            if below.children:
                if sibling > end:
                    end = sibling
                else:
                    depth += 1
        return end

    def _skip(self, data: bytes, at: int, abbrev: Abbrev) -> tuple[int, int]:
        """Where attributes end, and the place of the next entry of the list (0: not told)."""
        total, sibling_at, steps = abbrev.measure(self.shape)
        if total >= 0:
            if sibling_at < 0:
                return at + total, 0
            sibling_at += at
            return at + total, int.from_bytes(data[sibling_at : sibling_at + 4], self.file.order)
        sibling = 0
        for step in steps:
            if step >= 0:
                at += step
            elif step == abbrevs.STRING:
                at = data.find(b"\0", at) + 1 or len(data) + 1
            elif step == abbrevs.NUMBER:
                while data[at] & 0x80:
                    at += 1
                at += 1
            elif step == abbrevs.BLOCK:
                size, at = uleb(data, at)
                at += size
            elif step == abbrevs.SIBLING:
                sibling = int.from_bytes(data[at : at + 4], self.file.order)
                at += 4
            elif step == abbrevs.INDIRECT:
                form, at = uleb(data, at)
                at = self._value(data, at, form)[1]
            else:
                wide = abbrevs.SIZED_BLOCK - step
                at += wide + int.from_bytes(data[at : at + wide], self.file.order)
        return at, sibling

    # -- values --------------------------------------------------------------------------------

    def string(self, form: int, value: int | bytes) -> str:
        """The text of a string attribute."""
        if isinstance(value, bytes):
            return value.decode("utf-8", "backslashreplace") if form == c.FORM_STRING else ""
        sections = self.file.sections
        if form == c.FORM_STRP:
            return sections.text("str", value)
        if form == c.FORM_LINE_STRP:
            return sections.text("line_str", value)
        if form in c.STRING_INDEXES:
            return sections.text("str", self.string_offset(value))
        if form in (c.FORM_GNU_STRP_ALT, c.FORM_STRP_SUP):
            return self.file.shared().sections.text("str", value)
        return ""

    def string_offset(self, index: int) -> int:
        """Where string number ``index`` of this unit is in ``.debug_str``."""
        size = self.shape[0]
        if self.string_base < 0:
            base = self.top.number(c.AT_STR_OFFSETS_BASE)
            if base is None:
                # Split units have no such attribute: their part begins with the header.
                base = self.file.base_of(self, "str_offsets")
                base += 0 if self.version < 5 else 8 if size == 4 else 16
            self.string_base = base
        data = self.file.sections.read("str_offsets", self.string_base + index * size, size)
        return int.from_bytes(data, self.file.order)

    def addressing(self) -> Unit:
        """The unit that has this one's addresses: itself, or its skeleton."""
        return self.skeleton or self

    def indexed_address(self, index: int) -> int | None:
        """Address number ``index`` of this unit; None where addresses are missing."""
        owner = self.addressing()
        base = owner.base_attribute(c.AT_ADDR_BASE, c.AT_GNU_ADDR_BASE)
        size = self.shape[1]
        sections = owner.file.sections
        if not sections.has("addr"):
            return None
        return int.from_bytes(
            sections.read("addr", (base or 0) + index * size, size), self.file.order
        )

    def base_attribute(self, *attributes: int) -> int | None:
        """The first of some numbers that the unit's own entry has."""
        for attribute in attributes:
            found = self.top.number(attribute)
            if found is not None:
                return found
        return None
