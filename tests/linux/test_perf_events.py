"""What perf_event_open(2) is asked, by a kernel that only listens, and what its answers mean."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from errno import (
    EACCES,
    EADDRNOTAVAIL,
    EBUSY,
    EILSEQ,
    EINVAL,
    ENODEV,
    ENOENT,
    ENOSPC,
    EOPNOTSUPP,
    EPERM,
)
from pathlib import Path

import pytest

from prybee.diagnostics import KernelError, NotSupported
from prybee.linux import refused_events, syscalls, uapi
from prybee.linux.attributes import PERF_EVENT, PERF_FLAGS
from prybee.linux.perf import PerfEvent
from prybee.linux.refused_events import open_error


class Listening(syscalls.Kernel):
    """Keeps what it was asked, and answers with ``error`` or a descriptor of nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[dict[str, int | bytes], int, int]] = []
        self.error = 0

    def perf_event_open(self, attributes: int, pid: int, cpu: int, group: int, flags: int) -> int:
        size = int.from_bytes(ctypes.string_at(attributes + 4, 4), "little")
        values = PERF_EVENT.decode(ctypes.string_at(attributes, size))
        self.asked.append(({k: v for k, v in values.items() if v}, pid, cpu))
        assert (group, flags) == (-1, 8), "no group; closed on exec"
        return -self.error if self.error else os.open("/dev/null", os.O_RDONLY)


@pytest.fixture
def kernel() -> Iterator[Listening]:
    listening = Listening()
    with syscalls.replaced(listening):
        yield listening


def asked(kernel: Listening) -> tuple[dict[str, int | bytes], int, int]:
    """The one question, without the size of its structure."""
    ((values, pid, cpu),) = kernel.asked
    size = values.pop("size")
    assert isinstance(size, int)
    assert size % 8 == 0
    assert size >= 64, "the first version of the structure"
    return _without_other_names(values), pid, cpu


def _without_other_names(values: dict[str, int | bytes]) -> dict[str, int | bytes]:
    """One name for each member of a union."""
    others = (
        "sample_freq kprobe_func uprobe_path config1 kprobe_addr probe_offset config2 "
        "wakeup_watermark"
    )
    return {name: value for name, value in values.items() if name not in others.split()}


@pytest.mark.parametrize(
    ("mode", "length", "type_", "size"),
    [
        ("w", 1, 2, 1),
        ("w", 8, 2, 8),
        ("rw", 4, 3, 4),
        ("wr", 2, 3, 2),
        ("r", 4, 1, 4),
        # Executing: the length is that of a pointer, whatever was written.
        ("x", 1, 4, 8),
        ("x", 8, 4, 8),
    ],
)
def test_breakpoints(kernel: Listening, mode: str, length: int, type_: int, size: int) -> None:
    """HW_BREAKPOINT_R, W and X are 1, 2 and 4."""
    with PerfEvent.breakpoint(0xFFFFFFFF81000000, length, mode, cpu=3) as event:
        assert event.what == f"watchpoint 0xffffffff81000000:{length}:{mode}"
    values, pid, cpu = asked(kernel)
    assert values == {
        "type": uapi.PERF_TYPE_BREAKPOINT,
        "sample_period": 1,
        "bp_type": type_,
        "bp_addr": 0xFFFFFFFF81000000,
        "bp_len": size,
    }
    assert (pid, cpu) == (-1, 3)


def test_breakpoints_of_a_thread_and_of_those_it_starts(kernel: Listening) -> None:
    PerfEvent.breakpoint(0x1000, 8, "w", pid=42, inherit=True).close()
    values, pid, cpu = asked(kernel)
    assert values["flags"] == PERF_FLAGS["inherit"]
    assert (pid, cpu) == (42, -1)


@pytest.mark.parametrize(
    ("type_", "config", "options", "expected"),
    [
        (0, 0, {"period": 1_000_000}, {"sample_period": 1_000_000}),
        (0, 5, {"period": 7}, {"config": 5, "sample_period": 7}),
        (1, 0, {"period": 10}, {"type": 1, "sample_period": 10}),
        (1, 2, {"period": 9}, {"type": 1, "config": 2, "sample_period": 9}),
        (1, 0, {"frequency": 99}, {"type": 1, "sample_period": 99, "flags": PERF_FLAGS["freq"]}),
        (
            0,
            1,
            {"period": 5, "inherit": True},
            {"config": 1, "sample_period": 5, "flags": PERF_FLAGS["inherit"]},
        ),
    ],
)
def test_counters(
    kernel: Listening,
    type_: int,
    config: int,
    options: dict[str, int],
    expected: dict[str, int],
) -> None:
    """Type, number and period; no sampling into memory, which programs do not need."""
    PerfEvent.counter(type_, config, cpu=1, **options).close()  # type: ignore[arg-type]
    assert asked(kernel) == (expected, -1, 1)


def test_a_refused_event_is_an_error(kernel: Listening) -> None:
    kernel.error = ENOSPC
    with pytest.raises(KernelError, match=r"for watchpoint 0x1000:4:w: ENOSPC"):
        PerfEvent.breakpoint(0x1000, 4, "w", cpu=0)


@pytest.mark.parametrize(
    ("what", "errno", "text"),
    [
        ("kprobe vfs_read+0x5", ENOENT, "no such function"),
        ("kprobe vfs_read+0x5", EILSEQ, "where an instruction starts"),
        ("kretprobe vfs_read+0x0", EADDRNOTAVAIL, "several functions of that name"),
        ("kprobe vfs_read+0x5", EINVAL, "kprobes work with themselves"),
        ("uprobe /bin/sh:0x5", EINVAL, "an executable part of the file"),
        ("uprobe /bin/sh:0x5", ENOENT, ""),
        ("watchpoint 0x1000:4:w", ENOSPC, "x86 has 4 of them"),
        ("watchpoint 0x1001:4:rw", EINVAL, "multiple of the length"),
        ("watchpoint 0x1000:8:x", EINVAL, "where kprobes may be"),
        ("watchpoint 0x1000:8:x", EACCES, "root"),
        ("hardware:cpu-cycles", EPERM, "root"),
        ("hardware:cpu-cycles", EBUSY, ""),
    ],
)
def test_refusals(what: str, errno: int, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_events, "bpf_hint", lambda _errno: "run it as root")
    error = open_error(what, errno)
    assert isinstance(error, KernelError)
    assert error.errno == errno
    assert text in error.hint
    assert bool(text) == bool(error.hint)


@pytest.mark.parametrize("errno", [ENOENT, ENODEV, EOPNOTSUPP])
def test_what_there_is_not(errno: int) -> None:
    error = open_error("watchpoint 0x1000:4:w", errno)
    assert isinstance(error, NotSupported)
    assert str(error) == (
        "watchpoint 0x1000:4:w: this kernel or machine cannot watch memory\n"
        "HINT: probe the functions that use the memory, with kprobe or uprobe"
    )
    assert str(open_error("tracepoint 77777", errno)) == (
        "event tracepoint 77777: this machine does not count it"
    )


NEAREST = "\nHINT: software:cpu-clock and profile:hz:99 sample where time goes, without counters"


@pytest.mark.parametrize(
    ("sources", "why"),
    [
        ((), "this machine has no hardware counters (virtual machines often hide them)"),
        (
            ("software", "breakpoint"),
            "this machine has no hardware counters (virtual machines often hide them)",
        ),
        (("software", "cpu"), "this CPU does not count it"),
        (("cpu_core", "cpu_atom"), "this CPU does not count it"),
        (("armv8_pmuv3_0",), "this CPU does not count it"),
    ],
)
def test_hardware_events_that_are_not_counted(
    sources: tuple[str, ...], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the nearest thing that there is everywhere."""
    for name in sources:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(refused_events, "SOURCES", str(tmp_path if sources else tmp_path / "none"))
    error = open_error("hardware:cpu-cycles", ENOENT)
    assert isinstance(error, NotSupported)
    assert str(error) == f"event hardware:cpu-cycles: {why}{NEAREST}"
