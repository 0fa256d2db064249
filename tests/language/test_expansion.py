"""From attach points to programs: matches, sharing, what is missing, limits, filters."""

from __future__ import annotations

from typing import Any

import pytest

from prybee.diagnostics import ScriptError
from prybee.language.frontend import Compilation
from prybee.plan.plan import MapSpec, TracepointAttach
from tests.fixtures.table_target import TableTarget, field
from tests.language.running import compile_text

NR = field("__syscall_nr", "int", 8, 4, signed=True)
EVENTS = {
    ("syscalls", "sys_enter_read"): (NR, field("fd", "unsigned int", 16, 8)),
    ("syscalls", "sys_enter_write"): (NR, field("fd", "unsigned int", 16, 8)),
    ("syscalls", "sys_enter_open"): (NR, field("filename", "const char *", 16, 8)),
    ("sched", "sched_switch"): (field("prev_pid", "int", 8, 4, signed=True),),
}
TARGET = TableTarget(tracepoints=EVENTS)


def compiled(text: str, **options: Any) -> Compilation:
    return compile_text(text, TARGET, **options)


def refusal(text: str, **options: Any) -> list[str]:
    with pytest.raises(ScriptError) as failure:
        compiled(text, **options)
    return [d.message for d in failure.value.diagnostics]


def programs(text: str, **options: Any) -> list[tuple[str, list[str]]]:
    """Each program with the probes it serves."""
    plan = compiled(text, **options).plan
    return [
        (spec.name, [probe.name for probe in plan.probes if probe.program == spec.name])
        for spec in plan.programs
    ]


READ, WRITE, OPEN = (f"tracepoint:syscalls:sys_enter_{name}" for name in ("read", "write", "open"))
SWITCH = "tracepoint:sched:sched_switch"


def test_one_program_serves_all_that_look_alike() -> None:
    assert programs("t:syscalls:* { @[comm] = count() }") == [
        ("tracepoint_syscalls_sys_enter_open_1", [OPEN, READ, WRITE])
    ]


def test_arguments_split_by_layout() -> None:
    assert programs("t:syscalls:* { @ = args.__syscall_nr }") == [
        ("tracepoint_syscalls_sys_enter_open_1", [OPEN]),
        ("tracepoint_syscalls_sys_enter_read_2", [READ, WRITE]),
    ]


def test_the_probes_name_is_found_by_a_cookie() -> None:
    plan = compiled("t:syscalls:* { @[probe] = count() } begin { print(probe) }").plan
    assert [program.name.rpartition("_")[0] for program in plan.programs] == [
        "tracepoint_syscalls_sys_enter_open",
        "begin",
    ]
    assert [probe.attach for probe in plan.probes[:3]] == [
        TracepointAttach("syscalls", "sys_enter_open", 0),
        TracepointAttach("syscalls", "sys_enter_read", 1),
        TracepointAttach("syscalls", "sys_enter_write", 2),
    ]
    # The names, each in as many bytes as the longest takes.
    table = b"".join(name.encode().ljust(40, b"\0") for name in (OPEN, READ, WRITE))
    (data,) = (each.initial for each in plan.maps if each.name == "globals")
    assert table in data
    assert len(programs("macro p() { probe } t:syscalls:* { @[p()] = count() }")) == 1
    assert (
        len(programs("fn p(): uint64 { @[probe] = count(); return 1 } t:syscalls:* { p() }")) == 1
    )
    # What depends on more than the name, and what is one attach point, needs no cookie.
    split = compiled("t:syscalls:* { @[probe] = args.__syscall_nr }").plan
    assert [(p.name, p.attach.cookie) for p in split.probes] == [(OPEN, 0), (READ, 0), (WRITE, 1)]
    assert [p.attach.cookie for p in compiled("t:syscalls:* { @[probetype] = 1 }").plan.probes] == [
        0,
        0,
        0,
    ]


def test_without_cookies_the_probes_name_needs_a_program_each() -> None:
    old = TableTarget(tracepoints=EVENTS, features=("ringbuf",))
    plan = compile_text("t:syscalls:* { @[probe] = count() }", old).plan
    assert [(probe.name, probe.attach.cookie) for probe in plan.probes] == [
        (OPEN, 0),
        (READ, 0),
        (WRITE, 0),
    ]
    assert len({probe.program for probe in plan.probes}) == 3


def test_lists_and_several_providers() -> None:
    assert programs(f"begin, {READ}, t:sched:sched_switch, {READ} {{ @ = 1 }} end {{ }}") == [
        ("begin_1", ["begin"]),
        ("tracepoint_syscalls_sys_enter_read_2", [READ]),
        ("tracepoint_sched_sched_switch_3", [SWITCH]),
        ("end_4", ["end"]),
    ]


def test_plan_keeps_the_scripts_order_and_places() -> None:
    plan = compiled(f"end {{ }} {READ} {{ }} BEGIN {{ }}").plan
    assert [probe.name for probe in plan.probes] == ["end", READ, "begin"]
    assert [p.span.text if p.span else "" for p in plan.probes] == ["end", READ, "BEGIN"]
    assert plan.globals.blocks == ("end", READ, "BEGIN")


def test_positional_parameters_in_attach_points() -> None:
    assert programs("t:$1:sys_enter_$2 { }", positional=("syscalls", "read"))[0][1] == [READ]


# -- what is missing -------------------------------------------------------------------------------


def test_missing_probes() -> None:
    assert refusal("t:nope:nope { }") == ["No matches for tracepoint nope:nope."]
    assert refusal("t:nope:no* { }") == [
        (
            "Probe has no valid attach points. If this is expected, set the 'missing_probes' "
            "config variable to 'warn'."
        )
    ]
    assert refusal(f"t:nope:nope, {READ} {{ }}") == ["No matches for tracepoint nope:nope."]
    assert refusal("foo:bar { }") == ["Invalid probe type: foo"]


def test_near_misses() -> None:
    with pytest.raises(ScriptError) as failure:
        compiled("tracepoin:syscalls:sys_enter_read { }")
    assert failure.value.diagnostics[0].hints == (
        "did you mean 'tracepoint' or 'rawtracepoint' or 'watchpoint'?",
    )
    with pytest.raises(ScriptError) as failure:
        compiled("tracepoint:syscalls:sys_enter_reed { }")
    assert "sys_enter_read" in failure.value.diagnostics[0].hints[0]


def test_missing_probes_may_be_warned_of() -> None:
    found = compiled(f"config = {{ missing_probes = warn }} t:nope:nope, {READ} {{ }}")
    assert [w.message for w in found.warnings] == ["No matches for tracepoint nope:nope. Skipping."]
    assert found.plan.skipped == (("t:nope:nope", "No matches for tracepoint nope:nope."),)
    found = compiled("config = { missing_probes = warn } t:nope:no* { } begin { }")
    assert [w.message for w in found.warnings] == [
        (
            "Probe has no valid attach points. It is being removed which may cause issues with "
            "program behavior."
        )
    ]


def test_missing_probes_may_be_ignored() -> None:
    found = compiled(f"config = {{ missing_probes = ignore }} t:nope:nope, {READ} {{ }}")
    assert found.warnings == ()
    assert len(found.plan.skipped) == 1
    assert refusal("config = { missing_probes = ignore } t:nope:nope { }") == [
        "No probes to attach"
    ]


ALTERNATIVES = {
    f"t:nope:nope || {READ} || {WRITE} {{ }}": [READ],
    f"{READ} || {WRITE}, {OPEN} {{ }}": [READ, OPEN],
    f"t:nope:no* || // why\n t:syscalls:*_open || {READ} /pid/ {{ }}": [OPEN],
    f"kprobe:vfs_read || fentry:vfs_read || {READ} {{ }}": [READ],
    f"uprobe:/nope:f || uprobe:libnope:f || {READ} {{ }}": [READ],
    f"{READ} || t:syscalls:sys_enter_read {{ }}": [READ],
}


@pytest.mark.parametrize("text", ALTERNATIVES)
def test_alternatives(text: str) -> None:
    target = TableTarget(tracepoints=EVENTS, features=("modern",))
    plan = compile_text(text, target).plan
    assert [probe.name for probe in plan.probes] == ALTERNATIVES[text]
    assert plan.skipped == ()


def test_no_alternative_is_there() -> None:
    with pytest.raises(ScriptError) as failure:
        compiled("t:a:b || t:c:d || t:e:f { }")
    (diagnostic,) = failure.value.diagnostics
    assert diagnostic.message == "No matches for tracepoint e:f."
    assert diagnostic.hints[-1] == "there is no t:a:b and no t:c:d either"
    found = compiled(f"config = {{ missing_probes = warn }} t:a:b || t:c:d, {READ} {{ }}")
    assert [w.message for w in found.warnings] == ["No matches for tracepoint c:d. Skipping."]
    assert [probe.name for probe in found.plan.probes] == [READ]


def test_alternatives_that_make_no_sense() -> None:
    assert refusal(f"foo:bar || {READ} {{ }}") == ["Invalid probe type: foo"]
    assert "requires" in refusal(f"t:a:b:c:d || {READ} {{ }}")[0]
    assert refusal(f"{READ} || {{ }}") == ["syntax: expected attach point"]
    assert refusal(f"|| {READ} {{ }}")[0].startswith("syntax: ")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (":200", ["begin", "interval:ms:200", "interval:ms:200"]),
        ("interval:ms:[23]00", ["begin", "interval:ms:200", "interval:ms:300", "interval:ms:200"]),
        ("^begin", ["begin"]),
    ],
)
def test_only_probes_whose_full_name_matches(pattern: str, expected: list[str]) -> None:
    script = "begin { } i:ms:200 { } interval:ms:300, i:ms:200 { } i:ms:400 { }"
    plan = compiled(script, probe_filter=pattern).plan
    assert [probe.name for probe in plan.probes] == expected
    assert refusal("i:ms:200 { }", probe_filter="300") == ["No probes to attach"]


def test_with_nothing_left_it_is_said_why() -> None:
    removed = (
        "Probe has no valid attach points. It is being removed which may cause issues with "
        "program behavior."
    )
    assert refusal("config = { missing_probes = warn } t:nope:nope { }") == [
        "No matches for tracepoint nope:nope. Skipping.",
        removed,
        "No probes to attach",
    ]


def test_programs_leave_at_once_where_detaching_takes_long() -> None:
    """Where there are no links for perf events: all but those that the session runs itself."""
    text = "t:syscalls:* { @ = count(); } begin { @n = 1 } end { @n = 2 }"
    new = compiled(text).plan
    assert new.globals.stop == -1
    old = compile_text(text, TableTarget(tracepoints=EVENTS, features=("ringbuf", "modern"))).plan
    assert old.globals.stop == -1  # What a modern kernel has is asked for at once.
    old = compile_text(text, TableTarget(tracepoints=EVENTS, features=("ringbuf",))).plan
    assert old.globals.stop > 0
    longer = [
        program.name.partition("_")[0]
        for program, before in zip(old.programs, new.programs, strict=True)
        if len(program.insns) > len(before.insns)
    ]
    assert longer == ["tracepoint"]


# -- limits ---------------------------------------------------------------------------------------


def test_limits() -> None:
    assert refusal("config = { max_probes = 2 } t:syscalls:* { }") == [
        "Can't attach to 3 probes because it exceeds the current limit of 2 probes."
    ]
    text = "config = { max_bpf_progs = 2 } t:syscalls:* { print(probe) }"
    old = TableTarget(tracepoints=EVENTS, features=("ringbuf",))
    with pytest.raises(ScriptError) as failure:
        compile_text(text, old)
    assert [d.message for d in failure.value.diagnostics] == [
        (
            "Your program is trying to generate more than 3 BPF programs, which exceeds the "
            "current limit of 2"
        )
    ]
    assert failure.value.diagnostics[0].hints == (
        "You can increase the limit through the BPFTRACE_MAX_BPF_PROGS environment variable.",
        "a narrower pattern takes fewer of them, and so does a handler without 'probe'",
    )
    compiled(text)
    # Of both limits, that of programs is told.
    with pytest.raises(ScriptError, match="BPF programs"):
        compile_text(text.replace("{ max", "{ max_probes = 1; max", 1), old)
    compiled("config = { max_bpf_progs = 1 } t:syscalls:* { @ = count() }")
    compiled("t:syscalls:* { }", environment={"BPFTRACE_MAX_PROBES": "3"})


def test_too_large_values() -> None:
    messages = refusal("config = { max_strlen = 40000 } begin { @x[str(curtask)] = 1 }")
    assert "of 32768 at most" in messages[0]


def test_large_values_in_several_entries() -> None:
    script = "begin { $a = str(curtask); @x[$a, $a] = $a; for ($kv : @x) { print($kv); } }"
    plan = compiled("config = { max_strlen = 9000 } " + script).plan
    scratch = _map(plan.maps, "scratch")
    assert (scratch.type, scratch.value_size) == ("percpu_array", 32768)
    assert 2 <= scratch.max_entries <= 4


def test_scratch_is_shared_where_it_would_not_fit_twice() -> None:
    block = "{ @x[str(curtask)] = 1; } "
    plan = compiled("config = { max_strlen = 20000 } " + f"begin {block}" * 3).plan
    scratch = _map(plan.maps, "scratch")
    assert 20000 <= scratch.value_size <= 32768


# -- the rest of the plan --------------------------------------------------------------------------


def _map(maps: tuple[MapSpec, ...], name: str) -> MapSpec:
    return next(spec for spec in maps if spec.name == name)


def test_pid_filter() -> None:
    plain = compiled(f"{READ} {{ @ = count() }} interval:s:1 {{ @t = count() }}").plan
    filtered = compiled(f"{READ} {{ @ = count() }} interval:s:1 {{ @t = count() }}", pid=77).plan
    sizes = [
        (len(a.insns), len(b.insns)) for a, b in zip(plain.programs, filtered.programs, strict=True)
    ]
    assert sizes[0][1] > sizes[0][0]  # the tracepoint asks who runs
    assert sizes[1][1] == sizes[1][0]  # a timer does not
    child = compiled(f"{READ} {{ @ = count() }}", pid=77, child=True).plan
    assert child.programs[0].insns == plain.programs[0].insns


@pytest.mark.parametrize(
    ("config", "size"),
    [("perf_rb_pages = 64", 64 * 4096), ("perf_rb_pages = 65", 128 * 4096), ("", 8 << 20)],
)
def test_ring_buffer_size(config: str, size: int) -> None:
    plan = compiled(f"config = {{ {config} }} begin {{ print(1) }}").plan
    assert _map(plan.maps, "ringbuf").max_entries == size


def test_a_script_that_sends_nothing_has_a_small_ring_buffer() -> None:
    assert _map(compiled("begin { @ = 1 }").plan.maps, "ringbuf").max_entries == 4096


def test_maps() -> None:
    plan = compiled(
        "let @l = lruhash(7); config = { max_map_keys = 5 }".partition(";")[2]
        + " let @l = lruhash(7); begin { @k[1] = 1; @c[comm] = count(); @l[1] = 2; "
        "@h[1, 2] = hist(1); @g = 5; @n = count(); @s = (1, 2); }"
    ).plan
    described = {
        spec.script_name: (spec.type, spec.max_entries) for spec in plan.maps if spec.script_name
    }
    assert described == {
        "@k": ("hash", 5),
        "@c": ("percpu_hash", 5),
        "@l": ("lru_hash", 7),
        "@h": ("percpu_hash", 5),
        "@s": ("hash", 1),
    }
    storage = {m.name: m.storage for m in plan.script_maps}
    assert storage["@g"] == storage["@n"] == "global"


def test_output_is_the_same_every_time() -> None:
    text = f'begin {{ printf("%d %s", pid, comm); @x[comm, 1] = hist(2) }} {READ} {{ @ = 1 }}'
    first, second = compiled(text).plan, compiled(text).plan
    assert first.maps == second.maps
    assert first.btf == second.btf
    assert [p.insns for p in first.programs] == [p.insns for p in second.programs]
    assert [r.replace(span=None) for r in first.records] == [
        r.replace(span=None) for r in second.records
    ]


def test_stages() -> None:
    found = compiled("begin { $x = pid + 1; print($x) }", stages=("ast", "types", "ssa", "asm"))
    assert "AssignScratch" in found.dumps["ast"]
    assert "Call pid :: [uint32]" in found.dumps["types"]
    assert "get_current_pid_tgid" in found.dumps["ssa"]
    assert "exit" in found.dumps["asm"]
    assert compiled("begin { }").dumps == {}
