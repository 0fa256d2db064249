"""Whole ways: a small capture as text to SVG, and a file of ``perf record`` to a page."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from bench import flame
from bench.flame_inputs import FOLDER, perf_script
from bench.report import Row, compare

if TYPE_CHECKING:
    from pathlib import Path

    from bench.tracer import Tracer

TITLE = "flame graphs: from a capture to what is looked at (peer: as the row says)"
SMALL = 3  # Megabytes
LIMIT = 0.3  # Seconds
# What is recorded: Python with many functions, for so many seconds at 100 MB.
SECONDS = 20
BUSY = """
import ast, json, re, sys, time
end = time.monotonic() + float(sys.argv[1])
text = "x = [f(a, b) for a, b in zip(range(10), 'abc')]\\n" * 50
while time.monotonic() < end:
    ast.parse(text); json.loads(json.dumps({str(n): [n] * 5 for n in range(500)}))
    re.findall(r"(\\w+)\\s*=", text); sorted(map(str, range(2000)))
"""


def measure(ours: Tracer, _peer: Tracer | None, rounds: int) -> list[Row]:
    """Wall time of the first, CPU seconds of the second."""
    rounds = max(1, rounds // 2)
    text = perf_script("realistic", SMALL)
    picture = FOLDER / "small.svg"
    draw = [*ours.command, "flame", "draw"]
    walls = [flame.run([*draw, str(text), "-o", str(picture)]).wall for _ in range(rounds)]
    found = [compare("3 MB of text to SVG, beside 0.3 s", "s", walls, [LIMIT] * rounds, bound=1)]
    perf = shutil.which("perf")
    data = _recorded(perf) if perf else None
    if perf and data:
        page = FOLDER / "recorded.html"
        own, theirs = [], []
        for _ in range(rounds):
            own.append(flame.run([*draw, str(data), "-o", str(page)]).cpu)
            theirs.append(flame.run([perf, "script", "-i", str(data)]).cpu)
        what = "perf.data to HTML, beside perf script alone"
        found.append(compare(what, "CPU s", own, theirs, bound=1))
    return found


def _recorded(perf: str) -> Path | None:
    """A file of ``perf record``; None where it cannot be made."""
    path = FOLDER / f"recorded-{flame.SETTINGS.size:g}.data"
    if path.exists():
        return path
    seconds = max(0.5, SECONDS * flame.SETTINGS.size / 100)
    done = subprocess.run(
        [perf, "record", "-q", "-e", "cpu-clock", "-F", "9999", "-g", "-o", str(path), "--",
         sys.executable, "-c", BUSY, str(seconds)],
        capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(f"perf record: {done.stderr.decode(errors='replace')}", file=sys.stderr)
        return None
    return path
