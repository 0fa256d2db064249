"""Closing many attachments in little time.

The kernel waits for grace periods when attachments go, one after the other for a process that
closes them one after the other (measured on 6.18, two CPUs): closing a perf link takes 30 ms
(perf_event_detach_bpf_prog waits for sleepable programs), closing a tracepoint's perf event 40 ms
(perf_trace_event_unreg waits for the tracepoint's users), a uprobe's 70 ms.  A script with 500
tracepoints would take half a minute to stop.

The first wait is shared by those who wait at the same time, so links are closed by many threads.
The second is under a lock of the kernel's and cannot be shared.  But once its link is gone no
program runs for that event: :func:`leave` lets a process in the background close what is left.
(One link for many places, as uprobe_multi has it, has none of these costs.)

Before Linux 5.15 there are no links, and all is under that lock: 70 kprobes take 2.4 s (5.10).
Programs look at a word then that tells them to leave at once (``Globals.stop``), and all events but
one are left to the background.
"""

from __future__ import annotations

import os
import time

from prybee.linux import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prybee.linux.objects import KernelObject

_THREADS = 128
# So few are closed one after the other.
_FEW = 2
# So many are not worth a process: they take 0.2 s.
_SOME = 5

# Seconds between two that are closed in the background.
_PAUSE = 0.01

_PR_SET_NAME = 15


def close_all(objects: Sequence[KernelObject]) -> None:
    """Closes objects, many at a time; each is closed when this returns."""
    if len(objects) <= _FEW:
        for item in objects:
            item.close()
        return
    import _thread

    todo = list(objects)
    done = _thread.allocate_lock()
    done.acquire()
    count = min(_THREADS, len(todo))
    running = [count]
    guard = _thread.allocate_lock()

    def work() -> None:
        try:
            while True:
                try:
                    item = todo.pop()
                except IndexError:
                    return
                item.close()
        finally:
            with guard:
                running[0] -= 1
                if not running[0]:
                    done.release()

    started = 0
    for _ in range(count):
        try:
            _thread.start_new_thread(work, ())
        except RuntimeError:
            break  # No more threads: those that run, or we, do the rest.
        started += 1
    with guard:
        running[0] -= count - started
        if started and not running[0] and done.locked():
            done.release()
    if started:
        done.acquire()
    for item in todo:
        item.close()


def leave(descriptors: Sequence[int]) -> None:
    """Has a process in the background close descriptors; ours are closed when this returns.

    It holds nothing else open, is in a session of its own, and has no parent that would have to
    wait for it.  Few descriptors are closed here.
    """
    ours_are_closed = -1
    if len(descriptors) > _SOME:
        ours_are_closed = _start(descriptors)
    for fd in descriptors:
        syscalls.kernel.close(fd)
    if ours_are_closed >= 0:
        os.close(ours_are_closed)


def _start(descriptors: Sequence[int]) -> int:
    """Starts the process that closes descriptors once the pipe returned is closed; -1: it cannot.

    Whoever closes last does the waiting, so it must not begin before we have ended.
    """
    try:
        read, write = os.pipe2(os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        pid = os.fork()
        if pid == 0:
            try:
                os.close(write)
                _close_in_background(descriptors, read)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
    except OSError:
        os.close(write)
        write = -1
    os.close(read)
    return write


def _close_in_background(descriptors: Sequence[int], start: int) -> None:
    import signal

    os.setsid()
    if os.fork():
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_NAME, b"prybee-closing", 0, 0, 0)
    os.chdir("/")
    first = 0
    for fd in sorted((*descriptors, start)):
        os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, max(first, os.sysconf("SC_OPEN_MAX")))
    os.read(start, 1)
    for fd in descriptors:
        os.close(fd)
        # The lock is the one that all users of events want: let them have it in between.
        time.sleep(_PAUSE)
