"""Where in CPython's objects what is: tables, and what interpreters tell of themselves."""

from __future__ import annotations

import struct

import pytest

from prybee.symbols.python import layouts
from prybee.symbols.python.layouts import COOKIE, OFFSETS_SIZE, TABLES, UnknownLayout, offsets

# Of 3.13.0, 3.14.10 and 3.15.2, 64 bits, as offsetof() has them.
KNOWN = {
    0x030D00F0: {
        "free_threaded": 0, "runtime.interpreters_head": 632, "interpreter.next": 7264,
        "interpreter.threads_head": 7344, "thread.next": 8, "thread.native_thread_id": 160,
        "thread.current_frame": 72, "frame.executable": 0, "frame.previous": 8,
        "frame.instr_ptr": 56, "frame.owner": 70, "code.filename": 112, "code.qualname": 128,
        "code.linetable": 136, "code.firstlineno": 68, "code.co_code_adaptive": 200,
        "object.ob_type": 8, "bytes.ob_size": 16, "bytes.ob_sval": 32, "unicode.state": 32,
        "unicode.length": 16, "unicode.asciiobject_size": 40,
    },
}  # fmt: skip
KNOWN[0x030E0AF0] = {
    **KNOWN[0x030D00F0], "runtime.interpreters_head": 808, "interpreter.next": 7272,
    "frame.owner": 74, "code.co_code_adaptive": 208,
}  # fmt: skip
KNOWN[0x030F02F0] = {
    **KNOWN[0x030E0AF0], "runtime.interpreters_head": 936, "interpreter.next": 7264,
    "interpreter.threads_head": 7336, "thread.native_thread_id": 184,
}  # fmt: skip


def told(version: int, values: dict[str, int]) -> bytes:
    """What an interpreter tells: the fields of its version, in their order."""
    data = COOKIE + struct.pack("<Q", version)
    for group in layouts._FIELDS[version >> 16 & 255].split("|"):
        name, _, fields = group.rpartition(": ")
        for field in fields.split():
            full = f"{name}.{field}" if name else field
            data += struct.pack("<Q", values.get(full, 0xAAAA))
    return data.ljust(OFFSETS_SIZE, b"\xbb")


@pytest.mark.parametrize("version", KNOWN)
def test_what_an_interpreter_tells(version: int) -> None:
    values = KNOWN[version]
    found, layout = offsets(told(version, values))
    assert found == version
    assert (layout.interpreters, layout.next_interpreter, layout.threads) == (
        values["runtime.interpreters_head"],
        values["interpreter.next"],
        values["interpreter.threads_head"],
    )
    assert (layout.native_id, layout.current, layout.cframe, layout.entry) == (
        values["thread.native_thread_id"], 72, layouts.ABSENT, layouts.ABSENT,
    )  # fmt: skip
    assert (layout.code, layout.previous, layout.instruction, layout.owner) == (
        0, 8, 56, values["frame.owner"],
    )  # fmt: skip
    assert (layout.file, layout.name, layout.lines, layout.first_line, layout.bytecode) == (
        112, 128, 136, 68, values["code.co_code_adaptive"],
    )  # fmt: skip
    assert (layout.ascii, layout.compact) == (40, 56)


@pytest.mark.parametrize("minor", TABLES)
def test_tables_are_sound(minor: int) -> None:
    layouts.check(TABLES[minor], minor)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"free_threaded": 1},
            "CPython 3.13 without the global lock (free-threaded), whose frames cannot be read",
        ),
        ({"frame.owner": 90}, "CPython 3.13: owner cannot be at 90"),
        ({"code.filename": 113}, "CPython 3.13: file cannot be at 113"),
        ({"unicode.length": 32}, "unicode.length is at 32, not 16"),
    ],
)
def test_what_cannot_be_walked(change: dict[str, int], words: str) -> None:
    with pytest.raises(UnknownLayout) as caught:
        offsets(told(0x030D00F0, {**KNOWN[0x030D00F0], **change}))
    assert str(caught.value) == words


def test_other_versions() -> None:
    data = told(0x030D00F0, KNOWN[0x030D00F0])
    later = data[:8] + struct.pack("<Q", 0x031000A1) + data[16:]
    with pytest.raises(UnknownLayout) as caught:
        offsets(later)
    assert str(caught.value) == "CPython 3.16 is not known"
    with pytest.raises(UnknownLayout):
        offsets(bytes(OFFSETS_SIZE))
