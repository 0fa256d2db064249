"""Debugging information entries: what is described, with its attributes."""

from __future__ import annotations

from prybee.dwarf import constants as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.dwarf.abbrevs import Abbrev
    from prybee.dwarf.units import Unit


class Entry:
    """One debugging information entry.

    Attributes:
        unit: what it is in.
        at: where it starts, in bytes from the start of its unit.
        end: behind its attributes, where its children start.
        tag: what it is.
        values: attribute → (form, value as stored: a number, or bytes of a block or string).
    """

    __slots__ = ("abbrev", "at", "end", "unit", "values")

    def __init__(
        self,
        unit: Unit,
        at: int,
        end: int,
        abbrev: Abbrev,
        values: dict[int, tuple[int, int | bytes]],
    ) -> None:
        self.unit = unit
        self.at = at
        self.end = end
        self.abbrev = abbrev
        self.values = values

    def __repr__(self) -> str:
        return f"Entry({self.tag:#x} at {self.unit.offset + self.at:#x})"

    @property
    def tag(self) -> int:
        """What it is."""
        return self.abbrev.tag

    @property
    def id(self) -> int:
        """A number that finds it again: :meth:`DebugInfo.entry`."""
        return self.unit.base + self.at

    def has(self, attribute: int) -> bool:
        """Whether it has an attribute."""
        return attribute in self.values

    def number(self, attribute: int) -> int | None:
        """A constant, flag or offset; None where there is none, or none that is a number."""
        found = self.values.get(attribute)
        return found[1] if found is not None and isinstance(found[1], int) else None

    def flag(self, attribute: int) -> bool:
        """Whether a flag is set."""
        return bool(self.number(attribute))

    def text(self, attribute: int) -> str:
        """A string; "" where there is none."""
        found = self.values.get(attribute)
        if found is None:
            return ""
        form, value = found
        return self.unit.string(form, value)

    @property
    def name(self) -> str:
        """Its name, or ""."""
        return self.text(c.AT_NAME)

    def address(self, attribute: int) -> int | None:
        """An address; None where there is none."""
        found = self.values.get(attribute)
        if found is None:
            return None
        form, value = found
        if not isinstance(value, int):
            return None
        if form == c.FORM_ADDR:
            return value
        return self.unit.indexed_address(value) if form in c.ADDRESS_INDEXES else None

    def reference(self, attribute: int) -> Entry | None:
        """The entry that an attribute refers to; None where there is none that can be found."""
        found = self.values.get(attribute)
        if found is None:
            return None
        form, value = found
        if not isinstance(value, int):
            return None
        if form in c.UNIT_REFERENCES:
            return self.unit.entry(value)
        return self.unit.file.referred(form, value)

    def origin(self) -> Entry | None:
        """What this entry is an instance or the definition of."""
        return self.reference(c.AT_ABSTRACT_ORIGIN) or self.reference(c.AT_SPECIFICATION)

    def inherited(self, attribute: int) -> Entry:
        """The entry that has an attribute: this one, or what it is an instance of."""
        entry: Entry | None = self
        for _ in range(8):
            if entry is None or attribute in entry.values:
                break
            entry = entry.origin()
        return entry or self

    def children(self) -> Iterator[Entry]:
        """The entries right below it, in order."""
        return self.unit.children(self)
