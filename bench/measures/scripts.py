"""Ten scripts of 20 to 60 lines (bench/scripts): time until they have attached."""

from __future__ import annotations

from pathlib import Path

from bench.measures.attach import until_attached
from bench.report import Row, compare, mean_row
from bench.tracer import Tracer

TITLE = "until attached: ten scripts of 20 to 60 lines"
SCRIPTS = sorted((Path(__file__).parent.parent / "scripts").glob("*.bt"))


def measure(ours: Tracer, peer: Tracer, rounds: int) -> list[Row]:
    """Each script by both in turn. The text goes in by ``-e``: the peer may live in a chroot."""
    rows = []
    for path in SCRIPTS:
        times = until_attached(ours, peer, rounds, "-e", path.read_text())
        rows.append(compare(path.stem, "ms", *times))
    return [*rows, mean_row("geometric mean", rows, 0.5)]
