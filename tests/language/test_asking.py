"""One script for kernels that differ: ``field_exists()``, ``func_exists()``, dead branches."""

from __future__ import annotations

import pytest

from prybee.btf import Btf, BtfBuilder
from prybee.diagnostics import ScriptError
from tests.fixtures.table_target import TableTarget
from tests.language.running import compile_text

T = "struct task_struct"


def kernel(
    state: str, functions: tuple[str, ...] = (), symbols: tuple[str, ...] = ()
) -> TableTarget:
    """A kernel whose ``task_struct`` calls its state so."""
    b = BtfBuilder()
    integer = b.int("int", 4, signed=True)
    inner = b.struct("sched_entity", 8, [("weight", integer, 32)])
    anonymous = b.struct("", 4, [("inside", integer, 0)])
    members = [
        (state, integer, 0),
        ("se", inner, 32),
        ("", anonymous, 96),
        ("comm", integer, 128),
    ]
    b.struct("task_struct", 24, members)
    proto = b.func_proto(0, [])
    for name in functions:
        b.func(name, proto)
    return TableTarget(Btf(b.build()), kernel_symbols=dict.fromkeys(symbols, 0xFFFF))


OLD = kernel("state", ("vfs_read", "old_name"), ("_stext", "hidden_old"))
NEW = kernel("__state", ("vfs_read", "new_name"), ("_stext",))
LISTED = TableTarget(kernel_functions=[("nf", "in_module"), ("vmlinux", "listed")])


@pytest.mark.parametrize("target", [OLD, NEW], ids=["old", "new"])
@pytest.mark.parametrize(
    "text",
    [
        f"if field_exists({T}, __state) {{ print($t.__state) }} else {{ print($t.state) }}",
        f"if (!field_exists({T}, state)) {{ print($t.__state) }} else {{ print($t.state) }}",
        f"$x = field_exists({T}, state) ? $t.state : $t.__state; print($x)",
        f"if field_exists({T}, state) && $t.state == 1 {{ print(1) }}",
        f"if !field_exists({T}, state) || $t.state == 1 {{ print(1) }}",
        f"print(field_exists({T}, __state) && $t.__state == 1)",
        "if comptime field_exists($t, state) { print($t.state) } else { print($t.__state) }",
        "if func_exists(new_name) { $t.__state } else if func_exists(old_name) { $t.state }",
        'if kfunc_exist("new_name") { print($t.__state) } else { print($t.state) }',
    ],
)
def test_one_script_for_both(text: str, target: TableTarget) -> None:
    compile_text(f"begin {{ $t = (struct task_struct *)1; {text} }}", target)


@pytest.mark.parametrize("target", [OLD, NEW], ids=["old", "new"])
def test_predicates(target: TableTarget) -> None:
    found = compile_text(
        "begin /field_exists(struct task_struct, state)/ { print(((struct task_struct *)1).state) }"
        "begin /!field_exists(struct task_struct, state) && pid/ "
        "{ print(((struct task_struct *)1).__state) }",
        target,
    )
    sizes = [len(program.insns) for program in found.plan.programs]
    assert min(sizes) == 16, "nothing but a return is left of one"
    assert sizes.index(min(sizes)) == (0 if target is NEW else 1)


QUESTIONS = {
    "field_exists(struct task_struct, __state)": (False, True),
    'field_exists("struct task_struct", "state")': (True, False),
    "field_exists(task_struct, state)": (True, False),
    "field_exists(struct task_struct *, state)": (True, False),
    "field_exists(struct task_struct, se.weight)": (True, True),
    'field_exists(struct task_struct, "se.weight")': (True, True),
    "field_exists(struct task_struct, se.nothing)": (False, False),
    "field_exists(struct task_struct, inside)": (True, True),
    "field_exists(struct task_struct, comm)": (True, True),
    "field_exists(struct task_struct, pid)": (False, False),
    "field_exists(struct task_struct, comm.x)": (False, False),
    "field_exists(struct nothing, a.b)": (False, False),
    "field_exists(struct nothing *, a)": (False, False),
    "field_exists(uint64, a)": (False, False),
    "field_exists((struct task_struct *)1, state)": (True, False),
    "field_exists((a=1, b=(c=2)), b.c)": (True, True),
    "field_exists(struct mine, x)": (True, True),
    "func_exists(vfs_read)": (True, True),
    'func_exists("new_name")': (False, True),
    "func_exists(hidden_old)": (True, False),
    'func_exists("vmlinux:old_name")': (True, False),
    'func_exists("module:old_name")': (False, False),
    "func_exists(pid)": (False, False),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers(question: str) -> None:
    script = "struct mine {{ int x; }}; begin {{ print({} ? {} : {}) }}"
    for target, answer in zip((OLD, NEW), QUESTIONS[question], strict=True):
        branches = ("1", "$no.such") if answer else ("$no.such", "1")
        compile_text(script.format(question, *branches), target)
        with pytest.raises(ScriptError, match="Undefined or undeclared"):
            compile_text(script.format(question, *reversed(branches)), target)


def test_functions_by_the_list_of_those_that_can_be_probed() -> None:
    for name, there in (("listed", 1), ("in_module", 1), ("nf:in_module", 1), ("nf:listed", 0)):
        branches = "{ } else { fail() }" if there else "{ fail() } else { }"
        compile_text(f'begin {{ if func_exists("{name}") {branches} }}', LISTED)


def test_the_args_of_a_tracepoint() -> None:
    target = TableTarget()
    compile_text(
        "tracepoint:sched:sched_switch { if field_exists(args, prev_comm) { print(args.prev_pid) } "
        "if field_exists(args, previous) { print(args.previous) } }",
        target,
    )
    # Of many probes each has its own answer.
    compile_text(
        "t:sched:sched_* { print(field_exists(args, next_pid) ? args.next_pid : args.pid) }",
        target,
    )


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "field_exists(struct task_struct, 5)",
            "field_exists() expects the name of a member",
            "field_exists(struct task_struct, __state)",
        ),
        ("field_exists(struct task_struct, a + b)", "expects the name of a member", ""),
        ('field_exists(struct task_struct, "a..b")', "expects the name of a member", ""),
        ("field_exists(struct task_struct)", "field_exists() requires 2 arguments", "usage: "),
        ("field_exists($x, a)", "Undefined or undeclared variable: $x", ""),
        ("func_exists(1)", "func_exists() expects the name of a function", "func_exists(vfs_read)"),
        ('func_exists("a.b")', "func_exists() expects the name of a function", ""),
    ],
)
def test_misuse(text: str, message: str, hint: str) -> None:
    with pytest.raises(ScriptError) as caught:
        compile_text(f"begin {{ if {text} {{ }} }}", NEW)
    (diagnostic,) = caught.value.diagnostics
    assert message in diagnostic.message
    assert hint in "".join(diagnostic.hints)


def test_the_living_branch_is_checked() -> None:
    with pytest.raises(ScriptError, match="not contain a field named 'state'"):
        compile_text(
            "begin { if field_exists(struct task_struct, __state) "
            "{ print(((struct task_struct *)1).state) } }",
            NEW,
        )
