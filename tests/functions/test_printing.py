"""printf and its kin: what is said of misuse, and what records carry."""

from __future__ import annotations

import pytest

from tests.functions.scripts import complaints, loads
from tests.language.running import Loaded, compile_text

ERRORS = {
    'printf("%d")': "not enough arguments for format string (0 supplied, 1 expected)",
    'printf("%d\\n", 1, 2)': "too many arguments for format string (2 supplied, 1 expected)",
    'printf("%d", "x")': "unsupported format specifier for type 'string[2]': d",
    'printf("%s %d\\n", 1, (1,2))': "unsupported format specifier for type '(int8,int8)': d",
    'printf("%r", 1)': "unsupported format specifier for type 'int8': r",
    'printf("%f", 1)': "unsupported format specifier: f",
    'printf("%n", 1)': "unsupported format specifier: n",
    'printf("%y", 1)': "too many arguments for format string (1 supplied, 0 expected)",
    'printf("%-5-d", 1)': "too many arguments for format string (1 supplied, 0 expected)",
    'printf("%#+d", 1)': "too many arguments for format string (1 supplied, 0 expected)",
    'printf("%c", "x")': "unsupported format specifier for type 'string[2]': c",
    'printf("%p", "x")': "unsupported format specifier for type 'string[2]': p",
    "printf(5)": "printf() expects a string literal (int provided)",
    "printf()": "printf() requires at least one argument (0 provided)",
    '$s = "%d"; printf($s, 1)': "printf() expects a string literal (string provided)",
    'printf("%d", ())': "unable to print none type for specifier: d",
    '@ = hist(1); printf("%d", @)': "unsupported format specifier for type 'hist_t': d",
    'errorf("%d")': "not enough arguments for format string (0 supplied, 1 expected)",
    'cat("%d")': "not enough arguments for format string (0 supplied, 1 expected)",
    'cat("%d", "x")': "unsupported format specifier for type 'string[2]': d",
    "cat()": "cat() requires at least one argument (0 provided)",
    'system("%s%d", "x")': "not enough arguments for format string (1 supplied, 2 expected)",
    'debugf("%c", 1)': "Invalid format specifier for `debugf`: c",
    'debugf("%d %d %d %d", 1, 2, 3, 4)': "cannot use more than 3 conversion specifiers",
    "time(5)": "time() expects a string literal (int provided)",
    'time("%H", 1)': "time() takes up to one argument (2 provided)",
    'join("a")': "join() only supports int or pointer arguments (string provided)",
    "join(curtask, 5)": "join() expects a string literal (int provided)",
    'exit("a")': "exit() only supports int arguments (string provided)",
    "exit(1, 2)": "exit() takes up to one argument (2 provided)",
    'fail("no %s", "x")': "no x",
    'fail("no %d of %x", 4, 255)': "no 4 of ff",
    "print()": "print() requires at least one argument (0 provided)",
    "print(1, 2)": "Non-map print() only takes 1 argument, 2 found",
    "@x[1] = 1; print(@x[1], 1)": "Non-map print() only takes 1 argument, 2 found",
    "$z = 1; @x[1] = 1; print(@x, $z)": "print() expects a int literal (int provided)",
    "@x[1] = 1; print(@x, 1, 2, 3)": "print() takes up to 3 arguments (4 provided)",
    "print(())": "none type passed to print() is not printable",
    "print(@nope)": "Undefined map: @nope",
    "@[1] = hist(1); print(@[1])": "Map type hist_t cannot print the value of individual keys. "
    "You must print the whole map.",
}


@pytest.mark.parametrize(("statement", "message"), ERRORS.items())
def test_misuse(statement: str, message: str) -> None:
    assert message in complaints(f"begin {{ {statement}; }}")


def test_most_arguments() -> None:
    many = ", ".join(["1"] * 127)
    assert complaints(f'begin {{ printf("{"%d" * 127}", {many}); }}') == []
    assert complaints(f'begin {{ printf("{"%d" * 128}", {many}, 1); }}') == [
        "cannot use more than 127 conversion specifiers"
    ]


def test_system_is_unsafe() -> None:
    (message,) = complaints('begin { system("true"); }', unsafe=False)
    assert message == "system() is an unsafe function being used in safe mode"


def test_fail_in_a_pruned_branch() -> None:
    assert complaints('begin { if comptime (false) { fail("no"); } }') == []


def test_code_behind_exit_is_unreachable() -> None:
    compilation = compile_text('begin { exit(); printf("x"); }')
    assert [w.message for w in compilation.warnings] == ["Unreachable statement."]


@pytest.mark.live
class TestRecords:
    """What arrives in the ring buffer."""

    @staticmethod
    def run(body: str, **options: object) -> list[tuple[str, list[object]]]:
        with Loaded(compile_text(f"begin {{ {body} }}", unsafe=True, **options).plan) as loaded:
            return loaded.run()

    def test_printf_carries_values_in_order(self) -> None:
        sent = self.run('printf("%d %s %ld", 7, "abc", -1); printf("no fields");')
        assert [action for action, _ in sent] == ["printf", "printf"]
        assert sent[0][1][0] == 7
        assert sent[0][1][1] in ("abc", b"abc")
        assert sent[0][1][2] == -1
        assert sent[1][1] == []

    def test_each_action_has_a_kind(self) -> None:
        body = (
            'printf("a"); errorf("b"); warnf("c"); print(1); time(); cat("/x"); '
            'system("true"); @m[1] = 1; print(@m); clear(@m); zero(@m); exit(3);'
        )
        actions = [action for action, _ in self.run(body)]
        assert actions == [
            "printf", "errorf", "warnf", "print_value", "time", "cat",
            "system", "print_map", "clear", "zero", "exit",
        ]  # fmt: skip

    def test_equal_kinds_are_one(self) -> None:
        plan = compile_text("begin { unroll(3) { print(1); } @x = 1; print(@x); print(@x); }").plan
        # The three rounds are one place; two prints of one map are two places.
        assert len(plan.records) == 3

    def test_exit_carries_its_code_and_ends_the_handler(self) -> None:
        sent = self.run('$n = 5; if ($n > 2) { exit(256 + 7); } printf("not reached");')
        assert sent == [("exit", [7])]

    def test_exit_inside_an_expression(self) -> None:
        assert self.run('nsecs > 0 ? exit(2) : 0; printf("no");') == [("exit", [2])]

    def test_exit_from_loops(self) -> None:
        sent = self.run("for ($i : 0..10) { print($i); if ($i == 1) { exit(4); } } print(99);")
        assert sent == [("print_value", [0]), ("print_value", [1]), ("exit", [4])]

    def test_exit_says_so_in_global_data_too(self) -> None:
        plan = compile_text("begin { exit(9); }").plan
        with Loaded(plan) as loaded:
            loaded.run()
            data = loaded.maps["globals"].lookup(bytes(4)) or b""
            at = plan.globals.exit
            assert int.from_bytes(data[at : at + 8], "little") == 10

    def test_print_of_an_entry_of_stats(self) -> None:
        sent = self.run("@s[5] = stats(3); print(@s[5]);")
        assert sent == [("print_entry", [5])]

    def test_join_reads_until_null(self) -> None:
        plan = compile_text('tracepoint:syscalls:sys_enter_execve { join(args.argv, ","); }').plan
        with Loaded(plan) as loaded:
            assert len(loaded.programs) == 1
        (record,) = plan.records
        assert record.detail == (",",)
        assert record.size > 16 * 1024

    def test_debugf_loads(self) -> None:
        assert loads('begin { debugf("a %d %s %lx", 1, comm, nsecs); }') == 1

    def test_whole_structs_go_into_a_record(self) -> None:
        assert loads("struct A { int x; long y; } begin { print(*(struct A *)curtask); }") == 1


FLOATS = "union N { int i; float f; } struct S { int m; union N n; double d; float a[2]; } "


def test_floating_point_numbers_are_no_values() -> None:
    """They have a size, and nothing can be done with them (prints: tests/live/scripts)."""
    before = FLOATS + "begin { $s = (struct S *)0; "
    assert complaints(before + "print($s.d) }") == ["none type passed to print() is not printable"]
    assert complaints(before + 'printf("%s", $s.n.f) }') == [
        "unable to print none type for specifier: s"
    ]
    assert complaints(before + "$x = $s.d + 1; }")[0] == (
        "Type mismatch for '+': comparing double with int8"
    )
    assert complaints(before + "$x = (int64)$s.n.f; }") == ['Cannot cast from "float" to "int64"']
