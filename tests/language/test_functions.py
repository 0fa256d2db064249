"""Functions of the script (``fn``), as BPF functions. bpftrace 0.27.1 parses them only."""

from __future__ import annotations

import os
from typing import Any

import pytest

from prybee.diagnostics import ScriptError
from tests.language.running import Loaded, compile_text

ADD = "fn add($a : int64, $b : int64) : int64 { return $a + $b; } "
FIND = (
    "fn find_it($n : int64) : int64 { for $i : 0..10 { if ($i * $i >= $n) { return $i; } } "
    "return -1; } "
)

EXITS = "fn f($a : int64) : int64 { if ($a == 2) { exit(); } return $a; } "

# Script → what its begin prints.
PRINTS: dict[str, list[Any]] = {
    ADD + "begin { print(add(1, 2)); print(add(add(1, 2), add(3, 4))) }": [3, 10],
    ADD + "fn twice($x : int64) : int64 { return add($x, $x); } begin { print(twice(4)) }": [8],
    FIND + "begin { print(find_it(17)); print(find_it(1000)) }": [5, -1],
    FIND + "begin { for $i : 1..3 { print(find_it($i * 4)) } }": [2, 3],
    # types
    "fn f($x : uint8) : uint8 { return $x + 1; } begin { print(f(300)); print(f(255)) }": [45, 0],
    "fn f($x : int32) : int32 { return $x; } begin { print(f((int64)-7)) }": [-7],
    "fn f($p : struct task_struct *) : int32 { return $p->pid > 0; } begin { print(f(curtask)) }": [
        1
    ],
    # names of one's own, and the probe's context
    ADD + "begin { @k[add(1, 2)] = add(3, 4); print(@k[3]); print((add(1, 1), 5).0) }": [7, 2],
    ADD + "begin { $a = 5; print(add($a, 1)); print($a) }": [6, 5],
    "fn f() : void { print(probetype); print(1) } begin { f(); print(2) }": ["special", 1, 2],
    "fn f($x : int64) : void { @m[$x] = $x; } begin { f(3); print(@m[3]) }": [3],
    # exit() ends the handler, from any depth and from inside of loops; its own record is the last
    EXITS + "begin { print(f(1)); print((f(2), 5)); print(9) }": [1, 0],
    EXITS + "begin { print((f(1), 5).1); if (pid > 0) { print(f(2)) } print(9) }": [5, 0],
    EXITS + "fn g($a : int64) : int64 { return f($a); } begin { for $i : 0..5 { print(g($i)) } "
    "print(9) }": [0, 1, 0],
    EXITS + "begin { @m[2] = 1; for $kv : @m { f($kv.0); print(8) } print(9) }": [0],
    # What another handler did does not count.
    EXITS + "begin { exit(7) } begin { print(f(1)); print(f(2)) }": [7, 1, 0],
}


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to load programs")
@pytest.mark.parametrize("script", PRINTS)
def test_values(script: str) -> None:
    with Loaded(compile_text(script).plan) as kernel:
        assert [values for _action, values in kernel.run()] == [[v] for v in PRINTS[script]]


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to load programs")
def test_each_handler_has_its_own() -> None:
    """``args`` in a function are those of the handler that calls it."""
    script = (
        "fn f() : int64 { return args.next_pid; } "
        "tracepoint:sched:sched_switch { @a[f()] = 1; } "
        "rawtracepoint:sched_switch { @b = f2(1); } fn f2($x : int64) : int64 { return $x + pid; }"
    )
    with Loaded(compile_text(script).plan) as kernel:
        assert len(kernel.programs) == 2


# Script → the first message.
ERRORS = {
    "fn f($a : int64) : int64 { return f($a); } begin { print(f(1)) }": "Functions cannot call "
    "themselves. Call chain: f > f",
    "fn f() : int64 { return g(); } fn g() : int64 { return f(); } begin { f() }": "Functions "
    "cannot call themselves. Call chain: f > g > f",
    "fn f() : int64 { return 1; } fn f() : int64 { return 2; } begin { }": "Redefinition of "
    "function: f",
    'fn f($a : string[4]) : int64 { return 1; } begin { print(f("a")) }': "Functions take numbers "
    "and pointers only, not string[4]",
    "fn f() : string[4] { return 1; } begin { print(f()) }": "Functions return numbers and "
    "pointers only, not string[4]",
    'fn f($a : int64) : int64 { return 1; } begin { print(f("a")) }': "f() expects int64 for $a, "
    "not string[2]",
    ADD + "begin { add(1) }": "add() requires 2 arguments (1 provided)",
    'fn f() : int64 { return "a"; } begin { print(f()) }': "The function returns int64, not "
    "string[2]",
    "fn f() : void { return 1; } begin { f() }": "The function returns void, not int8",
    "fn f($a : int8, $b : int8, $c : int8, $d : int8, $e : int8) : void { } "
    "begin { f(1, 2, 3, 4, 5) }": "Functions take up to 4 arguments",
    "fn f() : int64 { return $x; } begin { $x = 1; print(f()) }": "Undefined or undeclared "
    "variable: $x",
    "fn f() : nope { } begin { f() }": 'Cannot resolve unknown type "nope"',
}


@pytest.mark.parametrize("script", ERRORS)
def test_errors(script: str) -> None:
    with pytest.raises(ScriptError) as failure:
        compile_text(script)
    assert failure.value.diagnostics[0].message == ERRORS[script]
