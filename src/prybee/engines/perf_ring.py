"""Records through a perf buffer, for kernels without a ring buffer (before 5.8).

Each CPU has a part of its own, so what programs sent at the same time on several CPUs has to be
put in order: every record comes with its time.
"""

from __future__ import annotations

import select
from mmap import PAGESIZE
from operator import itemgetter
from time import monotonic_ns

from prybee.linux import cpus
from prybee.linux.perf import PerfEvent
from prybee.linux.perfbuf import PerfRing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.engines.ring import Run
    from prybee.linux.maps import Map

    # Its time, its kind, and its bytes with what lies behind them in the buffer.
    Record = tuple[int, int, bytes]


# Behind a record's bytes and before the next one's, as readers of a ring buffer expect.
_BEHIND = bytes(4)

_time = itemgetter(0)


class PerfRecords:
    """The session's reader of records; like :class:`prybee.engines.ring.Ring`."""

    def __init__(self, map_: Map, share: int, patient: bool = False) -> None:
        """
        Args:
            map_: the ``perf_event_array``, which stays the caller's to close.
            share: bytes for each CPU, a power of two.
            patient: the reader comes by itself: no record wakes it.

        Raises:
            KernelError: the events or their memory cannot be had.
        """
        self._map = map_
        self._patient = patient
        self._parts: list[PerfRing] = []
        # Records that came after the moment up to which the last batch goes.
        self._held: list[Record] = []
        self._epoll = select.epoll()
        try:
            for cpu in cpus.online():
                part = PerfRing(PerfEvent.output(cpu, times=True), max(share // PAGESIZE, 1))
                self._parts.append(part)
                map_.update(cpu.to_bytes(4, "little"), part.event.fd.to_bytes(4, "little"))
                if not patient:
                    self._epoll.register(part.event.fd, select.EPOLLIN)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """What to poll: readable when records came."""
        return self._epoll.fileno()

    def take(self) -> tuple[memoryview, list[Run]] | None:
        """Takes all records out, by their time; None where there are none.

        Returns:
            a batch and its runs, as :meth:`prybee.linux.ringbuf.RingBuffer.take` gives them.
        """
        while True:
            # What is in the buffers now is complete up to this moment: what comes later on a CPU
            # that is read first must wait for what comes before it on one that is read last.
            until = monotonic_ns()
            records = self._held
            for part in self._parts:
                records += part.samples()
            if not records:
                return None
            records.sort(key=_time)
            self._held = []
            if records[-1][0] > until:
                cut = next(i for i, record in enumerate(records) if record[0] > until)
                self._held = records[cut:]
                del records[cut:]
            if records:
                return _batch(records)

    def sleep(self) -> bool:
        """Whether the reader may sleep; False where records have come already.

        A record that comes between this and the poll is not missed: the kernel notes that there
        was one for the poll (``perf_event_wakeup``).
        """
        if self._patient:
            return True
        return not self._held and not any(part.filled for part in self._parts)

    def awake(self) -> None:
        """The reader does not sleep any more: nothing has to be done for that."""

    def close(self) -> None:
        """Gives everything back; a second call does nothing."""
        for part in self._parts:
            part.close()
        self._epoll.close()

    def __repr__(self) -> str:
        return f"PerfRecords({self._map!r}, {len(self._parts)} CPUs)"


def _batch(records: list[Record]) -> tuple[memoryview, list[Run]]:
    """Records in one piece, and the runs of those of the same kind."""
    pieces: list[bytes] = []
    runs: list[Run] = []
    last = -1
    at = start = count = stride = 0
    for _when, kind, data in records:
        if kind != last:
            if count:
                runs.append((last, start, stride, count))
            last, start, count, stride = kind, at, 0, len(data) + len(_BEHIND)
        count += 1
        at += stride
        pieces += (data, _BEHIND)
    runs.append((last, start, stride, count))
    return memoryview(b"".join(pieces)), runs


__all__ = ["PerfRecords"]
