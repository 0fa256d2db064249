"""What the reader answers with."""

from __future__ import annotations

from prybee.data import Data


class IntInfo(Data):
    """An integer: size in bytes, and its encoding."""

    size: int
    signed: bool
    is_bool: bool
    is_char: bool


class Member(Data):
    """A member of a struct or union.

    ``bit_offset`` counts from the start of the struct that was asked about.  ``bit_size`` is the
    width of a bitfield, and 0 for ordinary members.
    """

    name: str
    type: int
    bit_offset: int
    bit_size: int = 0

    @property
    def offset(self) -> int:
        """The byte the member starts in."""
        return self.bit_offset >> 3


class Parameter(Data):
    """A function's parameter; the name may be empty."""

    name: str
    type: int


class SectionVariable(Data):
    """A variable's place in a data section: its ``var`` type, offset and size in bytes."""

    type: int
    offset: int
    size: int


class Tag(Data):
    """A declaration tag; ``component`` is the parameter or member it is on, -1: the whole."""

    value: str
    component: int
