"""``ksyscall``, ``kretsyscall``: system calls by their names, with their own arguments.

On every machine and kernel the same, whichever way there is: a kprobe or fentry at the function
behind the call, or the call's event.  All of them see native calls only, not those of 32-bit
programs (arch/*/include/asm/syscall_wrapper.h, arch_trace_is_compat_syscall).
"""

from __future__ import annotations

from prybee.diagnostics import did_you_mean
from prybee.language.registry import Match
from prybee.machines import registers
from prybee.plan.plan import ProbeSpec, TracepointAttach
from prybee.probes import syscall_context
from prybee.probes.patterns import is_pattern, matcher
from prybee.probes.reached import Reached
from prybee.probes.ways import (
    FUNCTION,
    KERNEL,
    MANY,
    MULTI_ATTACH_TYPE,
    Breakpoints,
    Trampolines,
    Way,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from prybee.language.attach_point import AttachPoint
    from prybee.language.registry import ExpandScope, ProbeContext
    from prybee.plan.target import Target, TracepointField

_CATEGORY = "syscalls"
_ENTER, _EXIT = "sys_enter_", "sys_exit_"
# Calls that became another one, whose name in the kernel begins so.
_NEWER = "new"


class ByBreakpoint(Breakpoints):
    """A kprobe at the function behind the call. What uses no names is one program for all."""

    def share(self, match: Match, uses: Collection[str], target: Target) -> Match:
        shared = _shared(match, uses, target)
        return match if shared is match else shared.replace(key=(*shared.key, FUNCTION))

    def context(self, match: Match, provider: str, target: Target) -> ProbeContext:
        context = _context(syscall_context.ByBreakpoint, match, target, self.returns)
        if match.key[-1] == MANY:
            context.attach_type = MULTI_ATTACH_TYPE
        return context


class ByTrampoline(Trampolines):
    """fentry or fexit of the function behind the call."""

    def usable(self, target: Target) -> bool:
        return target.btf is not None and super().usable(target)

    def context(self, match: Match, provider: str, target: Target) -> ProbeContext:
        context = _context(syscall_context.ByTrampoline, match, target, self.returns)
        context.attach_type = "trace_fexit" if self.returns else "trace_fentry"
        context.attach_to = str(match.data[1])
        return context


class ByEvent(Way):
    """The call's own event."""

    cookies = True

    def usable(self, target: Target) -> bool:
        return has_events(target)

    def share(self, match: Match, uses: Collection[str], target: Target) -> Match:
        return _shared(match, uses, target)

    def context(self, match: Match, provider: str, target: Target) -> ProbeContext:
        return _context(syscall_context.ByEvent, match, target, self.returns)

    def attach(self, matches: Sequence[Match], program: str) -> Sequence[ProbeSpec]:
        prefix = _EXIT if self.returns else _ENTER
        return [
            ProbeSpec(
                match.name,
                program,
                TracepointAttach(_CATEGORY, prefix + _call(match), match.cookie),
            )
            for match in matches
        ]


class Syscall(Reached):
    """``ksyscall:name``, ``kretsyscall:name``."""

    counts = (1,)
    of_kernel = True
    pid_filter = "body"
    lacks = (
        "this kernel has no way to see system calls: no kprobes, no fentry, no events of them "
        "(CONFIG_FTRACE_SYSCALLS)"
    )
    instead = "use tracepoint:raw_syscalls:sys_enter, with a test of args.id"

    def __init__(self, name: str, summary: str, returns: bool) -> None:
        self.names = (name,)
        self.syntax = (f"{name}:SYSCALL",)
        self.summary = summary
        self.returns = returns
        self.ways = (ByBreakpoint(returns), ByTrampoline(returns), ByEvent(returns))

    def way(self, target: Target) -> Way | None:
        """How system calls are reached on this kernel; None where they cannot be."""
        if registers(target.arch) is not None:
            return super().way(target)
        # The call's arguments are registers, but in its event.
        return next((w for w in self.ways if isinstance(w, ByEvent) and w.usable(target)), None)

    # -- names -----------------------------------------------------------------------------------

    def known(self, target: Target) -> list[str]:
        """All system calls that the kernel tells of, sorted."""
        found = [
            event.removeprefix(_ENTER)
            for category, event in target.tracepoints()
            if category == _CATEGORY and event.startswith(_ENTER)
        ]
        machine = registers(target.arch)
        if not found and machine is not None:
            prefix = machine.syscalls
            names = [name for _module, name in target.kernel_functions() or ()]
            if not names and target.btf is not None:
                names = target.btf.names("func", f"{prefix}*")
            found = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
        return sorted(set(found))

    def _exists(self, call: str, target: Target) -> bool:
        """Whether there is such a call, without going through all of them where that can be."""
        if has_events(target):
            # Functions tell less: there are some that only say that a call is missing.
            return fields_of(call, target) is not None
        machine, btf = registers(target.arch), target.btf
        if machine is not None and btf is not None and btf.function(machine.syscalls + call):
            return True
        return call in self.known(target)

    def expand(self, point: AttachPoint, scope: ExpandScope) -> Sequence[Match]:
        (call,) = self.arguments(point)
        target = scope.target
        if not call:
            raise self.malformed(f"{self.name} should name a system call")
        if self.left_out(scope):
            return []
        way = self.way(target)
        if not is_pattern(call):
            names = [call] if way is None or self._exists(call, target) else []
        else:
            fits = matcher(call)
            names = [name for name in self.known(target) if fits(name)]
        found = [self._match(name, target) for name in names]
        return found if way is None else [way.alone(match) for match in found]

    def _match(self, call: str, target: Target) -> Match:
        machine = registers(target.arch)
        name = f"{self.name}:{call}"
        prefix = machine.syscalls if machine is not None else ""
        return Match(name, (name,), (KERNEL, prefix + call, ""))

    def nearest(self, arguments: Sequence[str], scope: ExpandScope) -> Iterable[str]:
        wanted = arguments[-1]
        machine = registers(scope.target.arch)
        for prefix in (machine.syscalls if machine is not None else "", _ENTER, _EXIT, "sys_"):
            wanted = wanted.removeprefix(prefix)
        known = self.known(scope.target)
        same = [name for name in (wanted, _NEWER + wanted) if name in known]
        return [f"{self.name}:{name}" for name in same or did_you_mean(wanted, known)]

    # -- running ---------------------------------------------------------------------------------

    def context(self, match: Match, scope: ExpandScope) -> ProbeContext:
        way = self.way(scope.target)
        if way is None:
            raise self.cannot(scope.target)
        return way.context(match, self.name, scope.target)

    # -- listing ---------------------------------------------------------------------------------

    def search(
        self, arguments: Sequence[str], scope: ExpandScope
    ) -> Iterable[tuple[str, Match | None]]:
        if len(arguments) != 1:
            return
        fits = matcher(arguments[0])
        for call in self.known(scope.target):
            if fits(call):
                match = self._match(call, scope.target)
                yield match.name, match

    def describe(self, match: Match, scope: ExpandScope) -> Sequence[str]:
        if self.returns:
            return ["long retval"]
        fields = fields_of(_call(match), scope.target) or ()
        return [f"{field.type} {field.name}" for field in fields]


def behind(function: str, target: Target) -> str:
    """The system call that a function is for, by its name; empty where that is none."""
    prefix, underline, call = function.partition("sys_")
    machine = registers(target.arch)
    known = ("", "do_", "ksys_", "__se_", "__do_", "SyS_")
    if not underline or (
        prefix not in known and (machine is None or f"{prefix}sys_" != machine.syscalls)
    ):
        return ""
    return call if fields_of(call, target) is not None else ""


def has_events(target: Target) -> bool:
    """Whether the kernel has an event for each system call, and tells of them."""
    return fields_of("openat", target) is not None


def fields_of(call: str, target: Target) -> tuple[TracepointField, ...] | None:
    """The arguments of a system call, as its event describes them; None where there is none."""
    found = target.tracepoint_format(_CATEGORY, _ENTER + call)
    if found is None:
        return None
    return tuple([field for field in found if field.offset >= syscall_context.EVENT])


def _call(match: Match) -> str:
    """The system call that a match is for."""
    return match.name.partition(":")[2]


def _shared(match: Match, uses: Collection[str], target: Target) -> Match:
    """``match`` with the key of a program for all calls, as far as what it uses allows that."""
    provider = match.name.partition(":")[0]
    if "args" in uses:
        return match
    if "arg" in uses:
        # A program may not reach beyond the record of an event.
        fields = fields_of(_call(match), target)
        return match.replace(key=(provider, None if fields is None else len(fields)))
    return match.replace(key=(provider,))


def _context(
    kind: type[syscall_context.SyscallContext], match: Match, target: Target, returns: bool
) -> ProbeContext:
    call = _call(match)
    return kind(match.name, call, fields_of(call, target), target.arch, returns)


PROVIDERS = (
    Syscall("ksyscall", "a system call begins, with its own arguments", returns=False),
    Syscall("kretsyscall", "a system call returns", returns=True),
)
