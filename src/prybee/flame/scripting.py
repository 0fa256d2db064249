"""The scripts of profiles, as the user's options want them.

A kind's script says when something is kept (``keep``) and of which stack, thread and time; here is
said what that is: a sum for each stack and name of a thread, or a record of each sample.  Stacks
are in one map in both cases, each once, and a number stands for each (``key_id``): so samples are
short.
"""

from __future__ import annotations

import os

from prybee.diagnostics import PrybeeError, did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.flame.profiling import Kind

# What stands in all scripts for which processes are wanted.
_EVERY_PROCESS = "macro wanted() { true }"
_WANTED = "wanted()"
# Where the script of ``cpu`` says when stacks are taken.
_CLOCK = "profile:hz:$1\n"
_PYTHON = "(ustack, pystack)"
_GROUP = "cgroup_path(cgroup)"

# What all scripts use. States are the scheduler's (``TASK_…``, include/linux/sched.h; the field's
# name changed in 5.14), and two of our own (``recording.STATES``).
_COMMON = """
macro on_cpu() { 0x10000 }
macro untold() { 0x20000 }

macro state(task, preempted)
{
	preempted ? (uint64)0 :
		field_exists(struct task_struct, __state) ? (uint64)task.__state : (uint64)task.state
}

macro keep(@sums, number, weight, begin, doing, process, thread, name)
{
	if (number != 0) {
		%s
	}
}
"""
_SUM = "@sums[name, number] = sum(weight);"
# As ``recording`` reads it.
_SAMPLE = "print((number, weight, begin, doing, process, thread, cpu, name));"

# A command, and all that it starts.
_FAMILY = """
begin
{
	@family[(uint32)cpid] = 1;
}

tracepoint:sched:sched_process_fork
/has_key(@family, pid)/
{
	@family[(uint32)args.child_pid] = 1;
}

end
{
	clear(@family);
}
"""

_CGROUPS = "/sys/fs/cgroup"
# A condition for each group of the tree is as much as programs take.
_MOST_GROUPS = 256
# A CPU's cycles a second, about: what -F becomes where cycles are counted.
_CYCLES = 3_000_000_000


def text(
    kind: Kind,
    *,
    pid: int | None = None,
    cgroup: str = "",
    event: str = "",
    frequency: int = 0,
    duration: int = 0,
    python: bool = True,
    group: bool = False,
    refresh: bool = False,
    times: bool = False,
) -> str:
    """A kind's script.

    Args:
        kind: of the profile.
        pid: the one process that is wanted, where the script itself has to keep to it; 0: those of
            the command that is run.
        cgroup: the directory of a control group; it and those below are wanted.
        event: what is counted instead of time, for ``cpu``.
        frequency: samples a second.
        duration: the end, in milliseconds; 0: the user's.
        python: with the functions of Python programs.
        group: with the control groups of processes.
        refresh: show what there is every second.
        times: keep samples one by one, not their sums.

    Raises:
        PrybeeError: there is no such control group or event.
    """
    with open(kind.script, encoding="utf-8") as file:
        found = file.read() + _COMMON % (_SAMPLE if times else _SUM)
    condition = ""
    if pid == 0:
        condition = "has_key(@family, pid)"
        found += _FAMILY
    elif pid is not None and kind.own_filter:
        condition = f"pid == {pid}"
    elif cgroup:
        condition = " || ".join(f"cgroup == {number}" for number in cgroups(cgroup))
    if condition:
        assert _EVERY_PROCESS in found
        # As text: a macro may name no map that it is not given.
        found = found.replace(_EVERY_PROCESS, "").replace(_WANTED, f"({condition})")
    if event:
        assert _CLOCK in found
        found = found.replace(_CLOCK, f"{_counted(event, frequency)}\n")
    if group:
        found = found.replace(_PYTHON, f"({_GROUP}, {_PYTHON[1:-1]})")
    if not python:
        found = found.replace(", pystack)", ")").replace("(ustack)", "ustack")
    if refresh:
        # In this order: sums are of stacks that are known then.
        found += "\ninterval:s:1 { print(@stacks); print(@sums); }\n"
    if duration:
        found += f"\ninterval:ms:{duration} {{ exit(); }}\n"
    return found


def _counted(event: str, frequency: int) -> str:
    """The probe for every so many events: ``cycles``, ``page-faults:1`` …"""
    from prybee.probes.events import PROVIDERS

    name, _, count = event.partition(":")
    for provider in PROVIDERS:
        if name in provider.table:
            if not count and name in ("cycles", "cpu-cycles"):
                count = str(_CYCLES // max(1, frequency))
            return f"{provider.names[0]}:{name}{count and ':'}{count}"
    names = [each for provider in PROVIDERS for each in provider.table]
    near = did_you_mean(name, names)
    hint = f"did you mean {near[0]}?" if near else f"events: {', '.join(names)}"
    raise PrybeeError(f"-e {event}: no such event\nHINT: {hint}")


def cgroups(path: str) -> list[int]:
    """The numbers of a control group (version 2) and of all below it.

    Args:
        path: its directory, or its name below where control groups are mounted.

    Raises:
        PrybeeError: there is none, or there are too many.
    """
    root = unified()
    top = path if os.path.isabs(path) else os.path.join(root, path)
    if not os.path.isfile(os.path.join(top, "cgroup.procs")):
        raise PrybeeError(
            f"--cgroup {path}: no control group\n"
            f"HINT: it is a directory below {root}; systemd-cgls and `cat /proc/PID/cgroup` tell"
        )
    if not os.path.isfile(os.path.join(top, "cgroup.type")) and not os.path.samefile(top, root):
        raise PrybeeError(
            f"--cgroup {path}: a control group of version 1; programs know those of version 2, "
            f"below {root}"
        )
    numbers = [os.stat(folder).st_ino for folder, _, _ in os.walk(top)]
    if len(numbers) > _MOST_GROUPS:
        raise PrybeeError(
            f"--cgroup {path}: {len(numbers)} control groups are below it, and {_MOST_GROUPS} is "
            "the most; name one of them"
        )
    return numbers


def unified(mounts: str = "/proc/self/mounts") -> str:
    """Where control groups of version 2 are mounted."""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                _, folder, kind, *_ = line.split(" ")
                if kind == "cgroup2":
                    return folder
    except OSError:
        pass
    return _CGROUPS
