"""Scripts much longer than people write: what compiling and loading them costs."""

from __future__ import annotations

from bench.measures.attach import until_attached
from bench.report import Row, compare
from bench.tracer import Tracer

TITLE = "until attached: scripts of many lines"
_LINES = (
    "  $us = (nsecs - @start[tid]) / 1000;\n"
    '  @us[comm, pid] = hist($us); if ($us > 5) { printf("%s %d\\n", comm, $us); }\n'
)


def measure(ours: Tracer, peer: Tracer, rounds: int) -> list[Row]:
    """One handler that is long, and many that are short, by both in turn."""
    long = "t:syscalls:sys_enter_getppid {\n" + _LINES * 100 + "}\n"
    many = ("t:syscalls:sys_enter_getppid {\n" + _LINES + "}\n") * 60
    # (The kernel takes 64 programs at one event.)
    rounds = max(3, rounds // 2)
    return [
        compare("200 lines in one block", "ms", *until_attached(ours, peer, rounds, "-e", long)),
        compare(
            "60 blocks at one event", "ms", *until_attached(ours, peer, rounds, "-e", many), bound=1
        ),
    ]
