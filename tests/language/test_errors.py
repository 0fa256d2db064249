"""What is said of scripts that parse and are wrong: every rule of the language has its message.

Where bpftrace 0.27.1 has words for it, these are its words.
"""

from __future__ import annotations

import pytest

from prybee.btf import Btf, BtfBuilder
from prybee.diagnostics import ScriptError
from tests.fixtures.table_target import TableTarget
from tests.language.running import compile_text


def kernel_types() -> Btf:
    """A kernel with a few types."""
    b = BtfBuilder()
    number = b.int("int", 4, signed=True)
    char = b.int("char", 1, signed=True)
    b.struct("inner", 8, [("x", number, 0), ("y", number, 32)])
    inner = b.struct("nested", 8, [("x", number, 0)])
    name = b.array(char, 16)
    b.struct(
        "task_struct", 64, [("pid", number, 0), ("comm", name, 32), ("in", inner, 192)]
    )  # fmt: skip
    return Btf(b.build())


TARGET = TableTarget(btf=kernel_types())

MIXED = "Branches must return the same type or compatible types: have"
CAST = (
    "Expression of type: {} being cast to type: {}. This may cause unexpected results. Use an "
    "explicit cast to suppress this warning."
)

# Statements of a begin probe → the first message.
ERRORS = {
    # names
    "foo(1)": "Unknown function: 'foo'",
    "print(foo)": "Unknown identifier: 'foo'",
    "print($x)": "Undefined or undeclared variable: $x",
    "$x++": "Undefined or undeclared variable: $x",
    "$x += 1": "Undefined or undeclared variable: $x",
    "$x = &$y": "Undefined or undeclared variable: $y",
    "if 1 { $x = 1 } print($x)": "Undefined or undeclared variable: $x",
    "for ($i : 0..3) { } print($i)": "Undefined or undeclared variable: $i",
    "print(@x)": "Undefined map: @x",
    # variables
    '$x = 1; $x = "a"': "Type mismatch for $x: trying to assign value of type 'string[2]' when "
    "variable already has a type 'int8'",
    "$x = true; $x = 1": "Type mismatch for $x: trying to assign value of type 'int8' when "
    "variable already has a type 'bool'",
    "$x = (1, 2); $x = (1, 2, 3)": "Type mismatch for $x: trying to assign value of type "
    "'(int8,int8,int8)' when variable already has a type '(int8,int8)'",
    "let $x = 1; let $x = 2": "Variable $x was already declared. Variable shadowing is not "
    "allowed.",
    "let $x = 1; if 1 { let $x = 2 }": "Variable $x was already declared. Variable shadowing is "
    "not allowed.",
    "let $z : uint8 = 5; $z = 300": "Type mismatch for $z: trying to assign value of type 'int16' "
    "when variable already has a type 'uint8'",
    "let $z : uint8 = 5; $z = -1": "Type mismatch for $z: trying to assign value of type 'int8' "
    "when variable already has a type 'uint8'",
    'let $z : string[4] = "abcd"': "Type mismatch for $z: trying to assign value of type "
    "'string[5]' when variable already has a type 'string[4]'",
    'let $z : int32 = "abc"': "Type mismatch for $z: trying to assign value of type 'string[4]' "
    "when variable already has a type 'int32'",
    "$x = print(1)": "Value 'void' cannot be assigned to a scratch variable.",
    # maps
    '@x = 1; @x = "a"': "Type mismatch for @x: trying to assign value of type 'string[2]' when "
    "map already has a type 'int8'",
    "@x = count(); @x = 5": "Type mismatch for @x: trying to assign value of type 'int8' when map "
    "already has a type 'count_t'",
    "@x = count(); @x = sum(5)": "Type mismatch for @x: trying to assign value of type 'sum_t' "
    "when map already has a type 'count_t'",
    "@x = count(); @x++": "Type mismatch for @x: trying to assign value of type 'uint64' when map "
    "already has a type 'count_t'",
    '@x[1] = 1; @x["a"] = 2': "Argument mismatch for @x: trying to access with arguments: "
    "'string[2]' when map expects arguments: 'int8'",
    "@x[1] = 1; @x[1, 2] = 2": "Argument mismatch for @x: trying to access with arguments: "
    "'(int8,int8)' when map expects arguments: 'int8'",
    "@x = 1; @x[1] = 2": "@x used as a map with an explicit key (non-scalar map), previously used "
    "without an explicit key (scalar map)",
    "@x[1] = 1; @x = 2": "@x used as a map without an explicit key (scalar map), previously used "
    "with an explicit key (non-scalar map)",
    "$x = hist(1)": "hist() must be assigned directly to a map",
    "print(count())": "count() must be assigned directly to a map",
    "@x = (1, count())": "count() must be assigned directly to a map",
    "@x[count()] = 1": "count() must be assigned directly to a map",
    # loops
    "break": "'break' statement is not allowed in a probe",
    "if 1 { continue }": "'continue' statement is not allowed in a probe",
    'for ($i : "a"..2) { }': "Loop range requires an integer for the start value",
    'for ($i : 1.."b") { }': "Loop range requires an integer for the end value",
    "@x = 1; for ($kv : @x) { }": "@x has no explicit keys (scalar map), and cannot be used for "
    "iteration",
    "@x[1] = hist(1); for ($kv : @x) { }": "Loop expression does not support type: hist_t",
    "@x[1] = stats(1); for ($kv : @x) { }": "Loop expression does not support type: stats_t",
    "$i = 1; for ($i : 0..3) { }": "Loop declaration shadows existing variable: $i",
    "unroll(0) { }": "unroll minimum value is 1",
    "unroll(101) { }": "unroll maximum value is 100",
    "$x = 1; unroll($x) { }": "invalid unroll value",
    'return "a"': "Probe return values can only be integers. Found string[2]",
    # operators
    'if ("a" == comm) { } if (comm) { }': "Invalid condition: string",
    '$x = !"a"': "The ! operator can not be used on expressions of type 'string[2]'",
    '$x = -"a"': "The - operator can not be used on expressions of type 'string[2]'",
    '$x = 1 == "a"': "Type mismatch for '==': comparing int8 with string[2]",
    "$x = comm + comm": "The + operator can not be used on expressions of types 'string[16]' and "
    "'string[16]'",
    "$x = comm && 1": "The && operator can not be used on expressions of types 'string[16]' and "
    "'int8'",
    "$a = (int8[4])5; print($a < $a)": "The < operator cannot be used on arrays.",
    "$a = (int8[4])5; $b = (int8[8])5; print($a == $b)": "Only arrays of same size support "
    "comparison operators.",
    "$a = (int8[4])5; $b = (uint8[4])5; print($a == $b)": "Only arrays of same sized integer "
    "support comparison operators.",
    "$p = (int32 *)8; print($p * 2)": "The * operator can not be used on expressions of types "
    "int32 *, int8",
    '$x = pid ? 1 : "a"': f"{MIXED} 'int8' and 'string[2]'",
    "$x = 9223372036854775807 * 4": "unable to fold literals due to overflow or underflow",
    # access
    "$x = (1, 2); print($x.2)": "Invalid tuple index: 2. Found 2 elements in tuple.",
    "$x = (1, 2); print($x[2])": "Invalid tuple index: 2. Found 2 elements in tuple.",
    "$x = (1, 2); print($x.foo)": "Can not access field 'foo' on expression of type '(int8,int8)'",
    "$x = (a=1); print($x.foo)": "Record does not contain a field named 'foo'",
    "$x = 1; print($x.foo)": "Can not access field 'foo' on expression of type 'int8'",
    "$x = 1; print($x[0])": "The array index operator [] can only be used on arrays, pointers, "
    "and tuples, found int8.",
    "$a = (int8[2])(uint16)1; print($a[2])": "the index 2 is out of bounds for array of size 2",
    "$a = (int8[2])(uint16)1; print($a[-1])": "The array index operator [] only accepts "
    "non-negative integer indices. Got: int8",
    '$a = (int8[2])(uint16)1; print($a["x"])': "The array index operator [] only accepts "
    "non-negative integer indices. Got: string[2]",
    "$t = (struct task_struct *)0; print($t->foo)": "Struct/union of type 'struct task_struct' "
    "does not contain a field named 'foo'",
    "$t = (struct task_struct *)0; print($t->in.z)": "Struct/union of type 'struct nested' does "
    "not contain a field named 'z'",
    # types and casts
    "$t = (struct nope *)0": 'Cannot resolve unknown type "struct nope"',
    "$b = *(struct nope *)1; print($b.c)": 'Cannot resolve unknown type "struct nope"',
    "$t = (foo_t)1": 'Cannot resolve unknown type "foo_t"',
    "print(sizeof(struct nope))": 'Cannot resolve unknown type "struct nope"',
    '$b = (int32)"abc"': 'Cannot cast from "string[4]" to "int32"',
    "$a = (string[4])5": 'Cannot cast from "int8" to "string[4]"',
    "$a = (string[2])comm": 'Cannot cast from "string[16]" to "string[2]"',
    "$a = (int8[2])(uint32)1": 'Cannot cast from "uint32" to "int8[2]"',
    "$x = (struct task_struct)0": 'Cannot cast from "int8" to "struct task_struct"',
    "$x = offsetof(struct task_struct, nope)": "'struct task_struct' has no field named 'nope'",
    "$x = offsetof(int32, nope)": "'int32' is not a C type.",
    # compile time
    "$x = comptime pid": "Unable to resolve comptime expression",
    "if comptime (pid) { }": "Unable to resolve comptime expression",
    "$x = typeinfo(1)": "typeinfo feature is not enabled by default. To enable this unstable "
    "feature, set the config flag to enable. unstable_typeinfo=enable",
    # calls
    "print()": "print() requires at least one argument (0 provided)",
    "exit(1, 2)": "exit() takes up to one argument (2 provided)",
}


def complaint(text: str, **options: object) -> ScriptError:
    """The refusal of a script."""
    with pytest.raises(ScriptError) as failure:
        compile_text(text, TARGET, **options)
    return failure.value


@pytest.mark.parametrize("statements", ERRORS)
def test_errors(statements: str) -> None:
    failure = complaint(f"begin {{ {statements} }}")
    assert failure.diagnostics[0].message == ERRORS[statements]
    assert failure.diagnostics[0].span is not None


@pytest.mark.parametrize(
    ("statements", "hint"),
    [
        ("prinft(1)", "did you mean 'printf' or 'print'?"),
        ("print(com)", "did you mean 'comm' or 'pcomm'?"),
        ("$count = 1; print($coumt)", "did you mean '$count'?"),
        ("@start = 1; print(@strat)", "did you mean '@start'?"),
        ("$t = (struct task_struct *)0; print($t->comn)", "did you mean 'comm'?"),
        ("$t = (struct task_strukt *)0", "did you mean 'struct task_struct'?"),
        ("$t = (task_strukt *)0", "did you mean 'struct task_struct'?"),
        ("$t = (uint23)$1", "did you mean 'uint32' or 'uint8' or 'int32'?"),
        ("$x = (aa=1, bb=2); print($x.a)", "did you mean 'aa'?"),
        ("system(\"ls\")", "run with --unsafe to allow it"),
    ],
)  # fmt: skip
def test_hints(statements: str, hint: str) -> None:
    failure = complaint(f"begin {{ {statements} }}")
    assert hint in failure.diagnostics[0].hints


def test_notes_show_the_other_place() -> None:
    text = str(complaint("begin { let $x = 1; let $x = 2; }"))
    assert text == (
        "stdin:1:21-31: ERROR: Variable $x was already declared. Variable shadowing is not "
        "allowed.\n"
        "begin { let $x = 1; let $x = 2; }\n"
        "                    ~~~~~~~~~~\n"
        "stdin:1:13-15: ERROR: This is the initial declaration.\n"
        "begin { let $x = 1; let $x = 2; }\n"
        "            ~~"
    )


def test_all_mistakes_are_shown_in_order() -> None:
    failure = complaint("begin { print($b); @a = foo(1); @x = 1; @x[1] = 2 } end { break }")
    assert [d.message.split(":")[0] for d in failure.diagnostics] == [
        "Undefined or undeclared variable",
        "Unknown function",
        (
            "@x used as a map with an explicit key (non-scalar map), previously used without an "
            "explicit key (scalar map)"
        ),
        "'break' statement is not allowed in a probe",
    ]


WARNINGS = {
    "exit(); print(1)": "Unreachable statement.",
    "return; print(1)": "Unreachable statement.",
    "5": "Return value discarded.",
    "let $z": "Variable $z was never assigned to.",
    "let $z : int32; print($z); $z = 1": "Variable used before it was assigned: $z",
    "print((int8)1)": "Unnecessary cast: expression is already of type int8",
    "@x[1] = (uint64)1; @x[2] = (int64)2": CAST.format("uint64", "int64"),
    "let $z : uint8; $z = pid": CAST.format("uint32", "uint8"),
    "while (0) { }": "While loops are deprecated and may be removed in the future.",
    "$t = (task_struct *)0; print($t.pid)": "task_struct is an old form of struct task_struct",
    "$x = sizeof(nested)": "nested is an old form of struct nested",
    "$y = @x[1]": "Map @x is read but never assigned a value.",
    "print($1)": "Positional parameter $1 is empty or not provided.",
}


@pytest.mark.parametrize("statements", WARNINGS)
def test_warnings(statements: str) -> None:
    compilation = compile_text(f"begin {{ {statements} }}", TARGET)
    assert WARNINGS[statements] in [w.message for w in compilation.warnings]


@pytest.mark.parametrize(
    "statements",
    [
        "$x = pid; @x = count(); @y[comm] = sum(1); delete(@z, 1); @z[1] = 2; print(@z[1])",
        "@start[tid] = nsecs; $d = nsecs - @start[tid]; @h = hist($d / 1000)",
        "let $z : uint64 = 5; $z = (uint32)1; let $y : int32 = 300; $y = -5",
        "$x = @c > 5; @c = count(); print((uint64)@c)",
        "$x = 1; $x++; --$x; @m++",
        "if (@seen[pid]) { return } @seen[pid] = 1",
        '_ = strlen("a")',
    ],
)
def test_no_warnings(statements: str) -> None:
    compilation = compile_text(f"begin {{ {statements} }}", TARGET)
    assert [w.message for w in compilation.warnings] == []


@pytest.mark.parametrize("call", ["print(nothing())", "printf(nothing(), 1)", "str(nothing())"])
def test_nothing_as_an_argument(call: str) -> None:
    failure = complaint(f"macro nothing() {{ }} begin {{ $x = 1; {call}; }}")
    (diagnostic,) = failure.diagnostics
    assert diagnostic.message == "the block gives nothing: it cannot be used as a value"
    assert diagnostic.span is not None
    assert diagnostic.span.chain


def test_nothing_has_no_fields() -> None:
    failure = complaint("begin { $x = print(1).a > 2; }")
    assert failure.diagnostics[0].message == "print() gives nothing: it cannot be used as a value"


MACRO = "macro add($a, b) { $a + b } macro set(@m, v) { @m = v } macro one() { 1 } "


@pytest.mark.parametrize(
    ("statements", "notes"),
    [
        (
            "print(add(1, 2))",
            [
                "Mismatched arg. add() expects a variable for arg $a but got an expression.",
                "This is the argument in the closest definition.",
            ],
        ),
        (
            "$x = 1; print(add($x))",
            [
                (
                    "The closest definition of add() has a different number of arguments. "
                    "Expected: 2 but got 1"
                )
            ],
        ),
        (
            "set(1, 2)",
            [
                "Mismatched arg. set() expects a map for arg @m but got an expression.",
                "This is the argument in the closest definition.",
            ],
        ),
    ],
)
def test_macros(statements: str, notes: list[str]) -> None:
    failure = complaint(f"{MACRO} begin {{ {statements} }}")
    (diagnostic,) = failure.diagnostics
    assert diagnostic.message.endswith("() has arguments that do not match any definition.")
    assert [text for text, _span in diagnostic.notes] == notes


def test_endless_macros() -> None:
    failure = complaint("macro a() { b() } macro b() { a() } begin { print(a()) }")
    assert failure.diagnostics[0].message == "Recursive macro call detected. Call chain: a > b > a"
    failure = complaint("#define A (A + 1)\nbegin { print(A) }")
    assert "no expression" in failure.diagnostics[0].message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("let @x = foo(10); begin { @x = 1 }", "Invalid bpf map type: foo"),
        ("let @x = hash(0); begin { @x = 1 }", "A map has room for one entry at least"),
        ("let @x = hash(1); let @x = hash(2); begin { @x = 1 }", "Map @x is declared twice"),
        (
            "let @x = percpuhash(5); begin { @x[1] = 1 }",
            "Type mismatch for @x: values of type 'int8' cannot be kept in a percpuhash",
        ),
        (
            "let @x = hash(5); begin { @x[1] = count() }",
            "Type mismatch for @x: values of type 'count_t' cannot be kept in a hash",
        ),
        ('import "x.bt"; begin { }', "Unable to find suitable path for import"),
        ("macro a() { 1 }", "No probes to attach"),
        ("", "No probes to attach"),
    ],
)  # fmt: skip
def test_declarations(text: str, message: str) -> None:
    assert complaint(text).diagnostics[0].message == message


def test_unused_map_declaration() -> None:
    compilation = compile_text("let @x = hash(10); begin { }", TARGET)
    assert [w.message for w in compilation.warnings] == ["Unused map: @x"]


def test_named_parameters() -> None:
    text = 'begin { print(getopt("a", 1)); print(getopt("b")) }'
    compile_text(text, TARGET, named={"a": "5", "b": None})
    assert str(complaint(text, named={"c": "1", "d": None})) == (
        "ERROR: unexpected program command line options: --c, --d\n"
        "HINT: expected program options: --a, --b"
    )
    assert str(complaint("begin { }", named={"c": "1"})) == (
        "ERROR: unexpected program command line options: --c\n"
        "HINT: no custom program options defined."
    )
