"""Packets as a file for tcpdump and Wireshark (the pcap format, with nanoseconds).

The format is that of draft-ietf-opsawg-pcap: a header of 24 bytes, then each packet behind 16
bytes of its own.
"""

from __future__ import annotations

import os
from struct import Struct

from prybee.diagnostics import PrybeeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

# In the byte order of the machine that wrote it, which this number tells.
_NANOSECONDS = 0xA1B23C4D
_VERSION = (2, 4)
_MOST = 65535
# Packets begin with their IP header; bpftrace's choice.
LINKTYPE_RAW = 101

_FILE = Struct("=IHHiIII").pack
_PACKET = Struct("=IIII").pack


class PcapFile:
    """A file being written, anew; packets reach it in blocks, all of them when it is closed.

    Attributes:
        failure: why a packet could not be written, or empty.
    """

    def __init__(self, path: str) -> None:
        """
        Raises:
            PrybeeError: the file cannot be made.
        """
        self.path = path
        self.failure = ""
        try:
            self._file: BinaryIO = open(path, "wb")
        except OSError as error:
            raise PrybeeError(f"cannot write {path}: {os.strerror(error.errno or 0)}") from None
        self._put(_FILE(_NANOSECONDS, *_VERSION, 0, 0, _MOST, LINKTYPE_RAW))

    def write(self, nanoseconds: int, packet: bytes) -> None:
        """A packet, and when it was seen, in nanoseconds since 1970."""
        seconds, rest = divmod(nanoseconds, 1_000_000_000)
        kept = packet[:_MOST]
        self._put(_PACKET(seconds, rest, len(kept), len(packet)) + kept)

    def _put(self, data: bytes) -> None:
        if self.failure:
            return
        try:
            self._file.write(data)
        except OSError as error:
            self.failure = os.strerror(error.errno or 0)

    def flush(self) -> None:
        """Let others read what there is so far."""
        if self._file.closed:
            return
        try:
            self._file.flush()
        except OSError as error:
            self.failure = self.failure or os.strerror(error.errno or 0)

    def close(self) -> None:
        """Write what is left; a second call does nothing."""
        self.flush()
        try:
            self._file.close()
        except OSError as error:
            self.failure = self.failure or os.strerror(error.errno or 0)
