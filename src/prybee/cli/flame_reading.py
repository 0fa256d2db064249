"""Options of ``prybee flame`` that are the readers': how stacks are made of the input.

Most are for some formats only; :mod:`prybee.flame.formats` says which reader knows which.
"""

from __future__ import annotations

import argparse
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What the options here are called by readers.
NAMES = (
    "pid", "tid", "addrs", "inline", "context", "srcline", "event_filter", "includeoffset",
    "modules", "value", "tname", "shorten", "no_pkgs", "map", "wake_stack", "recurse",
    "skip_after", "recursive", "compat",
)  # fmt: skip


def options(parser: argparse.ArgumentParser) -> None:
    """Adds the options. What is not given is not there: readers know what is usual."""
    group = parser.add_argument_group("what stacks are made of")
    add = partial(group.add_argument, default=argparse.SUPPRESS)
    add("--pid", action="store_true", help="the process's frame has its id")
    add("--tid", "--include-tid", action="store_true", help="and the thread's: name-PID/TID")
    add("--no-include-tid", dest="tid", action="store_false", help=argparse.SUPPRESS)
    add("--event-filter", metavar="EVENT", help="of perf; default: the first")
    add("--skip-after", metavar="FUNCTION", action="append", help="leave out what is called before "
        "it; may be given again")  # fmt: skip
    add("--recursive", action="store_true", help="functions that call themselves are one frame")
    add("--compat", choices=["perl", "inferno"], help="as stackcollapse-*.pl or inferno does it, "
        "with all mistakes")  # fmt: skip
    group = parser.add_argument_group("names of functions")
    add = partial(group.add_argument, default=argparse.SUPPRESS)
    add("--addrs", action="store_true", help="addresses of unknown functions (perf, perf.data)")
    add("--inline", action="store_true", help="frames of inlined functions, out of the programs' "
        "debug information (perf, perf.data)")  # fmt: skip
    add("--context", action="store_true", help="with --inline: also the source line")
    add("--srcline", action="store_true", help="source lines that are in the text "
        "(perf script -F +srcline; wcp)")  # fmt: skip
    add("--include-offset", "--includeoffset", dest="includeoffset", action="store_true",
        help="places in functions (dtrace)")  # fmt: skip
    add("--no-modules", dest="modules", action="store_false", help="not the file (sample, vtune)")
    add("--no-include-tname", dest="tname", action="store_false",
        help="not the thread's name (jstack, javacore)")  # fmt: skip
    add("--include-tname", dest="tname", action="store_true", help=argparse.SUPPRESS)
    add("--shorten-pkgs", dest="shorten", action="store_true",
        help="of packages the first letters (jstack, javacore, java)")  # fmt: skip
    add("--no-shorten-pkgs", dest="shorten", action="store_false", help=argparse.SUPPRESS)
    add("--no-pkgs", action="store_true", help="no packages (jstack, javacore, java)")
    group = parser.add_argument_group("of several values, the one that counts")
    group = group.add_mutually_exclusive_group()
    group.add_argument(
        "--value", default=argparse.SUPPRESS,
        help="its name or, for pprof, its number; a wrong one is told which there are",
    )  # fmt: skip
    for name, formats in _VALUES.items():
        group.add_argument(
            f"--{name}", dest="value", action="store_const", const=name,
            default=argparse.SUPPRESS, help=f"the same as --value {name} ({formats})",
        )  # fmt: skip
    group = parser.add_argument_group("of one format")
    add = partial(group.add_argument, default=argparse.SUPPRESS)
    add("--map", metavar="@NAME", help="bpftrace: which; default: the first with stacks")
    add(
        "--wake-stack", action="store_true", help="perf-sched: behind a sleeper's stack its waker's"
    )
    add("--recurse", action="store_true", help="perf-sched: and the waker's waker's, as a chain")


# Short forms, as other programs have them.
_VALUES = {
    "time": "ghcprof, vsprof, vtune, xdebug", "ticks": "ghcprof", "bytes": "ghcprof",
    "calls": "vsprof, xdebug", "size": "vtune",
}  # fmt: skip


def given(namespace: argparse.Namespace) -> dict[str, Any]:
    """What was given of :func:`options`, by the names that readers have for it."""
    return {name: value for name, value in vars(namespace).items() if name in NAMES}
