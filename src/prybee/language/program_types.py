"""The types of a user program, from its debug information.

Their pointers do not say whose memory they are of: like others, they are of that in which they are
found.
"""

from __future__ import annotations

from prybee.language.kernel_types import TypeTable
from prybee.language.types import Member, StructType, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.btf import Btf
    from prybee.dwarf import DwarfTypes
    from prybee.dwarf.entries import Entry


class ProgramTypes(TypeTable):
    """Types of one program or library.

    Args:
        types: where they come from; asked like the kernel's.
    """

    def __init__(self, types: DwarfTypes) -> None:
        # It has the methods of Btf that converting types asks for.
        source: Btf = types  # type: ignore[assignment]
        super().__init__(source)
        self._types = types

    def named_near(self, tag: str, name: str, near: Entry | None) -> Type | None:
        """The type ``name``, or with ``tag`` the struct, union or enum of that name.

        Args:
            tag: ``struct``, ``union``, ``enum`` or "".
            name: the name.
            near: a function; what its own source file calls so comes before others.
        """
        key = (tag, name)
        if key not in self._by_name:
            found = self._types.find(name, tag or "typedef", near)
            self._by_name[key] = self.from_btf(found) if found else None
        return self._by_name[key]

    def _pointer_size(self, id: int) -> int:  # noqa: A002
        # Those to member functions are two words, of which the first tells where.
        return 4 if self._types.size(id) == 4 else 8

    def _forward(self, btf: Btf, id: int) -> Type:  # noqa: A002
        """A declaration. Its definition may be in any unit, so it is looked for only when a member
        is wanted."""
        name = btf.name(id)
        kind = "union" if btf.is_union(id) else "struct"

        def members() -> tuple[Member, ...]:
            full = btf.find(name, kind)
            return self._members(btf, full) if full and btf.kind(full) == kind else ()

        return StructType.lazy(kind, name, 0, members)

    def _members(self, btf: Btf, id: int) -> tuple[Member, ...]:  # noqa: A002
        found: dict[str, Member] = {}
        for member in btf.flat_members(id):
            bits = member.bit_size
            made = Member(
                member.name,
                member.bit_offset // 8,
                self.from_btf(member.type),
                member.bit_offset % 8 if bits else 0,
                bits,
            )
            # A class's own members come behind those of its bases and hide them.
            if member.name not in found or found[member.name].offset <= made.offset:
                found[member.name] = made
        return tuple(found.values())
