"""Where the handler runs: CPUs, memory nodes, the kernel's own counters."""

from __future__ import annotations

from prybee.compiler.ir import I64
from prybee.functions.arguments import aliased
from prybee.language.lower.loops import context
from prybee.language.lower.operands import Scalar
from prybee.language.registry import Function
from prybee.language.types import INT8, UINT64, Type
from prybee.machines import registers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.language import tree
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand


class Reading(Function):
    """A number that one helper gives."""

    variable = True

    def __init__(self, name: str, summary: str, helper: str) -> None:
        self.name = self.signature = name
        self.summary = summary
        self.helper = helper

    def check(self, call: tree.Call, checker: Checker) -> Type:
        return UINT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return Scalar(handler.b.call(self.helper), UINT64)


class Cpus(Function):
    """``ncpus``: how many CPUs can ever be online."""

    name = signature = "ncpus"
    summary = "number of CPUs"
    variable = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        return UINT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return Scalar(handler.const(handler.script.possible_cpus), UINT64)


class UserMode(Function):
    """``usermode``: whether the probe interrupted user code."""

    name = signature = "usermode"
    summary = "1 when the probe hit user code, else 0 (x86-64, arm64)"
    variable = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        if registers(checker.target.arch) is None:
            checker.error(call, "'usermode' builtin is only supported on x86_64 and arm64")
        return INT8

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        known = registers(handler.script.target.arch)
        assert known is not None
        name, mask, user = known.user_mode
        place = handler.context.register(name) if handler.context.has_registers else None
        if place is None:
            # begin, end and self run for the tracer itself; other probes are in the kernel.
            own = handler.context.provider in ("begin", "end", "self")
            return Scalar(handler.const(int(own)), INT8)
        value = handler.b.load(I64, context(handler), place)
        inside = handler.b.icmp("eq", handler.b.and_(value, mask), user)
        return Scalar(handler.b.zext(inside, I64), INT8)


FUNCTIONS = aliased(
    Reading("cpu", "CPU that the handler runs on", "get_smp_processor_id"),
    Reading("numaid", "memory node of that CPU", "get_numa_node_id"),
    Reading("jiffies", "the kernel's tick counter", "jiffies64"),
    Reading("rand", "a random number of 32 bits", "get_prandom_u32"),
    Cpus(),
    UserMode(),
)
