"""Where the time of a start goes: what ``-d times`` prints (and the bench tabulates)."""

from __future__ import annotations

import sys
import time


class Times:
    """Marks the ends of stages; does nothing unless it is wanted."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self._stages: list[tuple[str, float]] = []
        # What the process has used until here is the interpreter's start and our first imports.
        self._last = time.perf_counter()
        if wanted:
            self.add("interpreter", time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID))

    def add(self, stage: str, seconds: float) -> None:
        """A stage that was measured elsewhere."""
        self._stages.append((stage, seconds))

    def mark(self, stage: str, less: float = 0.0) -> None:
        """Time since the last mark was ``stage``, but for ``less`` seconds counted elsewhere."""
        if self.wanted:
            now = time.perf_counter()
            self.add(stage, now - self._last - less)
            self._last = now

    def print(self) -> None:
        """Lines of ``time:``, the stage, and milliseconds, on standard error."""
        if not self.wanted:
            return
        total = 0.0
        for stage, seconds in self._stages:
            total += seconds
            print(f"time: {stage:<12} {seconds * 1e3:8.2f} ms", file=sys.stderr)
        print(f"time: {'all':<12} {total * 1e3:8.2f} ms", file=sys.stderr)
