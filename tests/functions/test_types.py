"""The types that functions give, as bpftrace 0.27.1 has them (asked with `$x = …` by hand)."""

from __future__ import annotations

import pytest

from prybee.functions import TABLE
from tests.functions.scripts import type_of

TYPES = {
    "pid": "uint32",
    "tid": "uint32",
    "pid()": "uint32",
    "pid(init)": "uint32",
    "tid(curr_ns)": "uint32",
    "uid": "uint64",
    "gid": "uint64",
    "username": "username_t",
    "comm": "string[16]",
    "comm()": "string[16]",
    "cpu": "uint64",
    "ncpus": "uint64",
    "numaid": "uint64",
    "curtask": "struct task_struct *",
    "cgroup": "uint64",
    "ppid": "int32",
    "ppid(curtask)": "int32",
    "pcomm": "string[16]",
    "leader_tid": "int32",
    "leader_comm": "string[16]",
    "cpid": "uint64",
    "has_cpid": "bool",
    "usermode": "int8",
    "jiffies": "uint64",
    "rand": "uint64",
    "nsecs": "uint64",
    "nsecs()": "uint64",
    "nsecs(boot)": "uint64",
    "nsecs(monotonic)": "uint64",
    "nsecs(tai)": "uint64",
    "nsecs(sw_tai)": "uint64",
    "elapsed": "uint64",
    'strftime("%H", nsecs)': "timestamp",
    "stack_len(kstack)": "int64",
    "kstack": "kstack_bpftrace_127",
    "kstack(perf, 3)": "kstack_perf_3",
    "ustack(build_id)": "ustack_build_id_127",
    "ustack(raw, 7)": "ustack_raw_7",
    "probe": "string[6]",
    "probetype": "string[8]",
    "str(0)": "string[2]",
    "str(12345)": "string[6]",
    "str(pid)": "string[1024]",
    'str("abc")': "string[4]",
    'str("abcdef", 2)': "string[3]",
    "str(curtask, 4)": "string[5]",
    "str(curtask, 0)": "string[1]",
    "str(curtask, 1024)": "string[1024]",
    "str(curtask, pid)": "string[1024]",
    "str(comm, 4)": "string[5]",
    'strncmp("a", comm, 1)': "uint64",
    "strlen(comm)": "uint64",
    "strcap(comm)": "uint8",
    'strcap("abc")': "uint8",
    'strcontains(comm, "b")': "bool",
    'memcmp("abc", "abd", 3)': "int32",
    "kptr((uint8*)1)": "uint8 *",
    "uptr((int8*)1)": "int8 *",
    "kptr(1)": "int8",
    "bswap(1)": "uint8",
    "bswap((uint16)1)": "uint16",
    "bswap((int32)1)": "uint32",
    "bswap((int64)1)": "uint64",
    'pton("127.0.0.1")': "uint8[4]",
    'pton("::1")': "uint8[16]",
    "macaddr(1)": "mac_address",
    "ksym(1)": "ksym_t",
    "usym(1)": "usym_t",
    'kaddr("do_exit")': "uint64",
    "cgroup_path(1)": "cgroup_path_t",
    'cgroup_path(1, "u*")': "cgroup_path_t",
    "strerror(2)": "string[64]",
    "is_err(1)": "bool",
    'is_str("a")': "bool",
    "is_literal(1)": "bool",
    'kfunc_exist("vfs_read")': "bool",
    'getopt("a")': "bool",
    'getopt("a", 1)': "uint64",
    'getopt("a", true)': "bool",
    "__builtin_comm": "string[16]",
    "__builtin_elapsed": "uint64",
    "container_of(curtask, struct task_struct, comm)": "struct task_struct *",
}

# Where prybee's types have other names or sizes than upstream's: see the functions' own text.
OWN = {
    "buf(curtask, 2)": "buffer[2]",
    "ntop(1)": "inet",
    "signal_name(9)": "string[32]",
    "syscall_name(1)": "string[32]",
    'strstr(comm, "b")': "int64",
    'str_concat("a", "b")': "string[3]",
    "str_concat(comm, comm)": "string[33]",
    'getopt("a", "bc")': "string[3]",
}


@pytest.mark.parametrize(("expression", "expected"), {**TYPES, **OWN}.items())
def test_type(expression: str, expected: str) -> None:
    assert type_of(expression) == expected


def test_a_stack_has_the_mode_and_limit_that_were_asked_for() -> None:
    from prybee.language import tree
    from prybee.language.types import StackType
    from tests.language.running import compile_text

    found = []
    for text in ("kstack", "kstack(3)", "ustack(perf)", "ustack(raw, 7)"):
        program = compile_text(f"begin {{ $s = {text}; }}").program
        statement = program.probes[0].body.statements[0]
        assert isinstance(statement, tree.AssignScratch)
        found.append(statement.value.type)
    assert found == [
        StackType(False, "bpftrace", 127),
        StackType(False, "bpftrace", 3),
        StackType(True, "perf", 127),
        StackType(True, "raw", 7),
    ]


def test_stack_mode_comes_from_the_settings() -> None:
    from prybee.language import tree
    from prybee.language.types import StackType
    from tests.language.running import compile_text

    script = "config = { stack_mode = perf } begin { $s = ustack; }"
    statement = compile_text(script).program.probes[0].body.statements[0]
    assert isinstance(statement, tree.AssignScratch)
    assert statement.value.type == StackType(True, "perf", 127)


def test_clock_of_a_time_follows_its_source() -> None:
    from prybee.language import tree
    from prybee.language.types import TimestampType
    from tests.language.running import compile_text

    for source, mode in (
        ("nsecs", "boot"),
        ("nsecs(monotonic)", "monotonic"),
        ("nsecs(sw_tai)", "sw_tai"),
        ("nsecs(tai) + 5", "tai"),
        ("123", "boot"),
    ):
        program = compile_text(f'begin {{ $t = strftime("%H", {source}); }}').program
        statement = program.probes[0].body.statements[0]
        assert isinstance(statement, tree.AssignScratch)
        assert statement.value.type == TimestampType("%H", mode), source


def test_every_function_describes_itself() -> None:
    for name in TABLE.names():
        function = TABLE.get(name)
        assert function is not None
        assert function.name == name
        assert function.signature
        assert function.summary
        least, most = function.arguments
        assert most is None or least <= most


def test_max_strlen_bounds_strings_and_buffers() -> None:
    config = "config = { max_strlen = 64 } begin"
    assert type_of("str(pid)", config) == "string[64]"
    assert type_of("str(curtask, 4000)", config) == "string[64]"
    assert type_of("buf(curtask, pid)", config) == "buffer[60]"
    assert type_of("str_concat(str(pid), comm)", config) == "string[64]"
