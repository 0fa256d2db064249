"""A one-liner on one tracepoint: time until it has attached."""

from __future__ import annotations

from bench.report import Row, compare
from bench.tracer import Attached, Tracer

TITLE = "until attached: a keyed count"
SCRIPT = "t:syscalls:sys_enter_getppid { @[comm] = count() }"


def measure(ours: Tracer, peer: Tracer, rounds: int) -> list[Row]:
    """Both in turn, after one run each that is not counted."""
    return [
        compare("wall time", "ms", *until_attached(ours, peer, rounds, "-e", SCRIPT), bound=0.4)
    ]


def until_attached(
    ours: Tracer, peer: Tracer, rounds: int, *arguments: str
) -> tuple[list[float], list[float]]:
    """Milliseconds from start to banner, both tracers in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for round_ in range(rounds + 1):
        for index, tracer in enumerate((ours, peer)):
            with Attached(tracer, *arguments) as attached:
                pass
            if round_:
                times[index].append(attached.seconds * 1e3)
    return times
