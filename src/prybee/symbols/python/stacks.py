"""The Python stacks of a process, by reading its memory: it needs no eBPF, and no privilege for
processes of one's own.

The process is not stopped.  A stack is taken only if the frame that ran when the walk began runs
when it ends, so that frames do not mix; where that does not come about in a few tries, the sample
is counted as not resolved.
"""

from __future__ import annotations

import struct

from prybee.data import Data
from prybee.symbols.python import lines
from prybee.symbols.python.layouts import ABSENT, CODE_SIZE, FIRST_SHIM, FRAME_SIZE, TYPE
from prybee.symbols.python.memory import Unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from prybee.symbols.python.interpreters import Interpreter
    from prybee.symbols.python.memory import Memory

_MOST_INTERPRETERS = 256
_MOST_THREADS = 16384
_MOST_FRAMES = 4096
_TRIES = 4


class Function(Data):
    """A Python function: its qualified name, file, and first line (0: not known)."""

    name: str
    file: str = ""
    first_line: int = 0


class _Code(Data):
    """What identifies a code object beyond its address, and the function it is."""

    name_at: int
    lines_at: int
    function: Function


class Stacks:
    """Walks the stacks of one process.

    Attributes:
        unresolved: stacks that changed under the reader, or had frames that were no Python code.
    """

    def __init__(self, memory: Memory, found: Interpreter, bias: int) -> None:
        """
        Args:
            memory: of the process.
            found: its interpreter.
            bias: where the process has that file, less the file's own addresses.
        """
        self._memory = memory
        self._layout = found.layout
        self._runtime = found.runtime + bias
        self._code_type = found.code_type + bias if found.code_type else 0
        self._codes: dict[int, _Code] = {}
        self._tables: dict[int, tuple[_Code, bytes]] = {}
        self.unresolved = 0

    def threads(self) -> Iterator[tuple[int, int]]:
        """Thread ids, as the process's own pid namespace has them, and their states' addresses.

        Raises:
            Unreadable: the process has gone.
        """
        layout, pointer = self._layout, self._memory.pointer
        interpreter = pointer(self._runtime + layout.interpreters)
        for _ in range(_MOST_INTERPRETERS):
            if not interpreter:
                return
            thread = pointer(interpreter + layout.threads)
            for _ in range(_MOST_THREADS):
                if not thread:
                    break
                yield pointer(thread + layout.native_id), thread
                thread = pointer(thread + layout.next_thread)
            interpreter = pointer(interpreter + layout.next_interpreter)

    def stack(self, thread: int) -> list[tuple[Function, int]] | None:
        """The functions that a thread is in, innermost first, each with the line it is at (0: not
        known); None where it could not be told.

        Args:
            thread: the address of its state.
        """
        for _ in range(_TRIES):
            try:
                first = self._current(thread)
                found = list(self._walk(first))
                if self._current(thread) == first:
                    return found
            except Unreadable:
                continue
        self.unresolved += 1
        return None

    def _current(self, thread: int) -> int:
        layout, pointer = self._layout, self._memory.pointer
        if layout.cframe != ABSENT:
            thread = pointer(thread + layout.cframe)
        return pointer(thread + layout.current)

    def _walk(self, frame: int) -> Iterator[tuple[Function, int]]:
        layout, memory = self._layout, self._memory
        for _ in range(_MOST_FRAMES):
            if not frame:
                return
            data = memory.read(frame, FRAME_SIZE)
            if layout.entry != ABSENT or data[layout.owner] < FIRST_SHIM:
                address = _word(data, layout.code) & ~7
                code = self._code(address)
                at = _word(data, layout.instruction) - address - layout.bytecode
                yield code.function, self._line(address, code, at >> 1)
            frame = _word(data, layout.previous)

    def _code(self, address: int) -> _Code:
        """What a code object says, which may be another one now than at the last look."""
        layout, memory = self._layout, self._memory
        data = memory.read(address, CODE_SIZE)
        if self._code_type and _word(data, TYPE) != self._code_type:
            raise Unreadable
        name_at, lines_at = _word(data, layout.name), _word(data, layout.lines)
        (first,) = struct.unpack_from("<i", data, layout.first_line)
        known = self._codes.get(address)
        if known is not None:
            same = known.name_at == name_at and known.lines_at == lines_at
            if same and known.function.first_line == first:
                return known
        name = memory.string(layout, name_at)
        file = memory.string(layout, _word(data, layout.file))
        known = self._codes[address] = _Code(name_at, lines_at, Function(name, file, first))
        return known

    def _line(self, address: int, code: _Code, instruction: int) -> int:
        if instruction < 0:
            return code.function.first_line
        table = self._tables.get(address)
        if table is None or table[0] is not code:
            data = self._memory.bytes_object(code.lines_at, lines.MOST)
            table = self._tables[address] = code, data
        return lines.line(table[1], code.function.first_line, instruction)


def _word(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 8], "little")
