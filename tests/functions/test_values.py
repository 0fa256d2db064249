"""What functions give in a handler that runs in this process, beside Python's own view."""

from __future__ import annotations

import os
import resource
import time
from typing import Any

import pytest

from tests.functions.scripts import TARGET, complaints, loads, need_search, values

pytestmark = pytest.mark.live


def own_name() -> str:
    with open("/proc/self/comm") as file:
        return file.read().rstrip("\n")


def test_who_is_running() -> None:
    found = values(
        {
            "pid": "pid", "tid": "tid", "initial": "pid(init)", "uid": "uid", "gid": "gid",
            "comm": "comm", "ppid": "ppid", "pcomm": "pcomm", "leader": "leader_tid",
            "leader_comm": "leader_comm", "task": "curtask->tgid", "given": "ppid(curtask)",
            "user": "username",
        }
    )  # fmt: skip
    with open(f"/proc/{os.getppid()}/comm") as file:
        parent = file.read().rstrip("\n")
    assert found == {
        "pid": os.getpid(), "tid": os.getpid(), "initial": os.getpid(), "uid": os.getuid(),
        "gid": os.getgid(), "comm": own_name(), "ppid": os.getppid(), "pcomm": parent,
        "leader": os.getpid(), "leader_comm": own_name(), "task": os.getpid(),
        "given": os.getppid(), "user": os.getuid(),
    }  # fmt: skip


def test_comm_is_the_same_with_and_without_the_kernels_types(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prybee.functions import tasks

    monkeypatch.setattr(tasks, "offset", lambda btf, field: None)
    text = "begin { @name = comm; @key[comm, pid] = 1; $v = comm; @same = $v == comm; }"
    from tests.language.running import Loaded, compile_text

    with Loaded(compile_text(text).plan) as loaded:
        loaded.run()
        assert loaded.script_map("@name") == own_name()
        assert loaded.script_map("@key") == {(own_name(), os.getpid()): 1}
        assert loaded.script_map("@same") is True


def test_pid_in_a_pid_namespace() -> None:
    from prybee.engines.live import LiveTarget

    class Inside(LiveTarget):
        place = os.stat("/proc/self/ns/pid")
        pid_namespace = (place.st_dev, place.st_ino)

    class Elsewhere(LiveTarget):
        pid_namespace = (1, 1)

    for target in (Inside(), Elsewhere()):
        found = values({"pid": "pid", "tid": "tid"}, target=target)
        assert found == {"pid": os.getpid(), "tid": os.getpid()}


def test_machine() -> None:
    found = values({"cpu": "cpu", "n": "ncpus", "node": "numaid", "r": "rand", "j": "jiffies"})
    assert 0 <= found["cpu"] < found["n"]
    assert found["n"] >= (os.cpu_count() or 1)
    assert 0 <= found["node"] < 1024
    assert 0 <= found["r"] < 1 << 32
    assert found["j"] > 0


def test_clocks() -> None:
    clocks = {
        "boot": time.CLOCK_BOOTTIME,
        "monotonic": time.CLOCK_MONOTONIC,
        "tai": time.CLOCK_TAI,
        "sw_tai": time.CLOCK_TAI,
    }
    if not TARGET.has("helper:ktime_get_tai_ns"):
        del clocks["tai"]
        assert complaints("begin { $a = nsecs(tai); }") == [
            "Kernel does not support tai timestamp, please try sw_tai"
        ]
    before = {name: time.clock_gettime_ns(clock) for name, clock in clocks.items()}
    found = values({name: f"nsecs({name})" for name in clocks} | {"plain": "nsecs"})
    after = {name: time.clock_gettime_ns(clock) for name, clock in clocks.items()}
    # The kernel's fast clocks for programs may lag behind by what an update takes.
    slack = 1_000_000
    for name in clocks:
        assert before[name] - slack <= found[name] <= after[name] + slack, name
    assert found["plain"] >= found["boot"]


def test_elapsed_counts_from_the_time_in_global_data() -> None:
    import struct

    from tests.language.running import Loaded, compile_text

    compilation = compile_text("begin { @e = elapsed; }")
    with Loaded(compilation.plan) as loaded:
        memory = loaded.maps["globals"]
        data = bytearray(memory.lookup(struct.pack("<I", 0)) or b"")
        start = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        struct.pack_into("<Q", data, compilation.plan.globals.start, start)
        memory.update(struct.pack("<I", 0), bytes(data))
        time.sleep(0.01)
        loaded.run()
        assert 9_000_000 < loaded.script_map("@e") < 5_000_000_000


STRINGS: dict[str, Any] = {
    'strlen("abc")': 3,
    "strlen($name)": 5,
    "strlen(&$name)": 5,
    "strlen($long)": 40,
    "strcap($name)": 16,
    'strncmp($name, "he", 2)': 0,
    'strncmp($name, "hello", 5)': 0,
    'strncmp($name, "hello", 6)': 0,
    'strncmp($name, "hellox", 5)': 0,
    'strncmp($name, "hellox", 6)': 1,
    'strncmp("hey", $name, 3)': 1,
    'strncmp($name, "", 0)': 0,
    'strncmp($name, "", 1)': 1,
    "strncmp($name, $name, 16)": 0,
    "strncmp($name, $long, 5)": 0,
    "strncmp($name, $long, 6)": 1,
    "strncmp($long, $long, 200)": 0,
    'strncmp("abc", "abd", 2)': 0,
    'strncmp("abc", "abd", 3)': 1,
    'strncmp("ab", "ab", 9)': 0,
    'strstr("abc", "c")': 2,
    'strstr("abc", "x")': -2,
    'strstr($name, "ell")': 1,
    'strstr($name, "hellox")': -2,
    'strstr($name, "")': 0,
    'strstr($name, "o")': 4,
    'strcontains($long, "0123456789hello")': True,
    'strcontains($name, "z")': False,
    'str_concat("abc", $name)': "abchello",
    "str_concat($name, $name)": "hellohello",
    'str_concat("", "")': "",
    "str($name)": "hello",
    "str(&$name)": "hello",
    "str(&$name, 4)": "hel",
    "str(&$name, 1)": "",
    "str(&$name, 0)": "",
    "str(&$name, $three)": "he",
    "str(&$name, $zero)": "",
    "str(&$name, $huge)": "hello",
    "str($name, 4)": "hel",
    'str("abcdef", 3)': "abc",
    "str(12)": "12",
    "buf(&$name, 4)": b"hell",
    "buf(&$name, $three)": b"hel",
    "buf(&$name, $zero)": b"",
    "buf($name, 7)": b"hello\0\0",
    "buf(comm, 20)[0]": None,
    "buf((uint8[4])(uint32)0x64636261)": b"abcd",
}


# Variables as wide as comm, and longer than what is compared word by word.
VARIABLES = (
    'let $name: string[16] = "hello"; let $long: string[300] = '
    '"hello01234567890123456789hello0123456789"; '
    "let $three: uint64 = 3; let $zero: uint64 = 0; let $huge: uint64 = 1 << 40;"
)


def test_strings() -> None:
    cases = {text: want for text, want in STRINGS.items() if want is not None}
    names = {f"v{number}": text for number, text in enumerate(cases)}
    found = values(names, VARIABLES)
    assert {text: found[name] for name, text in names.items()} == cases


def test_searching_for_any_text() -> None:
    need_search()
    found = values({"a": "strstr($long, $name)", "b": "strstr($name, $long)"}, VARIABLES)
    assert found == {"a": 0, "b": -2}


def test_searching_without_the_kernels_help(monkeypatch: pytest.MonkeyPatch) -> None:
    from prybee.functions import search

    monkeypatch.setattr(search, "_KFUNC", "no_such_function")
    before = 'let $name: string[16] = "hello";'
    found = values(
        {
            "a": 'strstr($name, "ell")',
            "b": 'strstr($name, "lo")',
            "c": 'strstr($name, "x")',
            "d": 'strstr($name, "hellohellohelloxx")',
            "e": 'strcontains($name, "h")',
            "f": 'strstr($name, "")',
            "g": 'strstr($name, getopt("text", "lo"))',
            "h": 'strcontains($name, getopt("none", ""))',
            "i": 'strstr("hello", getopt("text", "lo"))',
        },
        before,
    )
    assert found == {
        "a": 1, "b": 3, "c": -2, "d": -2, "e": True, "f": 0, "g": 3, "h": True, "i": 3
    }  # fmt: skip
    (message,) = complaints("begin { $a = strstr(comm, comm); }")
    assert message == "strstr() needs a literal to search for on this kernel"


NUMBERS: dict[str, Any] = {
    'memcmp("abc", "abd", 3)': -1,
    'memcmp("abd", "abc", 3)': 1,
    'memcmp("abd", "abc", 2)': 0,
    'memcmp("abc", "abc", 0)': 0,
    'memcmp($name, "hello", 6)': 0,
    'memcmp(&$name, "hello", 5)': 0,
    "memcmp(&$name, &$name, 16)": 0,
    'memcmp($name, "hellp", 16)': -1,
    'memcmp("\\xff", "\\x01", 1)': 1,
    "memcmp($long, $long, 300)": 0,
    'memcmp($long, "i", 300)': -1,
    "bswap(1)": 1,
    "bswap((uint16)1)": 256,
    "bswap((uint32)0x12345678)": 0x78563412,
    "bswap((int64)-2)": 0xFEFFFFFFFFFFFFFF,
    "bswap((int16)$minus)": 0xFEFF,
    "is_err(-5)": True,
    "is_err((int8*)$minus)": True,
    "is_err(-4096)": False,
    "is_err(5)": False,
    "is_literal(pid)": False,
    "is_literal(1)": True,
    "is_str($name)": True,
    "is_str(1)": False,
    "is_ptr(curtask)": True,
    "is_array((uint8[4])(uint32)1)": True,
    "is_integer(1)": True,
    "is_unsigned_integer(1)": False,
    "is_unsigned_integer((uint8)1)": True,
    'kfunc_exist("vfs_read")': True,
    'kfunc_exist("no_such_function")': False,
    'kfunc_allowed("vfs_read")': False,
    "has_cpid": False,
    "config.max_strlen": 1024,
    "config.stack_mode": "bpftrace",
    "config.print_maps_on_exit": True,
    "config.str_trunc_trailer": "..",
    "container_of(&curtask->comm, struct task_struct, comm) == curtask": None,
    "container_of((uint64)curtask + offsetof(struct task_struct, comm), "
    "struct task_struct, comm) == curtask": True,
    "probe": "begin",
    "probetype": "special",
    "usermode": 1,
    'pton("1.2.3.4")': [1, 2, 3, 4],
    "((struct task_struct *)kptr((uint64)curtask))->tgid": os.getpid(),
}


def test_numbers() -> None:
    cases = {text: want for text, want in NUMBERS.items() if want is not None}
    before = (
        'let $name: string[16] = "hello"; let $long: string[300] = "hello"; let $minus: int64 = -2;'
    )
    names = {f"v{number}": text for number, text in enumerate(cases)}
    found = values(names, before)
    assert {text: found[name] for name, text in names.items()} == cases


@pytest.mark.needs("kfunc:bpf_rcu_read_lock")
def test_functions_for_programs() -> None:
    assert values({"yes": 'kfunc_allowed("bpf_rcu_read_lock")'}) == {"yes": True}


def test_names_of_numbers() -> None:
    import signal

    found = values(
        {
            "literal": "strerror(2)",
            "negative": "strerror(-13)",
            "computed": "strerror($n)",
            "minus": "strerror(-$n)",
            "beyond": "strerror($n + 500)",
            "signal": "signal_name(9)",
            "third": "signal_name($n)",
            "none": "signal_name($n + 100)",
            "real_time": "signal_name($n + 21)",
            "call": "syscall_name($n)",
            "literal_call": "syscall_name(0)",
            "no_call": "syscall_name($n + 100000)",
        },
        "let $n: int64 = 13;",
    )
    assert found == {
        "literal": os.strerror(2),
        "negative": os.strerror(13),
        "computed": os.strerror(13),
        "minus": os.strerror(13),
        "beyond": "Unknown error",
        "signal": signal.strsignal(9),
        "third": signal.strsignal(13),
        "none": "N/A",
        "real_time": "Real-time signal 0",
        "call": "rt_sigaction",
        "literal_call": "read",
        "no_call": "Unknown syscall",
    }


def test_names_are_texts_like_others() -> None:
    script = (
        "begin { @[strerror(pid - pid + 2), syscall_name(0)] = 1; "
        '@same = strerror(pid - pid + 13) == "Permission denied"; }'
    )
    from tests.language.running import Loaded, compile_text

    with Loaded(compile_text(script).plan) as loaded:
        loaded.run()
        assert loaded.script_map("@") == {("No such file or directory", "read"): 1}
        assert loaded.script_map("@same") is True


def raw(name: str, script: str, size: int) -> bytes:
    """The bytes that a script's map of one key holds."""
    from tests.language.running import Loaded, compile_text

    with Loaded(compile_text(script, unsafe=True).plan) as loaded:
        loaded.run()
        ((_key, value),) = loaded.maps[name].items()
        # The kernel rounds what it keeps up to 8 bytes.
        assert len(value) == (size + 7) // 8 * 8
        return bytes(value[:size])


def test_addresses_of_networks() -> None:
    v4 = b"\2\0\0\0\x7f\0\0\1".ljust(20, b"\0")
    v6 = b"\x0a\0\0\0" + bytes(15) + b"\1"
    for expression, want in (
        ("ntop(0x0100007f)", v4),
        ("ntop(2, 0x0100007f)", v4),
        ('ntop(pton("127.0.0.1"))', v4),
        ('ntop(pton("::1"))', v6),
        ('ntop(10, pton("::1"))', v6),
    ):
        assert raw("AT_", f"begin {{ @[1] = {expression}; }}", 20) == want, expression
    assert raw("AT_", 'begin { @[1] = macaddr((int8[6])"abcde"); }', 8) == b"abcde\0\0\0"
    pointer = 'begin { let $m: string[8] = "abcdefg"; @[1] = macaddr(&$m); }'
    assert raw("AT_", pointer, 8) == b"abcdef\0\0"


def test_user_symbols_carry_what_resolves_them() -> None:
    value = raw("AT_", "begin { @[1] = usym(0x1234); }", 16)
    assert value == (0x1234).to_bytes(8, "little") + os.getpid().to_bytes(4, "little") + bytes(4)


def test_stacks_have_a_header_and_zeros_behind_their_frames() -> None:
    import struct

    value = raw("AT_", "begin { @[1] = kstack(20); }", 16 + 8 * 20)
    count, pid, probe, pad = struct.unpack_from("<iIII", value)
    frames = struct.unpack_from("<20Q", value, 16)
    assert 1 < count < 20
    assert (pid, probe, pad) == (0, 0, 0)
    assert all(frame >> 48 == 0xFFFF for frame in frames[:count])
    assert not any(frames[count:])
    value = raw("AT_", "begin { @[1] = ustack(perf, 3); }", 16 + 8 * 3)
    count, pid, probe, pad = struct.unpack_from("<iIII", value)
    assert 1 <= count <= 3
    assert (pid, probe, pad) == (os.getpid(), 0, 0)
    assert struct.unpack_from("<Q", value, 16)[0] < 1 << 47


def test_build_ids() -> None:
    import struct

    value = raw("AT_", "begin { @[1] = ustack(build_id, 2); }", 16 + 32 * 2)
    assert struct.unpack_from("<i", value)[0] in (1, 2)
    # BPF_STACK_BUILD_ID_VALID, or _IP where the page with the id is not in memory.
    assert struct.unpack_from("<i", value, 16)[0] in (1, 2)


def test_length_of_stacks() -> None:
    found = values({"two": "stack_len(kstack(2))", "none": "stack_len(kstack(0))"})
    assert found == {"two": 2, "none": 0}


def test_a_stack_is_a_key_and_part_of_one() -> None:
    from tests.language.running import Loaded, compile_text

    script = "begin { @a[kstack(2)] = 1; @b[pid, ustack(2), comm] = 2; @c[1] = kstack(9); }"
    with Loaded(compile_text(script).plan) as loaded:
        loaded.run()
        assert loaded.script_map("@a") == {2: 1}
        assert list(loaded.script_map("@b").values()) == [2]


def test_kernel_symbols() -> None:
    with open("/proc/kallsyms") as file:
        address = next(int(line.split()[0], 16) for line in file if line.endswith(" do_exit\n"))
    found = values({"a": 'kaddr("do_exit")', "s": 'ksym(kaddr("do_exit"))', "p": "ksym(curtask)"})
    assert found["a"] == found["s"] == address
    assert found["p"] >> 47


def test_per_cpu_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    from prybee.engines.live import LiveTarget

    # This kernel may not list its variables: any two addresses show how they are put together.
    exit_ = LiveTarget().kernel_address("do_exit")
    assert exit_ is not None

    class Listed(LiveTarget):
        def kernel_address(self, symbol: str) -> int | None:
            return {"process_counts": 0x1000, "__per_cpu_offset": exit_}.get(symbol)

    found = values(
        {
            "here": 'percpu_kaddr("process_counts")',
            "first": 'percpu_kaddr("process_counts", 0)',
            "computed": 'percpu_kaddr("process_counts", $n)',
            "text": '*(uint64*)kptr(kaddr("__per_cpu_offset"))',
            "beyond": 'percpu_kaddr("process_counts", 100000)',
            "far": 'percpu_kaddr("process_counts", $n + 100000)',
        },
        "let $n: uint64 = 0;",
        target=Listed(),
    )
    assert found["first"] == found["computed"] == (found["text"] + 0x1000) % (1 << 64)
    assert found["here"] > 0
    assert found["beyond"] == found["far"] == 0


def test_named_parameters() -> None:
    given = {"a": "0x10", "flag": None, "off": "false", "text": "hi"}
    expressions = {
        "a": 'getopt("a", 1)',
        "missing": 'getopt("b", 7)',
        "flag": 'getopt("flag")',
        "off": 'getopt("off", true)',
        "none": 'getopt("none")',
        "text": 'getopt("text", "default")',
        "other": 'getopt("other", "default")',
    }
    assert values(expressions, named=given) == {
        "a": 16, "missing": 7, "flag": True, "off": False, "none": False, "text": "hi",
        "other": "default",
    }  # fmt: skip


def test_child() -> None:
    assert values({"c": "cpid", "h": "has_cpid"}, pid=77, child=True) == {"c": 77, "h": True}


def test_reading_what_is_not_there_is_counted() -> None:
    from tests.language.running import Loaded, compile_text

    script = "begin { @s = str((int8*)8); @b = buf((int8*)8, 4); @l = strlen((int8*)8); }"
    with Loaded(compile_text(script).plan) as loaded:
        loaded.run()
        assert loaded.script_map("@s") == ""
        assert loaded.script_map("@b") == b"\0\0\0\0"
        assert loaded.script_map("@l") == 0
        assert sum(loaded.counters().values()) == 3


def test_keys_are_clean_whatever_was_in_their_memory_before() -> None:
    from tests.language.running import Loaded, compile_text

    script = """begin {
        let $long: string[64] = "a long text that fills the memory of keys";
        let $short: string[64] = "short";
        let $n: uint64 = 3;
        @s[str(&$long)] = 1; @s[str(&$short)] = 2; @s[str(&$short, 3)] = 3;
        @t[str(&$long, $n), comm] = 1; @t[str(&$short, $n), comm] = 2;
        @b[buf(&$long, 30)] = 1; @b[buf(&$short, $n)] = 2;
        @c[str_concat($long, $short)] = 1; @c[str_concat($short, $short)] = 2;
        @k[kstack(30)] = 1; @k[kstack(3)] = 2; @e[strerror($n)] = 1; @n[ntop(1), macaddr(&$n)] = 1;
    }"""
    with Loaded(compile_text(script).plan) as loaded:
        loaded.run()
        first = {name: dict(loaded.maps[f"AT_{name}"].items()) for name in "stbcken"}
        loaded.run()
        again = {name: dict(loaded.maps[f"AT_{name}"].items()) for name in "stbcken"}
        sizes = {name: len(items) for name, items in again.items()}
        assert sizes == {"s": 3, "t": 2, "b": 2, "c": 2, "k": 2, "e": 1, "n": 1}
        assert [sorted(items) for items in first.values()] == [
            sorted(items) for items in again.values()
        ]
        assert loaded.script_map("@s") == {
            "a long text that fills the memory of keys": 1, "short": 2, "sh": 3,
        }  # fmt: skip


def test_unknown_address_spaces_warn() -> None:
    from tests.language.running import compile_text

    for text in ("str(pid)", "buf(pid, 4)", "macaddr(pid)"):
        warnings = compile_text(f"begin {{ $a = {text}; }}").warnings
        assert [w.message for w in warnings] == ["Addrspace is not set"], text
    for probe, text in (
        ("begin", "str(curtask)"),
        ("begin", "str(uptr(pid))"),
        ("begin", "str(comm)"),
        ("uprobe:libc:getppid", "str(arg0)"),
    ):
        assert not compile_text(f"{probe} {{ $a = {text}; }}").warnings, text


# Programs that only their own probes can run: the verifier takes them.
LOADED = [
    'profile:hz:9 { @r = reg("ip"); @u = usermode; @s[kstack(5), ustack(5)] = 1; }',
    'uprobe:libc:getppid { @ = func; @a = uaddr("environ"); @p = arg0; @r = reg("sp"); }',
    'uprobe:libc:getppid { @ = *uaddr("environ"); signal("CONT"); signal_thread(18); }',
    'uretprobe:libc:getppid { @ = func; @a = uaddr("environ"); @s[usym(retval)] = retval; }',
    "uprobe:libc:getppid { @ = str(arg0); @n = str(arg0, arg1); @b = buf(arg0, arg1); }",
    'interval:s:1 { if (comm == pcomm || comm[1] == 98) { @ = comm == "x" ? comm : pcomm; } }',
    "interval:s:1 { let $c: string[40] = comm; $t = curtask; @[$t->comm, $c] = strlen($t->comm); }",
    "interval:s:1 { for $i : 0..3 { @[kstack(3), comm, str(curtask->comm)] = nsecs; } }",
    "tracepoint:syscalls:sys_enter_openat { @[probe, probetype, str(args.filename)] = elapsed; }",
]


@pytest.mark.parametrize("script", LOADED)
def test_verifier_takes(script: str) -> None:
    assert loads(script) == 1


@pytest.mark.needs("kfunc:bpf_task_from_pid")
@pytest.mark.parametrize(
    "script",
    ["tracepoint:sched:sched_switch { @ = comm(args.prev_pid); }", "profile:hz:9 { @ = comm(1); }"],
)
def test_verifier_takes_names_of_others(script: str) -> None:
    assert loads(script) == 1


def test_writing_to_user_memory() -> None:
    from prybee.linux.programs import LoadRefused

    script = (
        'uprobe:libc:getppid { @ = write_user(arg0, arg1, 4); @t = write_user(arg0, "ab", 2); }'
    )
    try:
        assert loads(script) == 1
    except LoadRefused as refusal:
        # A locked-down kernel has no such helper (security_locked_down, kernel/trace/bpf_trace.c).
        assert "cannot use helper bpf_probe_write_user" in refusal.log  # noqa: PT017


def test_iterators_walk_paths() -> None:
    from prybee.linux.programs import LoadRefused

    script = "iter:task_file { @[path(ctx.file.f_path)] = 1; }"
    try:
        assert loads(script) == 1
    except LoadRefused as refusal:
        if "helper call is not allowed in probe" not in refusal.log:
            raise
        pytest.skip("this kernel lets no iterator call bpf_d_path")


def test_evaluating_takes_no_memory_that_stays() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _round in range(3):
        values({"a": "strerror(pid)"})
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
