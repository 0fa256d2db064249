"""Records of 40 bytes out of a ring buffer and taken apart, many times 50,000.

The peers, in this process and in turn: libbpf's reader with a Python function for each record
(what a program that uses it through ctypes does), where it is installed, and a loop that reads
the ring's memory record by record.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import mmap
import struct
import time
from typing import TYPE_CHECKING

from bench.report import Row, compare
from prybee.isa import assemble
from prybee.linux.maps import Map
from prybee.linux.programs import Program
from prybee.linux.ringbuf import RingBuffer

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.tracer import Tracer

TITLE = "records of a ring buffer, taken apart (peer: as the row says)"
RECORDS = 50_000
_RING = 1 << 22
_FIELDS = struct.Struct("IIQQQQ")


def measure(_ours: Tracer, _peer: Tracer, rounds: int) -> list[Row]:
    """Records a second: three readers, one after the other, of what the same program sent."""
    name = ctypes.util.find_library("bpf")
    samples: dict[str, list[float]] = {"ours": [], "loop": [], "libbpf": []}
    for _ in range(rounds):
        samples["ours"].append(_rate(_ours_reads))
        samples["loop"].append(_rate(_loop_reads))
        if name:
            library = ctypes.CDLL(name)
            samples["libbpf"].append(_rate(lambda ring, lib=library: _libbpf_reads(lib, ring)))
    ours = samples["ours"]
    rows = [compare("beside a plain loop", "records/s", ours, samples["loop"], 3, "ge")]
    if name:
        rows.append(compare("beside libbpf", "records/s", ours, samples["libbpf"], 3, "ge"))
    return rows


def _rate(reader: Callable[[Map], tuple[Callable[[], int], Callable[[], object]]]) -> float:
    """Records a second that ``reader`` takes out of a full ring."""
    with (
        Map.create("ringbuf", 0, 0, _RING, name="ring") as ring,
        Program.load("socket_filter", _sender(ring), "send") as program,
    ):
        read, close = reader(ring)
        # Each run of a socket filter with repeat sends that many records.
        program.test_run(data=bytes(64), repeat=RECORDS)
        begin = time.perf_counter()
        seen = read()
        seconds = time.perf_counter() - begin
        close()
    if seen != RECORDS:
        raise RuntimeError(f"{seen} records of {RECORDS} arrived")
    return RECORDS / seconds


def _sender(ring: Map) -> bytes:
    stores = "\n".join(f"*(u64 *)(r10 - {at}) = 1" for at in range(8, 48, 8))
    return assemble(f"""
        {stores}
        r1 = map_by_fd({ring.fd})
        r2 = r10
        r2 += -40
        r3 = 40
        r4 = 1
        call bpf_ringbuf_output#130
        r0 = 0
        exit
    """)


def _ours_reads(ring: Map) -> tuple[Callable[[], int], Callable[[], object]]:
    reader = RingBuffer(ring)
    unpack = struct.Struct("IIQQQQ8x").iter_unpack

    def read() -> int:
        seen = 0
        while (taken := reader.take()) is not None:
            batch, runs = taken
            for _kind, offset, stride, count in runs:
                for _fields in unpack(batch[offset : offset + stride * count]):
                    seen += 1
        return seen

    return read, reader.close


def _loop_reads(ring: Map) -> tuple[Callable[[], int], Callable[[], object]]:
    page = mmap.PAGESIZE
    consumer = mmap.mmap(ring.fd, page)
    producer = mmap.mmap(ring.fd, page + 2 * _RING, prot=mmap.PROT_READ, offset=page)
    ours, theirs = memoryview(consumer).cast("Q"), memoryview(producer).cast("Q")

    def read() -> int:
        seen = 0
        at, end = ours[0], theirs[0]
        while at < end:
            place = page + at % _RING
            (length,) = struct.unpack_from("I", producer, place)
            _FIELDS.unpack_from(producer, place + 8)
            at += length + 8 + 7 & ~7
            ours[0] = at
            seen += 1
        return seen

    def close() -> None:
        ours.release()
        theirs.release()
        consumer.close()
        producer.close()

    return read, close


def _libbpf_reads(
    library: ctypes.CDLL, ring: Map
) -> tuple[Callable[[], int], Callable[[], object]]:
    seen = 0

    def sample(_context: int, data: int, size: int) -> int:
        nonlocal seen
        _FIELDS.unpack(ctypes.string_at(data, size))
        seen += 1
        return 0

    function = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
    )(sample)  # fmt: skip
    library.ring_buffer__new.restype = ctypes.c_void_p
    reader = ctypes.c_void_p(library.ring_buffer__new(ring.fd, function, None, None))
    assert reader

    def read() -> int:
        # The library keeps the function's address: the function must live until here.
        assert function
        assert library.ring_buffer__consume(reader) >= 0
        return seen

    return read, lambda: library.ring_buffer__free(reader)
