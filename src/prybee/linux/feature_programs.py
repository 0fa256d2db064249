"""Probes of what programs and maps may be: the instructions, helpers, program and map types.

A probe answers, or raises what the kernel raised; ``feature_answers.judge`` makes an answer of it.
"""

from __future__ import annotations

import os
from errno import EINVAL, EOPNOTSUPP

from prybee.diagnostics import ENOTSUPP, error_text
from prybee.linux import uapi
from prybee.linux.feature_answers import (
    NO,
    UNKNOWN,
    YES,
    Answer,
    accepts,
    function,
    insn,
    judge,
    kernel_btf,
    returning,
    types,
)
from prybee.linux.maps import Map
from prybee.linux.programs import LoadRefused, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Number, and a program type that may call it. Those that the language or the tools can use.
HELPERS: dict[str, tuple[int, str]] = {
    "probe_read": (4, "raw_tracepoint"),
    "probe_read_str": (45, "raw_tracepoint"),
    "probe_read_user": (112, "raw_tracepoint"),
    "probe_read_kernel": (113, "raw_tracepoint"),
    "probe_read_user_str": (114, "raw_tracepoint"),
    "probe_read_kernel_str": (115, "raw_tracepoint"),
    "get_current_cgroup_id": (80, "raw_tracepoint"),
    "get_current_task_btf": (158, "raw_tracepoint"),
    "task_pt_regs": (175, "raw_tracepoint"),
    "send_signal": (109, "raw_tracepoint"),
    "override_return": (58, "kprobe"),
    "ktime_get_boot_ns": (125, "raw_tracepoint"),
    "ktime_get_coarse_ns": (160, "raw_tracepoint"),
    "ktime_get_tai_ns": (208, "raw_tracepoint"),
    "jiffies64": (118, "raw_tracepoint"),
    "get_ns_current_pid_tgid": (120, "raw_tracepoint"),
    "get_func_ip": (173, "kprobe"),
    "get_attach_cookie": (174, "kprobe"),
    "get_func_arg": (183, "tracing"),
    "get_func_ret": (184, "tracing"),
    "get_stack": (67, "raw_tracepoint"),
    "get_stackid": (27, "raw_tracepoint"),
    "get_task_stack": (141, "raw_tracepoint"),
    "d_path": (147, "tracing"),
    "copy_from_user": (148, "tracing"),
    "find_vma": (180, "raw_tracepoint"),
    "perf_event_output": (25, "raw_tracepoint"),
    "ringbuf_output": (130, "raw_tracepoint"),
    "skb_output": (111, "tracing"),
    "seq_write": (127, "tracing"),
    "snprintf": (165, "raw_tracepoint"),
    "strncmp": (182, "raw_tracepoint"),
    "for_each_map_elem": (164, "raw_tracepoint"),
    "loop": (181, "raw_tracepoint"),
    "map_lookup_percpu_elem": (195, "raw_tracepoint"),
    "cgrp_storage_get": (210, "raw_tracepoint"),
    "task_storage_get": (156, "raw_tracepoint"),
}

# Map types the language or the tools can use, with sizes that their creation wants.
MAPS: dict[str, tuple[int, int, int, int]] = {
    # key, value, entries, flags
    "hash": (4, 4, 1, 0),
    "array": (4, 4, 1, 0),
    "percpu_hash": (4, 4, 1, 0),
    "percpu_array": (4, 4, 1, 0),
    "lru_hash": (4, 4, 1, 0),
    "lru_percpu_hash": (4, 4, 1, 0),
    "lpm_trie": (8, 4, 1, uapi.F_NO_PREALLOC),
    "stack_trace": (4, 8, 1, 0),
    "perf_event_array": (4, 4, 1, 0),
    "prog_array": (4, 4, 1, 0),
    "cgroup_array": (4, 4, 1, 0),
    "queue": (0, 4, 1, 0),
    "stack": (0, 4, 1, 0),
    "bloom_filter": (0, 4, 1, 0),
    "ringbuf": (0, 0, os.sysconf("SC_PAGESIZE"), 0),
    "user_ringbuf": (0, 0, os.sysconf("SC_PAGESIZE"), 0),
}


def _v4() -> Answer:
    # r0 = 0; r0 = (s8)r0; exit
    return accepts(insn(0xB7) + insn(0xBF, 0, 8) + insn(0x95))


def _jmp32() -> Answer:
    # r0 = 0; if w0 == 0 goto +0; exit
    return accepts(insn(0xB7) + insn(0x16) + insn(0x95))


def _atomics() -> Answer:
    # *(u64 *)(r10 - 8) = 0; r0 = 1; r0 = atomic_fetch_add(r10 - 8, r0); r0 = 0; exit
    return accepts(insn(0x7A, 10, -8) + insn(0xB7, 0, 0, 1) + insn(0xDB, 10, -8, 1) + returning(0))


def _unaligned() -> Answer:
    # CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS: the verifier lets loads of packets be unaligned.
    with Map.create("array", 4, 16, 1, name="prybee_probe") as m:
        # r1 = value of m; r0 = *(u32 *)(r1 + 1); r0 = 0; exit
        code = insn(0x18, 0x21, 0, m.fd) + insn(0) + insn(0x61, 0x10, 1) + returning(0)
        return accepts(code)


def _large_programs() -> Answer:
    return accepts(insn(0xB7) * 5000 + insn(0x95))


def _helper(name: str) -> Answer:
    if name not in HELPERS:
        return Answer(UNKNOWN, f"helper {name} is not in the table of those that can be probed")
    number, type_ = HELPERS[name]
    code = insn(0x85, 0, 0, number) + returning(0)
    arguments: dict[str, int | str] = {}
    if type_ == "tracing":
        arguments = {"attach_type": "trace_iter", "attach_btf_id": function("bpf_iter_task")}
        if name in ("get_func_arg", "get_func_ret"):
            arguments = {
                "attach_type": "trace_fexit",
                "attach_btf_id": function("bpf_fentry_test1"),
            }
        if name == "d_path":
            # Allowed at some functions only; iterators' are among them.
            arguments["attach_btf_id"] = function("bpf_iter_task_file")
        if name == "skb_output":
            arguments = {
                "attach_type": "trace_raw_tp",
                "attach_btf_id": types("btf_trace_kfree_skb", "typedef"),
            }
        if not arguments["attach_btf_id"]:
            return Answer(UNKNOWN, "it takes the kernel's types (BTF) to find out")
        if name == "copy_from_user":
            arguments["flags"] = uapi.F_SLEEPABLE
            arguments["attach_btf_id"] = function("bpf_iter_task")
    try:
        with Program.load(type_, code, "prybee_probe", **arguments):  # type: ignore[arg-type]
            return Answer(YES)
    except LoadRefused as refused:
        log = refused.log
        if not log.strip():
            return judge(refused)
        for text in ("invalid func", "unknown func", "program of this type cannot use helper"):
            if text in log:
                return Answer(NO, log[log.find(text) :].splitlines()[0])
        # The verifier knows it, and misses its arguments.
        return Answer(YES)


def program(name: str) -> Answer:
    if name not in uapi.PROGRAM_TYPES:
        return Answer(NO, f"no program type is named {name}")
    arguments: dict[str, int | str] = {}
    if name == "tracing":
        arguments = {"attach_type": "trace_iter", "attach_btf_id": function("bpf_iter_task")}
    elif name == "syscall":
        arguments = {"flags": uapi.F_SLEEPABLE}
    elif name in ("lsm", "ext", "struct_ops", "sk_lookup", "netfilter", "cgroup_sock_addr"):
        arguments = {"attach_type": _EXPECTED.get(name, 0)}
    elif name == "cgroup_sockopt":
        arguments = {"attach_type": "cgroup_getsockopt"}
    try:
        value = 1 if name in ("sk_lookup", "netfilter") else 0
        with Program.load(name, returning(value), "prybee_probe", **arguments):  # type: ignore[arg-type]
            return Answer(YES)
    except LoadRefused as refused:
        # The verifier only looks at programs of types that there are.
        if refused.log.strip():
            return Answer(YES)
        if refused.errno == EINVAL and name in ("lsm", "ext", "struct_ops"):
            return Answer(UNKNOWN, "it takes more than a tiny program to find out")
        return judge(refused)


_EXPECTED: dict[str, int | str] = {
    "sk_lookup": "sk_lookup",
    "netfilter": "netfilter",
    "cgroup_sock_addr": "cgroup_inet4_bind",
}


# -- maps ----------------------------------------------------------------------------------------


def _map(name: str) -> Answer:
    if name not in MAPS:
        known = name in uapi.MAP_TYPES
        return Answer(UNKNOWN if known else NO, f"map type {name} cannot be probed")
    key, value, entries, flags = MAPS[name]
    with Map.create(name, key, value, entries, flags, name="prybee_probe"):
        return Answer(YES)


def _large_keys() -> Answer:
    # Once bounded by MAX_BPF_STACK (kernel/bpf/hashtab.c).
    with Map.create("hash", 520, 4, 1, name="prybee_probe"):
        return Answer(YES)


def _map_batch() -> Answer:
    from prybee.linux import syscalls
    from prybee.linux.attributes import MAP_BATCH, Attributes

    with Map.create("hash", 4, 4, 1, name="prybee_probe") as m:
        attributes = Attributes(
            MAP_BATCH,
            out_batch=bytearray(4),
            keys=bytearray(4),
            values=bytearray(4),
            count=1,
            map_fd=m.fd,
        )
        number = uapi.COMMANDS.index("map_lookup_batch")
        result = syscalls.kernel.bpf(number, attributes.address, MAP_BATCH.least)
    if -result in (EINVAL, EOPNOTSUPP, ENOTSUPP):
        return Answer(NO, error_text(-result))
    return Answer(YES)


def _map_mmap() -> Answer:
    with Map.create("array", 4, 8, 1, uapi.F_MMAPABLE, name="prybee_probe") as m:
        m.memory().close()
        return Answer(YES)


def _has_btf() -> Answer:
    if os.access("/sys/kernel/btf/vmlinux", os.R_OK):
        return Answer(YES)
    return Answer(NO, "/sys/kernel/btf/vmlinux is not there (CONFIG_DEBUG_INFO_BTF)")


def _module_btf() -> Answer:
    try:
        found = any(name != "vmlinux" for name in os.listdir("/sys/kernel/btf"))
    except OSError:
        found = False
    return Answer(YES) if found else Answer(NO, "no loaded module shows types")


def _kfunc(name: str) -> Answer:
    btf = kernel_btf()
    if btf is None:
        return Answer(UNKNOWN, "kernel functions are found by the kernel's types (BTF)")
    number = btf.function(name)
    if not number:
        return Answer(NO, f"this kernel has no function {name}")
    tagged = any(tag.value == "bpf_kfunc" for tag in btf.tags(number))
    return Answer(YES) if tagged else Answer(NO, f"{name} is not for programs to call")


PROBES: dict[str, Callable[[], Answer]] = {
    "v4": _v4,
    "jmp32": _jmp32,
    "atomics": _atomics,
    "unaligned": _unaligned,
    "large_programs": _large_programs,
    "btf": _has_btf,
    "module_btf": _module_btf,
    "ringbuf": lambda: _map("ringbuf"),
    "large_keys": _large_keys,
    "map_batch": _map_batch,
    "map_mmap": _map_mmap,
}

KINDS: dict[str, Callable[[str], Answer]] = {
    "helper": _helper,
    "map": _map,
    "program": program,
    "kfunc": _kfunc,
}
