"""Refusals by the verifier, explained: each mistake planted, its real log and what users read.

The logs under ``logs/`` were recorded from Linux 6.18 by ``python -m tests.compiler.test_explain``,
which also rewrites the golden text.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from prybee.compiler.explain import Explanation, explain
from prybee.compiler.explain.history import branches, origin, path_of
from prybee.compiler.explain.log import read_log
from prybee.compiler.explain.messages import OURS, TABLE
from prybee.diagnostics import Source, Span
from tests.compiler import kernel
from tests.compiler.planted import PLANTED, Planted

HERE = Path(__file__).parent
GOLDEN = HERE / "golden" / "explanations.txt"


def log_path(planted: Planted) -> Path:
    return HERE / "logs" / (planted.name.replace(" ", "_") + ".log")


def shown(explanation: Explanation) -> str:
    """All of an explanation, as the golden file has it."""
    lines = str(explanation.error("bad", "")).split("\n")
    lines += [f"PATH: {line}" for line in explanation.path]
    return "\n".join([f"[{explanation.category}] {explanation.message}", *lines])


def golden() -> dict[str, str]:
    text = GOLDEN.read_text()
    return dict(re.findall(r"^=== (.*)\n((?:(?!=== ).*\n)*)", text, re.MULTILINE))


@pytest.mark.parametrize("planted", PLANTED, ids=lambda p: p.name)
def test_recorded_logs(planted: Planted) -> None:
    explanation = explain(log_path(planted).read_text(), planted.places)
    assert shown(explanation) + "\n" == golden()[planted.name]


SLOW = ("loop too long",)  # the kernel walks a million instructions, and writes them down


@pytest.mark.live
@pytest.mark.parametrize(
    "planted",
    [
        pytest.param(p, marks=[pytest.mark.slow] if p.name in SLOW else [], id=p.name)
        for p in PLANTED
    ],
)
def test_the_running_kernel(planted: Planted) -> None:
    """The kernel at hand refuses each, and its words lead to the same category and place."""
    kernel.needs_kernel()
    log = refusal(planted)
    have = explain(log, planted.places)
    want = explain(log_path(planted).read_text(), planted.places)
    assert have.category == want.category
    # Linux 7.3 tells a place where others tell none, and 5.10 that of a call it does not know.
    if want.span is not None or not re.search(r"\nAt:\n|BPF_CALL uses reserved fields", log):
        assert have.span == want.span
    suggestion = want.suggestion
    if "map=" not in log:  # Older kernels do not write the names of maps.
        suggestion = suggestion.replace("@hash", "the map")
    assert have.suggestion == suggestion


def refusal(planted: Planted) -> str:
    """The log of the running kernel."""
    maps = {
        "AT_table": kernel.Map("array", 4, 16, 4, name="AT_table"),
        "AT_hash": kernel.Map("hash", 4, 8, 4, name="AT_hash"),
        "ring": kernel.Map("ringbuf", 0, 0, 4096, name="ring"),
    }
    try:
        with pytest.raises(kernel.Refused) as refused:
            kernel.Program(
                planted.image(maps),
                planted.type,
                license=planted.license.encode() + b"\0",
                level=1,
                **planted.load,
            )
    finally:
        for made in maps.values():
            made.close()
    return refused.value.log


NEW_FORM = """\
0: R1=ctx() R10=fp0
0: (79) r2 = *(u64 *)(r1 +0)          ; R1=ctx() R2=scalar()
1: (15) if r2 == 0x0 goto pc+1        ; R2=scalar(umin=1)
2: (b7) r3 = 1                        ; R3=1
3: (bf) r0 = r3
4: (95) exit

from 1 to 3: R1=ctx() R2=0 R10=fp0
3: (bf) r0 = r3
R3 !read_ok

Verification failed: Register Type Safety: Unreadable register

Reason:
  R3 has never been initialized on this path, so the verifier cannot use it as an input.

At:
  insn 3
        | ^-- error: R3 is not readable
  Instruction context:
      2 | (b7) r3 = 1
  >>> 3 | (bf) r0 = r3

Causal path:
  no retained diagnostic events on this path

Suggestion:
  Initialize R3 on every path before this instruction.

processed 6 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""
UNKNOWN_IN_NEW_FORM = NEW_FORM.replace("R3 !read_ok", "something this table has never heard of")


def script() -> tuple[Source, list[tuple[int, Span]]]:
    source = Source("bad.bt", "rawtracepoint:x { if (arg0) { $x = 1 } print($x) }")
    places = []
    for insn, text in ((0, "arg0"), (1, "if (arg0)"), (2, "$x = 1"), (3, "print($x)")):
        at = source.text.index(text)
        places.append((insn, Span(source, at, at + len(text))))
    return source, places


def test_the_form_of_7_3() -> None:
    """Place and path are found as in the old form, and the kernel's report does not disturb."""
    _, places = script()
    explanation = explain(NEW_FORM, places)
    assert explanation.category == "unset value"
    assert explanation.message == "R3 !read_ok"
    assert explanation.span is not None
    assert explanation.span.text == "print($x)"
    assert explanation.path == (
        "nothing on this way sets the value",
        "1:19 'if (arg0)': the way taken when the value is == 0",
    )


def test_an_unknown_message_in_the_form_of_7_3() -> None:
    """What the table does not know is told in the kernel's words."""
    _, places = script()
    explanation = explain(UNKNOWN_IN_NEW_FORM, places)
    assert explanation.category == "register type safety: unreadable register"
    assert explanation.reason.startswith("R3 has never been initialized")
    assert explanation.suggestion == "Initialize R3 on every path before this instruction."
    assert explanation.insn == 3


def test_report_alone() -> None:
    """The tail of a log, cut before the report."""
    tail = NEW_FORM[NEW_FORM.index("Verification failed") :]
    explanation = explain(tail, script()[1])
    assert explanation.insn == 3
    assert explanation.span is not None
    assert explanation.span.text == "print($x)"


def test_level_two() -> None:
    """Level 2 begins with a table of live registers and repeats states."""
    log = (
        "Live regs before insn:\n      0: .1........ (79) r0 = *(u64 *)(r1 +200)\n"
        "      1: 0......... (95) exit\nfunc#0 @0\n0: R1=ctx() R10=fp0\n"
        "; print(args.x) @ bad.bt:1\n0: (79) r0 = *(u64 *)(r1 +200)\n"
        "invalid bpf_context access off=200 size=8\nverification time 32 usec\nstack depth 0\n"
        "processed 1 insns (limit 1000000) max_states_per_insn 0\n"
    )
    assert read_log(log).messages == ("invalid bpf_context access off=200 size=8",)
    assert explain(log).category == "context"


@pytest.mark.parametrize(
    ("errno", "words"),
    [
        (1, "policy"),
        (7, "larger"),
        (22, "does not know"),
        (0, "no reason"),
        (95, "Operation not supported"),
    ],
)
def test_no_log(errno: int, words: str) -> None:
    explanation = explain("", (), errno)
    assert words in explanation.reason
    assert explanation.suggestion


def test_unknown_message() -> None:
    explanation = explain("0: (95) exit\nsomething new\nprocessed 1 insns")
    assert explanation.reason == "something new"
    assert explanation.category == "other"


@pytest.mark.parametrize("junk", ["\0\xff", "0: (", "from 1 to", "R0", "1: (xx) y", "Reason:"])
def test_junk(junk: str) -> None:
    assert isinstance(explain(junk, script()[1]), Explanation)


# The wording of messages that are hard to provoke here, one each.
WORDED = {
    "R3 !read_ok": "unset value",
    # Of Linux 6.1.
    "BPF_ST stores into R1 ctx is not allowed": "context",
    "invalid indirect access to stack R1 off=-64 size=100": "stack",
    "unknown func bpf_copy_from_user#148": "sleeping",
    # Of Linux 7.3.
    "sleepable helper bpf_copy_from_user#148 in non-sleepable prog": "sleeping",
    "At program exit the register R0 has value (0x5; 0x0) should have been in (0x0; 0x3)": "result",
    "The sequence of 8193 jumps is too complex.": "complexity",
    "BPF program is too large. Processed 1000001 insn": "complexity",
    "combined stack size of 2 calls is 544. Too large": "stack",
    "infinite loop detected at insn 4": "loop",
    "back-edge from insn 7 to 2": "loop",
    "unknown func bpf_loop#181": "missing helper",
    "calling kernel function bpf_iter_num_new is not allowed": "missing helper",
    "access beyond struct task_struct at off 9000 size 8": "context",
    "func 'sched_switch' doesn't have 9-th argument": "context",
    "R1 leaks addr into map": "pointer arithmetic",
    "R0 invalid mem access 'inv'": "untyped pointer",
    "R1 invalid mem access 'map_value_or_null'": "missing value",
    "R1 32-bit pointer arithmetic prohibited": "pointer arithmetic",
    "value 131072 makes map_value pointer be out of bounds": "unchecked index",
    "At callback return the register R0 has unknown scalar value should have been in [0, 1]":
        "result",
    "R0 min value is negative, either use unsigned index or do a if (index >=0) check.":
        "unchecked index",
    "R2 min value is negative, either use unsigned or 'var &= const'": "argument",
    "cannot pass map_type 27 into func bpf_map_lookup_elem#1": "argument",
    "number of funcs in func_info doesn't match number of subprogs": "missing helper",
}  # fmt: skip


@pytest.mark.parametrize("message", WORDED)
def test_wording(message: str) -> None:
    explanation = explain(f"0: (95) exit\n{message}\nprocessed 1 insns")
    assert explanation.category == WORDED[message]
    assert "{" not in explanation.reason.replace("{ … }", "")
    assert "{" not in explanation.suggestion.replace("{ … }", "")


def test_a_message_behind_an_instruction() -> None:
    """Linux 6.1 begins no line for it."""
    log = (
        "1: (b7) r0 = 0                        ; R0_w=0\n"
        "2: (55) if r2 != 0x0 goto pc-1 2: R0_w=0 R1=ctx(off=0,imm=0) R2_w=scalar() R10=fp0\n"
        "2: (55) if r2 != 0x0 goto pc-1 infinite loop detected at insn 2\n"
        "processed 11 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1\n"
    )
    assert read_log(log).messages == ("infinite loop detected at insn 2",)
    assert read_log(log).steps[-1].text == "if r2 != 0x0 goto pc-1"
    assert explain(log).category == "loop"


def test_table_is_sound() -> None:
    """Texts have no unknown fields, patterns compile, and none is shadowed by an equal one."""
    known = {"here", "map", "helper", "known", "last", "end", "limit", "nth", "name_of_helper"}
    assert len({row.pattern for row in TABLE}) == len(TABLE)
    for row in TABLE:
        groups = set(re.compile(row.pattern).groupindex)
        for text in (row.reason, row.suggestion):
            fields = set(re.findall(r"\{(\w+)\}", text.replace("{{", "").replace("}}", "")))
            assert fields <= groups | known, row
        assert row.suggestion == OURS or not row.suggestion.endswith(".")


def test_path_through_a_spill() -> None:
    log = read_log(
        "0: (79) r6 = *(u64 *)(r1 +0)          ; R1=ctx() R6=scalar()\n"
        "1: (7b) *(u64 *)(r10 -8) = r6         ; R6=scalar(id=1) R10=fp0 fp-8=scalar(id=1)\n"
        "2: (15) if r6 == 0x5 goto pc+2        ; R6=scalar()\n"
        "3: (79) r2 = *(u64 *)(r10 -8)         ; R2=scalar(id=1) R10=fp0\n"
        "4: (bf) r3 = r2                       ; R3=scalar(id=1)\n"
        "5: (79) r0 = *(u64 *)(r3 +0)\nR3 invalid mem access 'scalar'\n"
    )
    path = path_of(log)
    assert [event.insn for event in origin(path, 3)] == [0]
    assert origin(path, 3)[0].kind == "load"
    assert [event.what for event in branches(path)] == ["!= 5"]


if __name__ == "__main__":
    os.makedirs(HERE / "logs", exist_ok=True)
    os.makedirs(HERE / "golden", exist_ok=True)
    texts = []
    for row in PLANTED:
        log = re.sub(r"0xffff[0-9a-f]{12}", "0xffff888100000000", refusal(row))
        tail = log.splitlines(keepends=True)[-60:]
        log_path(row).write_text("".join(tail))
        texts.append(f"=== {row.name}\n{shown(explain(''.join(tail), row.places))}\n")
    GOLDEN.write_text("".join(texts))


def test_helpers_that_are_for_some_functions_only() -> None:
    """As bpftrace says it, with the helper's name."""
    log = (
        "0: R1=ctx() R10=fp0\n"
        "0: (79) r1 = *(u64 *)(r1 +0)          ; R1_w=ptr_file()\n"
        "1: (85) call bpf_d_path#147\n"
        "helper call is not allowed in probe\n"
    )
    source = Source("stdin", "fentry:f { path(1); }")
    found = explain(log, [(0, Span(source, 11, 18))])
    assert found.reason == "helper bpf_d_path not allowed in probe"
    message = str(found.error("fentry_f_1", log))
    assert message.startswith("stdin:1:12-19: ERROR: helper bpf_d_path not allowed in probe")
