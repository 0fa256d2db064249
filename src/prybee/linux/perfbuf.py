"""Reading the ring buffers of perf events, one for each CPU.

The kernel's side (include/uapi/linux/perf_event.h, ``struct perf_event_mmap_page``): page 0 holds
the head, at byte 1024, and our tail, at 1032; then come the data, in which records wrap.
"""

from __future__ import annotations

from mmap import PAGESIZE
from struct import Struct

from prybee.diagnostics import KernelError
from prybee.linux import cpus, syscalls
from prybee.linux.perf import PerfEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap

    from prybee.linux.maps import Map

_HEAD = 1024 // 8
_TAIL = 1032 // 8
_HEADER = Struct("<IHH").unpack_from
# The header, the time, the length of the data, and their first word.
_SAMPLED = Struct("<IHHQ4xI").unpack_from
_PREFIX = 20
_LOST = 2
_SAMPLE = 9


class PerfRing:
    """The memory that one event's records go to; it owns the event.

    Attributes:
        lost: records that the kernel dropped because the memory was full.
    """

    def __init__(self, event: PerfEvent, pages: int) -> None:
        """
        Args:
            pages: a power of two.

        Raises:
            KernelError: the memory cannot be had; the event is closed then.
        """
        self.event = event
        self.lost = 0
        self._size = pages * PAGESIZE
        try:
            length = PAGESIZE + self._size
            self._memory: mmap = syscalls.kernel.map_memory(event.fd, length)
        except OSError as failure:
            event.close()
            raise KernelError(f"mmap of {event.what}", failure.errno or 0) from None
        self._positions = memoryview(self._memory)[:PAGESIZE].cast("Q")
        self._data = memoryview(self._memory)[PAGESIZE:]

    @property
    def filled(self) -> bool:
        """Whether there are records."""
        return bool(self._positions[_HEAD] != self._positions[_TAIL])

    def _content(self) -> bytes:
        """The bytes of all records there are, taken out."""
        head, tail = self._positions[_HEAD], self._positions[_TAIL]
        if head == tail:
            return b""
        syscalls.kernel.fence()
        start, end = tail % self._size, head % self._size
        if start < end:
            batch = bytes(self._data[start:end])
        else:
            batch = bytes(self._data[start:]) + bytes(self._data[:end])
        syscalls.kernel.fence()
        self._positions[_TAIL] = head
        return batch

    def samples(self) -> list[tuple[int, int, bytes]]:
        """What programs sent, of an event that keeps times: each one's time, its first word, and
        its bytes with the kernel's padding behind them."""
        batch = self._content()
        records, at, end = [], 0, len(batch)
        while at < end:
            kind, _, size, time, word = _SAMPLED(batch, at)
            if kind == _SAMPLE:
                records.append((time, word, batch[at + _PREFIX : at + size]))
            else:
                self.lost += int.from_bytes(batch[at + 16 : at + 24], "little")
            at += size
        return records

    def take(self) -> list[tuple[int, int, bytes]]:
        """All records there are: type, the bits of ``misc``, and what is behind the header."""
        batch = self._content()
        records, at = [], 0
        while at < len(batch):
            kind, misc, size = _HEADER(batch, at)
            if kind == _LOST:
                self.lost += int.from_bytes(batch[at + 16 : at + 24], "little")
            else:
                records.append((kind, misc, batch[at + 8 : at + size]))
            at += size
        return records

    def close(self) -> None:
        """Gives the memory and the event back; a second call does nothing."""
        if not self.event.closed:
            self._positions.release()
            self._data.release()
            self._memory.close()
            self.event.close()


class PerfBuffer:
    """The consumer of a ``perf_event_array`` map, which stays the caller's to close: what
    programs of kernels before 5.8 send their records through."""

    def __init__(self, map_: Map, pages: int = 64) -> None:
        """
        Args:
            pages: per CPU, a power of two.

        Raises:
            KernelError: the events or their memory cannot be had.
        """
        self.map = map_
        self._parts: dict[int, PerfRing] = {}
        try:
            for cpu in cpus.online():
                part = self._parts[cpu] = PerfRing(PerfEvent.output(cpu), pages)
                map_.update(cpu.to_bytes(4, "little"), part.event.fd.to_bytes(4, "little"))
        except BaseException:
            self.close()
            raise

    def filenos(self) -> list[int]:
        """What to poll, one for each CPU."""
        return [part.event.fd for part in self._parts.values()]

    def take(self) -> tuple[list[tuple[int, bytes]], int]:
        """All records there are, with the CPU they come from, and how many the kernel dropped.

        A record may have up to 7 bytes of padding behind it. The order holds for each CPU only.
        """
        records: list[tuple[int, bytes]] = []
        lost = 0
        for cpu, part in self._parts.items():
            for kind, _, data in part.take():
                if kind == _SAMPLE:
                    length = int.from_bytes(data[:4], "little")
                    records.append((cpu, data[4 : 4 + length]))
            lost += part.lost
            part.lost = 0
        return records, lost

    def close(self) -> None:
        """Gives the memory and the events back; a second call does nothing."""
        for part in self._parts.values():
            part.close()

    def __enter__(self) -> PerfBuffer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"PerfBuffer({self.map!r}, {len(self._parts)} CPUs)"
