"""System calls, and the seam at which tests put themselves in the kernel's place.

Everything that this room asks of the kernel by number goes through :data:`kernel`, one object with
a handful of thin methods.  :func:`replaced` swaps it for a test's own; nothing is looked up or
checked per call for that (one attribute load).  Results are never exceptions here: like the kernel
itself, methods return a negative errno, because many of them (ENOENT at the end of a map) are news
rather than faults.
"""

from __future__ import annotations

import ctypes
import os
import sys

from prybee.diagnostics import NotSupported
from prybee.machines import SystemCalls
from prybee.machines import machine as machine_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from mmap import mmap
    from types import TracebackType

# Calls since Linux 5.1 have one number on all machines.
FSOPEN = 430
FSCONFIG = 431
FSMOUNT = 432

_FUTEX_WAKE_PRIVATE = 1 | 128

_ELSEWHERE = (
    "scripts can be checked for other machines: prybee check --target FILE SCRIPT, with a FILE "
    "that `prybee target save` made there"
)
_ADD = "a machine is added by one table in prybee/machines: please report it"


def machine(name: str = "", word: int = 0) -> str:
    """The name of this machine's table: uname's name, made that of the process's word size.

    Args:
        name: uname's machine (``i686``, ``armv7l`` …); empty: the running one's.
        word: bytes of a pointer in this process (a 32-bit one may run on a 64-bit kernel).
    """
    name = name or os.uname().machine
    word = word or ctypes.sizeof(ctypes.c_void_p)
    if name in ("i486", "i586", "i686") or (name == "x86_64" and word == 4):
        return "i386"
    if name.startswith("arm") or (name == "aarch64" and word == 4):
        return "arm"
    return name


_MACHINE = machine_named(machine())
_TOTAL_STORE_ORDER = _MACHINE is not None and _MACHINE.ordered


def check_machine(name: str = "", order: str = "") -> None:
    """Whether programs can be run on this machine at all.

    Args:
        name: of its table; empty: the running one's.
        order: of bytes, as :data:`sys.byteorder`; empty: the running one's.

    Raises:
        NotSupported: it is not known here, or has the most significant byte first: what programs
            write is read as numbers with the least significant byte first.
    """
    name = name or machine()
    if (order or sys.byteorder) != "little":
        why = "it stores the most significant byte first, and values would be read the other way"
        raise NotSupported(f"this machine ({name})", why, _ELSEWHERE)
    if machine_named(name) is None:
        raise NotSupported(
            f"this machine ({name})", "the numbers of its system calls are not known here", _ADD
        )


class Kernel:
    """The calls themselves. One instance serves the process; tests derive from it.

    On a machine whose numbers are not known every call answers ENOSYS.
    """

    def __init__(self) -> None:
        known = _MACHINE.calls if _MACHINE is not None else SystemCalls(-1, -1, -1)
        self._bpf, self._perf_event_open = known.bpf, known.perf_event_open
        self._futex = known.futex
        libc = ctypes.CDLL(None, use_errno=True)
        syscall = libc.syscall
        syscall.restype = ctypes.c_long
        self._syscall: Callable[..., int] = syscall
        self._ioctl = libc.ioctl
        self._ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong)
        # Arguments are c_long, which ctypes makes of a Python int fastest through argtypes.
        bpf = libc["syscall"]
        bpf.restype = ctypes.c_long
        bpf.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_long)
        self._call_bpf: Callable[..., int] = bpf
        self._errno = ctypes.get_errno

    def bpf(self, command: int, attributes: int, size: int) -> int:
        """bpf(2): ``attributes`` is the address of a ``union bpf_attr``, ``size`` its bytes used.

        Returns the call's result, or the negated errno.
        """
        result = self._call_bpf(self._bpf, command, attributes, size)
        return result if result >= 0 else -self._errno()

    def perf_event_open(self, attributes: int, pid: int, cpu: int, group: int, flags: int) -> int:
        """perf_event_open(2): a new fd, or the negated errno."""
        return self.call(self._perf_event_open, ctypes.c_void_p(attributes), pid, cpu, group, flags)

    def ioctl(self, fd: int, request: int, argument: int = 0) -> int:
        """ioctl(2) with an integer argument."""
        result: int = self._ioctl(fd, request, argument)
        return result if result >= 0 else -self._errno()

    def call(self, number: int, *arguments: object) -> int:
        """Any system call; integers are passed as C ints, so wrap what is wider."""
        result = self._syscall(ctypes.c_long(number), *arguments)
        return result if result >= 0 else -self._errno()

    def map_memory(self, fd: int, length: int, offset: int = 0, writable: bool = True) -> mmap:
        """Shared memory of a kernel object.

        Raises:
            OSError: as mmap(2) fails. (Python's mmap keeps a duplicate of ``fd`` until closed.)
        """
        from mmap import MAP_SHARED, PROT_READ, PROT_WRITE, mmap

        protection = PROT_READ | PROT_WRITE if writable else PROT_READ
        return mmap(fd, length, MAP_SHARED, protection, offset=offset)

    def close(self, fd: int) -> None:
        """close(2); what fails there is lost, as nothing could be done about it."""
        try:
            os.close(fd)
        except OSError:
            pass

    def fence(self) -> None:
        """Orders memory reads before against those after; free where the machine does that itself.

        Python has no barrier of its own. A futex wake that wakes nobody executes a full one
        (kernel/futex/waitwake.c, futex_hb_waiters_pending) for the price of a system call.
        """
        if not _TOTAL_STORE_ORDER:
            word = ctypes.c_uint32()
            self.call(self._futex, ctypes.byref(word), _FUTEX_WAKE_PRIVATE, 1)


kernel = Kernel()


class replaced:  # noqa: N801 - reads as a verb, like contextlib's
    """Every call of this room goes to ``substitute`` while the block runs (for tests)."""

    def __init__(self, substitute: Kernel) -> None:
        self._substitute = substitute

    def __enter__(self) -> Kernel:
        global kernel
        self._before, kernel = kernel, self._substitute
        return kernel

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        global kernel
        kernel = self._before
