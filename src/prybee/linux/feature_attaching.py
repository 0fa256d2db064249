"""Probes of the ways a program can be attached.

A probe answers, or raises what the kernel raised; ``feature_answers.judge`` makes an answer of it.
"""

from __future__ import annotations

import os
from errno import EBADF, EINVAL, EOPNOTSUPP, EPERM

from prybee.diagnostics import ENOTSUPP, KernelError, error_text
from prybee.linux import links, uapi
from prybee.linux.feature_answers import NO, YES, Answer, function, privileged, returning, types
from prybee.linux.feature_programs import program as program_type
from prybee.linux.maps import Map
from prybee.linux.perf import PerfEvent, pmu_type
from prybee.linux.programs import Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def _pmu(name: str, config: str) -> Answer:
    if pmu_type(name) is None:
        return Answer(NO, f"the kernel has no {name} events ({config})")
    return program_type("kprobe")


def _kprobe() -> Answer:
    return _pmu("kprobe", "CONFIG_KPROBE_EVENTS")


def _uprobe() -> Answer:
    return _pmu("uprobe", "CONFIG_UPROBE_EVENTS")


def _uprobe_refcount() -> Answer:
    path = "/sys/bus/event_source/devices/uprobe/format/ref_ctr_offset"
    if os.path.exists(path):
        return Answer(YES)
    return Answer(NO, f"{path} is not there")


_NO_FUNCTION = "prybee_no_such_function"


def _multi(attach_type: str) -> Answer:
    """A link that fails for a reason that only a kernel which knows it can give."""
    kernel = "kprobe" in attach_type
    with Program.load("kprobe", returning(0), "prybee_probe", attach_type=attach_type) as program:
        from prybee.linux.attributes import LINK_CREATE_UPROBE_MULTI, Attributes

        if kernel:
            # A function that is not there.
            try:
                with links.kprobe_multi(program, [_NO_FUNCTION]):
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
    number = types(name, kind)
    if not number:
        return Answer(NO, "the kernel does not show its types (BTF)")
    with Program.load(
        "tracing",
        returning(0),
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
        number = function(name)
        if number:
            break
    else:
        return Answer(NO, "the kernel does not show its types (BTF)")
    try:
        with (
            Program.load(
                "tracing",
                returning(0),
                "prybee_probe",
                attach_type="trace_fentry",
                attach_btf_id=number,
            ) as program,
            links.tracing(program),
        ):
            return Answer(YES)
    except KernelError as error:
        if error.errno == EPERM and privileged():
            return Answer(NO, "refused without a reason: function tracing is off, or forbidden")
        raise


def _lsm() -> Answer:
    path = "/sys/kernel/security/lsm"
    try:
        with open(path, encoding="utf-8") as file:
            modules = file.read().strip()
    except OSError:
        modules = ""  # Not shown: loading and attaching has to tell.
    if modules and "bpf" not in modules.split(","):
        return Answer(NO, f"bpf is not among the kernel's security modules ({path}: {modules})")
    return _deciding("lsm", "lsm_mac", "bpf_lsm_bprm_check_security")


def _fmod_ret() -> Answer:
    return _deciding("tracing", "modify_return", "security_file_open")


def _deciding(kind: str, attach_type: str, name: str) -> Answer:
    """A program that lets everything happen, at a function that may refuse."""
    number = function(name)
    if not number:
        return Answer(NO, f"the kernel's types (BTF) do not tell of {name}")
    try:
        with (
            Program.load(
                kind,
                returning(0),
                "prybee_probe",
                attach_type=attach_type,
                attach_btf_id=number,
            ) as program,
            links.tracing(program),
        ):
            return Answer(YES)
    except KernelError as error:
        if error.errno == EPERM and privileged():
            return Answer(NO, "refused without a reason: function tracing is off, or forbidden")
        if error.errno == EINVAL and kind == "lsm":
            return Answer(NO, "the kernel takes no such programs (CONFIG_BPF_LSM)")
        raise


def _tracepoint() -> Answer:
    from prybee.linux.tracefs import Tracefs

    with Tracefs() as tracefs:
        if tracefs.root:
            return program_type("tracepoint")
        return Answer(NO, "the kernel's list of events (tracefs) cannot be had")


def _event(type_: int, config: int) -> Answer:
    with PerfEvent.counter(type_, config, period=1_000_000_000, cpu=0):
        return Answer(YES)


def _profile() -> Answer:
    return _event(uapi.PERF_TYPE_SOFTWARE, 0)


def _hardware() -> Answer:
    return _event(uapi.PERF_TYPE_HARDWARE, 0)


def _watchpoint() -> Answer:
    # On this thread (0), at an address where nothing ever is.
    with PerfEvent.breakpoint(0x1000, 4, "w", pid=0):
        return Answer(YES)


def _perf_link() -> Answer:
    # There is no event behind a map's descriptor; only a kernel with such links looks for one.
    from prybee.linux.attributes import LINK_CREATE_PERF_EVENT, Attributes

    with (
        Program.load("tracepoint", returning(0), "prybee_probe") as program,
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
    "tracepoint": _tracepoint,
    "raw_tracepoint": lambda: program_type("raw_tracepoint"),
    "rawtracepoint": _rawtracepoint,
    "kprobe": _kprobe,
    "kprobe_multi": _kprobe_multi,
    "kprobe_session": _kprobe_session,
    "fentry": _fentry,
    "lsm": _lsm,
    "fmod_ret": _fmod_ret,
    "uprobe": _uprobe,
    "uprobe_multi": _uprobe_multi,
    "uprobe_session": _uprobe_session,
    "uprobe_refcount": _uprobe_refcount,
    "profile": _profile,
    "hardware": _hardware,
    "watchpoint": _watchpoint,
    "iter": _iter,
    "perf_link": _perf_link,
    "statistics": _statistics,
}
