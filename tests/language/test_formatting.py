"""The formatter: what it makes of scripts, and that they stay what they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prybee.diagnostics import ScriptError, Source
from prybee.language import tree
from prybee.language.formatting import format_script
from prybee.language.modern import modernize, warnings
from prybee.language.parser import parse

ROOT = Path(__file__).parents[2]


def formatted(text: str) -> str:
    return format_script(Source("x", text))


# script, formatted; the second column is what bpftrace 0.27.1's --fmt makes of it, but for
# comments behind code, which stay where they are, and parentheses, which stay as well.
GOLDEN = [
    ("begin{@x=1}", "begin\n{\n  @x = 1;\n}\n"),
    ("begin{}", "begin\n{}\n"),
    (
        'kprobe:f /pid==1&&comm=="x"/{}',
        'kprobe:f\n/pid == 1 && comm == "x"/\n{}\n',
    ),
    ("t:a:b,\nt:c:d { return }", "t:a:b,\nt:c:d\n{\n  return;\n}\n"),
    (
        "begin{if(pid==1){@x=1}else if (pid==2) {@x=2;} else{@x=3}}",
        (
            "begin\n{\n  if (pid == 1) {\n    @x = 1;\n  } else if (pid == 2) {\n    @x = 2;\n"
            "  } else {\n    @x = 3;\n  }\n}\n"
        ),
    ),
    (
        "begin{for($kv:@start){print($kv)} for $j:0..10{print($j);};}",
        (
            "begin\n{\n  for $kv : @start {\n    print($kv);\n  }\n  for $j : 0..10 {\n"
            "    print($j);\n  }\n}\n"
        ),
    ),
    ("begin{$z=(pid>1)?1:2;$t=(1,2);}", "begin\n{\n  $z = (pid > 1) ? 1 : 2;\n  $t = (1, 2);\n}\n"),
    ("begin{$d=(a=1,b=2);@[1,2]=-$d.a;}", "begin\n{\n  $d = (a=1, b=2);\n  @[1, 2] = -$d.a;\n}\n"),
    ("begin{$p=*(uint64*)5;$s=(uint8)5;}", "begin\n{\n  $p = *(uint64*)5;\n  $s = (uint8)5;\n}\n"),
    ("begin{$a=- -1;$b=!$i;$c=&$x;}", "begin\n{\n  $a = - -1;\n  $b = !$i;\n  $c = &$x;\n}\n"),
    ("begin{$x={1};$y={}}", "begin\n{\n  $x = { 1 };\n  $y = {}\n}\n"),
    (
        "macro add($x,@m){@m+=$x;$x+1}",
        "macro add($x, @m)\n{\n  @m += $x;\n  $x + 1\n}\n",
    ),
    (
        "config={max_strlen=64;stack_mode=perf}",
        "config = {\n  max_strlen = 64;\n  stack_mode = perf;\n}\n",
    ),
    ("let @a=lruhash(100)", "let @a = lruhash(100);\n"),
    ("let @a=hash(1);begin{}", "let @a = hash(1);\nbegin\n{}\n"),
    ("#!/usr/bin/prybee\n\n\nbegin{}", "#!/usr/bin/prybee\n\nbegin\n{}\n"),
    ("t:a:b  || t:c:d /1/{}", "t:a:b ||\nt:c:d\n/1/\n{}\n"),
    ("struct a{int b;}begin{}", "struct a{int b;};\nbegin\n{}\n"),
    (
        (
            "// top\n\n/* two */ begin { // open\n\n // own\n @x=1; // behind\n\n\n @y=2 // last\n}"
            "\n// e"
        ),
        (
            "// top\n\n/* two */\nbegin\n{  // open\n\n  // own\n  @x = 1;  // behind\n\n"
            "  @y = 2;  // last\n}\n// e\n"
        ),
    ),
    (
        "begin { @x=1 /* a */ +2; if (1) { @y=1; } // b\n else { @y=2; } }",
        (
            "begin\n{\n  @x = 1 /* a */ + 2;\n  if (1) {\n    @y = 1;\n  }  // b\n  else {\n"
            "    @y = 2;\n  }\n}\n"
        ),
    ),
    ("", ""),
    ("// only", "// only\n"),
]


@pytest.mark.parametrize(("script", "wanted"), GOLDEN)
def test_style(script: str, wanted: str) -> None:
    assert formatted(script) == wanted
    assert formatted(wanted) == wanted


def test_long_lines_are_cut_behind_commas() -> None:
    words = ", ".join(["comm"] * 20)
    text = formatted(f'begin {{ printf("%s", {words}); $x = ({words}); }}')
    assert all(len(line) <= 80 for line in text.splitlines())
    assert f"\n{' ' * 9}comm" in text
    assert formatted(text) == text


def corpus() -> dict[str, str]:
    """Scripts of this repository: tools, and those that the live tests run."""
    found = {path.name: path.read_text() for path in (ROOT / "src/prybee/tools").glob("*.bt")}
    for path in (ROOT / "tests/live/scripts").glob("*.txt"):
        for number, piece in enumerate(path.read_text().split("\n---\n")[1::2]):
            found[f"{path.name}:{number}"] = piece
    return found


def test_corpus() -> None:
    """The trees stay equal (format_script sees to that), and the second time changes nothing."""
    scripts = 0
    for name, text in corpus().items():
        try:
            parse(Source(name, text))
        except ScriptError:
            continue  # These are about the errors.
        scripts += 1
        once = formatted(text)
        assert formatted(once) == once, name
    assert scripts > 50


STATEMENTS = [
    "@x=1", "$a=1+2*(3-4)", 'printf("%d %s\\n",1,"a")', "if(1){$b=1}else{$c=- -2}",
    "@y[1,2]=count()",
    "while(0){break}", "for $i:0..3{continue}", "$d=(1,)", "$e=(a=1,b=(uint8)2)", "unroll(2){@x++}",
    "$f=args->fd", "let $g:uint8=1", "{@z=1}", "$h=1?2:3", "return",
]  # fmt: skip
BLANKS = [" ", "\n", "\n\n\n", " // note\n", " /* note */ ", "\n// own\n", ""]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(STATEMENTS), st.sampled_from(BLANKS), st.sampled_from(BLANKS)),
        max_size=6,
    ),
    st.sampled_from(BLANKS),
    st.sampled_from(BLANKS),
)
def test_any_comments(body: list[tuple[str, str, str]], before: str, behind: str) -> None:
    """Comments and blanks anywhere: all comments are still there, and the text is stable."""
    text = f"{before}begin{behind or ' '}{{{before}"
    text += "".join(f"{blank}{statement}{other};" for statement, blank, other in body)
    text += f"{behind}}}{before}end{{}}{behind}"
    once = formatted(text)
    assert formatted(once) == once
    assert tree.equal(parse(Source("x", text)), parse(Source("x", once)))
    assert once.count("//") == text.count("//")
    assert once.count("/*") == text.count("/*")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("BEGIN { } END { }", "begin { } end { }"),
        ("kfunc:f,kretfunc:g { }", "fentry:f,fexit:g { }"),
        ("t:a:b { @ = args->x + args -> y; $p->z; }", "t:a:b { @ = args.x + args . y; $p.z; }"),
        ("begin { print($p->x->y->z); }", "begin { print($p.x.y.z); }"),
        ("begin { delete(@x[$p->y]); }", "begin { delete(@x, $p.y); }"),
        ("begin { delete(@x[1], @y[2, 3]); }", "begin { delete(@x, 1); delete(@y, (2, 3)); }"),
        ("t:a:b { print(args->data_loc_name); }", "t:a:b { print(args.name); }"),
        (
            "begin { @[stack] = count(); print(sym(1)); }",
            "begin { @[kstack] = count(); print(ksym(1)); }",
        ),
        (
            "macro stack() { 1 } begin { print(stack) }",
            "macro stack() { 1 } begin { print(stack) }",
        ),
        ("#define sym 1\nbegin { print(sym) }", "#define sym 1\nbegin { print(sym) }"),
        ("kprobe:f { override_return(1); }", "kprobe:f { override(1); }"),
        (
            "config = { no_cpp_demangle = 1 } begin { }",
            "config = { cpp_demangle = false } begin { }",
        ),
        (
            'config = { symbol_source = "dwarf"; max_strlen = 9 } begin { }',
            "config = { max_strlen = 9 } begin { }",
        ),
        ("begin { delete(@x[1]); }", "begin { delete(@x, 1); }"),
        ("begin { delete(@x[1, 2]); }", "begin { delete(@x, (1, 2)); }"),
        ("begin { delete(@x[(1, 2)]); }", "begin { delete(@x, (1, 2)); }"),
        ("begin { delete(@x[(1 + 2) * 3]); }", "begin { delete(@x, (1 + 2) * 3); }"),
        ("begin { delete(@x, 1); delete(@y); }", "begin { delete(@x, 1); delete(@y); }"),
        ("config = { BPFTRACE_STRLEN = 1 } begin { }", "config = { max_strlen = 1 } begin { }"),
    ],
)
def test_modernize(old: str, new: str) -> None:
    source = Source("x", old)
    assert modernize(source, parse(source)) == new
    again = Source("x", new)
    assert modernize(again, parse(again)) == new


def test_old_idioms_are_told_once_each() -> None:
    source = Source("x", "BEGIN { delete(@x[1]); delete(@x[2]); } BEGIN { }")
    found = warnings(source, parse(source))
    assert [w.message for w in found] == [
        "BEGIN is an old form of begin",
        "delete(@x[1]) is an old form of delete(@x, 1)",
    ]


def test_a_run_warns_of_old_idioms() -> None:
    from tests.language.running import compile_text

    found = compile_text("BEGIN { @x[1] = 1; delete(@x[1]); delete(@x[1]); } END { }").warnings
    assert [w.message for w in found] == [
        "BEGIN is an old form of begin",
        "delete(@x[1]) is an old form of delete(@x, 1)",
        "END is an old form of end",
    ]
    assert "prybee fmt --modernize" in found[0].hints[0]
    assert compile_text("begin { @x[1] = 1; delete(@x, 1); }").warnings == ()
