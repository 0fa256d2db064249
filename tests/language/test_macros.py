"""Macros: which one is meant, what becomes of it, and what is said where it is wrong.

Expectations are those of bpftrace 0.27.1, but that a call which fits none of a script's macros may
still mean a function of the language.
"""

from __future__ import annotations

import os

import pytest

from prybee.diagnostics import ScriptError
from tests.conftest import need
from tests.language.running import Loaded, compile_text

# Script → what its begin prints.
PRINTS = {
    "macro inc($x) { $x += 1; $x } begin { $a = 1; $b = inc($a); print(($a, $b)) }": (2, 2),
    "macro set(@x) { @x[1] = 2; } begin { @a[1] = 1; set(@a); print(@a[1]) }": 2,
    "macro one { 1 } begin { print(1) }": None,
    "macro one() { $x = 1; $x } begin { print(one + one()) }": 2,
    "macro two(x) { x + x } macro four(y) { two(y) + two(y) } begin { print(four(3)) }": 12,
    "macro add(x) { x + 1 } begin { print(add(add(add(1)))) }": 4,
    "macro add() { 2 } macro same(add) { add } begin { print(same(1)) }": 1,
    # kinds of arguments choose
    "macro f($x) { $x } macro f(y) { y + 1 } begin { $a = 1; print((f($a), f(1))) }": (1, 2),
    "macro f(y) { y + 1 } macro f($x) { $x } begin { $a = 1; print((f($a), f(1))) }": (1, 2),
    "macro f(x) { x } macro f(x, y) { x + y } begin { print((f(1), f(1, 2))) }": (1, 3),
    # names of one's own
    "macro inc(x) { $y = x + 1; $y } begin { $y = 2; $z = inc(5); print(($y, $z)) }": (2, 6),
    "macro inc(x) { let $y = x + 1; $y } begin { $y = 2; print(inc($y)) }": 3,
    "macro f(x) { $y = x + 1; $y + x } begin { $y = 2; print(f({ $y += 1; $y })) }": 8,
    "macro f(x) { let $s = x; $s + 1 } begin { print(f(f(f(1)))) }": 4,
    # types
    "macro size(t) { sizeof(t) } begin { print(size(typeof(uint32))) }": 4,
    "macro size(t) { sizeof(t[3]) + sizeof(t*) } begin { print(size(typeof(uint32))) }": 20,
    "macro to(t, x) { (t)x } begin { print(to(typeof(uint8), 257)) }": 1,
    "macro a(t) { sizeof(t) + 2 } macro b(z) { a(typeof(z)) } begin { print(b((1, 2))) }": 4,
    "macro f(x) { let $y: typeof(x) = x; $y } begin { print(f((uint16)7)) }": 7,
    "macro f(t) { let $y: t = 7; sizeof($y) } begin { print(f(typeof(uint16))) }": 2,
    # over the language's own
    'macro cpu() { "hi" } begin { print(cpu) }': "hi",
    'macro strlen(x, y) { 7 } begin { print((strlen("abc"), strlen(1, 2))) }': (3, 7),
    'macro fail(x) { x } begin { static_assert(1 == 1, "x"); print(fail(3)) }': 3,
    "begin { print(is_err((int64)-5)); }": True,
    "begin { print(is_err((int64)5)); }": False,
    # loops, and values that nobody wants
    "macro sum(@a) { let $x = 1; for ($kv : @a) { $x += $kv.1 } $x } "
    "begin { @x[1] = 5; @x[2] = 10; print(sum(@x)) }": 16,
    "macro twice(x) { x; x; } begin { $n = 0; twice({ $n += 1; $n }); print($n) }": 2,
}
del PRINTS["macro one { 1 } begin { print(1) }"]  # Parentheses are needed: see ERRORS.


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to load programs")
@pytest.mark.parametrize("script", PRINTS)
def test_values(script: str) -> None:
    if "for ($kv" in script:
        need("helper:for_each_map_elem")  # A macro's value is an expression: nobody walks there.
    with Loaded(compile_text(script).plan) as kernel:
        assert [values for _action, values in kernel.run()] == [[PRINTS[script]]]


# Script → what is said, with the places where macros were used.
ERRORS = {
    "macro f(x) { f(x) } begin { f(1) }": (
        "stdin:1:14-18: ERROR: Recursive macro call detected. Call chain: f > f",
        "stdin:1:29-33: ERROR: expanded from",
    ),
    "macro f(x) { g(x) } macro g(x) { f(x) } begin { f(1) }": (
        "stdin:1:34-38: ERROR: Recursive macro call detected. Call chain: f > g > f",
        "stdin:1:14-18: ERROR: expanded from",
        "stdin:1:49-53: ERROR: expanded from",
    ),
    "macro f(x) { x } macro f(y) { y } begin { f(1) }": (
        "stdin:1:18-25: ERROR: Redefinition of macro: f",
        "stdin:1:1-8: ERROR: This is the original definition.",
    ),
    "macro f(x, y) { x } begin { f(1) }": (
        "stdin:1:29-33: ERROR: Call to f() has arguments that do not match any definition.",
        (
            "stdin:1:1-8: ERROR: The closest definition of f() has a different number of "
            "arguments. Expected: 2 but got 1"
        ),
    ),
    "macro f(@x) { @x } begin { $a = 1; f($a) }": (
        "stdin:1:36-41: ERROR: Call to f() has arguments that do not match any definition.",
        "stdin:1:38-40: ERROR: Mismatched arg. f() expects a map for arg @x but got a variable.",
        "stdin:1:9-11: ERROR: This is the argument in the closest definition.",
    ),
    "macro f() { @x = 1 } begin { f() }": (
        (
            "stdin:1:13-15: ERROR: Unhygienic access to map: @x. Maps must be passed into the "
            "macro as arguments."
        ),
        "stdin:1:30-33: ERROR: expanded from",
    ),
    "macro f(x) { if x { return 1; } 2 } begin { print(f(1)) }": (
        "stdin:1:21-29: ERROR: 'return' statement is not allowed in a macro",
        "stdin:1:51-55: ERROR: expanded from",
    ),
    'macro set($x) { $x = "a"; } macro two($y) { set($y) } begin { $a = 1; two($a) }': (
        (
            "stdin:1:17-25: ERROR: Type mismatch for $a: trying to assign value of type "
            "'string[2]' when variable already has a type 'int8'"
        ),
        "stdin:1:45-52: ERROR: expanded from",
        "stdin:1:71-78: ERROR: expanded from",
    ),
    'macro f(x) { $y = x; $y = "a"; } begin { f(1) }': (
        (
            "stdin:1:22-30: ERROR: Type mismatch for $y: trying to assign value of type "
            "'string[2]' when variable already has a type 'int8'"
        ),
        "stdin:1:42-46: ERROR: expanded from",
    ),
    "macro f(x) { print(x) } begin { f(typeof(uint8)) }": (
        (
            "stdin:1:35-48: ERROR: When used as a call argument, `typeof` builtin only valid for "
            "macro calls that are expecting a type parameter"
        ),
    ),
    "macro one { 1 } begin { print(1) }": ("stdin:1:11-12: ERROR: syntax: expected '('",),
    'begin { static_assert(1 == 2, "no way") }': (
        "stdlib/base.bt:14:5-18: ERROR: no way",
        "stdin:1:9-40: ERROR: expanded from",
    ),
    "begin { asert(1, 2) }": ("stdin:1:9-20: ERROR: Unknown function: 'asert'",),
}


@pytest.mark.parametrize("script", ERRORS)
def test_errors(script: str) -> None:
    with pytest.raises(ScriptError) as failure:
        compile_text(script)
    lines = str(failure.value).splitlines()
    assert tuple(line for line in lines if "ERROR:" in line) == ERRORS[script]


def test_macros_that_double() -> None:
    """A chain of macros that each use their argument twice ends in a message, not in memory."""
    macros = "".join(f"macro m{i}(x) {{ m{i + 1}(x) + m{i + 1}(x) }} " for i in range(30))
    with pytest.raises(ScriptError, match="larger than"):
        compile_text(macros + "macro m30(x) { x } begin { print(m0(pid)) }")


def test_warnings_name_what_is_written() -> None:
    warnings = compile_text("macro f(x) { let $z; x } begin { print(f(1)) }").warnings
    assert [w.message for w in warnings] == ["Variable $z was never assigned to."]
