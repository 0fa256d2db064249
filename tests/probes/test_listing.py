"""What -l and -lv print, for a kernel known from tables and for the running one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prybee import functions, probes
from prybee.btf import Btf, BtfBuilder
from prybee.diagnostics import Source
from prybee.elf import ElfFile
from prybee.language.frontend import compile_script
from prybee.language.registry import Registry
from prybee.probes.listing import list_probes
from tests.counting import calls
from tests.fixtures.table_target import TRACEPOINTS, TableTarget, field

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def kernel() -> TableTarget:
    builder = BtfBuilder()
    boolean = builder.int("_Bool", 1, signed=False)
    integer = builder.int("int", 4)
    task = builder.struct("task_struct", 8, [("pid", integer, 0), ("tgid", integer, 32)])
    pointer = builder.ptr(task)
    proto = builder.func_proto(
        0, [("__data", builder.ptr(0)), ("preempt", boolean), ("prev", pointer)]
    )
    builder.typedef("btf_trace_sched_switch", builder.ptr(proto))
    builder.union("sigval", 8, [("sival_int", integer, 0)])
    builder.enum("speed", [("SLOW", 0), ("FAST", 5)])
    return TableTarget(
        Btf(builder.build()),
        raw_tracepoints=("sched_switch", "sched_other"),
        iterators=("task", "bpf_map"),
        tracepoints={
            **TRACEPOINTS,
            ("raw2", "x"): (),
            ("raw", "arrays"): (
                field("args", "unsigned long", 16, 48, array=6),
                field("tail", "u32[]", 64, 4, array=-1, location="__rel_loc"),
            ),
        },
    )


def lines(pattern: str, target: TableTarget, verbose: bool = False) -> list[str]:
    return list(list_probes(pattern, target, verbose))


def test_all_of_the_kernel(kernel: TableTarget) -> None:
    found = lines("", kernel)
    providers = list(dict.fromkeys(line.partition(":")[0] for line in found))
    assert " ".join(providers) == "hardware iter ksyscall rawtracepoint software tracepoint"
    assert found == lines("*", kernel)
    assert "tracepoint:raw2:x" in found
    for provider in providers:
        group = [line for line in found if line.startswith(f"{provider}:")]
        assert group == sorted(group)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("tracepoint:sched:*", "tracepoint:sched:sched_process_exec tracepoint:sched:sched_switch"),
        ("t:sched_switch", "tracepoint:sched:sched_switch"),
        ("T:sched_sw*", "tracepoint:sched:sched_switch"),
        (
            "sched_switch",
            "rawtracepoint:vmlinux:sched_switch tracepoint:sched:sched_switch",
        ),
        ("*:sched_o*", "rawtracepoint:vmlinux:sched_other"),
        ("sched_swit", ""),
        ("rt:vmlinux:*other", "rawtracepoint:vmlinux:sched_other"),
        ("software:c*k", "software:cpu-clock:"),
        ("s*are:c*k", "software:cpu-clock:"),
        (
            "*tracepoint:*switch",
            ("rawtracepoint:vmlinux:sched_switch tracepoint:sched:sched_switch"),
        ),
        ("software:cpu", "software:cpu:"),
        ("software:cpu-clock:", "software:cpu-clock:"),
        ("hardware:*misses*", "hardware:branch-misses: hardware:cache-misses:"),
        ("interval:*", "interval:hz: interval:ms: interval:s: interval:us:"),
        ("profile:s*", "profile:s:"),
        ("iter:*", "iter:bpf_map iter:task"),
        ("self:*", "self:signal:SIGUSR1"),
        ("nosuch:*", ""),
        ("tracepoint:a:b:c", ""),
        ("software:cs,iter:task", "software:cs: iter:task"),
        ("struct task_struct", "struct task_struct"),
        ("struct *,union sig*", "struct task_struct union sigval"),
        ("enum speed", "enum speed"),
        ("struct nosuch", ""),
        ("struct sigval", ""),
    ],
)
def test_searches(kernel: TableTarget, pattern: str, expected: str) -> None:
    text = "\n".join(lines(pattern, kernel))
    assert text.split() == expected.split()


def test_arguments(kernel: TableTarget) -> None:
    assert lines("sched_switch", kernel, verbose=True) == [
        "rawtracepoint:vmlinux:sched_switch",
        "    _Bool preempt",
        "    struct task_struct * prev",
        "tracepoint:sched:sched_switch",
        "    char prev_comm[16]",
        "    pid_t prev_pid",
        "    int prev_prio",
        "    long prev_state",
        "    char next_comm[16]",
        "    pid_t next_pid",
        "    int next_prio",
    ]
    assert lines("t:sched:*exec", kernel, verbose=True)[:2] == [
        "tracepoint:sched:sched_process_exec",
        "    __data_loc char[] filename",
    ]
    assert lines("t:raw:*", kernel, verbose=True)[1:] == [
        "    unsigned long args[6]",
        "    __rel_loc u32[] tail",
    ]


def test_definitions(kernel: TableTarget) -> None:
    assert lines("struct task_struct,enum speed", kernel, verbose=True) == [
        "vmlinux: struct task_struct {",
        "\tint pid;",
        "\tint tgid;",
        "};",
        "",
        "vmlinux: enum speed {",
        "\tSLOW = 0,",
        "\tFAST = 5,",
        "};",
        "",
    ]


def test_programs(build: Callable[..., str]) -> None:
    with (
        ElfFile.open(build("uprobes.c")) as uprobes,
        ElfFile.open(build("usdt.c")) as noted,
        ElfFile.open(build("names.cc")) as names,
    ):
        target = TableTarget(
            elf_files={"/bin/app": uprobes, "/bin/noted": noted, "/bin/names": names},
            process_binaries={42: ["/bin/app", "/bin/noted"]},
        )
        assert lines("uprobe:/bin/app:g*", target) == [
            f"uprobe:/bin/app:{name}"
            for name in ("greeting", "group_alias", "group_one", "group_three", "group_two")
        ]
        assert lines("ur:/bin/*:six", target) == ["uretprobe:/bin/app:six"]
        assert lines("usdt:/bin/noted:o*:*", target) == ["usdt:/bin/noted:other:bare"]
        assert lines("usdt:/bin/noted:twice", target) == ["usdt:/bin/noted:app:twice"]
        assert lines("u:/bin/names:cpp:*total*", target) == [
            'uprobe:/bin/names:cpp:"shop::Cart::total(int) const"'
        ]
        assert lines("uprobe:/bin/nothing:*", target) == []
        of_process = list(list_probes("usdt:*", target, pid=42))
        assert "usdt:/bin/noted:app:memory" in of_process
        assert list(list_probes("uprobe:*:six", target, pid=42)) == ["uprobe:/bin/app:six"]
        # No provider is any provider.
        assert lines("usdt:/bin/noted::twice", target) == ["usdt:/bin/noted:app:twice"]
        assert list(list_probes("usdt::app:tw*", target, pid=42)) == ["usdt:/bin/noted:app:twice"]
        # A path is looked at by the probe types of programs; what is entered returns.
        assert lines("*:/bin/app:six", target) == ["uprobe:/bin/app:six"]
        assert lines("u*:/bin/app:six", target) == ["uprobe:/bin/app:six"]
        assert lines("ur*:/bin/app:six", target) == ["uretprobe:/bin/app:six"]
        assert "usdt:/bin/noted:other:bare" in lines("*:/bin/noted:*", target)
        everything = list(list_probes("", target, pid=42))
        assert {"uprobe:/bin/app:six", "usdt:/bin/noted:other:bare"} <= set(everything)
        assert "software:cpu-clock:" in everything


def test_arguments_without_names() -> None:
    """As kernels before 5.11 have some: they are numbered, and can be used so."""
    builder = BtfBuilder()
    integer = builder.int("int", 4)
    proto = builder.func_proto(0, [("", builder.ptr(0)), ("", integer), ("", builder.ptr(integer))])
    builder.typedef("btf_trace_nameless", builder.ptr(proto))
    target = TableTarget(Btf(builder.build()), raw_tracepoints=("nameless",))
    assert lines("rawtracepoint:nameless", target, verbose=True) == [
        "rawtracepoint:vmlinux:nameless",
        "    int arg0",
        "    int * arg1",
    ]
    script = Source("stdin", "rawtracepoint:nameless { @ = args.arg0; }")
    assert compile_script(script, target, Registry(functions.TABLE, probes.TABLE)).plan.programs


def test_functions_of_many_modules_are_listed_in_few_steps() -> None:
    """The types of each module stand upon the kernel's, which are gone through once."""
    base, functions = _types([f"of_kernel_{n}" for n in range(2000)]), []
    modules = {}
    for number in range(40):
        own = [f"of_module_{number}_{n}" for n in range(3)]
        modules[f"m{number}"] = _types(own, base)
        functions += [(f"m{number}", name) for name in (*own, "without_types", "of_kernel_1")]
    functions += [("vmlinux", name) for name in base.names("func")]
    target = TableTarget(
        base, modules=modules, kernel_functions=sorted(functions), features=("fentry",)
    )
    found: list[str] = []
    steps = calls(lambda: found.extend(list_probes("fentry:*", target)))
    assert len(found) == 2000 + 40 * 4
    assert "fentry:m7:of_module_7_2" in found
    assert steps < 60 * len(found)


def _types(names: list[str], base: Btf | None = None) -> Btf:
    builder = BtfBuilder(base)
    proto = builder.func_proto(0, [])
    for name in names:
        builder.func(name, proto)
    return Btf(builder.build(), base)


@pytest.mark.live
def test_the_running_kernel_is_listed_in_few_steps() -> None:
    """(How long it takes beside bpftrace is in bench/measures/listing.py.)"""
    from prybee.engines.live import LiveTarget

    with LiveTarget() as target:
        list(list_probes("iter:task", target))  # the index of types is on disk from here on
    with LiveTarget() as target:
        found: list[str] = []
        steps = calls(lambda: found.extend(list_probes("", target)))
    assert len(found) > 1000
    assert steps < 40 * len(found)
