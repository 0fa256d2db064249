"""What words of ``pystack`` stand for: a function, and the line that it is at.

Functions are what programs have put into ``python_codes``, so they are known also of processes
that have gone.  Lines take the table of the code object, which is read from the process: of those
that have gone they are not known.
"""

from __future__ import annotations

from prybee.diagnostics import KernelError, PrybeeError
from prybee.symbols.python import lines, records
from prybee.symbols.python.layouts import CODE_SIZE
from prybee.symbols.python.memory import Memory, Unreadable
from prybee.symbols.python.records import CodeEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.symbols.python.stacks import Function

    Lookup = Callable[[bytes], bytes | None]

# Caches are emptied when they hold so much: a trace may run for months.
_MOST_LINES = 200_000
_MOST_PROCESSES = 256


class PythonNames:
    """Resolves the words of frames.

    Attributes:
        unresolved: frames without a name, of all stacks that were asked for.
    """

    def __init__(self, lookup: Lookup, proc: str = "/proc") -> None:
        """
        Args:
            lookup: gives an entry of ``python_codes``, or None.
            proc: the proc file system.
        """
        self._lookup = lookup
        self._proc = proc
        self._codes: dict[int, CodeEntry] = {}
        self._lines: dict[int, int] = {}
        self._tables: dict[int, bytes] = {}
        self._memories: dict[int, Memory | None] = {}
        self.unresolved = 0

    def function(self, word: int) -> Function | None:
        """The function of a frame; None where it is not known."""
        entry = self._entry(word)
        if entry is None or entry.function is None:
            self.unresolved += 1
            return None
        return entry.function

    def line(self, word: int) -> int:
        """The line that a frame is at; 0 where it is not known."""
        key = word & ~records.ENTRY
        known = self._lines.get(key)
        if known is None:
            if len(self._lines) >= _MOST_LINES:
                self._lines.clear()
                self._tables.clear()
            known = self._lines[key] = self._line(word)
        return known

    def _entry(self, word: int) -> CodeEntry | None:
        key = word >> records.KEY_SHIFT
        if not key:
            return None
        known = self._codes.get(key)
        if known is None:
            try:
                data = self._lookup(key.to_bytes(8, "little"))
            except (KernelError, ValueError):
                return None
            if data is None:
                return None
            known = self._codes[key] = CodeEntry(data)
        return known

    def _line(self, word: int) -> int:
        entry = self._entry(word)
        instruction = (word & records.ENTRY - 1) - 1
        if entry is None or entry.function is None or instruction < 0:
            return 0
        key = word >> records.KEY_SHIFT
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = self._table(entry)
        return lines.line(table, entry.function.first_line, instruction)

    def _table(self, entry: CodeEntry) -> bytes:
        """The table of lines of a code object; nothing where it is not there any more."""
        memory = self._memory(entry.pid)
        if memory is None:
            return b""
        try:
            # What the object says must be what it said when it was seen.
            head = memory.read(entry.code, CODE_SIZE)
            names = (entry.name_at, entry.lines_at)
            if any(name.to_bytes(8, "little") not in head for name in names):
                return b""
            return memory.bytes_object(entry.lines_at, lines.MOST)
        except Unreadable:
            return b""

    def _memory(self, pid: int) -> Memory | None:
        if pid not in self._memories:
            if len(self._memories) >= _MOST_PROCESSES:
                self.close()
            try:
                self._memories[pid] = Memory(pid, self._proc)
            except PrybeeError:
                self._memories[pid] = None
        return self._memories[pid]

    def close(self) -> None:
        """Lets go of processes; what is known stays."""
        for memory in self._memories.values():
            if memory is not None:
                memory.close()
        self._memories.clear()
