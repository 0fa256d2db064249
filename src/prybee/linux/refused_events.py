"""What perf_event_open(2) means by refusing: words for each kind of event, and what to use instead.

Asked only when something went wrong.
"""

from __future__ import annotations

import os
from errno import (
    EACCES,
    EADDRNOTAVAIL,
    EILSEQ,
    EINVAL,
    EMFILE,
    ENFILE,
    ENODEV,
    ENOENT,
    ENOSPC,
    ENOSYS,
    EOPNOTSUPP,
    EPERM,
)

from prybee.diagnostics import KernelError, Misplaced, NotSupported
from prybee.linux.privileges import bpf_hint

SOURCES = "/sys/bus/event_source/devices"

# What register_kprobe() answers (kernel/kprobes.c, check_kprobe_address_safe() and its callers).
_FUNCTIONS = {
    ENOENT: "the kernel has no such function, or compiled it into others",
    EADDRNOTAVAIL: "the kernel has several functions of that name",
    EINVAL: "the function is one that kprobes work with themselves, or the place is not code",
}
_BETWEEN = (
    "the offset must be where an instruction starts (some functions begin with endbr64, 4 bytes, "
    "and a call of 5 bytes)"
)
_IN_PROGRAM = "the offset must be where an instruction starts, in an executable part of the file"

# What register_perf_hw_breakpoint() answers (kernel/events/hw_breakpoint.c) and what it asks
# (arch/x86/kernel/hw_breakpoint.c, arch/arm64/kernel/hw_breakpoint.c).
_NO_WATCHING = "probe the functions that use the memory, with kprobe or uprobe"
_NONE_LEFT = (
    "all registers of the CPU that watch memory are in use (x86 has 4 of them): watch fewer "
    "places, or end other debuggers"
)
_NO_DATA_THERE = (
    "the address must be a multiple of the length, and lie where the machine can watch: not in "
    "the CPU's own tables"
)
_NO_CODE_THERE = (
    "of the kernel only code is watched where kprobes may be, and without kprobes none: use "
    "fentry, kprobe or a tracepoint there"
)

# Nothing but a CPU's counters counts these; what is near is where time goes.
_BY_TIME = "software:cpu-clock and profile:hz:99 sample where time goes, without counters"


def open_error(what: str, errno: int) -> KernelError | NotSupported:
    """The exception for an event that could not be opened.

    Args:
        what: the event, its kind first (``kprobe …``, ``watchpoint …``, ``hardware:…``).
    """
    kind = what.replace(":", " ").partition(" ")[0]
    if errno in (EPERM, EACCES, EMFILE, ENFILE, ENOSYS):
        return KernelError(f"perf_event_open for {what}", errno, bpf_hint(errno))
    hint = ""
    if kind in ("kprobe", "kretprobe"):
        if errno == EILSEQ:
            return Misplaced(f"perf_event_open for {what}", errno, _BETWEEN)
        hint = _FUNCTIONS.get(errno, "")
    elif kind in ("uprobe", "uretprobe"):
        hint = _IN_PROGRAM if errno == EINVAL else ""
    elif kind == "watchpoint":
        if errno in (ENOENT, ENODEV, EOPNOTSUPP):
            return NotSupported(what, "this kernel or machine cannot watch memory", _NO_WATCHING)
        if errno == ENOSPC:
            hint = _NONE_LEFT
        elif errno == EINVAL:
            hint = _NO_CODE_THERE if what.endswith(":x") else _NO_DATA_THERE
    elif errno in (ENOENT, ENODEV, EOPNOTSUPP):
        if kind != "hardware":
            return NotSupported(f"event {what}", "this machine does not count it")
        return NotSupported(f"event {what}", _why_uncounted(), _BY_TIME)
    elif kind == "hardware" and errno == EINVAL:
        return NotSupported(f"event {what}", "this CPU does not count it", _BY_TIME)
    return KernelError(f"perf_event_open for {what}", errno, hint)


def _why_uncounted() -> str:
    """Why the kernel does not know a hardware event: as a rule there are no counters at all."""
    # Counters of a CPU are a source called cpu, cpu_core and cpu_atom, or armv8_…; where the
    # firmware or a hypervisor hides them the kernel makes none.
    try:
        names = os.listdir(SOURCES)
    except OSError:
        names = []
    if any(name.startswith(("cpu", "arm")) for name in names):
        return "this CPU does not count it"
    return "this machine has no hardware counters (virtual machines often hide them)"
