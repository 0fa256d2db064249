"""What is not seen of programs of 32 bits on a kernel of 64 bits."""

from __future__ import annotations

from prybee.machines import machine
from prybee.plan.plan import TracepointAttach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.linux.processes import Child
    from prybee.plan.plan import Plan
    from prybee.plan.target import Target

# Numbers of their system calls mean others to the kernel's events of single calls, so there they
# are left out (ARCH_TRACE_IGNORE_COMPAT_SYSCALLS, arch/*/include/asm/ftrace.h).
_EVENTS = "syscalls"


def remark(plan: Plan, target: Target, pid: int | None, child: Child | None) -> str:
    """What a script that follows a program of 32 bits will miss; empty for others.

    Args:
        target: who finds the program.
        pid: the process of ``-p``.
        child: that of ``-c``.
    """
    if child is not None:
        path = next(iter(target.resolve_binary(child.arguments[0])), "")
    else:
        path = f"/proc/{pid}/exe" if pid is not None else ""
    if not path or not any(_of_single_calls(probe.attach) for probe in plan.probes):
        return ""
    elf = target.elf(path)
    own = machine(target.arch)
    if elf is None or own is None or own.narrow is None or elf.machine != own.narrow[0]:
        return ""
    who = child.arguments[0] if child is not None else f"process {pid}"
    return (
        f"{who} is a program of {elf.machine}: tracepoint:{_EVENTS}:* of {own.name} tells nothing "
        "of its system calls; tracepoint:raw_syscalls:sys_enter and sys_exit do, with "
        "syscall_name(args.id)"
    )


def _of_single_calls(way: object) -> bool:
    return isinstance(way, TracepointAttach) and way.category == _EVENTS
