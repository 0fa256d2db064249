"""Reading a BPF ring buffer.

The kernel's side (kernel/bpf/ringbuf.c): page 0 holds our position, page 1 the producers', then
come the data, mapped twice one after the other, so that no record ever wraps.  A record is a u32
length, whose top bits say BUSY (reserved, not yet submitted) and DISCARD, a u32 of the kernel's,
and the data, all padded to 8 bytes.

Speed comes from not touching records one by one: :meth:`RingBuffer.take` copies what is there in
one piece and describes it by *runs* of records that have the same length and the same first word
(the record's kind).  A run is found by strided slices of a memoryview, which cost some nanoseconds
a record, and its reader takes it apart with one ``struct.iter_unpack``.

Two hazards (both measured, reference/ebpf.md 3.5): positions must be stored by an item assignment
of a ``memoryview.cast("Q")``, which is one 8-byte store, since ``struct.pack_into`` clears its
target first and the kernel sees that; and headers must be read, and found submitted, before the
data behind them are copied.
"""

from __future__ import annotations

from mmap import PAGESIZE

from prybee.diagnostics import KernelError
from prybee.linux import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from prybee.linux.maps import Map

    # First word of the records, offset of the first one in the batch, distance, how many.
    Run = tuple[int, int, int, int]

BUSY = 1 << 31
DISCARD = 1 << 30

# Flags of bpf_ringbuf_submit and bpf_ringbuf_output.
NO_WAKEUP = 1
FORCE_WAKEUP = 2

# Most bytes copied at once: enough to make the fixed costs small, little enough for the caches.
BATCH = 1 << 19


class RingBuffer:
    """The consumer of a ring buffer map, which stays the caller's to close.

    There must be only one: the position is shared by all.
    """

    __slots__ = (
        "_consumer",
        "_mask",
        "_memory",
        "_pages",
        "_position",
        "_producer",
        "_words",
        "map",
    )

    def __init__(self, map_: Map) -> None:
        """
        Raises:
            KernelError: the map's memory cannot be had.
        """
        self.map = map_
        size = map_.max_entries
        self._mask = size - 1
        kernel = syscalls.kernel
        try:
            self._pages = kernel.map_memory(map_.fd, PAGESIZE)
            try:
                self._memory = kernel.map_memory(
                    map_.fd, PAGESIZE + 2 * size, PAGESIZE, writable=False
                )
            except OSError:
                self._pages.close()
                raise
        except OSError as failure:
            raise KernelError(f"mmap of ring buffer {map_.name}", failure.errno or 0) from None
        self._consumer = memoryview(self._pages).cast("Q")
        everything = memoryview(self._memory)
        self._producer = everything[:PAGESIZE].cast("Q")
        self._words = everything[PAGESIZE:].cast("I")
        self._position = self._consumer[0]

    def fileno(self) -> int:
        """What to poll: readable while there are records."""
        return self.map.fd

    @property
    def available(self) -> int:
        """Bytes between us and the producers, reserved records included."""
        return self._producer[0] - self._position

    def take(self, limit: int = BATCH) -> tuple[memoryview, list[Run]] | None:
        """Takes records out, oldest first; None where there are none (yet).

        The bytes of record ``i`` of the run ``(kind, offset, stride, count)`` begin at
        ``offset + i * stride`` of the batch; ``stride - 8`` is their length, rounded up to 8.  A
        run's records may be taken apart together by the iter_unpack of a Struct of size ``stride``
        over ``batch[offset : offset + stride * count]``.  Records shorter than a word have kind 0.

        Args:
            limit: about how many bytes at most.
        """
        position = self._position
        available = self._producer[0] - position
        if not available:
            return None
        syscalls.kernel.fence()
        words = self._words
        start = (position & self._mask) >> 2
        end = start + (min(available, limit) >> 2)
        runs: list[Run] = []
        at = start
        while at < end:
            length = words[at]
            if length >= DISCARD:
                if length >= BUSY:
                    break
                # Room that was reserved and given back.
                at += ((length - DISCARD + 15) & -8) >> 2
                continue
            step = ((length + 15) & -8) >> 2
            kind = words[at + 2] if length >= 4 else 0
            count = 1
            following = at + step
            if following < end and words[following] == length and words[following + 2] == kind:
                count = 2 + self._equal(following + step, end, step, length, kind)
            runs.append((kind, (at - start) << 2, step << 2, count))
            at += step * count
        if at == start:
            return None
        syscalls.kernel.fence()
        # Without the first header, so that a record's offset is that of its data; the last bytes
        # are the header of what comes next.
        batch = words[start + 2 : at + 2].tobytes()
        self._position = position + (at - start) * 4
        # One store of eight bytes: the kernel may reuse the room from here on.
        self._consumer[0] = self._position
        return memoryview(batch), runs

    def _equal(self, at: int, end: int, step: int, length: int, kind: int) -> int:
        """How many records from ``at`` on have this length and kind, up to ``end``.

        Looks at growing numbers of them at a time, so that the work stays in proportion.
        """
        words = self._words
        total, chunk = 0, 8
        if length < 4:
            kind = -1
        while at < end:
            stop = min(at + step * chunk, end)
            # Where all the headers before are equal, these positions are headers too.
            lengths = words[at:stop:step].tolist()
            size = len(lengths)
            if lengths.count(length) != size:
                size = next(i for i, value in enumerate(lengths) if value != length)
            if kind >= 0:
                kinds = words[at + 2 : at + 2 + step * size : step].tolist() if size else []
                if kinds.count(kind) != size:
                    size = next(i for i, value in enumerate(kinds) if value != kind)
            total += size
            if size != len(lengths):
                break
            at += step * size
            chunk *= 8
        return total

    def close(self) -> None:
        """Gives the memory back; a second call does nothing."""
        for view in (self._consumer, self._producer, self._words):
            view.release()
        self._pages.close()
        self._memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"RingBuffer({self.map!r})"
