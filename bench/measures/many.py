"""300 tracepoints: time until all are attached, and until the tracer has ended."""

from __future__ import annotations

from bench.report import Row, compare
from bench.tracer import Attached, Tracer

TITLE = "300 tracepoints"


def measure(ours: Tracer, peer: Tracer, rounds: int) -> list[Row]:
    """The same events by both in turn."""
    listed = ours.run("-l", "tracepoint:syscalls:sys_e*").out.decode().split()
    script = f"{','.join(listed[:300])} {{ @ = count() }}"
    attach: tuple[list[float], list[float]] = ([], [])
    end: tuple[list[float], list[float]] = ([], [])
    for _ in range(max(3, rounds // 2)):
        for index, tracer in enumerate((ours, peer)):
            with Attached(tracer, "-e", script) as attached:
                attach[index].append(attached.seconds)
                end[index].append(attached.stop())
    return [
        compare("until attached", "s", *attach, bound=0.5),
        compare("from Ctrl-C to the end", "s", *end, bound=0.5),
    ]
