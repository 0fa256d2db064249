"""How much longer than elsewhere tests wait here: one number for all their time limits.

Limits are written for a machine of its own.  An emulated one, which is some fifteen times slower,
takes longer for the same, and nothing is wrong with that.
"""

from __future__ import annotations

import time

# Seconds that the work takes on an ordinary machine, and what is never exceeded.
USUAL, MOST = 0.012, 6.0


def _work() -> float:
    begun = time.perf_counter()
    total = 0
    for number in range(200_000):
        total += number & 7
    return time.perf_counter() - begun


# The best of some, so that a pause says nothing; not below 1, where limits are as they are written.
FACTOR = min(MOST, max(1.0, min(_work() for _ in range(3)) / USUAL))
