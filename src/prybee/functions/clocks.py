"""Time: clocks, time since the start, and time to be printed."""

from __future__ import annotations

from prybee.compiler.ir import I64
from prybee.functions.arguments import (
    aliased,
    argument_type,
    expression,
    known,
    literal_number,
    literal_text,
    want_integer,
)
from prybee.language import tree
from prybee.language.lower import globals as global_data
from prybee.language.lower.operands import Scalar
from prybee.language.registry import Function
from prybee.language.types import UINT64, IntType, TimestampType, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

BOOT = "boot"
# Mode of nsecs() → helper.  sw_tai is the boot clock plus an offset known when compiling.
MODES = {
    "boot": "ktime_get_boot_ns",
    "monotonic": "ktime_get_ns",
    "tai": "ktime_get_tai_ns",
    "sw_tai": "ktime_get_boot_ns",
}


# Since Linux 6.1.
_HAS_TAI = "helper:ktime_get_tai_ns"


def now(h: Handler, mode: str) -> Value:
    """Nanoseconds of clock ``mode``."""
    value = h.b.call(MODES[mode])
    return h.b.add(value, h.script.target.tai_offset()) if mode == "sw_tai" else value


class Nanoseconds(Function):
    """``nsecs``: a clock."""

    name = "nsecs"
    signature = "nsecs[([boot|monotonic|tai|sw_tai])]"
    summary = "nanoseconds since boot, or of another clock"
    arguments = (0, 1)
    variable = True
    raw_arguments = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        mode = self._mode(call)
        if mode not in MODES:
            checker.error(
                call.args[0],
                f"Invalid timestamp mode: {mode}",
                f"valid modes: {', '.join(MODES)}",
            )
            mode = BOOT
        if mode == "tai" and not checker.target.has(_HAS_TAI):
            checker.error(
                call,
                "Kernel does not support tai timestamp, please try sw_tai",
                "it is the boot clock and the difference of both as it was when the script began",
            )
        return IntType(8, False, mode)

    @staticmethod
    def _mode(call: tree.Call) -> str:
        if not call.args:
            return BOOT
        mode = call.args[0]
        if isinstance(mode, tree.Identifier):
            return mode.name
        return str(mode.value) if isinstance(mode, tree.Integer | tree.String) else ""

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        mode = self._mode(call)
        return Scalar(now(handler, mode), IntType(8, False, mode))


class Elapsed(Function):
    """``elapsed``: time since the start of the script."""

    name = signature = "elapsed"
    summary = "nanoseconds since the start of the script"
    variable = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        return UINT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        start = handler.b.load(I64, handler.global_pointer(global_data.START))
        return Scalar(handler.b.sub(now(handler, BOOT), start), UINT64)


class FormatTime(Function):
    """``strftime()``: a time that becomes text when it is printed."""

    name = "strftime"
    signature = "strftime(format, nanoseconds)"
    summary = "a time, formatted when printed"
    arguments = (2, 2)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        format_ = literal_text(call, 0, checker)
        want_integer(call, 1, checker)
        literal = literal_number(call, 1)
        if literal is not None and literal < 0:
            checker.error(call, "strftime() does not accept negative timestamps")
        type_ = argument_type(call, 1)
        mode = type_.tag if known(type_) and isinstance(type_, IntType) else ""
        return TimestampType(format_ or "", mode if mode in MODES else BOOT)

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return Scalar(handler.lower_integer(expression(call, 1)), call.type)


FUNCTIONS = aliased(Nanoseconds(), Elapsed(), FormatTime())
