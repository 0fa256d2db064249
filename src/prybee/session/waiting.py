"""Waiting for records, signals and processes, without cost while nothing happens."""

from __future__ import annotations

import os
import select
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
ALL_SIGNALS = (*STOP_SIGNALS, signal.SIGUSR1)


class Quit(BaseException):
    """Raised by the second signal that asks for the end: leave now."""


class Signals:
    """Gathers signals while a trace runs; a context manager that puts the old handlers back.

    ``fd`` becomes readable when a signal comes, so that a poll ends.  The first SIGINT or SIGTERM
    sets ``stop``; a second one raises :class:`Quit` where the main thread is.
    """

    def __init__(self) -> None:
        self.stop = False
        self.user = 0
        self.fd = self._write = -1
        self._old: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        self._old_wakeup = -1

    def __enter__(self) -> Signals:
        self.fd, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old_wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in ALL_SIGNALS:
            self._old[number] = signal.signal(number, self._arrived)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        signal.set_wakeup_fd(self._old_wakeup)
        os.close(self.fd)
        os.close(self._write)

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGUSR1:
            self.user += 1
        elif self.stop:
            # A third one would come upon the cleaning up: it ends the process as it is, and
            # the kernel cleans up.
            for each in STOP_SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            raise Quit
        else:
            self.stop = True

    def clear(self) -> None:
        """Forget that ``fd`` is readable."""
        try:
            os.read(self.fd, 4096)
        except BlockingIOError:
            pass


class Waiter:
    """Polls a set of descriptors, with or without the ring buffer's."""

    def __init__(self, ring: int) -> None:
        self._ring = ring
        self._quick = select.poll()
        self._full = select.poll()
        self._full.register(ring, select.POLLIN)

    def add(self, fd: int, events: int = select.POLLIN) -> None:
        """Watch ``fd``; with ``events`` 0 only for its end (a pipe whose reader goes)."""
        self._quick.register(fd, events)
        self._full.register(fd, events)

    def remove(self, fd: int) -> None:
        """Watch ``fd`` no more."""
        self._quick.unregister(fd)
        self._full.unregister(fd)

    def pause(self, milliseconds: float) -> set[int]:
        """Let records gather; the other descriptors that became ready meanwhile."""
        return {fd for fd, _events in self._quick.poll(milliseconds)}

    def sleep(self, milliseconds: float | None) -> set[int]:
        """Wait for anything; the descriptors that became ready, without the ring's."""
        return {fd for fd, _events in self._full.poll(milliseconds) if fd != self._ring}
