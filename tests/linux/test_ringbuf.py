"""The ring buffer reader: against memory laid out by the test, and against the kernel."""

from __future__ import annotations

from mmap import PAGESIZE, mmap
from struct import Struct, pack, pack_into

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prybee.linux import syscalls
from prybee.linux.maps import Map
from prybee.linux.programs import Program
from prybee.linux.ringbuf import BUSY, DISCARD, RingBuffer
from tests.counting import calls
from tests.linux.conftest import CALL, EXIT, MOV64, insn, lddw

SIZE = 2 * PAGESIZE


class Shared(syscalls.Kernel):
    """A kernel whose ring buffer is ordinary memory that the test writes to.

    The double mapping is kept up by writing everything twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.consumer = mmap(-1, PAGESIZE)
        self.producer = mmap(-1, PAGESIZE + 2 * SIZE)
        self.at = 0

    def map_memory(self, fd: int, length: int, offset: int = 0, writable: bool = True) -> mmap:
        memory = self.producer if offset else self.consumer
        assert length == len(memory)
        assert writable == (offset == 0)
        return memory

    def start(self, position: int) -> None:
        pack_into("Q", self.consumer, 0, position)
        self.at = position
        pack_into("Q", self.producer, 0, position)

    def put(self, data: bytes, flags: int = 0) -> None:
        record = pack("II", len(data) | flags, 0xABCD) + data
        record += bytes(-len(record) % 8)
        for i, byte in enumerate(record):
            place = (self.at + i) % SIZE
            self.producer[PAGESIZE + place] = byte
            self.producer[PAGESIZE + SIZE + place] = byte
        self.at += len(record)
        pack_into("Q", self.producer, 0, self.at)

    @property
    def consumed(self) -> int:
        return int.from_bytes(self.consumer[:8], "little")


def reader(shared: Shared) -> RingBuffer:
    with syscalls.replaced(shared):
        return RingBuffer(Map(-1, "ringbuf", 0, 0, SIZE))


def records(ring: RingBuffer) -> list[bytes]:
    """All records there are, each with the padding behind it."""
    found = []
    while (taken := ring.take()) is not None:
        batch, runs = taken
        for kind, offset, stride, count in runs:
            for i in range(count):
                data = bytes(batch[offset + i * stride : offset + i * stride + stride - 8])
                assert kind in (int.from_bytes(data[:4], "little"), 0)
                found.append(data)
    return found


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


RECORD = st.one_of(
    st.binary(max_size=40),
    # Many of a kind, so that runs form.
    st.sampled_from([b"kind-one" + bytes(8), b"kind-one" + bytes(16), b"kind-two" + bytes(8)]),
)


@given(
    st.integers(0, SIZE // 8 - 1),
    st.lists(st.tuples(RECORD, st.integers(1, 30), st.booleans()), max_size=12),
)
def test_any_records_come_out_in_order(start: int, plan: list[tuple[bytes, int, bool]]) -> None:
    shared = Shared()
    shared.start(start * 8)
    with reader(shared) as ring:
        wanted, used = [], 0
        for data, repeat, discard in plan:
            for _ in range(repeat):
                used += len(padded(data)) + 8
                if used > SIZE:
                    break
                shared.put(data, DISCARD if discard else 0)
                if not discard:
                    wanted.append(padded(data))
        assert records(ring) == wanted
        assert shared.consumed == shared.at
        assert ring.available == 0


def test_stops_at_a_record_that_is_being_written() -> None:
    shared = Shared()
    shared.start(0)
    with reader(shared) as ring:
        for i in range(20):
            shared.put(pack("II", 1, i))
        busy_at = shared.at
        shared.put(pack("II", 1, 20), BUSY)
        shared.put(pack("II", 1, 21))
        assert len(records(ring)) == 20
        assert shared.consumed == busy_at
        assert ring.take() is None
        pack_into("I", shared.producer, PAGESIZE + busy_at, 8)
        assert records(ring) == [pack("II", 1, 20), pack("II", 1, 21)]


def test_runs_and_limits() -> None:
    shared = Shared()
    shared.start(SIZE - 64)
    with reader(shared) as ring:
        for i in range(100):
            shared.put(pack("II", 5, i))
        for i in range(10):
            shared.put(pack("IIQ", 6, i, i))
        shared.put(pack("II", 7, 0))
        taken = ring.take()
        assert taken is not None
        batch, runs = taken
        assert runs == [(5, 0, 16, 100), (6, 1600, 24, 10), (7, 1840, 16, 1)]
        _, offset, stride, count = runs[1]
        run = Struct("IIQ8x").iter_unpack(batch[offset : offset + stride * count])
        assert list(run) == [(6, i, i) for i in range(10)]
        for i in range(100):
            shared.put(pack("II", 5, i))
        sizes = []
        while (taken := ring.take(limit=160)) is not None:
            sizes.append(sum(run[3] for run in taken[1]))
        assert sum(sizes) == 100
        assert max(sizes) <= 12


def output_program(ring: Map, size: int, id_: int) -> bytes:
    """Sends ``size`` bytes on the stack, beginning with ``id_``, by ringbuf_output."""
    code = insn(MOV64, 0, imm=0)
    for at in range(0, size, 8):
        code += insn(0x7B, 10, 0, at - size)
    code += insn(0x62, 10, 0, -size, id_)
    code += lddw(1, ring.fd, src=1)
    code += insn(0xBF, 2, 10) + insn(0x07, 2, imm=-size)
    code += insn(MOV64, 3, imm=size) + insn(MOV64, 4, imm=1) + insn(CALL, imm=130)
    return code + insn(MOV64, 0, imm=0) + insn(EXIT)


@pytest.mark.live
def test_from_the_kernel() -> None:
    with (
        Map.create("ringbuf", 0, 0, 1 << 20, name="ring") as m,
        Program.load("raw_tracepoint", output_program(m, 32, 3), "send") as one,
        Program.load("raw_tracepoint", output_program(m, 48, 4), "send") as two,
        RingBuffer(m) as ring,
    ):
        assert ring.take() is None
        for _ in range(3):
            for _ in range(10):
                one.test_run()
            two.test_run()
        taken = ring.take()
        assert taken is not None
        assert [(run[0], run[3]) for run in taken[1]] == [(3, 10), (4, 1)] * 3
        # Around the end several times.
        for _ in range(6):
            for _ in range(1000):
                one.test_run()
            assert len(records(ring)) == 1000


@pytest.mark.live
def test_many_in_few_steps() -> None:
    """Records of one kind are one run: nothing is called for each (bench/measures/ring.py)."""
    with (
        Map.create("ringbuf", 0, 0, 1 << 22, name="ring") as m,
        # Each run of a socket filter with repeat sends that many records.
        Program.load("socket_filter", output_program(m, 40, 3), "send") as program,
        RingBuffer(m) as ring,
    ):
        program.test_run(data=bytes(64), repeat=50_000)
        seen: list[int] = []

        def read() -> None:
            while (taken := ring.take()) is not None:
                seen.extend(count for _kind, _offset, _stride, count in taken[1])

        assert calls(read) < 5000
        assert sum(seen) == 50_000
