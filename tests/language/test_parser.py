"""The grammar: trees of valid scripts, and the messages about others."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prybee.diagnostics import ScriptError, Source
from prybee.language import tree
from prybee.language.parser import expression_of, parse
from prybee.language.tree_text import tree_text
from tests.counting import calls


def body(text: str) -> list[tree.Statement]:
    """The statements of a probe that holds ``text``."""
    return parse(Source("stdin", f"begin {{ {text} }}")).probes[0].body.statements


def shape(text: str) -> str:
    """An expression with all its parentheses."""
    expression = expression_of(text)
    assert expression is not None, text
    return _shape(expression)


def _shape(node: tree.Node) -> str:
    match node:
        case tree.Binary():
            return f"({_shape(node.left)} {node.op} {_shape(node.right)})"
        case tree.Unary():
            return f"{node.op}{_shape(node.operand)}"
        case tree.Ternary():
            then = _shape(node.then) if node.then is not None else ""
            return f"({_shape(node.condition)} ?{then}: {_shape(node.otherwise)})"
        case tree.Cast():
            return f"({_shape(node.target)}){_shape(node.operand)}"
        case tree.FieldAccess():
            return f"{_shape(node.subject)}.{node.field}"
        case tree.TupleAccess():
            return f"{_shape(node.subject)}.{node.index}"
        case tree.Index():
            return f"{_shape(node.subject)}[{_shape(node.index)}]"
        case tree.MapAccess():
            return f"{node.map.name}[{_shape(node.key)}]"
        case tree.Call():
            return f"{node.name}({', '.join(map(_shape, node.args))})"
        case tree.IncDec():
            inner = _shape(node.target)
            return f"{node.op}{inner}" if node.prefix else f"{inner}{node.op}"
        case tree.TupleLiteral():
            return f"<{', '.join(map(_shape, node.elements))}>"
        case tree.RecordLiteral():
            return f"<{', '.join(f'{e.name}={_shape(e.value)}' for e in node.elements)}>"
        case tree.TypePointer():
            return f"{_shape(node.target)}*"
        case tree.TypeArray():
            return f"{_shape(node.element)}[{'' if node.length is None else node.length}]"
        case tree.TypeName():
            return f"{node.tag} {node.name}".strip()
        case tree.Typeof():
            return f"typeof({_shape(node.subject)})"
        case tree.Sizeof():
            return f"sizeof({_shape(node.subject)})"
        case tree.Offsetof():
            return f"offsetof({_shape(node.subject)}, {'.'.join(node.path)})"
        case tree.AddressOf():
            return f"&{_shape(node.target)}"
        case tree.Integer() | tree.Boolean():
            return str(node.value).lower()
        case tree.String():
            return repr(node.value)
        case tree.Positional():
            return f"${node.number}"
        case tree.Comptime():
            return f"comptime {_shape(node.operand)}"
        case tree.If() | tree.Block():
            return type(node).__name__
    return getattr(node, "name", type(node).__name__)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # precedence, as bpftrace -d ast shows it
        (
            "1 + 2 * 3 == 7 && 1 | 2 ^ 3 & 4 << 1",
            "(((1 + (2 * 3)) == 7) && (1 | (2 ^ (3 & (4 << 1)))))",
        ),
        ("!1 == 0", "(!1 == 0)"),
        ("1 - 2 - 3", "((1 - 2) - 3)"),
        ("1 || 0 && 0", "(1 || (0 && 0))"),
        ("1 ? 2 : 3 ? 4 : 5", "(1 ?2: (3 ?4: 5))"),
        ("1 ?: 2", "(1 ?: 2)"),
        ("-a.b", "-a.b"),
        ("*a->b", "*a.b"),
        ("- -5", "--5"),
        ("~!x", "~!x"),
        ("1 < 2 == 3", "((1 < 2) == 3)"),
        # postfix
        ("$x.0.1", "$x.0.1"),
        ("$x->y.z[1][2]", "$x.y.z[1][2]"),
        ("args.if", "args.if"),
        ("@x[1, 2]", "@x[<1, 2>]"),
        ("@x[(1, 2)]", "@x[<1, 2>]"),
        ("@[1]", "@[1]"),
        ("$x++ + ++$x", "($x++ + ++$x)"),
        ("--@x[1]", "--@x[1]"),
        # casts and parentheses
        ("(int32)5", "(int32)5"),
        ("(uint8)$x + 1", "((uint8)$x + 1)"),
        ("(int8*)0", "(int8*)0"),
        ("(struct task_struct *)$x", "(struct task_struct*)$x"),
        ("(int8[4])1", "(int8[4])1"),
        ("(int8[])1", "(int8[])1"),
        ("(pid_t)$x", "(pid_t)$x"),
        ("(u32)-1", "(u32)-1"),
        ("(foo) - 1", "(foo - 1)"),
        ("(foo)($x)", "(foo)$x"),
        ("(foo *)$x", "(foo*)$x"),
        ("(a * b)", "(a * b)"),
        ("(typeof($x))5", "(typeof($x))5"),
        ("(int8)(int16)$x.y", "(int8)(int16)$x.y"),
        # literals
        ("(1,)", "<1>"),
        ("()", "<>"),
        ('(1, "a")', "<1, 'a'>"),
        ("(a=1, b=2)", "<a=1, b=2>"),
        ("(a == 1)", "(a == 1)"),
        ("5s", "5000000000"),
        # calls and operators of the compiler
        ("f()", "f()"),
        ("f(1, $x, @m)", "f(1, $x, @m)"),
        ("f(typeof($x), struct y)", "f(typeof($x), struct y)"),
        ("kstack(perf, 5)", "kstack(perf, 5)"),
        ("sizeof(int32)", "sizeof(int32)"),
        ("sizeof(struct foo[4])", "sizeof(struct foo[4])"),
        ("sizeof(foo *)", "sizeof(foo*)"),
        ("sizeof($x)", "sizeof($x)"),
        ("sizeof(foo)", "sizeof(foo)"),
        ("offsetof(struct a, b.c)", "offsetof(struct a, b.c)"),
        ("comptime (1 + 2)", "comptime (1 + 2)"),
        ("&$x", "&$x"),
        ("1 & @x", "(1 & @x)"),
        ("if 1 { 2 } else { 3 }", "If"),
        ("{ 1; 2 }", "Block"),
        ("str($1)", "str($1)"),
    ],
)
def test_expressions(text: str, expected: str) -> None:
    assert shape(text) == expected


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("$x = 1; @y = 2; @z[1] = 3", [tree.AssignScratch, tree.AssignMap, tree.AssignMap]),
        ("$x += 1; @y <<= 2", [tree.AssignScratch, tree.AssignMap]),
        ('let $x; let $y: int8; let $z = 5; let $w : string[4] = "a"', [tree.Declaration] * 4),
        ("_ = f()", [tree.Discard]),
        ("if 1 { } print(1)", [tree.ExpressionStatement] * 2),
        ("if 1 { } else if (2) { } else { }", [tree.ExpressionStatement]),
        ("if 1 { };", [tree.ExpressionStatement]),
        ("for $i : 0..5 { } for ($kv : @x) { }", [tree.For, tree.For]),
        ("for ($i : -2..$n + 1) { };", [tree.For]),
        ("while (1) { break; continue } while 0 { }", [tree.While, tree.While]),
        ("unroll(5) { } unroll 5 { }", [tree.Unroll, tree.Unroll]),
        ("return; return 1", [tree.Return, tree.Return]),
        ("{ 1; } { }", [tree.ExpressionStatement] * 2),
        ("$x++; --@y", [tree.ExpressionStatement] * 2),
    ],
)
def test_statements(text: str, classes: list[type]) -> None:
    assert [type(statement) for statement in body(text)] == classes


def test_blocks_have_values_only_where_they_are_used() -> None:
    (statement,) = body("if 1 { 2 } else { 3 }")
    assert isinstance(statement, tree.ExpressionStatement)
    assert isinstance(statement.expression, tree.If)
    assert statement.expression.then.value is None
    (assignment,) = body("$a = { if 1 { 2 } else { 3 } }")
    assert isinstance(assignment, tree.AssignScratch)
    assert isinstance(assignment.value, tree.Block)
    assert isinstance(assignment.value.value, tree.If)
    assert assignment.value.value.then.value is not None


def test_root() -> None:
    text = """#!/usr/bin/prybee
// what it is for
#include <linux/types.h>
#define A 1 // one
#define LONG \\
  2
struct foo { int x; char y[4]; } __attribute__((packed));
enum e { P, Q };
config = { max_strlen = 64; missing_probes = ignore; x = "y"; b = true }
import "lib.bt";
let @m = lruhash(100);
macro add(a, $b, @c) { a + $b }
fn f($a : int64) : int64 { return 1; }
begin, end / pid == 1 / { }
uprobe:/bin/sh:"a b",
t:a:b { }
"""
    program = parse(Source("x.bt", text))
    assert text[program.header_end :].startswith("#include")
    directives = [n for n in program.c_part if isinstance(n, tree.CDirective)]
    assert [(d.kind, d.text) for d in directives] == [
        ("include", "<linux/types.h>"),
        ("define", "A 1"),
        ("define", "LONG    2"),
    ]
    definitions = [n for n in program.c_part if isinstance(n, tree.CDefinition)]
    assert [d.kind for d in definitions] == ["struct", "enum"]
    assert definitions[0].text.endswith("__attribute__((packed))")
    assert program.config is not None
    assert [(a.name, a.value) for a in program.config.assignments] == [
        ("max_strlen", 64),
        ("missing_probes", "ignore"),
        ("x", "y"),
        ("b", True),
    ]
    assert [i.path for i in program.imports] == ["lib.bt"]
    assert [(d.name, d.kind, d.capacity) for d in program.map_declarations] == [
        ("@m", "lruhash", 100)
    ]
    assert [(m.name, [p.name for p in m.parameters]) for m in program.macros] == [
        ("add", ["a", "$b", "@c"])
    ]
    assert [f.name for f in program.subprograms] == ["f"]
    points = [[p.raw for p in probe.attach_points] for probe in program.probes]
    assert points == [["begin", "end"], ['uprobe:/bin/sh:"a b"', "t:a:b"]]
    assert program.probes[0].predicate is not None


@pytest.mark.parametrize(
    "text",
    [
        "begin { }",
        "BEGIN,END{}",
        "begin/1/{ }",
        "begin / 4 / 2 / { }",
        "begin /(4 / 2)/ { }",
        "begin / { 1 } / { }",
        "begin / @x[4 / 2] / { }",
        "begin, { }",
        "begin /* comment */ { } // end",
        'uprobe:"/tmp/a b":f { }',
        "uprobe:/bin/*:f+4 { }",
        "interval:1s { } i:s:1 { }",
        "config = { } begin { }",
        "",
        "   ",
        "/* never closed",
    ],
)
def test_accepted(text: str) -> None:
    parse(Source("stdin", text))


IMMUTABLE = (
    "Tuples and records are immutable once created. Consider creating a new value and "
    "assigning it instead."
)

# Text of the whole message is "syntax: " and what stands here; places are `col1-col2` of line 1.
ERRORS = [
    # wording and places as bpftrace 0.27.1 has them
    ("begin { $x = ; }", "14-15", "expected expression"),
    ('begin { printf("a" }', "20-21", "expected ')'"),
    ("begin { $x = 1 $y = 2 }", "16-18", "expected ';'"),
    ("begin  $x = 1 }", "8-10", "expected '{'"),
    ("begin { $x = 1 ", "16-16", "expected ';'"),
    ("begin { print(5); ", "19-19", "expected '}'"),
    ("begin { @x[1 = 2; }", "14-15", "expected ']'"),
    ("begin { if ($x { } }", "16-17", "expected ')'"),
    ("begin { let x; }", "13-14", "expected variable after 'let'"),
    ('begin { print("\\q") }', "17-18", "invalid escape character '\\q'"),
    ("begin { exit() } garbage", "25-25", "expected '{'"),
    ("config = { max_strlen = 12 begin {} ", "28-33", "expected ';'"),
    ("begin { ( }", "11-12", "expected expression"),
    ("begin { $x = (1,2; }", "18-19", "expected ')'"),
    ("begin { ) }", "9-10", "expected expression"),
    ("begin { $x = 123abc; }", "17-20", "invalid integer suffix 'abc'"),
    ("begin { $x = 08; }", "14-16", "invalid trailing bytes: 08"),
    ("begin { 5 = $x; }", "11-12", "expected ';'"),
    ("begin { foo. }", "14-15", "expected field name after '.'"),
    ("begin { sizeof(); }", "16-17", "expected expression"),
    ("begin { offsetof(struct foo); }", "28-29", "expected ','"),
    ("begin { $ }", "9-10", "expected identifier after '$'"),
    ("begin { print(--5); }", "17-18", "increment/decrement requires a variable or map"),
    ("begin { $x = 1 ; ; }", "18-19", "expected expression"),
    ("begin end { }", "7-10", "expected '{'"),
    ("struct foo; begin { }", "8-11", "expected '{'"),
    ("typedef int foo_t; begin {}", "9-12", "expected '{'"),
    (
        "begin { } struct foo { int x; };",
        "11-33",
        "C definitions must appear before probes and functions",
    ),
    ("begin { } config = { a = 12 }", "11-17", "config must appear before probes and functions"),
    ('begin { } import "x";', "11-17", "root imports must appear before probes and functions"),
    ("begin { } #define X 1", "11-22", "C definitions must appear before probes and functions"),
    (
        "begin { $x = 1; $x.y = 2; }",
        "17-25",
        IMMUTABLE,
    ),
    ("begin { for i : 0..5 { } }", "13-14", "expected variable in for loop"),
    ("begin { for $i in 0..5 { } }", "16-18", "expected ':'"),
    ("begin { for $i : 0..5 print($i) }", "23-28", "expected '{'"),
    ("fn f($a int64) { }", "9-14", "expected ':'"),
    ("fn f(a: int64) : int64 { }", "6-7", "expected variable in function argument"),
    ("macro { }", "7-8", "expected macro name"),
    ("macro foo { } begin { }", "11-12", "expected '('"),
    ("macro foo(1) { }", "11-12", "expected macro argument ($var, @map, or identifier)"),
    (
        "let $x = 1; begin { }",
        "1-4",
        "root-level let statements need to be map declarations, e.g. let @a = hash(2);",
    ),
    ("let @x; begin { }", "7-8", "expected '='"),
    (
        'let @x = hash("a"); begin { }',
        "15-16",
        "expected positive integer for map declaration max entries",
    ),
    ("config = { 12; } begin { }", "12-14", "expected config key"),
    ("config { } begin { }", "8-9", "expected '='"),
    (
        "config = { max_strlen = $x; } begin { }",
        "25-27",
        "expected string, int, boolean, or ident",
    ),
    ("config = { } config = { } begin { }", "14-20", "duplicate config block"),
    ("import foo; begin { }", "8-11", "expected string after 'import'"),
    ('import "foo.bt" begin { }', "17-22", "expected ';' after import"),
    (", { }", "1-2", "expected attach point"),
    ("begin /1 { }", "10-11", "expected '/' to close predicate"),
    ("begin { (x=1, 2) }", "15-16", "expected identifier"),
    ("begin { $x = &1; }", "15-16",
     "address-of operator (&) can only be used on a map or variable"),
    ("begin { let $x: ; }", "17-18", "expected type name"),
    ("begin { let $x: struct ; }", "24-25", "expected identifier"),
    ("begin { let $w : int8[$x]; }", "23-25", "expected ']'"),
    ("begin { if 1 print(1) }", "14-19", "expected '{'"),
    # ours
    ("begin { print(5) } }", "20-21", "unexpected '}'"),
    ("begin { (x=1, x=2) }", "15-16", "duplicate field 'x' in record"),
    ("struct foo { int x; begin { }", "30-30", "expected '}' to close the definition"),
    ('begin { "abc }', "9-10", "unterminated string"),
    ("begin { $0 }", "9-11", "param $0 is out of integer range [1, 2147483647]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "message"), ERRORS)
def test_errors(text: str, place: str, message: str) -> None:
    with pytest.raises(ScriptError) as failure:
        parse(Source("stdin", text))
    first = failure.value.diagnostics[0]
    assert first.message == f"syntax: {message}"
    assert first.span is not None
    assert first.span.location() == f"stdin:1:{place}"


def test_several_errors_in_one_run() -> None:
    text = """begin {
  $a = ;
  if (1) { $b = 2 2; $c = 3; }
  print(1 2);
}
foo bar { }
end { @x = @; @y[ = 1; }
"""
    with pytest.raises(ScriptError) as failure:
        parse(Source("x.bt", text))
    assert [
        (d.span.location() if d.span else "", d.message) for d in failure.value.diagnostics
    ] == [
        ("x.bt:2:8-9", "syntax: expected expression"),
        ("x.bt:3:19-20", "syntax: expected ';'"),
        ("x.bt:4:11-12", "syntax: expected ')'"),
        ("x.bt:6:5-8", "syntax: expected '{'"),
        ("x.bt:7:19-20", "syntax: expected expression"),
    ]


def test_a_hint_where_the_predicate_sticks_to_the_attach_point() -> None:
    with pytest.raises(ScriptError) as failure:
        parse(Source("stdin", "tracepoint:syscalls:sys_enter_read/pid == 1/ { }"))
    assert failure.value.diagnostics[0].hints == (
        "put a blank before the '/' that begins a predicate",
    )


def test_message_as_shown() -> None:
    with pytest.raises(ScriptError) as failure:
        parse(Source("stdin", "begin {\n\t$x = 1 $y = 2 }"))
    assert str(failure.value) == (
        "stdin:2:9-11: ERROR: syntax: expected ';'\n    $x = 1 $y = 2 }\n           ~~"
    )


def test_errors_are_limited() -> None:
    with pytest.raises(ScriptError) as failure:
        parse(Source("stdin", "begin { " + "$x = ; " * 100 + "}"))
    assert len(failure.value.diagnostics) == 20


@pytest.mark.parametrize(
    "text",
    [
        "begin { $x = " + "(" * 5000 + "1" + ")" * 5000 + " }",
        "begin { $x = " + "1+" * 20000 + "1 }",
        "begin { $x = " + "!" * 5000 + "1 }",
        "begin { $x = " + "(int8)" * 5000 + "1 }",
        "begin { $x = " + "1?" * 5000 + "1 }",
        "begin { $x = $y" + ".a" * 5000 + " }",
        "begin " + "{" * 5000 + "}" * 5000,
        "begin { if 1 {} " + "else if 1 { }" * 5000 + "}",
        "begin { " + "if 1 { " * 5000 + "} " * 5000 + "}",
    ],
)
def test_deep_scripts_are_refused(text: str) -> None:
    with pytest.raises(ScriptError, match="nested too deeply"):
        parse(Source("stdin", text))


def test_deep_enough() -> None:
    parse(Source("stdin", "begin { $x = " + "(" * 240 + "1" + ")" * 240 + " }"))
    parse(Source("stdin", "begin { $x = " + "1+" * 900 + "1 }"))


@pytest.mark.parametrize(
    "text",
    [
        "begin { " + "$x = 1 + 2;\n" * 20000 + "}",
        "begin { }\n" * 20000,
        '"' + "\\" * 500000,
        "/*" * 250000,
        "#a\\\n" * 100000,
        "{" * 300000,
        "@" * 500000,
        "begin { " + "'" * 300000,
    ],
)
def test_large_scripts_take_no_time(text: str) -> None:
    started = time.monotonic()
    try:
        parse(Source("stdin", text))
    except ScriptError:
        pass
    assert time.monotonic() - started < 60  # seconds it takes; a square of them would be hours


def test_steps_for_each_line() -> None:
    """The same for a short script and a long one (times are in the bench: breakdown, large)."""
    line = '  $us = (nsecs - @start[tid]) / 1000; @us[comm, pid] = hist($us); print("x");\n'

    def steps(lines: int) -> float:
        source = Source("stdin", "begin\n{\n" + line * lines + "}\n")
        return calls(lambda: parse(source)) / lines

    assert steps(40) < 600
    assert steps(400) < 1.05 * steps(40)


def test_tree_text() -> None:
    program = parse(Source("stdin", "begin / 1 / { $x = @y[1, 2] + f(3); if $x { return } }"))
    assert (
        tree_text(program)
        == """\
Program
 Probe
  AttachPoint begin
  predicate
   Integer 1
  Block
   AssignScratch
    Scratch $x
    Binary +
     MapAccess
      Map @y
      TupleLiteral
       Integer 1
       Integer 2
     Call f
      Integer 3
   ExpressionStatement
    If
     condition
      Scratch $x
     then
      Block
       Return"""
    )


# fmt: off
WORDS = [
    "begin", "end", "{", "}", "(", ")", "[", "]", ";", ",", ":", ".", "->", "..", "=", "==", "+=",
    "++", "--", "+", "-", "*", "/", "%", "&", "|", "^", "~", "!", "<", ">", "<<", "?", "?:", "$x",
    "$1", "$#", "@", "@m", "1", "0x2", "3s", '"a"', "if", "else", "for", "while", "unroll", "let",
    "return", "break", "sizeof", "int32", "struct", "foo", "macro", "config", "import", "fn",
    "comptime", "typeof", "#", "\n", "# define X 1", "_", "'c'", '"', "/*", "//", "/1/", "t:a:b",
]
# fmt: on


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=40))
def test_any_text_parses_or_is_refused(words: list[str]) -> None:
    source = Source("stdin", " ".join(words))
    try:
        program = parse(source)
    except ScriptError as failure:
        for diagnostic in failure.diagnostics:
            assert diagnostic.span is not None
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(source.text)
            diagnostic.render()
    else:
        for node in tree.walk(program):
            assert 0 <= node.start <= node.end <= len(source.text), node
        assert tree.equal(program, tree.copy(program))
