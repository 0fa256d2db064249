"""Files as readers want them: whole beginnings, also of pipes, and unpacked."""

from __future__ import annotations

import io

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_GZIP = b"\x1f\x8b"
_WITH_HEADER = 31  # Of zlib: gzip, with the largest window.


class _Filled(io.RawIOBase):
    """A stream whose reads give all that was asked for, but at the end.

    Args:
        source: where it comes from.
        owned: it is closed with this.
    """

    def __init__(self, source: io.RawIOBase | io.BufferedIOBase, owned: bool) -> None:
        self._source = source
        self._owned = owned

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        size = 0
        while size < len(view):
            count = self._source.readinto(view[size:])
            if not count:
                break
            size += count
        return size

    def readall(self) -> bytes:
        return self._source.read() or b""

    def close(self) -> None:
        if self._owned:
            self._source.close()
        super().close()


class _Unpacked(_Filled):
    """A gzipped stream, unpacked.

    Attributes:
        damage: why it ended where it should not; empty if it did not.
    """

    _PIECE = 1 << 16

    def __init__(self, source: io.BufferedIOBase) -> None:
        super().__init__(source, owned=True)
        self.damage = ""
        self._ready = b""
        self._ended = False
        self._new()

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(self._PIECE) or b"", b""))

    def _new(self) -> None:
        import zlib

        self._inflater = zlib.decompressobj(_WITH_HEADER)
        self._error = zlib.error

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        while not self._ready and not self._ended:
            self._fill()
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _fill(self) -> None:
        packed = self._inflater.unconsumed_tail or self._inflater.unused_data
        if self._inflater.eof:
            # Several may stand one behind the other.
            packed = (packed or self._source.read(self._PIECE)).lstrip(b"\0")
            if not packed:
                self._ended = True
                return
            self._new()
        packed = packed or self._source.read(self._PIECE)
        if not packed:
            self.damage, self._ended = "the packed data are cut off", True
            return
        try:
            self._ready = self._inflater.decompress(packed, self._PIECE)
        except self._error as error:
            self.damage, self._ended = f"the packed data are damaged: {error}", True


def opened(source: io.RawIOBase | io.BufferedIOBase, size: int, owned: bool) -> io.BufferedReader:
    """A stream to read from, unpacked if it is gzipped.

    Args:
        source: a file, or a pipe.
        size: so much of its beginning can be looked at, in bytes.
        owned: the source is closed with the stream.
    """
    stream: io.BufferedReader = io.BufferedReader(_Filled(source, owned), size)
    if stream.peek(size)[:2] == _GZIP:
        stream = io.BufferedReader(_Unpacked(stream), size)
    return stream


def damage(stream: io.BufferedReader) -> str:
    """Why a stream has ended where it should not; empty if it has not."""
    return str(getattr(stream.raw, "damage", ""))
