"""The types of the tracing language, and the rules between them.

A type says how a value lies in memory (``size``, ``align``), and :func:`layout_of` gives the plain
:mod:`prybee.plan.layouts` description that the reading side gets.  Types are compared by value.
The text of a type (``str()``) is what bpftrace prints in its messages: ``uint64``, ``string[16]``,
``struct task_struct *``, ``(int8,string[2])``.
"""

from __future__ import annotations

from prybee.data import Data
from prybee.plan import layouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Address spaces of a pointer: what may read through it.
NOWHERE = "none"  # not known: read as kernel memory
KERNEL = "kernel"
USER = "user"
CONTEXT = "context"  # the probe's context record: direct loads at constant offsets
BPF = "bpf"  # our own memory: stack, map values, scratch


class Type(Data):
    """Base of all types. ``size`` in bytes; 0 for what cannot be stored."""

    _storable = True

    @property
    def size(self) -> int:
        return 8

    @property
    def align(self) -> int:
        """Natural alignment, at most 8."""
        size = self.size
        return size if size in (1, 2, 4, 8) else 1

    def __str__(self) -> str:
        return type(self).__name__.lower()


class NoneType(Type):
    """The type of statements and void functions."""

    @property
    def size(self) -> int:
        return 0

    def __str__(self) -> str:
        return "none"


class FloatType(Type):
    """A floating-point number of C, which BPF can copy and nothing else; prints as ``null``."""

    bytes: int

    @property
    def size(self) -> int:
        return self.bytes

    def __str__(self) -> str:
        return "float" if self.bytes == 4 else "double"


class VoidType(Type):
    """``void``, as a pointee."""

    @property
    def size(self) -> int:
        return 0

    def __str__(self) -> str:
        return "void"


class IntType(Type):
    """An integer of ``width`` bytes. ``tag`` carries the clock of a time value."""

    width: int
    signed: bool
    tag: str = ""

    @property
    def size(self) -> int:
        return self.width

    def __str__(self) -> str:
        return f"{'int' if self.signed else 'uint'}{self.width * 8}"


class BoolType(Type):
    @property
    def size(self) -> int:
        return 1

    def __str__(self) -> str:
        return "bool"


class EnumType(Type):
    """A C enum: an integer that prints as its enumerator's name."""

    name: str
    width: int
    signed: bool
    values: tuple[tuple[int, str], ...]

    @property
    def size(self) -> int:
        return self.width

    def __str__(self) -> str:
        return f"enum {self.name}"


class StringType(Type):
    """A NUL-terminated text in ``capacity`` bytes, the NUL included where there is room."""

    capacity: int

    # Not part of equality: it is what a C struct has, so that nothing was cut where it is full.
    _whole: bool = False

    @classmethod
    def array(cls, capacity: int) -> StringType:
        """The text of C's ``char[capacity]``."""
        made = cls(capacity)
        made.__dict__["_whole"] = True
        return made

    @property
    def size(self) -> int:
        return self.capacity

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StringType) and self.capacity == other.capacity

    def __hash__(self) -> int:
        return hash((StringType, self.capacity))

    def __str__(self) -> str:
        return f"string[{self.capacity}]" if self.capacity else "string"


class BufferType(Type):
    """Up to ``capacity`` bytes behind a u32 that says how many are in use."""

    capacity: int

    @property
    def size(self) -> int:
        return 4 + self.capacity

    @property
    def align(self) -> int:
        return 4

    def __str__(self) -> str:
        return f"buffer[{self.capacity}]"


class PointerType(Type):
    """An address of a ``target`` in address space ``space``."""

    target: Type
    space: str = NOWHERE
    # The verifier knows the pointer's kernel type, so loads need no helper.
    trusted: bool = False
    # How it lies in memory; programs of 32 bits have shorter ones.
    bytes: int = 8

    @property
    def size(self) -> int:
        return self.bytes

    def __str__(self) -> str:
        return f"{self.target} *" if not isinstance(self.target, PointerType) else f"{self.target}*"


class ArrayType(Type):
    element: Type
    count: int

    @property
    def size(self) -> int:
        return self.element.size * self.count

    @property
    def align(self) -> int:
        return self.element.align

    def __str__(self) -> str:
        return f"{self.element}[{self.count}]"


class Member(Data):
    """A member of a struct: byte offset, type, and for bitfields the bits within that byte on.

    ``dynamic`` is ``__data_loc`` or ``__rel_loc`` where the field only says where its data is.
    ``overlaid`` is true in a union where another member is of a kind that the verifier may take
    this one for, so that kernel memory of known type is read by helpers there.
    """

    name: str
    offset: int
    type: Type
    bit_offset: int = 0
    bit_size: int = 0
    dynamic: str = ""
    overlaid: bool = False


class StructType(Type):
    """A C struct or union. Members are read from their source when they are asked for.

    Two struct types are equal when kind, name and size agree.
    """

    kind: str  # "struct" or "union"
    name: str
    bytes: int

    # Set by the constructor functions below; not part of equality.
    _load: Callable[[], tuple[Member, ...]] | None = None
    _members: dict[str, Member] | None = None

    @classmethod
    def lazy(
        cls, kind: str, name: str, size: int, load: Callable[[], tuple[Member, ...]]
    ) -> StructType:
        """A struct whose members come from ``load()``, called once, on first use."""
        made = cls(kind, name, size)
        made.__dict__["_load"] = load
        return made

    @property
    def size(self) -> int:
        return self.bytes

    @property
    def align(self) -> int:
        """That of the member with most, unless the size says that the struct is packed."""
        widest = max((member.type.align for member in self.members.values()), default=1)
        return min(widest, self.bytes & -self.bytes) or 1

    @property
    def members(self) -> dict[str, Member]:
        """All members by name, in order; those of anonymous members are lifted into it."""
        if self._members is None:
            load = self._load
            self.__dict__["_members"] = {m.name: m for m in load()} if load is not None else {}
        assert self._members is not None
        return self._members

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, StructType)
            and (self.kind, self.name, self.bytes) == (other.kind, other.name, other.bytes)
            and (bool(self.name) or self.members == other.members)
        )

    def __hash__(self) -> int:
        return hash((self.kind, self.name, self.bytes))

    def __repr__(self) -> str:
        return f"StructType({self.kind} {self.name})"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" if self.name else self.kind


class TupleType(Type):
    """A tuple, or with ``names`` a record."""

    elements: tuple[Type, ...]
    names: tuple[str, ...] = ()

    @property
    def offsets(self) -> tuple[int, ...]:
        """Byte offset of each element: natural alignment, in order."""
        at = 0
        found = []
        for element in self.elements:
            at = _round_up(at, element.align)
            found.append(at)
            at += element.size
        return tuple(found)

    @property
    def align(self) -> int:
        return max((element.align for element in self.elements), default=1)

    @property
    def size(self) -> int:
        if not self.elements:
            return 0
        return _round_up(self.offsets[-1] + self.elements[-1].size, self.align)

    def __str__(self) -> str:
        if self.names:
            parts = zip(self.names, self.elements, strict=True)
            return f"record {{ {', '.join(f'.{name} = {element}' for name, element in parts)} }}"
        return f"({','.join(map(str, self.elements))})"


class TimestampType(Type):
    """``strftime()``: nanoseconds of clock ``mode``, formatted when printed."""

    format: str
    mode: str

    def __str__(self) -> str:
        return "timestamp"


class KsymType(Type):
    def __str__(self) -> str:
        return "ksym_t"


class UsymType(Type):
    @property
    def size(self) -> int:
        return 16

    @property
    def align(self) -> int:
        return 8

    def __str__(self) -> str:
        return "usym_t"


class UsernameType(Type):
    def __str__(self) -> str:
        return "username_t"


class MacType(Type):
    @property
    def size(self) -> int:
        return 8

    def __str__(self) -> str:
        return "mac_address"


class InetType(Type):
    """An IP address: u32 family and up to 16 bytes."""

    @property
    def size(self) -> int:
        return 20

    @property
    def align(self) -> int:
        return 4

    def __str__(self) -> str:
        return "inet"


class CgroupPathType(Type):
    glob: str

    def __str__(self) -> str:
        return "cgroup_path_t"


class StackType(Type):
    """``kstack`` or ``ustack``: header of 16 bytes and ``limit`` frames."""

    user: bool
    mode: str
    limit: int

    @property
    def frame_size(self) -> int:
        """Bytes of one frame."""
        return 32 if self.mode == "build_id" else 8

    @property
    def size(self) -> int:
        return 16 + self.limit * self.frame_size

    @property
    def align(self) -> int:
        return 8

    def __str__(self) -> str:
        return f"{'u' if self.user else 'k'}stack_{self.mode}_{self.limit}"


# Types that only map values have.


class AggregationType(Type):
    """Base of aggregations; ``per_cpu_size`` is what one CPU's value takes."""

    @property
    def size(self) -> int:
        return 8


class CountType(AggregationType):
    def __str__(self) -> str:
        return "count_t"


class SumType(AggregationType):
    signed: bool

    def __str__(self) -> str:
        return "sum_t" if self.signed else "usum_t"


class MinMaxType(AggregationType):
    signed: bool
    is_max: bool

    @property
    def size(self) -> int:
        return 16

    @property
    def align(self) -> int:
        return 8

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}{'max' if self.is_max else 'min'}_t"


class StatsType(AggregationType):
    """``avg()`` and ``stats()``: total and count."""

    signed: bool
    average_only: bool

    @property
    def size(self) -> int:
        return 16

    @property
    def align(self) -> int:
        return 8

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}{'avg' if self.average_only else 'stats'}_t"


class HistType(AggregationType):
    bits: int

    def __str__(self) -> str:
        return "hist_t"


class LhistType(AggregationType):
    min: int
    max: int
    step: int

    def __str__(self) -> str:
        return "lhist_t"


class TseriesType(AggregationType):
    interval: int
    buckets: int
    aggregation: str
    signed: bool

    @property
    def size(self) -> int:
        return 24

    @property
    def align(self) -> int:
        return 8

    def __str__(self) -> str:
        return "tseries_t"


NONE = NoneType()
VOID = VoidType()
BOOL = BoolType()
INT8 = IntType(1, True)
INT16 = IntType(2, True)
INT32 = IntType(4, True)
INT64 = IntType(8, True)
UINT8 = IntType(1, False)
UINT16 = IntType(2, False)
UINT32 = IntType(4, False)
UINT64 = IntType(8, False)

NAMED: dict[str, Type] = {
    "void": VOID,
    "bool": BOOL,
    "int8": INT8,
    "int16": INT16,
    "int32": INT32,
    "int64": INT64,
    "uint8": UINT8,
    "uint16": UINT16,
    "uint32": UINT32,
    "uint64": UINT64,
    "string": StringType(0),
    "buffer": BufferType(0),
    "inet": InetType(),
    "ksym_t": KsymType(),
    "usym_t": UsymType(),
    "username_t": UsernameType(),
    "timestamp": TimestampType("", "boot"),
    "mac_address": MacType(),
    "cgroup_path_t": CgroupPathType(""),
    "kstack_t": StackType(False, "bpftrace", 127),
    "ustack_t": StackType(True, "bpftrace", 127),
    "count_t": CountType(),
    "sum_t": SumType(True),
    "usum_t": SumType(False),
    "min_t": MinMaxType(True, False),
    "umin_t": MinMaxType(False, False),
    "max_t": MinMaxType(True, True),
    "umax_t": MinMaxType(False, True),
    "avg_t": StatsType(True, True),
    "uavg_t": StatsType(False, True),
    "stats_t": StatsType(True, False),
    "ustats_t": StatsType(False, False),
    "hist_t": HistType(0),
}


def _round_up(n: int, to: int) -> int:
    return (n + to - 1) // to * to


def int_type(size: int, signed: bool) -> IntType:
    """The integer type of 1, 2, 4 or 8 bytes."""
    return _INTS[size, signed]


_INTS = {(t.width, t.signed): t for t in (INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64)}


# Types of literals that are not negative: equal to the plain ones, but told apart by identity,
# because such a literal takes the sign of what it meets.
_LITERALS = {size: IntType(size, True) for size in (1, 2, 4, 8)}
_LITERAL_IDS = frozenset(id(type_) for type_ in _LITERALS.values())


def literal_type(value: int) -> IntType:
    """Type of an integer literal: the smallest signed one that holds it, else ``uint64``."""
    for size in (1, 2, 4, 8):
        bound = 1 << (size * 8 - 1)
        if -bound <= value < bound:
            return _LITERALS[size] if value >= 0 else _INTS[size, True]
    return UINT64


def settled(type_: Type) -> Type:
    """The type of what is read back: no longer that of a literal."""
    if isinstance(type_, IntType):
        return _INTS[type_.width, True] if id(type_) in _LITERAL_IDS else type_
    if isinstance(type_, TupleType):
        elements = tuple(settled(element) for element in type_.elements)
        return TupleType(elements, type_.names)
    return type_


def _with_literal(old: IntType, new: IntType) -> IntType | None:
    """What a literal's type and another become; None where neither is a literal's."""
    if id(old) in _LITERAL_IDS:
        literal, other = old, new
    elif id(new) in _LITERAL_IDS:
        literal, other = new, old
    else:
        return None
    if other.width >= literal.width:
        return other
    return literal if other.signed else int_type(literal.width, False)


def is_integer(type_: Type | None) -> bool:
    """Whether arithmetic takes it as it is: integers, enums and booleans."""
    return isinstance(type_, IntType | EnumType | BoolType)


def is_scalar(type_: Type | None) -> bool:
    """Whether a value fits a register."""
    return isinstance(
        type_,
        IntType
        | BoolType
        | EnumType
        | PointerType
        | KsymType
        | UsernameType
        | TimestampType
        | CgroupPathType,
    )


def as_integer(type_: Type) -> IntType:
    """The integer type that an enum or bool computes as."""
    if isinstance(type_, IntType):
        return type_
    if isinstance(type_, EnumType):
        return int_type(type_.width, type_.signed)
    if isinstance(type_, BoolType):
        return UINT8
    raise TypeError(f"{type_} is no integer")


def is_castable_aggregation(type_: Type | None) -> bool:
    """Aggregations that can be read as one integer in an expression."""
    return isinstance(type_, CountType | SumType | MinMaxType) or (
        isinstance(type_, StatsType) and type_.average_only
    )


def aggregation_value(type_: Type) -> IntType:
    """The integer type that reading an aggregation gives."""
    if isinstance(type_, CountType):
        return UINT64
    assert isinstance(type_, SumType | MinMaxType | StatsType)
    return int_type(8, type_.signed)


def common_integer(a: IntType, b: IntType) -> IntType | None:
    """The smallest integer type that holds all values of both; None where none does.

    A signed type that joins an unsigned one must be wider; at 64 bits there is no such type.
    """
    if a.signed == b.signed:
        return a if a.width >= b.width else b
    signed, unsigned = (a, b) if a.signed else (b, a)
    if signed.width > unsigned.width:
        return signed
    if unsigned.width == 8:
        return None
    return int_type(unsigned.width * 2, True)


def promote(old: Type, new: Type) -> Type | None:
    """The type that both can be stored as, or None where they do not mix.

    Integers widen (a mix with ``uint64`` gives ``int64``), strings and buffers grow, tuples and
    records go element by element, arrays must agree.
    """
    if isinstance(old, StringType) and isinstance(new, StringType):
        longer = old.capacity > new.capacity
        return old if longer or (old == new and not old._whole) else new
    if old == new and not isinstance(old, IntType | TupleType):
        return old
    if isinstance(old, IntType) and isinstance(new, IntType):
        joined = _with_literal(old, new) or common_integer(old, new) or INT64
        if joined.tag and old.tag != new.tag:
            joined = int_type(joined.width, joined.signed)
        return joined
    if isinstance(old, EnumType | IntType) and isinstance(new, EnumType | IntType):
        return common_integer(as_integer(old), as_integer(new)) or INT64
    if isinstance(old, BufferType) and isinstance(new, BufferType):
        return old if old.capacity >= new.capacity else new
    if isinstance(old, TupleType) and isinstance(new, TupleType):
        if len(old.elements) != len(new.elements):
            return None
        if old.names != new.names:
            if sorted(old.names) != sorted(new.names):
                return None
            order = [new.names.index(name) for name in old.names]
            new = TupleType(tuple(new.elements[i] for i in order), old.names)
        elements = []
        for first, second in zip(old.elements, new.elements, strict=True):
            joined_element = promote(first, second)
            if joined_element is None:
                return None
            elements.append(joined_element)
        return TupleType(tuple(elements), old.names)
    if isinstance(old, PointerType) and isinstance(new, PointerType):
        if old.target == new.target or isinstance(new.target, VoidType):
            space = old.space if old.space == new.space else NOWHERE
            return PointerType(old.target, space, bytes=max(old.bytes, new.bytes))
        if isinstance(old.target, VoidType):
            space = old.space if old.space == new.space else NOWHERE
            return PointerType(new.target, space, bytes=max(old.bytes, new.bytes))
        if isinstance(old.target, IntType) and isinstance(new.target, IntType):
            target = common_integer(old.target, new.target) or INT64
            return PointerType(target, old.space if old.space == new.space else NOWHERE)
        return None
    if isinstance(old, StackType) and isinstance(new, StackType):
        if old.user == new.user and old.mode == new.mode:
            return old if old.limit >= new.limit else new
        return None
    if isinstance(old, TimestampType) and isinstance(new, TimestampType):
        return old
    if isinstance(old, SumType | MinMaxType | StatsType | TseriesType) and type(old) is type(new):
        signed_old = old.replace(signed=True)
        return signed_old if signed_old == new.replace(signed=True) else None
    return None


def layout_of(type_: Type) -> layouts.Layout:
    """What the reading side needs to know of ``type_``.

    Raises:
        TypeError: the type cannot be stored (none, void).
    """
    size = type_.size
    match type_:
        case IntType():
            return layouts.IntLayout(size, type_.signed)
        case BoolType():
            return layouts.BoolLayout(size)
        case EnumType():
            return layouts.EnumLayout(size, type_.signed, type_.name, type_.values)
        case StringType():
            return layouts.StringLayout(size, type_._whole)
        case BufferType():
            return layouts.BufferLayout(size)
        case PointerType():
            return layouts.PointerLayout(size)
        case ArrayType():
            return layouts.ArrayLayout(size, layout_of(type_.element), type_.count)
        case StructType():
            return layouts.StructLayout(size, str(type_), _fields(tuple(type_.members.values())))
        case TupleType():
            fields = tuple(
                layouts.Field(name, offset, layout_of(element))
                for name, offset, element in zip(
                    type_.names or ("",) * len(type_.elements),
                    type_.offsets,
                    type_.elements,
                    strict=True,
                )
            )
            if type_.names:
                return layouts.StructLayout(size, "", fields)
            return layouts.TupleLayout(size, fields)
        case TimestampType():
            return layouts.TimestampLayout(size, type_.format, type_.mode)
        case KsymType():
            return layouts.KsymLayout(size)
        case UsymType():
            return layouts.UsymLayout(size)
        case UsernameType():
            return layouts.UsernameLayout(size)
        case MacType():
            return layouts.MacLayout(size)
        case InetType():
            return layouts.InetLayout(size)
        case CgroupPathType():
            return layouts.CgroupPathLayout(size, type_.glob)
        case StackType():
            return layouts.StackLayout(size, type_.user, type_.mode, type_.limit)
        case CountType():
            return layouts.CountLayout(size)
        case SumType():
            return layouts.SumLayout(size, type_.signed)
        case MinMaxType():
            return layouts.MinMaxLayout(size, type_.signed, type_.is_max)
        case StatsType():
            return layouts.StatsLayout(size, type_.signed, type_.average_only)
        case HistType():
            return layouts.HistLayout(size, type_.bits)
        case LhistType():
            return layouts.LhistLayout(size, type_.min, type_.max, type_.step)
        case TseriesType():
            return layouts.TseriesLayout(
                size, type_.interval, type_.buckets, type_.aggregation, type_.signed
            )
        case NoneType() | FloatType():
            return layouts.NoneLayout(size)
    raise TypeError(f"a value of type {type_} cannot be stored")


def _fields(members: tuple[Member, ...]) -> tuple[layouts.Field, ...]:
    return tuple(
        layouts.Field(m.name, m.offset, layout_of(m.type), m.bit_offset, m.bit_size)
        for m in members
    )
