"""How far the kernel's clocks are from wall-clock time.

Programs stamp events with ``bpf_ktime_get_boot_ns`` and its kin; people read wall-clock time.
"""

from __future__ import annotations

import time

# The clocks of the language's timestamps: name → clock id, as clock_gettime(2) takes it.
CLOCKS = {
    "boot": time.CLOCK_BOOTTIME,
    "monotonic": time.CLOCK_MONOTONIC,
    "tai": time.CLOCK_TAI,
}


def wall_offset(clock: str, samples: int = 5) -> int:
    """Nanoseconds to add to a stamp of ``clock`` to get wall-clock time since 1970.

    The two clocks are read one after the other; of several tries, the one that took the least
    time is the most exact (some 100 ns).

    Raises:
        KeyError: ``clock`` is not in :data:`CLOCKS`.
    """
    number = CLOCKS[clock]
    read = time.clock_gettime_ns
    best, offset = -1, 0
    for _ in range(max(1, samples)):
        before = read(number)
        wall = time.time_ns()
        after = read(number)
        if best < 0 or after - before < best:
            best = after - before
            offset = wall - (before + after) // 2
    return offset
