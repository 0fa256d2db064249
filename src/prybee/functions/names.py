"""Numbers that have names: ``strerror``, ``signal_name``, ``syscall_name``.

The texts lie in the global data map, in rows of one width; a look-up is an index, and the value is
where the text lies, not a copy.
"""

from __future__ import annotations

from prybee.functions import tasks
from prybee.functions.arguments import (
    aliased,
    argument_type,
    expression,
    known,
    literal_number,
)
from prybee.language.lower.operands import Place, Text
from prybee.language.registry import Function
from prybee.language.types import BPF, INT32, UINT32, StringType, Type, is_integer
from prybee.machines import machine
from prybee.machines.syscall_names import syscall_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prybee.btf import Btf
    from prybee.compiler.ir import Value
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
        value = handler.convert(handler.lower(expression(call, 0)), INT32)
        if self.magnitude:
            value = b.select(b.icmp("slt", value, 0), b.neg(value), value)
        rows = self.rows(names)
        row = _row(handler, value, len(rows))
        for others, applies in self.others(handler):
            more = self.rows(others)
            row = b.select(applies, b.add(_row(handler, value, len(more)), len(rows)), row)
            rows += more
        width = self.type.capacity
        table = b"".join(each.encode()[: width - 1].ljust(width, b"\0") for each in rows)
        start = handler.script.globals.constant(table)
        pointer = b.ptr_add(handler.global_pointer(start), b.mul(row, width))
        return Place(pointer, 0, self.type, BPF)

    def rows(self, names: dict[int, str]) -> list[str]:
        """The names in order; behind the last there is the text for all other numbers."""
        count = max(names, default=-1) + 1
        return [names.get(number, self.unknown) for number in range(count)] + [self.unknown]

    def others(self, handler: Handler) -> Iterable[tuple[dict[int, str], Value]]:
        """Other names, and (an I1) whether they are those that apply."""
        return ()


class SyscallName(Named):
    """Programs of 32 bits have numbers of their own on a kernel of 64 bits."""

    def others(self, handler: Handler) -> Iterable[tuple[dict[int, str], Value]]:
        target = handler.script.target
        own = machine(target.arch)
        context_ = handler.context
        # The events of single calls are not there for such programs.
        if own is None or own.narrow is None or context_.name.startswith("tracepoint:syscalls:"):
            return
        name, member, mask = own.narrow
        if context_.provider in _NO_TASK or (offset := _thread_info(target.btf, member)) is None:
            return
        task = tasks.current(handler)
        place = Place(task.pointer, task.offset + offset, UINT32, task.space, task.trusted)
        flags = handler.b.and_(handler.load(place).value, mask)
        yield self.names(name), handler.b.icmp("ne", flags, 0)


# Probes that hit whatever runs, or prybee itself.
_NO_TASK = frozenset(("begin", "end", "self", "interval", "profile", "software", "hardware"))


def _thread_info(btf: Btf | None, name: str) -> int | None:
    """Offset in a task of a member of its ``thread_info``; None without types that tell."""
    start = tasks.offset(btf, "thread_info")
    if btf is None or start is None:
        return None
    struct = btf.find("thread_info", "struct")
    member = btf.member(struct, name) if struct else None
    return start + member.bit_offset // 8 if member is not None else None


def _row(handler: Handler, value: Value, count: int) -> Value:
    """The row of a number among so many."""
    b, last = handler.b, count - 1
    return b.select(b.icmp("ult", value, last), value, handler.const(last))


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
    SyscallName(
        "syscall_name", "name of a system call's number", 32, "Unknown syscall", syscall_names
    ),
)
