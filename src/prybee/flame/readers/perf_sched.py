"""Reads off-CPU time, and who ended it, out of the scheduler's events in ``perf script``'s text.

A thread gives up the CPU at ``sched_switch``, with its stack. How long that lasts is told

* by the event that ends the sleep (``sched_stat_sleep``, ``sched_stat_blocked`` …), on kernels that
  count that, or
* by the ``sched_switch`` that gives the CPU back, in captures of the whole system (``perf record
  -a``).

The stack of the waker is that of the event that tells the sleep's length, or of ``sched_wakeup``.
What had woken the waker itself can stand behind that, and so on: a chain.
"""

from __future__ import annotations

import re

from prybee.data import Data
from prybee.flame.profile import WAKER, Profile
from prybee.flame.readers.perf_frames import Frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HEADER = re.compile(
    rb"\s*(\S.*?)\s+(?:-?\d+/)?(-?\d+)\s+(?:\[\d+\]\s+)?(?:[-.\w]{4,6}\s+)?(\d+)\.(\d+):\s+(?:\d+\s+)?"
    rb"sched:(sched_\w+):\s*(.*?)\s*$"
)
_OTHER = re.compile(rb"\s*\S.*?\s+(?:\d+/)?\d+\s.*?\d+\.\d+:\s.*\S:")
_SWITCH = re.compile(
    rb"prev_comm=(.*) prev_pid=(\d+) prev_prio=-?\d+ prev_state=(\S+) "
    rb"==> next_comm=(.*) next_pid=(\d+)"
)
# The short form of some versions of perf.
_SHORT_SWITCH = re.compile(rb"(.*):(\d+) \[-?\d+\] (\S+) ==> (.*):(\d+) \[-?\d+\]")
_WOKEN = re.compile(rb"comm=(.*) pid=(\d+)\b|.*?:(\d+) \[-?\d+\]")
_DELAY = re.compile(rb"comm=(.*) pid=(\d+) delay=(\d+)")
_SLEEPS = (b"sched_stat_sleep", b"sched_stat_blocked", b"sched_stat_iowait")
_WAKEUPS = (b"sched_wakeup", b"sched_waking", b"sched_wakeup_new")
# Between a stack and its waker's, and between the links of a chain.
BETWEEN = "--"
_LONGEST = 16  # Links of a chain: two threads that wake each other have no end.


def probe(head: bytes) -> bool | None:
    """Whether a text begins as that of perf script does, with events that tell sleeps.

    Switches alone are a profile like any other, of its own events.
    """
    if b": sched:sched_switch: " not in head:
        return False
    return any(b": sched:" + name + b": " in head for name in (*_SLEEPS, *_WAKEUPS))


def read(
    lines: Iterable[bytes],
    *,
    tid: bool = False,
    wake_stack: bool = False,
    recurse: bool = False,
    compat: str = "",
) -> Profile:
    """Reads the times that threads are off the CPU, in nanoseconds.

    Args:
        lines: of the text, with their ends.
        tid: the frames of threads tell their ids.
        wake_stack: behind the stack stands the waker's, its root last, and the waker.
        recurse: behind that, what had woken the waker, if anything had since then.
        compat: with ``perl``, what stackcollapse-perf-sched.awk has: microseconds, only sleeps
            whose lengths are told, other marks between the parts.
    """
    profile = Profile("us" if compat == "perl" else "ns")
    return _Reader(profile, tid, wake_stack or recurse, recurse, compat).read(lines)


class _Event(Data):
    """A line about an event."""

    name: bytes
    comm: bytes
    tid: int
    time: int
    text: bytes


class _Waker(Data):
    """Who woke a thread up, and from where."""

    comm: bytes
    tid: int
    time: int
    stack: tuple[int, ...]


class _Asleep(Data):
    """A thread that gave up the CPU."""

    comm: bytes
    time: int
    stack: tuple[int, ...]
    runnable: bool


class _Reader:
    """What is known between lines."""

    def __init__(
        self, profile: Profile, tid: bool, wake_stack: bool, recurse: bool, compat: str
    ) -> None:
        self._profile = profile
        self._tid = tid
        self._wake_stack = wake_stack
        self._recurse = recurse
        self._peer = compat == "perl"
        self._frames = Frames(profile, compat=compat)
        self._asleep: dict[int, _Asleep] = {}
        self._wakers: dict[int, _Waker] = {}
        # Of each thread, what its last sleep was and when that ended, for those it wakes.
        self._last: dict[int, tuple[int, tuple[int, ...]]] = {}
        # By how the lengths are told.
        self._told: dict[tuple[int, ...], int] = {}
        self._seen: dict[tuple[int, ...], int] = {}

    def read(self, lines: Iterable[bytes]) -> Profile:
        """All events of the lines."""
        event: _Event | None = None
        stack: list[int] = []
        quality = self._profile.quality
        for number, line in enumerate(lines, 1):
            if line[:1] in (b" ", b"\t"):
                found = self._frames[line]
                if found is not None:
                    stack += found
                    continue
            if line[:1] == b"#":
                continue
            if event is not None:
                self._event(event, tuple(stack))
            event, stack = None, []
            if not line.strip():
                continue
            header = _HEADER.match(line)
            if header is not None:
                comm, tid, seconds, fraction, name, text = header.groups()
                time = int(seconds) * 10**9 + int(fraction[:9].ljust(9, b"0"))
                event = _Event(name, comm, int(tid), time, text)
            elif _OTHER.match(line) is None:
                quality.reject(number, line.decode(errors="replace").rstrip())
        if event is not None and not self._peer:
            self._event(event, tuple(stack))
        self._finish()
        return self._profile

    def _event(self, event: _Event, stack: tuple[int, ...]) -> None:
        """An event and its stack, the leaf first."""
        if event.name == b"sched_switch":
            found = _SWITCH.search(event.text) or _SHORT_SWITCH.match(event.text)
            if found is None:
                self._profile.quality.reject(0, event.text.decode(errors="replace"))
                return
            before, state, after = int(found[2]), found[3], int(found[5])
            if after and after in self._asleep:
                self._back(after, event.time)
            if before:
                self._asleep[before] = _Asleep(found[1], event.time, stack, state.startswith(b"R"))
                if self._peer and before in self._last:
                    self._last[before] = event.time, (self._profile.frame(""),)
        elif event.name in _SLEEPS:
            told = _DELAY.search(event.text)
            if told is not None and int(told[2]) in self._asleep:
                waker = _Waker(event.comm, event.tid, event.time, stack)
                self._sleep(int(told[2]), told[1], int(told[3]), waker)
        elif event.name in _WAKEUPS:
            woken = _WOKEN.match(event.text)
            tid = int(woken[2] or woken[3]) if woken is not None else 0
            if tid in self._asleep:
                # The first tells who it was; the event comes again on the CPU that is to run it.
                waker = _Waker(event.comm, event.tid, event.time, stack)
                self._wakers.setdefault(tid, waker)

    def _sleep(self, tid: int, comm: bytes, delay: int, waker: _Waker) -> None:
        """An event tells that a thread slept so long; the first of several does."""
        asleep = self._asleep.pop(tid)
        key = self._chain(tid, asleep, waker)
        root = self._thread(comm, tid)
        whole = (root, *key)
        self._told[whole] = self._told.get(whole, 0) + delay
        self._last[tid] = waker.time, key

    def _back(self, tid: int, time: int) -> None:
        """A thread gets the CPU back, and no event has told its sleep."""
        asleep = self._asleep.pop(tid)
        waker = self._wakers.pop(tid, None)
        key = self._chain(tid, asleep, waker)
        whole = (self._thread(asleep.comm, tid), *key)
        self._seen[whole] = self._seen.get(whole, 0) + time - asleep.time
        if not asleep.runnable:
            self._last[tid] = (waker.time if waker is not None else time), key

    def _chain(self, tid: int, asleep: _Asleep, waker: _Waker | None) -> tuple[int, ...]:
        """A sleep's stack from its root on, its waker's to its root, what had woken that …"""
        stack = asleep.stack[::-1]
        if waker is None or not self._wake_stack:
            return stack
        frame = self._profile.frame
        if self._peer:
            stack += waker.stack
        else:
            woken_by = [self._profile.frames[number] for number in waker.stack]
            stack += (frame(BETWEEN), *(frame(each.name, WAKER, each.module) for each in woken_by))
        stack += (self._thread(waker.comm, waker.tid, WAKER),)
        if self._recurse:
            before = self._last.get(waker.tid)
            # Its last sleep matters here if it ended after this one began.
            if before is not None and (self._peer or before[0] >= asleep.time):
                link = frame("-") if self._peer else frame(BETWEEN)
                if stack.count(link) < _LONGEST:
                    stack += (link, *before[1])
        return stack

    def _thread(self, comm: bytes, tid: int, kind: str = "") -> int:
        name = comm.decode(errors="surrogateescape").replace(" ", "_").replace(";", ":")
        if self._tid:
            name += f"-{tid}"
        return self._profile.frame(name, "" if self._peer else kind)

    def _finish(self) -> None:
        totals: Mapping[tuple[int, ...], int] = self._told
        if not totals and not self._peer:
            totals = self._seen
        for stack, weight in totals.items():
            if not self._peer:
                self._profile.add(stack, weight)
            elif weight >= 1000:
                self._profile.add(stack, weight // 1000)
