"""Warnings of what compiles and can hardly be meant."""

from __future__ import annotations

import pytest

from tests.fixtures.table_target import TableTarget
from tests.language.running import compile_text


def warnings(statements: str, before: str = "") -> list[tuple[str, tuple[str, ...]]]:
    text = f"{before}begin {{ {statements} }}"
    return [(w.message, w.hints) for w in compile_text(text, TableTarget()).warnings]


PID = "pid is of type uint32."
SIGNED = ("(int32)pid has a sign",)


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        ("print(pid < 0)", (f"This is never true: {PID}", SIGNED)),
        ("print(0 > pid)", (f"This is never true: {PID}", SIGNED)),
        ("print(pid >= 0)", (f"This is always true: {PID}", SIGNED)),
        ("print(pid == -1)", (f"This is never true: {PID}", SIGNED)),
        ("print(pid != -1)", (f"This is always true: {PID}", SIGNED)),
        ("print(pid > 4294967295)", (f"This is never true: {PID}", ())),
        ("print(pid <= 4294967295)", (f"This is always true: {PID}", ())),
        (
            "print(uid < 0)",
            ("This is never true: uid is of type uint64.", ("(int64)uid has a sign",)),
        ),
        (
            "print((int8)pid == 128)",
            ("This is never true: (int8)pid is of type int8.", ()),
        ),
        (
            'print(comm == "0123456789abcdefg")',
            (
                "This is never true: comm has at most 15 bytes.",
                ('compare with what fits: "0123456789abcde"',),
            ),
        ),
        (
            'print("0123456789abcdef" != comm)',
            (
                "This is always true: comm has at most 15 bytes.",
                ('compare with what fits: "0123456789abcde"',),
            ),
        ),
        (
            'printf("%s %d", comm, nsecs)',
            ("%d prints 32 bits, and nsecs has 64.", ("%lld prints them all",)),
        ),
        (
            'printf("%5u%%%hhx", elapsed, 1)',
            ("%u prints 32 bits, and elapsed has 64.", ("%llu prints them all",)),
        ),
        (
            'printf("%x", (int8 *)5)',
            ("%x prints 32 bits, and a pointer has 64.", ("%p prints them all",)),
        ),
    ],
)
def test_told(statements: str, found: tuple[str, tuple[str, ...]]) -> None:
    assert warnings(statements) == [found]


@pytest.mark.parametrize(
    "statements",
    [
        "print(pid > 0); print(pid == 4294967295); print((int8)pid == -128); print(uid > 0)",
        'print(comm == "0123456789abcde"); print(str(kptr((int8 *)uid)) == "0123456789abcdefg")',
        'printf("%lld %llu %p %s %d", nsecs, elapsed, (int8 *)5, nsecs, pid)',
        'printf("%d", (int32)nsecs); printf("%d", nsecs / 1000000000)',
        "print(1 < 2)",
    ],
)
def test_not_told(statements: str) -> None:
    assert warnings(statements) == []


def test_macros_may_ask_anything() -> None:
    assert warnings("print(negative(pid))", "macro negative(x) { x < 0 } ") == []


@pytest.mark.parametrize(
    ("statements", "names"),
    [
        ("$x = 1;", ["$x"]),
        ("let $x = 1; $x = 2;", ["$x"]),
        ("$x = 1; if (1) { $y = $x; }", ["$y"]),
        ("$x = 1; print($x++);", []),
        ("$x = 1; $p = &$x; print(*$p);", []),
        ("$x = 1; @m = $x;", []),
        ("for $i : 0..3 { print(1); }", []),
        ("print(twice(2));", []),
    ],
)
def test_unused_variables(statements: str, names: list[str]) -> None:
    text = f"macro twice(a) {{ $t = a; $t + $t }} begin {{ {statements} }}"
    found = compile_text(text, TableTarget(), careful=True).warnings
    unused = [w.message for w in found if "never used" in w.message]
    assert unused == [f"Variable {name} is never used." for name in names]
    plain = compile_text(text, TableTarget()).warnings
    assert not any("never used" in w.message for w in plain)
