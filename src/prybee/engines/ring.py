"""The engine's ring buffer: records of all programs in order, and when programs wake the reader.

Programs look at a word of global data when they submit a record.  While the reader is awake it
holds NO_WAKEUP, and submitting costs nothing more; before the reader sleeps it stores FORCE_WAKEUP
there, and the first program that finds that wakes it and puts NO_WAKEUP back.
"""

from __future__ import annotations

import select

from prybee.linux.ringbuf import BATCH, FORCE_WAKEUP, NO_WAKEUP, RingBuffer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.linux.ringbuf import Run


class Ring:
    """What the session reads records from."""

    __slots__ = ("_buffer", "_wake", "take")

    def __init__(self, buffer: RingBuffer, wake: memoryview) -> None:
        """
        Args:
            wake: the word, as a memoryview of format ``I`` with one item.
        """
        self._buffer = buffer
        self._wake = wake
        # Bound once: take is the hottest call of a session.
        self.take = buffer.take

    def fileno(self) -> int:
        """What to poll: readable while there are records."""
        return self._buffer.fileno()

    def sleep(self) -> bool:
        """Has programs wake the reader from now on: whether it may sleep.

        False where records have come already: take them first.  A record that comes between this
        and the poll is not missed, because poll(2) looks at the positions itself.
        """
        self._wake[0] = FORCE_WAKEUP
        if self._buffer.available:
            self._wake[0] = NO_WAKEUP
            return False
        return True

    def awake(self) -> None:
        """Has programs leave the reader alone: it comes back by itself."""
        self._wake[0] = NO_WAKEUP

    def close(self) -> None:
        """Gives the memory back; a second call does nothing."""
        self._wake.release()
        self._buffer.close()

    def __repr__(self) -> str:
        return f"Ring({self._buffer.map!r})"


class PatientRing(Ring):
    """What is read where most records may wait: they are there when the reader sleeps, and it is
    woken by those only that ask for it (``language/lower/records.py``)."""

    __slots__ = ("_woken",)

    def __init__(self, buffer: RingBuffer, wake: memoryview) -> None:
        super().__init__(buffer, wake)
        # poll(2) finds a ring buffer readable as long as something is in it; this, once for each
        # time that a program wakes its reader.
        self._woken = select.epoll()
        self._woken.register(buffer.fileno(), select.EPOLLIN | select.EPOLLET)

    def fileno(self) -> int:
        return self._woken.fileno()

    def sleep(self) -> bool:
        self._woken.poll(0)
        self._wake[0] = FORCE_WAKEUP
        return True

    def close(self) -> None:
        super().close()
        self._woken.close()


__all__ = ["BATCH", "PatientRing", "Ring", "Run"]
