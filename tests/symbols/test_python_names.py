"""What frames of ``pystack`` stand for, and which processes have interpreters."""

from __future__ import annotations

import os
import struct
import sys

import pytest

from prybee.elf import ElfFile
from prybee.symbols.mappings import Mapping, Mappings
from prybee.symbols.placed import bias
from prybee.symbols.python import records
from prybee.symbols.python.interpreters import Interpreter, interpreter, likely
from prybee.symbols.python.layouts import TABLES
from prybee.symbols.python.names import PythonNames
from prybee.symbols.python.processes import PythonProcesses
from prybee.symbols.python.records import CodeEntry, process_entry
from prybee.symbols.python.stacks import Function
from prybee.symbols.user import UserSymbols


def entry(name: tuple[bytes, int, int], file: tuple[bytes, int, int], line: int = 7) -> bytes:
    """An entry of python_codes; texts are bytes, characters and bytes of a character."""
    head = struct.pack(
        "<QQIIQIIII", 0x1000, 0x2000, 0, line & 0xFFFFFFFF, 0x3000, *name[1:], *file[1:]
    )
    return head + name[0].ljust(records.NAME_ROOM, b"\0") + file[0].ljust(records.FILE_ROOM, b"\0")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (entry((b"A.f", 3, 1), (b"/x.py", 5, 1)), Function("A.f", "/x.py", 7)),
        (entry((b"gr\xf6\xdfe", 5, 1), (b"/x.py", 5, 1)), Function("größe", "/x.py", 7)),
        (
            entry(("函数".encode("utf-16-le"), 2, 2), ("/\U0001f40d".encode("utf-32-le"), 2, 4)),
            Function("函数", "/\U0001f40d", 7),
        ),
        # Cut: of a name the end, of a path the beginning.
        (
            entry((b"n" * 128, 200, 1), (b"p" * 256, 300, 1)),
            Function("n" * 128 + "…", "…" + "p" * 256, 7),
        ),
        # No line; a file, and a name, that could not be read.
        (entry((b"f", 1, 1), (b"", 9, 0), -1), Function("f", "", 0)),
        (entry((b"", 0, 0), (b"/x.py", 5, 1)), None),
    ],
)  # fmt: skip
def test_entries(data: bytes, expected: Function | None) -> None:
    assert len(data) == records.CODE_ENTRY_SIZE
    assert CodeEntry(data).function == expected


def test_words() -> None:
    known = {5: entry((b"f", 1, 1), (b"/x.py", 5, 1)), 6: entry((b"", 0, 0), (b"", 0, 0))}
    asked = []

    def lookup(key: bytes) -> bytes | None:
        asked.append(int.from_bytes(key, "little"))
        return known.get(asked[-1])

    names = PythonNames(lookup)
    word = 5 << records.KEY_SHIFT
    for instruction in (0, 1, 99, records.ENTRY, records.ENTRY | 3):
        assert names.function(word | instruction) == Function("f", "/x.py", 7)
    assert asked == [5]
    assert names.unresolved == 0
    # Not resolved by the program, full map, unreadable name.
    for other in (0, 9 << records.KEY_SHIFT, 6 << records.KEY_SHIFT):
        assert names.function(other) is None
    assert names.unresolved == 3
    # There is no process 0 whose table could be read.
    assert names.line(word | 3) == 0


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/usr/bin/python3.11", True),
        ("/usr/lib/libpython3.13.so.1.0", True),
        ("/opt/Python.framework/Python", True),
        ("/usr/bin/pypy3", True),
        ("/home/python/app", False),
        ("/usr/lib/libc.so.6", False),
    ],
)
def test_likely_files(path: str, expected: bool) -> None:
    assert likely(path) is expected


def own() -> tuple[Mapping, Interpreter, int]:
    """The interpreter that runs this."""
    with open("/proc/self/maps", "rb") as file:
        mappings = Mappings(file.read())
    for mapping in mappings.items:
        if mapping.is_file and likely(mapping.path):
            with ElfFile.open(mapping.path) as elf:
                found = interpreter(elf)
                at = bias(elf.segments, mapping)
            if found is not None and at is not None:
                return mapping, found, at
    raise AssertionError("no interpreter here")


@pytest.mark.skipif(sys.version_info[:2] > (3, 15), reason="not known yet")
def test_the_one_that_runs_this() -> None:
    _, found, at = own()
    assert found.version == sys.hexversion
    assert found.name == "CPython {}.{}.{}".format(*sys.version_info)
    # Types are where they are.
    assert found.code_type + at == id(type(own.__code__))


def test_entry_of_a_process() -> None:
    found = Interpreter(0x030B02F0, 0x1000, 0, TABLES[11])
    data = process_entry(found, 0x500000, (4, 77))
    assert len(data) == records.PROCESS_SIZE
    assert struct.unpack_from("<QQQQ", data) == (0x501028, 0, 4, 77)
    for name, at in records.OFFSET.items():
        assert struct.unpack_from("<H", data, at)[0] == getattr(TABLES[11], name), name


class FakeMap(dict[bytes, bytes]):
    """A map of the kernel."""

    def update(self, key: bytes, value: bytes) -> None:  # type: ignore[override]
        self[key] = value

    def delete(self, key: bytes) -> None:
        self.pop(key, None)


@pytest.mark.skipif(sys.version_info[:2] > (3, 15), reason="not known yet")
def test_processes() -> None:
    maps = {records.PROCESSES: FakeMap(), records.WANTED: FakeMap()}
    key = os.getpid().to_bytes(4, "little")
    maps[records.WANTED][key] = b"once"
    with UserSymbols() as symbols:
        processes = PythonProcesses(symbols)
        processes.begin(maps)  # type: ignore[arg-type]
        assert not maps[records.PROCESSES]
        processes.wanted(os.getpid(), 0)
        _, found, at = own()
        assert maps[records.PROCESSES] == {key: process_entry(found, at)}
        # One that has gone is forgotten, and may be asked for again.
        symbols.processes.exited(os.getpid())
        processes.look()
        assert not maps[records.PROCESSES]
        assert not maps[records.WANTED]
        assert processes.remark == ""
        processes.unknown["CPython before 3.11"] = {12, 3}
        assert processes.remark == (
            "Python frames were not looked for: CPython before 3.11 (pid 3, 12)"
        )
