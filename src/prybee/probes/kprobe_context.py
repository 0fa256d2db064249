"""What handlers of ``kprobe`` and ``kretprobe`` find: the registers of the traced function."""

from __future__ import annotations

from prybee.language.lower.operands import Scalar
from prybee.language.registry import ProbeSyntaxError
from prybee.language.types import KERNEL, UINT64, Type
from prybee.probes.registered import EntryRegisters, RegisterContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand


# Programs can ask the kernel since Linux 5.15.
_ASKS = "helper:get_func_ip"
# On x86 the instruction pointer is behind the breakpoint, also where no breakpoint is used
# (arch/x86/kernel/kprobes/: kprobe_ftrace_handler, optimized_callback).
_BREAKPOINT = {"x86_64": 1, "i686": 1}


class KprobeContext(EntryRegisters):
    """The registers at a place of the kernel.

    ``inside`` is set for places behind a function's start: of these the kernel does not tell the
    function.
    """

    program_type = "kprobe"
    space = KERNEL
    inside = False

    def function_address(self, handler: Handler) -> Value | None:
        known = self.registers
        if known is None or (not self.inside and handler.script.can(_ASKS)):
            return None
        place = self.read(handler, known.instruction_pointer)
        return handler.b.sub(place, handler.const(_BREAKPOINT.get(self.arch, 0)))

    def argument_type(self, index: int, checker: Checker) -> Type | None:
        if self.registers is None:
            raise _unknown("arguments", self.arch)
        return super().argument_type(index, checker)


class KretprobeContext(RegisterContext):
    """The registers that a function leaves: there is ``retval``, and no argument any more.

    ``function`` is its address, where programs are made for one function because of that.
    """

    program_type = "kprobe"
    space = KERNEL
    function = 0

    def function_address(self, handler: Handler) -> Value | None:
        return handler.const(self.function) if self.function else None

    def retval_type(self, checker: Checker) -> Type | None:
        if self.registers is None:
            raise _unknown("results", self.arch)
        return UINT64

    def lower_retval(self, handler: Handler) -> Operand:
        known = self.registers
        assert known is not None
        return Scalar(self.read(handler, known.return_value), UINT64)


def _unknown(what: str, arch: str) -> ProbeSyntaxError:
    return ProbeSyntaxError(
        f"where functions have their {what} on {arch} is not known here",
        "handlers that use no arguments, results and registers work, and so do tracepoints and "
        "fentry, whose arguments have names",
    )
