"""What all kernel objects have in common: a file descriptor that is closed, and a name.

An object is a context manager; closing is idempotent; one that is dropped without being closed
closes itself and says so by a ResourceWarning (which the tests turn into a failure).
"""

from __future__ import annotations

from prybee.linux import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

NAME_LENGTH = 15  # BPF_OBJ_NAME_LEN less the NUL


class KernelObject:
    """Owner of one file descriptor; ``fd`` is -1 once it is closed."""

    __slots__ = ("__weakref__", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def fileno(self) -> int:
        """The descriptor, as :mod:`select` wants it."""
        return self.fd

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self.fd < 0

    def close(self) -> None:
        """Gives the object back to the kernel; a second call does nothing."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            syscalls.kernel.close(fd)

    def _describe(self) -> str:
        """What follows the class's name in ``repr``."""
        return ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # An object whose constructor failed may have no descriptor yet.
        if getattr(self, "fd", -1) >= 0:
            import sys

            if not sys.is_finalizing():  # The process closes everything then, and says nothing.
                import warnings

                warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
                self.close()

    def __repr__(self) -> str:
        state = f"fd {self.fd}" if self.fd >= 0 else "closed"
        text = self._describe()
        return (
            f"{type(self).__name__}({text}, {state})" if text else f"{type(self).__name__}({state})"
        )


def object_name(name: str) -> bytes:
    """``name`` as the kernel takes it for programs and maps: 15 bytes of ``[A-Za-z0-9_.]``."""
    return "".join(
        c if c.isascii() and (c.isalnum() or c in "_.") else "_" for c in name[:NAME_LENGTH]
    ).encode("ascii")


def allow_locked_memory() -> bool:
    """Lifts this process's limit on locked memory: whether that changed anything.

    Before Linux 5.11 maps and programs count against it, and its default is 64 KiB: who asks for
    more gets EPERM, root as well.  So when that happens the limit is lifted, and asked again.
    """
    import resource

    both = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    try:
        if resource.getrlimit(resource.RLIMIT_MEMLOCK) == both:
            return False
        resource.setrlimit(resource.RLIMIT_MEMLOCK, both)
    except (OSError, ValueError):
        return False
    return True
