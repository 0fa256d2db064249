"""Python functions among native frames."""

from __future__ import annotations

import pytest

from prybee.flame.profile import PYTHON, Frame, Profile
from prybee.flame.python_frames import frame_of, groups, is_loop, mix
from prybee.symbols.python.stacks import Function


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_PyEval_EvalFrameDefault", True),
        ("_PyEval_EvalFrameDefault.cold", True),
        ("_PyEval_EvalFrameDefault [clone .cold]", True),
        ("_TAIL_CALL_BINARY_OP", True),
        ("_PyEval_Vector", False),
        ("my_PyEval_EvalFrameDefault", False),
        ("", False),
    ],
)
def test_the_loop_by_its_name(name: str, expected: bool) -> None:
    assert is_loop(name) is expected


def test_what_a_frame_tells() -> None:
    profile = Profile()
    numbers = [
        frame_of(profile, function)
        for function in (Function("A.f", "/x/a.py", 12), Function("g", "<string>"), None)
    ]
    assert [profile.frames[number] for number in numbers] == [
        Frame("A.f", PYTHON, "/x/a.py:12"),
        Frame("g", PYTHON, "<string>"),
        Frame("[unknown]", PYTHON),
    ]


@pytest.mark.parametrize(
    ("frames", "firsts", "expected", "cut"),
    [
        ("", "", [], False),
        ("a", "1", ["a"], False),
        ("cba", "001", ["abc"], False),
        ("dcba", "0101", ["ab", "cd"], False),
        ("dcba", "0100", ["ab", "cd"], True),
        ("dcba", "0000", ["abcd"], True),
    ],
)
def test_calls_of_the_loop(frames: str, firsts: str, expected: list[str], cut: bool) -> None:
    found, is_cut = groups([*map(ord, frames)], [first == "1" for first in firsts])
    assert (["".join(map(chr, group)) for group in found], is_cut) == (expected, cut)


@pytest.mark.parametrize(
    ("native", "python", "cut", "expected", "whole"),
    [
        # L is the loop, ? has no name, other capital letters are native functions.
        ("SMLCLQ", ["ab", "c"], False, "SMabCcQ", True),
        ("SML", ["ab"], False, "SMab", True),
        # Nothing of Python, with and without a loop that should have had something.
        ("SMX", [], False, "SMX", True),
        ("SML", [], False, "SML", False),
        # No native stack, and one that breaks off below the last call of the loop.
        ("", ["ab", "c"], False, "abc", False),
        ("??LQ", ["ab", "c"], False, "abcQ", False),
        ("?Q", ["ab", "c"], False, "abcQ", False),
        ("?X?Q", ["ab"], False, "abX?Q", False),
        # Between the loop and its next function.
        ("SMLCL", ["ab"], False, "SMabCL", True),
        # One call more than groups elsewhere: it cannot be told which.
        ("SMLCLQ", ["ab"], False, "abQ", False),
        # The outer functions were not kept.
        ("SMLCLQ", ["b"], True, "SMLCbQ", True),
        ("MLCLQ", ["zb", "c"], True, "MzbCcQ", True),
    ],
)
def test_one_stack_of_two(
    native: str, python: list[str], cut: bool, expected: str, whole: bool
) -> None:
    found, is_whole = mix(
        [*map(ord, native)],
        [[*map(ord, group)] for group in python],
        cut,
        lambda frame: frame == ord("L"),
        lambda frame: frame == ord("?"),
    )
    assert ("".join(map(chr, found)), is_whole) == (expected, whole)
