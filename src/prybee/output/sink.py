"""Where output goes: bytes gathered, and written with as few calls as the mode allows."""

from __future__ import annotations

import os
from errno import EIO, EPIPE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# In mode `full`, write when so much has been gathered.
BLOCK = 1 << 16

MODES = ("line", "full", "none")


class Sink:
    """Gathers output for a file descriptor.

    ``line`` (the default) writes at the end of each batch of events, ``full`` when 64 KiB have
    come together or at the end, ``none`` at once.  When the reader of a pipe has gone, ``closed``
    becomes true, and what follows is dropped: the session looks there and ends.
    """

    __slots__ = ("_pending", "_size", "closed", "failure", "fd", "mode")

    def __init__(self, fd: int, mode: str = "line") -> None:
        if mode not in MODES:
            raise ValueError(f"no buffering mode is called {mode!r}; there are {', '.join(MODES)}")
        self.fd = fd
        self.mode = mode
        self.closed = False
        # Why nothing can be written any more, unless the reader just went.
        self.failure = ""
        self._pending: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        """Add ``data``."""
        if self.closed or not data:
            return
        self._pending.append(data)
        self._size += len(data)
        if self._size >= BLOCK or self.mode == "none":
            self.drain()

    def extend(self, texts: Sequence[bytes]) -> None:
        """Add several pieces; in mode ``none`` each is written by itself."""
        if self.mode == "none":
            for text in texts:
                self.write(text)
        else:
            self.write(b"".join(texts))

    def flush(self) -> None:
        """The end of a batch: write what has come together, unless the mode is ``full``."""
        if self._size and self.mode != "full":
            self.drain()

    def drain(self) -> None:
        """Write everything now."""
        if not self._pending:
            return
        data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        self._pending.clear()
        self._size = 0
        try:
            try:
                written = os.write(self.fd, data)
            except BlockingIOError:
                written = 0
            if written < len(data):
                self._rest(memoryview(data)[written:])
        except OSError as failure:
            self.closed = True
            # EPIPE: nobody reads any more; EIO: the terminal has gone.
            if failure.errno not in (EPIPE, EIO):
                self.failure = failure.strerror or str(failure)

    def _rest(self, data: memoryview) -> None:
        import select

        while data:
            try:
                data = data[os.write(self.fd, data) :]
            except BlockingIOError:
                # Somebody made the descriptor non-blocking: wait until it takes more.
                poller = select.poll()
                poller.register(self.fd, select.POLLOUT)
                poller.poll()
