"""``comptime``, ``typeinfo``, ``typeof``, ``sizeof`` and ``offsetof``."""

from __future__ import annotations

import os
from typing import Any

import pytest

from prybee.diagnostics import ScriptError
from tests.language.running import Loaded, compile_text

C = "struct in { int a; char b[10]; }; struct out { long x; struct in y; struct { int z; }; }; "
TYPEINFO = "config = { unstable_typeinfo = enable } "

VALUES: dict[str, Any] = {
    "comptime (1 + 2)": 3,
    "comptime -5": -5,
    'comptime "a"': "a",
    "comptime sizeof(uint64)": 8,
    "comptime (sizeof(uint64) == 8 && sizeof(uint8) != 8)": True,
    "comptime ((uint8)257)": 1,
    "comptime (sizeof(pid) > 2 ? 5 : 6)": 5,
    'comptime is_str("a")': True,
    "comptime is_str(typeof(uint8))": False,
    'comptime getopt("unset", 7)': 7,
    'if comptime is_str("a") { 1 } else { 1 + "a" }': 1,
    'if comptime is_str(1) { 1 + "a" } else if comptime is_integer(1) { 2 } else { 3 }': 2,
    "sizeof(struct out)": 32,
    "sizeof(typeof(uint16[4]))": 8,
    "sizeof(((struct out*)0)->y)": 16,
    "offsetof(struct out, y)": 8,
    "offsetof(struct out, y.b)": 12,
    "offsetof(struct out, z)": 24,
    "sizeof((1, (uint32)2))": 8,
    '((bool)"x", (bool)"", (bool)probetype)': (True, False, True),
}


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to load programs")
@pytest.mark.parametrize("expression", VALUES)
def test_values(expression: str) -> None:
    with Loaded(compile_text(f"{C} begin {{ print({expression}) }}").plan) as kernel:
        assert kernel.run() == [("print_value", [VALUES[expression]])]


# Expression → base_type and full_type, as bpftrace 0.27.1 has them.
TYPES = {
    '"ab"': ("string", "string[3]"),
    "1": ("int", "int8"),
    "(1, 2)": ("tuple", "(int8,int8)"),
    "(a=1, b=2)": ("record", "record { .a = int8, .b = int8 }"),
    "typeof(uint8*)": ("pointer", "uint8 *"),
    "typeof(struct out)": ("c_type", "struct out"),
    "typeof(struct out*)": ("pointer", "struct out *"),
    "typeof(int32[4])": ("array", "int32[4]"),
    "nsecs": ("int", "uint64"),
    "ksym(1)": ("ksym_t", "ksym_t"),
    'strftime("%H", nsecs)': ("timestamp", "timestamp"),
}


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to load programs")
@pytest.mark.parametrize("expression", TYPES)
def test_typeinfo(expression: str) -> None:
    script = (
        f"{C} {TYPEINFO} begin {{ $t = typeinfo({expression}); "
        "print(($t.base_type, $t.full_type)) }"
    )
    with Loaded(compile_text(script).plan) as kernel:
        assert kernel.run() == [("print_value", [TYPES[expression]])]


def test_typeinfo_chooses() -> None:
    compile_text(
        TYPEINFO + 'begin { if comptime (typeinfo(1).base_type == "int") { } else { fail("no") } }'
    )


def test_typeinfo_warns() -> None:
    script = "config = { unstable_typeinfo = warn } begin { print(typeinfo(1)); typeinfo(2) }"
    messages = [warning.message for warning in compile_text(script).warnings]
    assert sum("unstable feature: typeinfo" in message for message in messages) == 1


ERRORS = {
    "if comptime pid { }": "Unable to resolve comptime expression",
    "$x = comptime pid": "Unable to resolve comptime expression",
    "$x = comptime (1, pid)": "Unable to resolve comptime expression",
    'if comptime is_str("a") { fail("%s", "boo") }': "boo",
    'if comptime (sizeof(uint8) == 1) { $x = 1 + "a" }': "Type mismatch for '+': comparing int8 "
    "with string[2]",
}


@pytest.mark.parametrize("statements", ERRORS)
def test_errors(statements: str) -> None:
    with pytest.raises(ScriptError) as failure:
        compile_text(f"begin {{ {statements} }}")
    assert failure.value.diagnostics[0].message == ERRORS[statements]


def test_each_attach_point_decides() -> None:
    """A branch may be wrong for one attach point and right for another."""
    script = (
        'tracepoint:sched:sched_switch, begin { if comptime (probetype == "special") '
        "{ print(1) } else { print(args.next_pid) } }"
    )
    with pytest.raises(ScriptError, match=r"next_pid|args"):
        compile_text(script.replace("comptime", ""))


# Statements → the type that $x has then, as in bpftrace 0.27.1.
LITERALS = {
    "$x = 1; $x = (uint64)2;": "uint64",
    "$x = (uint64)2; $x = 1;": "uint64",
    "$x = (uint64)2; $x = -1;": "int64",
    "$y = 1; $x = (uint64)2; $x = $y;": "int64",
    "$x = (1, 2); $x = ((uint64)1, (uint32)2);": "(uint64,uint32)",
    "$x = (a=1, b=2); $x = (b=3, a=(uint64)1);": "record { .a = uint64, .b = int8 }",
    "$x = 300; $x = (uint8)1;": "uint16",
    "@m = 1; @m = (uint32)2; $x = @m;": "uint32",
}


@pytest.mark.parametrize("statements", LITERALS)
def test_literals_take_the_sign_of_what_they_meet(statements: str) -> None:
    compile_text(
        f"{TYPEINFO} begin {{ {statements} "
        f'static_assert(typeinfo($x).full_type == "{LITERALS[statements]}", "no") }}'
    )
