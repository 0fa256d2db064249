"""Tells programs in the kernel where processes have their Python interpreters.

A program asks by a record when it meets a process that it knows nothing of; of one that is traced
alone, it is told at once.  What processes map and when they end is known from elsewhere
(:class:`prybee.symbols.user.UserSymbols`): this looks whether that has changed.
"""

from __future__ import annotations

import os
from time import monotonic

from prybee.diagnostics import KernelError
from prybee.elf import ElfError, ElfFile
from prybee.symbols.followed import Followed
from prybee.symbols.placed import bias
from prybee.symbols.python import records
from prybee.symbols.python.interpreters import interpreter, likely
from prybee.symbols.python.layouts import UnknownLayout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping as Named

    from prybee.linux.maps import Map
    from prybee.symbols.processes import Process
    from prybee.symbols.python.interpreters import Interpreter
    from prybee.symbols.user import UserSymbols

# How often changes of processes are looked for, in seconds.
_LOOK = 0.001


class _Asked(Followed):
    """A process that programs have asked for."""

    __slots__ = ("entry",)

    def __init__(self, process: Process) -> None:
        super().__init__(process)
        self.entry = b""


class PythonProcesses:
    """Keeps the maps of programs that walk Python frames filled.

    Attributes:
        unknown: interpreters that are not known, by the reason, with the processes that have them.
    """

    def __init__(self, symbols: UserSymbols, only: int = -1, proc: str = "/proc") -> None:
        """
        Args:
            symbols: knows processes and their files.
            only: a process that is wanted from the beginning.
            proc: the proc file system.
        """
        self._symbols = symbols
        self._only = only
        self._proc = proc
        self._processes: Map | None = None
        self._wanted: Map | None = None
        self._asked: dict[int, _Asked] = {}
        self._files: dict[int, Interpreter | None] = {}
        self._looked_at = 0.0
        self._full = 0
        self.unknown: dict[str, set[int]] = {}

    def begin(self, maps: Named[str, Map]) -> None:
        """Takes over the maps of a plan that has been loaded."""
        self._processes = maps[records.PROCESSES]
        self._wanted = maps[records.WANTED]
        if self._only > 0:
            self.wanted(self._only, 0)

    @property
    def remark(self) -> str:
        """What could not be told; empty: nothing."""
        told = [
            f"{reason} (pid {', '.join(map(str, sorted(pids)))})"
            for reason, pids in self.unknown.items()
        ]
        if self._full:
            told.append(f"{self._full} processes beyond the first {records.MOST_PROCESSES}")
        return f"Python frames were not looked for: {'; '.join(told)}" if told else ""

    def wanted(self, pid: int, _address: int) -> None:
        """A program met a process that it does not know."""
        process = self._symbols.processes.get(pid)
        asked = self._asked.get(pid)
        if asked is None or asked.process is not process:
            asked = self._asked[pid] = _Asked(process)
        self._symbols.processes.observe(process)
        self._tell(pid, asked)

    def work(self) -> bool:
        """There is nothing that can wait."""
        return False

    def look(self) -> None:
        """Tells programs of what has changed in processes that they asked for."""
        now = monotonic()
        if now - self._looked_at < _LOOK:
            return
        self._looked_at = now
        for pid, asked in list(self._asked.items()):
            if asked.gone(pid, self._symbols.processes):
                self._forget(pid)
                continue
            # Where nobody tells of what it maps, a library may have come.
            self._symbols.processes.observe(asked.process)
            if asked.changed:
                self._tell(pid, asked)

    def _forget(self, pid: int) -> None:
        assert self._processes is not None
        assert self._wanted is not None
        del self._asked[pid]
        key = pid.to_bytes(4, "little")
        self._processes.delete(key)
        self._wanted.delete(key)

    def _tell(self, pid: int, asked: _Asked) -> None:
        process = asked.process
        asked.looked_at()
        entry = self._entry(process) or b""
        if entry == asked.entry or self._processes is None:
            return
        key = pid.to_bytes(4, "little")
        try:
            if entry:
                self._processes.update(key, entry)
            else:
                self._processes.delete(key)
            asked.entry = entry
        except KernelError:
            self._full += 1

    def _entry(self, process: Process) -> bytes | None:
        """Where the interpreter is that a process runs; None where it has none."""
        for mapping in process.generations[0].items if process.generations else ():
            if not mapping.is_file or not likely(mapping.path):
                continue
            binary = self._symbols.binary(process, mapping)
            if binary is None:
                continue
            try:
                found = self._interpreter(binary.elf)
                at = bias(binary.elf.segments, mapping) if found is not None else None
            except UnknownLayout as error:
                self.unknown.setdefault(str(error), set()).add(process.pid)
                continue
            if found is not None and at is not None:
                return records.process_entry(found, at, self._namespace(process.pid))
        return None

    def _interpreter(self, elf: ElfFile) -> Interpreter | None:
        key = id(elf)
        if key not in self._files:
            try:
                self._files[key] = interpreter(elf)
            except ElfError:
                # Perhaps its symbols were read, and it was closed.
                try:
                    with ElfFile.open(elf.path) as again:
                        self._files[key] = interpreter(again)
                except ElfError:
                    self._files[key] = None
        return self._files[key]

    def _namespace(self, pid: int) -> tuple[int, int]:
        """The pid namespace that the interpreter has its thread ids from; zeros: ours."""
        try:
            theirs = os.stat(f"{self._proc}/{pid}/ns/pid")
            ours = os.stat(f"{self._proc}/self/ns/pid")
        except OSError:
            return 0, 0
        same = (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino)
        return (0, 0) if same else (theirs.st_dev, theirs.st_ino)

    def close(self) -> None:
        """Nothing is held."""
