"""Packets of skboutput(): the files, as a reader of ours takes them apart."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from prybee.diagnostics import PrybeeError
from prybee.plan.plan import RecordSpec
from prybee.session.packets import Packets
from prybee.session.pcap import PcapFile
from tests.session.fake import Screen

Packet = tuple[int, int, bytes]


def read_pcap(path: Path) -> list[Packet]:
    """Nanoseconds, length on the wire and bytes of each packet, by the draft of the format."""
    data = path.read_bytes()
    magic, major, minor, zone, digits, most, link = struct.unpack_from("=IHHiIII", data)
    assert (magic, major, minor, zone, digits) == (0xA1B23C4D, 2, 4, 0, 0)
    assert (most, link) == (65535, 101)
    found, at = [], 24
    while at < len(data):
        seconds, rest, kept, length = struct.unpack_from("=IIII", data, at)
        at += 16
        assert rest < 1_000_000_000
        found.append((seconds * 1_000_000_000 + rest, length, data[at : at + kept]))
        assert len(found[-1][2]) == kept
        at += kept
    return found


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(b"what was there before")
    file = PcapFile(str(path))
    file.write(1_700_000_000_000_000_001, b"one")
    file.write(1_700_000_001_999_999_999, b"x" * 70000)
    file.flush()
    assert len(read_pcap(path)) == 2
    file.close()
    file.close()
    assert read_pcap(path) == [
        (1_700_000_000_000_000_001, 3, b"one"),
        (1_700_000_001_999_999_999, 70000, b"x" * 65535),
    ]


def test_a_file_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(PrybeeError, match=r"cannot write .*/none/a.pcap: No such file"):
        PcapFile(str(tmp_path / "none" / "a.pcap"))


def test_a_full_disk() -> None:
    file = PcapFile("/dev/full")
    file.write(0, b"lost")
    file.close()
    assert file.failure == "No space left on device"


class Source:
    """Gives one batch of packets."""

    def __init__(self, *packets: bytes, lost: int = 0) -> None:
        self.batch = [(0, packet) for packet in packets]
        self.lost = lost
        self.closed = 0

    def filenos(self) -> list[int]:
        return []

    def take(self) -> tuple[list[tuple[int, bytes]], int]:
        batch, self.batch = self.batch, []
        lost, self.lost = self.lost, 0
        return batch, lost

    def close(self) -> None:
        self.closed += 1


def spec(number: int, path: Path, offset: int) -> RecordSpec:
    return RecordSpec(number, "skboutput", 16, (), (str(path), offset))


def sent(kind: int, packet: bytes) -> bytes:
    return struct.pack("<IIQ", kind, 0, time.clock_gettime_ns(time.CLOCK_BOOTTIME)) + packet


def test_packets_go_to_their_files(tmp_path: Path) -> None:
    """Two calls may write to one file, and leave out different beginnings."""
    a, b = tmp_path / "a", tmp_path / "b"
    records = (spec(3, a, 0), spec(4, a, 2), spec(7, b, 14), RecordSpec(8, "exit", 16, ()))
    screen = Screen(tmp_path)
    before = time.time_ns()
    source = Source(sent(3, b"whole"), sent(4, b"..cut"), sent(7, b"short"), lost=5)
    packets = Packets(source, records, screen.output)
    packets.take()
    packets.take()
    assert [packet for _, _, packet in read_pcap(a)] == [b"whole", b"cut"]
    for when, _, _ in read_pcap(a):
        assert before - 10**9 <= when <= time.time_ns() + 10**9
    # Nothing is behind the offset.
    assert read_pcap(b) == []
    packets.close()
    packets.close()
    assert source.closed == 1
    assert not packets.failed
    assert screen.errors.count("Lost 5 events") == 1
    screen.close()


def test_a_failure_is_told(tmp_path: Path) -> None:
    screen = Screen(tmp_path)
    packets = Packets(Source(), (spec(1, Path("/dev/full"), 0),), screen.output)
    packets.close()
    assert packets.failed
    assert "ERROR: cannot write /dev/full: No space left on device" in screen.errors
    screen.close()
