"""The types of a program, asked for in the way that those of the kernel are.

The methods are those of :class:`prybee.btf.Btf`, so that whoever turns kernel types into something
else can do so with these.  Each answer comes from the entry it is about: a type that nobody looks
at costs nothing.
"""

# ruff: noqa: A001, A002 - "id" and "type" are the words of BTF
from __future__ import annotations

from prybee.btf.format import MAX_DEPTH
from prybee.btf.records import IntInfo, Member, Parameter
from prybee.dwarf import constants as c
from prybee.dwarf.leb128 import uleb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.dwarf.entries import Entry
    from prybee.dwarf.info import DebugInfo

_KINDS = {
    c.ARRAY_TYPE: "array",
    c.CLASS_TYPE: "struct",
    c.ENUMERATION_TYPE: "enum",
    c.POINTER_TYPE: "ptr",
    c.REFERENCE_TYPE: "ptr",
    c.RVALUE_REFERENCE_TYPE: "ptr",
    c.STRUCTURE_TYPE: "struct",
    c.SUBROUTINE_TYPE: "func_proto",
    c.SUBPROGRAM: "func",
    c.TYPEDEF: "typedef",
    c.UNION_TYPE: "union",
    c.CONST_TYPE: "const",
    c.VOLATILE_TYPE: "volatile",
    c.ATOMIC_TYPE: "volatile",
    c.RESTRICT_TYPE: "restrict",
    c.BASE_TYPE: "int",
    c.PTR_TO_MEMBER_TYPE: "int",
}
_MODIFIERS = frozenset(("const", "volatile", "restrict"))
_COMPOSITE = frozenset(("struct", "union"))
_FLOATS = frozenset((c.ATE_FLOAT, c.ATE_COMPLEX_FLOAT, c.ATE_IMAGINARY_FLOAT, c.ATE_DECIMAL_FLOAT))
_SIGNED = frozenset((c.ATE_SIGNED, c.ATE_SIGNED_CHAR))
_CHARACTERS = frozenset((c.ATE_SIGNED_CHAR, c.ATE_UNSIGNED_CHAR))
# Tags that a name with a C tag may have.
_TAGS = {
    "struct": (c.STRUCTURE_TYPE, c.CLASS_TYPE),
    "union": (c.UNION_TYPE,),
    "enum": (c.ENUMERATION_TYPE,),
    "typedef": (c.TYPEDEF, c.STRUCTURE_TYPE, c.CLASS_TYPE, c.UNION_TYPE, c.ENUMERATION_TYPE),
}
_PLUS_UCONST = 0x23  # DW_OP_plus_uconst
# Dimensions of an array after the first are types of their own in BTF.
_DIMENSION = 56
_MOST_MEMBERS = 30_000


class DwarfTypes:
    """Types of one program by id: that of their entry. 0 is void."""

    def __init__(self, info: DebugInfo) -> None:
        self._info = info
        self._entries: dict[int, Entry] = {}
        self._flat: dict[int, tuple[Member, ...]] = {}

    def entry(self, id: int) -> Entry:
        """The entry of a type."""
        id &= (1 << _DIMENSION) - 1
        found = self._entries.get(id)
        if found is None:
            found = self._info.entry(id)
            if found.has(c.AT_SIGNATURE):
                found = found.reference(c.AT_SIGNATURE) or found
            self._entries[id] = found
        return found

    def type_of(self, entry: Entry) -> int:
        """The id of an entry's type; 0 where it has none."""
        found = entry.inherited(c.AT_TYPE).reference(c.AT_TYPE)
        return found.id if found is not None else 0

    def find(self, name: str, kind: str = "", near: Entry | None = None) -> int:
        """The id of a type by name; 0 where there is none.

        Args:
            name: its name, without namespaces.
            kind: ``struct``, ``union``, ``enum`` or ``typedef``.
            near: the function that wants it; types of its unit come first.
        """
        found = self._info.find_type(name, _TAGS.get(kind, _TAGS["typedef"]), near)
        return found.id if found is not None else 0

    # -- one type ------------------------------------------------------------------------------

    def kind(self, id: int) -> str:
        """The kind, in BTF's words."""
        if id == 0:
            return "void"
        entry = self.entry(id)
        kind = _KINDS.get(entry.tag, "void")
        if kind in _COMPOSITE and entry.flag(c.AT_DECLARATION):
            return "fwd"
        if kind == "int" and entry.number(c.AT_ENCODING) in _FLOATS:
            return "float"
        return kind

    def name(self, id: int) -> str:
        """The name; "" for none."""
        return self.entry(id).name if id else ""

    def is_union(self, id: int) -> bool:
        """Whether it is a union, declared or defined."""
        return id != 0 and self.entry(id).tag == c.UNION_TYPE

    def is_reference(self, id: int) -> bool:
        """Whether it is a C++ reference: a pointer in all but syntax."""
        return id != 0 and self.entry(id).tag in (c.REFERENCE_TYPE, c.RVALUE_REFERENCE_TYPE)

    def by_reference(self, id: int, depth: int = 0) -> bool:
        """Whether functions get and give the address of such a C++ object, not its bytes.

        So it is where copying or destroying one takes code (Itanium C++ ABI, 3.1.2). Where the
        compiler does not say it, the class's functions do.
        """
        id = self.strip(id)
        kind = self.kind(id)
        if kind == "array" and depth < MAX_DEPTH:
            return self.by_reference(self.array_info(id)[0], depth + 1)
        if kind not in _COMPOSITE or depth > MAX_DEPTH:
            return False
        entry = self.entry(id)
        told = entry.number(c.AT_CALLING_CONVENTION)
        if told in (c.CC_PASS_BY_REFERENCE, c.CC_PASS_BY_VALUE):
            return told == c.CC_PASS_BY_REFERENCE
        for each in entry.children():
            if each.tag == c.SUBPROGRAM and self._makes_copying_work(entry, each):
                return True
            if each.tag == c.INHERITANCE and each.number(c.AT_VIRTUALITY):
                return True
            if each.tag in (c.MEMBER, c.INHERITANCE) and not each.has(c.AT_DECLARATION):
                type = self.type_of(each)
                if type and self.by_reference(type, depth + 1):
                    return True
        return False

    def _makes_copying_work(self, owner: Entry, function: Entry) -> bool:
        """Whether a class with this function is not copied as plain bytes."""
        if function.number(c.AT_VIRTUALITY):
            return True
        if function.flag(c.AT_ARTIFICIAL) or function.number(c.AT_DEFAULTED) == 1:
            return False
        name = function.name
        if name.startswith("~"):
            return True
        if not name or name != owner.name.partition("<")[0]:
            return False
        given = [p for p in function.children() if p.tag == c.FORMAL_PARAMETER]
        if len(given) != 2:
            return False
        reference = self.strip(self.type_of(given[1]))
        return self.is_reference(reference) and self.strip(self.target(reference)) == owner.id

    def target(self, id: int) -> int:
        """What a type refers to; 0 for void and for what refers to nothing."""
        if id == 0:
            return 0
        kind = self.kind(id)
        if kind == "array":
            return self.array_info(id)[0]
        if kind in ("struct", "union", "enum", "int", "float", "void", "fwd"):
            return 0
        return self.type_of(self.entry(id))

    def strip(self, id: int) -> int:
        """The type behind typedefs and modifiers."""
        for _ in range(MAX_DEPTH):
            kind = self.kind(id)
            if kind != "typedef" and kind not in _MODIFIERS:
                return id
            id = self.type_of(self.entry(id))
        return 0

    def strip_modifiers(self, id: int) -> int:
        """The type behind const, volatile and restrict."""
        for _ in range(MAX_DEPTH):
            if self.kind(id) not in _MODIFIERS:
                return id
            id = self.type_of(self.entry(id))
        return 0

    def size(self, id: int) -> int:
        """Bytes; 0 for void, functions and what is only declared."""
        many = 1
        for _ in range(MAX_DEPTH):
            id = self.strip(id)
            kind = self.kind(id)
            if kind == "array":
                id, count = self.array_info(id)
                many *= count
                continue
            if id == 0 or kind in ("func", "func_proto", "fwd", "void"):
                return 0
            entry = self.entry(id)
            size = entry.number(c.AT_BYTE_SIZE)
            if size is None:
                # Pointers need not say it; those to members take one word, to functions two.
                size = entry.unit.shape[1] if kind in ("ptr", "int") else 0
                if kind == "enum":
                    size = self.size(self.type_of(entry)) or 4
            return many * size
        return 0

    def int_info(self, id: int) -> IntInfo:
        """Size and encoding of an integer."""
        entry = self.entry(self.strip(id))
        encoding = entry.number(c.AT_ENCODING)
        return IntInfo(
            self.size(id),
            encoding in _SIGNED,
            encoding == c.ATE_BOOLEAN,
            encoding in _CHARACTERS,
        )

    def array_info(self, id: int) -> tuple[int, int]:
        """Type of the elements, and how many of them."""
        id = self.strip(id)
        entry = self.entry(id)
        dimension = id >> _DIMENSION
        counts = [_count(each) for each in entry.children() if each.tag == c.SUBRANGE_TYPE]
        if not counts:
            return self.type_of(entry), 0
        if dimension + 1 < len(counts):
            return (id & (1 << _DIMENSION) - 1) | dimension + 1 << _DIMENSION, counts[dimension]
        return self.type_of(entry), counts[min(dimension, len(counts) - 1)]

    def enum_info(self, id: int) -> tuple[int, bool]:
        """Bytes and signedness of an enum."""
        id = self.strip(id)
        below = self.strip(self.type_of(self.entry(id)))
        if below and self.kind(below) == "int":
            return self.size(id), self.int_info(below).signed
        return self.size(id), any(value < 0 for _name, value in self.enumerators(id))

    def enumerators(self, id: int) -> tuple[tuple[str, int], ...]:
        """Names and values of an enum."""
        entry = self.entry(self.strip(id))
        return tuple(
            (each.name, each.number(c.AT_CONST_VALUE) or 0)
            for each in entry.children()
            if each.tag == c.ENUMERATOR
        )

    def members(self, id: int) -> tuple[Member, ...]:
        """Members as they are; what a class inherits is a member without a name."""
        return tuple(self._members(self.entry(self.strip(id))))

    def _members(self, entry: Entry) -> Iterator[Member]:
        count = 0
        for each in entry.children():
            if each.tag not in (c.MEMBER, c.INHERITANCE) or each.has(c.AT_DECLARATION):
                continue
            if each.flag(c.AT_EXTERNAL):
                continue  # a static member: it lies elsewhere
            place = _place(each)
            if place is None:
                continue  # of a virtual base class: only a running program can tell where
            count += 1
            if count > _MOST_MEMBERS:
                raise entry.unit.file.sections.damaged("a type with too many members")
            type = self.type_of(each)
            bits = each.number(c.AT_BIT_SIZE) or 0
            yield Member(each.name, type, self._bit_offset(each, type, place, bits), bits)

    def _bit_offset(self, member: Entry, type: int, place: int, bits: int) -> int:
        absolute = member.number(c.AT_DATA_BIT_OFFSET)
        if absolute is not None:
            return place * 8 + absolute
        old = member.number(c.AT_BIT_OFFSET)
        if old is None or not bits:
            return place * 8
        # Before version 4 counted from the most significant bit of a storage unit.
        if member.unit.file.order == "big":
            return place * 8 + old
        storage = member.number(c.AT_BYTE_SIZE) or self.size(type)
        return place * 8 + storage * 8 - old - bits

    def flat_members(self, id: int) -> tuple[Member, ...]:
        """Members that can be named from outside: those of anonymous ones and base classes too."""
        found = self._flat.get(id)
        if found is None:
            members: list[Member] = []
            self._lift(id, 0, 0, members)
            found = self._flat[id] = tuple(members)
        return found

    def _lift(self, id: int, offset: int, depth: int, into: list[Member]) -> None:
        own = self.members(id)
        # A derived class hides members of the same name in its bases: its own are found by name.
        for member in own:
            if member.name:
                bit_offset = member.bit_offset + offset
                into.append(Member(member.name, member.type, bit_offset, member.bit_size))
            elif self.kind(self.strip(member.type)) in _COMPOSITE and depth < MAX_DEPTH:
                if len(into) > _MOST_MEMBERS:
                    raise self._info.damaged("a type with too many members")
                self._lift(member.type, offset + member.bit_offset, depth + 1, into)

    # -- functions -----------------------------------------------------------------------------

    def parameters(self, id: int) -> tuple[Parameter, ...]:
        """Names and types of a function's parameters, as its source has them."""
        entry = self.entry(id)
        # An optimised copy may have lost some; what it is a copy of has all.
        entry = entry.reference(c.AT_ABSTRACT_ORIGIN) or entry
        return tuple(
            Parameter(each.inherited(c.AT_NAME).name, self.type_of(each))
            for each in entry.children()
            if each.tag == c.FORMAL_PARAMETER
        )

    def variadic(self, id: int) -> bool:
        """Whether ``...`` follows the parameters."""
        return any(each.tag == c.UNSPECIFIED_PARAMETERS for each in self.entry(id).children())

    def returns(self, id: int) -> int:
        """What a function returns; 0 for nothing."""
        return self.type_of(self.entry(id))

    # -- as text -------------------------------------------------------------------------------

    def type_name(self, id: int) -> str:
        """The type as listings show it: ``const char*``, ``struct Foo*``."""
        return self._written(id, 0)

    def _written(self, id: int, depth: int) -> str:
        if depth > MAX_DEPTH:
            return "..."
        kind = self.kind(id)
        if kind == "ptr":
            target = self.target(id)
            if self.kind(target) == "func_proto":
                shown = ", ".join(self._written(p.type, depth + 1) for p in self.parameters(target))
                return f"{self._written(self.returns(target), depth + 1)} (*)({shown})"
            mark = "*"
            if self.is_reference(id):
                mark = "&" if self.entry(id).tag == c.REFERENCE_TYPE else "&&"
            return self._written(target, depth + 1) + mark
        if kind in _MODIFIERS:
            inner = self._written(self.target(id), depth + 1)
            return f"{inner} {kind}" if inner.endswith(("*", ")")) else f"{kind} {inner}"
        if kind == "array":
            element, count = self.array_info(id)
            return f"{self._written(element, depth + 1)}[{count}]"
        if kind in ("struct", "union", "enum", "fwd"):
            tag = "union" if self.is_union(id) else "enum" if kind == "enum" else "struct"
            return f"{tag} {self.name(id) or '<anonymous>'}"
        return self.name(id) or "void"


def _count(subrange: Entry) -> int:
    """Elements of one dimension; 0 where that is known only when the program runs."""
    count = subrange.number(c.AT_COUNT)
    if count is not None:
        return max(0, count)
    upper = subrange.number(c.AT_UPPER_BOUND)
    if upper is None:
        return 0
    form = subrange.values[c.AT_UPPER_BOUND][0]
    wide = c.FIXED_SIZES.get(form, 0)
    # char x[0] has an upper bound of -1.
    return 0 if wide and upper == (1 << 8 * wide) - 1 else max(0, upper + 1)


def _place(member: Entry) -> int | None:
    """Byte offset of a member; None where it is not a constant."""
    found = member.values.get(c.AT_DATA_MEMBER_LOCATION)
    if found is None:
        return 0
    form, value = found
    if isinstance(value, int):
        return value if form != c.FORM_SEC_OFFSET else None
    if value[:1] == bytes((_PLUS_UCONST,)):
        try:
            offset, end = uleb(value, 1)
        except IndexError:
            return None
        return offset if end == len(value) else None
    return None
