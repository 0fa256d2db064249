"""What one hit of a probe costs, from the kernel's own BPF run-time statistics.

Every script hangs on getppid(2), which only the load program calls in bulk.  The cost is the run
time of all programs that came with the tracer, divided by the number of calls; it includes what
the statistics themselves cost, which the empty probe shows.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from bench import load
from bench.programs import Statistics, run_time
from bench.report import Row, compare, mean_row
from bench.tracer import Attached, Tracer

TITLE = "one hit of a probe (kernel.bpf_stats_enabled)"
CALLS = 400_000
_ENTER = "t:syscalls:sys_enter_getppid"
_EXIT = "t:syscalls:sys_exit_getppid"

# Name, script, bound of the ratio.
SCRIPTS: tuple[tuple[str, str, float | None], ...] = (
    ("scalar count", f"{_ENTER} {{ @ = count() }}", None),
    ("keyed count", f"{_ENTER} {{ @[pid] = count() }}", 1.05),
    ("sum and avg", f"{_ENTER} {{ @s = sum(tid); @a = avg(cpu) }}", 1.05),
    ("hist", f"{_ENTER} {{ @ = hist(nsecs & 0xffff) }}", 1.05),
    ("lhist", f"{_ENTER} {{ @ = lhist(nsecs & 0xff, 0, 256, 16) }}", 1.05),
    ("string key", f"{_ENTER} {{ @[comm] = count() }}", 1.05),
    ("tuple key", f"{_ENTER} {{ @[comm, pid, cpu] = count() }}", 1.05),
    ("kstack key", f"{_ENTER} {{ @[kstack] = count() }}", 1.05),
    (
        "time difference, delete",
        (
            f"{_ENTER} {{ @start[tid] = nsecs }} {_EXIT} /@start[tid]/ "
            "{ @ns = hist(nsecs - @start[tid]); delete(@start, tid) }"
        ),
        1.05,
    ),
    ("printf", f'{_ENTER} {{ printf("%s %d %llu\\n", comm, pid, nsecs) }}', 1.05),
)
EMPTY = f"{_ENTER} {{ _ = 1 }}"


def measure(ours: Tracer, peer: Tracer, rounds: int) -> list[Row]:
    """Each script under both in turn."""
    floor = compare("(empty probe: the floor)", "ns", *_costs(ours, peer, rounds, EMPTY))
    compared = [
        compare(name, "ns", *_costs(ours, peer, rounds, script), bound=bound)
        for name, script, bound in SCRIPTS
    ]
    count = compared[0]
    above = [max(0.0, count.ours - floor.ours)], [max(1.0, count.peers - floor.peers)]
    return [
        floor,
        *compared,
        mean_row("geometric mean", compared, 0.8),
        compare("scalar count, above the floor", "ns", *above, bound=0.4),
    ]


def _costs(ours: Tracer, peer: Tracer, rounds: int, script: str) -> tuple[list[float], list[float]]:
    costs: tuple[list[float], list[float]] = ([], [])
    # Where a map's memory comes to lie decides about a third of the cost: many maps are tried.
    for _ in range(max(5, rounds)):
        for index, tracer in enumerate((ours, peer)):
            costs[index].append(cost(tracer, script))
    return costs


def cost(tracer: Tracer, script: str) -> float:
    """Nanoseconds per call of getppid(2) that the programs of ``script`` take."""
    with Statistics(), Attached(tracer, "-e", script, out=Path("/dev/null")) as attached:
        pid = attached.pid()
        load.run("calls", str(CALLS // 10))
        samples = []
        for _ in range(3):
            before = run_time(pid)
            load.run("calls", str(CALLS // 3))
            samples.append((run_time(pid) - before) / (CALLS // 3))
    return statistics.median(samples)
