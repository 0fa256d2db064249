"""Folded stacks, all different, to SVG: ten thousand lines for each megabyte of ``--size``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import flame
from bench.flame_inputs import folded
from bench.report import Row, compare

if TYPE_CHECKING:
    from bench.tracer import Tracer

TITLE = "flame graphs: a million folded lines drawn as SVG (peer: as the row says)"
LINES = 10_000


def measure(ours: Tracer, _peer: Tracer | None, rounds: int) -> list[Row]:
    """CPU seconds and memory of whole runs, all in turn."""
    text = folded(int(LINES * flame.SETTINGS.size))
    own: list[flame.Cost] = []
    peers: dict[str, list[flame.Cost]] = {"flamegraph.pl": [], "inferno": []}
    for _ in range(max(1, rounds // 2)):
        own.append(flame.run([*ours.command, "flame", "draw", str(text)]))
        if command := flame.perl("flamegraph.pl", str(text)):
            peers["flamegraph.pl"].append(flame.run(command))
        if cost := flame.inferno_draw(text):
            peers["inferno"].append(cost)
    found = flame.rows("SVG", own, peers, {"flamegraph.pl": 1 / 8, "inferno": 1 / 0.8})
    if theirs := peers["flamegraph.pl"]:
        found.append(
            compare(
                "memory, beside flamegraph.pl",
                "MiB",
                [cost.memory for cost in own],
                [cost.memory for cost in theirs],
                bound=0.5,
            )
        )
    return found
