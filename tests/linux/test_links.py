"""Attaching to the running kernel, and what is left afterwards."""

from __future__ import annotations

import ctypes
import os
from struct import pack
from typing import TYPE_CHECKING

import pytest

from prybee.diagnostics import KernelError, NotSupported
from prybee.linux import links, syscalls, uapi
from prybee.linux.maps import Map
from prybee.linux.perf import PerfEvent, pmu_type
from prybee.linux.perfbuf import PerfBuffer
from prybee.linux.programs import Program
from prybee.linux.tracefs import Tracefs
from tests.linux.conftest import CALL, EXIT, MOV64, insn, lddw, returning

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.live


@pytest.fixture
def counter() -> Iterator[Map]:
    with Map.create("array", 4, 8, 1, uapi.F_MMAPABLE, name="counter") as m:
        yield m


def counting(counter: Map) -> bytes:
    """Adds 1 to the counter when the current process is ours."""
    code = insn(CALL, imm=14) + insn(0x77, 0, imm=32) + insn(0xBC, 0, 0)
    code += insn(0x56, 0, off=4, imm=os.getpid())
    code += lddw(1, counter.fd, src=2) + insn(MOV64, 2, imm=1) + insn(0xDB, 1, 2)
    return code + returning(0)


def value(counter: Map) -> int:
    return int.from_bytes(counter.lookup(bytes(4)) or b"", "little")


def event_id(category: str, event: str) -> int:
    with Tracefs() as tracefs:
        return tracefs.event_id(category, event) or 0


class OldKernel(syscalls.Kernel):
    """Has no link_create (before 5.7)."""

    def bpf(self, command: int, attributes: int, size: int) -> int:
        if uapi.COMMANDS[command] == "link_create":
            return -22
        return super().bpf(command, attributes, size)


@pytest.mark.parametrize("old", [False, True])
def test_tracepoint(counter: Map, old: bool) -> None:
    with Program.load("tracepoint", counting(counter), "tp") as program:
        event = PerfEvent.tracepoint(event_id("syscalls", "sys_enter_getppid"), "getppid")
        with syscalls.replaced(OldKernel() if old else syscalls.kernel):
            link = links.perf_event(program, event)
        with link:
            assert event.closed
            for _ in range(5):
                os.getppid()
            assert value(counter) == 5
            assert repr(link).startswith("PerfLink(perf_event on getppid, fd ")
        os.getppid()
        assert value(counter) == 5


def test_raw_tracepoint(counter: Map) -> None:
    with (
        Program.load("raw_tracepoint", counting(counter), "raw") as program,
        links.raw_tracepoint(program, "sys_enter") as link,
    ):
        os.getppid()
        assert value(counter) >= 1
        assert link.info()["type"] == uapi.LINK_TYPE_NAMES.index("raw_tracepoint")
    with (
        Program.load("raw_tracepoint", returning(0)) as program,
        pytest.raises(KernelError, match="for rawtracepoint no_such: ENOENT"),
    ):
        links.raw_tracepoint(program, "no_such")


libc = ctypes.CDLL(None)


def libc_place(function: str) -> tuple[str, int]:
    """File and offset of a libc function, from our own mappings."""
    address = ctypes.cast(getattr(libc, function), ctypes.c_void_p).value or 0
    with open("/proc/self/maps") as maps:
        for line in maps:
            span, _, offset, _, _, *path = line.split()
            low, high = (int(x, 16) for x in span.split("-"))
            if low <= address < high:
                return path[0], address - low + int(offset, 16)
    raise AssertionError(function)


@pytest.mark.parametrize("returns", [False, True])
@pytest.mark.parametrize("pid", [False, True])
@pytest.mark.parametrize("cookie", [0, pytest.param(7, marks=pytest.mark.needs("perf_link"))])
def test_uprobe(counter: Map, returns: bool, pid: bool, cookie: int) -> None:
    path, offset = libc_place("getpgid")
    with Program.load("kprobe", counting(counter), "up") as program:
        event = PerfEvent.uprobe(path, offset, returns=returns, pid=os.getpid() if pid else -1)
        with links.perf_event(program, event, cookie):
            libc.getpgid(0)
            libc.getpgid(0)
            assert value(counter) == 2
        libc.getpgid(0)
        assert value(counter) == 2


@pytest.mark.needs("uprobe_multi")
def test_uprobe_multi(counter: Map) -> None:
    path, one = libc_place("getpgid")
    _, two = libc_place("getsid")
    with (
        Program.load(
            "kprobe", counting(counter), "multi", attach_type="trace_uprobe_multi"
        ) as program,
        links.uprobe_multi(program, path, [one, two], cookies=[1, 2]) as link,
    ):
        libc.getpgid(0)
        libc.getsid(0)
        libc.getsid(0)
        assert value(counter) == 3
        assert link.target == f"2 places of {path}"
    with (
        Program.load("kprobe", returning(0), attach_type="trace_uprobe_multi") as program,
        pytest.raises(ValueError, match="2 offsets, but 1 values"),
    ):
        links.uprobe_multi(program, path, [one, two], cookies=[1])


def test_uprobe_refused() -> None:
    with pytest.raises(KernelError, match=r"perf_event_open for uprobe /nowhere:0x10: ENOENT"):
        PerfEvent.uprobe("/nowhere", 16)


def test_sampling(counter: Map) -> None:
    code = lddw(1, counter.fd, src=2) + insn(MOV64, 2, imm=1) + insn(0xDB, 1, 2) + returning(0)
    with Program.load("perf_event", code, "sample") as program:
        event = PerfEvent.counter(uapi.PERF_TYPE_SOFTWARE, 0, period=1_000_000, cpu=0)
        with links.perf_event(program, event):
            before = value(counter)
            deadline = os.times().elapsed + 5
            while value(counter) < before + 3 and os.times().elapsed < deadline:
                pass
        assert value(counter) >= before + 3


def test_no_such_counter() -> None:
    with pytest.raises(
        NotSupported, match=r"event hardware:2147483647: this .* (has no|not count)"
    ):
        PerfEvent.counter(uapi.PERF_TYPE_HARDWARE, 0x7FFFFFFF, period=1000, cpu=0)


def test_no_such_source() -> None:
    assert pmu_type("no_such_pmu") is None


def test_perf_buffer() -> None:
    with Map.create("perf_event_array", 4, 4, 64, name="perf") as m:
        # perf_event_output(ctx, map, BPF_F_CURRENT_CPU, stack - 16, 16)
        code = insn(0x7A, 10, 0, -16, 77) + insn(0x7A, 10, 0, -8, 88)
        code += lddw(2, m.fd, src=1) + insn(0x18, 3, 0, 0, -1) + insn(0)
        code += insn(0xBF, 4, 10) + insn(0x07, 4, imm=-16) + insn(MOV64, 5, imm=16)
        code += insn(CALL, imm=25) + insn(MOV64, 0, imm=0) + insn(EXIT)
        with Program.load("raw_tracepoint", code) as program, PerfBuffer(m, pages=1) as buffer:
            assert buffer.take() == ([], 0)
            for _ in range(300):  # around the end
                program.test_run(context=bytes(8), cpu=0)
                records, lost = buffer.take()
                assert [(cpu, data[:16]) for cpu, data in records] == [(0, pack("QQ", 77, 88))]
                assert lost == 0
            for _ in range(300):
                program.test_run(context=bytes(8), cpu=0)
            records, _ = buffer.take()
            program.test_run(context=bytes(8), cpu=0)
            more, lost = buffer.take()
            assert len(records) + lost + len(more) == 301
            assert lost > 0
        assert "2 CPUs" in repr(buffer) or "CPUs" in repr(buffer)


def test_failed_attachment_leaves_the_event_to_the_caller() -> None:
    with (
        Program.load("raw_tracepoint", returning(0), "wrong") as program,
        PerfEvent.tracepoint(event_id("syscalls", "sys_enter_getppid"), "getppid") as event,
    ):
        with pytest.raises(KernelError):
            links.perf_event(program, event, cookie=1)
        assert not event.closed


def test_many_links_leak_nothing(counter: Map) -> None:
    before = len(os.listdir("/proc/self/fd"))
    # Older kernels let a program be attached to a raw tracepoint once only.
    programs = [Program.load("raw_tracepoint", counting(counter), "raw") for _ in range(50)]
    held = [links.raw_tracepoint(program, "sys_exit") for program in programs]
    assert len(os.listdir("/proc/self/fd")) == before + 100
    for item in (*held, *programs):
        item.close()
        item.close()
    assert len(os.listdir("/proc/self/fd")) == before
