"""Reading text from memory: what ``str()`` and its relatives are made of."""

from __future__ import annotations

from prybee.functions.arguments import argument_type
from prybee.language.lower.operands import Place, Text
from prybee.language.types import (
    BPF,
    KERNEL,
    NOWHERE,
    USER,
    ArrayType,
    IntType,
    PointerType,
    StringType,
    Type,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language import tree
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand


def is_bytes(type_: Type) -> bool:
    """Whether a type is an array of characters."""
    return isinstance(type_, ArrayType) and type_.element.size == 1


def space_of(h: Handler, type_: Type) -> str:
    """The address space that a plain address of ``type_`` is in.

    Our own memory, and the context, are the kernel's to helpers that read by address.
    """
    if isinstance(type_, PointerType) and type_.space != NOWHERE:
        return USER if type_.space == USER else KERNEL
    if isinstance(type_, IntType) and type_.tag in (KERNEL, USER):
        return type_.tag
    return h.context.space


def warn_unknown_space(call: tree.Call, index: int, checker: Checker) -> None:
    """Warn where nothing tells whether argument ``index`` points to kernel or user memory."""
    type_ = argument_type(call, index)
    if isinstance(type_, PointerType):
        unknown = type_.space == NOWHERE
    else:
        unknown = (
            isinstance(type_, IntType)
            and type_.tag not in (KERNEL, USER)
            and checker.context.space == NOWHERE
        )
    if unknown:
        checker.warn(call, "Addrspace is not set", "say which memory it is with kptr() or uptr()")


def address_of(h: Handler, operand: Operand) -> tuple[Value, str]:
    """Where the bytes are that an operand stands for (or points to), and in which space."""
    if isinstance(operand, Text):
        operand = h.in_memory(operand)
    if isinstance(operand, Place):
        return h.address(operand), USER if operand.space == USER else KERNEL
    return h.number(operand), space_of(h, operand.type)


def read_text(
    h: Handler, pointer: Value, offset: int, size: int | Value, address: Value, space: str
) -> Value:
    """Copy text up to its NUL, at most ``size`` bytes with the NUL; its length with the NUL.

    A failed read is counted; it leaves zeros and gives a negative number.
    """
    helper = "probe_read_user_str" if space == USER else "probe_read_kernel_str"
    target = h.b.ptr_add(pointer, offset)
    length = h.b.call(helper, [target, size, address])
    h.note_failure(helper, length)
    return length


def text_place(h: Handler, node: tree.Expression, size: int) -> Place:
    """The text that an expression gives or points to, in our memory, padded with zeros.

    ``size`` limits what is read through a pointer.
    """
    operand = h.lower(node)
    if isinstance(operand.type, StringType):
        return h.in_memory(operand)
    if isinstance(operand.type, ArrayType):
        size = min(size, operand.type.size + 1)
    address, space = address_of(h, operand)
    buffer = h.b.slot((size + 7) // 8 * 8, 8, "text")
    h.b.zero(buffer, 0, (size + 7) // 8 * 8)
    read_text(h, buffer, 0, size, address, space)
    return Place(buffer, 0, StringType(size), BPF)
