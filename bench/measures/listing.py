"""Listing: all probes, those of one kind, the arguments of a probe, the fields of a struct."""

from __future__ import annotations

from bench.report import Row, compare, mean_row
from bench.tracer import Tracer

TITLE = "listing probes and types"
# Name, arguments, what the output must have.
LISTS = (
    ("all", ("-l",), b"sched_switch"),
    ("tracepoints of system calls", ("-l", "t:syscalls:*"), b"sys_enter_openat"),
    ("arguments of one", ("-lv", "t:sched:sched_switch"), b"prev_comm"),
    ("fields of task_struct", ("-lv", "struct task_struct"), b"comm"),
    ("functions of libc", ("-l", "u:/lib/x86_64-linux-gnu/libc.so.6:mem*"), b"memset"),
)


def measure(ours: Tracer, peer: Tracer, rounds: int) -> list[Row]:
    """Wall time of whole runs, both in turn, after one each that is not counted."""
    rows = []
    for name, arguments, wanted in LISTS:
        times: tuple[list[float], list[float]] = ([], [])
        for round_ in range(max(3, rounds // 2) + 1):
            for index, tracer in enumerate((ours, peer)):
                sample = tracer.run(*arguments)
                if wanted not in sample.out:
                    raise RuntimeError(f"{tracer.name} {arguments} lists no {wanted!r}")
                if round_:
                    times[index].append(sample.wall * 1e3)
        rows.append(compare(name, "ms", *times))
    return [*rows, mean_row("geometric mean", rows, 1)]
