"""What expressions and statements compute, in the running kernel.

Values are those of bpftrace 0.27.1, but for three deviations, which are C's rules here:
division and remainder of signed numbers are signed, a signed number shifts right with its sign,
and the negation or complement of a narrow signed number stays signed.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.conftest import need
from tests.language.running import Loaded, compile_text

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to load programs"),
]

# Of constants: most of these are folded, the rest is computed by the kernel.
EXPRESSIONS: dict[str, Any] = {
    "1 + 2": 3,
    "1 - 2": -1,
    "5 / 2": 2,
    "5 % 3": 2,
    "-5 / 2": -2,
    "-5 % 3": -2,
    "1 << 4": 16,
    "1 << 31": 2147483648,
    "1 << 63": 9223372036854775808,
    "-1 >> 1": -1,
    "(uint64)-1 >> 1": 9223372036854775807,
    "255 & 15": 15,
    "1 | 6": 7,
    "5 ^ 1": 4,
    "~0": 18446744073709551615,
    "~5": 18446744073709551610,
    "!0": True,
    "!5": False,
    "-(-5)": 5,
    "1 == 1": True,
    "1 != 1": False,
    "1 < 2": True,
    "-1 < 1": True,
    "(uint64)-1 < 1": False,
    "(int8)200": -56,
    "(uint8)300": 44,
    "(int16)70000": 4464,
    "(uint16)70000": 4464,
    "(int32)4294967295": -1,
    "(uint32)-1": 4294967295,
    "(int64)18446744073709551615": -1,
    "(uint64)-1": 18446744073709551615,
    "18446744073709551615": 18446744073709551615,
    "9223372036854775807": 9223372036854775807,
    "9223372036854775807 + 1": 9223372036854775808,
    "(uint8)255 + (uint8)1": 256,
    "(int8)127 + 1": 128,
    "(uint8)5 - (uint8)10": -5,
    "(uint32)5 - 10": -5,
    "1 && 0": False,
    "1 || 0": True,
    "0 && 1": False,
    "!!5": True,
    "1 ? 2 : 3": 2,
    "0 ? 2 : 3": 3,
    "5 ?: 7": 5,
    "0 ?: 7": 7,
    '"abc" == "abc"': True,
    '"abc" == "abd"': False,
    '"abc" != "abd"': True,
    '"abc"': "abc",
    '""': "",
    "(1, 2)": (1, 2),
    '(1, "abc", (2, 3))': (1, "abc", (2, 3)),
    "(1,)": (1,),
    "(1, 2).0": 1,
    "((1, 2), 3).0.1": 2,
    '(a=1, b="x")': {"a": 1, "b": "x"},
    '(a=1, b="x").b': "x",
    "sizeof(int8)": 1,
    "sizeof(uint64)": 8,
    "sizeof(struct task_struct) > 100": True,
    "sizeof((uint32)5)": 4,
    'sizeof("abc")': 4,
    "sizeof(string[64])": 64,
    "sizeof(int32[4])": 16,
    "sizeof(int32*)": 8,
    "offsetof(struct task_struct, comm) > 0": True,
    "true": True,
    "false": False,
    "(bool)5": True,
    "(bool)0": False,
    "(uint8)true": 1,
    "true == false": False,
    "1s": 1000000000,
    "5ms": 5000000,
    "1us": 1000,
    "10ns": 10,
    "2m": 120000000000,
    "1h": 3600000000000,
    "1d": 86400000000000,
    "1e6": 1000000,
    "0x1F": 31,
    "017": 15,
    "1_000_000": 1000000,
    "10u": 10,
    "10ull": 10,
    "(int8[4])(uint32)67305985": [1, 2, 3, 4],
    "((int8[4])(uint32)67305985)[1]": 2,
    "(uint32)((int8[4])(uint32)67305985)": 67305985,
    "(int32)5 == (uint64)5": True,
    "-1 == (uint64)18446744073709551615": True,
    "10 / 3 * 3": 9,
    "2 + 3 * 4 - 1": 13,
    "1 | 2 ^ 3 & 4": 3,
    "1 + (2 << 3) > 4 && 5 < 6": True,
    "if (1) { 2 } else { 3 }": 2,
    "{ let $a = 5; $a + 1 }": 6,
    'if (0) { "a" } else { "bcd" }': "bcd",
    "-2147483648": -2147483648,
    "-9223372036854775808": -9223372036854775808,
    "(int8)-1 == 255": False,
    "(uint8)-1 == 255": True,
    "((uint32)1 << 31) << 1": 4294967296,
    "(uint8)1 << 9": 512,
    "(int32)-8 >> 1": -4,
    "(uint32)(-8) >> 1": 2147483644,
    "5 - 10": -5,
    "5u - 10u": -5,
    "3 * -4": -12,
    "(uint64)3 * 4": 12,
    "7 / (uint64)2": 3,
    "(uint64)7 % 4": 3,
    "7 & -1": 7,
    "(uint8)7 ^ (int8)-1": -8,
    "~(uint8)1": 254,
    "-(uint8)1": 255,
    "-(int8)1": -1,
    "!(1 == 2)": True,
    "(1 == 1) + 1": 2,
    "true ? 1 : 2": 1,
    '"a" == "a" ? "yes" : "no"': "yes",
    "(1, 2) == (1, 2)": True,
    "(1, 2) == (1, 3)": False,
    '(1, "a") != (1, "b")': True,
    "(a=1, b=2) == (a=1, b=2)": True,
    "(a=1, b=2) == (b=2, a=1)": True,
    '(1, (2, "x")) == (1, (2, "x"))': True,
    "(uint64)0 - 1": -1,
    "0 - (uint64)1": -1,
    "(int64)-5 / (uint64)2": -2,
    "1 - true": 0,
    "(int16)-1": -1,
    "(uint64)(int8)-1": 18446744073709551615,
    "(uint64)(uint8)-1": 255,
    "(int32)(uint8)200": 200,
    "(int8)(uint8)200": -56,
    "(1 + 1, 2 * 3)": (2, 6),
    "(true, false)": (True, False),
    "sizeof((1, 2))": 2,
    'sizeof((1, "abc"))': 8,
    "sizeof((uint8)1)": 1,
    "sizeof(1)": 1,
    "sizeof(1000)": 2,
    "sizeof(true)": 1,
    "comptime (1 + 2)": 3,
    'strlen("abc")': 3,
    "(void*)0": 0,
    "(int8*)5": 5,
    "(int32*)16 + 1": 20,
    "(int32*)16 - 1": 12,
    "(int32*)16 - (int32*)8": 2,
    "(int64*)0 == 0": True,
    "(struct task_struct *)0 == 0": True,
    "1 == true": True,
    "0x7fffffffffffffff * 2": 18446744073709551614,
    "-1 * -1": 1,
    "(int8)-128 / -1": 128,
    "-9223372036854775808 / -1": 9223372036854775808,
    "100 / 7 % 3": 2,
    "1 > 0 == 1": True,
    "5 > 3 > 1": False,
}


def printed(text: str, **options: Any) -> list[Any]:
    """What the ``begin`` of a script prints."""
    with Loaded(compile_text(text, **options).plan) as loaded:
        values = [value for action, fields in loaded.run() if action != "exit" for value in fields]
        assert loaded.counters() == {}
        return values


def test_expressions() -> None:
    # All in one script: loading takes longer than running.
    names = list(EXPRESSIONS)
    for start in range(0, len(names), 40):
        part = names[start : start + 40]
        found = printed("begin { " + " ".join(f"print({text});" for text in part) + " }")
        assert dict(zip(part, found, strict=True)) == {text: EXPRESSIONS[text] for text in part}


# Statements of a begin probe → what they print.
STATEMENTS: dict[str, list[Any]] = {
    # integers
    "$x = -5; print($x / 2); print($x % 2); print($x >> 1); print($x << 1)": [-2, -1, -3, -10],
    "$x = (uint64)5; $y = (uint64)3; print($y - $x); print($x / $y); print($x % $y)": [-2, 1, 2],
    "$x = (int64)5; $y = (uint64)3; print($y + $x); print($x & $y); print($x < $y)": [8, 1, False],
    "$x = (int32)-5; $y = (uint32)3; print($x + $y); print($x < $y); print($x * $y)": [
        -2, True, -15,
    ],
    "$x = 1; $x = 1000; print($x); $x = 100000; print($x); $x = -5; print($x)": [
        1000, 100000, -5,
    ],
    "$x = (uint64)1; $x = -5; print($x)": [-5],
    "$x = 5; $x += 3; print($x); $x -= 10; print($x); $x *= 2; print($x); $x /= 2; print($x)": [
        8, -2, -4, -2,
    ],
    "$x = 6; $x %= 4; print($x); $x <<= 3; print($x); $x |= 7; print($x); $x &= 6; print($x)": [
        2, 16, 23, 6,
    ],
    "$x = 6; $x ^= 1; print($x); $x >>= 1; print($x)": [7, 3],
    "$x = 5; print($x++); print($x); print(++$x); print($x--); print(--$x)": [5, 6, 7, 7, 5],
    "$x = (uint8)250; $x += 10; print($x)": [260],
    "let $x : uint8 = 250; $x += 10; print($x); $x++; print($x)": [4, 5],
    "$y = (int8)-3; print(~$y); print(-$y); $z = (uint16)1; print(~$z); print(-$z)": [
        2, 3, 65534, 65535,
    ],
    "$x = (uint32)4000000000; $y = (uint32)1000000000; print($x + $y); print($x * 4)": [
        5000000000, 16000000000,
    ],
    "$x = 5; $x = (int64)$x << 40; print($x); print($x >> 40)": [5 << 40, 5],
    "$b = 5 > 3; print($b); $c = $b == true; print($c); print($b && $c); print(!$b)": [
        True, True, True, False,
    ],
    # strings
    '$x = "abc"; $x = "abcdef"; print($x); print(sizeof($x))': ["abcdef", 7],
    '$x = "abcdef"; $x = "ab"; print($x); print($x == "ab"); print($x == "abc")': [
        "ab", True, False,
    ],
    '$s = "hello"; print($s[0]); print($s[1] == 101)': [104, True],
    '$x = pid; $y = $x == 0 ? "three" : "other"; print($y)': ["other"],
    'print(pid ? "abc" : "d"); $z = pid == 0 ? (1, "a") : (2, "bcd"); print($z)': [
        "abc", (2, "bcd"),
    ],
    "$x = comm; print($x == comm); @c[comm] = 5; print(@c[$x])": [True, 5],
    # maps
    "@x = 5; @x += 3; @x -= 10; @x *= 2; @x++; print(@x++); print(++@x); print(@x--)": [-3, -1, -1],
    "@y[1] = 5; @y[1] += 3; print(@y[1]); @y[2]++; print(@y[2]); print(++@y[3]); print(@y[7])": [
        8, 1, 1, 0,
    ],
    '@m["abc"] = 1; @m["abcdef"] = 2; print(@m["abc"]); print(@m["abcdef"]); print(@m["ab"])': [
        1, 2, 0,
    ],
    '@m[1, "a"] = "x"; @m[2, "bcd"] = "yz"; print(@m[1, "a"]); print(@m[2, "bcd"])': ["x", "yz"],
    '@m[1, "a"] = "x"; print(@m[3, "q"])': [""],
    "@m[(1, 2), 3] = 4; print(@m[(1, 2), 3]); $k = (1, 2); print(@m[$k, 3])": [4, 4],
    "@x[(uint8)5] = 1; @x[500] = 2; print(@x[5]); print(@x[500])": [1, 2],
    '@s = "abc"; @s = "abcdef"; @s = "x"; print(@s == "x"); $s = @s; print($s)': [True, "x"],
    "@y[1] = false; print(@y[1]); @y[1] = true; print(@y[1]); if (@y[1]) { print(3) }": [
        False, True, 3,
    ],
    "$x = (comm, pid); @c[$x] = 5; print(@c[comm, pid]); print(@c[$x])": [5, 5],
    "@x[1] = 5; delete(@x[1]); print(@x[1]); print(delete(@x, 1))": [0, False],
    # aggregations as numbers
    "@c = count(); @c = count(); print((uint64)@c); print(@c > 1)": [2, True],
    "@s = sum(5); @s = sum(7); print((int64)@s); $x = @s + 1; print($x)": [12, 13],
    "@m = min(5); @m = min(3); @m = min(9); print((int64)@m); @n = max(5); print((int64)@n)": [
        3, 5,
    ],
    "@a = avg(5); @a = avg(8); print((int64)@a)": [6],
    "@k[1] = count(); @k[1] = count(); print((uint64)@k[1]); if (@k[1] == 2) { print(7) }": [2, 7],
    '@k["x"] = sum(-5); @k["x"] = sum(2); print((int64)@k["x"])': [-3],
    "@k[1] = min(-5); @k[1] = min(2); print((int64)@k[1])": [-5],
    # tuples, records, arrays
    '$t = (1, "abc", 3); print($t.1); $t = (2, "abcdef", 70000); print($t); print($t[2])': [
        "abc", (2, "abcdef", 70000), 70000,
    ],
    '@t = (1, "abc"); print(@t.1); @t = (5, "xyzzy"); print(@t.1)': ["abc", "xyzzy"],
    '$r = (a=1, b="x"); print($r.b); $r = (b="long", a=500); print($r)': [
        "x", {"a": 500, "b": "long"},
    ],
    '@r["k"] = (a=1, b=2); print(@r["k"].b); print(@r["k"])': [2, {"a": 1, "b": 2}],
    "$x = (1, (2, 3)); print($x.1.0); @x[$x.1] = 5; print(@x[2, 3])": [2, 5],
    "$t = (1, 2); $t = ($t.1, $t.0); print($t)": [(2, 1)],
    "$a = (int32[2])(uint64)0x200000001; print($a); print($a[1]); $i = 1; print($a[$i])": [
        [1, 2], 2, 2,
    ],
    "@a[1] = (int8[4])(uint32)67305985; print(@a[1][3]); $b = @a[1]; print($b == @a[1])": [4, True],
    # pointers
    "$x = 5; $p = &$x; print(*$p)": [5],
    "@x = 7; $p = &@x; print(*$p)": [7],
    "$t = curtask; print($t->pid == tid); print($t.comm == comm); print($t->parent->pid > 0)": [
        True, True, True,
    ],
    "$t = (struct task_struct *)curtask; @t = $t; print(@t->pid == tid); $f = $t->se; "
    "print($f.on_rq)": [True, 1],
    # control flow
    "if (0) { print(3) } else if (1) { print(4) } else { print(5) }": [4],
    "for ($i : 0..3) { print($i) }": [0, 1, 2],
    "for ($i : 5..3) { print($i) } print(7)": [7],
    "for ($i : -2..2) { print($i) }": [-2, -1, 0, 1],
    "$n = 3; for ($i : 0..$n) { $n = 10; print($i) } print($n)": [0, 1, 2, 10],
    "for ($i : 0..10) { if ($i == 2) { continue } if ($i == 5) { break } print($i) }": [0, 1, 3, 4],
    "$s = 0; for ($i : 0..100) { $s += $i } print($s)": [4950],
    "for ($i : 0..2) { for ($j : 0..2) { print(($i, $j)) } }": [(0, 0), (0, 1), (1, 0), (1, 1)],
    "for ($i : 0..3) { if ($i == 1) { return } print($i) } print(9)": [0],
    '$s = "abc"; $n = 0; for ($i : 0..9) { if ($s == "abc") { $s = "xy"; $n++ } } '
    "print(($s, $n))": [
        ("xy", 1),
    ],
    "@m[1] = 2; @m[3] = 4; $s = 0; for ($kv : @m) { $s += $kv.0 * 10 + $kv.1; } print($s)": [46],
    '@m[1, "x"] = 5; for ($kv : @m) { print($kv.0.1); print($kv.0); print($kv) }': [
        "x", (1, "x"), ((1, "x"), 5),
    ],
    "@m[1] = count(); for ($kv : @m) { print($kv.1) }": [1],
    "@m[1] = 5; for ($kv : @m) { @n[$kv.0] = $kv.1; $kv2 = $kv; print($kv2.1) } print(@n[1])": [
        5, 5,
    ],
    "$i = 0; while ($i < 5) { print($i); $i++; if ($i == 3) { break } }": [0, 1, 2],
    "$i = 0; while (1) { $i++; if ($i < 3) { continue } break; } print($i)": [3],
    "$i = 0; unroll(5) { $i++; if ($i == 2) { continue } if ($i == 4) { break } print($i) }": [
        1, 3,
    ],
    "print(1); return; print(2)": [1],
    "$x = 1; { $x = 2; let $y = 3; } print($x)": [2],
    "$f = if (pid) { 10 } else { 20 }; print($f); $g = { let $a = 1; $a + 2 }; print($g)": [10, 3],
    "let $a: int32; print($a); $a = -5; print($a)": [0, -5],
    'let $s : string[16]; $s = "hello"; print($s)': ["hello"],
    "for ($i : 0..2) { let $a : int32; print($a); $a = 5 }": [0, 0],
}  # fmt: skip


@pytest.mark.parametrize("statements", STATEMENTS)
def test_statements(statements: str) -> None:
    if "@k[1] = min(" in statements:
        need("helper:map_lookup_percpu_elem")  # What is said without: live/test_older_ways.py.
    assert printed(f"begin {{ {statements} }}") == STATEMENTS[statements]


def test_names_from_elsewhere() -> None:
    text = """
#define FIVE 5
#define TEXT "abc"
#define SUM (FIVE + pid * 0)
enum color { RED, GREEN = 5, BLUE };
struct point { int x; char name[4]; int bits : 3; };
macro add(a, b) { a + b }
macro inc($x) { $x += 1; $x }
macro set(@m, v) { @m[1] = v }
macro five() { let $z = 5; $z }
begin {
  $z = 1; $y = 5;
  print(FIVE); print(TEXT); print(SUM); print(BLUE); print((int64)GREEN);
  print(sizeof(struct point)); print(offsetof(struct point, name));
  print(add($y, 3)); print(inc($y)); print($y); set(@q, 7); print(@q[1]); print(five); print($z);
  print($1); print(str($2)); print($#); print(str($2 + 1));
}"""
    assert printed(text, positional=("42", "hello")) == [
        5, "abc", 5, 6, 5, 12, 4, 8, 6, 6, 7, 5, 1, 42, "hello", 2, "ello",
    ]  # fmt: skip


def test_what_goes_wrong_is_counted() -> None:
    text = """begin {
  $a = 0; print(5 / $a); print(5 % $a);
  $b = (int8[4])(uint32)1; $i = pid; print($b[$i]);
  print(*(int32 *)0);
}"""
    with Loaded(compile_text(text).plan) as loaded:
        values = [value for _action, fields in loaded.run() for value in fields]
        assert values == [1, 1, 0, 0]
        assert loaded.counters() == {
            ("division", "/"): 1,
            ("division", "%"): 1,
            ("bounds", "4"): 1,
            ("read", "probe_read_kernel"): 1,
        }


def test_maps_hold_what_was_stored() -> None:
    text = """begin {
  @a[1, "x"] = (2, "y"); @n = -7; @h = hist(5); @h = hist(1000); @l = lhist(25, 0, 100, 10);
  @k["q"] = hist(3); @s = stats(4); @s = stats(6); @b = true; @t["abc"] = comm;
}"""
    with Loaded(compile_text(text).plan) as loaded:
        loaded.run()
        assert loaded.script_map("@a") == {(1, "x"): (2, "y")}
        assert loaded.script_map("@n") == -7
        assert sum(loaded.script_map("@h").values()) == 2
        assert loaded.script_map("@l") == {3: 1}
        assert list(loaded.script_map("@k").values()) == [1]
        assert loaded.script_map("@s") == (2, 10)
        assert loaded.script_map("@b") is True
        with open("/proc/self/comm") as file:
            assert loaded.script_map("@t") == {"abc": file.read().strip()}


def test_full_maps_are_counted() -> None:
    text = "config = { max_map_keys = 2 } begin { for ($i : 0..5) { @x[$i] = 1 } }"
    with Loaded(compile_text(text).plan) as loaded:
        loaded.run()
        assert loaded.counters() == {("map_full", "@x"): 3}
        assert len(loaded.script_map("@x")) == 2


@pytest.mark.parametrize(
    "text",
    [
        "tracepoint:syscalls:sys_enter_* { @[comm, probe] = count(); }",
        "tracepoint:sched:sched_switch { @[args.prev_comm, args.next_pid] = count(); }",
        "tracepoint:sched:sched_process_exec { @[str(args.filename)] = args.pid; }",
        "rawtracepoint:sched_switch { @[args.prev.comm] = count(); $t = args.next; @x = $t->pid; }",
        "rawtracepoint:sys_enter { @ = arg1; }",
        "profile:hz:99 { @[kstack, ustack(3), comm] = count(); }",
        "interval:s:1 { print(@); clear(@); @ = count(); }",
        "software:page-faults:100 { @[comm, tid] = count(); }",
        "uprobe:libc:malloc { @ = hist(arg0); } uretprobe:libc:malloc { @r = count(); }",
        'iter:task { printf("%s %d\\n", ctx.task.comm, ctx.task.pid); }',
        't:syscalls:sys_enter_read / args.fd < 3 || comm == "x" / { @[args.fd] = sum(args.count) }',
    ],
)
def test_the_verifier_takes(text: str) -> None:
    with Loaded(compile_text(text).plan) as loaded:
        assert loaded.programs


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ("char a[3];", 4),
        ("int a; int b;", 12),
        ("int a; char b;", 12),
        ("long a; char b;", 24),
        ("short a; short b;", 6),
        ("struct { int a; int b; } c;", 12),
    ],
)
def test_structs_in_tuples(fields: str, size: int) -> None:
    """They are aligned as C aligns them (bpftrace 0.27.1 by 8, later ones like this)."""
    script = f"struct S {{ {fields} }} begin {{ @x = sizeof(((uint8)1, *(struct S*)0)); }}"
    with Loaded(compile_text(script).plan) as loaded:
        loaded.run()
        assert loaded.script_map("@x") == size
