"""What handlers of ``kprobe`` and ``kretprobe`` find: the registers of the traced function."""

from __future__ import annotations

from prybee.language.lower.operands import Scalar
from prybee.language.types import INT64, KERNEL, UINT64, Type
from prybee.probes.registered import RegisterContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand


class KprobeContext(RegisterContext):
    """The registers at a place of the kernel, or with ``returns`` those that a function leaves.

    Args:
        name: full name of the attach point.
        provider: ``kprobe`` or ``kretprobe``.
        arch: the machine.
        returns: the function has returned: there is ``retval``, and no argument any more.
    """

    program_type = "kprobe"
    space = KERNEL

    def __init__(self, name: str, provider: str, arch: str, returns: bool) -> None:
        super().__init__(name, provider, arch)
        self.returns = returns

    def argument_type(self, index: int, checker: Checker) -> Type | None:
        known = self.registers
        there = known is not None and index < len(known.arguments) and not self.returns
        return INT64 if there else None

    def lower_argument(self, index: int, handler: Handler) -> Operand:
        known = self.registers
        assert known is not None
        return Scalar(self.read(handler, known.arguments[index]), INT64)

    def retval_type(self, checker: Checker) -> Type | None:
        return UINT64 if self.returns and self.registers is not None else None

    def lower_retval(self, handler: Handler) -> Operand:
        known = self.registers
        assert known is not None
        return Scalar(self.read(handler, known.return_value), UINT64)
