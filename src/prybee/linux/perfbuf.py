"""Reading a perf buffer: the ring buffers of kernels before 5.8, one for each CPU.

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
_HEADER = Struct("<IHH").unpack
_LOST = 2
_SAMPLE = 9


class _Part:
    """One CPU's ring."""

    def __init__(self, cpu: int, pages: int) -> None:
        self.cpu = cpu
        self.size = pages * PAGESIZE
        self.event = PerfEvent.output(cpu)
        try:
            length = PAGESIZE + self.size
            self.memory: mmap = syscalls.kernel.map_memory(self.event.fd, length)
        except OSError as failure:
            self.event.close()
            raise KernelError(f"mmap of {self.event.what}", failure.errno or 0) from None
        self.positions = memoryview(self.memory)[:PAGESIZE].cast("Q")
        self.data = memoryview(self.memory)[PAGESIZE:]

    def take(self) -> tuple[list[bytes], int]:
        head, tail = self.positions[_HEAD], self.positions[_TAIL]
        if head == tail:
            return [], 0
        syscalls.kernel.fence()
        start, end = tail % self.size, head % self.size
        if start < end:
            batch = bytes(self.data[start:end])
        else:
            batch = bytes(self.data[start:]) + bytes(self.data[:end])
        syscalls.kernel.fence()
        self.positions[_TAIL] = head
        records, lost, at = [], 0, 0
        while at < len(batch):
            kind, _, size = _HEADER(batch[at : at + 8])
            if kind == _SAMPLE:
                length = int.from_bytes(batch[at + 8 : at + 12], "little")
                records.append(batch[at + 12 : at + 12 + length])
            elif kind == _LOST:
                lost += int.from_bytes(batch[at + 16 : at + 24], "little")
            at += size
        return records, lost

    def close(self) -> None:
        if not self.event.closed:
            self.positions.release()
            self.data.release()
            self.memory.close()
            self.event.close()


class PerfBuffer:
    """The consumer of a ``perf_event_array`` map, which stays the caller's to close."""

    def __init__(self, map_: Map, pages: int = 64) -> None:
        """
        Args:
            pages: per CPU, a power of two.

        Raises:
            KernelError: the events or their memory cannot be had.
        """
        self.map = map_
        self._parts: list[_Part] = []
        try:
            for cpu in cpus.online():
                part = _Part(cpu, pages)
                self._parts.append(part)
                map_.update(cpu.to_bytes(4, "little"), part.event.fd.to_bytes(4, "little"))
        except BaseException:
            self.close()
            raise

    def filenos(self) -> list[int]:
        """What to poll, one for each CPU."""
        return [part.event.fd for part in self._parts]

    def take(self) -> tuple[list[tuple[int, bytes]], int]:
        """All records there are, with the CPU they come from, and how many the kernel dropped.

        A record may have up to 7 bytes of padding behind it. The order holds for each CPU only.
        """
        records: list[tuple[int, bytes]] = []
        lost = 0
        for part in self._parts:
            data, dropped = part.take()
            records += [(part.cpu, record) for record in data]
            lost += dropped
        return records, lost

    def close(self) -> None:
        """Gives the memory and the events back; a second call does nothing."""
        for part in self._parts:
            part.close()

    def __enter__(self) -> PerfBuffer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"PerfBuffer({self.map!r}, {len(self._parts)} CPUs)"
