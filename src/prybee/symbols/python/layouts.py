"""Where in CPython's objects the fields are that a walk over its frames needs.

Since 3.13 the interpreter tells that itself: ``_PyRuntime`` begins with ``struct _Py_DebugOffsets``
(Include/internal/pycore_runtime.h, later pycore_debug_offsets.h): a cookie, the version, and
numbers of 64 bits in an order that each version has its own of.  3.11 and 3.12 do not: their tables
were computed by offsetof() from the headers of 3.11.2, 3.11.7 and 3.12.1 (Include/internal/
pycore_runtime.h, pycore_interp.h, pycore_frame.h, Include/cpython/pystate.h, code.h), which do not
change within a version: they are part of the ABI that extension modules are compiled for.
"""

from __future__ import annotations

import struct

from prybee.data import Data

COOKIE = b"xdebugpy"

# No such field in this version.
ABSENT = 0xFFFF


class Layout(Data):
    """Offsets in bytes, each in the object that the text says.

    Attributes:
        interpreters: in ``_PyRuntime``: pointer to the first interpreter.
        next_interpreter, threads: in an interpreter: the next one; its first thread state.
        next_thread, native_id: in a thread state: the next one; the thread's id, as gettid(2)
            gives it to the thread.
        cframe: in a thread state: pointer to what has ``current``; ABSENT: it is there itself.
        current: pointer to the frame that runs.
        code, previous, instruction, owner: in a frame: its code object (perhaps with marks in the
            low three bits), the frame that called it, the instruction, who owns it (a byte).
        entry: in a frame: a byte that is not 0 in the first frame of a call of the evaluation loop;
            ABSENT: there is a frame of the loop itself in front of it, whose owner is 3 or more.
        file, name, lines, first_line, bytecode: in a code object: its file's name, its qualified
            name, its table of lines, its first line (32 bits), and its first instruction.
        ascii, compact: sizes of a string's header: the characters are behind it.
    """

    interpreters: int
    next_interpreter: int
    threads: int
    next_thread: int
    native_id: int
    cframe: int
    current: int
    code: int
    previous: int
    instruction: int
    owner: int
    entry: int
    file: int
    name: int
    lines: int
    first_line: int
    bytecode: int
    ascii: int
    compact: int


# The same in all versions: PyObject's type, a string's length and state, a bytes object's length
# and first byte (checked where the interpreter tells).
TYPE = 8
STRING_LENGTH = 16
STRING_STATE = 32
BYTES_LENGTH = 16
BYTES_DATA = 32

_EXPECTED = {
    "object.ob_type": TYPE,
    "unicode.length": STRING_LENGTH,
    "unicode.state": STRING_STATE,
    "bytes.ob_size": BYTES_LENGTH,
    "bytes.ob_sval": BYTES_DATA,
}

# A string's state, above two bits that do not matter: how many bytes a character has (3 bits),
# whether the characters are right behind the header, whether all of them are ASCII.
STATE_KIND = 2
STATE_COMPACT = 5
STATE_ASCII = 6
# Encodings, by how many bytes a character has.
ENCODINGS = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}

# Owners from here on are frames of the evaluation loop itself, not of a function.
FIRST_SHIM = 3

# What is read of a frame and of a code object at once; all fields lie within.
FRAME_SIZE = 80
CODE_SIZE = 160

TABLES: dict[int, Layout] = {
    11: Layout(
        interpreters=40, next_interpreter=0, threads=16, next_thread=8, native_id=160,
        cframe=56, current=8, code=32, previous=48, instruction=56, owner=69, entry=68,
        file=112, name=128, lines=136, first_line=72, bytecode=184, ascii=48, compact=72,
    ),
    12: Layout(
        interpreters=40, next_interpreter=0, threads=72, next_thread=8, native_id=144,
        cframe=56, current=0, code=0, previous=8, instruction=56, owner=70, entry=ABSENT,
        file=112, name=128, lines=136, first_line=68, bytecode=192, ascii=40, compact=56,
    ),
}  # fmt: skip

_RUNTIME = "runtime: size finalizing interpreters_head"
_INTERPRETER = (
    "gc imports_modules sysdict builtins ceval_gil gil_runtime_state gil_runtime_state_enabled "
    "gil_runtime_state_locked gil_runtime_state_holder"
)
_CODE = (
    "code: size filename name qualname linetable firstlineno argcount localsplusnames "
    "localspluskinds co_code_adaptive"
)
_FRAME = "frame: size previous executable instr_ptr localsplus owner"
_THREAD = (
    "thread: size prev next interp current_frame thread_id native_thread_id datastack_chunk status"
)
_LATER_THREAD = (
    "thread: size prev next interp current_frame base_frame last_profiled_frame "
    "last_profiled_frame_seq thread_id native_thread_id datastack_chunk status holds_gil "
    "gil_requested current_exception exc_state"
)
_SIMPLE = "float: size ob_fval|long: size lv_tag ob_digit|bytes: size ob_size ob_sval"
_LATER_INTERPRETER = (
    f"interpreter: size id next threads_head threads_main {_INTERPRETER} code_object_generation "
    "tlbc_generation"
)

# ``struct _Py_DebugOffsets`` of each version behind the version number, as far as it is used.
_FIELDS: dict[int, str] = {
    13: "|".join((
        "free_threaded", _RUNTIME,
        f"interpreter: size id next threads_head {_INTERPRETER}",
        _THREAD,
        _FRAME, _CODE, "object: size ob_type",
        "type: size tp_name tp_repr tp_flags", "tuple: size ob_item ob_size",
        "list: size ob_item ob_size", "dict: size ma_keys ma_values", _SIMPLE,
        "unicode: size state length asciiobject_size",
    )),
    14: "|".join((
        "free_threaded", _RUNTIME, _LATER_INTERPRETER,
        _THREAD,
        f"{_FRAME} stackpointer tlbc_index", f"{_CODE} co_tlbc", "object: size ob_type",
        "type: size tp_name tp_repr tp_flags", "tuple: size ob_item ob_size",
        "list: size ob_item ob_size", "set: size used table mask", "dict: size ma_keys ma_values",
        _SIMPLE, "unicode: size state length asciiobject_size",
    )),
    15: "|".join((
        "free_threaded", _RUNTIME, _LATER_INTERPRETER,
        _LATER_THREAD,
        "error: exc_value",
        f"{_FRAME} stackpointer tlbc_index", f"{_CODE} co_tlbc", "object: size ob_type",
        "type: size tp_name tp_repr tp_flags tp_basicsize tp_dictoffset",
        "heap_type: size ht_cached_keys", "tuple: size ob_item ob_size",
        "list: size ob_item ob_size", "set: size used table mask", "dict: size ma_keys ma_values",
        _SIMPLE, "unicode: size state length asciiobject_size",
    )),
}  # fmt: skip

# The versions whose frames can be read.
VERSIONS = (*TABLES, *_FIELDS)

# How much of _PyRuntime has the offsets, in bytes.
OFFSETS_SIZE = 16 + 8 * 128


class UnknownLayout(ValueError):
    """An interpreter whose objects are not known; the text says why."""


def offsets(data: bytes) -> tuple[int, Layout]:
    """The version and layout that ``_PyRuntime`` itself tells (3.13 and later).

    Args:
        data: its first ``OFFSETS_SIZE`` bytes.

    Returns:
        The version as ``PY_VERSION_HEX`` and the layout.

    Raises:
        UnknownLayout: they are none, or of a version that is not known.
    """
    if data[:8] != COOKIE:
        raise UnknownLayout("_PyRuntime does not begin with the offsets of 3.13 and later")
    (version,) = struct.unpack_from("<Q", data, 8)
    minor = version >> 16 & 0xFF
    if version >> 24 != 3 or minor not in _FIELDS:
        raise UnknownLayout(f"CPython {version >> 24}.{minor} is not known")
    found: dict[str, int] = {}
    at = 16
    for group in _FIELDS[minor].split("|"):
        name, _, fields = group.rpartition(": ")
        for field in fields.split():
            (found[f"{name}.{field}" if name else field],) = struct.unpack_from("<Q", data, at)
            at += 8
    return version, _layout(found, minor)


def _layout(found: dict[str, int], minor: int) -> Layout:
    if found["free_threaded"]:
        # All objects are longer there, and threads may have copies of a function's code.
        name = f"CPython 3.{minor} without the global lock (free-threaded)"
        raise UnknownLayout(f"{name}, whose frames cannot be read")
    for field, offset in _EXPECTED.items():
        if found[field] != offset:
            raise UnknownLayout(f"{field} is at {found[field]}, not {offset}")
    ascii_size = found["unicode.asciiobject_size"]
    layout = Layout(
        interpreters=found["runtime.interpreters_head"],
        next_interpreter=found["interpreter.next"],
        threads=found["interpreter.threads_head"],
        next_thread=found["thread.next"],
        native_id=found["thread.native_thread_id"],
        cframe=ABSENT,
        current=found["thread.current_frame"],
        code=found["frame.executable"],
        previous=found["frame.previous"],
        instruction=found["frame.instr_ptr"],
        owner=found["frame.owner"],
        entry=ABSENT,
        file=found["code.filename"],
        name=found["code.qualname"],
        lines=found["code.linetable"],
        first_line=found["code.firstlineno"],
        bytecode=found["code.co_code_adaptive"],
        ascii=ascii_size,
        # Behind it the string in UTF-8 and that one's length (PyCompactUnicodeObject).
        compact=ascii_size + 16,
    )
    check(layout, minor)
    return layout


def check(layout: Layout, minor: int) -> None:
    """Whether a layout is one that can be walked.

    Raises:
        UnknownLayout: an offset is where none can be.
    """
    for name, most, align in (
        ("code", FRAME_SIZE, 8), ("previous", FRAME_SIZE, 8), ("instruction", FRAME_SIZE, 8),
        ("owner", FRAME_SIZE, 1), ("file", CODE_SIZE, 8), ("name", CODE_SIZE, 8),
        ("lines", CODE_SIZE, 8), ("first_line", CODE_SIZE, 4),
        ("interpreters", ABSENT, 8), ("next_interpreter", ABSENT, 8), ("threads", ABSENT, 8),
        ("next_thread", ABSENT, 8), ("native_id", ABSENT, 8), ("current", ABSENT, 8),
        ("bytecode", ABSENT, 2),
    ):  # fmt: skip
        offset = getattr(layout, name)
        if offset + align > most or offset % align:
            raise UnknownLayout(f"CPython 3.{minor}: {name} cannot be at {offset}")
