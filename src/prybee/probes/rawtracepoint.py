"""``rawtracepoint``: the kernel's static events with the arguments of their call, not a record."""

from __future__ import annotations

from prybee.compiler.ir import I64
from prybee.diagnostics import did_you_mean
from prybee.language.lower.operands import Place, Scalar
from prybee.language.registry import ExpandScope, Match, ProbeContext, ProbeSyntaxError
from prybee.language.types import CONTEXT, KERNEL, UINT64, Member, PointerType, StructType, Type
from prybee.plan.plan import ProbeSpec, RawTracepointAttach
from prybee.probes.patterns import is_pattern, matcher
from prybee.probes.provider import ProbeType
from prybee.probes.registered import context_pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from prybee.btf import Btf, Parameter
    from prybee.language.attach_point import AttachPoint
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

_KERNEL = "vmlinux"
_WORD = 8


class UntypedContext(ProbeContext):
    """Arguments as plain numbers; such a program does not depend on what event it is for."""

    program_type = "raw_tracepoint"
    provider = "rawtracepoint"
    space = KERNEL

    def __init__(self, name: str, count: int) -> None:
        super().__init__(name)
        self.count = count

    def argument_type(self, index: int, checker: Checker) -> Type | None:
        return UINT64 if index < self.count else None

    def lower_argument(self, index: int, handler: Handler) -> Operand:
        pointer = context_pointer(handler)
        return Scalar(handler.b.load(I64, pointer, index * _WORD), UINT64)


class TypedContext(ProbeContext):
    """Arguments with their kernel types, which the verifier knows as well."""

    program_type = "tracing"
    attach_type = "trace_raw_tp"
    provider = "rawtracepoint"
    space = KERNEL

    def __init__(self, name: str, event: str, parameters: Sequence[Parameter]) -> None:
        super().__init__(name)
        self.attach_to = f"btf_trace_{event}"
        self._event = event
        self._parameters = parameters
        self._args: StructType | None = None

    def _by_helper(self, btf: Btf) -> bool:
        """Whether arguments must be taken out of the context by a helper."""
        from prybee.probes.nullable import may_lack_arguments

        return may_lack_arguments(self._event) or any(
            _opaque(btf, parameter) for parameter in self._parameters
        )

    def args_type(self, checker: Checker) -> Type | None:
        if self._args is None:
            btf = checker.target.btf
            assert btf is not None
            self._args = StructType.lazy(
                "struct",
                f"rawtracepoint:{_KERNEL}:{self._event}_args",
                sum(_words(btf, parameter) for parameter in self._parameters) * _WORD,
                lambda: tuple(self._members(checker, btf)),
            )
        return self._args

    def _members(self, checker: Checker, btf: Btf) -> Iterable[Member]:
        offset = 0
        trusted = not self._by_helper(btf)
        for parameter in self._parameters:
            type_ = checker.types.from_btf(parameter.type)
            if isinstance(type_, PointerType):
                known = trusted and isinstance(type_.target, StructType)
                type_ = PointerType(type_.target, KERNEL, known)
            yield Member(parameter.name, offset, type_)
            offset += _words(btf, parameter) * _WORD

    def lower_args(self, handler: Handler) -> Operand:
        checker = handler.script.checker
        type_ = self.args_type(checker)
        assert type_ is not None
        assert checker.target.btf is not None
        pointer = context_pointer(handler)
        if self._by_helper(checker.target.btf):
            # What the verifier takes for a pointer that may be NULL allows nothing but a test; as
            # a number from memory it can be followed by helpers.
            return Place(handler.b.ptr_to_int(pointer), 0, type_, KERNEL)
        return Place(pointer, 0, type_, CONTEXT, trusted=True)


def _opaque(btf: Btf, parameter: Parameter) -> bool:
    """Whether the verifier lets no program load an argument (btf_ctx_access): it wants pointers
    to be of void, integers or structs."""
    plain = btf.strip(parameter.type)
    if btf.kind(plain) != "ptr":
        return False
    target = btf.strip(btf.target(plain))
    return target != 0 and btf.kind(target) not in ("int", "struct", "union")


def _words(btf: Btf, parameter: Parameter) -> int:
    """How many of the context's 8-byte words an argument takes (kernel/bpf/btf.c)."""
    return max(1, (btf.size(parameter.type) + _WORD - 1) // _WORD)


class RawTracepoint(ProbeType):
    """``rawtracepoint:event``, ``rawtracepoint:module:event``."""

    names = ("rawtracepoint", "rt")
    syntax = ("rawtracepoint:EVENT", "rawtracepoint:MODULE:EVENT")
    summary = "one of the kernel's static events, with the arguments of the call"
    counts = (2, 1)
    pid_filter = "body"
    of_kernel = True

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        given = self.arguments(point)
        module = given[0] if len(given) == 2 else "*"
        event = given[-1]
        if not event:
            raise self.malformed("rawtracepoint should be attached to a function")
        if not matcher(module)(_KERNEL):
            return []
        if not is_pattern(event):
            return [_match(event)] if _exists(event, scope) else []
        fits = matcher(event)
        return [_match(name) for name in sorted(scope.target.raw_tracepoints()) if fits(name)]

    def missing(self, point: AttachPoint, scope: ExpandScope) -> tuple[str, tuple[str, ...]]:
        message, hints = super().missing(point, scope)
        if len(point.parts) == 1:
            # Without a module it may be in any of them, so this is a pattern.
            message = ""
        if scope.target.btf is None:
            hints = ("this kernel tells no types (CONFIG_DEBUG_INFO_BTF); use tracepoint instead",)
        return message, hints

    def nearest(self, arguments: Sequence[str], scope: ExpandScope) -> Iterable[str]:
        event = arguments[-1]
        names = list(scope.target.raw_tracepoints())
        if event in names:
            return [f"rawtracepoint:{_KERNEL}:{event}"]
        # System calls have one event for all of them, and records of their own.
        for prefix in ("sys_enter", "sys_exit"):
            if event.startswith(f"{prefix}_"):
                return [f"tracepoint:syscalls:{event}", f"rawtracepoint:{prefix}"]
        return [f"rawtracepoint:{name}" for name in did_you_mean(event, names)]

    def share(self, match: Match, scope: ExpandScope, uses: Collection[str]) -> Match:
        if "args" in uses:
            return match
        if "arg" in uses:
            return match.replace(key=(self.name, len(_parameters(match, scope))))
        return match.replace(key=(self.name, 0))

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        count = match.key[1] if len(match.key) > 1 else None
        if isinstance(count, int):
            return UntypedContext(match.name, count)
        parameters = _parameters(match, scope)
        return TypedContext(match.name, str(match.data[0]), parameters)

    def attach(
        self, matches: Sequence[Match], program: str, scope: ExpandScope
    ) -> Sequence[ProbeSpec]:
        return [
            ProbeSpec(match.name, program, RawTracepointAttach(str(match.data[0])))
            for match in matches
        ]

    def search(
        self, arguments: Sequence[str], scope: ExpandScope
    ) -> Iterable[tuple[str, Match | None]]:
        if len(arguments) > 2:
            return
        module = arguments[0] if len(arguments) == 2 else "*"
        if not matcher(module)(_KERNEL):
            return
        fits = matcher(arguments[-1])
        for name in sorted(scope.target.raw_tracepoints()):
            if fits(name):
                match = _match(name)
                yield match.name, match

    def describe(self, match: Match, scope: ExpandScope) -> Sequence[str]:
        btf = scope.target.btf
        if btf is None:
            return ()
        return [
            f"{btf.type_name(parameter.type)} {parameter.name}"
            for parameter in _parameters(match, scope)
        ]


def _exists(event: str, scope: ExpandScope) -> bool:
    """Whether there is an event of exactly that name, without going through all of them."""
    btf = scope.target.btf
    if btf is not None and btf.tracepoint_type(event):
        return True
    return event in scope.target.raw_tracepoints()


def _match(event: str) -> Match:
    name = f"rawtracepoint:{_KERNEL}:{event}"
    return Match(name, (name,), (event,))


def _parameters(match: Match, scope: ExpandScope) -> Sequence[Parameter]:
    btf = scope.target.btf
    event = str(match.data[0])
    found = btf.tracepoint_parameters(event) if btf is not None else None
    if found is None:
        raise ProbeSyntaxError(
            f"the kernel's types do not tell the arguments of {match.name}",
            "handlers that use neither args nor argN work",
        )
    return found


PROVIDERS = (RawTracepoint(),)
