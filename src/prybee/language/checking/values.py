"""Types of literals, casts, tuples, and of what is known at compile time."""

from __future__ import annotations

from prybee.language import tree
from prybee.language.checking.access import Access
from prybee.language.checking.rules import meant
from prybee.language.types import (
    BOOL,
    INT8,
    INT64,
    KERNEL,
    NONE,
    NOWHERE,
    UINT8,
    UINT64,
    USER,
    AggregationType,
    ArrayType,
    BoolType,
    BufferType,
    EnumType,
    IntType,
    NoneType,
    PointerType,
    StringType,
    StructType,
    TimestampType,
    TupleType,
    Type,
    VoidType,
    int_type,
    is_integer,
    is_scalar,
    literal_type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language.checking.names import Names


class Values(Access):
    """Checks what makes values."""

    def _integer(self, node: tree.Integer) -> Type:
        suffix = node.suffix
        if suffix in ("u", "ul", "ull"):
            return UINT64 if suffix != "u" or node.value >> 32 else int_type(4, False)
        if suffix in ("l", "ll"):
            return INT64
        return literal_type(node.value)

    def _string(self, node: tree.String) -> Type:
        return StringType(len(node.data) + 1)

    def _boolean(self, node: tree.Boolean) -> Type:
        return BOOL

    def _cast(self, node: tree.Cast) -> Type:
        have = self.expression(node.operand)
        want = self.type_expression(node.target)
        if isinstance(have, NoneType) or isinstance(want, NoneType):
            return want
        if isinstance(want, ArrayType) and want.count == 0:
            want = self._sized_array(node, want, have)
        if isinstance(want, StringType) and want.capacity == 0 and isinstance(have, StringType):
            want = have
        if self._same_type(node.operand, have, want):
            self.warn(_parenthesis(node), f"Unnecessary cast: expression is already of type {want}")
        if isinstance(want, EnumType) and isinstance(node.operand, tree.Integer):
            self._check_variant(node, want, node.operand.value)
        if isinstance(want, PointerType) and want.space == NOWHERE:
            if isinstance(have, PointerType):
                space = have.space
                trusted = have.trusted and have.target == want.target
            else:
                # kptr() and uptr() tag plain numbers, too.
                space, trusted = self.context.space, False
                if isinstance(have, IntType) and have.tag in (KERNEL, USER):
                    space = have.tag
            return want.replace(space=space, trusted=trusted)
        if isinstance(want, PointerType):
            return want
        if not self._castable(have, want):
            self.error(_parenthesis(node), f'Cannot cast from "{have}" to "{want}"')
        return want

    def _same_type(self, operand: tree.Expression, have: Type, want: Type) -> bool:
        """Whether a cast changes nothing; of an aggregation it asks for the value."""
        if isinstance(operand, tree.Map | tree.MapAccess):
            map_ = operand.map if isinstance(operand, tree.MapAccess) else operand
            if self.map(map_).is_aggregation:
                return False
        if isinstance(have, PointerType) and isinstance(want, PointerType):
            return have.target == want.target and not isinstance(want.target, VoidType)
        return have == want and not isinstance(want, StringType)

    def _check_variant(self, node: tree.Cast, enum: EnumType, value: int) -> None:
        """Refuse a number that is none of an enum's."""
        if all(value != number for number, _name in enum.values):
            known = ", ".join(f"{name} ({number})" for number, name in enum.values[:8])
            hints = (f"it has {known}",) if len(enum.values) <= 8 else ()
            message = f"Enum: {enum.name} doesn't contain a variant value of {value}"
            self.error(_parenthesis(node), message, *hints)

    def _sized_array(self, node: tree.Cast, want: ArrayType, have: Type) -> Type:
        element = want.element.size
        if element and have.size and have.size % element == 0:
            return ArrayType(want.element, have.size // element)
        self.error(node, f'Cannot determine size of "{want}" from "{have}"')
        return want

    def _castable(self, have: Type, want: Type) -> bool:
        if is_integer(want):
            if is_integer(have) or isinstance(have, PointerType | TimestampType):
                return True
            if isinstance(have, ArrayType) and is_integer(have.element):
                return have.size == want.size or (have.size <= 8 and want.size == have.size)
            if isinstance(want, BoolType) and isinstance(have, StringType):
                return True
            return is_scalar(have) and want.size == 8
        if isinstance(want, ArrayType):
            if is_integer(have):
                return want.size in (1, 2, 4, 8) and want.size >= have.size
            if isinstance(have, StringType):
                return want.element in (INT8, UINT8) and want.count >= have.capacity
            return isinstance(have, ArrayType) and want.size == have.size
        if isinstance(want, StringType):
            return isinstance(have, StringType) and want.capacity >= have.capacity
        if isinstance(want, BufferType):
            return isinstance(have, BufferType | ArrayType | StringType)
        if isinstance(want, StructType):
            return have == want
        return type(have) is type(want)

    def _sizeof(self, node: tree.Sizeof) -> Type:
        subject = node.subject
        if isinstance(subject, tree.TypeExpression):
            subject.type = self.type_expression(subject)
        else:
            self.expression(subject)
        return UINT64

    def _offsetof(self, node: tree.Offsetof) -> Type:
        subject = node.subject
        if isinstance(subject, tree.TypeExpression):
            type_ = subject.type = self.type_expression(subject)
        else:
            type_ = self.expression(subject)
        offset_in(self, node, type_)
        return UINT64

    def _tuple(self, node: tree.TupleLiteral) -> Type:
        elements = tuple(self._part(element) for element in node.elements)
        return TupleType(elements) if not any(isinstance(e, NoneType) for e in elements) else NONE

    def _record(self, node: tree.RecordLiteral) -> Type:
        elements = tuple(self._part(field.value) for field in node.elements)
        if any(isinstance(e, NoneType) for e in elements):
            return NONE
        return TupleType(elements, tuple(field.name for field in node.elements))

    def _part(self, node: tree.Expression) -> Type:
        type_ = self.expression(node)
        if isinstance(type_, AggregationType):
            self.error(node, f"Map type {type_} cannot exist inside a tuple.")
            return NONE
        if isinstance(type_, NoneType):
            if isinstance(node, tree.Call) and not self.errors:
                self.error(node, "Tuple cannot contain a function that returns nothing")
            return NONE
        return type_


def offset_in(checker: Names, node: tree.Offsetof, type_: Type) -> int:
    """The byte offset that an ``offsetof`` means; errors go to the checker."""
    total = 0
    for name in node.path:
        if isinstance(type_, PointerType):
            type_ = type_.target
        if isinstance(type_, TupleType) and name in type_.names:
            index = type_.names.index(name)
            total += type_.offsets[index]
            type_ = type_.elements[index]
            continue
        if not isinstance(type_, StructType):
            if not isinstance(type_, NoneType):
                checker.error(node, f"'{type_}' is not a C type.")
            return 0
        member = type_.members.get(name)
        if member is None:
            checker.error(
                node,
                f"'{type_}' has no field named '{name}'",
                *meant(name, list(type_.members)),
            )
            return 0
        if member.bit_size:
            checker.error(node, f"'{name}' is a bitfield: it has no offset in bytes")
        total += member.offset
        type_ = member.type
    return total


def _parenthesis(node: tree.Cast) -> tree.Node:
    """The type of a cast with its parentheses, as a place for messages."""
    return tree.TypeName("", "", node.start, node.target_end)
