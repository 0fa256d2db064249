"""``kprobe``, ``kretprobe``, ``fentry``, ``fexit``: functions of the kernel.

``kprobe`` and ``kretprobe`` put a breakpoint there and see registers; ``fentry`` and ``fexit`` are
called from the function itself, cost less, and know the types of arguments.
"""

from __future__ import annotations

from prybee.diagnostics import did_you_mean
from prybee.language.registry import ExpandScope, Match, ProbeContext, ProbeSyntaxError
from prybee.plan.plan import loaded_program
from prybee.probes import loaded_programs
from prybee.probes.lacking import NeedsFeature
from prybee.probes.loaded_programs import PROGRAMS
from prybee.probes.numbers import NumberError, parse
from prybee.probes.patterns import is_pattern, matcher
from prybee.probes.reached import Reached
from prybee.probes.ways import (
    KERNEL,
    Breakpoints,
    PositionalTrampolines,
    Trampolines,
    TypedBreakpoints,
    types_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prybee.btf import Btf
    from prybee.language.attach_point import AttachPoint
    from prybee.plan.target import Target
    from prybee.probes.ways import Way

# Functions whose types are looked for one by one.
_FEW = 20

_INSTEAD = (
    "use a tracepoint or rawtracepoint near the function (prybee -l '*:*WORD*' searches them), or "
    "set missing_probes to 'warn' to go on without it"
)
_INSTEAD_OF_RETURNS = (
    "use a tracepoint that reports the result, such as tracepoint:syscalls:sys_exit_…, or set "
    "missing_probes to 'warn' to go on without it"
)
_NO_KPROBES = "this kernel has no kprobes (CONFIG_KPROBE_EVENTS)"
_AS_FENTRY = (
    f"{_NO_KPROBES}: kprobe probes run as fentry ones, with the function's own arguments by "
    "position, and without registers"
)
_AS_FEXIT = f"{_NO_KPROBES}: kretprobe probes run as fexit ones, without registers"
_NO_FENTRY = (
    "this kernel cannot run programs where functions are entered or left "
    "(CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)"
)
_AS_KPROBE = f"{_NO_FENTRY}: fentry probes run as kprobe ones, which cost more"
_AS_KRETPROBE = (
    f"{_NO_FENTRY}: fexit probes run as kretprobe ones, which cost more and have no arguments"
)
_UNTRACEABLE = (
    '{} is not traceable (either non-existing, inlined, or marked as "notrace"); attaching to it '
    "will likely fail"
)
# Programs run inside of what these do; patterns find none of them.
_LEFT_OUT = ("rcu_",)
_NO_LIST = (
    "nothing tells which functions can be probed: available_filter_functions cannot be read in "
    "/sys/kernel/tracing; --traceable-functions FILE names another list"
)


class KernelFunction(Reached):
    """Functions by their name, and by their module's where it is given.

    Args:
        ways: how they are reached, best first.
    """

    of_kernel = True
    pid_filter = "body"
    # Whether the kernel's types must know the function.
    typed = False
    # Whether what is on no list is tried all the same, with --unsafe.
    tries = False

    def __init__(
        self, names: tuple[str, ...], syntax: tuple[str, ...], summary: str, *ways: Way
    ) -> None:
        self.names = names
        self.syntax = syntax
        self.summary = summary
        self.ways = ways
        self.returns = ways[0].returns
        self.instead = _INSTEAD_OF_RETURNS if self.returns else _INSTEAD

    # -- reading ---------------------------------------------------------------------------------

    def read(self, point: AttachPoint, scope: ExpandScope) -> tuple[str, str, str]:
        """Module (empty: not said), function, and what stands behind it in the full name.

        Raises:
            ProbeSyntaxError: it is not written as this type is.
        """
        raise NotImplementedError

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        point, source = self._without_source(point)
        module, function, rest = self.read(point, scope)
        if self.left_out(scope):
            return []
        way = self.way(scope.target)
        if source:
            found = self._of_source(source, module, function, rest, scope)
        else:
            found = self._named(module, function, rest, scope)
        policy = scope.config.missing_probes
        one = not source and not is_pattern(function)
        if not found and one and (self.tries or policy == "warn"):
            if policy != "ignore" and not self._not_loaded(point, scope):
                scope.warnings.append(_UNTRACEABLE.format(function))
            if scope.unsafe and self.tries:
                found = [self.match(module, function, rest)]
        if way is None or not found:
            return found
        if way.note:
            scope.warnings.append(way.note)
        if source or is_pattern(module + function):
            found = [match for match in found if way.reaches(match, scope.target)]
            if slow := way.takes_long(len(found), scope.target):
                scope.warnings.append(slow)
        return [way.alone(match) for match in found]

    def _without_source(self, point: AttachPoint) -> tuple[AttachPoint, str]:
        """An attach point without the source file that it names, and that file; empty for none."""
        if not point.parts or "@" not in point.parts[0]:
            return point, ""
        from prybee.probes import source_file

        parts, source = source_file.taken_off(point.parts)
        if not source:
            raise self.malformed(f"{self.name}: a source file should follow the @")
        return point.replace(parts=parts), source

    def _of_source(
        self, source: str, module: str, function: str, rest: str, scope: ExpandScope
    ) -> Sequence[Match]:
        """The functions of a source file that a name stands for."""
        from prybee.probes import source_file

        names = source_file.of_kernel(source, self.name, module, scope)
        known = self.functions(scope, module or KERNEL, function)
        if known is None:
            raise self.cannot(scope.target)
        found = [pair for pair in known if pair[1] in names]
        source_file.warn_of_others([name for _module, name in found], scope)
        return [self.match(self.shown(module, of), name, rest) for of, name in found]

    def _named(self, module: str, function: str, rest: str, scope: ExpandScope) -> Sequence[Match]:
        """All functions that a name stands for."""
        pattern = is_pattern(module + function)
        known = self.functions(scope, module or "*", function)
        if known is None or not function[:1].strip("0123456789"):
            # Whether it is there cannot be told.
            if pattern:
                raise self.cannot(scope.target)
            return [self.match(module, function, rest)]
        if not pattern and not module:
            known = known[:1]
        return [self.match(self.shown(module, m), name, rest) for m, name in known]

    def shown(self, written: str, module: str) -> str:
        """The module in a full name: the kernel itself is named only where it was written."""
        return module if written or module != KERNEL else ""

    def match(self, module: str, function: str, rest: str = "") -> Match:
        """The match of one function."""
        name = ":".join(part for part in (self.name, module, function + rest) if part)
        return Match(name, (self.name,), (module or KERNEL, function, rest))

    def missing(self, point: AttachPoint, scope: ExpandScope) -> tuple[str, tuple[str, ...]]:
        point, source = self._without_source(point)
        if source:
            what = "function" if is_pattern(point.parts[-1]) else point.parts[-1]
            return f"No {what} of {source} can be probed by {self.name}.", ()
        if not self.left_out(scope) and self._not_loaded(point, scope):
            name = ":".join((self.name, *point.parts))
            module = point.parts[0]
            hint = f"modprobe {module} loads it, if the kernel has such a module"
            return f"specified module {module} in probe {name} is not loaded.", (hint,)
        return super().missing(point, scope)

    def _not_loaded(self, point: AttachPoint, scope: ExpandScope) -> bool:
        """Whether a module is named that the kernel has not, or not now."""
        module = point.parts[0] if len(point.parts) == 2 else ""
        if not module or is_pattern(module) or module == PROGRAMS:
            return False
        known = scope.target.kernel_functions() or ()
        return bool(known) and not any(of == module for of, _name in known)

    def nearest(self, arguments: Sequence[str], scope: ExpandScope) -> Iterable[str]:
        wanted = arguments[-1].partition("+")[0]
        # Of all functions, those that begin alike: there are tens of thousands.
        names = {name for _module, name in self.functions(scope, "*", f"{wanted[:2]}*") or ()}
        close = sorted(name for name in names if abs(len(name) - len(wanted)) <= 3)
        call = self._system_call(wanted, scope.target)
        return [*did_you_mean(wanted, close), *([call] if call else [])]

    def _system_call(self, function: str, target: Target) -> str:
        """The probe of the system call that a function's name speaks of; empty for others."""
        if "sys_" not in function:
            return ""
        from prybee.probes import syscalls

        call = syscalls.behind(function, target)
        return f"{'kretsyscall' if self.returns else 'ksyscall'}:{call}" if call else ""

    def cannot(self, target: Target) -> ProbeSyntaxError:
        if not self.usable(target):
            return super().cannot(target)
        return ProbeSyntaxError(f"{self.name} probes: {_NO_LIST}")

    # -- running ---------------------------------------------------------------------------------

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        way = self.way(scope.target)
        if way is None:
            failure = self.cannot(scope.target)
            call = self._system_call(str(match.data[1]), scope.target)
            raise ProbeSyntaxError(str(failure), *([f"use {call}"] if call else failure.hints))
        try:
            context = way.context(match, self.name, scope.target)
        except ProbeSyntaxError as failure:
            if failure.hints:
                raise
            raise ProbeSyntaxError(str(failure), self.instead) from None
        module = str(match.data[0])
        if module != KERNEL:
            # The script may name types that only the module has.
            context.module_types = lambda: scope.target.module_btf(module)
        return context

    # -- listing ---------------------------------------------------------------------------------

    def functions(
        self, scope: ExpandScope, module: str = "*", function: str = "*"
    ) -> Sequence[tuple[str, str]] | None:
        """(module, name) of the functions that can be probed and fit; None where nothing tells."""
        found = scope.target.functions_like(function)
        if found is None:
            return None
        fits_module, fits = matcher(module), matcher(function)
        found = [
            (m, name) for m, name in found if fits(name) and fits_module(m) and ".part." not in name
        ]
        return _with_types(found, scope.target) if self.typed else found

    def search(
        self, arguments: Sequence[str], scope: ExpandScope
    ) -> Iterable[tuple[str, Match | None]]:
        if "@" in arguments[0]:
            from prybee.probes import source_file

            yield from source_file.searched(self, arguments, scope)
            return
        if len(arguments) not in (1, 2):
            return
        module = arguments[0] if len(arguments) == 2 else ""
        known = self.functions(scope, module or "*", arguments[-1])
        if known is None:
            usable = self.usable(scope.target)
            scope.warnings.append(f"{self.name}: {_NO_LIST if usable else self.lacks}")
            return
        found = [self.match(self.shown(module, each), name) for each, name in known]
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
    tries = True

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
                function = str(parse(function)[0])
            return module, function, f"+{parse(offset)[0]}" if plus else ""
        except NumberError as error:
            what = "offset" if plus else "address"
            raise self.malformed(f"Invalid {what}: {error}") from None

    def functions(
        self, scope: ExpandScope, module: str = "*", function: str = "*"
    ) -> Sequence[tuple[str, str]] | None:
        found = super().functions(scope, module, function)
        if not found:
            return found
        apart = scope.target.kprobe_blacklist()
        left_out = _LEFT_OUT if is_pattern(function) else ()
        return [
            (m, name) for m, name in found if name not in apart and not name.startswith(left_out)
        ]


class Fentry(KernelFunction):
    """``fentry:module:function``, ``fentry:bpf:id:program``."""

    counts = (1, 2, 3)
    feature = "fentry"
    lacks = _NO_FENTRY
    typed = True

    def read(self, point: AttachPoint, scope: ExpandScope) -> tuple[str, str, str]:
        given = self.arguments(point)
        if not given[-1]:
            raise self.malformed("fentry/fexit should specify a function")
        if len(given) == 3 and given[0] != PROGRAMS:
            raise self.miscounted(3)
        return given[0] if len(given) > 1 else "", ":".join(given[1:] or given), ""

    def _named(self, module: str, function: str, rest: str, scope: ExpandScope) -> Sequence[Match]:
        if module != PROGRAMS:
            return super()._named(module, function, rest, scope)
        if not scope.target.has(self.feature):
            # Nothing else reaches programs.
            raise NeedsFeature.cannot(self, scope.target)
        found = loaded_programs.found(function.split(":"), scope.target)
        return [self.match(*pair) for pair in found]

    def nearest(self, arguments: Sequence[str], scope: ExpandScope) -> Iterable[str]:
        if arguments[0] == PROGRAMS and len(arguments) > 1:
            return loaded_programs.nearest(arguments[-1], scope.target)
        return super().nearest(arguments, scope)

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        module, function = map(str, match.data[:2])
        if loaded_program(module) is None:
            return super().context(match, scope)
        return loaded_programs.context(
            match.name, self.name, module, function, scope.target, self.returns
        )

    def search(
        self, arguments: Sequence[str], scope: ExpandScope
    ) -> Iterable[tuple[str, Match | None]]:
        if arguments[0] != PROGRAMS or len(arguments) not in (2, 3):
            yield from super().search(arguments, scope)
            return
        for pair in loaded_programs.found(arguments[1:], scope.target):
            yield self.match(*pair).name, None

    def shown(self, written: str, module: str) -> str:
        return module

    def match(self, module: str, function: str, rest: str = "") -> Match:
        return super().match(module or KERNEL, function, rest)


def _with_types(functions: Sequence[tuple[str, str]], target: Target) -> list[tuple[str, str]]:
    """Those whose module's types, or the kernel's, know them."""
    if len(functions) < _FEW:
        # Looking for each takes less time than all names of the kernel.
        types = [(pair, types_of(target, pair[0])) for pair in functions]
        return [pair for pair, btf in types if btf is not None and btf.function(pair[1])]
    # Types of modules stand upon the kernel's, whose names are gathered once.
    kernel = frozenset(target.btf.names("func") if target.btf is not None else ())
    known: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
    found = []
    for pair in functions:
        module, name = pair
        names = known.get(module)
        if names is None:
            btf = types_of(target, module)
            own = frozenset(btf.own_names("func") if btf is not None else ())
            names = known[module] = own, kernel if btf is not None else own
        if name in names[0] or name in names[1]:
            found.append(pair)
    return found


PROVIDERS = (
    Kprobe(
        ("kprobe", "k"),
        (
            "kprobe:FUNCTION",
            "kprobe:FUNCTION+OFFSET",
            "kprobe:MODULE:FUNCTION",
            "kprobe:@SOURCE:FUNCTION",
        ),
        "a kernel function is entered",
        Breakpoints(returns=False),
        PositionalTrampolines(returns=False, note=_AS_FENTRY),
    ),
    Kprobe(
        ("kretprobe", "kr"),
        ("kretprobe:FUNCTION", "kretprobe:MODULE:FUNCTION", "kretprobe:@SOURCE:FUNCTION"),
        "a kernel function returns",
        Breakpoints(returns=True),
        PositionalTrampolines(returns=True, note=_AS_FEXIT),
    ),
    Fentry(
        ("fentry", "f", "kfunc"),
        (
            "fentry:FUNCTION",
            "fentry:MODULE:FUNCTION",
            "fentry:@SOURCE:FUNCTION",
            "fentry:bpf:ID:PROGRAM",
        ),
        "a kernel function is entered, with typed arguments",
        Trampolines(returns=False),
        TypedBreakpoints(returns=False, note=_AS_KPROBE),
    ),
    Fentry(
        ("fexit", "fr", "kretfunc"),
        (
            "fexit:FUNCTION",
            "fexit:MODULE:FUNCTION",
            "fexit:@SOURCE:FUNCTION",
            "fexit:bpf:ID:PROGRAM",
        ),
        "a kernel function returns, with typed arguments and result",
        Trampolines(returns=True),
        TypedBreakpoints(returns=True, note=_AS_KRETPROBE),
    ),
)
