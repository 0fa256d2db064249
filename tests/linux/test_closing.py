"""Closing many things: all at once, and in the background."""

from __future__ import annotations

import os
from threading import Barrier

import pytest

from prybee.linux import closing
from prybee.linux.objects import KernelObject


class Waiting(KernelObject):
    """Closes when as many as meet at the barrier are being closed, like links in a grace period."""

    __slots__ = ("barrier",)

    def __init__(self, fd: int, barrier: Barrier) -> None:
        super().__init__(fd)
        self.barrier = barrier

    def close(self) -> None:
        if self.fd >= 0:
            self.barrier.wait()
        super().close()


def waiting(count: int, together: int) -> list[Waiting]:
    """Objects that close only if ``together`` are closed at the same time."""
    barrier = Barrier(together, timeout=60)
    return [Waiting(os.open("/dev/null", os.O_RDONLY), barrier) for _ in range(count)]


def pipes(count: int) -> tuple[list[int], list[int]]:
    pairs = [os.pipe() for _ in range(count)]
    return [r for r, _ in pairs], [w for _, w in pairs]


@pytest.mark.parametrize(("count", "together"), [(0, 1), (1, 1), (3, 3), (100, 100), (300, 100)])
def test_all_are_closed_at_the_same_time(count: int, together: int) -> None:
    objects = waiting(count, together)
    closing.close_all(objects)
    assert all(item.closed for item in objects)
    assert all(item.barrier.broken is False for item in objects)


def test_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    import _thread

    def refuse(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    objects = waiting(5, 1)
    closing.close_all(objects)
    assert all(item.closed for item in objects)


@pytest.mark.parametrize("count", [2, 40])
def test_leaving(count: int) -> None:
    """Ours are closed at once, the background's a little later, and no child is left to us."""
    reads, writes = pipes(count)
    keep_read, keep_write = os.pipe()
    closing.leave(writes)
    for fd in writes:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    for fd in reads:
        assert os.read(fd, 1) == b""  # Nobody has the other end any more.
        os.close(fd)
    # Nothing else was kept from us by the process in the background.
    os.close(keep_write)
    assert os.read(keep_read, 1) == b""
    os.close(keep_read)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_leaving_without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    reads, writes = pipes(10)
    closing.leave(writes)
    for fd in reads:
        assert os.read(fd, 1) == b""
        os.close(fd)
