"""Functions that change what they trace: signals, overridden returns, writes to user memory."""

from __future__ import annotations

from prybee.functions.arguments import (
    aliased,
    argument_type,
    expression,
    is_address,
    kind,
    known,
    literal_number,
    want_integer,
)
from prybee.functions.context import probe_type
from prybee.functions.text_memory import address_of
from prybee.language import tree
from prybee.language.lower.loops import context
from prybee.language.lower.operands import Place, Scalar
from prybee.language.registry import Function
from prybee.language.types import (
    BOOL,
    NONE,
    UINT8,
    ArrayType,
    Type,
    is_integer,
    is_scalar,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

_MOST_SIGNAL = 64


class Signal(Function):
    """``signal()`` and ``signal_thread()``: send a signal to the running process or thread."""

    arguments = (1, 1)
    unsafe = True
    statement = True

    def __init__(self, name: str, summary: str, helper: str) -> None:
        self.name = name
        self.signature = f"{name}(number or name)"
        self.summary = summary
        self.helper = helper

    def check(self, call: tree.Call, checker: Checker) -> Type:
        provider = checker.context.provider
        if probe_type(provider) == "special":
            # prybee would hit itself.
            checker.error(call, f"{self.name}() can not be used for this probetype special")
        node = expression(call, 0)
        wrong = f"{self.name}() accepts a string literal or an integer between 1 and 64 (inclusive)"
        if isinstance(node, tree.String):
            if signal_number(node.value) is None:
                checker.error(call, f"Invalid string for signal: {node.value}")
        elif isinstance(node, tree.Integer):
            if not 1 <= node.value <= _MOST_SIGNAL:
                checker.error(call, wrong)
        elif known(node.type) and not is_integer(node.type):
            checker.error(call, wrong)
        return NONE

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        node = expression(call, 0)
        if isinstance(node, tree.String):
            number = handler.const(signal_number(node.value) or 0)
        else:
            number = handler.lower_integer(node)
        result = handler.b.call(self.helper, [number])
        handler.note_failure(self.helper, result)
        return None


def signal_number(name: str) -> int | None:
    """The number of a signal called ``KILL`` or ``SIGKILL``."""
    import signal

    found = getattr(signal, name if name.startswith("SIG") else f"SIG{name}", None)
    return int(found) if isinstance(found, signal.Signals) else None


class Override(Function):
    """``override()``: let a kernel function return at once."""

    name = "override"
    signature = "override(value)"
    summary = "return a value instead of running the probed function"
    arguments = (1, 1)
    unsafe = True
    statement = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        if checker.context.provider != "kprobe":
            checker.error(call, "override() can only be used inside kprobes")
        want_integer(call, 0, checker)
        return NONE

    def lower(self, call: tree.Call, handler: Handler) -> Operand | None:
        value = handler.lower_integer(expression(call, 0))
        result = handler.b.call("override_return", [context(handler), value])
        handler.note_failure("override_return", result)
        return None


class WriteUser(Function):
    """``write_user()``: write to the memory of the running process."""

    name = "write_user"
    signature = "write_user(destination, source, length)"
    summary = "write to user memory; whether that worked"
    arguments = (3, 3)
    unsafe = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        destination = argument_type(call, 0)
        if known(destination) and not is_address(destination):
            checker.error(
                call, f"write_user() expects a pointer to write to ({kind(destination)} provided)"
            )
        source = argument_type(call, 1)
        length = literal_number(call, 2)
        if length is None or not 1 <= length <= checker.config.max_strlen:
            checker.error(
                call,
                f"write_user() requires a literal length between 1 and {checker.config.max_strlen}",
            )
        elif known(source) and not is_address(source) and source.size < length:
            checker.error(
                call, f"write_user() cannot write {length} bytes of a value of {source.size}"
            )
        return BOOL

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        length = literal_number(call, 2) or 1
        destination = handler.lower_integer(expression(call, 0))
        operand = handler.lower(expression(call, 1))
        bytes_ = ArrayType(UINT8, length)
        if is_scalar(operand.type):
            address, space = address_of(handler, operand)
            buffer = handler.slot(bytes_, "write_user")
            handler.read_memory(buffer, 0, length, Place(address, 0, bytes_, space))
            source = buffer
        else:
            place = handler.in_memory(operand)
            source = handler.b.ptr_add(place.pointer, place.offset)
        result = handler.b.call("probe_write_user", [destination, source, length])
        return Scalar(handler.b.icmp("eq", result, 0), BOOL)


FUNCTIONS = aliased(
    Signal("signal", "send a signal to the process", "send_signal"),
    Signal("signal_thread", "send a signal to the thread", "send_signal_thread"),
    Override(),
    WriteUser(),
)
