"""Numbers that have names: ``strerror``, ``signal_name``, ``syscall_name``.

The texts lie in the global data map, in rows of one width; a look-up is an index, and the value is
where the text lies, not a copy.
"""

from __future__ import annotations

from prybee.functions.arguments import (
    aliased,
    argument_type,
    expression,
    known,
    literal_number,
)
from prybee.language.lower.operands import Place, Text
from prybee.language.registry import Function
from prybee.language.types import BPF, INT32, StringType, Type, is_integer
from prybee.machines.syscall_names import syscall_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.language import tree
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

# MAX_ERRNO in use by Linux: EHWPOISON, include/uapi/asm-generic/errno.h.
_LAST_ERRNO = 133
_LAST_SIGNAL = 64
_FIRST_REAL_TIME = 34


class Named(Function):
    """A function from a number to its name, by a table made when compiling."""

    arguments = (1, 1)

    def __init__(
        self,
        name: str,
        summary: str,
        width: int,
        unknown: str,
        names: Callable[[str], dict[int, str]],
        magnitude: bool = False,
    ) -> None:
        self.name = name
        self.signature = f"{name}(number)"
        self.summary = summary
        self.type = StringType(width)
        self.unknown = unknown
        self.names = names
        # A negative number means the same as the positive one.
        self.magnitude = magnitude

    def check(self, call: tree.Call, checker: Checker) -> Type:
        type_ = argument_type(call, 0)
        if known(type_) and not is_integer(type_):
            checker.error(call, f'Cannot cast from "{type_}" to "int32"')
        return self.type

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        names = self.names(handler.script.target.arch)
        number = literal_number(call, 0)
        if number is not None:
            number = abs(number) if self.magnitude else number
            return Text(names.get(number, self.unknown).encode(), self.type)
        b = handler.b
        count = max(names, default=-1) + 1
        rows = [names.get(n, self.unknown) for n in range(count)] + [self.unknown]
        width = self.type.capacity
        table = b"".join(row.encode()[: width - 1].ljust(width, b"\0") for row in rows)
        start = handler.script.globals.constant(table)
        value = handler.convert(handler.lower(expression(call, 0)), INT32)
        if self.magnitude:
            value = b.select(b.icmp("slt", value, 0), b.neg(value), value)
        # Behind the last name there is the text for all other numbers.
        row = b.select(b.icmp("ult", value, count), value, handler.const(count))
        pointer = b.ptr_add(handler.global_pointer(start), b.mul(row, width))
        return Place(pointer, 0, self.type, BPF)


def _errors(_arch: str) -> dict[int, str]:
    import os

    found = {number: os.strerror(number) for number in range(_LAST_ERRNO + 1)}
    return {n: text for n, text in found.items() if not text.startswith("Unknown error")}


def _signals(_arch: str) -> dict[int, str]:
    import signal

    return {
        number: f"Real-time signal {number - _FIRST_REAL_TIME}"
        if number >= _FIRST_REAL_TIME
        else (number and signal.strsignal(number)) or f"Unknown signal {number}"
        for number in range(_LAST_SIGNAL + 1)
    }


FUNCTIONS = aliased(
    Named("strerror", "text of an errno", 64, "Unknown error", _errors, magnitude=True),
    Named("signal_name", "text of a signal's number", 32, "N/A", _signals),
    Named("syscall_name", "name of a system call's number", 32, "Unknown syscall", syscall_names),
)
