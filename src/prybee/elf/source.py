"""The bytes of an object file, each read checked against the file's end.

A file is read with pread(2), not mapped: a program that is rebuilt in place while it is being
looked at would otherwise kill the reader with SIGBUS, and every mapped page would count as the
reader's memory.  (Measured on libc: reading its symbol names this way costs 30 µs.)
"""

from __future__ import annotations

import os

from prybee.diagnostics import PrybeeError


class ElfError(PrybeeError):
    """A file that is not a readable object file; ``path`` and ``reason`` say which and why."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}" if path else reason)


class Source:
    """Bytes by offset, from a buffer or from an open file, or a part of one.

    Attributes:
        path: the name for messages.
        size: bytes there are.
        start: where in the file they begin; not 0 for a member of an archive.
    """

    __slots__ = ("_data", "_fd", "path", "size", "start")

    def __init__(self, data: bytes | None, fd: int, size: int, path: str, start: int = 0) -> None:
        self._data = data
        self._fd = fd
        self.path = path
        self.size = size
        self.start = start

    @classmethod
    def open(cls, path: str) -> Source:
        """Opens ``path``, which may be ``ARCHIVE!/MEMBER``.

        Raises:
            ElfError: there is no such regular file, or it cannot be opened.
        """
        from stat import S_ISREG

        container, mark, member = path.partition("!/")
        if mark and not os.path.exists(path):
            return cls._member(path, container, member)

        try:
            # Not blocking: the path may be a FIFO.
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise ElfError(path, f"cannot be opened: {error.strerror}") from None
        except ValueError:
            raise ElfError(path, "cannot be opened: the name has a NUL in it") from None
        status = os.fstat(fd)
        if not S_ISREG(status.st_mode):
            os.close(fd)
            raise ElfError(path, "is not a regular file")
        return cls(None, fd, status.st_size, path)

    @classmethod
    def _member(cls, path: str, container: str, member: str) -> Source:
        from prybee.elf.archive import ArchiveError, find

        whole = cls.open(container)
        try:
            whole.start, whole.size = find(whole._fd, whole.size, member)
        except (ArchiveError, OSError) as error:
            whole.close()
            raise ElfError(path, f"cannot be used: {error}") from None
        whole.path = path
        return whole

    def read(self, offset: int, size: int, what: str) -> bytes:
        """``size`` bytes at ``offset``; ``what`` names them in the error.

        Raises:
            ElfError: they are not all in the file, or reading fails.
        """
        if offset + size > self.size:
            raise ElfError(
                self.path,
                f"is truncated or corrupt: {what} at {offset:#x}, {size:#x} bytes, "
                f"in a file of {self.size:#x} bytes",
            )
        if self._data is not None:
            return self._data[offset : offset + size]
        if self._fd < 0:
            raise ElfError(self.path, f"is closed; cannot read {what}")
        try:
            # One call returns at most 2 GiB less a page (Linux), far above any table.
            data = os.pread(self._fd, size, self.start + offset)
        except (OSError, OverflowError) as error:
            raise ElfError(self.path, f"cannot read {what}: {error}") from None
        if len(data) != size:
            raise ElfError(self.path, f"became shorter while {what} was read")
        return data

    def close(self) -> None:
        """Gives the file back; what was read stays usable."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def __del__(self) -> None:
        self.close()
