"""printf of three fields from one thread: how many events arrive a second, and how many are lost.

Output goes to a file, as with ``-o``. Every line that arrived is counted, and so is every loss
that the tracer owns up to: together they must be what the load program did.
"""

from __future__ import annotations

import re
from pathlib import Path

from bench import load
from bench.report import Row, compare
from bench.tracer import Attached, Tracer

TITLE = "printf of three fields"
SCRIPT = (
    't:syscalls:sys_enter_getppid /comm == "load"/ { printf("%s %d %llu\\n", comm, pid, nsecs) }'
)
_LOST = re.compile(rb"[Ll]ost (\d+) events")


def measure(ours: Tracer, peer: Tracer, rounds: int) -> list[Row]:
    """At full speed, both in turn; then at 500,000 events a second."""
    full: tuple[list[float], list[float]] = ([], [])
    missing: tuple[list[float], list[float]] = ([], [])
    unaccounted: tuple[list[float], list[float]] = ([], [])
    for _ in range(max(3, rounds // 2)):
        for index, tracer in enumerate((ours, peer)):
            done, arrived, lost, seconds = _run(tracer, "calls", "3000000")
            full[index].append(arrived / seconds)
            unaccounted[index].append(max(0, done - arrived - lost))
            done, arrived, lost, seconds = _run(tracer, "rate", "500000", "3000")
            missing[index].append(done - arrived)
    rows = [
        compare("delivered at full speed", "events/s", *full, bound=4, sense="ge"),
        compare("not delivered of 500,000/s for 3 s", "events", *missing),
        compare("neither delivered nor owned up to", "events", *unaccounted),
    ]
    rows[1].ratio, rows[1].bound = max(missing[0]), 0
    rows[1].what += " (ratio: our worst count)"
    rows[2].ratio, rows[2].bound = max(unaccounted[0]), 0
    rows[2].what += " (ratio: our worst count)"
    return rows


def _run(tracer: Tracer, *work: str) -> tuple[int, int, int, float]:
    """(events made, lines that arrived, losses reported, seconds the load took)."""
    out = Path(load.PROGRAM).with_name("events.out")
    with Attached(tracer, "-e", SCRIPT, out=out) as attached:
        calls, nanoseconds = load.run(*work)
    # "Lost N events" lines are increments, the summary at the end says the total: it counts.
    reports = [int(n) for n in _LOST.findall(attached.errors)]
    lost = reports[-1] if b"Total lost" in attached.errors else sum(reports)
    total = re.search(rb"Total lost event count: (\d+)", attached.errors)
    if total:
        lost = int(total[1])
    with open(out, "rb") as lines:
        arrived = sum(piece.count(b"load ") for piece in lines)
    out.unlink()
    return calls, arrived, lost, nanoseconds / 1e9
