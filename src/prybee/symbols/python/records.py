"""What eBPF programs are told of a process, and what they tell: the maps of ``pystack``.

``python_procs`` has an entry for each process with an interpreter: where its objects are. A program
finds the thread state whose native id is the running thread's (``python_threads`` remembers it),
and walks the chain of frames. Of each frame it needs one word: which function, which instruction,
and whether it is the first of a call of the evaluation loop. Names are read in the program, when a
function is seen for the first time, into ``python_codes``: so they are there also when the process
has gone, and a code object that takes another's place in memory is another entry.
"""

from __future__ import annotations

import struct

from prybee.symbols.python.layouts import ENCODINGS
from prybee.symbols.python.stacks import Function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.symbols.python.interpreters import Interpreter

PROCESSES = "python_procs"
THREADS = "python_threads"
CODES = "python_codes"
SCRATCH = "python_scratch"
WANTED = "python_wanted"

# What a record that asks for a process is for (session/actions).
ACTION = "python"

# Entries of the maps. Processes and functions beyond are counted as not resolved.
MOST_PROCESSES = 4096
MOST_WANTED = 16384
MOST_THREADS = 16384
MOST_CODES = 16384

# An entry of python_procs: two addresses, the process's pid namespace (0: ours), and offsets.
_PROCESS = struct.Struct("<QQQQ18H4x")
PROCESS_SIZE = _PROCESS.size
RUNTIME, CODE_TYPE, DEVICE, INODE = 0, 8, 16, 24
_OFFSETS = (
    "next_interpreter", "threads", "next_thread", "native_id", "cframe", "current", "code",
    "previous", "instruction", "owner", "entry", "file", "name", "lines", "first_line", "bytecode",
    "ascii", "compact",
)  # fmt: skip
OFFSET = {name: 32 + 2 * index for index, name in enumerate(_OFFSETS)}


def process_entry(found: Interpreter, bias: int, namespace: tuple[int, int] = (0, 0)) -> bytes:
    """The entry of a process.

    Args:
        found: its interpreter.
        bias: where the process has that file, less the file's own addresses.
        namespace: device and inode of its pid namespace, where that is not ours.
    """
    layout = found.layout
    return _PROCESS.pack(
        found.runtime + bias + layout.interpreters,
        found.code_type + bias if found.code_type else 0,
        *namespace,
        *[getattr(layout, name) for name in _OFFSETS],
    )


# A frame's word: an instruction's number in units of two bytes plus 1 (0: not known), whether the
# frame is the first of a call of the loop, and a key of python_codes (0: not resolved).
INSTRUCTION_BITS = 20
ENTRY = 1 << INSTRUCTION_BITS
KEY_SHIFT = INSTRUCTION_BITS + 1

# An entry of python_codes: what is checked at each frame, the table of lines, and two texts, each
# with its number of characters, bytes of a character (0: could not be read) and bytes kept: of a
# name the first ones, of a path the last.
_CODE = struct.Struct("<QQIIQIIII")
CODE, NAME_AT, PID, LINE, LINES_AT = 0, 8, 16, 20, 24
NAME_LENGTH, NAME_KIND, FILE_LENGTH, FILE_KIND = 32, 36, 40, 44
NAME, FILE = 48, 176
NAME_ROOM, FILE_ROOM = FILE - NAME, 256
CODE_ENTRY_SIZE = FILE + FILE_ROOM

_CUT = "…"


class CodeEntry:
    """An entry of ``python_codes``.

    Attributes:
        code, name_at, lines_at: addresses of the code object, its name, its table of lines.
        pid: the process.
        function: what it is; None where its names could not be read.
    """

    __slots__ = ("code", "function", "lines_at", "name_at", "pid")

    def __init__(self, data: bytes) -> None:
        (
            self.code, self.name_at, self.pid, first, self.lines_at,
            name_length, name_kind, file_length, file_kind,
        ) = _CODE.unpack_from(data)  # fmt: skip
        name = _text(data[NAME:FILE], name_length, name_kind, last=False)
        file = _text(data[FILE:CODE_ENTRY_SIZE], file_length, file_kind, last=True)
        if first >= 1 << 31:
            first = 0
        self.function = None if name is None else Function(name, file or "", first)


def _text(data: bytes, length: int, kind: int, last: bool) -> str | None:
    encoding = ENCODINGS.get(kind)
    if encoding is None:
        return None
    text = data[: length * kind].decode(encoding, "replace")
    if length * kind <= len(data):
        return text
    return _CUT + text if last else text + _CUT
