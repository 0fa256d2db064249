"""The shortest script: wall time and peak memory."""

from __future__ import annotations

from bench.report import Row, compare
from bench.tracer import Tracer

TITLE = "begin { exit() }"


def measure(ours: Tracer, peer: Tracer, rounds: int) -> list[Row]:
    """Both in turn, after one run each that is not counted."""
    walls: tuple[list[float], list[float]] = ([], [])
    memories: tuple[list[float], list[float]] = ([], [])
    for round_ in range(rounds + 1):
        for index, tracer in enumerate((ours, peer)):
            sample = tracer.run("-e", "begin { exit() }")
            if sample.status != 0:
                raise RuntimeError(f"{tracer.name}: {sample.err.decode(errors='replace')}")
            if round_:
                walls[index].append(sample.wall * 1e3)
                memories[index].append(sample.memory / 1024)
    return [
        compare("wall time", "ms", *walls, bound=0.35),
        compare("peak memory", "MiB", *memories, bound=0.25),
    ]
