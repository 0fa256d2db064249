"""Profiles of one Python process by reading its memory: no eBPF, and no privilege for processes of
one's own.

The process is not stopped, and not asked.  At each tick the stacks of its threads are read, and the
CPU time that each thread has had since the last one decides what that counts for.  What a thread
does outside of Python is not seen.
"""

from __future__ import annotations

import os
import time

from prybee.diagnostics import PrybeeError
from prybee.elf import ElfError, ElfFile
from prybee.flame.python_frames import frame_of
from prybee.flame.samples import OFF_CPU, ON_CPU
from prybee.symbols.mappings import Mappings
from prybee.symbols.placed import bias
from prybee.symbols.python.interpreters import interpreter, likely
from prybee.symbols.python.layouts import UnknownLayout
from prybee.symbols.python.memory import Memory, Unreadable
from prybee.symbols.python.stacks import Stacks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.flame.profile import Profile
    from prybee.symbols.python.interpreters import Interpreter

# Kinds of profiles that can be had so.
KINDS = ("cpu", "wall")
# How often it is looked whether a process has loaded its interpreter, in seconds.
_PAUSE = 0.005
_SECOND = 1_000_000_000


class Reader:
    """Reads the stacks of a process into a profile; close it, or use it in a ``with``."""

    def __init__(
        self, pid: int, profile: Profile, kind: str, frequency: int, patience: float = 0.1
    ) -> None:
        """
        Args:
            pid: the process.
            profile: what stacks are added to; one by one as well, where it has ``samples``.
            kind: ``cpu``: samples of CPU time; ``wall``: nanoseconds on the CPU and off it.
            frequency: ticks a second.
            patience: how long the process may take to load its interpreter, in seconds.

        Raises:
            PrybeeError: it may not be read, or runs no Python that is known.
        """
        self._pid = pid
        self._profile = profile
        self._wall = kind == "wall"
        self._period = _SECOND // frequency
        # Whoever may not read it is told at once.
        Memory(pid).close()
        found, at = self._find(patience)
        # Opened now: what was there before an execve(2) is another memory.
        self._memory = Memory(pid)
        self._stacks = Stacks(self._memory, found, at)
        # By thread: the CPU time that was seen last, and what has not made a whole sample yet.
        self._cpu: dict[int, int] = {}
        self._owed: dict[int, int] = {}
        self._comms: dict[int, str] = {}
        self._ids: dict[int, int] = {}

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the process."""
        self._memory.close()

    def _find(self, patience: float) -> tuple[Interpreter, int]:
        """The interpreter that the process runs, and where it has it."""
        end = time.monotonic() + patience
        reason = "it runs no CPython"
        while True:
            try:
                with open(f"/proc/{self._pid}/maps", "rb") as file:
                    mappings = Mappings(file.read())
            except OSError as error:
                raise PrybeeError(f"process {self._pid} cannot be read: {error.strerror}") from None
            for mapping in mappings.items:
                if not mapping.is_file or not likely(mapping.path):
                    continue
                path = f"/proc/{self._pid}/root{mapping.path}"
                try:
                    with ElfFile.open(path) as elf:
                        found = interpreter(elf)
                        at = bias(elf.segments, mapping)
                except ElfError:
                    continue
                except UnknownLayout as error:
                    reason = str(error)
                    continue
                if found is not None and at is not None:
                    return found, at
            if time.monotonic() >= end or not mappings.items:
                raise PrybeeError(f"Python frames of process {self._pid} cannot be read: {reason}")
            time.sleep(_PAUSE)

    # -- a trace ---------------------------------------------------------------------------------

    def run(self, seconds: float, gone: Callable[[], bool] = lambda: False) -> None:
        """Reads until the process ends, a time is over, or the user wants no more (Ctrl-C).

        Args:
            seconds: at most so long; 0: for ever.
            gone: whether the process has ended.
        """
        begin = time.monotonic_ns()
        end = begin + int(seconds * _SECOND) if seconds else 0
        tick = last = begin
        try:
            while not gone():
                now = time.monotonic_ns()
                if end and now >= end:
                    break
                if not self.sample(now - last):
                    break
                last = now
                tick = max(tick + self._period, time.monotonic_ns())
                time.sleep(max(0, tick - time.monotonic_ns()) / _SECOND)
        except KeyboardInterrupt:
            pass
        if self._stacks.unresolved:
            self._profile.quality.notes.append(
                f"{self._stacks.unresolved} stacks changed while they were read, and are left out"
            )

    def sample(self, elapsed: int) -> bool:
        """Takes the stack of each thread; false where the process has ended.

        Args:
            elapsed: nanoseconds since the last time.
        """
        try:
            threads = list(self._stacks.threads())
        except Unreadable:
            return False
        for native, state in threads:
            tid = self._thread(native)
            spent = self._spent(tid)
            if spent is None:
                continue
            if self._wall:
                on = min(spent, elapsed)
                self._add(tid, state, ((ON_CPU, on), (OFF_CPU, elapsed - on)))
                continue
            owed = self._owed.get(tid, 0) + spent
            count, self._owed[tid] = divmod(owed, self._period)
            if count:
                self._add(tid, state, (("", count),))
        return True

    def _add(self, tid: int, state: int, parts: tuple[tuple[str, int], ...]) -> None:
        found = self._stacks.stack(state)
        if not found:
            return
        profile = self._profile
        comm = self._comms.get(tid)
        if comm is None:
            comm = self._comms[tid] = self._file(tid, "comm").decode(errors="replace").strip()
        frames = [frame_of(profile, function) for function, _line in reversed(found)]
        # Times of the wall begin one behind the other, and end now.
        when = time.monotonic_ns() - (sum(weight for _, weight in parts) if self._wall else 0)
        for label, weight in parts:
            if weight <= 0:
                continue
            stack = [*(profile.frame(text) for text in (comm, label) if text), *frames]
            profile.add(stack, weight)
            if (samples := profile.samples) is not None:
                samples.add(
                    samples.stack_number(stack), weight,
                    time=when, thread=samples.thread_number(self._pid, tid, comm),
                    labels={samples.STATE: label} if label else None,
                )  # fmt: skip
                when += weight

    # -- threads ---------------------------------------------------------------------------------

    def _thread(self, native: int) -> int:
        """The id that we have for a thread, which may be in a pid namespace of its own."""
        if native not in self._ids:
            self._ids[native] = native
            if not os.path.exists(f"/proc/{self._pid}/task/{native}"):
                for name in self._tasks():
                    status = self._file(int(name), "status")
                    ids = status.partition(b"NSpid:")[2].partition(b"\n")[0].split()
                    if ids and int(ids[-1]) == native:
                        self._ids[native] = int(name)
        return self._ids[native]

    def _tasks(self) -> list[str]:
        try:
            return os.listdir(f"/proc/{self._pid}/task")
        except OSError:
            return []

    def _spent(self, tid: int) -> int | None:
        """Nanoseconds of CPU time that a thread has had since the last time; None: it has gone."""
        text = self._file(tid, "schedstat").split()
        if text:
            total = int(text[0])
        else:
            # Without CONFIG_SCHED_INFO: whether it runs right now.
            state = self._file(tid, "stat").rpartition(b") ")[2][:1]
            if not state:
                return None
            return self._period if state == b"R" else 0
        before = self._cpu.get(tid, total)
        self._cpu[tid] = total
        return total - before

    def _file(self, tid: int, name: str) -> bytes:
        try:
            with open(f"/proc/{self._pid}/task/{tid}/{name}", "rb") as file:
                return file.read()
        except OSError:
            return b""
