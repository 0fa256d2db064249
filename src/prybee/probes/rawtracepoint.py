"""``rawtracepoint``: the kernel's static events with the arguments of their call, not a record."""

from __future__ import annotations

from prybee.compiler.ir import I64
from prybee.diagnostics import did_you_mean
from prybee.language.lower.operands import Scalar
from prybee.language.registry import ExpandScope, Match, ProbeContext, ProbeSyntaxError
from prybee.language.types import KERNEL, UINT64, Type
from prybee.plan.plan import ProbeSpec, RawTracepointAttach
from prybee.probes.patterns import is_pattern, matcher
from prybee.probes.provider import ProbeType
from prybee.probes.registered import context_pointer
from prybee.probes.typed_arguments import WORD, TypedArguments, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from prybee.btf import Btf, Parameter
    from prybee.language.attach_point import AttachPoint
    from prybee.language.checker import Checker
    from prybee.language.lower.handler import Handler
    from prybee.language.lower.operands import Operand

_KERNEL = "vmlinux"
# Arguments that a tracepoint can have (include/linux/bpf.h, MAX_BPF_FUNC_ARGS).
_MOST = 12


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
        return Scalar(handler.b.load(I64, pointer, index * WORD), UINT64)


class TypedContext(TypedArguments):
    """Arguments with their kernel types, which the verifier knows as well."""

    attach_type = "trace_raw_tp"
    provider = "rawtracepoint"

    def __init__(self, name: str, event: str, btf: Btf, parameters: Sequence[Parameter]) -> None:
        from prybee.probes.nullable import may_lack_arguments

        super().__init__(name, f"rawtracepoint:{_KERNEL}:{event}_args", btf, parameters)
        self.attach_to = f"btf_trace_{event}"
        self.by_helper = self.by_helper or may_lack_arguments(event)

    def argument_type(self, index: int, checker: Checker) -> Type | None:
        return UINT64 if index < len(self._parameters) else None

    def lower_argument(self, index: int, handler: Handler) -> Operand:
        # The verifier knows the type of what is loaded, which skboutput((…)arg0, …) relies on.
        return handler.load(self.place(handler, index * WORD, UINT64))


class ReadContext(TypedContext):
    """Arguments with types from a file, of which the verifier knows nothing: helpers read them."""

    program_type = "raw_tracepoint"

    def __init__(self, name: str, event: str, btf: Btf, parameters: Sequence[Parameter]) -> None:
        super().__init__(name, event, btf, parameters)
        self.attach_type = self.attach_to = ""
        self.by_helper = True


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
            return match.replace(key=(self.name, _count(match, scope)))
        return match.replace(key=(self.name, 0))

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        count = match.key[1] if len(match.key) > 1 else None
        if isinstance(count, int):
            return UntypedContext(match.name, count)
        parameters = _parameters(match, scope)
        btf = scope.target.btf
        assert btf is not None
        kind = TypedContext if scope.target.own_btf is btf else ReadContext
        return kind(match.name, str(match.data[0]), btf, parameters)

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
            f"{btf.type_name(parameter.type)} {name_of(parameter, index)}"
            for index, parameter in enumerate(_parameters(match, scope))
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


def _count(match: Match, scope: ExpandScope) -> int:
    """How many arguments an event has; as many as there can be where nothing tells."""
    return _MOST if scope.target.btf is None else len(_parameters(match, scope))


def _parameters(match: Match, scope: ExpandScope) -> Sequence[Parameter]:
    btf = scope.target.btf
    event = str(match.data[0])
    found = btf.tracepoint_parameters(event) if btf is not None else None
    if btf is None:
        raise ProbeSyntaxError(
            f"args of {match.name} is told by the kernel's types (BTF), which it does not show",
            "arg0 … are the arguments as numbers; or use the tracepoint with its own args",
        )
    if found is None:
        raise ProbeSyntaxError(
            f"the kernel's types do not tell the arguments of {match.name}",
            "handlers that use neither args nor argN work",
        )
    return found


PROVIDERS = (RawTracepoint(),)
