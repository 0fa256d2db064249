"""Types of a tracepoint's fields, from the text that its format file has for them.

The text, size and sign alone give a type that reads right; the kernel's types, where there are
any, add enumerators, and what pointers point to.
"""

from __future__ import annotations

import re

from prybee.language.types import (
    BOOL,
    INT8,
    KERNEL,
    VOID,
    ArrayType,
    EnumType,
    Member,
    PointerType,
    StringType,
    StructType,
    Type,
    int_type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language.kernel_types import TypeTable
    from prybee.plan.target import TracepointField

_QUALIFIERS = frozenset(
    [
        "const",
        "volatile",
        "restrict",
        "__user",
        "__kernel",
        "__rcu",
        "__iomem",
        "__percpu",
        "__data_loc",
        "__rel_loc",
    ]
)
_CHARACTERS = frozenset(("char", "signed char"))
_INTEGER_SIZES = (1, 2, 4, 8)
# Names that say of themselves that they are integers (or, like kuid_t, hold one): the kernel's
# types, which take time to read, need not be asked.
_INTEGER_NAME = re.compile(
    r"(?:(?:un)?signed|int|long|short|char|\w+_t|_*[us](?:8|16|32|64)|_*[bl]e(?:16|32|64))\b[\w ]*"
)


def member(field: TracepointField, start: int, types: TypeTable, space: str) -> Member:
    """A field as a member of ``args``.

    Args:
        field: one line of the format.
        start: where ``args`` starts in the record.
        types: the kernel's types.
        space: where pointers of this event point.
    """
    type_ = field_type(field, types, space)
    return Member(field.name, field.offset - start, type_, dynamic=field.location)


def field_type(field: TracepointField, types: TypeTable, space: str) -> Type:
    """The type of a field. A dynamic array is a pointer to its first element, in the record."""
    text, is_array = _plain(field.type)
    if field.location:
        return PointerType(_element(text, types), KERNEL)
    if field.array > 0 and field.size:
        if text in _CHARACTERS:
            return StringType.array(field.size)
        size = field.size // field.array
        return ArrayType(scalar(text, size, field.signed, types, space), field.array)
    if is_array or field.array < 0:
        # A flexible array at the record's end: nothing says how much of it there is.
        return ArrayType(_element(text, types), 0)
    return scalar(text, field.size, field.signed, types, space)


def scalar(text: str, size: int, signed: bool, types: TypeTable, space: str) -> Type:
    """The type called ``text`` where it takes ``size`` bytes in the record."""
    if text.endswith("*"):
        return PointerType(pointee(text[:-1].rstrip(), types, space), space)
    if text in ("bool", "_Bool") and size == 1:
        return BOOL
    if size in _INTEGER_SIZES and _INTEGER_NAME.fullmatch(text):
        return int_type(size, signed)
    known = types.named(text)
    if isinstance(known, EnumType) and known.width == size:
        return known
    if isinstance(known, StructType | ArrayType) and known.size == size:
        return known
    if isinstance(known, PointerType) and size == 8:
        return PointerType(known.target, space)
    if size in _INTEGER_SIZES:
        # Arguments of system calls take 8 bytes whatever their C type, as upstream has it.
        return int_type(size, signed)
    return ArrayType(int_type(1, False), size)


def pointee(text: str, types: TypeTable, space: str) -> Type:
    """What a pointer to C type ``text`` points to."""
    if text.endswith("*"):
        return PointerType(pointee(text[:-1].rstrip(), types, space), space)
    if text in _CHARACTERS:
        return INT8
    return types.named(text) or VOID


def _element(text: str, types: TypeTable) -> Type:
    """The element of an array whose size is not said."""
    if text.endswith("*"):
        return PointerType(pointee(text[:-1].rstrip(), types, KERNEL), KERNEL)
    if text in _CHARACTERS:
        return INT8
    return types.named(text) or int_type(1, False)


def plain_type(text: str) -> str:
    """A C type's text without qualifiers, and blanks before ``*``."""
    return _plain(text)[0]


def _plain(text: str) -> tuple[str, bool]:
    """A C type's text without qualifiers, blanks before ``*`` and ``[]``; whether it had ``[]``."""
    text = text.strip()
    is_array = text.endswith("]")
    if is_array:
        text = text[: text.index("[")]
    words = [word for word in text.replace("*", " * ").split() if word not in _QUALIFIERS]
    stars = words.count("*")
    base = " ".join(word for word in words if word != "*")
    return base + "*" * stars, is_array
