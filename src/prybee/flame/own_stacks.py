"""Profiles of one's own processes without privileges: by perf events, which the kernel allows for
the code of one's own programs (``kernel.perf_event_paranoid`` up to 2).

Stacks are those that the kernel finds by frame pointers; there are none of its own functions.  Each
thread has a clock of its own: of one that does not run for a whole period there is no sample.
"""

from __future__ import annotations

import os
import struct
import time
from errno import ESRCH
from select import POLLHUP, poll

from prybee.diagnostics import KernelError
from prybee.flame.naming import Namer
from prybee.linux import cpus, process_events
from prybee.linux.perf import PerfEvent
from prybee.linux.perfbuf import PerfRing
from prybee.output.names import Names
from prybee.symbols import UserSymbols

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.flame.profile import Profile

MISSING = (
    "without root only this process's own code is seen, by frame pointers: no functions of the "
    "kernel, and callers of code without frame pointers may be missing"
)
# Some 500 samples for each CPU; unprivileged users have 516 KiB of such memory for each.
_PAGES = 32
_PAUSE = 100  # milliseconds
_SAMPLE = 9  # PERF_RECORD_SAMPLE
# Marks among addresses that say whose they are (enum perf_callchain_context).
_CONTEXTS = (1 << 64) - 4095
_head = struct.Struct("<IIQQ").unpack_from
_ADDRESSES = 24
# Of a record of a process that begins: its threads' and their parents' ids. Of a new name: ids.
_begin = struct.Struct("<8xII").unpack_from
_named = struct.Struct("<4xI").unpack_from
_NAME = 8
# How often threads are listed, where all that were there had ended when they were to be sampled.
_LISTS = 16


class Sampler:
    """Samples one process; a context manager.

    Args:
        pid: the process; with the threads, and processes, that it starts.
        profile: what samples are added to; one by one as well, where it has ``samples``.
        frequency: samples a second of each thread that runs.

    Raises:
        KernelError: the kernel does not allow it.
    """

    def __init__(self, pid: int, profile: Profile, frequency: int) -> None:
        self._pid = pid
        self._profile = profile
        self._symbols = UserSymbols()
        self._namer = Namer(profile, Names(user=lambda: self._symbols))
        # By thread: what it is called.
        self._names: dict[int, str] = {}
        self._rings: list[PerfRing] = []
        self._others: list[PerfEvent] = []
        try:
            for cpu in cpus.online():
                self._open(cpu, frequency)
        except BaseException:
            self.close()
            raise
        self._symbols.processes.survey(pid)
        profile.quality.notes.append(MISSING)

    def _open(self, cpu: int, frequency: int) -> None:
        """Has the process sampled where it runs on a CPU.

        Threads that have ended since they were listed need not be: those that they started are
        found in the next list, or sampled as theirs.
        """
        for _ in range(_LISTS):
            ring = None
            for thread in _threads(self._pid):
                # Its name first: a thread that is sampled can end at any time.
                name = self._names.get(thread) or _name(self._pid, thread)
                event = _event(thread, cpu, frequency) if name else None
                if event is None:
                    continue
                self._names[thread] = name
                if ring is None:
                    ring = PerfRing(event, _PAGES)
                    self._rings.append(ring)
                else:
                    self._others.append(event)
                    event.write_to(ring.event)
            if ring is not None:
                return

    def run(self, seconds: float, ended: Callable[[], bool]) -> None:
        """Samples until a time is over, or something has ended, or the user wants no more.

        Args:
            seconds: at most so long; 0: for ever.
            ended: asked now and then.
        """
        if not self._rings:  # It had ended before.
            return
        waiter = poll()
        for ring in self._rings:
            waiter.register(ring.event.fd)
        end = time.monotonic() + seconds if seconds else float("inf")
        try:
            while time.monotonic() < end and not ended():
                for fd, events in waiter.poll(_PAUSE):
                    if events & POLLHUP:
                        # The thread has ended whose event that is; others write there, still.
                        waiter.unregister(fd)
                self._take()
        except KeyboardInterrupt:
            pass
        self._take()
        self._profile.quality.lost += sum(ring.lost for ring in self._rings)

    def _take(self) -> None:
        """Adds the samples, each named as everything was at its time."""
        records = process_events.take(self._rings)
        records.sort(key=_time)
        for kind, misc, data in records:
            if kind == _SAMPLE:
                self._add(data)
                continue
            if kind == process_events.FORK:
                thread, parent = _begin(data)
                if parent in self._names:
                    self._names[thread] = self._names[parent]
            elif kind == process_events.COMM:
                (thread,) = _named(data)
                name = data[_NAME : data.index(0, _NAME)]
                self._names[thread] = name.decode(errors="replace").strip()
            process_events.tell(self._symbols.processes, kind, misc, data)

    def _add(self, data: bytes) -> None:
        pid, thread, when, count = _head(data)
        found = struct.unpack_from(f"<{count}Q", data, _ADDRESSES)
        addresses = [address for address in found if address < _CONTEXTS]
        name = self._names.get(thread)
        if name is None:
            name = self._names[thread] = _name(pid, thread) or "[ended]"
        frames = self._namer.of_process(pid, addresses) if addresses else []
        stack = [self._profile.frame(name), *frames]
        self._profile.add(stack)
        if (samples := self._profile.samples) is not None:
            number = samples.thread_number(pid, thread, name)
            samples.add(samples.stack_number(stack), 1, time=when, thread=number)

    def close(self) -> None:
        """Ends sampling; a second call does nothing."""
        for event in self._others:
            event.close()
        for ring in self._rings:
            ring.close()
        self._symbols.close()

    def __enter__(self) -> Sampler:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def allowed(pid: int) -> bool:
    """Whether the kernel lets us sample a process."""
    try:
        PerfEvent.stacks(pid, -1, 1).close()
    except KernelError:
        return False
    return True


def _event(thread: int, cpu: int, frequency: int) -> PerfEvent | None:
    """What samples a thread; None: it has ended."""
    try:
        return PerfEvent.stacks(thread, cpu, frequency)
    except KernelError as error:
        if error.errno != ESRCH:
            raise
        return None


def _time(record: tuple[int, int, bytes]) -> int:
    """When a record was written."""
    kind, _, data = record
    where = data[8:16] if kind == _SAMPLE else data[-8:]
    return int.from_bytes(where, "little")


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def _name(pid: int, thread: int) -> str:
    """What a thread is called; "" where it has ended."""
    try:
        with open(f"/proc/{pid}/task/{thread}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
