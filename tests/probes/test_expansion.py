"""What attach points stand for, and what is said of wrong ones, for a kernel known from tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prybee.language import attach_point
from prybee.language.config_table import Config
from prybee.language.registry import ExpandScope, ProbeSyntaxError
from prybee.plan.plan import (
    IterAttach,
    PerfEventAttach,
    RawTracepointAttach,
    SpecialAttach,
    TracepointAttach,
)
from prybee.probes import TABLE
from tests.fixtures.table_target import TRACEPOINTS, TableTarget
from tests.probes.conftest import expand, provider

if TYPE_CHECKING:
    from prybee.plan.plan import AttachSpec

KERNEL = TableTarget(
    raw_tracepoints=("sched_switch", "sched_wakeup", "sys_enter", "task_rename"),
    iterators=("task", "task_file", "bpf_map"),
    tracepoints={
        **TRACEPOINTS,
        ("sched", "sched_wakeup"): (),
        ("irq", "softirq_entry"): (),
    },
)


def names(text: str) -> list[str]:
    return [match.name for match in expand(text, KERNEL)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("begin", "begin"),
        ("END", "end"),
        ("self:signal:SIGUSR1", "self:signal:SIGUSR1"),
        ("interval:s:1", "interval:s:1"),
        ("i:ms:20", "interval:ms:20"),
        ("Interval:hz:0x10", "interval:hz:16"),
        ("interval:1s", "interval:us:1000000"),
        ("interval:1000", "interval:us:1"),
        ("interval:s:1e3", "interval:s:1000"),
        ("p:hz:99", "profile:hz:99"),
        ("profile:10us", "profile:us:10"),
        ("software:cs", "software:cs"),
        ("s:cpu-clock:1e6", "software:cpu-clock:1000000"),
        ("h:cache-misses:7", "hardware:cache-misses:7"),
        ("t:sched:sched_switch", "tracepoint:sched:sched_switch"),
        ("rt:sched_switch", "rawtracepoint:vmlinux:sched_switch"),
        ("rawtracepoint:vmlinux:sys_enter", "rawtracepoint:vmlinux:sys_enter"),
        ("it:task", "iter:task"),
        ("iter:task:pinned", "iter:task"),
    ],
)
def test_one_match(text: str, expected: str) -> None:
    assert names(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t:sched:sched_*", "sched_process_exec sched_switch sched_wakeup"),
        ("t:*:*sw*", "sched_switch"),
        ("t:*:*", ("softirq_entry sched_process_exec sched_switch sched_wakeup "
                  "sys_enter_openat sys_exit_openat")),
        ("t:s*:*open*", "sys_enter_openat sys_exit_openat"),
        ("t:sched:nothing*", ""),
        ("t:sched:nothing", ""),
        ("t:sched:sched_switc?", ""),
        ("t:sched:[s]ched_switch", ""),
        ("rt:sched_*", "sched_switch sched_wakeup"),
        ("rt:*:task*", "task_rename"),
        ("rt:vm*:task_rename", "task_rename"),
        ("rt:btrfs:task_rename", ""),
        ("rt:*", "sched_switch sched_wakeup sys_enter task_rename"),
    ],
)  # fmt: skip
def test_patterns_match_in_order(text: str, expected: str) -> None:
    assert [name.rpartition(":")[2] for name in names(text)] == expected.split()


# Each: attach point, message as bpftrace 0.27.1 has it (or ours, where it has none).
WRONG = [
    ("begin:x", "begin probe type requires 0 arguments, found 1"),
    ("self", "self probe type requires 2 arguments, found 0"),
    ("self:signal:SIGTERM", "SIGTERM is not a supported signal"),
    ("self:x:SIGUSR1", "x is not a supported trigger"),
    ("interval", "interval probe type requires 1 or 2 arguments, found 0"),
    ("interval:s:1:2", "interval probe type requires 1 or 2 arguments, found 3"),
    (
        "interval:999",
        "Invalid rate of interval probe. Minimum is 1000 or 1us. Found: 999 nanoseconds",
    ),
    ("interval:hz", "Invalid rate of interval probe: invalid integer: hz"),
    ("interval:hz:x", "Invalid rate of interval probe: invalid integer: x"),
    ("interval:1x", "Invalid rate of interval probe: invalid trailing bytes: 1x"),
    ("interval:hz:0", "interval frequency should be a positive integer"),
    ("profile:hz:-5", "profile frequency should be a positive integer"),
    ("interval:min:1", "min is not an accepted unit of time"),
    ("Interval:S:1", "S is not an accepted unit of time"),
    ("interval:s:9999999999999", "Invalid rate of interval probe: 9999999999999 s is too long"),
    ("software", "software probe type requires 1 or 2 arguments, found 0"),
    ("software:", "software probe must have a software event name"),
    ("software:cpu:", "Invalid count for software probe: invalid integer: "),
    ("software:cpu:x", "Invalid count for software probe: invalid integer: x"),
    ("software:nosuch:1", "nosuch is not a software probe"),
    ("software:*", "wildcards are not allowed for software probe type"),
    ("hardware:nosuch:1", "nosuch is not a hardware probe"),
    ("hardware:*", "wildcards are not allowed for hardware probe type"),
    ("tracepoint", "tracepoint probe type requires 2 arguments, found 0"),
    ("tracepoint:x", "tracepoint probe type requires 2 arguments, found 1"),
    ("tracepoint:a:b:c", "tracepoint probe type requires 2 arguments, found 3"),
    ("tracepoint:sched:", "tracepoint probe must have a target"),
    ("tracepoint::sched_switch", "tracepoint probe must have a target"),
    ("rawtracepoint", "rawtracepoint probe type requires 2 or 1 arguments, found 0"),
    ("rawtracepoint:a:b:c", "rawtracepoint probe type requires 2 or 1 arguments, found 3"),
    ("rawtracepoint:", "rawtracepoint should be attached to a function"),
    ("iter", "iter probe type takes 2 arguments (1 optional)"),
    ("iter:task:pin:x", "iter probe type takes 2 arguments (1 optional)"),
    ("iter:*", "iter probe type does not support wildcards"),
    ("iter:", "iter should specify a iterator's name"),
    ("iter:nosuch", "iter nosuch not available for your kernel version."),
    ("uprobe", "uprobe probe type requires 2 or 3 arguments, found 0"),
    ("uprobe::f", "uprobe should have a target"),
    ("uprobe:/nosuch:f", "uprobe target file '/nosuch' does not exist or is not executable"),
    ("uretprobe:cmd:f", "uretprobe target file 'cmd' does not exist or is not executable"),
    ("uprobe:/x:nolang:f", "unsupported language type: nolang"),
    ("uprobe:/x:a:b:c", "uprobe probe type requires 2 or 3 arguments, found 4"),
    ("uprobe:/x:", "uprobe should be attached to a function and/or address"),
    ("uprobe:/x:0", "uprobe should be attached to a function and/or address"),
    ("usdt", "usdt probe type requires 2 or 3 arguments, found 0"),
    ("usdt:/nosuch:x", "usdt target file '/nosuch' does not exist or is not executable"),
    ("usdt:/x:ns:", "usdt probe must have a target function or wildcard"),
    (
        "usdt::x:y",
        (
            "usdt probe must specify at least path or pid to probe. "
            "To target all paths/pids set the path to '*'."
        ),
    ),
    ("kprobe", "kprobe probe type requires 1 or 2 arguments, found 0"),
    ("kprobe:a:b:c", "kprobe probe type requires 1 or 2 arguments, found 3"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_malformed(text: str, message: str) -> None:
    with pytest.raises(ProbeSyntaxError) as caught:
        expand(text, KERNEL)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("software:cpu-clok", "did you mean 'cpu-clock'?"),
        ("iter:tsk", "did you mean 'task'?"),
        ("tracepoint:sched_switch", "did you mean tracepoint:sched:sched_switch?"),
        ("interval:min:1", "accepted: hz, ms, s, us"),
        ("begin:x", "write it as begin"),
        ("uprobe:nosuch:f", "give a path, a command, or a library's short name such as libc"),
    ],
)
def test_hints(text: str, hint: str) -> None:
    with pytest.raises(ProbeSyntaxError) as caught:
        expand(text, KERNEL)
    assert caught.value.hints == (hint,)


@pytest.mark.parametrize(
    ("text", "message", "hints"),
    [
        (
            "tracepoint:sched:sched_swich",
            "No matches for tracepoint sched:sched_swich.",
            ("did you mean 'sched:sched_switch' or 'sched:sched_wakeup'?",),
        ),
        (
            "tracepoint:shed:sched_switch",
            "No matches for tracepoint shed:sched_switch.",
            ("did you mean 'sched:sched_switch'?",),
        ),
        ("tracepoint:x:y", "No matches for tracepoint x:y.", ()),
        ("tracepoint:*:nosuch*", "", ()),
        (
            "rawtracepoint:nomod:sched_switch",
            "No matches for rawtracepoint nomod:sched_switch.",
            ("did you mean 'rawtracepoint:vmlinux:sched_switch'?",),
        ),
        (
            "rt:vmlinux:sys_enter_openat",
            "No matches for rawtracepoint vmlinux:sys_enter_openat.",
            ("did you mean 'tracepoint:syscalls:sys_enter_openat' or 'rawtracepoint:sys_enter'?",),
        ),
    ],
)
def test_missing(text: str, message: str, hints: tuple[str, ...]) -> None:
    point = attach_point.parse(text)
    target = KERNEL if not text.startswith("r") else WithTypes()
    scope = ExpandScope(target, Config())
    assert provider(point.provider).missing(point, scope) == (message, hints)


class WithTypes(TableTarget):
    """The kernel above, with types that nothing here looks into."""

    def __init__(self) -> None:
        super().__init__(raw_tracepoints=KERNEL.raw_tracepoints())

    btf = object()  # type: ignore[assignment]


def test_raw_tracepoints_without_types() -> None:
    target = TableTarget(raw_tracepoints=("sched_switch",))
    scope = ExpandScope(target, Config())
    raw = provider("rt")
    (match,) = raw.expand(attach_point.parse("rt:sched_switch"), scope)
    assert raw.share(match, scope, ("arg",)).key == ("rawtracepoint", 12)
    with pytest.raises(ProbeSyntaxError, match="types \\(BTF\\), which it does not show") as caught:
        raw.context(raw.share(match, scope, ("args",)), scope)
    assert "arg0 … are the arguments as numbers" in caught.value.hints[0]


SOFTWARE, CLOCK = 1, 0


@pytest.mark.parametrize(
    ("text", "pid", "expected"),
    [
        ("begin", None, SpecialAttach("begin")),
        ("self:signal:SIGUSR1", 7, SpecialAttach("self:signal:SIGUSR1")),
        ("interval:s:2", None, PerfEventAttach(SOFTWARE, CLOCK, period=2 * 10**9, cpu=0)),
        ("interval:hz:5", 7, PerfEventAttach(SOFTWARE, CLOCK, frequency=5, cpu=0)),
        ("profile:hz:99", None, PerfEventAttach(SOFTWARE, CLOCK, frequency=99)),
        ("profile:1ms", 7, PerfEventAttach(SOFTWARE, CLOCK, period=10**6, pid=7)),
        ("software:faults", None, PerfEventAttach(SOFTWARE, 2, period=100)),
        ("software:faults:3", 7, PerfEventAttach(SOFTWARE, 2, period=3, pid=7)),
        ("software:cs:0", None, PerfEventAttach(SOFTWARE, 3, period=1000)),
        ("hardware:cycles:5", None, PerfEventAttach(0, 0, period=5)),
        ("t:sched:sched_switch", 7, TracepointAttach("sched", "sched_switch")),
        ("rt:sched_switch", 7, RawTracepointAttach("sched_switch")),
        ("iter:task:x", None, IterAttach("task", "x")),
    ],
)
def test_how_it_is_attached(text: str, pid: int | None, expected: AttachSpec) -> None:
    point = attach_point.parse(text)
    found = provider(point.provider)
    scope = ExpandScope(KERNEL, Config(), pid)
    matches = found.expand(point, scope)
    (spec,) = found.attach(matches, "program", scope)
    assert spec.attach == expected
    assert spec.program == "program"
    assert spec.name == matches[0].name
    if pid is not None:
        filtered = getattr(spec.attach, "pid", -1) == pid
        assert filtered == (found.pid_filter == "attach")


def test_handlers_that_do_not_look_share_a_program() -> None:
    found = provider("t")
    scope = ExpandScope(KERNEL, Config())
    matches = expand("t:*:*", KERNEL)
    assert len({found.share(match, scope, ()).key for match in matches}) == 2  # address spaces
    assert len({found.share(match, scope, ("args",)).key for match in matches}) == 5
    raw = expand("rt:*", KERNEL)
    assert len({provider("rt").share(match, scope, ()).key for match in raw}) == 1
    assert len({provider("rt").share(match, scope, ("args",)).key for match in raw}) == 4


def test_aliases_and_names() -> None:
    assert TABLE.canonical("u") == "uprobe"
    assert TABLE.canonical("U") == "usdt"
    assert TABLE.canonical("BEGIN") == "begin"
    assert TABLE.canonical("KFunc") == "fentry"
    assert TABLE.canonical("I") is None
    for name in TABLE.names():
        found = TABLE.get(name)
        assert found is not None
        assert name in found.names
        assert found.syntax
        assert found.summary
