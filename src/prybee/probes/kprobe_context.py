"""What handlers of ``kprobe`` and ``kretprobe`` find: the registers of the traced function."""

from __future__ import annotations

from prybee.language.lower.operands import Scalar
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


class KretprobeContext(RegisterContext):
    """The registers that a function leaves: there is ``retval``, and no argument any more."""

    program_type = "kprobe"
    space = KERNEL

    def retval_type(self, checker: Checker) -> Type | None:
        return UINT64 if self.registers is not None else None

    def lower_retval(self, handler: Handler) -> Operand:
        known = self.registers
        assert known is not None
        return Scalar(self.read(handler, known.return_value), UINT64)
