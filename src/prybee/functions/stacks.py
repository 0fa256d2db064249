"""Stacks: ``kstack``, ``ustack``, ``dw_ustack`` and their length."""

from __future__ import annotations

from prybee.compiler.ir import I32, I64, STACK, Ptr
from prybee.diagnostics import WARNING, Diagnostic
from prybee.functions.arguments import aliased, argument_type, expression, known
from prybee.functions.in_memory import InMemory
from prybee.functions.process import process_id
from prybee.language import tree
from prybee.language.lower.loops import context
from prybee.language.lower.operands import Scalar
from prybee.language.registry import Function
from prybee.language.types import INT64, StackType, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

DEFAULT_LIMIT = 127
MAX_LIMIT = 1024
MODES = ("bpftrace", "raw", "perf", "build_id")

# The value's header (plan/layouts.py, StackLayout), in front of the frames.
_HEADER = 16
_COUNT, _PID, _PROBE, _PAD = 0, 4, 8, 12

# Programs in which older kernels take bpf_get_stack for a helper that reads the memory it is given
# (bpf_get_stack_proto_raw_tp, kernel/trace/bpf_trace.c): on the stack it must have been written.
_READ = frozenset(("raw_tracepoint", "tracing", "lsm"))

BPF_F_USER_STACK = 1 << 8
BPF_F_USER_BUILD_ID = 1 << 11


class Stack(InMemory):
    """``kstack``, ``ustack`` and ``dw_ustack``."""

    arguments = (0, 2)
    variable = True
    raw_arguments = True

    def __init__(self, name: str, summary: str, user: bool, by_rows: bool = False) -> None:
        self.name = name
        self.signature = f"{name}[([mode][, limit])]"
        self.summary = summary
        self.user = user
        # Walked by unwind rows (unwinding.py), not by frame pointers.
        self.by_rows = by_rows

    def check(self, call: tree.Call, checker: Checker) -> Type:
        for argument in call.args:
            if isinstance(argument, tree.Expression) and not isinstance(argument, tree.Identifier):
                checker.expression(argument)
        if self.by_rows:
            _ask_for_feature(call, checker)
        mode = str(checker.config.stack_mode)
        limit = DEFAULT_LIMIT
        rest = list(call.args)
        if rest and isinstance(rest[0], tree.Identifier):
            mode = rest.pop(0).name  # type: ignore[union-attr]
        if len(rest) > 1:
            checker.error(call, "Expected stack mode as first argument")
        if mode not in MODES:
            checker.error(
                call,
                f"Error parsing stack mode: {self.name}: Invalid value for stack_mode: valid "
                "values are bpftrace, raw, perf, and build_id.",
            )
            mode = MODES[0]
        if mode == "build_id" and (not self.user or self.by_rows):
            checker.error(call, "'build_id' stack mode can only be used for ustack")
        if rest:
            number = rest[-1]
            if not isinstance(number, tree.Integer) or number.value < 0:
                checker.error(call, f"{self.name}: invalid limit value")
            elif number.value > MAX_LIMIT:
                checker.error(
                    call,
                    f"{self.name}([int limit]): limit shouldn't exceed {MAX_LIMIT}, "
                    f"{number.value} given",
                )
            else:
                limit = number.value
        return StackType(self.user, mode, limit)

    def write(self, call: tree.Call, h: Handler, type_: Type, pointer: Value, offset: int) -> None:
        # A destination for more frames than are asked for gets zeros behind them.
        asked = call.type
        assert isinstance(asked, StackType)
        self._write(call, h, asked, pointer, offset)
        if asked.size < type_.size:
            h.b.zero(pointer, offset + asked.size, type_.size - asked.size)

    def _write(
        self, call: tree.Call, h: Handler, type_: StackType, pointer: Value, offset: int
    ) -> None:
        b = h.b
        if not type_.limit:
            count = h.const(0)
        elif self._walked(h, type_):
            from prybee.functions import unwinding

            count = unwinding.walk(
                h, call, type_.limit, pointer, offset + _HEADER,
                lambda: self._by_kernel(h, type_, pointer, offset),
                at_entry=_at_entry(h),
            )  # fmt: skip
        else:
            count = self._by_kernel(h, type_, pointer, offset)
        b.store(pointer, offset + _COUNT, count, I32)
        if self.user:
            b.store(pointer, offset + _PID, process_id(h), I32)
            b.store(pointer, offset + _PROBE, h.const(h.block_index), I64)
        else:
            b.store(pointer, offset + _PID, h.const(0), I32)
            b.store(pointer, offset + _PROBE, h.const(0), I64)

    def _walked(self, h: Handler, type_: StackType) -> bool:
        """Whether the walk is ours."""
        if not self.user or type_.mode == "build_id" or not self._wants_rows(h):
            return False
        from prybee.functions import unwinding

        return not unwinding.why_not(h.script.target)

    def _wants_rows(self, h: Handler) -> bool:
        return self.by_rows or h.script.config.unwind == "eh_frame"

    def _by_kernel(self, h: Handler, type_: StackType, pointer: Value, offset: int) -> Value:
        """The kernel writes the frames where they shall be, and clears what it does not use.

        So the header is all there is to initialise (__bpf_get_stack, kernel/bpf/stackmap.c, which
        clears the rest also when it fails).
        """
        if self.user and type_.limit > 1 and type_.mode != "build_id" and _at_entry(h):
            from prybee.functions import unwinding

            return unwinding.from_entry(h, type_.limit, pointer, offset + _HEADER)
        b = h.b
        size = type_.limit * type_.frame_size
        flags = BPF_F_USER_STACK if self.user else 0
        if type_.mode == "build_id":
            flags |= BPF_F_USER_BUILD_ID
        frames = b.ptr_add(pointer, offset + _HEADER)
        if pointer.type == Ptr(STACK) and h.context.program_type in _READ:
            b.zero(frames, 0, size)
        found = b.call("get_stack", [context(h), frames, size, flags])
        shift = type_.frame_size.bit_length() - 1
        failed = b.icmp("slt", found, 0)
        return b.select(failed, found, b.lshr(found, shift))


def _at_entry(h: Handler) -> bool:
    """Whether the handler runs at the first instruction of functions of x86-64 programs, where
    the word on top of the stack is where the call returns to."""
    context_ = h.context
    if context_.provider != "uprobe" or h.script.target.arch != "x86_64":
        return False
    registers = getattr(context_, "registers", None)
    if registers is None or registers.word != 8:
        return False  # A program of 32 bits.
    places = [name.rpartition(":")[2] for name in context_.names or (context_.name,)]
    return not any("+" in place or place[:1].isdigit() for place in places)


def _ask_for_feature(call: tree.Call, checker: Checker) -> None:
    """Warn of an unstable feature, or refuse it, as the settings say; or where it cannot be had."""
    from prybee.functions import unwinding

    if why_not := unwinding.why_not(checker.target):
        checker.error(call, f"dw_ustack is not available here: {why_not}", "use ustack")
        return
    feature, name = "dw_ustack (DWARF stack unwinding)", "unstable_dw_ustack"
    allowed = checker.config.unstable_dw_ustack
    if allowed == "error":
        checker.error(
            call,
            f"{feature} feature is not enabled by default. To enable this unstable feature, set "
            f"the config flag to enable. {name}=enable",
        )
    elif allowed == "warn":
        message = (
            f"Script is using an unstable feature: {feature}. To prevent this warning you must "
            f"explicitly enable it in the config e.g. {name}=enable"
        )
        checker.warnings[message, 0, 0] = Diagnostic(WARNING, message)


def stack_length(h: Handler, node: tree.Expression) -> Operand:
    """How many frames the stack has that an expression gives: what ``len()`` of it is."""
    place = h.in_memory(h.lower(node))
    count = h.b.load(I32, place.pointer, place.offset + _COUNT, signed=True)
    # A stack that could not be read has no frames.
    return Scalar(h.b.select(h.b.icmp("slt", count, 0), h.const(0), count), INT64)


class StackLength(Function):
    """``stack_len()``: what ``len()`` of a stack gives."""

    name = "stack_len"
    signature = "stack_len(stack)"
    summary = "number of frames of a stack"
    arguments = (1, 1)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        type_ = argument_type(call, 0)
        if known(type_) and not isinstance(type_, StackType):
            checker.error(call, "len() expects a map or stack to be provided")
        return INT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return stack_length(handler, expression(call, 0))


FUNCTIONS = aliased(
    Stack("kstack", "the kernel's stack", user=False),
    Stack("ustack", "the process's stack", user=True),
    Stack("dw_ustack", "the process's stack, without frame pointers", user=True, by_rows=True),
    StackLength(),
)
