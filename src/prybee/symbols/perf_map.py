"""Names of code that a program made at run time: ``/tmp/perf-PID.map``.

JIT compilers write one line per function: start and size in hex, and the name (Linux,
tools/perf/Documentation/jit-interface.txt).  The file grows while the program runs; code that
replaces other code comes later in it.
"""

from __future__ import annotations

from bisect import bisect_right, insort


class PerfMap:
    """One perf map, read on as it grows."""

    def __init__(self, path: str, shown: str) -> None:
        self.path = path
        self.shown = shown  # the path as the process names it
        self._position = 0
        self._identity = (0, 0)
        self._rest = b""
        self._starts: list[int] = []
        self._rows: dict[int, tuple[int, str]] = {}

    def refresh(self) -> bool:
        """Reads what was added since the last time; whether there was anything."""
        import os

        try:
            with open(self.path, "rb") as file:
                status = os.fstat(file.fileno())
                identity = (status.st_dev, status.st_ino)
                if identity != self._identity or status.st_size < self._position:
                    self._identity = identity
                    self._position = 0
                    self._rest = b""
                    self._starts, self._rows = [], {}
                if status.st_size == self._position:
                    return False
                file.seek(self._position)
                text = file.read()
        except OSError:
            return False
        self._position += len(text)
        self._add(self._rest + text)
        return True

    def _add(self, text: bytes) -> None:
        whole, newline, self._rest = text.rpartition(b"\n")
        if not newline:
            return
        added = []
        for line in whole.split(b"\n"):
            fields = line.split(None, 2)
            if len(fields) != 3:
                continue
            try:
                start, size = int(fields[0], 16), int(fields[1], 16)
            except ValueError:
                continue
            if start not in self._rows:
                added.append(start)
            self._rows[start] = (
                start + size,
                fields[2].decode("utf-8", "backslashreplace").rstrip(),
            )
        if len(added) < 64:
            for start in added:
                insort(self._starts, start)
        else:
            self._starts = sorted(self._rows)

    def find(self, address: int) -> tuple[str, int] | None:
        """(name, offset in bytes) of an address."""
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        start = self._starts[at]
        end, name = self._rows[start]
        return (name, address - start) if address < end else None
