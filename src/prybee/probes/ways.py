"""Ways to run a program where a function of the kernel is entered or left.

A probe type has a list of them, best first; the first that the kernel knows is taken.
"""

from __future__ import annotations

from prybee.language.registry import ProbeSyntaxError
from prybee.machines import registers
from prybee.plan.plan import KprobeAttach, KprobeMultiAttach, ProbeSpec, TracingAttach
from prybee.probes.kprobe_context import KprobeContext, KretprobeContext
from prybee.probes.numbers import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from prybee.btf import Btf
    from prybee.language.registry import Match, ProbeContext
    from prybee.plan.target import Target
    from prybee.probes.trampoline import FunctionContext

KERNEL = "vmlinux"

# In the keys of matches: functions that a link for many may serve, and those that one does.
FUNCTION = "function"
MANY = "many"
# Places behind the start of a function, and functions that have a program each.
_INSIDE = "inside"
_ALONE = "alone"
# Attaching so many takes a second or so.
_MANY_SINGLE = 20
_OVERRIDDEN = "overridden"
MULTI_ATTACH_TYPE = "trace_kprobe_multi"


class Way:
    """One way. A match's data are module, function and what stands behind it (``+16``).

    Args:
        returns: at the function's end, not at its start.
        note: what is said once where it stands in for the way that its user asked for.
    """

    # What the kernel must have (names of ``linux.features``).
    feature = ""
    # Whether its links can have cookies.
    cookies = False

    def __init__(self, returns: bool, note: str = "") -> None:
        self.returns = returns
        self.note = note

    def usable(self, target: Target) -> bool:
        """Whether this kernel has it."""
        return target.has(self.feature)

    def reaches(self, match: Match, target: Target) -> bool:
        """Whether a function that a pattern found can be probed in this way."""
        return True

    def alone(self, match: Match) -> Match:
        """``match`` with the key of those that it can share a program with."""
        return match

    def takes_long(self, count: int, target: Target) -> str:
        """What is said where so many functions that a pattern found take long; empty otherwise."""
        return ""

    def share(self, match: Match, uses: Collection[str], target: Target) -> Match:
        """``match`` with the key for a handler that uses this much (``Provider.share``)."""
        return match

    def together(self, matches: Sequence[Match], target: Target) -> Sequence[Match]:
        """``matches`` with one key, which are all that share a program."""
        return matches

    def context(self, match: Match, provider: str, target: Target) -> ProbeContext:
        """What a handler finds there.

        Raises:
            ProbeSyntaxError: nothing can be attached to that function in this way.
        """
        raise NotImplementedError

    def attach(self, matches: Sequence[Match], program: str) -> Sequence[ProbeSpec]:
        """How ``program`` is attached to each of ``matches``."""
        raise NotImplementedError


class Breakpoints(Way):
    """kprobes: any instruction, with the registers there; many functions by one link."""

    feature = "kprobe"
    cookies = True

    def takes_long(self, count: int, target: Target) -> str:
        if count < _MANY_SINGLE or target.has("kprobe_multi"):
            return ""
        return (
            "this kernel has no links for many functions (kprobe_multi, CONFIG_FPROBE): "
            f"{count} of them are attached one by one, which takes longer"
        )

    def share(self, match: Match, uses: Collection[str], target: Target) -> Match:
        _module, function, rest = map(str, match.data)
        if "override" in uses and not self.returns:
            return match.replace(key=(*match.key, _OVERRIDDEN, match.name))
        if rest:
            return match.replace(key=(*match.key, _INSIDE))
        if self.returns and "func" in uses and not target.has("helper:get_func_ip"):
            return match.replace(key=(*match.key, _ALONE, match.name))
        if function[0].isdigit() or not self._told(uses, target):
            return match
        return match.replace(key=(*match.key, FUNCTION))

    def _told(self, uses: Collection[str], target: Target) -> bool:
        """Whether links for many functions tell all that a handler uses.

        They are called from the function itself, with those registers only that hold arguments,
        or the result (arch/x86/kernel/ftrace_64.S; ftrace_partial_regs()).
        """
        known = registers(target.arch)
        if known is None or "ctx" in uses:
            return False
        if self.returns:
            told = {known.return_value}
        else:
            told = {*known.arguments, known.stack_pointer, known.instruction_pointer, "pc"}
        return all(use.partition(":")[2] in told for use in uses if use.startswith("reg:"))

    def together(self, matches: Sequence[Match], target: Target) -> Sequence[Match]:
        key = matches[0].key
        if len(matches) < 2 or key[-1] != FUNCTION or not target.has("kprobe_multi"):
            return matches
        return [match.replace(key=(*key, MANY)) for match in matches]

    def context(self, match: Match, provider: str, target: Target) -> ProbeContext:
        kind = KretprobeContext if self.returns else KprobeContext
        context = kind(match.name, provider, target.arch)
        if _OVERRIDDEN in match.key:
            from prybee.probes.overriding import check

            check(match, target)
        if isinstance(context, KprobeContext):
            context.inside = match.key[-1] == _INSIDE
        elif len(match.key) > 1 and match.key[1] == _ALONE:
            context.function = _address(match, target)
        context.session = match.key[-1] in (FUNCTION, MANY)
        if match.key[-1] == MANY:
            context.attach_type = MULTI_ATTACH_TYPE
        return context

    def attach(self, matches: Sequence[Match], program: str) -> Sequence[ProbeSpec]:
        if matches[0].key[-1] != MANY:
            return [ProbeSpec(match.name, program, self._place(match)) for match in matches]
        functions = tuple([_symbol(match) for match in matches])
        name = f"{matches[0].name} and {len(matches) - 1} more"
        cookies = tuple([match.cookie for match in matches])
        way = KprobeMultiAttach(functions, self.returns, False, cookies if any(cookies) else ())
        return [ProbeSpec(name, program, way, count=len(matches))]

    def _place(self, match: Match) -> KprobeAttach:
        function, rest = map(str, match.data[1:])
        offset = parse(rest[1:])[0] if rest else 0
        if function[0].isdigit():
            return KprobeAttach("", 0, parse(function)[0] + offset, self.returns, match.cookie)
        return KprobeAttach(_symbol(match), offset, 0, self.returns, match.cookie)


def _address(match: Match, target: Target) -> int:
    """Where a function is, for programs that cannot ask the kernel.

    Raises:
        ProbeSyntaxError: it is not known.
    """
    address = target.kernel_address(str(match.data[1]))
    if address is None:
        raise ProbeSyntaxError(
            f"{match.name}: programs cannot ask this kernel for func where a function returns "
            "(bpf_get_func_ip, Linux 5.15), and /proc/kallsyms does not show the address",
            "use probe, which has the function's name",
        )
    return address


def _symbol(match: Match) -> str:
    """The function of a match by the name that the kernel finds it by: those of modules have one
    of this form (module_kallsyms_lookup_name)."""
    module, function = map(str, match.data[:2])
    return function if module == KERNEL else f"{module}:{function}"


class TypedBreakpoints(Breakpoints):
    """kprobes, whose registers the kernel's types give names and types."""

    def reaches(self, match: Match, target: Target) -> bool:
        return has_types(match, target)

    def alone(self, match: Match) -> Match:
        return match.replace(key=(match.name,))

    def share(self, match: Match, uses: Collection[str], target: Target) -> Match:
        return match  # Types are those of one function.

    def context(self, match: Match, provider: str, target: Target) -> ProbeContext:
        from prybee.probes.typed_registers import TypedEntryContext, TypedReturnContext

        module, function, btf = _typed(match, self.returns, target)
        context = TypedReturnContext if self.returns else TypedEntryContext
        return context(match.name, provider, target.arch, module, function, btf)


class Trampolines(Way):
    """fentry and fexit: called from the function itself, with its arguments and their types."""

    feature = "fentry"

    def reaches(self, match: Match, target: Target) -> bool:
        return has_types(match, target)

    def alone(self, match: Match) -> Match:
        # A program is loaded for one function.
        return match.replace(key=(match.name,))

    def context(self, match: Match, provider: str, target: Target) -> ProbeContext:
        from prybee.probes.trampoline import FunctionContext

        return self._made(FunctionContext, match, provider, target)

    def _made(
        self, kind: type[FunctionContext], match: Match, provider: str, target: Target
    ) -> ProbeContext:
        module, function, btf = _typed(match, self.returns, target)
        return kind(match.name, provider, module, function, btf, self.returns)

    def attach(self, matches: Sequence[Match], program: str) -> Sequence[ProbeSpec]:
        return attached(matches, program)


class PositionalTrampolines(Trampolines):
    """fentry and fexit in the place of kprobes: arguments by position, and no registers."""

    def usable(self, target: Target) -> bool:
        return target.btf is not None and super().usable(target)

    def share(self, match: Match, uses: Collection[str], target: Target) -> Match:
        overridden = "override" in uses and not self.returns
        return match.replace(key=(*match.key, _OVERRIDDEN)) if overridden else match

    def context(self, match: Match, provider: str, target: Target) -> ProbeContext:
        from prybee.probes.trampoline import PositionalContext

        if match.key[-1] == _OVERRIDDEN:
            from prybee.probes.overriding import check

            check(match, target)
        rest = str(match.data[2])
        if rest or not has_types(match, target):
            raise ProbeSyntaxError(
                f"{match.name}: this kernel has no kprobes, and its trampolines reach only "
                "functions that the kernel's types tell of, at their start and end",
            )
        return self._made(PositionalContext, match, provider, target)


def attached(matches: Sequence[Match], program: str) -> Sequence[ProbeSpec]:
    """The program where its BTF id says, for each match."""
    return [ProbeSpec(match.name, program, TracingAttach()) for match in matches]


def types_of(target: Target, module: str) -> Btf | None:
    """The types that functions of a module are described with."""
    return target.btf if module == KERNEL else target.module_btf(module)


def has_types(match: Match, target: Target) -> bool:
    """Whether the types of the kernel, or of its module, know the function of a match."""
    module, function = map(str, match.data[:2])
    btf = types_of(target, module)
    return btf is not None and bool(btf.function(function))


def _typed(match: Match, returns: bool, target: Target) -> tuple[str, str, Btf]:
    """Module and function of a match, and the types that tell its arguments.

    Raises:
        ProbeSyntaxError: none do.
    """
    module, function = map(str, match.data[:2])
    btf = types_of(target, module)
    if btf is None or not btf.function(function):
        raise ProbeSyntaxError(
            f"the kernel's types do not tell the arguments of {match.name}",
            f"use {'kretprobe' if returns else 'kprobe'}:{function}",
        )
    return module, function, btf
