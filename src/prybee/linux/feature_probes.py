"""The probes behind :mod:`prybee.linux.features`: one function for each question.

A probe answers, or raises what the kernel raised; :func:`judge` makes an answer of that.
"""

from __future__ import annotations

import os
from errno import EACCES, EBADF, EINVAL, EOPNOTSUPP, EPERM
from struct import pack

from prybee.data import Data
from prybee.diagnostics import ENOTSUPP, KernelError, PrybeeError, error_text
from prybee.linux import links, uapi
from prybee.linux.maps import Map
from prybee.linux.perf import PerfEvent, pmu_type
from prybee.linux.programs import LoadRefused, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from prybee.btf import Btf

YES = "yes"
NO = "no"
UNKNOWN = "unknown"


class Answer(Data):
    """``state`` is :data:`YES`, :data:`NO` or :data:`UNKNOWN`; ``why`` the fact that was found."""

    state: str
    why: str = ""

    def __bool__(self) -> bool:
        return self.state == YES


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


_btf: Btf | None = None


def judge(error: PrybeeError) -> Answer:
    """A refusal as an answer: a lack of privilege says nothing about the kernel."""
    if isinstance(error, KernelError):
        if error.errno in (EPERM, EACCES) and not _privileged():
            return Answer(UNKNOWN, error.hint or error_text(error.errno))
        if isinstance(error, LoadRefused) and error.log.strip():
            return Answer(NO, error.log.strip().splitlines()[-1])
        return Answer(NO, error_text(error.errno))
    return Answer(NO, str(error).splitlines()[0])


_may_load: bool | None = None


def _privileged() -> bool:
    """Whether a program that every kernel takes can be loaded."""
    global _may_load
    if _may_load is None:
        try:
            with Program.load("raw_tracepoint", _returning(0), "prybee_probe"):
                _may_load = True
        except PrybeeError:
            _may_load = False
    return _may_load


def forget() -> None:
    """Drops the kernel's types and what is known of our privileges."""
    global _btf, _may_load
    _btf = _may_load = None


# -- programs ------------------------------------------------------------------------------------


def _insn(opcode: int, registers: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    return pack("<BBhi", opcode, registers, offset, immediate)


def _returning(value: int) -> bytes:
    return _insn(0xB7, 0, 0, value) + _insn(0x95)


def _accepts(code: bytes, type_: str = "socket_filter") -> Answer:
    with Program.load(type_, code, "prybee_probe"):
        return Answer(YES)


def _v4() -> Answer:
    # r0 = 0; r0 = (s8)r0; exit
    return _accepts(_insn(0xB7) + _insn(0xBF, 0, 8) + _insn(0x95))


def _jmp32() -> Answer:
    # r0 = 0; if w0 == 0 goto +0; exit
    return _accepts(_insn(0xB7) + _insn(0x16) + _insn(0x95))


def _atomics() -> Answer:
    # *(u64 *)(r10 - 8) = 0; r0 = 1; r0 = atomic_fetch_add(r10 - 8, r0); r0 = 0; exit
    return _accepts(
        _insn(0x7A, 10, -8) + _insn(0xB7, 0, 0, 1) + _insn(0xDB, 10, -8, 1) + _returning(0)
    )


def _unaligned() -> Answer:
    # CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS: the verifier lets loads of packets be unaligned.
    with Map.create("array", 4, 16, 1, name="prybee_probe") as m:
        # r1 = value of m; r0 = *(u32 *)(r1 + 1); r0 = 0; exit
        code = _insn(0x18, 0x21, 0, m.fd) + _insn(0) + _insn(0x61, 0x10, 1) + _returning(0)
        return _accepts(code)


def _large_programs() -> Answer:
    return _accepts(_insn(0xB7) * 5000 + _insn(0x95))


def _helper(name: str) -> Answer:
    if name not in HELPERS:
        return Answer(UNKNOWN, f"helper {name} is not in the table of those that can be probed")
    number, type_ = HELPERS[name]
    code = _insn(0x85, 0, 0, number) + _returning(0)
    arguments: dict[str, int | str] = {}
    if type_ == "tracing":
        arguments = {"attach_type": "trace_iter", "attach_btf_id": _function("bpf_iter_task")}
        if name == "d_path":
            # Allowed at some functions only; iterators' are among them.
            arguments["attach_btf_id"] = _function("bpf_iter_task_file")
        if name == "skb_output":
            arguments = {
                "attach_type": "trace_raw_tp",
                "attach_btf_id": _types("btf_trace_kfree_skb", "typedef"),
            }
        if not arguments["attach_btf_id"]:
            return Answer(UNKNOWN, "it takes the kernel's types (BTF) to find out")
        if name == "copy_from_user":
            arguments["flags"] = uapi.F_SLEEPABLE
            arguments["attach_btf_id"] = _function("bpf_iter_task")
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


def _program(name: str) -> Answer:
    if name not in uapi.PROGRAM_TYPES:
        return Answer(NO, f"no program type is named {name}")
    arguments: dict[str, int | str] = {}
    if name == "tracing":
        arguments = {"attach_type": "trace_iter", "attach_btf_id": _function("bpf_iter_task")}
    elif name == "syscall":
        arguments = {"flags": uapi.F_SLEEPABLE}
    elif name in ("lsm", "ext", "struct_ops", "sk_lookup", "netfilter", "cgroup_sock_addr"):
        arguments = {"attach_type": _EXPECTED.get(name, 0)}
    elif name == "cgroup_sockopt":
        arguments = {"attach_type": "cgroup_getsockopt"}
    try:
        value = 1 if name in ("sk_lookup", "netfilter") else 0
        with Program.load(name, _returning(value), "prybee_probe", **arguments):  # type: ignore[arg-type]
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


# -- types ---------------------------------------------------------------------------------------


def _kernel_btf() -> Btf | None:
    global _btf
    if _btf is None:
        from prybee.btf import Btf, BtfError

        try:
            _btf = Btf.vmlinux()
        except BtfError:
            return None
    return _btf


def _types(name: str, kind: str) -> int:
    """The id of a type of the kernel, or 0."""
    btf = _kernel_btf()
    return btf.find(name, kind) if btf is not None else 0


def _function(name: str) -> int:
    return _types(name, "func")


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
    btf = _kernel_btf()
    if btf is None:
        return Answer(UNKNOWN, "kernel functions are found by the kernel's types (BTF)")
    number = btf.function(name)
    if not number:
        return Answer(NO, f"this kernel has no function {name}")
    tagged = any(tag.value == "bpf_kfunc" for tag in btf.tags(number))
    return Answer(YES) if tagged else Answer(NO, f"{name} is not for programs to call")


# -- attaching -----------------------------------------------------------------------------------


def _pmu(name: str, config: str) -> Answer:
    if pmu_type(name) is None:
        return Answer(NO, f"the kernel has no {name} events ({config})")
    return _program("kprobe")


def _kprobe() -> Answer:
    return _pmu("kprobe", "CONFIG_KPROBE_EVENTS")


def _uprobe() -> Answer:
    return _pmu("uprobe", "CONFIG_UPROBE_EVENTS")


def _uprobe_refcount() -> Answer:
    path = "/sys/bus/event_source/devices/uprobe/format/ref_ctr_offset"
    if os.path.exists(path):
        return Answer(YES)
    return Answer(NO, f"{path} is not there")


def _multi(attach_type: str) -> Answer:
    """A link that fails for a reason that only a kernel which knows it can give."""
    kernel = "kprobe" in attach_type
    with Program.load("kprobe", _returning(0), "prybee_probe", attach_type=attach_type) as program:
        from prybee.linux.attributes import LINK_CREATE_UPROBE_MULTI, Attributes

        if kernel:
            # A function that is not there.
            try:
                with links.kprobe_multi(program, ["prybee_no_such_function"]):
                    return Answer(YES)
            except KernelError as error:
                if error.errno in (EINVAL, EOPNOTSUPP, ENOTSUPP):
                    reason = "the kernel is built without it (CONFIG_FPROBE)"
                    return Answer(NO, f"{error_text(error.errno)}; {reason}")
                return Answer(YES)
        # A directory, which only code that knows such links refuses as no regular file.
        result = Attributes(
            LINK_CREATE_UPROBE_MULTI,
            prog_fd=program.fd,
            attach_type=uapi.ATTACH_TYPES[attach_type],
            path=b"/\0",
            offsets=bytes(8),
            cnt=1,
        ).call()
        return Answer(YES) if result == -EBADF else Answer(NO, error_text(-result))


def _kprobe_multi() -> Answer:
    return _multi("trace_kprobe_multi")


def _kprobe_session() -> Answer:
    return _multi("trace_kprobe_session")


def _uprobe_multi() -> Answer:
    return _multi("trace_uprobe_multi")


def _uprobe_session() -> Answer:
    return _multi("trace_uprobe_session")


def _typed(attach_type: str, name: str, kind: str) -> Answer:
    number = _types(name, kind)
    if not number:
        return Answer(NO, "the kernel does not show its types (BTF)")
    with Program.load(
        "tracing",
        _returning(0),
        "prybee_probe",
        attach_type=attach_type,
        attach_btf_id=number,
    ):
        return Answer(YES)


def _rawtracepoint() -> Answer:
    return _typed("trace_raw_tp", "btf_trace_sched_switch", "typedef")


def _iter() -> Answer:
    return _typed("trace_iter", "bpf_iter_task", "func")


def _fentry() -> Answer:
    for name in ("vfs_read", "do_exit", "bpf_fentry_test1"):
        number = _function(name)
        if number:
            break
    else:
        return Answer(NO, "the kernel does not show its types (BTF)")
    try:
        with (
            Program.load(
                "tracing",
                _returning(0),
                "prybee_probe",
                attach_type="trace_fentry",
                attach_btf_id=number,
            ) as program,
            links.tracing(program),
        ):
            return Answer(YES)
    except KernelError as error:
        if error.errno == EPERM and _privileged():
            return Answer(NO, "refused without a reason: function tracing is off, or forbidden")
        raise


def _tracepoint() -> Answer:
    from prybee.linux.tracefs import Tracefs

    with Tracefs() as tracefs:
        if tracefs.root:
            return _program("tracepoint")
        return Answer(NO, "the kernel's list of events (tracefs) cannot be had")


def _event(type_: int, config: int) -> Answer:
    with PerfEvent.counter(type_, config, period=1_000_000_000, cpu=0):
        return Answer(YES)


def _profile() -> Answer:
    return _event(uapi.PERF_TYPE_SOFTWARE, 0)


def _hardware() -> Answer:
    return _event(uapi.PERF_TYPE_HARDWARE, 0)


def _perf_link() -> Answer:
    # There is no event behind a map's descriptor; only a kernel with such links looks for one.
    from prybee.linux.attributes import LINK_CREATE_PERF_EVENT, Attributes

    with (
        Program.load("tracepoint", _returning(0), "prybee_probe") as program,
        Map.create("array", 4, 4, 1) as m,
    ):
        result = Attributes(
            LINK_CREATE_PERF_EVENT,
            prog_fd=program.fd,
            target_fd=m.fd,
            attach_type=uapi.ATTACH_TYPES["perf_event"],
        ).call()
    return Answer(YES) if result == -EBADF else Answer(NO, error_text(-result))


def _statistics() -> Answer:
    from prybee.linux.programs import Statistics

    with Statistics.enable():
        return Answer(YES)


PROBES: dict[str, Callable[[], Answer]] = {
    "v4": _v4,
    "jmp32": _jmp32,
    "atomics": _atomics,
    "unaligned": _unaligned,
    "large_programs": _large_programs,
    "btf": _has_btf,
    "module_btf": _module_btf,
    "tracepoint": _tracepoint,
    "raw_tracepoint": lambda: _program("raw_tracepoint"),
    "rawtracepoint": _rawtracepoint,
    "kprobe": _kprobe,
    "kprobe_multi": _kprobe_multi,
    "kprobe_session": _kprobe_session,
    "fentry": _fentry,
    "uprobe": _uprobe,
    "uprobe_multi": _uprobe_multi,
    "uprobe_session": _uprobe_session,
    "uprobe_refcount": _uprobe_refcount,
    "profile": _profile,
    "hardware": _hardware,
    "iter": _iter,
    "ringbuf": lambda: _map("ringbuf"),
    "map_batch": _map_batch,
    "map_mmap": _map_mmap,
    "perf_link": _perf_link,
    "statistics": _statistics,
}

KINDS: dict[str, Callable[[str], Answer]] = {
    "helper": _helper,
    "map": _map,
    "program": _program,
    "kfunc": _kfunc,
}
