"""Profiles of one's own processes without privileges: by perf events, which the kernel allows for
the code of one's own programs (``kernel.perf_event_paranoid`` up to 2).

Stacks are those that the kernel finds by frame pointers; there are none of its own functions.
"""

from __future__ import annotations

import os
import struct
import time
from select import poll

from prybee.diagnostics import KernelError
from prybee.flame.naming import Namer
from prybee.linux import cpus
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
_head = struct.Struct("<IIQ").unpack_from


class Sampler:
    """Samples one process; a context manager.

    Args:
        pid: the process; with the threads, and processes, that it starts.
        profile: what samples are added to.
        frequency: samples a second of each thread that runs.

    Raises:
        KernelError: the kernel does not allow it.
    """

    def __init__(self, pid: int, profile: Profile, frequency: int) -> None:
        self._pid = pid
        self._profile = profile
        self._symbols = UserSymbols()
        self._namer = Namer(profile, Names(user=lambda: self._symbols))
        self._names: dict[int, str] = {}
        self._rings: list[PerfRing] = []
        self._others: list[PerfEvent] = []
        try:
            for cpu in cpus.online():
                ring = None
                for thread in _threads(pid):
                    event = PerfEvent.stacks(thread, cpu, frequency)
                    if ring is None:
                        ring = PerfRing(event, _PAGES)
                        self._rings.append(ring)
                    else:
                        self._others.append(event)
                        event.write_to(ring.event)
        except BaseException:
            self.close()
            raise
        profile.quality.notes.append(MISSING)

    def run(self, seconds: float, ended: Callable[[], bool]) -> None:
        """Samples until a time is over, or something has ended, or the user wants no more.

        Args:
            seconds: at most so long; 0: for ever.
            ended: asked now and then.
        """
        waiter = poll()
        for ring in self._rings:
            waiter.register(ring.event.fd)
        end = time.monotonic() + seconds if seconds else float("inf")
        try:
            while time.monotonic() < end and not ended():
                waiter.poll(_PAUSE)
                self._take()
        except KeyboardInterrupt:
            pass
        self._take()
        self._profile.quality.lost += sum(ring.lost for ring in self._rings)

    def _take(self) -> None:
        for ring in self._rings:
            for kind, _, data in ring.take():
                if kind == _SAMPLE:
                    self._add(data)

    def _add(self, data: bytes) -> None:
        pid, thread, count = _head(data)
        found = struct.unpack_from(f"<{count}Q", data, 16)
        addresses = [address for address in found if address < _CONTEXTS]
        name = self._names.get(thread)
        if name is None:
            name = self._names[thread] = _name(pid, thread)
        frames = self._namer.of_process(pid, addresses) if addresses else []
        self._profile.add([self._profile.frame(name), *frames])

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


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return [pid]


def _name(pid: int, thread: int) -> str:
    try:
        with open(f"/proc/{pid}/task/{thread}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "[ended]"
