"""ksyscall and kretsyscall: names, arguments, and the ways there, of which each kernel has some."""

from __future__ import annotations

import pytest

from prybee import functions, probes
from prybee.btf import Btf, BtfBuilder
from prybee.diagnostics import ScriptError, Source
from prybee.language.frontend import Compilation, CompileOptions, compile_script
from prybee.language.registry import Registry
from prybee.machines import registers
from prybee.plan.plan import (
    AttachSpec,
    KprobeAttach,
    KprobeMultiAttach,
    TracepointAttach,
    TracingAttach,
)
from prybee.probes.listing import list_probes
from tests.fixtures.table_target import TRACEPOINTS, TableTarget, field

EVENTS = {
    **TRACEPOINTS,
    ("syscalls", "sys_enter_getpid"): (field("__syscall_nr", "int", 8, 4, signed=True),),
    ("syscalls", "sys_enter_newstat"): (
        field("__syscall_nr", "int", 8, 4, signed=True),
        field("filename", "const char *", 16, 8),
        field("statbuf", "struct stat *", 24, 8),
    ),
}


def types() -> Btf:
    """A kernel with functions behind system calls, and one that stands for a missing call."""
    builder = BtfBuilder()
    long = builder.int("long", 8)
    given = builder.ptr(builder.const(builder.struct("pt_regs", 168, [("r15", long, 0)])))
    proto = builder.func_proto(long, [("regs", given)])
    for machine in ("x64", "arm64"):
        for name in ("openat", "getpid", "newstat", "stat"):
            builder.func(f"__{machine}_sys_{name}", proto, 0)
    return Btf(builder.build())


def kernel(*features: str, arch: str = "x86_64", events: bool = True) -> TableTarget:
    return TableTarget(types(), tracepoints=EVENTS if events else {}, features=features, arch=arch)


def compiled(script: str, target: TableTarget) -> Compilation:
    registry = Registry(functions.TABLE, probes.TABLE)
    return compile_script(Source("stdin", script), target, registry, CompileOptions())


def refusal(script: str, target: TableTarget) -> tuple[str, str]:
    with pytest.raises(ScriptError) as caught:
        compiled(script, target)
    diagnostic = caught.value.diagnostics[0]
    return diagnostic.message, " ".join(diagnostic.hints)


SCRIPT = (
    "ksyscall:openat { print((args.dfd, str(args.filename), arg2)); } "
    "kretsyscall:openat { print(retval); }"
)
# Features of the kernel, its machine, the programs' types, and how they are attached.
WAYS: list[tuple[tuple[str, ...], str, list[str], list[AttachSpec]]] = [
    (
        ("kprobe", "fentry"),
        "x86_64",
        ["kprobe ", "kprobe "],
        [
            KprobeAttach("__x64_sys_openat"),
            KprobeAttach("__x64_sys_openat", returns=True),
        ],
    ),
    (
        ("kprobe",),
        "aarch64",
        ["kprobe ", "kprobe "],
        [
            KprobeAttach("__arm64_sys_openat"),
            KprobeAttach("__arm64_sys_openat", returns=True),
        ],
    ),
    (
        ("fentry",),
        "x86_64",
        ["tracing __x64_sys_openat", "tracing __x64_sys_openat"],
        [TracingAttach(), TracingAttach()],
    ),
    (
        (),
        "x86_64",
        ["tracepoint ", "tracepoint "],
        [
            TracepointAttach("syscalls", "sys_enter_openat"),
            TracepointAttach("syscalls", "sys_exit_openat"),
        ],
    ),
]


@pytest.mark.parametrize(("features", "arch", "programs", "attached"), WAYS)
def test_ways(
    features: tuple[str, ...], arch: str, programs: list[str], attached: list[AttachSpec]
) -> None:
    """The same script in each; nothing is said, as nothing is different."""
    made = compiled(SCRIPT, kernel(*features, arch=arch))
    assert [probe.name for probe in made.plan.probes] == ["ksyscall:openat", "kretsyscall:openat"]
    assert [f"{each.type} {each.attach_to}" for each in made.plan.programs] == programs
    assert [probe.attach for probe in made.plan.probes] == attached
    assert made.warnings == ()


@pytest.mark.parametrize(
    ("features", "script", "count"),
    [
        (("kprobe",), "ksyscall:* { @ = count(); }", 1),
        (("kprobe",), "ksyscall:* { @[probe] = count(); }", 3),
        (("kprobe",), "ksyscall:newstat,ksyscall:openat { @ = arg0; }", 2),
        ((), "ksyscall:* { @ = count(); }", 1),
        (("fentry",), "ksyscall:* { @ = count(); }", 3),
        (("kprobe", "kprobe_multi"), "ksyscall:* { @ = count(); }", 1),
    ],
)
def test_what_looks_at_nothing_is_one_program(
    features: tuple[str, ...], script: str, count: int
) -> None:
    assert len(compiled(script, kernel(*features)).plan.programs) == count


def test_many_calls_by_one_link() -> None:
    target = kernel("kprobe", "kprobe_multi")
    (probe,) = compiled("kretsyscall:* { @[retval] = count(); }", target).plan.probes
    names = tuple(f"__x64_sys_{name}" for name in ("getpid", "newstat", "openat"))
    assert probe.attach == KprobeMultiAttach(names, returns=True)


def test_where_arguments_are() -> None:
    """x86-64: the fourth in r10, as the CPU's own instruction takes rcx; arm64: x0 to x5."""
    amd, arm = registers("x86_64"), registers("aarch64")
    assert amd is not None
    assert arm is not None
    assert amd.syscall_arguments == ("di", "si", "dx", "r10", "r8", "r9")
    assert amd.arguments[3] == "cx"
    assert [arm.offsets[each] for each in arm.syscall_arguments] == [0, 8, 16, 24, 32, 40]


MISTAKES = [
    ("ksyscall:opnat { }", "No matches for ksyscall opnat.", "did you mean 'ksyscall:openat'?"),
    ("kretsyscall:sys_exit_openat { }", "No matches for", "did you mean 'kretsyscall:openat'?"),
    ("ksyscall:__x64_sys_openat { }", "No matches for", "did you mean 'ksyscall:openat'?"),
    # There is a function of that name, which only says that there is no such call.
    ("ksyscall:stat { }", "No matches for ksyscall stat.", "did you mean 'ksyscall:newstat'?"),
    ("ksyscall: { }", "ksyscall should name a system call", "write it as ksyscall:SYSCALL"),
    ("ksyscall:a:b { }", "ksyscall probe type requires 1 arguments, found 2", "SYSCALL"),
    ("ksyscall:openat { @ = args.mod; }", "does not contain a field named 'mod'", "mode"),
    ("ksyscall:openat { @ = arg4; }", "doesn't support arg4", ""),
    ("ksyscall:openat { @ = retval; }", "The retval builtin can only be used with", ""),
    (
        "kretsyscall:openat { @ = args.dfd; }",
        "the arguments of a system call are gone when it returns",
        "keep them at its start: ksyscall:openat { @kept[tid] = args.… }",
    ),
]


@pytest.mark.parametrize("features", [("kprobe",), ("fentry",), ()])
@pytest.mark.parametrize(("script", "message", "hint"), MISTAKES)
def test_mistakes(script: str, message: str, hint: str, features: tuple[str, ...]) -> None:
    said, hints = refusal(script, kernel(*features))
    assert message in said
    assert hint in hints


@pytest.mark.parametrize(
    ("point", "hint"),
    [
        ("kprobe:__x64_sys_openat", "use ksyscall:openat"),
        ("kretprobe:sys_openat", "use kretsyscall:openat"),
        ("fentry:do_sys_openat", "use ksyscall:openat"),
        ("kprobe:my_sys_openat", "use a tracepoint"),
        ("kprobe:sys_nothing", "use a tracepoint"),
    ],
)
def test_functions_behind_system_calls(point: str, hint: str) -> None:
    assert refusal(f"{point} {{ }}", kernel())[1].startswith(hint)


def test_functions_that_are_called_otherwise() -> None:
    target = TableTarget(
        types(), tracepoints=EVENTS, features=("kprobe",),
        kernel_functions=[("vmlinux", "__x64_sys_openat")],
    )  # fmt: skip
    assert refusal("kprobe:sys_openat { }", target) == (
        "No matches for kprobe sys_openat.",
        "did you mean 'ksyscall:openat'?",
    )


def test_without_events_arguments_have_no_names() -> None:
    target = kernel("kprobe", events=False)
    assert compiled("ksyscall:openat { @ = arg5; }", target).plan.probes
    message, hint = refusal("ksyscall:openat { @ = args.dfd; }", target)
    assert message.startswith("nothing tells the names of the arguments of openat() here")
    assert hint == "use arg0, arg1 …, by position"
    assert "ksyscall:openat" in list(list_probes("ksyscall:*", target))


def test_machines_whose_registers_are_not_known() -> None:
    """The event tells all that is asked for."""
    made = compiled(SCRIPT, kernel("kprobe", "fentry", arch="riscv64"))
    assert [f"{each.type} {each.attach_to}" for each in made.plan.programs] == ["tracepoint "] * 2


@pytest.mark.parametrize(
    "target", [kernel(events=False), kernel("kprobe", arch="sparc64", events=False)]
)
def test_without_any_way(target: TableTarget) -> None:
    message, hint = refusal("ksyscall:openat { }", target)
    assert message.startswith("ksyscall probes: this kernel has no way to see system calls")
    assert hint == "use tracepoint:raw_syscalls:sys_enter, with a test of args.id"
    script = "config = { missing_probes = warn } ksyscall:openat { } begin { }"
    assert [probe.name for probe in compiled(script, target).plan.probes] == ["begin"]


def test_listings() -> None:
    target = kernel()
    names = ["ksyscall:getpid", "ksyscall:newstat", "ksyscall:openat"]
    assert list(list_probes("ksyscall:*", target)) == names
    assert list(list_probes("ksyscall:open*,kretsyscall:openat", target, verbose=True)) == [
        "ksyscall:openat",
        "    int dfd",
        "    const char * filename",
        "    int flags",
        "    umode_t mode",
        "kretsyscall:openat",
        "    long retval",
    ]
