"""What a probe hands to its handler: arguments, return value, registers, its own name."""

from __future__ import annotations

from prybee.compiler.ir import I64
from prybee.functions.arguments import aliased, literal_text, text_of
from prybee.functions.in_memory import InMemory
from prybee.functions.symbols import check_address, hit_address, store_usym
from prybee.language import tree
from prybee.language.lower.loops import context
from prybee.language.lower.operands import Place, Scalar, Text
from prybee.language.registry import Function, ProbeSyntaxError
from prybee.language.types import (
    BPF,
    INT64,
    NONE,
    UINT64,
    KsymType,
    StringType,
    Type,
    UsymType,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.compiler.ir import Value
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand
    from prybee.language.registry import ProbeContext

# Probe types that prybee itself triggers.
_SPECIAL = frozenset(("begin", "end", "self"))
# Where func() is a user function, and where one of the kernel.
_USER_FUNCTION = frozenset(("uprobe", "uretprobe"))
_KERNEL_FUNCTION = frozenset(("kprobe", "kretprobe", "fentry", "fexit", "fmod_ret"))

# Arguments that have names of their own; no machine passes more of them.
MAX_ARGUMENTS = 64


def probe_type(provider: str) -> str:
    """What ``probetype`` says of a provider."""
    return "special" if provider in _SPECIAL else provider


class Arguments(Function):
    """``args``: all arguments, as a record."""

    name = signature = "args"
    summary = "the probe's arguments by name"
    variable = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        try:
            type_ = checker.context.args_type(checker)
        except ProbeSyntaxError as failure:
            checker.error(call, str(failure), *failure.hints)
            return NONE
        if type_ is None:
            checker.error(
                call,
                "The args builtin can only be used with tracepoint, rawtracepoint, fentry/fexit, "
                f"and uprobe probes ({probe_type(checker.context.provider)} used here)",
            )
            return NONE
        return type_

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return handler.context.lower_args(handler)


class Context(Function):
    """``ctx``: the BPF program's context."""

    name = signature = "ctx"
    summary = "the probe's context record"
    variable = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        type_ = checker.context.ctx_type(checker)
        if type_ is None:
            provider = checker.context.provider
            if provider == "tracepoint":
                checker.error(call, "Use args instead of ctx in tracepoint")
            else:
                checker.error(call, f"The ctx builtin can not be used with '{provider}' probes")
            return NONE
        return type_

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return handler.context.lower_ctx(handler)


class Argument(Function):
    """``arg0``, ``arg1`` …: arguments by position."""

    signature = "argN"
    summary = "the probe's argument N, from 0"
    variable = True

    def __init__(self, index: int) -> None:
        self.index = index
        self.name = f"arg{index}"

    def check(self, call: tree.Call, checker: Checker) -> Type:
        try:
            type_ = checker.context.argument_type(self.index, checker)
        except ProbeSyntaxError as failure:
            checker.error(call, str(failure), *failure.hints)
            return INT64
        if type_ is not None:
            return type_
        if self.index and checker.context.argument_type(0, checker) is not None:
            checker.error(call, f"{checker.target.arch} doesn't support {self.name}")
        else:
            checker.error(
                call,
                f"The {self.name} builtin can only be used with 'kprobes', 'uprobes' and 'usdt' "
                "probes",
            )
        return INT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return handler.context.lower_argument(self.index, handler)


class ReturnValue(Function):
    """``retval``: what the function returned."""

    name = signature = "retval"
    summary = "the function's return value"
    variable = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        try:
            type_ = checker.context.retval_type(checker)
        except ProbeSyntaxError as failure:
            checker.error(call, str(failure), *failure.hints)
            return INT64
        if type_ is None:
            instead = (
                " (try to use args.ret instead)" if checker.context.provider == "tracepoint" else ""
            )
            checker.error(
                call,
                "The retval builtin can only be used with 'kretprobe' and 'uretprobe' and "
                f"'fentry' probes{instead}",
            )
            return INT64
        return type_

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        return handler.context.lower_retval(handler)


class Register(Function):
    """``reg()``: a register of the CPU when the probe hit."""

    name = "reg"
    signature = "reg(name)"
    summary = "a CPU register"
    arguments = (1, 1)

    def check(self, call: tree.Call, checker: Checker) -> Type:
        name = literal_text(call, 0, checker)
        context_ = checker.context
        if not context_.has_registers:
            checker.error(call, f'reg can not be used with "{context_.provider}" probes')
        elif name is not None and context_.register(name) is None:
            checker.error(
                call,
                f"'{name}' is not a valid register on this architecture ({checker.target.arch})",
                *context_.like_register(name),
            )
        return UINT64

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        offset = handler.context.register(text_of(call, 0))
        assert offset is not None, "the checker knows the register"
        return Scalar(handler.b.load(I64, context(handler), offset), UINT64)


class TracedFunction(InMemory):
    """``func``: the function that the probe is in."""

    name = signature = "func"
    summary = "name of the traced function"
    variable = True

    def check(self, call: tree.Call, checker: Checker) -> Type:
        provider = checker.context.provider
        if provider in _USER_FUNCTION:
            check_address(call, checker)
            return UsymType()
        if provider not in _KERNEL_FUNCTION:
            checker.error(call, f"The func builtin can not be used with '{provider}' probes")
        return KsymType()

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        if isinstance(call.type, KsymType):
            found = handler.context.function_address(handler)
            if found is not None:
                return Scalar(found, call.type)
            address = _function_address(handler)
            if address is not None:
                return Scalar(handler.const(address), call.type)
            return Scalar(handler.b.call("get_func_ip", [context(handler)]), call.type)
        return super().lower(call, handler)

    def lower_into(
        self,
        call: tree.Call,
        handler: Handler,
        type_: Type,
        pointer: Value,
        offset: int,
        pad: bool,
    ) -> bool:
        # The kernel's is a number like others.
        return isinstance(type_, UsymType) and super().lower_into(
            call, handler, type_, pointer, offset, pad
        )

    def write(self, call: tree.Call, h: Handler, type_: Type, pointer: Value, offset: int) -> None:
        store_usym(h, hit_address(h), pointer, offset)


def _function_address(handler: Handler) -> int | None:
    """The traced function's address, where it is known and programs cannot ask (before 5.15)."""
    # Programs by trampolines are for one function each.
    name = handler.context.attach_to
    if not name or handler.script.can("helper:get_func_ip"):
        return None
    return handler.script.target.kernel_address(name)


class ProbeText(Function):
    """``probe`` and ``probetype``: constants of each attach point.

    A program that serves several finds its name by the cookie of the link that it runs for.
    """

    variable = True

    def __init__(self, name: str, summary: str, only_type: bool) -> None:
        self.name = self.signature = name
        self.summary = summary
        self.only_type = only_type

    def _text(self, name: str, provider: str) -> bytes:
        return (probe_type(provider) if self.only_type else name).encode()

    def _texts(self, found: ProbeContext) -> list[bytes]:
        names = found.names if found.names and not self.only_type else (found.name,)
        return [self._text(name, found.provider) for name in names]

    def check(self, call: tree.Call, checker: Checker) -> Type:
        return StringType(max(map(len, self._texts(checker.context))) + 1)

    def lower(self, call: tree.Call, handler: Handler) -> Operand:
        texts = self._texts(handler.context)
        size = max(map(len, texts)) + 1
        if len(texts) == 1:
            return Text(texts[0], StringType(size))
        stride = (size + 7) // 8 * 8
        table = handler.script.globals.constant(b"".join([t.ljust(stride, b"\0") for t in texts]))
        b = handler.b
        cookie = b.call("get_attach_cookie", [context(handler)])
        # The kernel gives what the links were made with; the verifier wants to see its range.
        known = b.select(b.icmp("ult", cookie, len(texts)), cookie, handler.const(0))
        name = b.ptr_add(handler.global_pointer(table), b.mul(known, stride))
        return Place(name, 0, StringType(size), BPF)


FUNCTIONS = (
    *(Argument(index) for index in range(MAX_ARGUMENTS)),
    *aliased(
        Arguments(),
        Context(),
        ReturnValue(),
        Register(),
        TracedFunction(),
        ProbeText("probe", "full name of the probe", only_type=False),
        ProbeText("probetype", "type of the probe", only_type=True),
    ),
)
