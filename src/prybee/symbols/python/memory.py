"""Reading the memory of another process while it runs on."""

from __future__ import annotations

import os

from prybee.diagnostics import PrybeeError
from prybee.symbols.python import layouts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.symbols.python.layouts import Layout

# Names longer than this many characters are none.
_MOST_CHARACTERS = 1 << 16


class Unreadable(Exception):
    """Nothing is mapped there (any more), or it is not what it should be."""


class Memory:
    """The memory of one process; close it, or use it in a ``with``.

    ``/proc/PID/mem`` asks for the same rights as process_vm_readv(2) does, once, and becomes
    empty when the process ends or runs another program.
    """

    def __init__(self, pid: int, proc: str = "/proc") -> None:
        """
        Raises:
            PrybeeError: the process is gone, or may not be read.
        """
        self.pid = pid
        self._fd = -1
        try:
            self._fd = os.open(f"{proc}/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError:
            raise PrybeeError(
                f"the memory of process {pid} may not be read\n"
                "HINT: it takes the same user and kernel.yama.ptrace_scope=0, or a process that "
                "prybee starts (-c), or root"
            ) from None
        except OSError as error:
            raise PrybeeError(f"process {pid} cannot be read: {error.strerror}") from None

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends it; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def read(self, address: int, size: int) -> bytes:
        """``size`` bytes.

        Raises:
            Unreadable: not all of them are mapped.
        """
        try:
            data = os.pread(self._fd, size, address)
        except (OSError, OverflowError):
            raise Unreadable from None
        if len(data) != size:
            raise Unreadable
        return data

    def pointer(self, address: int) -> int:
        """The 64 bits at an address.

        Raises:
            Unreadable: they are not mapped.
        """
        return int.from_bytes(self.read(address, 8), "little")

    def string(self, layout: Layout, address: int) -> str:
        """A Python string.

        Raises:
            Unreadable: there is none.
        """
        head = self.read(address, layouts.STRING_STATE + 4)
        length = int.from_bytes(head[layouts.STRING_LENGTH : layouts.STRING_LENGTH + 8], "little")
        state = int.from_bytes(head[layouts.STRING_STATE :], "little")
        kind = state >> layouts.STATE_KIND & 7
        encoding = layouts.ENCODINGS.get(kind)
        if encoding is None or length > _MOST_CHARACTERS or not state >> layouts.STATE_COMPACT & 1:
            raise Unreadable
        start = layout.ascii if state >> layouts.STATE_ASCII & 1 else layout.compact
        return self.read(address + start, length * kind).decode(encoding, "replace")

    def bytes_object(self, address: int, most: int) -> bytes:
        """A Python bytes object of up to ``most`` bytes.

        Raises:
            Unreadable: there is none.
        """
        size = self.pointer(address + layouts.BYTES_LENGTH)
        if size > most:
            raise Unreadable
        return self.read(address + layouts.BYTES_DATA, size)
