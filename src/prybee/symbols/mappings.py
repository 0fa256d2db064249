"""The memory map of a process at one moment: which file an address belongs to."""

from __future__ import annotations

import re
from bisect import bisect_right

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.symbols.binary import Binary

DELETED = " (deleted)"

# start-end perms offset dev inode path: only what may be executed.
_EXECUTABLE = re.compile(
    rb"^([0-9a-f]+)-([0-9a-f]+) ..x. ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+) *(.*)$", re.MULTILINE
)
_ESCAPE = re.compile(rb"\\([0-7]{3})")


class Mapping:
    """One executable range: addresses, place in the file, and which file."""

    __slots__ = ("binary", "device", "end", "inode", "offset", "path", "start", "tried")

    def __init__(
        self, start: int, end: int, offset: int, device: str, inode: int, path: str
    ) -> None:
        self.start = start
        self.end = end
        self.offset = offset
        self.device = device
        self.inode = inode
        # As the kernel prints it: with `` (deleted)``; ``[vdso]``; "" for anonymous memory.
        self.path = path
        self.binary: Binary | None = None
        self.tried = False

    def __repr__(self) -> str:
        return f"Mapping({self.start:#x}-{self.end:#x}, {self.path!r} at {self.offset:#x})"

    def part(self, start: int, end: int) -> Mapping:
        """What is left of it in a part of its range."""
        offset = self.offset + start - self.start
        return Mapping(start, end, offset, self.device, self.inode, self.path)

    @property
    def is_file(self) -> bool:
        """Whether a file is mapped (not anonymous memory, nor the kernel's own pages)."""
        return self.inode != 0 and self.path.startswith("/")


class Mappings:
    """The executable ranges of a process: those of ``/proc/PID/maps``, and what is added."""

    __slots__ = ("_starts", "changes", "items", "stamp")

    def __init__(self, text: bytes = b"") -> None:
        # Tells whether another text is the same, without keeping it.
        self.stamp = hash(text)
        # How often something was added.
        self.changes = 0
        self.items = [
            Mapping(
                int(start, 16),
                int(end, 16),
                int(offset, 16),
                device.decode(),
                int(inode),
                _path(path),
            )
            for start, end, offset, device, inode, path in _EXECUTABLE.findall(text)
        ]
        self.items.sort(key=lambda mapping: mapping.start)
        self._starts = [mapping.start for mapping in self.items]

    def add(self, mapping: Mapping) -> None:
        """A range that was mapped now: what it covers is mapped no more."""
        self.changes += 1
        items, starts = self.items, self._starts
        first = last = bisect_right(starts, mapping.start)
        if first and items[first - 1].end > mapping.start:
            first -= 1
        while last < len(items) and items[last].start < mapping.end:
            last += 1
        rest = []
        for old in items[first:last]:
            if old.start < mapping.start:
                rest.append(old.part(old.start, mapping.start))
            if old.end > mapping.end:
                rest.append(old.part(mapping.end, old.end))
        rest.append(mapping)
        rest.sort(key=lambda each: each.start)
        items[first:last] = rest
        starts[first:last] = [each.start for each in rest]

    def find(self, address: int) -> Mapping | None:
        """The range that an address lies in."""
        at = bisect_right(self._starts, address) - 1
        if at >= 0 and address < self.items[at].end:
            return self.items[at]
        return None


def _path(raw: bytes) -> str:
    if b"\\" in raw:  # the kernel writes a newline in a name as \012
        raw = _ESCAPE.sub(lambda match: bytes((int(match[1], 8) & 255,)), raw)
    return raw.decode("utf-8", "surrogateescape")
