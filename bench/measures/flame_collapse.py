"""Text of ``perf script`` to folded stacks: realistic, shallow, and hardly a line twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import flame
from bench.flame_inputs import FOLDER, perf_script
from bench.report import Row, mean_row

if TYPE_CHECKING:
    from bench.tracer import Tracer

TITLE = "flame graphs: collapsing the text of perf script (peer: as the row says)"
BOUNDS = {
    "realistic": {"stackcollapse-perf.pl": 1 / 4},
    "shallow": {},
    "adversarial": {"stackcollapse-perf.pl": 1 / 2},
}


def measure(ours: Tracer, _peer: Tracer | None, rounds: int) -> list[Row]:
    """CPU seconds of whole runs, all in turn; what comes out is the same."""
    found = []
    for kind, bounds in BOUNDS.items():
        text = perf_script(kind, flame.SETTINGS.size)
        own: list[flame.Cost] = []
        peers: dict[str, list[flame.Cost]] = {"stackcollapse-perf.pl": [], "inferno": []}
        for _ in range(max(1, rounds // 2)):
            folded = FOLDER / "ours.folded"
            own.append(flame.run([*ours.command, "flame", "collapse", str(text)], folded))
            if command := flame.perl("stackcollapse-perf.pl", str(text)):
                theirs = FOLDER / "perl.folded"
                peers["stackcollapse-perf.pl"].append(flame.run(command, theirs))
                if sorted(folded.read_bytes().splitlines()) != sorted(
                    theirs.read_bytes().splitlines()
                ):
                    raise RuntimeError(f"{kind}: other stacks than {command[1]}")
            if cost := flame.inferno_collapse(text):
                peers["inferno"].append(cost)
        found += flame.rows(kind, own, peers, bounds)
    beside = [row for row in found if row.what.endswith("inferno")]
    if beside:
        found.append(mean_row("geometric mean beside inferno", beside, 1 / 0.8))
    return found
