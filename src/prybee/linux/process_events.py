"""What processes do that changes their addresses: begin, run another program, map code, end.

The kernel writes a record at each such moment, whoever looks, into memory that each CPU has for it
(``perf_event_attr.mmap2``, ``comm_exec`` and ``task``; include/uapi/linux/perf_event.h). So the
mappings of a process are known also when it was gone before anybody could open its files in /proc.
"""

from __future__ import annotations

from mmap import PAGESIZE
from struct import Struct

from prybee.linux import cpus
from prybee.linux.perf import PerfEvent
from prybee.linux.perfbuf import PerfRing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class Listener(Protocol):
        """Hears of what processes do, in the order of time. Pids are those of our namespace."""

        def forked(self, pid: int, parent: int) -> None:
            """A process began as a copy of another (threads are not told)."""

        def executed(self, pid: int) -> None:
            """A process runs another program: its old mappings are gone."""

        def mapped(
            self,
            pid: int,
            start: int,
            end: int,
            offset: int,
            file: tuple[int, int, int, bytes],
        ) -> None:
            """Code can be run at [start, end) from here on. ``offset`` is in bytes; ``file`` is
            its device's major and minor number, inode number (0: no file), and name as the
            process sees it."""

        def exited(self, pid: int) -> None:
            """A process ended."""


# Types of records: a new name (pid, tid, name), an end, a beginning (pid, ppid, tid, ptid), a
# mapping.
COMM, _EXIT, FORK, _MMAP2 = 3, 4, 7, 10
_COMM_EXEC = 1 << 13

# pid, tid, addr, len, pgoff, maj, min, ino; then ino_generation, prot, flags, and the name.
_MAPPED = Struct("<I4xQQQIIQ").unpack_from
_NAME = 64
# pid, ppid, tid, ptid, time.
_TASK = Struct("<IIII").unpack_from

# 128 KiB for each CPU take a thousand records: one execve(2) of a dynamic program writes ten.
_PAGES = 32
# Readers that sleep are woken when so much of that is in use.
_WATERMARK = _PAGES * PAGESIZE // 4
# Reads of all CPUs until none has anything new; then the order between them is certain.
_ROUNDS = 8


def take(rings: Sequence[PerfRing]) -> list[tuple[int, int, bytes]]:
    """All records of all CPUs, until none has any that is new: then of two records the earlier one
    is there, too.

    Returns:
        Of each the type, the bits of ``misc``, and what is behind the header.
    """
    records: list[tuple[int, int, bytes]] = []
    for _ in range(_ROUNDS):
        new = [record for ring in rings for record in ring.take()]
        if not new:
            break
        records += new
    return records


def tell(listener: Listener, kind: int, misc: int, data: bytes) -> None:
    """Tells what a record says, if it is one of processes.

    Args:
        listener: is told.
        kind, misc, data: the record, as of :func:`take`.
    """
    if kind == _MMAP2:
        pid, start, length, offset, major, minor, inode = _MAPPED(data)
        name = data[_NAME : data.index(0, _NAME)]
        listener.mapped(pid, start, start + length, offset, (major, minor, inode, name))
    elif kind == FORK:
        pid, parent, _, _ = _TASK(data)
        if pid != parent:
            listener.forked(pid, parent)
    elif kind == _EXIT:
        pid, _, thread, _ = _TASK(data)
        if pid == thread:
            listener.exited(pid)
    elif kind == COMM and misc & _COMM_EXEC:
        listener.executed(int.from_bytes(data[:4], "little"))


class ProcessEvents:
    """Records of all processes, or of one and those it starts; a context manager."""

    def __init__(self, pid: int = -1, prompt: bool = False) -> None:
        """
        Args:
            pid: of a process with one thread (one that was just made), or -1 for all.
            prompt: be readable at each record, not when much has gathered.

        Raises:
            KernelError: the events or their memory cannot be had.
        """
        self.pid = pid
        self._rings: list[PerfRing] = []
        try:
            for cpu in cpus.online():
                watermark = 1 if prompt else _WATERMARK
                event = PerfEvent.processes(cpu, pid, inherit=pid >= 0, watermark=watermark)
                self._rings.append(PerfRing(event, _PAGES))
        except BaseException:
            self.close()
            raise

    def filenos(self) -> list[int]:
        """What to poll: readable when much has gathered."""
        return [ring.event.fd for ring in self._rings]

    @property
    def lost(self) -> int:
        """How many records the kernel had no room for."""
        return sum([ring.lost for ring in self._rings])

    def tell(self, listener: Listener, only: int = -1) -> int:
        """Tells all that has happened since the last call; how many records that were.

        Args:
            listener: is told.
            only: the one process that is told of; -1: all.
        """
        # All records begin with the pid.
        wanted = only.to_bytes(4, "little") if only >= 0 else b""
        records = [record for record in take(self._rings) if record[2].startswith(wanted)]
        # By time, which is the last word of each; big-endian bytes sort like numbers.
        records.sort(key=lambda record: record[2][:-9:-1])
        for kind, misc, data in records:
            tell(listener, kind, misc, data)
        return len(records)

    def close(self) -> None:
        """Gives events and memory back; a second call does nothing."""
        for ring in self._rings:
            ring.close()

    def __enter__(self) -> ProcessEvents:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        whose = f"pid {self.pid}" if self.pid >= 0 else "all processes"
        return f"ProcessEvents({whose}, {len(self._rings)} CPUs)"
