"""Lines of Python code, by its own compiler and by bytes written by hand."""

from __future__ import annotations

import argparse
import inspect
import types

import pytest

from prybee.symbols.python.lines import line


def codes(code: types.CodeType) -> list[types.CodeType]:
    """A code object and those in it."""
    found = [code]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found += codes(constant)
    return found


def test_the_compilers_own() -> None:
    source = inspect.getsource(argparse)
    checked = 0
    for code in codes(compile(source, "argparse.py", "exec")):
        for start, end, expected in code.co_lines():
            for at in {start, end - 2}:
                found = line(code.co_linetable, code.co_firstlineno, at // 2)
                assert found == (expected or 0), (code.co_qualname, at)
                checked += 1
    assert checked > 3000


@pytest.mark.parametrize(
    ("table", "instruction", "expected"),
    [
        # Two instructions in the same line (code 0), then one in the next (11), each with columns.
        (b"\x81\x00\xd8\x01\x02", 0, 10),
        (b"\x81\x00\xd8\x01\x02", 1, 10),
        (b"\x81\x00\xd8\x01\x02", 2, 11),
        (b"\x81\x00\xd8\x01\x02", 3, 0),
        # No columns (13): 100 lines further, which takes two bytes, and three back.
        (b"\xe8\x48\x03", 0, 110),
        (b"\xe8\x07", 0, 7),
        # Everything (14), and no line at all (15), which leaves the current line as it is.
        (b"\xf0\x04\x00\x01\x02\xf8\x80\x00", 0, 12),
        (b"\xf0\x04\x00\x01\x02\xf8\x80\x00", 1, 0),
        (b"\xf0\x04\x00\x01\x02\xf8\x80\x00", 2, 12),
        # None.
        (b"", 0, 0),
        (b"\x00", 0, 0),
    ],
)
def test_by_hand(table: bytes, instruction: int, expected: int) -> None:
    assert line(table, 10, instruction) == expected
