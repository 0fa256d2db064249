"""Packets that ``skboutput()`` sends: through memory of their own, into files."""

from __future__ import annotations

import time

from prybee.session.pcap import PcapFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.plan.plan import RecordSpec
    from prybee.session.ports import Output, PacketSource

# Before each packet: u32 kind of record, u32 zero, u64 nanoseconds of CLOCK_BOOTTIME.
_HEADER = 16


class Packets:
    """Writes the packets of a run.

    Args:
        source: where they come from; closed by :meth:`close`.
        records: the kinds of record; those of ``skboutput`` matter.
        output: what tells of losses.

    Raises:
        PrybeeError: a file cannot be made.
    """

    def __init__(
        self, source: PacketSource, records: tuple[RecordSpec, ...], output: Output
    ) -> None:
        self.source = source
        self.output = output
        self.failed = False
        self._closed = False
        # Nanoseconds between the two clocks.
        self._since = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._files: dict[str, PcapFile] = {}
        # Kind of record → the file, and how many bytes of a packet are left out.
        self._kinds: dict[int, tuple[PcapFile, int]] = {}
        for spec in records:
            if spec.action == "skboutput":
                path, offset = spec.detail
                assert isinstance(path, str)
                assert isinstance(offset, int)
                if path not in self._files:
                    self._files[path] = PcapFile(path)
                self._kinds[spec.id] = self._files[path], offset

    def take(self) -> None:
        """Write all packets that there are."""
        packets, lost = self.source.take()
        for _cpu, data in packets:
            file, offset = self._kinds[int.from_bytes(data[:4], "little")]
            when = int.from_bytes(data[8:16], "little") + self._since
            packet = data[_HEADER + offset :]
            if packet:
                file.write(when, packet)
        if lost:
            self.output.lost(lost)
        if packets:
            for file in self._files.values():
                file.flush()

    def close(self) -> None:
        """Write what is left, and say so where that failed; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self.source.close()
        for file in self._files.values():
            file.close()
            if file.failure:
                self.failed = True
                self.output.complain(f"ERROR: cannot write {file.path}: {file.failure}")
