"""Processes that are traced: a child that waits until it may run, and one that runs already.

:class:`Child` is made by fork(2) and held before its execve(2), so that probes can be attached to
its number first; or, for those who need to see its binary and libraries mapped, stopped right
after it by ptrace(2).  No ``subprocess``: its import alone costs 20 ms.
"""

from __future__ import annotations

import ctypes
import os
import signal
from errno import EACCES, ENOENT, ENOEXEC

from prybee.diagnostics import PrybeeError
from prybee.linux.objects import KernelObject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PTRACE_TRACEME = 0
_PTRACE_DETACH = 17

_REASONS = {
    ENOENT: "there is no such program",
    EACCES: "it is not executable, or a directory above it is not searchable",
    ENOEXEC: "it is neither a program nor a script with a #! line",
}


class SpawnError(PrybeeError):
    """The child's program cannot be started."""

    def __init__(self, program: str, errno: int) -> None:
        self.program = program
        self.errno = errno
        super().__init__(
            f"cannot run '{program}': {_REASONS.get(errno) or os.strerror(errno).lower()}"
        )


class Process(KernelObject):
    """A process that someone else started. Its descriptor becomes readable when it ends."""

    __slots__ = ("pid",)

    def __init__(self, pid: int) -> None:
        """
        Raises:
            PrybeeError: there is no such process.
        """
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            raise PrybeeError(f"there is no process with the pid {pid}") from None
        except OSError as failure:
            raise PrybeeError(f"pid {pid} cannot be watched: {failure.strerror}") from None
        super().__init__(fd)
        self.pid = pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        import select

        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        return not poll.poll(0)

    def _describe(self) -> str:
        return f"pid {self.pid}"


class Child(Process):
    """A process of ours, held until :meth:`release`.

    Attributes:
        arguments: the command.
        status: the exit status once it has ended: 0…255, or minus the signal's number.
    """

    __slots__ = ("_hold", "_report", "_stopped", "arguments", "status")

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        after_exec: bool = False,
    ) -> None:
        """Starts the child, held.

        Args:
            arguments: the program, looked for on PATH unless it has a slash, and its arguments.
            environment: its variables; ours if None.
            after_exec: let it run its execve and stop it then.

        Raises:
            SpawnError: the program cannot be found, or (with ``after_exec``) not be run.
        """
        self.fd = self._hold = self._report = -1
        self.status: int | None = None
        self.arguments = tuple(arguments)
        path = find_program(arguments[0])
        variables = dict(os.environ if environment is None else environment)
        hold_read, self._hold = os.pipe2(os.O_CLOEXEC)
        self._report, report_write = os.pipe2(os.O_CLOEXEC)
        ptrace = _ptrace() if after_exec else None
        pid = os.fork()
        if pid == 0:
            try:
                # Ours alone: the parent's end, or its death would not be seen.
                os.close(self._hold)
                if ptrace is not None:
                    ptrace(_PTRACE_TRACEME, 0, None, None)
                elif not os.read(hold_read, 1):
                    os._exit(127)
                _default_signals()
                os.execve(path, self.arguments, variables)
            except OSError as failure:
                os.write(report_write, (failure.errno or 0).to_bytes(4, "little"))
            finally:
                os._exit(127)
        os.close(hold_read)
        os.close(report_write)
        self._stopped = False
        super().__init__(pid)
        if ptrace is not None:
            _, status = os.waitpid(pid, 0)
            if not os.WIFSTOPPED(status):
                self._ended(status)
                self._raise_report()
                raise SpawnError(arguments[0], ENOENT)
            self._stopped = True

    def release(self) -> None:
        """Lets the child run; a second call does nothing.

        Raises:
            SpawnError: its program could not be started.
        """
        if self._stopped:
            self._stopped = False
            _ptrace()(_PTRACE_DETACH, self.pid, None, None)
        elif self._hold >= 0:
            try:
                os.write(self._hold, b"\1")
            except BrokenPipeError:
                pass  # It is gone already; wait() says how.
        if self._hold >= 0:
            os.close(self._hold)
            self._hold = -1
            self._raise_report()

    def _raise_report(self) -> None:
        """Waits until execve(2) has closed the pipe, or its failure came through it."""
        report, self._report = self._report, -1
        if report < 0:
            return
        try:
            data = os.read(report, 4)
        finally:
            os.close(report)
        if data:
            self.wait()
            self.close()
            raise SpawnError(self.arguments[0], int.from_bytes(data, "little"))

    def poll(self) -> int | None:
        """The status if the child has ended, else None."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._ended(status)
        return self.status

    def wait(self) -> int:
        """Waits for the child's end: its status."""
        if self.status is None:
            _, status = os.waitpid(self.pid, 0)
            self._ended(status)
        assert self.status is not None
        return self.status

    def _ended(self, status: int) -> None:
        self.status = os.waitstatus_to_exitcode(status)

    def send(self, number: int = signal.SIGTERM) -> None:
        """Sends a signal, if the child still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def close(self) -> None:
        """Ends a child that was never released, and gives the descriptors back.

        One that runs goes on running.
        """
        held = self._stopped or self._hold >= 0
        if held and self.fd >= 0:
            if self.poll() is None:
                os.kill(self.pid, signal.SIGKILL)
                self.wait()
            self._stopped = False
        for fd in (self._hold, self._report):
            if fd >= 0:
                os.close(fd)
        self._hold = self._report = -1
        super().close()

    def _describe(self) -> str:
        state = f"ended with {self.status}" if self.status is not None else f"pid {self.pid}"
        return f"{' '.join(self.arguments)}: {state}"


def find_program(name: str) -> str:
    """The path that a command name means.

    Raises:
        SpawnError: there is none.
    """
    if "/" in name:
        if not os.path.isfile(name):
            raise SpawnError(name, ENOENT)
        if not os.access(name, os.X_OK):
            raise SpawnError(name, EACCES)
        return name
    for directory in os.environ.get("PATH", os.defpath).split(":"):
        path = os.path.join(directory or ".", name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise SpawnError(name, ENOENT)


def _default_signals() -> None:
    """Python ignores these two; a program of the child's expects them as they are by default."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _ptrace() -> ctypes._NamedFuncPointer:
    function = ctypes.CDLL(None, use_errno=True).ptrace
    function.restype = ctypes.c_long
    function.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    return function
