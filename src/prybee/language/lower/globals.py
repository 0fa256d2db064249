"""The global data map: memory shared by all programs and, mapped, by user space.

One array map with one element, reached by direct addresses (no helper call).  It holds what the
session needs at fixed offsets, then counters of losses, then the script's scalar maps.  Values
kept per CPU have one slot for each CPU, a cache line apart, so that CPUs do not share lines.
"""

from __future__ import annotations

from prybee.data import Data

MAP_NAME = "globals"

# u32: flags for the ring buffer's submit. User space stores BPF_RB_FORCE_WAKEUP (2) before it
# sleeps; a program that finds that value puts BPF_RB_NO_WAKEUP (1) back and wakes it.
WAKE = 0
# u64: 0 while running, else the exit code + 1. Set by exit().
EXIT = 8
# u64: nanoseconds of CLOCK_BOOTTIME when the session began, which `elapsed` counts from. The
# engine stores it before anything runs.
START = 16
# u64 per probe block: records lost because the ring buffer was full.
LOST = 64

CACHE_LINE = 64


class Slot(Data):
    """Where a value is kept. ``stride`` is 0 for a single value, else the distance of CPUs."""

    offset: int
    size: int
    stride: int = 0


class GlobalData:
    """Hands out places in the global data map."""

    def __init__(self, probe_blocks: int, possible_cpus: int) -> None:
        self.probe_blocks = probe_blocks
        # A power of two, so that a CPU number can be masked into range for the verifier.
        self.cpu_slots = 1 << max(0, possible_cpus - 1).bit_length()
        self._end = LOST + 8 * probe_blocks
        self._zeros = (-1, 0)
        self._constants: dict[bytes, int] = {}

    def lost(self, block: int) -> int:
        """Offset of the loss counter of a probe block."""
        return LOST + 8 * block

    def single(self, size: int) -> Slot:
        """A place for one value, 8-aligned."""
        offset = (self._end + 7) // 8 * 8
        self._end = offset + size
        return Slot(offset, size)

    def per_cpu(self, size: int) -> Slot:
        """A place for one value per CPU, each in cache lines of its own."""
        offset = (self._end + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE
        stride = (size + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE
        self._end = offset + stride * self.cpu_slots
        return Slot(offset, size, stride)

    def zeros(self, size: int) -> int:
        """Offset of an area of at least ``size`` bytes that nobody writes to."""
        offset, have = self._zeros
        if have < size:
            offset = self.single((size + 7) // 8 * 8).offset
            self._zeros = (offset, size)
        return offset

    def constant(self, data: bytes) -> int:
        """Offset of bytes that are there from the start and that nobody writes to."""
        offset = self._constants.get(data)
        if offset is None:
            offset = self._constants[data] = self.single(len(data)).offset
        return offset

    @property
    def initial(self) -> bytes:
        """The map's content at the start, up to the last byte that is not zero."""
        content = bytearray()
        for data, offset in self._constants.items():
            content[len(content) :] = bytes(max(0, offset + len(data) - len(content)))
            content[offset : offset + len(data)] = data
        return bytes(content)

    @property
    def size(self) -> int:
        """Bytes in use, rounded up to 8."""
        return (self._end + 7) // 8 * 8
