"""fentry, fexit, lsm and fmod_ret: what their handlers know, and how they are attached."""

from __future__ import annotations

import pytest

from prybee import functions, probes
from prybee.btf import Btf, BtfBuilder
from prybee.diagnostics import ScriptError, Source
from prybee.language.frontend import Compilation, CompileOptions, compile_script
from prybee.language.registry import Registry
from prybee.plan.plan import KprobeAttach, TracingAttach
from prybee.probes.listing import list_probes
from tests.fixtures.table_target import TableTarget


def types() -> Btf:
    """A kernel with hooks: files with paths, programs, and functions upon them."""
    builder = BtfBuilder()
    number, result = builder.int("int", 4), builder.int("long", 8)
    path = builder.struct("path", 16, [("mnt", result, 0), ("dentry", result, 64)])
    file = builder.ptr(builder.struct("file", 24, [("f_mode", number, 0), ("f_path", path, 64)]))
    program = builder.ptr(builder.struct("linux_binprm", 8, [("file", file, 0)]))
    opened = builder.func_proto(number, [("file", file)])
    builder.func("security_file_open", opened, 0)
    builder.func("bpf_lsm_file_open", opened, 0)
    checked = builder.func_proto(number, [("bprm", program)])
    builder.func("bpf_lsm_bprm_check_security", checked, 0)
    builder.func("vfs_read", builder.func_proto(result, [("file", file), ("count", result)]), 0)
    builder.func("do_work", builder.func_proto(0, []), 0)
    return Btf(builder.build())


@pytest.fixture(scope="module")
def kernel() -> TableTarget:
    names = ("do_work", "security_file_open", "vfs_read")
    return TableTarget(types(), kernel_functions=[("vmlinux", name) for name in names])


def compiled(script: str, target: TableTarget, unsafe: bool = False) -> Compilation:
    registry = Registry(functions.TABLE, probes.TABLE)
    options = CompileOptions(unsafe=unsafe)
    return compile_script(Source("stdin", script), target, registry, options)


def refusal(script: str, target: TableTarget) -> tuple[str, str]:
    with pytest.raises(ScriptError) as caught:
        compiled(script, target)
    diagnostic = caught.value.diagnostics[0]
    return diagnostic.message, " ".join(diagnostic.hints)


PROGRAMS = [
    (
        "fentry:vfs_read { @ = args.file.f_mode + args.count; }",
        "fentry:vmlinux:vfs_read",
        ("tracing", "trace_fentry", "vfs_read"),
    ),
    (
        "fexit:vfs_read /retval > 0/ { @[func] = sum(retval); @n = args.count; }",
        "fexit:vmlinux:vfs_read",
        ("tracing", "trace_fexit", "vfs_read"),
    ),
    ("fentry:do_work { return 5; }", "fentry:vmlinux:do_work", ("tracing", "trace_fentry", "")),
    (
        "fentry:security_file_open { print(path(args.file.f_path)); }",
        "fentry:vmlinux:security_file_open",
        ("tracing", "trace_fentry", "security_file_open"),
    ),
    (
        "lsm:bprm_check_security /args.bprm.file.f_mode/ { return -1; }",
        "lsm:bprm_check_security",
        ("lsm", "lsm_mac", "bpf_lsm_bprm_check_security"),
    ),
    (
        "lsm:file_open { print(path(args.file.f_path)); }",
        "lsm:file_open",
        ("lsm", "lsm_mac", "bpf_lsm_file_open"),
    ),
    (
        "fmod_ret:security_file_open { print((func, path(args.file.f_path))); return -13; }",
        "fmod_ret:security_file_open",
        ("tracing", "modify_return", "security_file_open"),
    ),
]


@pytest.mark.parametrize(("script", "name", "how"), PROGRAMS)
def test_programs(kernel: TableTarget, script: str, name: str, how: tuple[str, ...]) -> None:
    made = compiled(script, kernel, unsafe=True)
    assert [(probe.name, probe.attach) for probe in made.plan.probes] == [(name, TracingAttach())]
    (program,) = made.plan.programs
    found = (program.type, program.attach_type, program.attach_to)
    assert found == (*how[:2], how[2] or "do_work")


@pytest.mark.parametrize("point", ["lsm:file_open", "fmod_ret:security_file_open"])
def test_what_decides_needs_unsafe(kernel: TableTarget, point: str) -> None:
    provider = point.partition(":")[0]
    for value in ("-1", "1", "pid"):
        message, _hint = refusal(f"{point} {{ return {value}; }}", kernel)
        assert message == (
            f"{provider} handlers that return anything but 0 change what the system does. To use "
            "that you need the --unsafe flag."
        )
    for harmless in ("return 0;", "return;", ""):
        assert compiled(f"{point} {{ {harmless} }}", kernel).plan.probes


MISTAKES = [
    ("lsm:file_opn { }", "No matches for lsm file_opn.", "did you mean 'lsm:file_open'?"),
    (
        "fmod_ret:security_file_opn { }",
        "No matches for fmod_ret security_file_opn.",
        "did you mean 'fmod_ret:security_file_open'?",
    ),
    ("lsm: { }", "lsm should name a function", ""),
    ("lsm:a:b { }", "lsm probe type requires 1", ""),
    ("lsm:file_open { @ = args.fil; }", "does not contain a field named 'fil'", "'file'"),
    ("lsm:file_open { @ = func; }", "The func builtin can not be used with 'lsm' probes", ""),
    ("fexit:do_work { @ = retval; }", "The retval builtin can only be used with", ""),
    ("fentry:vfs_read { @ = retval; }", "The retval builtin can only be used with", ""),
    ("lsm:file_open { print(path(1)); }", "path() only supports struct path arguments", ""),
    (
        "begin { print(path(1)); }",
        "can only be used with 'fentry', 'fexit', 'lsm', 'fmod_ret' and 'iter' probes",
        "",
    ),
]


@pytest.mark.parametrize(("script", "message", "hint"), MISTAKES)
def test_mistakes(kernel: TableTarget, script: str, message: str, hint: str) -> None:
    said, hints = refusal(script, kernel)
    assert message in said
    assert hint in hints


def test_listings(kernel: TableTarget) -> None:
    assert list(list_probes("lsm:*", kernel)) == ["lsm:bprm_check_security", "lsm:file_open"]
    assert list(list_probes("lsm:file_open", kernel, verbose=True)) == [
        "lsm:file_open",
        "    struct file * file",
    ]
    assert list(list_probes("fmod_ret:*", kernel)) == ["fmod_ret:security_file_open"]


LACKING = TableTarget(types(), features=("fentry",))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("lsm:file_open { }", "lsm probes: this kernel does not ask BPF programs before it acts"),
        ("lsm:file_* { }", "lsm probes: this kernel does not ask BPF programs before it acts"),
        (
            "fmod_ret:security_file_open { }",
            "fmod_ret probes: this kernel cannot run programs that replace what a function returns",
        ),
    ],
)
def test_what_the_kernel_lacks(script: str, message: str) -> None:
    said, hint = refusal(script, LACKING)
    assert said.startswith(message)
    assert hint.startswith("to watch only, use a tracepoint")


@pytest.mark.parametrize(
    ("script", "feature", "hint"),
    [
        ("lsm:file_open { }", "fmod_ret", "use fmod_ret:security_file_open, which is asked at"),
        ("lsm:bprm_check_security { }", "fmod_ret", "to watch only, use a tracepoint"),
        ("fmod_ret:security_file_open { }", "lsm", "use lsm:file_open, which is asked at"),
        ("fmod_ret:do_work { }", "lsm", "to watch only, use a tracepoint"),
    ],
)
def test_what_is_asked_at_the_same_place(script: str, feature: str, hint: str) -> None:
    assert refusal(script, TableTarget(types(), features=(feature,)))[1].startswith(hint)


@pytest.mark.parametrize("point", ["lsm:file_open", "lsm:*", "fmod_ret:security_file_open"])
def test_a_script_may_do_without(point: str) -> None:
    script = f"config = {{ missing_probes = warn }} {point} {{ }} begin {{ }}"
    made = compiled(script, LACKING)
    assert [probe.name for probe in made.plan.probes] == ["begin"]
    assert made.plan.skipped[0][0] == point


@pytest.mark.parametrize(
    ("value", "helper"),
    [
        ("args.file.next.mode", False),
        ("args.file.name[0]", True),
        ("*args.file.name", True),
        ("args.file.many[1].mode", True),
    ],
)
def test_only_pointers_to_structs_are_followed_by_loads(value: str, helper: bool) -> None:
    """The verifier takes other pointers in the kernel's structs for numbers."""
    builder = BtfBuilder()
    number, letter = builder.int("int", 4), builder.int("char", 1, is_char=True)
    other = builder.ptr(builder.struct("other", 4, [("mode", number, 0)]))
    members = [
        ("next", other, 0),
        ("name", builder.ptr(letter), 64),
        ("many", builder.ptr(other), 128),
    ]
    file = builder.ptr(builder.struct("file", 24, members))
    builder.func("vfs_read", builder.func_proto(number, [("file", file)]), 0)
    target = TableTarget(Btf(builder.build()), kernel_functions=[("vmlinux", "vfs_read")])
    (program,) = compiled(f"fentry:vfs_read {{ @ = {value}; }}", target).plan.programs
    probe_read_kernel = 113
    assert (probe_read_kernel in calls(program.insns)) is helper


def test_the_traced_function_where_programs_cannot_ask() -> None:
    """Its address is in the program; only such programs are for one function."""
    symbols = {"vfs_read": 0xFFFFFFFF81234560}
    target = TableTarget(
        types(),
        kernel_functions=[("vmlinux", "vfs_read")],
        features=("fentry", "ringbuf"),
        kernel_symbols=symbols,
    )
    (program,) = compiled("fentry:vfs_read { @[func] = 1; }", target).plan.programs
    get_func_ip = 173
    assert get_func_ip not in calls(program.insns)
    assert (0x81234560).to_bytes(4, "little") in program.insns


# -- functions without trampolines ---------------------------------------------------------------


@pytest.fixture(scope="module")
def breakpoints() -> TableTarget:
    """A kernel that has kprobes and no fentry."""
    builder = BtfBuilder()
    number, result = builder.int("int", 4), builder.int("long", 8)
    flag = builder.int("_Bool", 1, is_bool=True)
    file = builder.ptr(builder.struct("file", 8, [("f_mode", number, 0)]))
    pair = builder.struct("pair", 16, [("one", result, 0), ("two", result, 64)])
    many = [(f"a{index}", number) for index in range(7)]
    builder.func("vfs_read", builder.func_proto(result, [("file", file), ("count", number)]), 0)
    builder.func("vfs_test", builder.func_proto(flag, [("file", file)]), 0)
    builder.func("opened", builder.func_proto(file, [("n", number)]), 0)
    builder.func("many", builder.func_proto(number, many), 0)
    builder.func("by_value", builder.func_proto(pair, [("of", pair)]), 0)
    builder.func("do_work", builder.func_proto(0, []), 0)
    names = ("by_value", "do_work", "many", "opened", "untyped", "vfs_read", "vfs_test")
    functions_ = [("vmlinux", name) for name in names]
    return TableTarget(Btf(builder.build()), kernel_functions=functions_, features=("kprobe",))


@pytest.mark.parametrize(
    ("script", "names"),
    [
        ("fentry:vfs_read { @ = args.file.f_mode + args.count; }", "vfs_read"),
        ("fentry:vfs_read { print(args); @[func] = count(); }", "vfs_read"),
        ("fexit:vfs_read { @ = retval; }", "vfs_read"),
        ("fexit:vfs_test { @ = retval; }", "vfs_test"),
        ("fexit:opened { @ = retval.f_mode; }", "opened"),
        ("fentry:vfs_* { @[probe] = count(); }", "vfs_read vfs_test"),
        # What cannot be read is no matter where nobody asks.
        ("fentry:many { } fexit:by_value { }", "many by_value"),
    ],
)
def test_fentry_by_kprobes(breakpoints: TableTarget, script: str, names: str) -> None:
    made = compiled(script, breakpoints)
    returns = script.startswith("fexit")
    found = [probe.attach for probe in made.plan.probes]
    ways = [KprobeAttach(name, returns=returns or name == "by_value") for name in names.split()]
    assert found == ways
    assert {program.type for program in made.plan.programs} == {"kprobe"}
    said = [warning.message for warning in made.warnings]
    assert len(said) == len(set(said))
    as_what = "kretprobe" if returns else "kprobe"
    assert any(f"probes run as {as_what} ones" in message for message in said)


@pytest.mark.parametrize(
    ("script", "message", "hint"),
    [
        ("fentry:many { @ = args.a0; }", "many() has 7 arguments: without", "use kprobe:many"),
        ("fentry:by_value { @ = args.of.one; }", "takes 'of' by value (struct pair)", "kprobe"),
        ("fexit:by_value { @ = retval.one; }", "returns struct pair by value", ""),
        (
            "fexit:vfs_read { @ = args.count; }",
            "without trampolines a function's arguments are gone when it returns",
            "keep them at its start: fentry:vfs_read { @kept[tid] = args.… }",
        ),
        ("fentry:vfs_read { @ = arg0; }", "The arg0 builtin can only be used with", ""),
        ("fentry:vfs_read { @ = retval; }", "The retval builtin can only be used with", ""),
        ("fexit:do_work { @ = retval; }", "The retval builtin can only be used with", ""),
        ("fentry:untyped { }", "No matches for fentry untyped.", ""),
        (
            "fentry:vfs_read { print(path(args.file.f_path)); }",
            "path() needs pointers that the kernel vouches for, and fentry probes run as kprobes",
            "d_name.name",
        ),
        (
            "fexit:vfs_read { $c = socket_cookie(retval); }",
            "socket_cookie() wants a socket whose type the verifier knows, and this kernel runs f",
            "use a rawtracepoint that has a socket, such as rawtracepoint:sock_rcvqueue_full",
        ),
        (
            'fentry:vfs_read { $r = skboutput("a.pcap", args.file, 1, 0); }',
            "skboutput() wants a packet whose type the verifier knows",
            "use a rawtracepoint that has a packet, such as rawtracepoint:net_dev_start_xmit",
        ),
    ],
)
def test_what_breakpoints_cannot(
    breakpoints: TableTarget, script: str, message: str, hint: str
) -> None:
    said, hints = refusal(script, breakpoints)
    assert message in said
    assert hint in hints


# -- functions without kprobes -------------------------------------------------------------------

NAMES = ("do_work", "security_file_open", "untyped", "vfs_read")


@pytest.fixture(scope="module")
def trampolines() -> TableTarget:
    """A kernel that has fentry and no kprobes."""
    functions_ = [("vmlinux", name) for name in NAMES]
    return TableTarget(types(), kernel_functions=functions_, features=("fentry",))


@pytest.mark.parametrize(
    ("script", "attach_type", "names"),
    [
        ("kprobe:vfs_read { @ = arg0 + arg1; }", "trace_fentry", "vfs_read"),
        (
            "kprobe:vfs_read { $f = (struct file *)arg0; @ = $f.f_mode; }",
            "trace_fentry",
            "vfs_read",
        ),
        ("kretprobe:vfs_read { @[func] = retval; }", "trace_fexit", "vfs_read"),
        # What has no types is left out of patterns.
        ("kprobe:* { @[probe] = count(); }", "trace_fentry", "do_work security_file_open vfs_read"),
    ],
)
def test_kprobes_by_trampolines(
    trampolines: TableTarget, script: str, attach_type: str, names: str
) -> None:
    made = compiled(script, trampolines)
    provider = script.partition(":")[0]
    found = [(probe.name, probe.attach) for probe in made.plan.probes]
    assert found == [(f"{provider}:{name}", TracingAttach()) for name in names.split()]
    assert {program.attach_type for program in made.plan.programs} == {attach_type}
    assert [program.attach_to for program in made.plan.programs] == names.split()


def test_what_runs_otherwise_is_said_once(trampolines: TableTarget) -> None:
    made = compiled("kprobe:vfs_read { } kprobe:do_work { }", trampolines)
    assert [warning.message for warning in made.warnings] == [
        (
            "this kernel has no kprobes (CONFIG_KPROBE_EVENTS): kprobe probes run as fentry ones, "
            "with the function's own arguments by position, and without registers"
        )
    ]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("kprobe:untyped { }", "trampolines reach only functions that the kernel's types tell of"),
        ("kprobe:vfs_read+4 { }", "trampolines reach only functions that the kernel's types"),
        ("kprobe:vfs_read { @ = arg2; }", "doesn't support arg2"),
        ("kprobe:vfs_read { @ = args.count; }", "The args builtin can only be used with"),
        ('kprobe:vfs_read { @ = reg("ip"); }', "reg can not be used with"),
        ("kretprobe:vfs_read { @ = arg0; }", "The arg0 builtin can only be used with"),
        ("kretprobe:do_work { @ = retval; }", "The retval builtin can only be used with"),
    ],
)
def test_what_trampolines_cannot(trampolines: TableTarget, script: str, message: str) -> None:
    assert message in refusal(script, trampolines)[0]


def calls(code: bytes) -> list[int]:
    """The helpers that a program calls, in order."""
    operations = [code[at : at + 8] for at in range(0, len(code), 8)]
    return [int.from_bytes(each[4:], "little") for each in operations if each[0] == 0x85]


def test_room_for_a_path_is_found_before_the_ring_buffers(kernel: TableTarget) -> None:
    """Where the one lookup fails the function ends, with nothing to give back."""
    script = 'fentry:security_file_open { printf("%s\\n", path(args.file.f_path)); }'
    (program,) = compiled(script, kernel).plan.programs
    lookup, reserve = 1, 131
    found = [number for number in calls(program.insns) if number in (lookup, reserve)]
    assert found == [lookup, reserve]
