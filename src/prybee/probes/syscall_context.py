"""What handlers of ``ksyscall`` and ``kretsyscall`` find, however the kernel lets them in.

The function behind a system call is given the registers of the process (``struct pt_regs *``); the
call's own arguments are in there.  The event of a system call has them as 8-byte words.  Either way
``args`` is a record whose members lie where the arguments are.
"""

from __future__ import annotations

from prybee.compiler.ir import I64
from prybee.language.lower.operands import Place, Scalar
from prybee.language.registry import ProbeContext, ProbeSyntaxError
from prybee.language.types import (
    CONTEXT,
    INT64,
    KERNEL,
    UINT64,
    USER,
    Member,
    PointerType,
    StructType,
    Type,
    is_scalar,
)
from prybee.machines import registers
from prybee.probes.registered import context_pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.kernel_types import TypeTable
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand
    from prybee.machines import Registers
    from prybee.plan.target import TracepointField

_WORD = 8
# Where events of system calls have the arguments and the result, behind the call's number.
EVENT = 16
_MOST = 6


class SyscallContext(ProbeContext):
    """A system call.

    Args:
        call: its name.
        fields: its arguments, as its event describes them; None where nothing does.
        arch: the machine.
        returns: at its end.
    """

    space = USER

    def __init__(
        self,
        name: str,
        call: str,
        fields: Sequence[TracepointField] | None,
        arch: str,
        returns: bool,
    ) -> None:
        super().__init__(name)
        self.provider = "kretsyscall" if returns else "ksyscall"
        self.call = call
        self.fields = fields
        self.arch = arch
        self.returns = returns
        self._args: StructType | None = None
        self._start = 0

    @property
    def known(self) -> Registers:
        """The machine's registers: only events are without."""
        known = registers(self.arch)
        assert known is not None
        return known

    def offsets(self) -> Sequence[int]:
        """Where arguments are, from :meth:`base` on."""
        return [self.known.offsets[each] for each in self.known.syscall_arguments]

    def base(self, handler: Handler) -> Value:
        """The process's registers, in the kernel's memory."""
        raise NotImplementedError

    def result(self, handler: Handler) -> Value:
        """What the call returns."""
        raise NotImplementedError

    # Programs may read the base by themselves.
    direct = False

    def place(self, handler: Handler, offset: int, type_: Type) -> Place:
        """A value of the base."""
        return Place(self.base(handler), offset, type_, CONTEXT if self.direct else KERNEL)

    def args_type(self, checker: Checker) -> Type | None:
        if self.returns:
            raise ProbeSyntaxError(
                "the arguments of a system call are gone when it returns",
                f"keep them at its start: ksyscall:{self.call} {{ @kept[tid] = args.… }}",
            )
        if self.fields is None:
            raise ProbeSyntaxError(
                f"nothing tells the names of the arguments of {self.call}() here: the kernel has "
                "no events of system calls (CONFIG_FTRACE_SYSCALLS), or they cannot be read",
                "use arg0, arg1 …, by position",
            )
        if self._args is None:
            places = self.offsets()[: len(self.fields)]
            # The record begins at the first of them: what is before it may not be ours to read.
            self._start = min(places, default=0)
            members = [
                Member(field.name, at - self._start, argument_type(field.type, checker.types))
                for field, at in zip(self.fields, places, strict=False)
            ]
            size = max(places, default=-_WORD) + _WORD - self._start
            self._args = StructType.lazy(
                "struct", f"ksyscall:{self.call}_args", size, lambda: tuple(members)
            )
        return self._args

    def lower_args(self, handler: Handler) -> Operand:
        record = self.args_type(handler.script.checker)
        assert record is not None
        return self.place(handler, self._start, record)

    def argument_type(self, index: int, checker: Checker) -> Type | None:
        count = _MOST if self.fields is None else len(self.fields)
        return UINT64 if not self.returns and index < count else None

    def lower_argument(self, index: int, handler: Handler) -> Operand:
        return self.place(handler, self.offsets()[index], UINT64)

    def retval_type(self, checker: Checker) -> Type | None:
        return INT64 if self.returns else None

    def lower_retval(self, handler: Handler) -> Operand:
        return Scalar(self.result(handler), INT64)


class ByBreakpoint(SyscallContext):
    """Reached by a kprobe: the first register points to the process's."""

    program_type = "kprobe"

    def _register(self, handler: Handler, name: str) -> Value:
        return handler.b.load(I64, context_pointer(handler), self.known.offsets[name])

    def base(self, handler: Handler) -> Value:
        return self._register(handler, self.known.arguments[0])

    def result(self, handler: Handler) -> Value:
        return self._register(handler, self.known.return_value)


class ByTrampoline(SyscallContext):
    """Reached by fentry: the first word points to the process's registers; the result follows."""

    program_type = "tracing"
    returns_nothing = True

    def base(self, handler: Handler) -> Value:
        return handler.b.load(I64, context_pointer(handler), 0)

    def result(self, handler: Handler) -> Value:
        return handler.b.load(I64, context_pointer(handler), _WORD)


class ByEvent(SyscallContext):
    """Reached by the call's event: arguments and result are in its record."""

    program_type = "tracepoint"
    direct = True

    def offsets(self) -> Sequence[int]:
        return [EVENT + _WORD * index for index in range(_MOST)]

    def base(self, handler: Handler) -> Value:
        return context_pointer(handler)

    def result(self, handler: Handler) -> Value:
        return handler.b.load(I64, context_pointer(handler), EVENT)


def argument_type(text: str, types: TypeTable) -> Type:
    """The type of an argument: C's own, where the event has 8 bytes for all."""
    from prybee.probes.fields import plain_type, pointee

    text = plain_type(text)
    if text.endswith("*"):
        return PointerType(pointee(text[:-1].rstrip(), types, USER), USER)
    found = types.named(text)
    if isinstance(found, PointerType):
        return PointerType(found.target, USER)
    return found if found is not None and is_scalar(found) and found.size else UINT64
