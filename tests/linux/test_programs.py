"""Loading, refusing and running programs."""

from __future__ import annotations

from struct import pack, pack_into

import pytest

from prybee.diagnostics import KernelError, PrybeeError
from prybee.linux import syscalls, uapi
from prybee.linux.attributes import PROG_LOAD
from prybee.linux.maps import Map
from prybee.linux.objects import object_name
from prybee.linux.programs import BtfRefused, LoadedBtf, LoadRefused, Program, Statistics
from tests.linux.conftest import CALL, EXIT, MOV64, insn, lddw, returning


@pytest.mark.live
@pytest.mark.needs("program:syscall")
def test_load_and_run() -> None:
    with Program.load("syscall", returning(42), "answer", flags=uapi.F_SLEEPABLE) as program:
        assert program.test_run().retval == 42
        info = program.info()
        assert info["type"] == uapi.PROGRAM_TYPES["syscall"]
        assert info["name"] == b"answer"
        assert repr(program) == f"Program(answer: syscall, 2 instructions, fd {program.fd})"
        assert program.translated()[:8] == insn(MOV64, 0, imm=42)
        with Program.from_id(program.id) as same:
            assert (same.name, same.type) == ("answer", "syscall")


@pytest.mark.live
@pytest.mark.needs("program:syscall")
def test_run_sees_the_calling_thread() -> None:
    import os

    # r1 = ctx (one u64): *(u64 *)ctx = get_current_pid_tgid()
    code = insn(0xBF, 6, 1) + insn(CALL, imm=14) + insn(0x7B, 6, 0) + returning(0)
    with Program.load("syscall", code, flags=uapi.F_SLEEPABLE) as program:
        context = program.test_run(context=bytes(8)).context
        assert int.from_bytes(context[4:], "little") == os.getpid()


@pytest.mark.live
def test_run_with_data_and_statistics() -> None:
    with Statistics.enable(), Program.load("socket_filter", returning(3)) as program:
        result = program.test_run(data=bytes(range(64)), repeat=10)
        assert result.retval == 3
        # The first 14 bytes were the Ethernet header, which the kernel has taken off.
        assert result.data[14:] == bytes(range(14, 64))
        runs, nanoseconds = program.statistics()
        assert runs >= 10
        assert nanoseconds > 0


@pytest.mark.live
def test_raw_tracepoint_runs() -> None:
    with Program.load("raw_tracepoint", returning(1)) as program:
        assert program.test_run().retval == 1
        assert program.test_run(context=bytes(16), cpu=0).retval == 1


@pytest.mark.live
def test_no_test_run() -> None:
    with (
        Program.load("tracepoint", returning(0), "tp") as program,
        pytest.raises(KernelError, match="ENOTSUPP"),
    ):
        program.test_run()


@pytest.mark.live
def test_refusal_has_the_log() -> None:
    with pytest.raises(LoadRefused) as refused:
        Program.load("socket_filter", insn(EXIT), "no result")
    assert "R0 !read_ok" in refused.value.log
    assert refused.value.program == "no result"
    assert "program no result: EACCES" in str(refused.value)


@pytest.mark.live
def test_accepted_with_log() -> None:
    with Program.load("socket_filter", returning(0), log_level=uapi.LOG_STATISTICS) as program:
        assert "processed 2 insns" in program.log


class Recorded(syscalls.Kernel):
    """Refuses loads, claiming to need a log of a certain size; remembers the calls."""

    def __init__(self, needs: int, tells: bool) -> None:
        super().__init__()
        self.needs = needs
        self.tells = tells
        self.calls: list[tuple[int, int]] = []

    def bpf(self, command: int, attributes: int, size: int) -> int:
        import ctypes

        assert command == uapi.COMMANDS.index("prog_load")
        memory = (ctypes.c_char * 256).from_address(attributes)
        values = PROG_LOAD.decode(memory)
        level, room = int(values["log_level"]), int(values["log_size"])
        self.calls.append((level, room))
        if not level:
            return -13
        assert size >= 144
        if room < self.needs:
            if self.tells:
                pack_into("I", memory, 140, self.needs)
            return -28
        ctypes.memmove(int(values["log_buf"]), b"because\n\0", 9)
        return -13


@pytest.mark.parametrize(
    ("needs", "tells", "calls"),
    [
        (100, True, [(0, 0), (1, 1 << 20)]),
        (5_000_001, True, [(0, 0), (1, 1 << 20), (1, 5_000_001)]),
        (9_000_000, False, [(0, 0), (1, 1 << 20), (1, 1 << 23), (1, 1 << 26)]),
    ],
)
def test_log_attempts(needs: int, tells: bool, calls: list[tuple[int, int]]) -> None:
    with (
        syscalls.replaced(Recorded(needs, tells)) as kernel,
        pytest.raises(LoadRefused) as refused,
    ):
        Program.load("socket_filter", returning(0))
    assert kernel.calls == calls  # type: ignore[attr-defined]
    assert refused.value.log == "because\n"


class Interrupted(syscalls.Kernel):
    """A signal comes during the first two attempts."""

    attempts = 0

    def bpf(self, command: int, attributes: int, size: int) -> int:
        self.attempts += 1
        return -11 if self.attempts < 3 else super().bpf(command, attributes, size)


@pytest.mark.live
def test_interrupted_load_is_repeated() -> None:
    with syscalls.replaced(Interrupted()), Program.load("socket_filter", returning(0)) as program:
        assert program.log == ""


@pytest.mark.live
def test_btf() -> None:
    strings = b"\0int\0"
    types = pack("IIII", 1, 1 << 24, 4, 1 << 24 | 32)
    header = pack("HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    with LoadedBtf.load(header + types + strings) as btf:
        assert btf.fd > 0
    with pytest.raises(BtfRefused) as refused:
        LoadedBtf.load(header + pack("IIII", 99, 1 << 24, 4, 1 << 24 | 32) + strings)
    assert "Invalid" in refused.value.log


@pytest.mark.live
def test_map_in_program() -> None:
    with Map.create("array", 4, 8, 1, uapi.F_MMAPABLE, name="data") as m:
        # *(u64 *)(value of data + 0) += 5
        code = lddw(1, m.fd, src=2) + insn(MOV64, 2, imm=5) + insn(0xDB, 1, 2) + returning(0)
        with Program.load("raw_tracepoint", code) as program:
            program.test_run()
            program.test_run()
        assert m.lookup(bytes(4)) == pack("Q", 10)


def test_misuse() -> None:
    with pytest.raises(PrybeeError, match="unknown program type 'tracepiont'; did you mean trace"):
        Program.load("tracepiont", returning(0))
    with pytest.raises(PrybeeError, match="unknown attach type"):
        Program.load("tracing", returning(0), attach_type="trace_everything")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("", b""),
        ("tracepoint:sched:x", b"tracepoint_sche"),
        ("naïve", b"na_ve"),
        ("a.b_c", b"a.b_c"),
    ],
)
def test_object_name(name: str, wanted: bytes) -> None:
    assert object_name(name) == wanted
