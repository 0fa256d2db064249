"""``kprobe``, ``kretprobe``, ``fentry``, ``fexit``: functions of the kernel.

``kprobe`` and ``kretprobe`` put a breakpoint there and see registers; ``fentry`` and ``fexit`` are
called from the function itself, cost less, and know the types of arguments.
"""

from __future__ import annotations

from prybee.diagnostics import did_you_mean
from prybee.language.registry import ExpandScope, Match, ProbeContext, ProbeSyntaxError
from prybee.plan.plan import KprobeAttach, ProbeSpec
from prybee.probes.kprobe_context import KprobeContext, KretprobeContext
from prybee.probes.numbers import NumberError, parse
from prybee.probes.patterns import is_pattern, matcher
from prybee.probes.provider import ProbeType
from prybee.probes.trampoline import (
    KERNEL,
    FunctionContext,
    PositionalContext,
    attached,
    types_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prybee.btf import Btf
    from prybee.language.attach_point import AttachPoint
    from prybee.plan.target import Target

# What stands for a module where other BPF programs are meant.
_PROGRAMS = "bpf"

_INSTEAD = (
    "use a tracepoint or rawtracepoint near the function (prybee -l '*:*WORD*' searches them), or "
    "set missing_probes to 'warn' to go on without it"
)
_INSTEAD_OF_RETURNS = (
    "use a tracepoint that reports the result, such as tracepoint:syscalls:sys_exit_…, or set "
    "missing_probes to 'warn' to go on without it"
)
_BY_TRAMPOLINE = (
    "this kernel has no kprobes (CONFIG_KPROBE_EVENTS): {} probes run as {} ones, with the "
    "function's own arguments by position, and without registers"
)
_NO_LIST = (
    "nothing tells which functions can be probed: available_filter_functions cannot be read in "
    "/sys/kernel/tracing; --traceable-functions FILE names another list"
)


class KernelFunction(ProbeType):
    """Functions by their name, and by their module's where it is given."""

    of_kernel = True
    # The feature without which the kernel has none of them, and what to say then.
    feature = ""
    lacks = ""
    # Whether the kernel's types must know the function.
    typed = False

    def __init__(
        self, names: tuple[str, ...], syntax: tuple[str, ...], summary: str, returns: bool
    ) -> None:
        self.names = names
        self.syntax = syntax
        self.summary = summary
        self.returns = returns

    # -- reading ---------------------------------------------------------------------------------

    def read(self, point: AttachPoint, scope: ExpandScope) -> tuple[str, str, str]:
        """Module (empty: not said), function, and what stands behind it in the full name.

        Raises:
            ProbeSyntaxError: it is not written as this type is.
        """
        raise NotImplementedError

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        module, function, rest = self.read(point, scope)
        if scope.config.missing_probes != "error" and not self.usable(scope):
            return []
        pattern = is_pattern(module) or is_pattern(function)
        known = self.functions(scope)
        if module == _PROGRAMS or known is None or not function[:1].strip("0123456789"):
            # Whether it is there cannot be told.
            if pattern:
                raise self.cannot(scope)
            return [self.match(module, function, rest)]
        fits_module, fits = matcher(module or "*"), matcher(function)
        found = [(m, name) for m, name in known if fits(name) and fits_module(m)]
        if not pattern and not module:
            found = found[:1]
        return [self.match(self.shown(module, m), name, rest) for m, name in found]

    def usable(self, scope: ExpandScope) -> bool:
        """Whether programs can be attached to functions here."""
        return scope.target.has(self.feature)

    def shown(self, written: str, module: str) -> str:
        """The module in a full name: the kernel itself is named only where it was written."""
        return module if written or module != KERNEL else ""

    def match(self, module: str, function: str, rest: str = "") -> Match:
        """The match of one function."""
        name = ":".join(part for part in (self.name, module, function + rest) if part)
        return Match(name, (self.name,), (module or KERNEL, function, rest))

    def missing(self, point: AttachPoint, scope: ExpandScope) -> tuple[str, tuple[str, ...]]:
        if scope.config.missing_probes != "error" and not self.usable(scope):
            failure = self.cannot(scope)
            return f"{failure}.", failure.hints
        return super().missing(point, scope)

    def nearest(self, arguments: Sequence[str], scope: ExpandScope) -> Iterable[str]:
        wanted = arguments[-1].partition("+")[0]
        names = [name for _module, name in self.functions(scope) or ()]
        close = [n for n in names if n[:2] == wanted[:2] and abs(len(n) - len(wanted)) <= 3]
        return did_you_mean(wanted, close)

    def cannot(self, scope: ExpandScope) -> ProbeSyntaxError:
        """What to say to who wants to attach one."""
        instead = _INSTEAD_OF_RETURNS if self.returns else _INSTEAD
        if not scope.target.has(self.feature):
            return ProbeSyntaxError(f"{self.name} probes: {self.lacks}", instead)
        return ProbeSyntaxError(f"{self.name} probes: {_NO_LIST}")

    # -- listing ---------------------------------------------------------------------------------

    def functions(self, scope: ExpandScope) -> Sequence[tuple[str, str]] | None:
        """(module, name) of all functions that can be probed; None where nothing tells."""
        found = scope.target.kernel_functions()
        if found is None:
            return None
        found = [pair for pair in found if ".part." not in pair[1]]
        return _with_types(found, scope.target) if self.typed else found

    def search(
        self, arguments: Sequence[str], scope: ExpandScope
    ) -> Iterable[tuple[str, Match | None]]:
        if len(arguments) not in (1, 2):
            return
        known = self.functions(scope)
        if known is None:
            has = scope.target.has(self.feature)
            scope.warnings.append(f"{self.name}: {_NO_LIST if has else self.lacks}")
            return
        module = arguments[0] if len(arguments) == 2 else ""
        fits_module, fits = matcher(module or "*"), matcher(arguments[-1])
        found = [
            self.match(self.shown(module, each), name)
            for each, name in known
            if fits(name) and fits_module(each)
        ]
        for match in sorted(found, key=lambda match: match.name):
            yield match.name, match

    def describe(self, match: Match, scope: ExpandScope) -> Sequence[str]:
        module, function = map(str, match.data[:2])
        btf = types_of(scope.target, module)
        number = btf.function(function) if btf is not None else 0
        if btf is None or not number:
            return ()
        lines = [] if self.returns and not self.typed else list(self._parameters(btf, number))
        result = btf.returns(number)
        if self.returns and btf.strip(result):
            lines.append(f"{btf.type_name(result)} retval")
        return lines

    def _parameters(self, btf: Btf, number: int) -> Iterable[str]:
        for index, parameter in enumerate(btf.parameters(number)):
            name = parameter.name if self.typed else f"arg{index}"
            yield f"{btf.type_name(parameter.type)} {name}"


class Kprobe(KernelFunction):
    """``kprobe:function+offset``, ``kprobe:module:function``."""

    counts = (1, 2)
    feature = "kprobe"
    lacks = "this kernel is built without kprobes (CONFIG_KPROBE_EVENTS)"

    def read(self, point: AttachPoint, scope: ExpandScope) -> tuple[str, str, str]:
        given = self.arguments(point)
        module = given[0] if len(given) == 2 else ""
        function, plus, offset = given[-1].partition("+")
        if not function:
            raise self.malformed("kprobes should be attached to a function or an address")
        if plus and self.returns:
            raise ProbeSyntaxError("Offset not allowed", f"write it as {self.syntax[0]}")
        if plus and is_pattern(function):
            raise ProbeSyntaxError("Cannot use a wildcard and an offset together")
        if function[0].isdigit() and not scope.unsafe:
            raise ProbeSyntaxError("Probing by address requires --unsafe")
        try:
            if function[0].isdigit():
                parse(function)
            return module, function, f"+{parse(offset)[0]}" if plus else ""
        except NumberError as error:
            what = "offset" if plus else "address"
            raise self.malformed(f"Invalid {what}: {error}") from None

    def usable(self, scope: ExpandScope) -> bool:
        return super().usable(scope) or self.by_trampoline(scope)

    def by_trampoline(self, scope: ExpandScope) -> bool:
        """Whether functions are entered by trampolines, as the kernel has no kprobes."""
        target = scope.target
        return not target.has(self.feature) and target.btf is not None and target.has("fentry")

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        found = super().expand(point, scope)
        if not found or not self.by_trampoline(scope):
            return found
        if is_pattern("".join(point.parts)):
            found = [match for match in found if _has_types(match, scope.target)]
        scope.warnings.append(
            _BY_TRAMPOLINE.format(self.name, "fexit" if self.returns else "fentry")
        )
        # A program is loaded for one function.
        return [match.replace(key=(match.name,)) for match in found]

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        if not self.usable(scope):
            raise self.cannot(scope)
        if not self.by_trampoline(scope):
            registers = KretprobeContext if self.returns else KprobeContext
            return registers(match.name, self.name, scope.target.arch)
        module, function, rest = map(str, match.data)
        btf = types_of(scope.target, module)
        if rest or btf is None or not btf.function(function):
            raise ProbeSyntaxError(
                f"{match.name}: {self.lacks}, and its trampolines reach only functions that the "
                "kernel's types tell of, at their start and end",
                _INSTEAD_OF_RETURNS if self.returns else _INSTEAD,
            )
        return PositionalContext(match.name, self.name, module, function, btf, self.returns)

    def attach(
        self, matches: Sequence[Match], program: str, scope: ExpandScope
    ) -> Sequence[ProbeSpec]:
        if self.by_trampoline(scope):
            return attached(matches, program)
        return [ProbeSpec(match.name, program, self._way(match)) for match in matches]

    def _way(self, match: Match) -> KprobeAttach:
        module, function, rest = map(str, match.data)
        offset = parse(rest[1:])[0] if rest else 0
        if function[0].isdigit():
            return KprobeAttach("", 0, parse(function)[0] + offset, self.returns)
        # The kernel finds the functions of modules by this form (module_kallsyms_lookup_name).
        symbol = function if module == KERNEL else f"{module}:{function}"
        return KprobeAttach(symbol, offset, 0, self.returns)


class Fentry(KernelFunction):
    """``fentry:module:function``, ``fentry:bpf:id:program``."""

    counts = (1, 2, 3)
    feature = "fentry"
    lacks = (
        "this kernel cannot run programs where functions are entered or left "
        "(CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)"
    )
    typed = True

    def read(self, point: AttachPoint, scope: ExpandScope) -> tuple[str, str, str]:
        given = self.arguments(point)
        if not given[-1]:
            raise self.malformed("fentry/fexit should specify a function")
        if len(given) == 3 and given[0] != _PROGRAMS:
            raise self.miscounted(3)
        return given[0] if len(given) > 1 else "", ":".join(given[1:] or given), ""

    def shown(self, written: str, module: str) -> str:
        return module

    def match(self, module: str, function: str, rest: str = "") -> Match:
        # A program is loaded for one function.
        found = super().match(module or KERNEL, function, rest)
        return found.replace(key=(found.name,))

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        if not self.usable(scope):
            raise self.cannot(scope)
        module, function = map(str, match.data[:2])
        btf = types_of(scope.target, module)
        if btf is None or not btf.function(function):
            raise ProbeSyntaxError(
                f"the kernel's types do not tell the arguments of {match.name}",
                f"use {'kretprobe' if self.returns else 'kprobe'}:{function}",
            )
        return FunctionContext(match.name, self.name, module, function, btf, self.returns)

    def attach(
        self, matches: Sequence[Match], program: str, scope: ExpandScope
    ) -> Sequence[ProbeSpec]:
        return attached(matches, program)


def _has_types(match: Match, target: Target) -> bool:
    module, function, _rest = map(str, match.data)
    btf = types_of(target, module)
    return btf is not None and bool(btf.function(function))


def _with_types(functions: Sequence[tuple[str, str]], target: Target) -> list[tuple[str, str]]:
    """Those whose module's types, or the kernel's, know them."""
    known: dict[str, frozenset[str]] = {}
    found = []
    for pair in functions:
        module, name = pair
        names = known.get(module)
        if names is None:
            btf = types_of(target, module)
            names = known[module] = frozenset(btf.names("func") if btf is not None else ())
        if name in names:
            found.append(pair)
    return found


PROVIDERS = (
    Kprobe(
        ("kprobe", "k"),
        ("kprobe:FUNCTION", "kprobe:FUNCTION+OFFSET", "kprobe:MODULE:FUNCTION"),
        "a kernel function is entered",
        returns=False,
    ),
    Kprobe(
        ("kretprobe", "kr"),
        ("kretprobe:FUNCTION", "kretprobe:MODULE:FUNCTION"),
        "a kernel function returns",
        returns=True,
    ),
    Fentry(
        ("fentry", "f", "kfunc"),
        ("fentry:FUNCTION", "fentry:MODULE:FUNCTION", "fentry:bpf:ID:PROGRAM"),
        "a kernel function is entered, with typed arguments",
        returns=False,
    ),
    Fentry(
        ("fexit", "fr", "kretfunc"),
        ("fexit:FUNCTION", "fexit:MODULE:FUNCTION", "fexit:bpf:ID:PROGRAM"),
        "a kernel function returns, with typed arguments and result",
        returns=True,
    ),
)
