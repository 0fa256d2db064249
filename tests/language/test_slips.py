"""What is said beside a message to those who come from other languages, or whose pen slipped."""

from __future__ import annotations

import pytest

from prybee.diagnostics import ScriptError
from prybee.language import slips
from tests.fixtures.table_target import TableTarget
from tests.language.running import compile_text

FOR = "loops are `for $i : 0..10 { … }` over a range, and `for $kv : @map { … }` over a map"
COMPARE = "'=' assigns and is a statement of its own; '==' compares"
NAMES = "names of variables begin with $ (known in one handler) or @ (a map, known in all)"
COMMENT = "comments begin with // or stand between /* and */"

# script → the first hint
HINTS = {
    "begin { $x = 1; if ($x = 5) { } }": COMPARE,
    "begin /pid = 5/ { }": COMPARE,
    "begin { if pid = 5 { } }": COMPARE,
    "begin { if (1 and 2) { } }": "'and' is written &&",
    "begin { if (1 or 2) { } }": "'or' is written ||",
    "begin { if (not 1) { } }": "'not' is written !",
    "begin { for (i = 0; i < 5; i++) { } }": FOR,
    "begin { for ($i = 0; $i < 5; $i++) { } }": FOR,
    "begin { for ($k, $v : @a) { } }": FOR,
    "begin { for ($k in @a) { } }": FOR,
    "begin { foreach ($k : @a) { } }": FOR,
    "begin { x = 5; }": NAMES,
    "begin { x += 5; }": NAMES,
    "begin { i++; }": NAMES,
    "begin { int x = 5; }": NAMES,
    "begin { elif (1) { } }": "write `else if (…) { … }`",
    "begin { switch (1) { } }": "use `if (…) { … } else if (…) { … }`",
    "begin { print 'x'; }": 'strings stand in double quotes: "text"',
    "begin { print('x'); }": 'strings stand in double quotes: "text"',
    'begin { print "x"; }': "arguments stand in parentheses, as in print(1)",
    "begin { # note\n }": COMMENT,
    "{ print(1) }": "say when it runs: begin { … }, interval:s:1 { … }, "
    "tracepoint:CATEGORY:EVENT { … }",
    "begin exit() }": "a handler stands in braces: { … }",
    "confg = { max_strlen = 5 } begin { }": "settings stand in `config = { … }`",
    "tracepoint/a/b { }": "the parts of a probe's name are joined by colons: "
    "tracepoint:CATEGORY:EVENT",
    "kprobe.f { }": "did you mean 'kprobe:f'?",
    "trcepoint:a:b { }": "did you mean 'tracepoint' or 'rawtracepoint' or 'watchpoint'?",
    "begin { exit }": "exit is a function: exit()",
    "begin { @ = count }": "count is a function: count()",
    "begin { assert }": "assert is a function: assert()",
    "begin { $p = NULL }": "the pointer to nothing is 0",
    "begin { $p = True }": "it is written true",
    "begin { if (comm == bash) { } }": 'a string stands in double quotes: "bash"',
    "begin { print(1.5) }": "there are only integers: multiply first, as in `n * 3 / 2` for 1.5",
}


@pytest.mark.parametrize("script", HINTS)
def test_hint(script: str) -> None:
    with pytest.raises(ScriptError) as failure:
        compile_text(script, TableTarget())
    assert failure.value.diagnostics[0].hints == (HINTS[script],)


@pytest.mark.parametrize(
    "script",
    ["begin { print(1) print(2) }", "begin { @x[1 = 5; }", "begin { $x = ; }", "begin { 1 = 5 }"],
)
def test_no_hint_that_does_not_fit(script: str) -> None:
    with pytest.raises(ScriptError) as failure:
        compile_text(script, TableTarget())
    assert failure.value.diagnostics[0].hints in ((), (COMPARE,))


def test_the_brace_that_is_not_closed_is_shown() -> None:
    with pytest.raises(ScriptError) as failure:
        compile_text('begin { if (1) { print("}"); // }\n exit();', TableTarget())
    assert str(failure.value) == (
        "stdin:2:9-9: ERROR: syntax: expected '}'\n"
        " exit();\n"
        "        ~\n"
        "stdin:1:16-17: ERROR: this '{' is not closed\n"
        'begin { if (1) { print("}"); // }\n'
        "               ~"
    )


def test_events_by_their_bare_names() -> None:
    events = [("sched", "sched_switch"), ("syscalls", "sys_enter_read")]
    meant = "did you mean 'tracepoint:sched:sched_switch'?"
    assert slips.probe_type("sched_switch", ["tracepoint"], events) == (meant,)
    assert slips.probe_type("sched:sched_switch", ["tracepoint"], events) == (meant,)
    assert slips.probe_type("tracepont:a:b", ["tracepoint"], events) == (
        "did you mean 'tracepoint'?",
    )
    assert slips.probe_type("zzz:a", ["tracepoint"], events) == ()


def test_fields_of_the_event() -> None:
    assert slips.name("prev_comm", ["comm"], (), ["prev_comm"], None) == (
        "did you mean 'args.prev_comm'?",
    )
    assert slips.name("preev_pid", [], (), ["prev_pid"], None) == ("did you mean 'args.prev_pid'?",)
    assert slips.fields(["a", "b"]) == ("fields: a, b",)
    assert slips.fields([]) == ()
    assert slips.fields([str(number) for number in range(40)]) == ()
