"""What is said of wrong arguments, in bpftrace 0.27.1's words where it has some."""

from __future__ import annotations

import pytest

from prybee.diagnostics import ScriptError
from tests.functions.scripts import complaints
from tests.language.running import compile_text

ERRORS = {
    "pid(1)": "pid() only supports curr_ns and init as the argument",
    'pid("x")': "pid() only supports curr_ns and init as the argument",
    "tid(foo)": "Invalid PID namespace mode: foo (expects: curr_ns or init)",
    "pid(init, init)": "pid() takes up to one argument (2 provided)",
    'comm("x")': "Only integer supported for comm()'s pid",
    "comm(1)": "Syntax comm(PID) is not supported in this probe type yet. Type: begin",
    "ppid(1)": "Can not access field 'real_parent' on expression of type 'int8'",
    "leader_tid(comm)": "Can not access field 'group_leader' on expression of type 'string[16]'",
    "nsecs(foo)": "Invalid timestamp mode: foo",
    "nsecs(1)": "Invalid timestamp mode: 1",
    "nsecs(boot, tai)": "nsecs() takes up to one argument (2 provided)",
    'strftime("%H", "a")': "strftime() only supports int arguments (string provided)",
    'strftime("%Y", -1)': "strftime() does not accept negative timestamps",
    "strftime(1, 1)": "strftime() expects a string literal (int provided)",
    "kstack(3, perf)": "Expected stack mode as first argument",
    "kstack(foo)": "Error parsing stack mode: kstack: Invalid value for stack_mode: valid values "
    "are bpftrace, raw, perf, and build_id.",
    "kstack(2000)": "kstack([int limit]): limit shouldn't exceed 1024, 2000 given",
    "ustack(perf, 2000)": "ustack([int limit]): limit shouldn't exceed 1024, 2000 given",
    "kstack(-1)": "kstack: invalid limit value",
    "kstack(pid)": "kstack: invalid limit value",
    'kstack("perf")': "kstack: invalid limit value",
    "kstack(build_id)": "'build_id' stack mode can only be used for ustack",
    "stack_len(1)": "len() expects a map or stack to be provided",
    "args": "The args builtin can only be used with tracepoint, rawtracepoint, fentry/fexit, and "
    "uprobe probes (special used here)",
    "ctx": "The ctx builtin can not be used with 'begin' probes",
    "func": "The func builtin can not be used with 'begin' probes",
    "retval": "The retval builtin can only be used with 'kretprobe' and 'uretprobe' and 'fentry' "
    "probes",
    "arg0": "The arg0 builtin can only be used with 'kprobes', 'uprobes' and 'usdt' probes",
    'reg("ip")': 'reg can not be used with "begin" probes',
    "reg(1)": "reg() expects a string literal (int provided)",
    "str((1,2))": "str() expects a string, integer or a pointer type as first argument "
    "((int8,int8) provided)",
    'str("a" == comm)': "str() expects a string, integer or a pointer type as first argument "
    "(bool provided)",
    'str(curtask, "a")': "str() only supports int arguments (string provided)",
    "str(curtask, -1)": "str() cannot use negative length (-1)",
    "buf(1)": "buf() expects a length argument for non-array type int",
    "buf(comm)": "buf() expects a length argument for non-array type string",
    "buf(kstack, 2)": "buf() expects an integer, string, or array argument but saw kstack",
    'buf(1, "a")': "buf() only supports int arguments (string provided)",
    "buf(comm, -1)": "buf() cannot use negative length (-1)",
    "strncmp(1, comm, 1)": "strncmp() only supports string arguments (int provided)",
    'strncmp("a", comm, -1)': "Builtin strncmp requires a non-negative literal",
    'strncmp("a", comm, pid)': "Builtin strncmp requires a non-negative literal",
    "strlen(1)": "string-like values must be either strings, arrays or pointers",
    "strcap((1,2))": "string-like values must be either strings, arrays or pointers",
    'strstr(1, "b")': "string-like values must be either strings, arrays or pointers",
    'memcmp("a", "b", pid)': "memcmp() requires a non-negative literal length",
    'kptr("a")': "kptr() only supports integer or pointer arguments (string provided)",
    "uptr((1,2))": "uptr() only supports integer or pointer arguments (tuple provided)",
    'bswap("a")': "bswap() only supports integer arguments (string provided)",
    "bswap(curtask)": "bswap() only supports integer arguments (pointer provided)",
    "path(1)": (
        "The path function can only be used with"
        " 'fentry', 'fexit', 'lsm', 'fmod_ret' and 'iter' probes"
    ),
    'ntop("a")': "ntop() argument must be 4 or 16 bytes in size",
    'ntop("a", 1)': "ntop() only supports int arguments (string provided)",
    "ntop((1,2))": "ntop() expects an integer or array argument, got tuple",
    "ntop((int8*)1)": "ntop() expects an integer or array argument, got pointer",
    "ntop(1, 2, 3)": "ntop() takes up to 2 arguments (3 provided)",
    'pton("x")': "pton() expects an string argument of an IPv4/IPv6 address, got x",
    "pton(comm)": "pton() expects an string literal at the first argument",
    'macaddr("abcdef")': "macaddr() does not support literal string arguments",
    "macaddr((1,2))": "macaddr() only supports array or pointer arguments (tuple provided)",
    'macaddr((int8[5])"abcd")': "macaddr() argument must be at least 6 bytes in size",
    'ksym("a")': "ksym() expects an integer or pointer argument",
    "usym((1,2))": "usym() expects an integer or pointer argument",
    'kaddr("nosuchsym")': "Failed to resolve kernel symbol: nosuchsym",
    "kaddr(comm)": "kaddr() expects a string literal (string provided)",
    'uaddr("main")': 'uaddr can not be used with "begin" probes',
    'percpu_kaddr("nosuch")': 'Could not resolve variable "nosuch" from BTF',
    'percpu_kaddr("runqueues", "a")': "percpu_kaddr() only supports int arguments "
    "(string provided)",
    'cgroup_path("a")': "cgroup_path() only supports int arguments (string provided)",
    "cgroup_path(1, 2)": "cgroup_path() only supports string arguments (int provided)",
    'cgroupid("/nonexist")': 'Failed to get `cgroupid` for path: "/nonexist"',
    "cgroupid(1)": "cgroupid() expects a string literal (int provided)",
    'strerror("a")': 'Cannot cast from "string[2]" to "int32"',
    'is_err("a")': 'Cannot cast from "string[2]" to "uint64"',
    "kfunc_exist(1)": "kfunc_exist() accepts a string literal only",
    "kfunc_allowed(comm)": "kfunc_allowed() accepts a string literal only",
    'getopt("a", pid)': "Second argument to 'getopt' must be a string literal, integer literal, "
    "or a boolean literal.",
    "getopt(1)": "First argument to 'getopt' must be a string literal.",
    "config.foo": "Record does not contain a field named 'foo'",
    "container_of(curtask, 5, pid)": "container_of() expects a type as its second argument",
    "container_of(curtask, struct task_struct, nosuch)": "'struct task_struct' has no field named "
    "'nosuch'",
    'write_user(1, "abc", 9)': "write_user() cannot write 9 bytes of a value of 4",
    'write_user(1, "abc", pid)': "write_user() requires a literal length between 1 and 1024",
}

STATEMENTS = {
    'signal("FOO")': "Invalid string for signal: FOO",
    "signal(100)": "signal() accepts a string literal or an integer between 1 and 64 (inclusive)",
    "signal_thread(0)": "signal_thread() accepts a string literal or an integer between 1 and 64 "
    "(inclusive)",
    "signal(comm)": "signal() accepts a string literal or an integer between 1 and 64 (inclusive)",
    "override(1)": "override() can only be used inside kprobes",
    'static_assert(1 == 2, "one is not two")': "one is not two",
    'static_assert(pid == 2, "x")': "Unable to resolve comptime expression",
    'static_assert(sizeof(pid) == 8, "pid is short")': "pid is short",
}


@pytest.mark.parametrize(("expression", "message"), ERRORS.items())
def test_wrong_argument(expression: str, message: str) -> None:
    assert message in complaints(f"begin {{ $value = {expression}; }}")


@pytest.mark.parametrize(("statement", "message"), STATEMENTS.items())
def test_wrong_statement(statement: str, message: str) -> None:
    assert message in complaints(f"interval:s:1 {{ {statement}; }}")


@pytest.mark.parametrize("statement", ["signal(9)", 'signal_thread("KILL")'])
def test_signals_do_not_hit_prybee_itself(statement: str) -> None:
    (message,) = complaints(f"begin {{ {statement}; }}")
    assert message.endswith("can not be used for this probetype special")


@pytest.mark.parametrize(
    "statement", ["signal(9)", "signal_thread(9)", "override(1)", "$a = write_user(1, pid, 4)"]
)
def test_acting_needs_unsafe(statement: str) -> None:
    messages = complaints(f"interval:s:1 {{ {statement}; }}", unsafe=False)
    assert any(text.endswith("is unsafe. To use you need the --unsafe flag") for text in messages)


def test_names_of_others_where_the_kernel_does_not_look_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prybee.functions import process

    monkeypatch.setattr(process, "_TASK_OF", "no_such_function")
    assert complaints("profile:hz:9 { $a = comm(1); }") == [
        "comm(PID) cannot be asked of this kernel"
    ]


def test_clocks_that_a_kernel_does_not_have() -> None:
    from tests.fixtures.table_target import TableTarget

    for mode, messages in {
        "tai": ["Kernel does not support tai timestamp, please try sw_tai"],
        "sw_tai": [],
    }.items():
        found = complaints(f"begin {{ $a = nsecs({mode}); }}", target=TableTarget(features=()))
        assert found == messages


def test_tracepoints_have_their_own_hints() -> None:
    probe = "tracepoint:syscalls:sys_enter_openat"
    assert complaints(f"{probe} {{ $a = ctx; }}") == ["Use args instead of ctx in tracepoint"]
    (message,) = complaints(f"{probe} {{ $a = retval; }}")
    assert message.endswith("(try to use args.ret instead)")


def test_arguments_and_registers_that_a_machine_does_not_have() -> None:
    probe = "uprobe:libc:getppid"
    assert complaints(f"{probe} {{ $a = arg10; }}") == ["x86_64 doesn't support arg10"]
    (message,) = complaints(f'{probe} {{ $a = uaddr("nosuch"); }}')
    assert message.startswith("Could not resolve symbol: /")
    assert message.endswith(":nosuch")


@pytest.mark.parametrize(
    ("script", "named", "message"),
    [
        ('getopt("a", 1)', {"a": "foo"}, "option --a invalid integer (value: foo)"),
        ('getopt("a", 1)', {"a": None}, "option --a expects an integer (value: true)"),
        ('getopt("a", "x")', {"a": None}, "option --a expects a string (value: true)"),
        ('getopt("a", true)', {"a": "x"}, "option --a expects a boolean (e.g. 'true') (value: x)"),
        (
            '(getopt("a", 1), getopt("a", 2))',
            {},
            "in all places it is used. Previous default value: 1",
        ),
    ],
)
def test_wrong_parameter(script: str, named: dict[str, str | None], message: str) -> None:
    found = complaints(f"begin {{ $value = {script}; }}", named=named)
    assert any(text.endswith(message) for text in found), found


def test_cpid_without_a_child_warns() -> None:
    from tests.language.running import compile_text

    warnings = compile_text("begin { $a = cpid; }").warnings
    assert [w.message for w in warnings] == ["No child command (`-c`); cpid is zero"]
    assert not compile_text("begin { $a = cpid; }", pid=5, child=True).warnings


ALL = (
    "r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, "
    "ss, pc"
)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("rax", "did you mean 'ax'?"),
        ("%rdi", "did you mean 'di'?"),
        ("eip", "did you mean 'ip'?"),
        ("PC", "did you mean 'pc'?"),
        ("orig_rax", "did you mean 'orig_ax'?"),
        ("foo", f"registers: {ALL}"),
    ],
)
def test_registers_that_a_machine_does_not_have(name: str, hint: str) -> None:
    """Names of assemblers are known for what they mean."""
    with pytest.raises(ScriptError) as caught:
        compile_text(f'profile:hz:9 {{ $a = reg("{name}"); }}')
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.message == (f"'{name}' is not a valid register on this architecture (x86_64)")
    assert diagnostic.hints == (hint,)
