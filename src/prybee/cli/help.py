"""The text of ``prybee --help``."""

from __future__ import annotations

from prybee.cli.options import help_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_USAGE = """\
prybee - see inside a running Linux system

USAGE:
  prybee [options] -e 'PROGRAM' [PARAMETER ...] [-- --NAME=VALUE ...]
  prybee [options] FILE [PARAMETER ...] [-- --NAME=VALUE ...]     (FILE - is standard input)
  prybee -l [SEARCH]         list probes
  prybee doctor [--json]     what works on this machine, what not, and how to change it

PROGRAM and FILE are in the bpftrace language. PARAMETERs are $1, $2 … in it; what stands
behind -- are the options that it asks for with getopt().

"""

_MORE = """\
environment:
  Any setting of a script's config block, as PRYBEE_NAME or BPFTRACE_NAME: PRYBEE_MAX_STRLEN=64.
  PRYBEE_BTF and PRYBEE_NO_FEATURE do for tools and commands what --btf and --no-feature do.

exit status:
  0    the trace ended as it should, or with the status that the script gave to exit()
  1    mistake in the script or on the command line, or a privilege is missing
  255  the kernel refused a program, or a probe could not be attached

examples:
  prybee -e 'tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }'
      count system calls by program; Ctrl-C prints them
  prybee -e 'tracepoint:syscalls:sys_enter_openat { printf("%s %s\\n", comm, str(args.filename)); }'
      print which program opens which file
  prybee -e 'tracepoint:raw_syscalls:sys_enter { @start[tid] = nsecs; }
      tracepoint:raw_syscalls:sys_exit /@start[tid]/ {
        @us = hist((nsecs - @start[tid]) / 1000); delete(@start, tid); }'
      how long system calls take, as a histogram
  prybee -e 'profile:hz:99 { @[kstack] = count(); }'
      where the kernel spends its time
  prybee -e 'uprobe:libc:malloc { @[comm] = hist(arg0); }'
      sizes that programs ask malloc for
  prybee -lv 'tracepoint:sched:sched_switch'
      the arguments of a probe

The manual is in docs/, and begins with a tutorial.
"""


def text() -> str:
    """All of it."""
    return f"{_USAGE}{help_text()}\n{_MORE}"


# The form of the command, for whoever got it wrong: bpftrace begins with this line, too.
SHORT = "USAGE:\n  prybee [options] -e 'PROGRAM' [PARAMETER ...], or FILE in place of -e"


# What -d shows, by our own names of stages.
_STAGES = {
    "ast": "the program's tree, as it was read",
    "types": "the tree with types, after names and macros are resolved",
    "ssa": "the programs as the compiler has them",
    "asm": "the eBPF instructions, with the script's lines beside them",
    "plan": "maps, programs, probes and records that the kernel is asked for",
    "verifier": "the kernel verifier's log of each program",
    "times": "how long each part of the start took (on standard error)",
}


def stages(names: Mapping[str, Sequence[str]]) -> str:
    """The stages of ``-d``.

    Args:
        names: what each name that may be given shows.
    """
    lines = []
    for stage, what in _STAGES.items():
        other = [name for name, shown in names.items() if shown == (stage,) and name != stage]
        also = f" (also: {', '.join(other)})" if other else ""
        lines.append(f"  {stage:<10}{what}{also}\n")
    lines.append(f"  {'all':<10}all of them but times\n")
    return "stages that -d shows:\n" + "".join(lines)
