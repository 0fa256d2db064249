"""Probes that may decide: ``lsm`` (hooks of the kernel's security modules) and ``fmod_ret``.

What the handler returns is what the kernel goes on with: 0 lets it happen, a negative error number
refuses.  A script that returns anything else than 0 has to be run with ``--unsafe``.
"""

from __future__ import annotations

from prybee.diagnostics import did_you_mean
from prybee.language.registry import ExpandScope, Match, ProbeContext, ProbeSyntaxError
from prybee.probes.lacking import NeedsFeature
from prybee.probes.patterns import is_pattern, matcher
from prybee.probes.typed_arguments import TypedArguments
from prybee.probes.ways import attached

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prybee.btf import Btf
    from prybee.language.attach_point import AttachPoint
    from prybee.plan.plan import ProbeSpec
    from prybee.plan.target import Target

# The kernel has an empty function of that name for each hook (kernel/bpf/bpf_lsm.c).
_HOOK = "bpf_lsm_"
# Functions whose result may be replaced: these, and those on the list of error injection
# (kernel/bpf/verifier.c, check_attach_modify_return).
_SECURITY = "security_"

# What to say where the kernel has no such probes, and what to do then.
_WATCH = (
    "to watch only, use a tracepoint or rawtracepoint (prybee -l '*:*WORD*' searches them), or set "
    "missing_probes to 'warn' to go on without it"
)
_NO_HOOKS = (
    "this kernel does not ask BPF programs before it acts: it takes CONFIG_BPF_LSM, and bpf among "
    "the modules of /sys/kernel/security/lsm (lsm=… on the kernel's command line)"
)
_NO_RESULTS = (
    "this kernel cannot run programs that replace what a function returns "
    "(CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)"
)


class DecidingContext(TypedArguments):
    """The arguments of a function whose result the handler decides."""

    decides = True

    def __init__(self, name: str, provider: str, function: str, btf: Btf, how: str) -> None:
        number = btf.function(function)
        # As a result there is what programs that ran before this one have decided.
        super().__init__(name, f"{name}_args", btf, btf.parameters(number), btf.returns(number))
        self.provider = provider
        self.program_type, self.attach_type = how.split()
        self.attach_to = function


class Deciding(NeedsFeature):
    """Probes by the name of a function of the kernel, or of what it stands for.

    Args:
        prefix: what precedes the probe's name in the function's.
        how: program type and attach type.
        lacks: what to say where the kernel has none.
    """

    counts = (1,)
    of_kernel = True
    pid_filter = "body"

    def __init__(
        self, name: str, argument: str, summary: str, prefix: str, how: str, lacks: str
    ) -> None:
        self.names = (name,)
        self.syntax = (f"{name}:{argument}",)
        self.summary = summary
        self.prefix = prefix
        self.how = how
        self.feature = name
        self.lacks = lacks
        self.instead = _WATCH

    def known(self, target: Target) -> list[str]:
        """All names there are."""
        btf = target.btf
        names = btf.names("func", f"{self.prefix or _SECURITY}*") if btf is not None else []
        return sorted({name.removeprefix(self.prefix) for name in names})

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        (name,) = self.arguments(point)
        if not name:
            raise self.malformed(f"{self.name} should name a function")
        if self.left_out(scope):
            return []
        if is_pattern(name):
            fits = matcher(name)
            return [self._match(each) for each in self.known(scope.target) if fits(each)]
        btf = scope.target.btf
        if btf is None:
            raise ProbeSyntaxError(
                f"{self.name} probes need the kernel's types, and this kernel shows none (BTF)"
            )
        return [self._match(name)] if btf.function(self.prefix + name) else []

    def _match(self, name: str) -> Match:
        full = f"{self.name}:{name}"
        return Match(full, (full,), (name,))

    def nearest(self, arguments: Sequence[str], scope: ExpandScope) -> Iterable[str]:
        near = did_you_mean(arguments[-1], self.known(scope.target))
        return [f"{self.name}:{name}" for name in near]

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        if not self.usable(scope.target):
            failure = self.cannot(scope.target)
            nearest = _same(match, scope.target)
            hint = f"use {nearest}, which is asked at the same place" if nearest else self.instead
            raise ProbeSyntaxError(str(failure), hint)
        btf = scope.target.btf
        assert btf is not None
        function = self.prefix + str(match.data[0])
        return DecidingContext(match.name, self.name, function, btf, self.how)

    def attach(
        self, matches: Sequence[Match], program: str, scope: ExpandScope
    ) -> Sequence[ProbeSpec]:
        return attached(matches, program)

    def search(
        self, arguments: Sequence[str], scope: ExpandScope
    ) -> Iterable[tuple[str, Match | None]]:
        if len(arguments) != 1:
            return
        fits = matcher(arguments[0])
        for name in self.known(scope.target):
            if fits(name):
                match = self._match(name)
                yield match.name, match

    def describe(self, match: Match, scope: ExpandScope) -> Sequence[str]:
        btf = scope.target.btf
        if btf is None:
            return ()
        number = btf.function(self.prefix + str(match.data[0]))
        return [f"{btf.type_name(each.type)} {each.name}" for each in btf.parameters(number)]


def _same(match: Match, target: Target) -> str:
    """The probe of the other type that stands where this one would; empty where there is none.

    The kernel asks about ``NAME`` in a function ``security_NAME``.
    """
    provider, _colon, name = match.name.partition(":")
    btf = target.btf
    if btf is None:
        return ""
    if provider == "fmod_ret":
        hook = name.removeprefix(_SECURITY)
        here = hook != name and target.has("lsm")
        wanted = [(f"lsm:{each}", f"{_HOOK}{each}") for each in (hook, f"{hook}_security") if here]
    else:
        here = target.has("fmod_ret")
        functions = (f"{_SECURITY}{name}", f"{_SECURITY}{name.removesuffix('_security')}")
        wanted = [(f"fmod_ret:{each}", each) for each in functions if here]
    return next((probe for probe, function in wanted if btf.function(function)), "")


PROVIDERS = (
    Deciding(
        "lsm", "HOOK", "a hook of the kernel's security modules, which may refuse",
        _HOOK, "lsm lsm_mac", _NO_HOOKS,
    ),
    Deciding(
        "fmod_ret", "FUNCTION", "a kernel function is entered, and may be skipped with a result",
        "", "tracing modify_return", _NO_RESULTS,
    ),
)  # fmt: skip
