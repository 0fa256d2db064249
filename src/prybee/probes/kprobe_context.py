"""What handlers of ``kprobe`` and ``kretprobe`` find: the registers of the traced function."""

from __future__ import annotations

from prybee.language.lower.operands import Scalar
from prybee.language.registry import ProbeSyntaxError
from prybee.language.types import KERNEL, UINT64, Type
from prybee.probes.registered import EntryRegisters, RegisterContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand


class KprobeContext(EntryRegisters):
    """The registers at a place of the kernel."""

    program_type = "kprobe"
    space = KERNEL

    def argument_type(self, index: int, checker: Checker) -> Type | None:
        if self.registers is None:
            raise _unknown("arguments", self.arch)
        return super().argument_type(index, checker)


class KretprobeContext(RegisterContext):
    """The registers that a function leaves: there is ``retval``, and no argument any more."""

    program_type = "kprobe"
    space = KERNEL

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
