"""Closing many things: all at once, and in the background."""

from __future__ import annotations

import os
import time

import pytest

from prybee.linux import closing
from prybee.linux.objects import KernelObject


class Slow(KernelObject):
    """Takes a while to close, like a link."""

    __slots__ = ()

    def close(self) -> None:
        if self.fd >= 0:
            time.sleep(0.02)
        super().close()


def pipes(count: int) -> tuple[list[int], list[int]]:
    pairs = [os.pipe() for _ in range(count)]
    return [r for r, _ in pairs], [w for _, w in pairs]


@pytest.mark.parametrize("count", [0, 1, 3, 100, 300])
def test_all_are_closed_at_the_same_time(count: int) -> None:
    objects = [Slow(os.open("/dev/null", os.O_RDONLY)) for _ in range(count)]
    began = time.perf_counter()
    closing.close_all(objects)
    assert all(item.closed for item in objects)
    assert time.perf_counter() - began < 1.0 + count * 0.002


def test_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    import _thread

    def refuse(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    objects = [Slow(os.open("/dev/null", os.O_RDONLY)) for _ in range(5)]
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
