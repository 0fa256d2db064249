"""Where members of structs and unions lie, by the System V ABI of 64-bit Linux."""

from __future__ import annotations

from prybee.language.types import (
    UINT64,
    ArrayType,
    FloatType,
    Member,
    StringType,
    StructType,
    Type,
    VoidType,
)

# What neither the language nor BPF can compute with: bytes of the right size and alignment.
FLOAT = FloatType(4)
DOUBLE = FloatType(8)
WIDE = ArrayType(UINT64, 2)
WIDE.__dict__["_alignment"] = 16


def alignment(type_: Type) -> int:
    """What the C ABI aligns a value of ``type_`` to, in bytes."""
    known = type_.__dict__.get("_alignment")
    if known is not None:
        assert isinstance(known, int)
        return known
    if isinstance(type_, StructType):
        known = max((alignment(m.type) for m in type_.members.values()), default=1)
        type_.__dict__["_alignment"] = known
        return known
    if isinstance(type_, ArrayType):
        return alignment(type_.element)
    if isinstance(type_, StringType | VoidType):
        return 1
    return type_.align


def sized(type_: Type) -> tuple[int, int]:
    """Size and alignment, in bytes; functions and void have the size 1, as with gcc."""
    if isinstance(type_, VoidType):
        return 1, 1
    return type_.size, alignment(type_)


class Shape:
    """A struct or union while its members are laid out.

    Attributes:
        members: what there is so far; those of anonymous members are the struct's own.
        align: of the whole, in bytes.
    """

    def __init__(self, union: bool, packed: bool, pack: int = 0) -> None:
        self.union = union
        self.packed = packed
        # The most that `#pragma pack` leaves of an alignment; 0 without one.
        self.pack = pack
        self.members: list[Member] = []
        self.align = 1
        self._bits = 0  # where the next member may begin
        self._end = 0  # bytes in use

    def has(self, name: str) -> bool:
        """Whether a member of that name is there already."""
        return bool(name) and any(member.name == name for member in self.members)

    def add(
        self,
        name: str,
        type_: Type,
        bit_size: int | None = None,
        align: int = 0,
        packed: bool = False,
    ) -> None:
        """Place a member.

        Args:
            name: empty for an anonymous member.
            type_: of the member.
            bit_size: of a bitfield; 0 ends the unit before it.
            align: what an attribute asks for, in bytes.
            packed: an attribute of the member says so.
        """
        natural = 1 if self.packed or packed else alignment(type_)
        if self.pack:
            natural = min(natural, self.pack)
        wanted = max(natural, align)
        if self.union:
            self._bits = 0
        if bit_size is not None:
            self._bitfield(name, type_, bit_size, wanted, align, packed)
        else:
            at = -(-self._bits // (wanted * 8)) * wanted
            self._bits = (at + type_.size) * 8
            if name:
                self.members.append(Member(name, at, type_))
            elif isinstance(type_, StructType):
                for inner in type_.members.values():
                    self.members.append(inner.replace(offset=inner.offset + at))
            self.align = max(self.align, wanted)
        self._end = max(self._end, -(-self._bits // 8))

    def _bitfield(
        self, name: str, type_: Type, size: int, wanted: int, align: int, packed: bool
    ) -> None:
        unit = type_.size * 8
        if size == 0:
            unit = max(unit, align * 8)
            self._bits = -(-self._bits // unit) * unit
            return
        if align:
            self._bits = -(-self._bits // (align * 8)) * align * 8
        elif (
            not (self.packed or packed or self.pack)
            # It must not cross a border of its own type.
            and self._bits // unit != (self._bits + size - 1) // unit
        ):
            self._bits = -(-self._bits // unit) * unit
        if name:
            self.members.append(Member(name, self._bits // 8, type_, self._bits % 8, size))
            self.align = max(self.align, wanted)
        self._bits += size

    def size(self, align: int) -> int:
        """Bytes of the whole, where an attribute asks for ``align``."""
        self.align = max(self.align, align)
        return -(-self._end // self.align) * self.align
